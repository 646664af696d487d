/**
 * Which transcripts of an agent can hold a text, from signatures kept in `cache/search/<agentId>`: one packed file,
 * replaced whole, so several searches at once each see a complete one and the last to finish stays. It may be deleted
 * at any time. Whatever is wrong with it (damage, another version, another Unicode, not writable) costs reading the
 * transcripts again, and nothing else.
 *
 * Transcripts only grow, so of one that did only the new part is read. That it is the same one is seen by its inode, by
 * its first line and by the bytes before the old end.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fold } from '../core/search/query.ts';
import {
  buildSignature,
  checksum,
  GramSet,
  mayHold,
  roomOf,
  widenSignature,
} from '../core/search/signature.ts';
import { sayingOf } from '../core/session/saying.ts';
import { SAFE_SESSION_ID } from '../core/session/transcript.ts';
import { listNames, writeAll } from './json-file.ts';
import type { Layout } from './layout.ts';
import { streamEntries } from './transcript-lines.ts';

/** To be raised with every change of folding, grams, or what counts as said. */
const VERSION = 1;
const HEAD_BYTES = 64;
/** Of one record: checksum, length of what is told about the transcript, length of the signature in words. */
const RECORD_HEAD = 12;
const LARGEST_RECORD = 1024 * 1024;
/** Less than this to read again is not worth writing the cache for. */
const WORTH_BYTES = 256 * 1024;
const WORTH_FILES = 64;
/** Bad lines of a transcript that are told one by one. */
const TOLD_BAD_LINES = 10;
const MARK_BYTES = 1024;
/** Temporaries of searches that were killed go after an hour. */
const STALE_TEMPORARY = 3_600_000;

/** A line that is no entry. */
export interface BadLine {
  line: number;
  reason: string;
}

/** What the cache knows of a transcript. */
interface About {
  name: string;
  size: number;
  mtimeMs: number;
  ino: number;
  /** what was read of it: up to here, so many lines; an unfinished line is read again */
  indexed: number;
  lines: number;
  /** checksums of its first line and of what lies before `indexed` */
  head: number;
  tail: number;
  sessionKey: string | null;
  /** newest time of anything said, epoch ms; null where nothing tells a time */
  newest: number | null;
  said: boolean;
  bad: BadLine[];
  badCount: number;
  /** grams in the signature */
  grams: number;
}

/** A transcript that may hold what is looked for. */
export interface Candidate {
  agentId: string;
  sessionId: string;
  file: string;
  sessionKey: string | null;
  newest: number | null;
}

export interface Problem {
  file: string;
  /** null: the whole file */
  line: number | null;
  reason: string;
}

export interface IndexOptions {
  /** who must own the cache; undefined where files have no owners */
  uid: number | undefined;
  /** names this process among those that write the cache */
  token: string;
  /** epoch ms */
  now: number;
  /** whether a session may and shall be looked into; others are not read beyond their first line */
  wants(sessionId: string, sessionKey: string | null): boolean;
}

/** The packed signatures of an agent. */
export function indexFile(layout: Layout, agentId: string): string {
  return path.join(layout.cache(), 'search', agentId);
}

/**
 * The transcripts, current and archived, that can hold all of these grams, in no order; and what could not be read in
 * any transcript that is wanted. Brings the cache up to date on the way.
 *
 * @param grams as `gramsOf` gives them; none: every transcript in which anything was said
 */
