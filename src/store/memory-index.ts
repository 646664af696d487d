/**
 * Which notes fit some words, by an index that is only a cache: `cache/memory/<agentId>`, one file replaced whole, good
 * for as long as the files it tells of have the stats it tells. It may be deleted at any time; whatever is wrong with it
 * costs reading the notes again and nothing else.
 *
 * Files that have changed since are read and indexed in memory, beside it; only when that is much is it made anew. So a
 * note that was just added costs the next turn a few lines, and few notes never make a cache at all.
 */
import fs from 'node:fs';
import path from 'node:path';
import { excerptOf } from '../core/memory/excerpt.ts';
import { NoteIndex, NoteIndexBuilder, rankNotes } from '../core/memory/note-index.ts';
import { listNames, writeAll } from './json-file.ts';
import {
  listMemory,
  type MemoryFile,
  type MemoryProblem,
  type ReadNotes,
  readNote,
  readNotes,
} from './memory-files.ts';

/** To be raised with every change of folding, of words, of what is a note, or of the index. */
const VERSION = 1;
/** What is read again at each search rather than kept: less than so many bytes, in fewer than so many files. */
const WORTH_BYTES = 32 * 1024;
const WORTH_FILES = 32;
/** Older files beyond this are not indexed. */
const LARGEST_MEMORY = 32 * 1024 * 1024;
/** A file changed this close to the making of the cache may have changed once more without its stats showing it, ms. */
const RACY = 2000;
/** Temporaries of searches that were killed go after an hour. */
const STALE_TEMPORARY = 3_600_000;
/** A hit this much weaker than the best one is noise. */
const SHARE_OF_BEST = 0.3;

export interface MemoryPlace {
  workspace: string;
  /** file of the cache; null: none is used */
  cache: string | null;
  /** who must own the cache; undefined where files have no owners */
  uid: number | undefined;
  /** names this process among those that write the cache */
  token: string;
  /** epoch ms */
  now: number;
}

export interface MemoryQuery {
  /** folded, see `core/search/word.ts` */
  terms: readonly string[];
  limit: number;
  /** whether the notes of a file count; by its name, `MEMORY.md` or `memory/<name>` */
  uses(name: string): boolean;
  /** a question of a turn: words that most notes hold count nothing, and weak hits are left out */
  isQuestion: boolean;
}

/** A note that fits. */
export interface FoundNote {
  file: string;
  path: string;
  line: number;
  day?: string;
  /** epoch ms: noon of its day (UTC), else the last change of its file */
  at: number;
  /** on one line */
  text: string;
  score: number;
  /** folded words that matched */
  words: string[];
}

export interface MemorySearch {
  /** the best first, among equals the newest */
  found: FoundNote[];
  /** notes that fit, found or beyond the limit */
  total: number;
  /** notes there are in the files that count */
  notes: number;
  problems: MemoryProblem[];
}

/** Notes of a workspace that hold any of some words, the best first. Writes nothing but the cache. */
export function searchMemory(place: MemoryPlace, query: MemoryQuery): MemorySearch {
  const listed = listMemory(place.workspace);
  const problems = [...listed.problems];
  const { indexes, files } = openIndexes(place, listed.files, problems);
  const fileOf = (index: NoteIndex, number: number) => files.get(index)![number] ?? null;
  const uses = (index: NoteIndex, number: number) => {
    const file = fileOf(index, number);
    return file !== null && query.uses(file.name);
  };
  let notes = 0;
  for (const index of indexes) {
    const counted = files.get(index)!.map((_, number) => uses(index, number));
    for (let note = 0; note < index.count; note++) if (counted[index.fileOf(note)]) notes++;
  }
  const ranked = rankNotes(indexes, query.terms, {
    uses,
    prefixFrom: query.isQuestion ? 4 : 3,
    salient: query.isQuestion,
  }).map(hit => ({ ...hit, place: hit.index.note(hit.note), file: null as MemoryFile | null }));
  for (const hit of ranked) hit.file = fileOf(hit.index, hit.place.file);
  const best = ranked.reduce((most, { score }) => Math.max(most, score), 0);
  const fitting = query.isQuestion ? ranked.filter(({ score }) => score >= best * SHARE_OF_BEST) : ranked;
  fitting.sort((a, b) => b.score - a.score || b.file!.at - a.file!.at || b.place.line - a.place.line);
  const found: FoundNote[] = [];
  const told = new Set<string>();
  const broken = new Set<string>();
  for (const { file, place: at, score, words } of fitting) {
    if (found.length >= query.limit) break;
    const { name, path: where, day: fileDay, at: time } = file!;
    if (broken.has(name)) continue;
    try {
      const note = readNote(where, at);
      // Changed this very moment, or the same note once more.
      if (note === null || told.has(note.text)) continue;
      const { text, day = fileDay } = note;
      told.add(text);
      found.push({
        file: name,
        path: where,
        line: at.line,
        at: time,
        text,
        score,
        words,
        ...(day ? { day } : {}),
      });
    } catch (error) {
      broken.add(name);
      problems.push({ name, reason: (error as NodeJS.ErrnoException).code ?? (error as Error).message });
    }
  }
  return { found, total: fitting.length, notes, problems };
}

