/**
 * What is left to do, so that nobody reads every session to find it. `ls pending/<agent>/` is the to-do list:
 *
 *     <key>.turn             a turn of this session was begun and is not settled
 *     <key>.<seq>-<id>.json  a message accepted while the session was busy, not yet answered
 *     <key>.<seq>-<id>.reply answered; the process that brought the message has to fetch its reply
 *     <key>.wake             a system event of this session does not wait for the next turn: one is to be begun for it
 *     <key>.<runId>.failed   messages whose agent failed; kept for `inbox list`, tried again when the same message comes
 *
 * `<key>` is the encoded key, the same as the record's file name.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import type { Incoming } from '../core/incoming.ts';
import type { UserEntry } from '../core/session/transcript.ts';
import { listNames, makeFolder, putJson, type Read, readJson, syncFolder, undo } from './json-file.ts';
import { decodeKey, encodeKey, type Layout, restOfKey } from './layout.ts';
import { newToken } from './lock.ts';

/** A waiting message with the name that the waiter and the answerer both know it by. */
export interface Waiting {
  stem: string;
  file: string;
  incoming: Incoming;
}

export interface UnreadableWaiting {
  file: string;
  reason: string;
}

const WAITING = /^(.+)\.(\d{16}-[0-9a-f]{8})\.json$/;
const REPLY = /^(.+)\.(\d{16}-[0-9a-f]{8})\.reply$/;
const FAILED = /^(.+)\.([0-9a-f-]{36})\.failed$/;
const TURN = /^(.+)\.turn$/;
const WAKE = /^(.+)\.wake$/;

function encodedKey(layout: Layout, agentId: string, key: string): string {
  return path.basename(layout.record(agentId, key), '.json');
}

/** Marks a session as having an unsettled turn; durable when it returns. */
export function markTurn(layout: Layout, agentId: string, key: string): void {
  const folder = layout.pending(agentId);
  makeFolder(folder);
  fs.closeSync(fs.openSync(path.join(folder, `${encodedKey(layout, agentId, key)}.turn`), 'a', 0o600));
  syncFolder(folder);
}

/** The turn is settled. Not synced: a marker that comes back after a power cut costs one look. */
export function clearTurn(layout: Layout, agentId: string, key: string): void {
  fs.rmSync(path.join(layout.pending(agentId), `${encodedKey(layout, agentId, key)}.turn`), { force: true });
}

/**
 * Accepts a message for a busy session; durable when it returns. The sequence is claw's clock in ms, but never below
 * one that is already waiting, so a clock set back does not reorder a conversation.
 *
 * @returns the stem the message is known by
 */
export function putWaiting(context: Context, layout: Layout, incoming: Incoming): string {
  const folder = layout.pending(incoming.agentId);
  makeFolder(folder);
  const encoded = encodedKey(layout, incoming.agentId, incoming.key);
  let sequence = incoming.acceptedAt;
  for (const name of listNames(folder)) {
    const match = WAITING.exec(name);
    if (match?.[1] === encoded) sequence = Math.max(sequence, Number(match[2]!.slice(0, 16)) + 1);
  }
  const stem = `${String(sequence).padStart(16, '0')}-${context.newId().slice(0, 8)}`;
  const file = path.join(folder, `${encoded}.${stem}.json`);
  try {
    putJson(file, incoming, newToken(context), { folder: true });
  } catch (error) {
    // The name may be there though its folder could not be synced: a message that was refused must not stay.
    undo(error, () => fs.rmSync(file, { force: true }));
    throw error;
  }
  return stem;
}

/** Replaces a waiting message under its stem; durable when it returns. */
export function replaceWaiting(context: Context, layout: Layout, incoming: Incoming, stem: string): void {
  const file = waitingFile(layout, incoming.agentId, incoming.key, stem, 'json');
  putJson(file, incoming, newToken(context), { folder: false });
}

/** Messages waiting for a session, in order of arrival, and files that could not be read. */
export function listWaiting(
  layout: Layout,
  agentId: string,
  key: string,
): { waiting: Waiting[]; unreadable: UnreadableWaiting[] } {
  const folder = layout.pending(agentId);
  const encoded = encodedKey(layout, agentId, key);
  const waiting: Waiting[] = [];
  const unreadable: UnreadableWaiting[] = [];
  for (const name of listNames(folder).sort()) {
    const match = WAITING.exec(name);
    if (match?.[1] !== encoded) continue;
    const file = path.join(folder, name);
    const read = readWaiting(file);
    if (read.state === 'unreadable') unreadable.push({ file, reason: read.reason });
    else if (read.state === 'ok') waiting.push({ stem: match[2]!, file, incoming: read.value });
  }
  return { waiting, unreadable };
}