export function findCandidates(
  layout: Layout,
  agentId: string,
  grams: Uint32Array,
  options: IndexOptions,
): { candidates: Candidate[]; problems: Problem[] } {
  const folder = layout.sessions(agentId);
  const file = indexFile(layout, agentId);
  const candidates: Candidate[] = [];
  const problems: Problem[] = [];
  const writer = new CacheWriter(layout, file, options);
  const builder = new SignatureBuilder();
  let changedFiles = 0;
  let changedBytes = 0;
  let gone = 0;

  const tell = (about: About, signature: Uint32Array) => {
    const transcript = path.join(folder, about.name);
    for (const { line, reason } of about.bad) problems.push({ file: transcript, line, reason });
    if (about.badCount > about.bad.length) {
      const more = about.badCount - about.bad.length;
      problems.push({ file: transcript, line: null, reason: `${more} more lines cannot be read` });
    }
    if (!about.said || !mayHold(signature, grams)) return;
    const { sessionKey, newest } = about;
    candidates.push({ agentId, sessionId: idOf(about.name), file: transcript, sessionKey, newest });
  };
  const read = (name: string, stat: fs.Stats, old?: { about: About; signature: Uint32Array }) => {
    const transcript = path.join(folder, name);
    try {
      const built = builder.build(transcript, name, stat, old, key => options.wants(idOf(name), key));
      if (built === null) return;
      changedFiles++;
      changedBytes += built.bytes;
      writer.add(packRecord(built.about, built.signature));
      tell(built.about, built.signature);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      if (code !== 'ENOENT') problems.push({ file: transcript, line: null, reason: message });
    }
  };

  const statOf = (name: string): fs.Stats | undefined => {
    const transcript = path.join(folder, name);
    try {
      return fs.statSync(transcript, { throwIfNoEntry: false });
    } catch (error) {
      problems.push({ file: transcript, line: null, reason: (error as Error).message });
      return undefined;
    }
  };

  let names: Set<string>;
  try {
    names = new Set(listNames(folder).filter(isTranscript));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return { candidates, problems: [{ file: folder, line: null, reason: message }] };
  }
  const cache = CacheReader.open(file, options.uid);
  try {
    for (const record of cache?.records() ?? []) {
      const { about, signature } = record;
      // Twice the same name, or one that is gone: not kept.
      if (!names.delete(about.name)) {
        gone++;
        continue;
      }
      const stat = statOf(about.name);
      if (!stat?.isFile()) {
        gone++;
      } else if (!options.wants(idOf(about.name), about.sessionKey)) {
        writer.keep(record);
      } else if (
        stat.size === about.size &&
        stat.mtimeMs === about.mtimeMs &&
        Number(stat.ino) === about.ino
      ) {
        writer.keep(record);
        tell(about, signature);
      } else {
        read(about.name, stat, { about, signature });
      }
    }
    for (const name of names) {
      const stat = statOf(name);
      if (stat?.isFile()) read(name, stat);
    }
    const isWorth = changedFiles >= WORTH_FILES || changedBytes >= WORTH_BYTES || gone >= WORTH_FILES;
    writer.finish(isWorth, cache);
  } finally {
    writer.abandon();
    cache?.close();
  }
  return { candidates, problems };
}

function isTranscript(name: string): boolean {
  return name.endsWith('.jsonl') && SAFE_SESSION_ID.test(idOf(name));
}

function idOf(name: string): string {
  return name.slice(0, -'.jsonl'.length);
}

/** Reads transcripts into signatures, one after the other, with one set of grams. */
class SignatureBuilder {
  private grams: GramSet | null = null;

  /**
   * A transcript, or its new part.
   *
   * @returns null when its session is not wanted
   */
  build(
    file: string,
    name: string,
    stat: fs.Stats,
    old: { about: About; signature: Uint32Array } | undefined,
    wants: (sessionKey: string | null) => boolean,
  ): { about: About; signature: Uint32Array; bytes: number } | null {
    const { head, sessionKey } = readHead(file);
    if (!wants(sessionKey)) return null;
    const hasRoom = old !== undefined && old.about.grams <= roomOf(old.signature);
    const before = hasRoom && isGrown(file, old.about, stat, head) ? old : null;
    this.grams ??= new GramSet();
    this.grams.clear();
    const about: About = {
      indexed: 0,
      lines: 0,
      newest: null,
      said: false,
      badCount: 0,
      grams: 0,
      ...before?.about,
      // What was bad and unfinished is judged again.
      bad: before?.about.bad.filter(({ line }) => line <= before.about.lines) ?? [],
      name,
      size: stat.size,
      mtimeMs: stat.mtimeMs,
      ino: Number(stat.ino),
      head,
      tail: 0,
      sessionKey,
    };
    if (before) about.badCount -= before.about.bad.length - about.bad.length;
    const from = about.indexed;
    for (const line of streamEntries(file, { from, number: about.lines + 1, to: stat.size })) {
      if (typeof line.entry === 'string') {
        about.badCount++;
        if (about.bad.length < TOLD_BAD_LINES)
          about.bad.push({ line: line.number, reason: line.entry.slice(0, 200) });
      } else this.take(line.entry, about);
      if (!line.terminated) break;
      about.indexed = line.end;
      about.lines = line.number;
    }
    about.tail = tailMark(file, about.indexed);
    let signature: Uint32Array;
    if (before && about.grams > 0) {
      signature = before.signature.slice();
      about.grams += widenSignature(signature, this.grams);
    } else {
      signature = buildSignature(this.grams);
      about.grams = this.grams.size;
    }
    return { about, signature, bytes: stat.size - from };
  }