/** What of a note is shown, around the words that matched. */
export function excerptOfNote({ text, words }: FoundNote, characters: number): string {
  return excerptOf(text, words, characters);
}

/** What the cache knows of a file. */
interface About {
  name: string;
  size: number;
  mtimeMs: number;
  ctimeMs: number;
  ino: number;
  problem?: string;
}

interface AboutAll {
  version: string;
  workspace: string;
  files: About[];
}

interface Indexes {
  indexes: NoteIndex[];
  /** files of an index by their numbers; null: gone, or told by another index */
  files: Map<NoteIndex, (MemoryFile | null)[]>;
}

function openIndexes(place: MemoryPlace, all: MemoryFile[], problems: MemoryProblem[]): Indexes {
  const files = within(all, problems);
  if (files.length === 0) return { indexes: [], files: new Map() };
  const base = place.cache === null ? null : readCache(place, place.cache);
  const left = new Map(files.map(file => [file.name, file]));
  const known: (MemoryFile | null)[] = [];
  for (const about of base?.about.files ?? []) {
    const file = left.get(about.name);
    const isSame = file !== undefined && isUnchanged(about, file.stat, base!.madeAt);
    known.push(isSame ? file : null);
    if (!isSame) continue;
    left.delete(about.name);
    if (about.problem !== undefined) problems.push({ name: about.name, reason: about.problem });
  }
  const changed = [...left.values()];
  const isMuch = (bytes: number, count: number) =>
    place.cache !== null && (bytes >= WORTH_BYTES || count >= WORTH_FILES);
  let bytes = 0;
  const builder = new NoteIndexBuilder();
  const beside: (MemoryFile | null)[] = [];
  const trouble: MemoryProblem[] = [];
  for (const file of changed) {
    const read = readOne(file, trouble);
    if (read === null) continue;
    if (read.problem !== undefined) trouble.push({ name: file.name, reason: read.problem });
    bytes += read.bytes;
    beside.push(file);
    if (isMuch(bytes, beside.length)) return rebuild(place, files, problems);
    for (const note of read.notes) builder.add(beside.length - 1, note);
  }
  problems.push(...trouble);
  const overlay = builder.pack(null);
  const indexes = base ? [base.index, overlay] : [overlay];
  return {
    indexes,
    files: new Map(
      base
        ? [
            [base.index, known],
            [overlay, beside],
          ]
        : [[overlay, beside]],
    ),
  };
}

