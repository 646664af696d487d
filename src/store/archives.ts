/**
 * Archived transcripts: those that no record points to. What is told of one comes from its first and last few KB, so that
 * a listing costs the same whatever their size.
 */
import fs from 'node:fs';
import path from 'node:path';
import {
  type Entry,
  type HeaderEntry,
  isCommandEntry,
  isHeaderEntry,
  isResetEntry,
  isResumedEntry,
  type ResetEntry,
  roleOf,
  SAFE_SESSION_ID,
} from '../core/session/transcript.ts';
import { listNames } from './json-file.ts';
import { parseLine } from './jsonl-file.ts';
import { encodeKey, type Layout, restOfKey } from './layout.ts';
import { eachRecord, loadRecord } from './sessions.ts';
import { headerOf } from './transcripts.ts';

/** How much is read at either end. */
const END = 16 * 1024;
const LONGEST_PREVIEW = 200;

export interface ArchivedTranscript {
  sessionId: string;
  agentId: string;
  /** from its header; null where the first line is none, or names another session */
  key: string | null;
  file: string;
  bytes: number;
  /** epoch ms; null without a header */
  startedAt: number | null;
  /** epoch ms: of the line that archived it (of an imported one: when it ended there), else the file's mtime */
  endedAt: number;
  /** the same, but of an imported one when it came here; what retention counts from */
  archivedAt: number;
  /** why it was archived; null where no line says so (its record was deleted) */
  reason: ResetEntry['reason'] | 'import' | null;
  nextSessionId: string | null;
  /** user and assistant messages; null where counting would mean reading all of it */
  messageCount: number | null;
  /** beginning of the first thing a user wrote; null where the first piece holds none */
  preview: string | null;
  /** channel the first message came by */
  channel: string | null;
}

export interface Archives {
  archived: ArchivedTranscript[];
  /** transcripts that may be current, since they or the record of their key cannot be read */
  undecided: string[];
}

/**
 * The archived transcripts of an agent, in no order.
 *
 * @param only the transcripts of one key; else of all, for which every record is read
 */
export function listArchives(layout: Layout, agentId: string, only?: string): Archives {
  const result: Archives = { archived: [], undecided: [] };
  // Names before records: a session that begins in between is in neither, never in the first alone.
  const names = listNames(layout.sessions(agentId));
  const isCurrent =
    only === undefined ? currentByRecords(layout, agentId) : currentByKey(layout, agentId, only);
  for (const name of names) {
    if (!name.endsWith('.jsonl') || name.startsWith('.')) continue;
    const sessionId = name.slice(0, -'.jsonl'.length);
    const file = path.join(layout.sessions(agentId), name);
    if (only !== undefined && (!isPlain(file) || headerOf(file)?.sessionKey !== only)) continue;
    const known = isCurrent(sessionId, null);
    if (known === 'current') continue;
    let about: ArchivedTranscript | null;
    try {
      about = describeArchived(file, agentId);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      result.undecided.push(file);
      continue;
    }
    if (about === null) continue;
    if (isCurrent(sessionId, about.key) === 'undecided') result.undecided.push(file);
    else result.archived.push(about);
  }
  return result;
}

type Standing = 'current' | 'archived' | 'undecided';

function currentByRecords(layout: Layout, agentId: string) {
  const current = new Set<string>();
  const unreadable = new Set<string>();
  for (const read of eachRecord(layout, agentId)) {
    if (read.state === 'ok') current.add(read.record.sessionId);
    else unreadable.add(path.basename(read.file, '.json'));
  }
  return (sessionId: string, key: string | null): Standing => {
    if (current.has(sessionId)) return 'current';
    if (unreadable.size === 0) return 'archived';
    return key === null || unreadable.has(encodeKey(restOfKey(key))) ? 'undecided' : 'archived';
  };
}

function currentByKey(layout: Layout, agentId: string, key: string) {
  const read = loadRecord(layout, agentId, key);
  return (sessionId: string): Standing => {
    if (read.state === 'unreadable') return 'undecided';
    return read.state === 'ok' && read.record.sessionId === sessionId ? 'current' : 'archived';
  };
}