  private take(entry: Parameters<typeof sayingOf>[0], about: About): void {
    const saying = sayingOf(entry);
    if (saying === null) return;
    about.said = true;
    if (saying.at !== null) about.newest = Math.max(about.newest ?? Number.NEGATIVE_INFINITY, saying.at);
    this.grams!.add(fold(saying.text));
    if (saying.reply !== null) this.grams!.add(fold(saying.reply));
  }
}

/** The first line as far as it matters: which session it names, and a checksum to know it by. */
function readHead(file: string): { head: number; sessionKey: string | null } {
  for (const { bytes, entry } of streamEntries(file)) {
    const head = checksum(bytes.subarray(0, MARK_BYTES));
    const isHeader = typeof entry !== 'string' && entry.type === 'session';
    const key = isHeader ? (entry as { sessionKey?: unknown }).sessionKey : null;
    return { head, sessionKey: typeof key === 'string' ? key : null };
  }
  return { head: 0, sessionKey: null };
}

/** The same file with more behind what was read of it? */
function isGrown(file: string, about: About, stat: fs.Stats, head: number): boolean {
  return (
    stat.size >= about.size &&
    Number(stat.ino) === about.ino &&
    head === about.head &&
    tailMark(file, about.indexed) === about.tail
  );
}

function tailMark(file: string, end: number): number {
  const fd = fs.openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(Math.min(MARK_BYTES, end));
    const read = fs.readSync(fd, bytes, 0, bytes.length, end - bytes.length);
    return checksum(bytes.subarray(0, read));
  } finally {
    fs.closeSync(fd);
  }
}

/** A record as it lies in the cache. */
interface Packed {
  offset: number;
  length: number;
  about: About;
  signature: Uint32Array;
}

function fileHead(): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  // Folding depends on the tables of Unicode that this Node has, and the words on the byte order.
  head.write(`claw search ${VERSION} unicode ${process.versions.unicode ?? '?'}\n`);
  new Uint32Array(head.buffer, head.byteOffset + HEAD_BYTES - 4, 1)[0] = 0x01020304;
  return head;
}

function packRecord(about: About, signature: Uint32Array): Buffer {
  const text = Buffer.from(JSON.stringify(about), 'utf8');
  const length = Math.ceil(text.length / 4) * 4;
  const record = Buffer.alloc(RECORD_HEAD + length + signature.length * 4, ' ');
  text.copy(record, RECORD_HEAD);
  Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength).copy(
    record,
    RECORD_HEAD + length,
  );
  record.writeUInt32LE(length, 4);
  record.writeUInt32LE(signature.length, 8);
  record.writeUInt32LE(checksum(wordsOf(record, 4, record.length)), 0);
  return record;
}

/** The bytes from `from` to `to` as words; copied where they do not lie on a border of words. */
function wordsOf(bytes: Buffer, from: number, to: number): Uint32Array {
  const place = bytes.byteOffset + from;
  if (place % 4 === 0) return new Uint32Array(bytes.buffer, place, (to - from) / 4);
  return new Uint32Array(Uint8Array.prototype.slice.call(bytes, from, to).buffer);
}

/** Goes through a cache file record by record; stops, as if it ended there, at the first that is not whole. */
class CacheReader {
  private constructor(readonly fd: number) {}

  /** Null when there is no cache that can be trusted. */
  static open(file: string, uid: number | undefined): CacheReader | null {
    let fd: number | undefined;
    try {
      const { O_RDONLY, O_NONBLOCK } = fs.constants;
      fd = fs.openSync(file, O_RDONLY | O_NONBLOCK);
      const stat = fs.fstatSync(fd);
      const head = Buffer.alloc(HEAD_BYTES);
      const isOurs = uid === undefined || (stat.uid === uid && (stat.mode & 0o022) === 0);
      const isUsable =
        stat.isFile() &&
        isOurs &&
        fs.readSync(fd, head, 0, HEAD_BYTES, 0) === HEAD_BYTES &&
        head.equals(fileHead());
      if (isUsable) return new CacheReader(fd);
    } catch {
      // A cache that cannot be read is no cache.
    }
    if (fd !== undefined) fs.closeSync(fd);
    return null;
  }

  close(): void {
    fs.closeSync(this.fd);
  }