/** Everything anew, and the cache of it. */
function rebuild(place: MemoryPlace, files: MemoryFile[], problems: MemoryProblem[]): Indexes {
  const builder = new NoteIndexBuilder();
  const about: AboutAll = { version: version(), workspace: place.workspace, files: [] };
  const known: (MemoryFile | null)[] = [];
  // What was found broken in the cache that is replaced is found again.
  const told = new Set(files.map(file => file.name));
  for (let i = problems.length - 1; i >= 0; i--) if (told.has(problems[i]!.name)) problems.splice(i, 1);
  for (const file of files) {
    const read = readOne(file, problems);
    if (read === null) continue;
    for (const note of read.notes) builder.add(known.length, note);
    const { size, mtimeMs, ctimeMs, ino } = file.stat;
    const problem = read.problem === undefined ? {} : { problem: read.problem };
    if (read.problem !== undefined) problems.push({ name: file.name, reason: read.problem });
    about.files.push({ name: file.name, size, mtimeMs, ctimeMs, ino: Number(ino), ...problem });
    known.push(file);
  }
  const index = builder.pack(about);
  writeCache(place, index);
  return { indexes: [index], files: new Map([[index, known]]) };
}

/** Null where the file cannot be read, which is told. */
function readOne(file: MemoryFile, problems: MemoryProblem[]): ReadNotes | null {
  try {
    return readNotes(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') problems.push({ name: file.name, reason: code ?? message });
    return null;
  }
}

/** The newest files that are not too much together. */
function within(files: MemoryFile[], problems: MemoryProblem[]): MemoryFile[] {
  let bytes = 0;
  return files.filter(({ name, stat }) => {
    bytes += stat.size;
    const isIn = bytes <= LARGEST_MEMORY || bytes === stat.size;
    if (!isIn)
      problems.push({
        name,
        reason: `there are more than ${LARGEST_MEMORY / 1024 / 1024} MiB of newer notes`,
      });
    return isIn;
  });
}

function isUnchanged(about: About, stat: fs.Stats, madeAt: number): boolean {
  return (
    about.size === stat.size &&
    about.mtimeMs === stat.mtimeMs &&
    about.ctimeMs === stat.ctimeMs &&
    about.ino === Number(stat.ino) &&
    Math.abs(stat.ctimeMs - madeAt) > RACY
  );
}

/** Another Unicode folds and splits in another way. */
function version(): string {
  return `${VERSION} ${process.versions.unicode}`;
}

/** Null where there is no cache, or none to be trusted. */
function readCache(
  { workspace, uid }: MemoryPlace,
  file: string,
): { index: NoteIndex; about: AboutAll; madeAt: number } | null {
  let fd: number | undefined;
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const stat = fs.fstatSync(fd);
    const isOurs = uid === undefined || (stat.uid === uid && (stat.mode & 0o022) === 0);
    if (!stat.isFile() || !isOurs || stat.size % 4 !== 0) return null;
    const words = new Uint32Array(stat.size / 4);
    const bytes = new Uint8Array(words.buffer);
    let done = 0;
    while (done < bytes.length) {
      const read = fs.readSync(fd, bytes, done, bytes.length - done, done);
      if (read === 0) return null;
      done += read;
    }
    const index = NoteIndex.read(words);
    const about = index?.about() as AboutAll | undefined;
    if (!index || about?.version !== version() || about.workspace !== workspace) return null;
    return { index, about, madeAt: stat.mtimeMs };
  } catch {
    return null;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** Silent: where it cannot be written, the next search reads what this one had to. */
function writeCache({ cache, token, now }: MemoryPlace, { words }: NoteIndex): void {
  if (cache === null) return;
  const folder = path.dirname(cache);
  const temporary = path.join(folder, `.tmp-${token}`);
  try {
    // Without a home nothing is made: who only reads leaves no traces outside `cache/`.
    for (const each of [path.dirname(folder), folder])
      if (!fs.existsSync(each)) fs.mkdirSync(each, { mode: 0o700 });
    for (const name of listNames(folder)) {
      const stale = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
      if (name.startsWith('.tmp-') && stale && now - stale.mtimeMs > STALE_TEMPORARY)
        fs.rmSync(path.join(folder, name), { force: true });
    }
    const fd = fs.openSync(temporary, 'wx', 0o600);
    try {
      // Not synced: after a power cut a torn cache fails its checksum and is made again.
      writeAll(fd, Buffer.from(words.buffer, words.byteOffset, words.byteLength));
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, cache);
  } catch {
    try {
      fs.rmSync(temporary, { force: true });
    } catch {
      // It is swept by a later search.
    }
  }
}