function isPlain(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

/** What a transcript tells of itself by its two ends; null when it is gone, or a folder, a pipe or a device is there. */
export function describeArchived(file: string, agentId: string): ArchivedTranscript | null {
  const sessionId = path.basename(file, '.jsonl');
  let fd: number;
  try {
    // A pipe would be waited for.
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) return null;
    const { size, mtimeMs } = stat;
    const isWhole = size <= 2 * END;
    const head = readPiece(fd, 0, isWhole ? size : END);
    const tail = isWhole ? head : readPiece(fd, size - END, END);
    const first = linesOf(head);
    const entries = entriesOf(isWhole ? first : first.slice(0, -1));
    const last = isWhole ? entries : entriesOf(linesOf(tail).slice(1));
    const header = entries[0] && isHeaderEntry(entries[0]) ? entries[0] : null;
    const isOwn = header !== null && header.id === sessionId && header.agentId === agentId;
    const mark = last.findLast(entry => isResetEntry(entry) || isResumedEntry(entry));
    const reset = mark && isResetEntry(mark) ? mark : null;
    const imported = mark ? null : last.findLast(isImportEnd);
    const spoken = entries.find(entry => roleOf(entry) === 'user') ?? entries.find(isCommandEntry);
    return {
      sessionId,
      agentId,
      key: isOwn ? (header as HeaderEntry).sessionKey : null,
      file,
      bytes: size,
      startedAt: header?.timestamp ?? null,
      endedAt: reset?.timestamp ?? imported?.timestamp ?? Math.round(mtimeMs),
      archivedAt: reset?.timestamp ?? Math.round(mtimeMs),
      reason: reset?.reason ?? (imported ? 'import' : null),
      nextSessionId: reset?.nextSessionId ?? null,
      messageCount: isWhole ? entries.filter(entry => roleOf(entry) !== null).length : null,
      preview: spoken ? previewOf(spoken) : isWhole ? null : cutPreview(first.at(-1)),
      channel: channelOf(spoken),
    };
  } finally {
    fs.closeSync(fd);
  }
}

/** The last line of a transcript that an import archived; no session followed it here. */
function isImportEnd(entry: Entry): entry is Entry & { timestamp: number } {
  const { type, reason, timestamp } = entry as { type?: unknown; reason?: unknown; timestamp?: unknown };
  return type === 'reset' && reason === 'import' && Number.isFinite(timestamp);
}

function readPiece(fd: number, from: number, length: number): Buffer {
  const piece = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const read = fs.readSync(fd, piece, done, length - done, from + done);
    if (read === 0) break;
    done += read;
  }
  return piece.subarray(0, done);
}

function linesOf(piece: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
    lines.push(piece.subarray(start, end));
    start = end + 1;
  }
  lines.push(piece.subarray(start));
  return lines;
}

function entriesOf(lines: Buffer[]): Entry[] {
  return lines.map(line => parseLine(line)).filter((entry): entry is Entry => typeof entry !== 'string');
}

function previewOf(entry: Entry): string | null {
  const { body, message } = entry as { body?: unknown; message?: { content?: unknown } };
  // What the agent was asked; a directive in front of it says nothing of the conversation.
  const asked = typeof body === 'string' && body.trim() !== '' ? body : message?.content;
  const content = isCommandEntry(entry) ? entry.text : asked;
  return typeof content === 'string' ? clip(content) : null;
}

/** The beginning of a message whose line is longer than the piece that was read. */
function cutPreview(line: Buffer | undefined): string | null {
  const found = /"role":"user","content":("(?:[^"\\]|\\.){1,400})/.exec(line?.toString('utf8') ?? '')?.[1];
  if (found === undefined) return null;
  try {
    return clip(JSON.parse(`${found.replace(/\\(?:u[0-9a-f]{0,3})?$/i, '')}"`) as string);
  } catch {
    return null;
  }
}

/** Its first line that has something on it, cut to a listing's measure. */
function clip(text: string): string {
  const line = text.split('\n').find(each => each.trim() !== '') ?? '';
  const chars = [...line.trim().slice(0, 2 * LONGEST_PREVIEW)];
  return chars.length > LONGEST_PREVIEW ? `${chars.slice(0, LONGEST_PREVIEW - 1).join('')}…` : chars.join('');
}

function channelOf(entry: Entry | undefined): string | null {
  const channel = (entry as { origin?: { channel?: unknown } } | undefined)?.origin?.channel;
  return typeof channel === 'string' ? channel : null;
}

/** A file that is kept beside transcripts, or was left by a writer that died. */
export interface SideFile {
  file: string;
  bytes: number;
  /** epoch ms */
  modifiedAt: number;
}

const TORN = /^(.+)\.torn-(\d+)$/;

/** Torn ends that were moved aside. Aged by the time in their name, or by their mtime where that is newer. */
export function listTorn(layout: Layout, agentId: string, sessionId?: string): SideFile[] {
  return listNames(layout.sessions(agentId)).flatMap(name => {
    const match = TORN.exec(name);
    if (!match || !SAFE_SESSION_ID.test(match[1]!)) return [];
    if (sessionId !== undefined && match[1] !== sessionId) return [];
    const found = sideFile(path.join(layout.sessions(agentId), name));
    return found ? [{ ...found, modifiedAt: Math.max(found.modifiedAt, Number(match[2])) }] : [];
  });
}

/** Temporaries in a folder whose writer is dead. `isDead` gets the token behind `.tmp-`. */
export function listDeadTemporaries(folder: string, isDead: (token: string) => boolean): SideFile[] {
  return listNames(folder)
    .filter(name => name.startsWith('.tmp-') && isDead(name.slice(5)))
    .flatMap(name => sideFile(path.join(folder, name)) ?? []);
}

function sideFile(file: string): SideFile | null {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat?.isFile() ? { file, bytes: stat.size, modifiedAt: Math.round(stat.mtimeMs) } : null;
}