/** The message in a file of this folder. What is JSON but no message is unreadable too. */
export function readWaiting(file: string): Read<Incoming> {
  const read = readJson(file);
  if (read.state !== 'ok') return read;
  const { agentId, key, messageId, acceptedAt, message } = (read.value ?? {}) as Partial<Incoming>;
  const texts = [agentId, key, messageId, message?.text, message?.channel];
  if (texts.every(text => typeof text === 'string') && typeof acceptedAt === 'number') {
    return { state: 'ok', value: read.value as Incoming };
  }
  return { state: 'unreadable', file, reason: 'it is JSON, but no message' };
}

/** Is this message still waiting? */
export function isWaiting(layout: Layout, agentId: string, key: string, stem: string): boolean {
  return fs.existsSync(waitingFile(layout, agentId, key, stem, 'json'));
}

function waitingFile(
  layout: Layout,
  agentId: string,
  key: string,
  stem: string,
  kind: 'json' | 'reply',
): string {
  return path.join(layout.pending(agentId), `${encodedKey(layout, agentId, key)}.${stem}.${kind}`);
}

/** Hands an answered message to the living process that waits for it. */
export function offerReply(layout: Layout, agentId: string, key: string, stem: string): void {
  rename(waitingFile(layout, agentId, key, stem, 'json'), waitingFile(layout, agentId, key, stem, 'reply'));
}

/** Has the session a turn that is not settled? */
export function hasTurnMark(layout: Layout, agentId: string, key: string): boolean {
  return fs.existsSync(path.join(layout.pending(agentId), `${encodedKey(layout, agentId, key)}.turn`));
}

/** Is a reply offered under this stem? */
export function isOffered(layout: Layout, agentId: string, key: string, stem: string): boolean {
  return fs.existsSync(waitingFile(layout, agentId, key, stem, 'reply'));
}

/** The message whose reply is offered. */
export function readReply(layout: Layout, agentId: string, key: string, stem: string): Read<Incoming> {
  return readWaiting(waitingFile(layout, agentId, key, stem, 'reply'));
}

/** Fetches an offered reply; true for exactly one caller. */
export function claimReply(layout: Layout, agentId: string, key: string, stem: string): boolean {
  return unlink(waitingFile(layout, agentId, key, stem, 'reply'));
}

/** The message is answered and nobody waits for it here any more. */
export function dropWaiting(layout: Layout, agentId: string, key: string, stem: string): void {
  unlink(waitingFile(layout, agentId, key, stem, 'json'));
}

/** Makes removals and renames in an agent's pending folder durable. */
export function syncPending(layout: Layout, agentId: string): void {
  syncFolder(layout.pending(agentId));
}

/** A session that is to be woken, and how that went so far. */
export interface WakeMark {
  agentId: string;
  /** session key */
  key: string;
  /** epoch ms */
  at: number;
  /** turns that were begun for it and failed */
  failures: number;
  /** not before this time, epoch ms */
  notBefore?: number;
}

function wakeFile(layout: Layout, agentId: string, key: string): string {
  return path.join(layout.pending(agentId), `${encodedKey(layout, agentId, key)}.wake`);
}

/** Marks a session to be woken; durable when it returns. */
export function putWake(context: Context, layout: Layout, mark: WakeMark): void {
  makeFolder(layout.pending(mark.agentId));
  putJson(wakeFile(layout, mark.agentId, mark.key), mark, newToken(context), { folder: true });
}

/** The mark of a session that is to be woken; null where there is none. */
export function readWake(layout: Layout, agentId: string, key: string): WakeMark | null {
  return wakeIn(wakeFile(layout, agentId, key), agentId, key);
}

/** Not synced: a mark that comes back finds no event and goes again. */
export function clearWake(layout: Layout, agentId: string, key: string): void {
  fs.rmSync(wakeFile(layout, agentId, key), { force: true });
}

/** A mark counts by being there; of one that cannot be read only the name is left. */
function wakeIn(file: string, agentId: string, key: string): WakeMark | null {
  const read = readJson(file);
  if (read.state === 'missing') return null;
  const mark = (read.state === 'ok' ? read.value : null) as Partial<WakeMark> | null;
  const isWhole =
    typeof mark?.key === 'string' && Number.isFinite(mark.at) && Number.isSafeInteger(mark.failures);
  if (!isWhole) return { agentId, key, at: 0, failures: 0 };
  return { ...(mark as WakeMark), agentId };
}

