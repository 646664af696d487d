/**
 * One run of a job or heartbeat, from its claim to its record:
 *
 *     hold the job · end what a dead owner left running · account for what he had claimed · plan again, from its files
 *     · claim (durable) · carry out · append the record (durable) · drop the claim
 *
 * Facts that a tick planned with may be old by the time it gets here, so what counts is the plan made while the job is
 * held. A process may die between any two steps: the claim says what was under way, the record that it is accounted for.
 */

import { secretsInConfig } from '../config/secrets.ts';
import {
  type AfterRun,
  concludeRun,
  type DueFacts,
  type DueJob,
  type DueRun,
  type EndedRun,
  type JobPlan,
  type PlannedRecord,
  planJob,
  type RunEnding,
} from '../core/schedule/due.ts';
import type { Job } from '../core/schedule/job.ts';
import type { JobRules } from '../core/schedule/rule.ts';
import { type JobState, type RunLine, type RunRecord, reduceRuns } from '../core/schedule/run-record.ts';
import { dayOf, localTimeAt } from '../core/schedule/zone.ts';
import { maskSecrets, secretsOf } from '../core/secret.ts';
import { type Claim, dropClaim, listClaims, putClaim } from '../store/claims.ts';
import { encodeKey } from '../store/layout.ts';
import { type Lock, tokenState, tryLock } from '../store/lock.ts';
import { appendRuns, pruneRuns, readRuns } from '../store/runs.ts';
import { type Desk, TurnInterrupted } from './desk.ts';
import { stopOrphans, stopRun } from './orphans.ts';
import { watchForStop } from './stop.ts';

/** Something that a schedule makes due: a job, or the heartbeat of an agent. */
export interface Task {
  /** the job's id, or `heartbeat:<agent>` */
  id: string;
  name: string;
  agentId: string;
  due: DueJob;
  rules: JobRules;
  /** names the rest of the definition */
  definition: string;
  /** epoch ms: since when it stands there, as far as its file tells */
  definedAt: number;
  /** of a job */
  job: Job | null;
  /** run records that are kept, and from when on (epoch ms) */
  keep: { keep: number; before: number };
}

/** One start, as the one who carries it out is told. */
export interface Start extends DueStart {
  runId: string;
  /** the start before it died with its owner: what it had done so far is to be found, not done again */
  isAgain: boolean;
  lock: Lock;
  signal: AbortSignal;
  /** true when a person ended it */
  cancelled(): boolean;
  state: JobState;
}

export type DueStart = Pick<Claim, 'trigger' | 'attempt' | 'startedAt'> & { dueAt?: number };

export interface Performer {
  /** Does what is due. @throws TurnInterrupted when this process was told to end: whoever comes next goes on */
  carryOut(task: Task, start: Start): Promise<Ending>;
  /** false: a start that died half-way is not begun again by itself */
  mayRepeat(task: Task): boolean;
  /** Ends, for good, what a start that died had under way, so that nobody goes on with it. */
  giveUp(task: Task, runId: string): Promise<void>;
  /** before the record is written; done again after a crash */
  announce(
    task: Task,
    record: RunRecord,
    told: { alert: AfterRun['alert']; failures: number; text: string },
  ): void;
  /** how a start ended whose claw died before it could write that down; null where nothing shows it */
  endingOf(task: Task, runId: string): RunEnding | null;
  /** records that are kept no longer */
  forget(task: Task, records: readonly RunRecord[]): void;
}

/** How a run ended, and all that it said, where a record holds only the beginning. */
export type Ending = RunEnding & { text?: string };

export type Performed =
  /** somebody living runs it */
  | { state: 'busy' }
  /** nothing of it was due any more; what there was to account for is accounted for */
  | { state: 'nothing' }
  /** this process was told to end */
  | { state: 'left' }
  | { state: 'done'; record: RunRecord; alert: AfterRun['alert'] };

export function factsOf(desk: Desk, task: Task): DueFacts {
  const now = desk.context.now();
  const { rules, definition, definedAt } = task;
  return { now, host: desk.zone, rules, definition, definedAt, today: dayOf(localTimeAt(desk.zone, now)) };
}

/**
 * Runs what is due of a task, or runs it by hand, after accounting for what a dead owner left.
 *
 * @param wish `due`: the oldest thing that is due; `manual`: now, whatever the schedule says; `account`: nothing, only
 *   what passed is recorded; `cancel`: nothing, and what a dead owner left is not begun again
 */
