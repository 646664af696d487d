/**
 * State of other systems, read and never changed: Clawdis and warelay, Clawdbot, Moltbot and OpenClaw with JSON stores,
 * and OpenClaw's deep-wiki layout. Only plain files below the given folder are opened: a link that leads out of it, a
 * pipe or a device is reported.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { ClawError } from '../core/errors.ts';
import { isFields } from '../core/import/line.ts';
import type { ListedTranscript, Shelf } from '../core/import/plan.ts';
import { salvageMembers } from '../core/import/store-map.ts';
import { MAIN_AGENT, normaliseAgentId } from '../core/routing/slug.ts';
import { listNames } from './json-file.ts';
import { parseLine, readForward } from './jsonl-file.ts';

/** Folders in which these systems keep their state, below a home directory. */
const STATE_FOLDERS = ['.openclaw', '.moltbot', '.clawdbot', '.clawdis', '.warelay'];

const CONFIG_FILES = ['openclaw.json', 'moltbot.json', 'clawdbot.json', 'clawdis.json', 'warelay.json'];

const INDEX_FILES = ['sessions.json', 'session-metadata.json'];

export interface FileProblem {
  file: string;
  reason: string;
}

/** Something that is there and is not taken over. */
export interface NotTaken {
  what: string;
  file: string;
  reason: string;
}

export interface ForeignStore {
  system: string;
  /** absolute; every file below is given relative to it, unless said otherwise */
  root: string;
  shelves: Shelf[];
  configFile: string | null;
  jobsFile: string | null;
  /** `cron/runs/<jobId>.jsonl` */
  runFiles: string[];
  notTaken: NotTaken[];
  problems: FileProblem[];
  notes: string[];
}

/**
 * Lists what a folder holds.
 *
 * @param folder the state folder itself, the folder it is in, or one `sessions/` folder
 * @throws ClawError usage `import-source-missing`, `import-source-ambiguous`; data `import-source-unknown`
 */
export function openForeignStore(folder: string): ForeignStore {
  const root = stateFolder(folder);
  const reader = new Reader(root);
  const sessions = shelfFolders(reader, root);
  const store: ForeignStore = {
    system: systemOf(root),
    root,
    shelves: [],
    configFile: CONFIG_FILES.find(name => reader.isFile(name)) ?? null,
    jobsFile: reader.isFile('cron/jobs.json') ? 'cron/jobs.json' : null,
    runFiles: reader
      .names('cron/runs')
      .filter(name => name.endsWith('.jsonl'))
      .map(name => `cron/runs/${name}`)
      .filter(file => reader.isFile(file)),
    notTaken: credentials(reader),
    problems: reader.problems,
    notes: [],
  };
  for (const [agentId, folders] of sessions) store.shelves.push(readShelf(reader, store, agentId, folders));
  return store;
}

