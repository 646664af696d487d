/**
 * A session held for what an operator asks: nobody else works it meanwhile, and whatever a dead owner left is settled
 * first. No agent is started here: a turn that was open ends as `interrupted`, its message stays in `claw inbox list`.
 */

import { runnerName } from '../core/agent.ts';
import { ClawError } from '../core/errors.ts';
import {
  type AssistantEntry,
  isAssistantEntry,
  type TurnEndEntry,
  type TurnEntry,
} from '../core/session/transcript.ts';
import { describeHolder, type Lock, tryLock } from '../store/lock.ts';
import { clearTurn } from '../store/pending.ts';
import { append } from './accept.ts';
import type { Desk, OpenTurn, Seat, State } from './desk.ts';
import { settleTurn, syncAndSave } from './hand-over.ts';
import { stopOrphans, stopRun } from './orphans.ts';
import { recover, settleTail } from './recover.ts';

/** A session by its place in the store. */
export interface SessionPlace {
  agentId: string;
  /** session key */
  key: string;
}

const FIRST_POLL = 10;
const LONGEST_POLL = 100;

/**
 * Takes a session's lock, ends what a dead owner left running, does a step, and gives the lock back.
 *
 * @param waitMs how long to wait for whoever holds it
 * @throws ClawError tempfail `session-busy`, naming the holder
 */
export async function holdSession<T>(
  desk: Desk,
  place: SessionPlace,
  waitMs: number,
  step: (seat: Seat) => Promise<T>,
): Promise<T> {
  const lock = await takeLock(desk, place, waitMs);
  try {
    await stopOrphans(desk.context, lock);
    return await step({ ...place, lock });
  } finally {
    lock.release();
  }
}

async function takeLock(desk: Desk, { agentId, key }: SessionPlace, waitMs: number): Promise<Lock> {
  const folder = desk.layout.lock(agentId, key);
  const deadline = desk.context.now() + waitMs;
  for (let pause = FIRST_POLL; ; pause = Math.min(pause * 1.5, LONGEST_POLL)) {
    const lock = tryLock(desk.context, folder, key);
    if (lock) return lock;
    if (desk.context.now() >= deadline) break;
    await new Promise(resolve => setTimeout(resolve, pause));
  }
  const holder = describeHolder(desk.context, folder);
  const since = holder?.since ? ` since ${new Date(holder.since).toISOString()}` : '';
  const who = holder
    ? `process ${holder.pid ?? '?'}${holder.hostname ? ` on ${holder.hostname}` : ''} holds it${since}`
    : 'it was held until just now';
  throw new ClawError(
    'tempfail',
    'session-busy',
    `session ${key} is in use: ${who}`,
    `claw ingest --session ${key} /stop`,
  );
}

/**
 * The session as it stands once everything its last owner left is settled.
 *
 * @param why what ends a turn that was still open, for its failure record
 */
export async function settleSession(desk: Desk, seat: Seat, why: string): Promise<State> {
  const left = await settleTail(desk, seat, recover(desk, seat));
  let { state } = left;
  const { record } = state;
  if (record && (left.open.length > 0 || left.orphans.length > 0)) {
    for (const open of left.open) {
      await stopRun(open.turn.runId);
      state = end(desk, seat, state, open, [], why);
    }
    if (left.orphans.length > 0) {
      const turn: TurnEntry = {
        type: 'turn',
        timestamp: desk.context.now(),
        runId: desk.context.newId(),
        attempt: 1,
        messageIds: left.orphans.map(user => user.id),
        runner: runnerName(desk.config, seat.agentId),
        isNewSession: false,
        reset: null,
        notices: [],
      };
      state = end(desk, seat, state, { turn, users: left.orphans }, [turn], why);
    }
    const queued = [...left.open.flatMap(open => open.users), ...left.orphans].some(user => user.queuedAs);
    syncAndSave(desk, seat, state.record!, queued);
    state = { ...state, tail: [] };
  }
  clearTurn(desk.layout, seat.agentId, seat.key);
  return state;
}

/** Writes the end of an open turn: `replied` where only that line was missing, else `interrupted`. */
function end(desk: Desk, seat: Seat, state: State, open: OpenTurn, before: TurnEntry[], why: string): State {
  const { turn } = open;
  const reply = state.tail
    .map(line => line.entry)
    .find((entry): entry is AssistantEntry => isAssistantEntry(entry) && entry.runId === turn.runId);
  const timestamp = desk.context.now();
  const ending: TurnEndEntry = {
    type: 'turn_end',
    timestamp,
    runId: turn.runId,
    status: reply ? 'replied' : 'interrupted',
    usage: null,
    durationMs: Math.max(0, timestamp - turn.timestamp),
    ...(reply ? {} : { error: { code: 'interrupted', message: why, hint: 'send the message again' } }),
  };
  const next = append(desk, state, [...before, ending]).state;
  settleTurn(desk, seat, next.record!, open, ending, reply ?? null, new Set());
  return next;
}