export async function perform(
  desk: Desk,
  task: Task,
  wish: 'due' | 'manual' | 'account' | 'cancel',
  performer: Performer,
  options: {
    signal: AbortSignal;
    onStart?(start: { runId: string }): void;
    /** asked by who holds a job that is due: a place for its run, null where there is none now */
    enter?(): { release(): void } | null;
  },
): Promise<Performed> {
  const { context, layout } = desk;
  const lock = tryLock(context, layout.runningLock(encodeKey(task.id)), task.id);
  if (lock === null) return { state: 'busy' };
  let place: { release(): void } | null = null;
  try {
    await stopOrphans(context, lock);
    let last: Performed = { state: 'nothing' };
    for (const claim of listClaims(layout).claims.filter(({ jobId }) => jobId === task.id)) {
      // Its owner holds the job no more, unless nobody can say whether he lives.
      if (tokenState(context, claim.owner) === 'unknown') return { state: 'busy' };
      last = await recover(desk, task, claim, performer, lock, options.signal, wish === 'cancel');
      if (last.state === 'left') return last;
    }
    const state = reduceRuns(readRuns(layout, task.id).lines);
    const facts = factsOf(desk, task);
    const plan = planJob(task.due, state, facts);
    const account = accountOf(desk, task, plan);
    const run: DueRun | { trigger: 'manual'; attempt: 1; dueAt?: undefined } | undefined =
      wish === 'manual' ? { trigger: 'manual', attempt: 1 } : wish === 'due' ? plan.runs[0] : undefined;
    if (run === undefined) {
      // That a definition was seen is no promise yet: a thousand new jobs need not wait for the disk a thousand times.
      const isPromise = account.some(line => line.action !== 'seen');
      appendRuns(context, layout, task.id, account, isPromise);
      return last;
    }
    place = wish === 'due' ? (options.enter?.() ?? null) : null;
    if (place === null && wish === 'due' && options.enter) return { state: 'busy' };
    const runId = context.newId();
    const claim = { jobId: task.id, runId, startedAt: context.now(), definition: task.definition, ...run };
    // Before the claim: the record of a later instant stands for all before it.
    appendRuns(context, layout, task.id, account);
    if (!putClaim(context, layout, claim)) return { state: 'busy' };
    options.onStart?.({ runId });
    return await start(desk, task, { ...claim, owner: '' }, performer, lock, options.signal, false);
  } finally {
    place?.release();
    lock.release();
  }
}

const CANCELLED = 'by-hand';

/** What a plan wants written, as lines. */
function accountOf(desk: Desk, { id }: Task, plan: JobPlan): RunLine[] {
  const ts = desk.context.now();
  const line = (record: PlannedRecord): RunLine => ({
    action: 'finished',
    ts,
    jobId: id,
    runId: desk.context.newId(),
    ...record,
  });
  // Instants of an earlier schedule come first: the newer ones stand for everything before them.
  const behind = plan.records.filter(record => record.behind !== undefined);
  const rest = plan.records.filter(record => record.behind === undefined);
  return [
    ...(plan.seen ? [plan.seen] : []),
    ...(plan.clock === null
      ? []
      : [
          {
            action: 'clock' as const,
            ts,
            jobId: id,
            from: plan.clock,
            reason: 'what was known lay in the future',
          },
        ]),
    ...[...behind, ...rest].map(line),
  ];
}

/** What a dead owner had claimed: accounted for already, begun again where it may be, or recorded as interrupted. */
async function recover(
  desk: Desk,
  task: Task,
  claim: Claim,
  performer: Performer,
  lock: Lock,
  signal: AbortSignal,
  isCancelled: boolean,
): Promise<Performed> {
  const { layout } = desk;
  const known = readRuns(layout, task.id).lines.find(
    line => line.action === 'finished' && line.runId === claim.runId,
  );
  if (known !== undefined) {
    dropClaim(layout, claim);
    return { state: 'done', record: known as RunRecord, alert: null };
  }
  if (isCancelled) {
    await performer.giveUp(task, claim.runId);
    await stopRun(claim.runId);
    return finish(desk, task, claim, performer, { status: 'cancelled', reason: CANCELLED });
  }
  const ended = performer.endingOf(task, claim.runId);
  if (ended !== null) return finish(desk, task, claim, performer, ended);
  // What somebody has switched off or made another job of since does not begin once more.
  const isSame = claim.definition === undefined || claim.definition === task.definition;
  if (task.due.enabled && isSame && performer.mayRepeat(task))
    return start(desk, task, claim, performer, lock, signal, true);
  await performer.giveUp(task, claim.runId);
  await stopRun(claim.runId);
  const message = 'the process that ran it ended before it did';
  return finish(desk, task, claim, performer, {
    status: 'interrupted',
    error: {
      ...{ code: 'interrupted', message },
      ...(task.job === null ? {} : { hint: `claw cron run ${task.id} --force` }),
    },
  });
}

