/**
 * A job at a glance: what listings and ticks say of it for as long as neither its definition nor its past changes and its
 * next instant has not come. A thousand jobs are mostly in that state, so it is made once and remembered.
 */
import { isOver } from './due.ts';
import { definitionOf, type Job, type UnknownKey } from './job.ts';
import type { Outlook } from './outlook.ts';
import { isSameTimes, type JobState } from './run-record.ts';
import { describeSchedule, type StoredSchedule } from './schedule.ts';
import { isUnheard } from './unheard.ts';

const DAY = 24 * 60 * 60_000;

export interface JobGlance {
  /** it holds from here on (epoch ms); before that the clock has been set back behind what is accounted for */
  since: number;
  /** it holds up to here (epoch ms, exclusive), when the job is due; null: nothing is to come */
  next: number | null;
  /** why nothing is to come, where that is no matter of time */
  idle: Outlook['idle'];
  id: string;
  name: string;
  /** the schedule in words, without the kind where it is an expression */
  schedule: string;
  sessionTarget: string;
  agentId: string | undefined;
  /** as `conditionOf` says it while nobody runs the job */
  condition: string;
  failures: number;
  /** how the newest run ended, in a word or two, and when (epoch ms); null where there is none */
  last: JobEnd | null;
  /** whether a command of its own is run */
  runsCommand: boolean;
  unknown: readonly UnknownKey[];
}

export interface JobEnd {
  how: string;
  /** epoch ms */
  at: number;
  /** id of what it had to say in the outbox */
  sends?: string;
}

/** What a document is made of. */
export interface JobView {
  /** with its settled schedule */
  job: Job;
  state: JobState;
  outlook: Outlook;
  /** since when a process runs it, epoch ms; null where none does */
  runningAtMs: number | null;
  /** why its command is not run */
  untrusted: string | null;
}

/**
 * The glance at a job; null where it would not hold for any time: it was never seen as it is now, or something is to be
 * done or recorded.
 *
 * @param job with its settled schedule
 * @param unknown keys of it that mean nothing here
 * @param nextInstant first instant of a schedule strictly after another, epoch ms
 */
export function glanceAt(
  job: Job,
  unknown: readonly UnknownKey[],
  state: JobState,
  nextInstant: (schedule: StoredSchedule, after: number) => number | null,
): JobGlance | null {
  const { seen, position, last } = state;
  if (seen === null || position === null || state.behind.length > 0 || state.retry !== null) return null;
  if (!isSameTimes(seen, job) || seen.definition !== definitionOf(job)) return null;
  // It is removed.
  if (isOver(job, state)) return null;
  const idle = !job.enabled ? 'disabled' : state.done ? 'done' : state.disabled !== null ? 'failures' : null;
  const next = idle === null ? nextInstant(job.schedule, position) : null;
  return {
    ...{ since: position - DAY, next, idle, id: job.id, name: job.name },
    schedule: scheduleInWords(job.schedule),
    ...{ sessionTarget: job.sessionTarget, agentId: job.agentId, failures: state.failures, unknown },
    condition: conditionOf({ job, state, outlook: { next, late: false, idle }, runningAtMs: null }),
    last: endOf(last),
    runsCommand: runsCommand(job),
  };
}

/** Whether a glance holds at an instant, epoch ms. */
export function holdsAt({ since, next }: Pick<JobGlance, 'since' | 'next'>, now: number): boolean {
  return now >= since && (next === null || now < next);
}

/** Whether a command of the definition is run. */
export function runsCommand({ payload, precheck }: Pick<Job, 'payload' | 'precheck'>): boolean {
  return payload.kind === 'exec' || precheck !== undefined;
}

/** The schedule as a table shows it, beside a column that says when the job is due. */
export function scheduleInWords(schedule: StoredSchedule): string {
  if (schedule.kind === 'at') return 'once';
  return describeSchedule(schedule, UNNAMED).replace(/^cron /, '');
}

/** The words of expressions and grids name no zone but their own. */
const UNNAMED = { name: '', isHost: false };

/** How the newest run ended, for a listing. */
export function endOf(last: JobState['last']): JobEnd | null {
  if (last === null) return null;
  const { delivery } = last;
  const sends = delivery?.status === 'queued' ? delivery.id : undefined;
  return {
    how: howItEnded(last),
    at: last.startedAt ?? last.ts,
    ...(sends === undefined ? {} : { sends }),
  };
}

/** How a run ended: its status, and the reason where there is one; behind that what of it nobody got. */
function howItEnded({ status, reason, delivery }: NonNullable<JobState['last']>): string {
  const ended = reason === undefined ? status : `${status}:${reason}`;
  const isNews = delivery !== undefined && (isUnheard(delivery) || delivery.status === 'suppressed');
  return isNews && status === 'ok' ? `${ended} (delivery ${delivery.status})` : ended;
}

/** What a job comes to, in one word that scripts may rely on. */
export function conditionOf({ job, state, outlook, runningAtMs }: Omit<JobView, 'untrusted'>): string {
  if (runningAtMs !== null) return 'running';
  if (!job.enabled) return 'disabled';
  if (outlook.idle === 'failures') return 'disabled:failures';
  if (outlook.idle === 'done')
    return state.last?.status === 'ok' && isUnheard(state.last.delivery)
      ? `over:${state.last.delivery!.status}`
      : 'done';
  if (outlook.late) return 'late';
  if (state.queued.length > 0) return 'queued';
  const over = outlook.next === null ? whyOver(job, state) : null;
  if (over !== null) return `over:${over}`;
  return state.failures > 0 ? 'failing' : 'on';
}

/**
 * Of a job with a single instant that is over and was not done: how its run ended, else `missed`, or `passed` where it was
 * written when that instant had passed. Null for any other.
 */
function whyOver({ schedule }: Pick<Job, 'schedule'>, { last, seen }: JobState): string | null {
  if (schedule.kind !== 'at') return null;
  if (last !== null && (last.dueAt === schedule.atMs || last.ts >= schedule.atMs)) return last.status;
  return seen !== null && seen.from < schedule.atMs ? 'missed' : 'passed';
}

/** Whether a condition tells of a job that was due once and was not done, though nobody wanted that. */
export function isLost(condition: string): boolean {
  return /^over:(?:missed|error|timeout|interrupted|no-target|dead|denied)$/.test(condition);
}

/**
 * What JSON documents say of a job behind its definition; names of the state as the systems before had them. Times are
 * epoch ms.
 */
export function standingOf(view: JobView, unknown: readonly UnknownKey[]): object {
  const { job, state, outlook, runningAtMs, untrusted } = view;
  const { last, disabled, retry, queued, failures } = state;
  const { next } = outlook;
  return {
    condition: conditionOf(view),
    state: {
      nextRunAtMs: next,
      lastRunAtMs: last?.startedAt ?? last?.dueAt ?? last?.ts ?? null,
      lastStatus: last?.status ?? null,
      lastReason: last?.reason ?? null,
      lastError: last?.error?.message ?? null,
      lastDurationMs: last?.durationMs ?? null,
      runningAtMs,
      failures,
      disabledAtMs: disabled?.at ?? null,
      disabledReason: disabled?.reason ?? (job.enabled ? null : 'by hand'),
      retryAtMs: retry?.at ?? null,
      queued: queued.length,
      done: outlook.idle === 'done',
    },
    next: next === null || Math.abs(next) > 8.64e15 ? null : new Date(next).toISOString(),
    late: outlook.late,
    ...(untrusted === null ? {} : { untrusted }),
    ...(unknown.length === 0 ? {} : { unknownKeys: unknown.map(({ path }) => path) }),
  };
}