/** The text of a file of a store, or why it cannot be read. */
export function readForeignText(store: ForeignStore, file: string): { text: string } | { reason: string } {
  try {
    const text = fs.readFileSync(path.join(store.root, file), 'utf8').replace(/^\ufeff/, '');
    return text.length === 0 ? { reason: 'the file is empty (0 bytes)' } : { text };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

function stateFolder(folder: string): string {
  const given = path.resolve(folder);
  const stat = fs.statSync(given, { throwIfNoEntry: false });
  if (!stat)
    throw new ClawError('usage', 'import-source-missing', `${given} does not exist`, 'claw import --help');
  if (!stat.isDirectory()) {
    const hint = `claw import ${path.dirname(given)}`;
    throw new ClawError('usage', 'import-source-missing', `${given} is not a folder`, hint);
  }
  const root = fs.realpathSync(given);
  if (looksLikeState(root)) return root;
  // One folder is often a link to another of them: the same state under its old name.
  const found = new Map<string, string>();
  for (const name of STATE_FOLDERS) {
    const place = path.join(root, name);
    if (!fs.statSync(place, { throwIfNoEntry: false })?.isDirectory()) continue;
    const real = fs.realpathSync(place);
    if (!found.has(real) && looksLikeState(real)) found.set(real, place);
  }
  const places = [...found.values()];
  if (places.length === 1) return [...found.keys()][0]!;
  if (places.length > 1) {
    const message = `${root} holds the state of several systems: ${places.join(', ')}`;
    throw new ClawError('usage', 'import-source-ambiguous', message, `claw import ${places[0]}`);
  }
  throw new ClawError(
    'data',
    'import-source-unknown',
    `${root} holds no state that claw knows: no sessions.json, session-metadata.json, agents/, sessions/ or cron/jobs.json`,
    `give the state folder itself, such as ~/${STATE_FOLDERS[0]}`,
  );
}

function looksLikeState(root: string): boolean {
  const has = (name: string) => fs.existsSync(path.join(root, name));
  if ([...INDEX_FILES, ...CONFIG_FILES, 'cron/jobs.json'].some(has)) return true;
  const names = listNames(root);
  if (names.some(name => transcriptName(name) !== null)) return true;
  if (names.includes('sessions') && listNames(path.join(root, 'sessions')).some(isSessionFile)) return true;
  return (
    names.includes('agents') &&
    listNames(path.join(root, 'agents')).some(name => has(`agents/${name}/sessions`))
  );
}

function isSessionFile(name: string): boolean {
  return INDEX_FILES.includes(name) || transcriptName(name) !== null;
}

function systemOf(root: string): string {
  const parts = root.split(path.sep).reverse();
  const dotted = parts.find(part => STATE_FOLDERS.includes(part));
  if (dotted !== undefined) return dotted.slice(1);
  const config = CONFIG_FILES.find(name => fs.existsSync(path.join(root, name)));
  if (config !== undefined) return path.basename(config, '.json');
  const isNewer = fs.existsSync(path.join(root, 'agents')) || parts[2] === 'agents';
  return isNewer || fs.existsSync(path.join(root, 'session-metadata.json')) ? 'openclaw' : 'clawdis';
}

/** Folders with sessions by agent; an agent may have several (the older stores lay at the root). */
function shelfFolders(reader: Reader, root: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const add = (agentId: string, folder: string) => {
    if (reader.names(folder).some(isSessionFile)) found.set(agentId, [...(found.get(agentId) ?? []), folder]);
  };
  const [own, parent, above] = root.split(path.sep).reverse();
  const isAgents = own === 'sessions' && above === 'agents' && parent !== undefined;
  const agent = isAgents ? normaliseAgentId(parent) : MAIN_AGENT;
  for (const name of reader.names('agents')) add(normaliseAgentId(name), `agents/${name}/sessions`);
  add(agent, 'sessions');
  add(agent, '');
  return found;
}

/** `<stem>.jsonl`, or one that the old system set aside under `<stem>.jsonl.deleted.<time>`. */
function transcriptName(name: string): { stem: string; tombstone?: 'deleted' | 'reset' } | null {
  const match = /^(.+)\.jsonl(?:\.(deleted|reset)\..+)?$/s.exec(name);
  if (match === null || name.startsWith('.')) return null;
  const tombstone = match[2] as 'deleted' | 'reset' | undefined;
  return { stem: match[1]!, ...(tombstone ? { tombstone } : {}) };
}

function readShelf(reader: Reader, store: ForeignStore, agentId: string, folders: string[]): Shelf {
  const shelf: Shelf = { agentId, entries: [], indexBroken: false, transcripts: [] };
  let read = 0;
  let broken = 0;
  for (const folder of folders) {
    const within = (name: string) => (folder === '' ? name : `${folder}/${name}`);
    for (const name of reader.names(folder)) {
      const file = within(name);
      if (INDEX_FILES.includes(name)) {
        if (!reader.isFile(file)) continue;
        if (readIndex(reader, store, file, shelf)) read++;
        else broken++;
        continue;
      }
      const named = transcriptName(name);
      if (named === null) {
        if (folder !== '') noteOther(store, file, name);
        continue;
      }
      const stat = reader.stat(file);
      if (stat === null) continue;
      if (stat.size === 0) reader.problem(file, 'the file is empty (0 bytes)');
      else shelf.transcripts.push({ file, ...named, mtimeMs: Math.round(stat.mtimeMs) });
    }
  }
  // Without an index every transcript counts as a session: a list that is empty would look like a loss.
  shelf.indexBroken = broken > 0 || read === 0;
  if (shelf.indexBroken && shelf.transcripts.length > 0) {
    for (const transcript of shelf.transcripts) {
      const key = headKey(path.join(store.root, transcript.file));
      if (key !== undefined) transcript.headKey = key;
    }
    const what = broken > 0 ? 'cannot be read' : 'is missing';
    store.notes.push(
      `agent ${agentId}: its session index ${what}; ${shelf.transcripts.length} transcripts were taken by themselves`,
    );
  }
  return shelf;
}

/** What lies beside transcripts and is neither index nor transcript; locks and temporaries need no word. */
function noteOther(store: ForeignStore, file: string, name: string): void {
  if (/\.(?:lock|tmp)$|^\.|\.tmp-|^archive$|^skills$/.test(name)) return;
  if (/\.(?:bak|corrupt|migrated|json)\b/.test(name))
    store.notTaken.push({ what: 'other file', file, reason: 'a copy or state that claw does not need' });
}

/** @returns whether it could be read whole */
function readIndex(reader: Reader, store: ForeignStore, file: string, shelf: Shelf): boolean {
  const read = readForeignText(store, file);
  if ('reason' in read) {
    reader.problem(file, read.reason);
    return false;
  }
  let value: unknown;
  try {
    value = JSON.parse(read.text);
  } catch (error) {
    const members = salvageMembers(read.text);
    for (const [key, entry] of members) shelf.entries.push({ key, value: entry, file });
    const rest = members.length > 0 ? `; its first ${members.length} entries were read` : '';
    reader.problem(file, `not JSON: ${(error as Error).message}${rest}`);
    return false;
  }
  if (!isFields(value)) {
    reader.problem(file, 'not a map of sessions');
    return false;
  }
  for (const [key, entry] of Object.entries(value)) shelf.entries.push({ key, value: entry, file });
  return true;
}

function headKey(file: string): string | undefined {
  try {
    for (const line of readForward(file)) {
      const value = parseLine(line.bytes);
      if (typeof value === 'string' || value.type !== 'session') return undefined;
      const key = (value as { sessionKey?: unknown }).sessionKey;
      return typeof key === 'string' ? key : undefined;
    }
  } catch {
    // Said when the transcript itself is read.
  }
  return undefined;
}

/** Places where those systems keep what gives access; named, never opened. */
function credentials(reader: Reader): NotTaken[] {
  const found: NotTaken[] = [];
  const add = (what: string, file: string) => {
    if (fs.existsSync(path.join(reader.root, file)))
      found.push({
        what,
        file,
        reason: 'claw keeps no credentials; sign in with the agent or the channel itself',
      });
  };
  for (const name of [
    'credentials',
    'oauth.json',
    'auth.json',
    'auth-profiles.json',
    '.env',
    'identity',
    'devices',
  ])
    add('credentials', name);
  for (const name of reader.names('agents'))
    for (const file of ['agent/auth-profiles.json', 'agent/auth.json', 'agent/models.json'])
      add('credentials', `agents/${name}/${file}`);
  return found;
}

/** Looks at files below one folder, and only there. */
class Reader {
  readonly problems: FileProblem[] = [];
  readonly root: string;
  private readonly reported = new Set<string>();

  constructor(root: string) {
    this.root = root;
  }

  problem(file: string, reason: string): void {
    this.problems.push({ file, reason });
  }

  /** Sorted names in a folder; none where there is none, or where it lies elsewhere. */
  names(folder: string): string[] {
    const place = path.join(this.root, folder);
    try {
      const stat = fs.statSync(place, { throwIfNoEntry: false });
      if (!stat?.isDirectory() || !this.isInside(folder)) return [];
      return listNames(place).sort();
    } catch (error) {
      this.report(folder, (error as Error).message);
      return [];
    }
  }

  isFile(file: string): boolean {
    return fs.existsSync(path.join(this.root, file)) && this.stat(file) !== null;
  }

  /** The status of a plain file; null (and reported) for what is none or lies elsewhere. */
  stat(file: string): fs.Stats | null {
    try {
      const stat = fs.statSync(path.join(this.root, file), { throwIfNoEntry: false });
      if (!stat) this.report(file, 'a link that leads nowhere');
      else if (!stat.isFile()) this.report(file, 'not a plain file');
      else if (this.isInside(file)) return stat;
    } catch (error) {
      this.report(file, (error as Error).message);
    }
    return null;
  }

  private isInside(file: string): boolean {
    const real = fs.realpathSync(path.join(this.root, file));
    if (real === this.root || real.startsWith(this.root + path.sep)) return true;
    this.report(file, `a link that leads out of the folder, to ${real}`);
    return false;
  }

  private report(file: string, reason: string): void {
    if (this.reported.has(file)) return;
    this.reported.add(file);
    this.problem(file, reason);
  }
}

/** The bytes of a transcript as they were at one moment. */
export interface ForeignTranscript {
  size: number;
  /** hex SHA-256 */
  sha: string;
  lines(): Generator<{ bytes: Buffer; number: number }>;
}

/** Held in memory whole only up to here. */
const SMALL = 4 * 1024 * 1024;

/**
 * Opens a transcript. What the old system appends meanwhile is not read, so that lines and hash belong together.
 *
 * @throws the error of the file system
 */
export function openTranscript(store: ForeignStore, listed: ListedTranscript): ForeignTranscript {
  const file = path.join(store.root, listed.file);
  const hash = createHash('sha256');
  const fd = fs.openSync(file, 'r');
  try {
    const { size } = fs.fstatSync(fd);
    if (size <= SMALL) {
      const bytes = fs.readFileSync(fd);
      return {
        size: bytes.length,
        sha: hash.update(bytes).digest('hex'),
        lines: () => linesOf(bytes),
      };
    }
    const chunk = Buffer.allocUnsafe(1024 * 1024);
    let done = 0;
    while (done < size) {
      const read = fs.readSync(fd, chunk, 0, Math.min(chunk.length, size - done), done);
      if (read === 0) break;
      hash.update(chunk.subarray(0, read));
      done += read;
    }
    return { size: done, sha: hash.digest('hex'), lines: () => linesUpTo(file, done) };
  } finally {
    fs.closeSync(fd);
  }
}

function* linesOf(bytes: Buffer): Generator<{ bytes: Buffer; number: number }> {
  let number = 0;
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    yield { bytes: bytes.subarray(start, end), number: ++number };
    start = end + 1;
  }
}

function* linesUpTo(file: string, size: number): Generator<{ bytes: Buffer; number: number }> {
  let number = 0;
  for (const line of readForward(file)) {
    if (line.offset >= size) return;
    yield { bytes: line.bytes.subarray(0, size - line.offset), number: ++number };
  }
}
