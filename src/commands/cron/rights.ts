/** What an agent may do with jobs when it calls claw from inside its run: its own ones, no commands, nobody else's address. */
import { ClawError } from '../../core/errors.ts';
import { callerHops, viewerOf } from '../../core/routing/visibility.ts';
import type { Job } from '../../core/schedule/job.ts';
import type { Desk } from '../../runner/desk.ts';
import { checkedHops } from '../../runner/ingest.ts';
import { isOperator } from '../operator.ts';
import { placesNamed } from './job-options.ts';
import { maySeeJob } from './rows.ts';

/** Whether a job has claw start a program that the job names. */
export function runsCommand(job: Pick<Job, 'payload' | 'precheck'>): boolean {
  return job.payload.kind === 'exec' || job.precheck !== undefined;
}

/**
 * Refuses what the caller may not make of a job.
 *
 * @param before the job as it was; null: it is new
 * @param after as it will be; null: it is removed
 * @param byCall it comes through `claw call`, which may have no command run that was not there before
 * @throws ClawError noPermission
 */
export function requireRight(
  desk: Desk,
  before: Job | null,
  after: Job | null,
  options: { what: string; byCall?: boolean },
): void {
  const named = (job: Job | null) =>
    job === null ? null : [job.payload.kind === 'exec' ? job.payload.command : null, job.precheck ?? null];
  const changesCommand =
    after !== null && runsCommand(after) && JSON.stringify(named(before)) !== JSON.stringify(named(after));
  if (options.byCall && changesCommand)
    throw refusal('a call may not name commands to be run', `claw ${options.what} --exec … at a shell`);
  if (isOperator(desk.context)) return;
  const run = `an agent (run ${desk.context.env.CLAW_RUN_ID})`;
  const ask = `ask the user to call: claw ${options.what}`;
  if ([before, after].some(job => job !== null && runsCommand(job)))
    throw refusal(`${run} may not have to do with jobs that run commands`, ask);
  for (const job of [before, after])
    if (job !== null && !maySeeJob(desk, job)) {
      const own = viewerOf(desk.context.env)?.key;
      throw refusal(`${run} may only have jobs of its own session and agent`, own ? `--session ${own}` : ask);
    }
  if (after === null) return;
  const places = [...new Set([...placesNamed({ ...before?.payload }), ...placesNamed({ ...after.payload })])];
  const wasThere = before !== null && places.every(name => isSame(before, after, name));
  if (places.length > 0 && !wasThere)
    throw refusal(
      `${run} may not choose who gets what a job says (${places.join(', ')}); --deliver alone goes where its session is answered`,
      ask,
    );
}

/**
 * A job as an agent makes or changes it: it counts as one more step away from the person, like everything agents pass on.
 *
 * @throws ClawError noPermission when agents have passed it on too often
 */
export function signed(desk: Desk, before: Job | null, job: Job): Job {
  if (isOperator(desk.context)) return job;
  const hops = Math.max(before?.hops ?? 0, callerHops(desk.context.env));
  return { ...job, hops: checkedHops(desk, hops, 'do it now, instead of planning it') };
}

function isSame(before: Job, after: Job, name: string): boolean {
  const value = (job: Job) => (job.payload as unknown as Record<string, unknown>)[name];
  return value(before) === value(after);
}

function refusal(message: string, hint: string): ClawError {
  return new ClawError('noPermission', 'agent-not-permitted', message, hint);
}
