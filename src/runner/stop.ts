/**
 * Ending a turn that another process runs. Who asks leaves a file in the holder's token folder, named after the run it
 * means, so that it can never end the next one; the holder looks for it while its agent runs.
 */
import fs from 'node:fs';
import path from 'node:path';
import {
  isTurnEndEntry,
  isTurnEntry,
  isUserEntry,
  type TurnEntry,
  type UserEntry,
} from '../core/session/transcript.ts';
import { readTail } from '../store/jsonl-file.ts';
import { encodeKey } from '../store/layout.ts';
import { holderOf, type Lock, tokenState } from '../store/lock.ts';
import { loadRecord } from '../store/sessions.ts';
import { earlierUsers } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';

/** Why a running turn is to end. */
export interface StopRequest {
  kind: 'stop' | 'interrupt';
  /** the message that asks */
  messageId: string;
}

/** A turn under way, with its messages. */
export interface RunningTurn {
  turn: TurnEntry;
  users: UserEntry[];
  sessionId: string;
}

const LOOK_EVERY = 100;

/** The turn that runs in a session now; null when none does, or when its files do not say. Reads only. */
export function runningTurn(desk: Desk, agentId: string, key: string): RunningTurn | null {
  const read = loadRecord(desk.layout, agentId, key);
  if (read.state !== 'ok') return null;
  const { sessionId, bytes } = read.record;
  const file = desk.layout.transcript(agentId, sessionId);
  if (!fs.existsSync(file)) return null;
  const entries = readTail(file, bytes).lines.map(line => line.value);
  const ended = new Set(entries.filter(isTurnEndEntry).map(end => end.runId));
  const turn = entries.filter(isTurnEntry).findLast(each => !ended.has(each.runId));
  if (!turn) return null;
  const users = entries.filter(isUserEntry).filter(user => turn.messageIds.includes(user.id));
  const isAgain = users.length < turn.messageIds.length;
  return { turn, users: isAgain ? earlierUsers(file, turn) : users, sessionId };
}

/**
 * Asks the living holder of a session to end a run.
 *
 * @returns false when nobody living holds the session: then nothing runs that could be asked
 */
export function requestStop(
  desk: Desk,
  place: { agentId: string; key: string },
  runId: string,
  request: StopRequest,
): boolean {
  return leaveRequest(desk, desk.layout.lock(place.agentId, place.key), runId, request);
}

/**
 * The same for a run of a job.
 *
 * @returns false when nobody living runs it
 */
export function requestCancel(desk: Desk, jobId: string, runId: string): boolean {
  const lock = desk.layout.runningLock(encodeKey(jobId));
  return leaveRequest(desk, lock, runId, { kind: 'stop', messageId: '' });
}

function leaveRequest(desk: Desk, lock: string, runId: string, request: StopRequest): boolean {
  const token = holderOf(lock);
  if (token === null || tokenState(desk.context, token) === 'dead') return false;
  try {
    fs.writeFileSync(path.join(lock, token, requestName(runId)), JSON.stringify(request), { mode: 0o600 });
    return true;
  } catch (error) {
    // The holder has let go meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function requestName(runId: string): string {
  return `stop-${runId}`;
}

/**
 * Watches for a request to end one run; `found` is called once, at once where it is there. Returns how to stop watching.
 * A request that nobody has looked at stays: it means the whole run, of which another start may follow.
 */
export function watchForStop(lock: Lock, runId: string, found: (request: StopRequest) => void): () => void {
  const file = path.join(lock.folder, requestName(runId));
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    const request = readRequest(file);
    if (!request) return;
    clearInterval(timer);
    fs.rmSync(file, { force: true });
    found(request);
  };
  timer = setInterval(look, LOOK_EVERY);
  look();
  return () => clearInterval(timer);
}

/** Half written is not there yet. */
function readRequest(file: string): StopRequest | null {
  try {
    const { kind, messageId } = JSON.parse(fs.readFileSync(file, 'utf8')) as Partial<StopRequest>;
    return (kind === 'stop' || kind === 'interrupt') && typeof messageId === 'string'
      ? { kind, messageId }
      : null;
  } catch {
    return null;
  }
}