  /** The signature of a record is only good until the next one is asked for. */
  *records(): Generator<Packed> {
    const buffer = Buffer.allocUnsafeSlow(2 * LARGEST_RECORD);
    let position = HEAD_BYTES;
    let filled = 0;
    for (;;) {
      const read = this.read(buffer, filled, position + filled);
      filled += read;
      let start = 0;
      while (filled - start >= RECORD_HEAD) {
        const textLength = buffer.readUInt32LE(start + 4);
        const length = RECORD_HEAD + textLength + 4 * buffer.readUInt32LE(start + 8);
        if (length > LARGEST_RECORD || textLength % 4 !== 0) return;
        if (filled - start < length) break;
        const words = wordsOf(buffer, start + 4, start + length);
        if (checksum(words) !== buffer.readUInt32LE(start)) return;
        const about = parseAbout(buffer.subarray(start + RECORD_HEAD, start + RECORD_HEAD + textLength));
        if (about === null) return;
        const signature = words.subarray(2 + textLength / 4);
        yield { offset: position + start, length, about, signature };
        start += length;
      }
      if (read === 0) return;
      buffer.copyWithin(0, start, filled);
      position += start;
      filled -= start;
    }
  }

  private read(buffer: Buffer, at: number, position: number): number {
    try {
      return fs.readSync(this.fd, buffer, at, buffer.length - at, position);
    } catch {
      return 0;
    }
  }
}

function parseAbout(bytes: Buffer): About | null {
  try {
    const about = JSON.parse(bytes.toString('utf8')) as About;
    return typeof about.name === 'string' && Array.isArray(about.bad) ? about : null;
  } catch {
    return null;
  }
}

/**
 * Writes the next cache under a name of its own while the old one is read. A small change is kept in memory and not
 * written at all. Any error ends the writing, silently: the next search will read what this one had to.
 */
class CacheWriter {
  private fd: number | null = null;
  private failed = false;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private readonly kept: { offset: number; length: number }[] = [];
  private readonly temporary: string;

  constructor(
    private readonly layout: Layout,
    private readonly file: string,
    private readonly options: IndexOptions,
  ) {
    this.temporary = path.join(path.dirname(file), `.tmp-${options.token}`);
  }

  /** A record that is new or has changed. */
  add(record: Buffer): void {
    // One that could not be read back would hide all behind it.
    if (this.failed || record.length > LARGEST_RECORD) return;
    this.waiting.push(record);
    this.waitingBytes += record.length;
    if (this.waitingBytes > WORTH_BYTES) this.flush();
  }

  /** A record that stays as it is. */
  keep({ offset, length }: Packed): void {
    const last = this.kept.at(-1);
    if (last && last.offset + last.length === offset) last.length += length;
    else this.kept.push({ offset, length });
  }

  /** Puts the new cache in the place of the old one, if it is worth it. */
  finish(isWorth: boolean, old: CacheReader | null): void {
    if (this.failed || (this.fd === null && !isWorth)) return;
    this.flush();
    this.attempt(fd => {
      const chunk = Buffer.allocUnsafe(WORTH_BYTES);
      for (const { offset, length } of old ? this.kept : []) {
        for (let done = 0; done < length; ) {
          const read = fs.readSync(old!.fd, chunk, 0, Math.min(chunk.length, length - done), offset + done);
          if (read === 0) throw new Error('the old cache was cut');
          writeAll(fd, chunk.subarray(0, read));
          done += read;
        }
      }
      // Not synced: after a power cut a torn cache fails its checksums and is made again.
      fs.closeSync(fd);
      this.fd = null;
      fs.renameSync(this.temporary, this.file);
    });
  }

  /** Removes what was not finished. */
  abandon(): void {
    if (this.fd === null) return;
    fs.closeSync(this.fd);
    this.fd = null;
    try {
      fs.rmSync(this.temporary, { force: true });
    } catch {
      // It is swept by a later search.
    }
  }

  private flush(): void {
    this.attempt(fd => {
      for (const record of this.waiting) writeAll(fd, record);
    });
    this.waiting = [];
    this.waitingBytes = 0;
  }

  private attempt(step: (fd: number) => void): void {
    if (this.failed) return;
    try {
      this.fd ??= this.open();
      step(this.fd);
    } catch {
      this.failed = true;
      this.abandon();
    }
  }

  private open(): number {
    const folder = path.dirname(this.file);
    // Without a home nothing is made: who only reads leaves no traces outside `cache/`.
    for (const each of [this.layout.cache(), folder])
      if (!fs.existsSync(each)) fs.mkdirSync(each, { mode: 0o700 });
    for (const name of listNames(folder)) {
      const stale = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
      if (name.startsWith('.tmp-') && stale && this.options.now - stale.mtimeMs > STALE_TEMPORARY)
        fs.rmSync(path.join(folder, name), { force: true });
    }
    const fd = fs.openSync(this.temporary, 'wx', 0o600);
    writeAll(fd, fileHead());
    return fd;
  }
}
