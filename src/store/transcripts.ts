/** Transcripts: `<sessionId>.jsonl`, one per session id, append-only. Nothing here reads a whole one. */
import fs from 'node:fs';
import path from 'node:path';
import type { SessionRecord } from '../core/session/session.ts';
import {
  type AssistantEntry,
  type Entry,
  type HeaderEntry,
  isAssistantEntry,
  isCommandEntry,
  isHeaderEntry,
  isResetEntry,
  isTurnEndEntry,
  isTurnEntry,
  isUserEntry,
  type MessageOutcome,
  type ResetEntry,
  type TurnEndEntry,
  type TurnEntry,
  type UserEntry,
} from '../core/session/transcript.ts';
import type { TranscriptState } from '../core/turn.ts';
import { makeFolder, type Prepared, prepareFile } from './json-file.ts';
import { lineBytes, parseLine, placeLines, readBackward, readForward, readTail } from './jsonl-file.ts';
import type { Layout } from './layout.ts';

/**
 * Is the file that a record names there, and is it this session's? A file whose header names another session is
 * foreign: nothing is ever appended to it. A record with no bytes and no file has simply not begun; an empty file is
 * begun anew.
 */
export function transcriptState(layout: Layout, record: SessionRecord): TranscriptState {
  const file = layout.transcript(record.agentId, record.sessionId);
  let first: Buffer;
  try {
    first = firstLine(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return record.bytes === 0 ? 'not-started' : 'missing';
  }
  const header = parseLine(first);
  if (typeof header !== 'string' && header.type === 'session' && header.id !== record.sessionId)
    return 'foreign';
  return first.length === 0 && fs.statSync(file).size === 0 ? 'not-started' : 'present';
}

/** The header of a transcript; null where there is no file, or where its first line is none. */
export function headerOf(file: string): HeaderEntry | null {
  let first: Buffer;
  try {
    first = firstLine(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const header = parseLine(first);
  return typeof header !== 'string' && isHeaderEntry(header) ? header : null;
}

/** Read in a small piece first: it nearly always holds the header. */
function firstLine(file: string): Buffer {
  const fd = fs.openSync(file, 'r');
  try {
    const chunk = Buffer.allocUnsafe(4096);
    const bytes = chunk.subarray(0, fs.readSync(fd, chunk, 0, chunk.length, 0));
    const end = bytes.indexOf(10);
    if (end >= 0) return bytes.subarray(0, end);
    if (bytes.length < chunk.length) return bytes;
  } finally {
    fs.closeSync(fd);
  }
  for (const line of readForward(file)) return line.bytes;
  return Buffer.alloc(0);
}

/**
 * Writes the first lines of a transcript under a temporary name; `commit` needs no room on the disk any more.
 *
 * @returns with the prepared file, where each line will stand
 */
export function prepareTranscript(
  layout: Layout,
  agentId: string,
  sessionId: string,
  entries: Entry[],
  token: string,
): { prepared: Prepared; offsets: number[]; end: number } {
  const lines = entries.map(lineBytes);
  makeFolder(layout.drafts(agentId));
  const draft = path.join(layout.drafts(agentId), `.tmp-${token}`);
  const prepared = prepareFile(layout.transcript(agentId, sessionId), Buffer.concat(lines), draft);
  return { prepared, ...placeLines(lines, 0) };
}

/** Removes a transcript whose first message was refused. */
export function removeTranscript(layout: Layout, agentId: string, sessionId: string): void {
  fs.rmSync(layout.transcript(agentId, sessionId), { force: true });
}

/** Messages behind `from` that stand in a transcript without an end of their turn. Reads only. */
export function unansweredUsers(file: string, from: number): UserEntry[] {
  if (!fs.existsSync(file)) return [];
  const entries = readTail(file, from).lines.map(line => line.value);
  const ended = new Set(entries.filter(isTurnEndEntry).map(end => end.runId));
  const covered = new Set(
    entries.filter(isTurnEntry).flatMap(turn => (ended.has(turn.runId) ? turn.messageIds : [])),
  );
  return entries.filter(isUserEntry).filter(user => !user.recorded && !covered.has(user.id));
}

/** The `reset` line a transcript ends with, if nothing but unusable lines stands behind it. */
export function closingReset(file: string): ResetEntry | null {
  if (!fs.existsSync(file)) return null;
  for (const entry of newestFirst(file, () => undefined)) return isResetEntry(entry) ? entry : null;
  return null;
}

/** Entries of a transcript, newest first, back to its beginning. Unusable lines are told to `onBad` and passed over. */
export function* newestFirst(
  file: string,
  onBad: (offset: number, reason: string) => void,
): Generator<Entry> {
  for (const line of readBackward(file)) {
    const value = parseLine(line.bytes);
    if (typeof value === 'string') onBad(line.offset, value);
    else yield value;
  }
}

/**
 * The messages of a turn that tried again what stands before it, maybe long before, as that turn has them; those that
 * are gone are left out.
 */
export function earlierUsers(file: string, turn: TurnEntry): UserEntry[] {
  const left = new Set(turn.messageIds);
  const found: UserEntry[] = [];
  for (const entry of newestFirst(file, () => {})) {
    if (left.size === 0) break;
    if (!isUserEntry(entry) || !left.delete(entry.id)) continue;
    // Who waited for it in line got the failure; nobody waits for this turn but the one who asked for it.
    const { queuedAs: _queuedAs, ...user } = entry;
    found.unshift(user);
  }
  return found;
}

/**
 * What became of a message, reading from its own line on; the newest start counts. Null when the transcript or the
 * line is gone.
 */
export function messageOutcome(file: string, at: number, messageId: string): MessageOutcome | null {
  if (!fs.existsSync(file)) return null;
  let user: UserEntry | null = null;
  let turn: TurnEntry | null = null;
  let end: TurnEndEntry | null = null;
  let reply: AssistantEntry | null = null;
  for (const line of readForward(file, at)) {
    const entry = parseLine(line.bytes);
    if (typeof entry === 'string') continue;
    if (user === null) {
      if (isCommandEntry(entry) && entry.id === messageId) return { state: 'command', command: entry };
      if (!isUserEntry(entry) || entry.id !== messageId) return null;
      if (entry.recorded) return { state: 'recorded', user: entry };
      user = entry;
    } else if (isTurnEntry(entry) && entry.messageIds.includes(messageId)) {
      turn = entry;
      end = null;
      reply = null;
    } else if (turn && isAssistantEntry(entry) && entry.runId === turn.runId) {
      reply = entry;
    } else if (turn && isTurnEndEntry(entry) && entry.runId === turn.runId) {
      end = entry;
      // Answered is final; a failure may be followed by another start further on.
      if (end.status === 'replied' || end.status === 'silent') break;
    }
  }
  if (!user) return null;
  return turn && end ? { state: 'ended', user, turn, end, reply } : { state: 'open' };
}