/** Sessions of an agent that are to be woken. */
export function listWakes(layout: Layout, agentId: string): WakeMark[] {
  return listNames(layout.pending(agentId))
    .sort()
    .flatMap(name => {
      const encoded = name.startsWith('.') ? undefined : WAKE.exec(name)?.[1];
      if (encoded === undefined) return [];
      const named = `agent:${agentId}:${decodeKey(encoded)}`;
      const mark = wakeIn(path.join(layout.pending(agentId), name), agentId, named);
      // What its name does not mean, it does not wake.
      return mark !== null && encodeKey(restOfKey(mark.key)) === encoded ? [mark] : [];
    });
}

/** A message whose agent failed, kept with its text where `inbox list` finds it. */
export interface FailedMessage {
  key: string;
  agentId: string;
  sessionId: string;
  runId: string;
  /** offset of the message's line in the transcript */
  at: number;
  messageIds: string[];
  /** the messages as they stand in the transcript */
  users: UserEntry[];
  text: string;
  status: 'failed' | 'interrupted' | 'dropped';
  error: { code: string; message: string; hint?: string };
  /** epoch ms */
  failedAt: number;
}

export function putFailed(context: Context, layout: Layout, failed: FailedMessage): void {
  const folder = layout.pending(failed.agentId);
  makeFolder(folder);
  const file = path.join(folder, `${encodedKey(layout, failed.agentId, failed.key)}.${failed.runId}.failed`);
  putJson(file, failed, newToken(context), { folder: true });
}

/** Does this run's failure still stand in the inbox? */
export function isFailureKept(layout: Layout, { agentId, key, runId }: FailedMessage): boolean {
  return fs.existsSync(
    path.join(layout.pending(agentId), `${encodedKey(layout, agentId, key)}.${runId}.failed`),
  );
}

/**
 * Forgets the failures of these messages: one of them was answered, or has failed again.
 *
 * @param except run whose failure stays
 */
export function dropFailed(
  layout: Layout,
  agentId: string,
  key: string,
  messageIds: string[],
  except?: string,
): void {
  const encoded = encodedKey(layout, agentId, key);
  for (const name of listNames(layout.pending(agentId))) {
    const match = FAILED.exec(name);
    if (match?.[1] !== encoded || match[2] === except) continue;
    const file = path.join(layout.pending(agentId), name);
    const read = readJson(file);
    const ids = read.state === 'ok' ? (read.value as Partial<FailedMessage> | null)?.messageIds : undefined;
    if (Array.isArray(ids) && ids.some(id => messageIds.includes(id))) unlink(file);
  }
}

export interface PendingOverview {
  /** encoded keys with an unsettled turn */
  turns: string[];
  /** encoded keys with waiting messages */
  waiting: string[];
  /** offered replies: encoded key and stem */
  replies: { encoded: string; stem: string }[];
  failed: string[];
  /** encoded keys of sessions that are to be woken; `listWakes` has their marks */
  wakes: string[];
}

/** Everything left to do for one agent, by file name alone. */
export function pendingOverview(layout: Layout, agentId: string): PendingOverview {
  const overview: PendingOverview = { turns: [], waiting: [], replies: [], failed: [], wakes: [] };
  for (const name of listNames(layout.pending(agentId)).sort()) {
    if (name.startsWith('.')) continue;
    const turn = TURN.exec(name);
    const waiting = WAITING.exec(name);
    const reply = REPLY.exec(name);
    if (turn) overview.turns.push(turn[1]!);
    else if (waiting) overview.waiting.push(waiting[1]!);
    else if (WAKE.test(name)) overview.wakes.push(WAKE.exec(name)![1]!);
    else if (reply) overview.replies.push({ encoded: reply[1]!, stem: reply[2]! });
    else if (FAILED.test(name)) overview.failed.push(path.join(layout.pending(agentId), name));
  }
  return overview;
}

/** Files of messages that wait, of any session of an agent, in order of arrival within a session. */
export function listWaitingFiles(layout: Layout, agentId: string): string[] {
  return listNames(layout.pending(agentId))
    .filter(name => WAITING.test(name) && !name.startsWith('.'))
    .sort()
    .map(name => path.join(layout.pending(agentId), name));
}

/** Agents that have something pending. */
export function listPendingAgents(layout: Layout): string[] {
  return listNames(layout.pendingRoot())
    .filter(name => !name.startsWith('.'))
    .sort();
}

function unlink(file: string): boolean {
  try {
    fs.unlinkSync(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function rename(from: string, to: string): void {
  try {
    fs.renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
