/**
 * Daily resets: sessions whose day is over begin anew without waiting for a message. Each one once per boundary, with the
 * verdict a message would have met; nothing is sent, the user hears of it with the next reply. When the last look was
 * complete stands in a stamp, so that between two boundaries this costs one small read, and at a boundary only the
 * sessions are opened that were used since the one before.
 */
import path from 'node:path';
import { ClawError } from '../core/errors.ts';
import { endedByDay, type Sweep, sweepSince, sweepTerms } from '../core/session/boundary.ts';
import { makeFolder, putJson, readJson } from '../store/json-file.ts';
import { newToken } from '../store/lock.ts';
import { hasTurnMark, listWaiting } from '../store/pending.ts';
import { eachRecord, listAgents, loadRecord } from '../store/sessions.ts';
import type { Desk } from './desk.ts';

/** A session whose day is over. */
export interface DueReset {
  agentId: string;
  key: string;
  reason: 'daily';
  sessionId: string;
  /** epoch ms: the newest boundary, and the last message of a user before it */
  boundary: number;
  lastUserAt: number;
}

export interface SweepPlan {
  resets: DueReset[];
  /** what the stamp says once these are done; null where no sessions had to be looked for */
  sweep: Sweep | null;
  /** the last sweep left sessions behind, so that the stamp has to be written anew */
  hadLeft: boolean;
}

export interface SweepReport {
  reset: { sessionKey: string; sessionId: string; previousSessionId: string }[];
  /** in use, or in trouble; looked at again by the next tick */
  left: { sessionKey: string; reason: string }[];
  /** how many the time did not suffice for; the next tick goes on with them */
  more: number;
}

interface Stamp extends Sweep {
  /** sessions that were in use then */
  left: { agentId: string; key: string }[];
}

/** Files and claw may go by different clocks (a file server's); a record a little older than it should be is read too. */
const MTIME_MARGIN = 3_600_000;

/** After an import a boundary can end thousands of sessions at once; what else is due must not wait for all of them, ms. */
const LONGEST_SWEEP = 10_000;

/** Which sessions have to be reset now. Reads only: one small file where no boundary has passed since the last sweep. */
export function planDailyResets(desk: Desk): SweepPlan {
  const { config, context, layout, zone } = desk;
  const at = context.now();
  const stamp = readStamp(desk);
  const since = sweepSince(config, stamp, at, zone);
  const left = stamp?.left ?? [];
  const plan: SweepPlan = { resets: [], sweep: null, hadLeft: left.length > 0 };
  if (since === false) {
    for (const { agentId, key } of left) {
      const read = loadRecord(layout, agentId, key);
      if (read.state === 'ok') consider(read.record);
    }
    return plan;
  }
  for (const agentId of listAgents(layout)) {
    const modifiedSince = since === null ? undefined : since - MTIME_MARGIN;
    for (const read of eachRecord(layout, agentId, modifiedSince))
      if (read.state === 'ok') consider(read.record);
  }
  return { ...plan, sweep: { at, terms: sweepTerms(config, zone) } };

  function consider(record: Parameters<typeof endedByDay>[1]): void {
    const boundary = endedByDay(config, record, at, zone);
    if (boundary === null) return;
    const { agentId, key, sessionId, lastUserAt = 0 } = record;
    plan.resets.push({ agentId, key, reason: 'daily', sessionId, boundary, lastUserAt });
  }
}

/**
 * Resets what a plan names, each one judged once more under its session's lock, and notes that the sweep is complete.
 * Whatever is in use is left: for its next message, or for the next tick. Ended in the middle, by `signal` or after
 * `longestMs`, the next tick goes on. Between two sessions other work of this process has its turn.
 */
export async function resetDaily(
  desk: Desk,
  plan: SweepPlan,
  signal?: AbortSignal,
  longestMs = LONGEST_SWEEP,
): Promise<SweepReport> {
  const report: SweepReport = { reset: [], left: [], more: 0 };
  if (plan.sweep === null && !plan.hadLeft) return report;
  const { config, context, zone } = desk;
  const left: Stamp['left'] = [];
  const { resetByDay } = await import('./rotate.ts');
  const begun = context.now();
  for (const [index, { agentId, key }] of plan.resets.entries()) {
    if (index > 0) await new Promise(resolve => setImmediate(resolve));
    if (signal?.aborted || Math.abs(context.now() - begun) > longestMs)
      return { ...report, more: plan.resets.length - index };
    const leave = (reason: string) => {
      left.push({ agentId, key });
      report.left.push({ sessionKey: key, reason });
    };
    if (hasTurnMark(desk.layout, agentId, key) || listWaiting(desk.layout, agentId, key).waiting.length > 0) {
      leave('it has messages to answer first');
      continue;
    }
    try {
      const done = await resetByDay(desk, { agentId, key }, record =>
        endedByDay(config, record, context.now(), zone),
      );
      if (done?.previousSessionId)
        report.reset.push({
          sessionKey: key,
          sessionId: done.sessionId,
          previousSessionId: done.previousSessionId,
        });
    } catch (error) {
      if (!(error instanceof ClawError && error.code === 'session-busy'))
        desk.warn(`session ${key}: its daily reset: ${(error as Error).message}`);
      leave((error as Error).message);
    }
  }
  writeStamp(desk, plan, left);
  return report;
}

/** The stamp; null where it is missing or says nothing that can be used: then every session is looked at once. */
function readStamp({ layout }: Desk): Stamp | null {
  const read = readJson(layout.sweepStamp());
  const { at, terms, left } = ((read.state === 'ok' ? read.value : null) ?? {}) as Partial<Stamp>;
  if (typeof at !== 'number' || typeof terms !== 'string' || !Array.isArray(left)) return null;
  return {
    at,
    terms,
    left: left.filter(each => typeof each?.agentId === 'string' && typeof each?.key === 'string'),
  };
}

function writeStamp(desk: Desk, { sweep }: SweepPlan, left: Stamp['left']): void {
  const before = readStamp(desk);
  const base = sweep ?? before;
  if (base === null) return;
  const stamp: Stamp = { at: base.at, terms: base.terms, left };
  if (JSON.stringify(stamp) === JSON.stringify(before)) return;
  const file = desk.layout.sweepStamp();
  makeFolder(path.dirname(file));
  putJson(file, stamp, newToken(desk.context), { folder: false });
}
