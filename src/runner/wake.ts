/**
 * Sessions that are woken for a system event instead of waiting for their next turn or heartbeat. A mark in `pending/`
 * says so, durably, until no such event is left: whoever dies in between leaves it to the next tick.
 */
import { heartbeatJob, heartbeatOf } from '../core/schedule/heartbeat.ts';
import type { SystemEvent } from '../core/schedule/system-event.ts';
import { clearWake, putWake, readWake } from '../store/pending.ts';
import { appendRuns } from '../store/runs.ts';
import { listSystemEvents, putSystemEvent } from '../store/system-events.ts';
import { type BeatOutcome, beatRecord, runBeat } from './beat.ts';
import type { Desk } from './desk.ts';

/** Waiting times after a wake that failed, ms; the last one repeats. The events wait, and any other turn tells them too. */
const BACK_OFF = [60_000, 5 * 60_000, 15 * 60_000, 3_600_000];

/** Has a session woken by whoever comes first: `wake`, or the next tick. Durable when it returns. */
export function requestWake(desk: Desk, agentId: string, key: string): void {
  const mark = readWake(desk.layout, agentId, key);
  // A mark that waits after failures does not hold up what is new.
  if (mark !== null && mark.notBefore === undefined) return;
  putWake(desk.context, desk.layout, { agentId, key, at: desk.context.now(), failures: mark?.failures ?? 0 });
}

/**
 * Queues an event that its session is woken for. The mark stands before the event, so that a crash loses neither, and is
 * looked for again behind it: somebody may have found no event yet and cleared it.
 *
 * @param id given where the same event may be queued once more after a crash
 * @returns the event's id
 */
export function putWakingEvent(
  desk: Desk,
  event: Omit<SystemEvent, 'id' | 'at' | 'wake'>,
  id?: string,
): string {
  const { agentId, key } = event;
  requestWake(desk, agentId, key);
  const given = putSystemEvent(desk.context, desk.layout, { ...event, wake: 'now' }, id);
  requestWake(desk, agentId, key);
  return given;
}

/**
 * Begins a turn for the events that wait for a session, whatever its heartbeat, HEARTBEAT.md and the hour say. The mark
 * goes when no event is left that asks for it; after a failure it stays, and rests for a while. What it had to tell
 * stands in the outbox under the outcome's `delivery.id`.
 *
 * @param options force: also while the mark rests
 * @returns skipped with `requests-in-flight` when somebody holds the session, `no-events`, `backing-off`; these are not
 *   recorded, every other outcome is, with the trigger `wake`
 * @throws TurnInterrupted when `signal` ended it; the mark stays
 */
export async function wake(
  desk: Desk,
  agentId: string,
  key: string,
  options: { signal?: AbortSignal | undefined; force?: boolean } = {},
): Promise<BeatOutcome> {
  const { context, layout } = desk;
  const mark = readWake(layout, agentId, key);
  const runId = context.newId();
  if (!options.force && mark?.notBefore !== undefined && isResting(mark.notBefore, context.now())) {
    const resting = { status: 'skipped', event: 'skipped', reason: 'backing-off' } as const;
    return { ...resting, runId, agentId, sessionKey: key, durationMs: 0 };
  }
  const heartbeat = heartbeatOf(desk.config, agentId);
  const outcome = await runBeat(desk, heartbeat, key, { trigger: 'wake', runId, signal: options.signal });
  if (outcome.status === 'failed') rest(desk, agentId, key, (mark?.failures ?? 0) + 1);
  else if (outcome.reason !== 'requests-in-flight') settle(desk, agentId, key);
  if (outcome.status !== 'skipped')
    appendRuns(context, layout, heartbeatJob(agentId), [beatRecord(desk, outcome, { trigger: 'wake' })]);
  return outcome;
}

/** A time further off than the longest rest comes from before the clock was set back. */
function isResting(notBefore: number, now: number): boolean {
  return notBefore > now && notBefore - now <= BACK_OFF.at(-1)!;
}

function rest(desk: Desk, agentId: string, key: string, failures: number): void {
  const at = desk.context.now();
  const notBefore = at + BACK_OFF[Math.min(failures, BACK_OFF.length) - 1]!;
  try {
    putWake(desk.context, desk.layout, { agentId, key, at, failures, notBefore });
  } catch (error) {
    // The mark that is there wakes it sooner; nothing is lost.
    desk.warn(`session ${key}: ${(error as Error).message}`);
  }
}

function settle(desk: Desk, agentId: string, key: string): void {
  const { layout } = desk;
  const isWanted = () => listSystemEvents(layout, agentId, key).events.some(event => event.wake === 'now');
  if (isWanted()) return;
  clearWake(layout, agentId, key);
  // Queued between the look and the removal, by somebody who found the mark still there.
  if (isWanted()) requestWake(desk, agentId, key);
}
