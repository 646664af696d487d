/** What a tick tells of what it did. */
import type { RunRecord } from '../core/schedule/run-record.ts';
import type { CleanupReport } from './clean.ts';
import type { DeliveryReport } from './deliver.ts';
import type { SweepReport } from './sweep.ts';

export interface TickReport {
  /** sessions worked to the end */
  worked: string[];
  /** turns whose agent failed meanwhile; their messages stand in the inbox */
  failed: { sessionKey: string; reason: string }[];
  /** sessions and jobs somebody living holds */
  busy: string[];
  /** what could not be done (a session key, a job, a file), and why */
  problems: { what: string; reason: string }[];
  resets: SweepReport;
  /** runs of jobs and heartbeats that ended */
  runs: RunReport[];
  /** jobs that cannot be used; they harm no other */
  invalid: { id: string | null; name: string | null; problem: string }[];
  /** jobs removed because they had succeeded */
  removed: string[];
  delivery: DeliveryReport;
  /** what retention removed; null where none is set, or it was looked at less than a day ago */
  cleanup: CleanupReport | null;
}

export interface RunReport
  extends Pick<RunRecord, 'jobId' | 'runId' | 'status' | 'trigger' | 'reason' | 'lateMs'> {
  /** ISO 8601; null for a run by hand */
  dueAt: string | null;
  error?: string;
}

/** A tick that has done nothing yet. */
export function emptyReport(): TickReport {
  return {
    worked: [],
    failed: [],
    busy: [],
    problems: [],
    resets: { reset: [], left: [], more: 0 },
    runs: [],
    invalid: [],
    removed: [],
    delivery: { sent: [], waiting: [] },
    cleanup: null,
  };
}

/** A run as it is reported. */
export function runReport(record: RunRecord): RunReport {
  const { jobId, runId, status, trigger, dueAt, lateMs, reason, error } = record;
  return {
    jobId,
    runId,
    status,
    trigger,
    dueAt: dueAt === undefined ? null : new Date(dueAt).toISOString(),
    ...(lateMs === undefined ? {} : { lateMs }),
    ...(reason === undefined ? {} : { reason }),
    ...(error === undefined ? {} : { error: error.message }),
  };
}

/** What the next tick reports if nothing changes; null where this one met something that the next has to look at again. */
export function idleReport(report: TickReport): TickReport | null {
  const { worked, failed, busy, problems, resets, runs, invalid, removed, delivery } = report;
  if (resets.more > 0) return null;
  const lists = [worked, failed, busy, problems, resets.reset, resets.left, runs, removed, delivery.sent];
  if (lists.some(list => list.length > 0)) return null;
  return { ...emptyReport(), invalid, delivery: { sent: [], waiting: delivery.waiting } };
}
