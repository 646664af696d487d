/** The past of a job as people and scripts look at it. */
import type { RunLine, RunRecord } from './run-record.ts';

/** A finished run; one of another system may lack what claw's always have, and tell its error as a text. */
export type ListedRun = Pick<RunRecord, 'action' | 'ts' | 'jobId' | 'status'> &
  Partial<Omit<RunRecord, 'action' | 'ts' | 'jobId' | 'status' | 'error'>> & {
    error?: RunRecord['error'] | string;
    imported?: unknown;
  };

/**
 * What has ended, oldest first. A run that first waited (`queued`) and then ended is one entry: how it ended, at the time
 * it ended, with what was known of it before.
 *
 * @param imported lines of another system
 * @param jobId lines of other jobs in the same file are passed over
 */
export function finishedRuns(
  lines: readonly RunLine[],
  imported: readonly RunLine[],
  jobId: string,
): ListedRun[] {
  const queued = new Map<string, ListedRun>();
  const ended = new Set<string>();
  const runs: ListedRun[] = [];
  for (const line of [...imported, ...lines]) {
    if (line.action !== 'finished' || (line.jobId !== undefined && line.jobId !== jobId)) continue;
    const run: ListedRun = line;
    // Told before the record that it waits was written.
    if (run.status === 'queued' && run.runId !== undefined && ended.has(run.runId)) continue;
    if (run.status !== 'queued' && run.runId !== undefined) ended.add(run.runId);
    const before = run.runId === undefined ? undefined : queued.get(run.runId);
    if (before !== undefined) {
      queued.delete(run.runId!);
      runs.splice(runs.indexOf(before), 1);
    }
    const whole = before === undefined ? run : { ...before, ...run };
    if (whole.status === 'queued' && whole.runId !== undefined) queued.set(whole.runId, whole);
    runs.push(whole);
  }
  // Imported lines are older than all others but where two systems ran side by side; a stable sort keeps the rest.
  return runs.sort((a, b) => a.ts - b.ts);
}