/**
 * Accounts for runs of a job that there is no more: whoever had claimed them is dead, and nobody will take them up.
 *
 * @returns false where somebody living holds it
 */
export async function abandon(desk: Desk, jobId: string): Promise<boolean> {
  const { context, layout } = desk;
  const lock = tryLock(context, layout.runningLock(encodeKey(jobId)), jobId);
  if (lock === null) return false;
  try {
    await stopOrphans(context, lock);
    for (const claim of listClaims(layout).claims.filter(each => each.jobId === jobId)) {
      if (tokenState(context, claim.owner) !== 'dead') continue;
      await stopRun(claim.runId);
      const { runId, trigger, attempt, startedAt, dueAt } = claim;
      const known = readRuns(layout, jobId).lines.some(
        line => line.action === 'finished' && line.runId === runId,
      );
      const record: RunRecord = {
        ...{ action: 'finished', ts: context.now(), jobId, runId, trigger, attempt, startedAt },
        ...(dueAt === undefined ? {} : { dueAt }),
        ...{ status: 'interrupted', reason: 'job-gone' },
      };
      if (!known) appendRuns(context, layout, jobId, [record]);
      dropClaim(layout, claim);
    }
    return true;
  } finally {
    lock.release();
  }
}

async function start(
  desk: Desk,
  task: Task,
  claim: Claim,
  performer: Performer,
  lock: Lock,
  signal: AbortSignal,
  isAgain: boolean,
): Promise<Performed> {
  const control = new AbortController();
  const abort = () => control.abort();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) control.abort();
  let cancelled = false;
  const endWatch = watchForStop(lock, claim.runId, () => {
    cancelled = true;
    control.abort();
  });
  const state = reduceRuns(readRuns(desk.layout, task.id).lines);
  let ending: Ending;
  try {
    const { runId, trigger, attempt, startedAt, dueAt } = claim;
    ending = await performer.carryOut(task, {
      ...{ runId, trigger, attempt, startedAt, isAgain, lock, state },
      ...(dueAt === undefined ? {} : { dueAt }),
      signal: control.signal,
      cancelled: () => cancelled,
    });
  } catch (error) {
    if (!(error instanceof TurnInterrupted)) {
      const { message, code = 'internal', hint } = error as Error & { code?: string; hint?: string };
      ending = { status: 'error', error: { code: String(code), message, ...(hint ? { hint } : {}) } };
    } else if (!cancelled) return { state: 'left' };
    else {
      // It may still stand in line for a session that others use.
      await performer.giveUp(task, claim.runId);
      ending = { status: 'cancelled' };
    }
  } finally {
    endWatch();
    signal.removeEventListener('abort', abort);
  }
  if (cancelled) ending = { ...ending, status: 'cancelled', reason: CANCELLED };
  // Somebody took the job over while this process stood still: he accounts for it.
  if (!lock.held()) return { state: 'left' };
  return finish(desk, task, claim, performer, ending);
}

/** What a program printed while it failed may hold what it was given; records, alerts and events are read by many. */
function masked<Ended extends RunEnding>({ context, config }: Desk, ending: Ended): Ended {
  if (ending.error === undefined) return ending;
  const secrets = [...secretsOf(context.env), ...secretsInConfig(config)];
  const message = maskSecrets(ending.error.message, secrets);
  return { ...ending, error: { ...ending.error, message } };
}

async function finish(
  desk: Desk,
  task: Task,
  claim: Claim,
  performer: Performer,
  { text, ...ending }: Ending,
): Promise<Performed> {
  const { context, layout } = desk;
  const { runId, trigger, attempt, startedAt, dueAt } = claim;
  const run: EndedRun = {
    ...{ runId, trigger, attempt, startedAt, endedAt: context.now() },
    ...(dueAt === undefined ? {} : { dueAt }),
  };
  const state = reduceRuns(readRuns(layout, task.id).lines);
  const after = concludeRun(task.due, state, run, masked(desk, ending), factsOf(desk, task));
  const record = after.lines[0] as RunRecord;
  record.agentId = task.agentId;
  const { failures } = reduceRuns(after.lines, state);
  performer.announce(task, record, { alert: after.alert, failures, text: text ?? record.summary ?? '' });
  appendRuns(context, layout, task.id, after.lines);
  dropClaim(layout, claim);
  const gone = pruneRuns(context, layout, task.id, task.keep, lines => reduceRuns(lines));
  performer.forget(
    task,
    gone.filter(line => line.action === 'finished'),
  );
  return { state: 'done', record, alert: after.alert };
}
