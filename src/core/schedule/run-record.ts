/**
 * The past of a job: `cron/runs/<id>.jsonl`, one line per thing that happened, append-only. What stands here and the
 * definition are all that decides when the job is due; nothing else is stored about it.
 */
import type { Usage } from '../session/transcript.ts';
import type { StoredSchedule } from './schedule.ts';

/**
 * `ok`, `error`, `timeout`: it ran. `skipped`: it was due and there was a reason not to run it. `missed`: nobody was
 * there in time. `interrupted`: its owner died and it is not tried again. `queued`: its event waits for a turn, and `ok`
 * follows under the same run id. `cancelled`: a person ended it. `superseded`: its further try gave way to a newer instant.
 */
export type RunStatus =
  | 'ok'
  | 'error'
  | 'timeout'
  | 'skipped'
  | 'missed'
  | 'interrupted'
  | 'queued'
  | 'cancelled'
  | 'superseded';

export type RunTrigger = 'schedule' | 'retry' | 'manual' | 'wake';

/** How one instant (or a stretch of them) ended. Times are epoch ms. */
export interface RunRecord {
  action: 'finished';
  ts: number;
  jobId: string;
  runId: string;
  status: RunStatus;
  trigger: RunTrigger;
  /** the instant of the schedule; absent for a run by hand */
  dueAt?: number;
  /** consecutive instants that share this record: the first, the last, how many (at least, with `more`) */
  from?: number;
  to?: number;
  count?: number;
  more?: true;
  /** instants of an earlier schedule, up to here: what was due when it was changed */
  behind?: number;
  /** 1 for the first start at this instant */
  attempt?: number;
  startedAt?: number;
  durationMs?: number;
  /** local date of the start, to which runs and tokens are counted */
  day?: string;
  /** how long after its instant it started */
  lateMs?: number;
  /** why it was skipped, missed or put off; a word that scripts may rely on, such as `overlap` */
  reason?: string;
  error?: { code: string; message: string; hint?: string };
  /** trouble that will pass (exit 75): it is tried again and disables nothing */
  temporary?: true;
  /** what it said, clipped */
  summary?: string;
  /** what an agent printed that failed, clipped: no answer, and told to nobody */
  output?: string;
  agentId?: string;
  sessionKey?: string;
  sessionId?: string;
  model?: string;
  usage?: Usage;
  /** what became of what it said */
  delivery?: { status: string; channel?: string; to?: string; reason?: string; id?: string };
  /** of a failure: when it is tried again */
  retryAt?: number;
  /** of a heartbeat: `ok-token` or `ok-empty` (nothing to tell), `sent`, `skipped` (something to tell, and a reason) */
  event?: 'ok-token' | 'ok-empty' | 'sent' | 'skipped';
  /** of a heartbeat that told something: a hash of it, so that it is told once */
  said?: string;
}

/** A definition was seen for the first time, or is another one than before. */
export interface SeenRecord {
  action: 'seen';
  ts: number;
  jobId: string;
  /** with anchor and zone, whatever the file left out */
  schedule: StoredSchedule;
  enabled: boolean;
  /** names the rest of the definition */
  definition: string;
  /** only later instants count */
  from: number;
}

/** Something decided about a job beside its runs. */
export interface DecisionRecord {
  action: 'disabled' | 'enabled' | 'alerted' | 'recovered' | 'clock' | 'dropped';
  ts: number;
  jobId: string;
  reason?: string;
  /** `clock`: instants count from here, because what was known lay in a future that did not come */
  from?: number;
}

/** The state of everything before it, written when older lines are removed. */
export interface StateRecord {
  action: 'state';
  ts: number;
  jobId: string;
  state: JobState;
}

export type RunLine = RunRecord | SeenRecord | DecisionRecord | StateRecord;

/** What the lines of a job come to (`reduceRuns`). */
export interface JobState {
  seen: SeenRecord | null;
  /** every instant up to here is accounted for; null before the first `seen` */
  position: number | null;
  /** instants of earlier schedules that nobody has accounted for yet: after `from`, up to `to` */
  behind: { schedule: StoredSchedule; from: number; to: number }[];
  /** failures since the last success, and when the newest was */
  failures: number;
  failedAt: number | null;
  /** disabled by failures, until somebody enables or changes it */
  disabled: { at: number; reason: string } | null;
  /** a further try that is still to come */
  retry: { dueAt: number; attempt: number; at: number } | null;
  /** events that wait for their turn, by run id */
  queued: { runId: string; dueAt?: number; at: number }[];
  /** an `at` job whose one instant has been done */
  done: boolean;
  /** newest run that started, and how it ended */
  last: Pick<
    RunRecord,
    | 'ts'
    | 'status'
    | 'runId'
    | 'dueAt'
    | 'startedAt'
    | 'durationMs'
    | 'reason'
    | 'error'
    | 'trigger'
    | 'delivery'
  > | null;
  alertedAt: number | null;
  /** starts and tokens of one day (its local date) */
  spent: { day: string; runs: number; tokens: number };
}

export const NEW_JOB: JobState = {
  seen: null,
  position: null,
  behind: [],
  failures: 0,
  failedAt: null,
  disabled: null,
  retry: null,
  queued: [],
  done: false,
  last: null,
  alertedAt: null,
  spent: { day: '', runs: 0, tokens: 0 },
};

/** Reduces the lines of a job, oldest first, to its state. */
export function reduceRuns(lines: readonly RunLine[], from: JobState = NEW_JOB): JobState {
  return lines.reduce(reduceRun, from);
}

/** The state after one more line. */
export function reduceRun(state: JobState, line: RunLine): JobState {
  switch (line.action) {
    case 'state':
      return { ...NEW_JOB, ...line.state };
    case 'seen':
      return afterSeen(state, line);
    case 'finished':
      return afterFinished(state, line);
    case 'disabled':
      return { ...state, disabled: { at: line.ts, reason: line.reason ?? 'failures' }, retry: null };
    case 'enabled':
      // What passed meanwhile was nobody's due.
      return {
        ...state,
        disabled: null,
        failures: 0,
        failedAt: null,
        retry: null,
        position: state.position === null ? null : Math.max(state.position, line.ts),
      };
    case 'alerted':
      return { ...state, alertedAt: line.ts };
    case 'recovered':
      return { ...state, alertedAt: null };
    case 'clock':
      return { ...state, position: line.from ?? state.position };
    case 'dropped':
      return { ...state, retry: null, queued: [] };
  }
}

/** Whether a definition is due at the same instants as the one before. */
export function isSameTimes(
  a: Pick<SeenRecord, 'schedule' | 'enabled'>,
  b: Pick<SeenRecord, 'schedule' | 'enabled'>,
): boolean {
  return a.enabled === b.enabled && scheduleText(a.schedule) === scheduleText(b.schedule);
}

/** A schedule as text, the same for the same instants. */
export function scheduleText(schedule: StoredSchedule): string {
  switch (schedule.kind) {
    case 'at':
      return `at ${schedule.atMs}`;
    case 'every':
      return `every ${schedule.everyMs} ${schedule.anchorMs}`;
    case 'cron':
      return `cron ${schedule.expr} ${schedule.tz}`;
  }
}

function afterSeen(state: JobState, line: SeenRecord): JobState {
  const before = state.seen;
  const next = { ...state, seen: line, disabled: null, failures: 0, failedAt: null, retry: null };
  // Another text at the same times: what is due stays due.
  if (before !== null && isSameTimes(before, line)) return next;
  const unaccounted =
    before?.enabled && state.disabled === null && state.position !== null && state.position < line.from
      ? [{ schedule: before.schedule, from: state.position, to: line.from }]
      : [];
  return {
    ...next,
    position: positionFrom(state, line),
    behind: [...state.behind, ...unaccounted],
    done: false,
  };
}

/**
 * Where instants of a definition begin to count. One that was switched off and on under a clock that had been set back
 * waits as it would have waited untouched: what it ran or recorded does not come again. An instant of its own (`at`)
 * that lies ahead once more when somebody switches it on is meant to come.
 */
function positionFrom({ seen, position }: JobState, { schedule, from }: SeenRecord): number {
  const isSwitched = seen !== null && scheduleText(seen.schedule) === scheduleText(schedule);
  if (!isSwitched || position === null || schedule.kind === 'at') return from;
  return Math.max(position, from);
}

/** What earlier schedules still leave to be accounted for, when everything up to an instant is: one may have run while it was changed. */
function behindFrom(behind: JobState['behind'], reached: number): JobState['behind'] {
  return behind
    .filter(({ to }) => to > reached)
    .map(stretch => (stretch.from < reached ? { ...stretch, from: reached } : stretch));
}

const STARTED: ReadonlySet<RunStatus> = new Set([
  ...(['ok', 'error', 'timeout', 'interrupted', 'queued', 'cancelled'] as const),
]);

function afterFinished(state: JobState, line: RunRecord): JobState {
  const { status, trigger, runId, dueAt, ts, reason } = line;
  if (line.behind !== undefined) {
    const upTo = line.behind;
    return { ...state, behind: state.behind.filter(({ to }) => to > upTo) };
  }
  const reached = line.to ?? dueAt;
  const byClock = trigger === 'schedule' && reached !== undefined;
  const next: JobState = {
    ...state,
    position: byClock ? Math.max(state.position ?? reached, reached) : state.position,
    // Whoever accounts for later instants has accounted for those before.
    behind: byClock ? behindFrom(state.behind, reached) : state.behind,
    queued: state.queued.filter(waiting => waiting.runId !== runId),
  };
  if (status === 'missed' || status === 'superseded')
    return status === 'superseded' ? { ...next, retry: null } : next;
  // What stands beside a run is not how the newest one ended.
  if (status === 'skipped' && (reason === 'overlap' || reason === 'coalesced')) return next;
  const { startedAt, durationMs, error } = line;
  // Its event was told before the record that it waits was written.
  const isTold = status === 'queued' && state.last?.runId === runId;
  if (!isTold)
    next.last = {
      ts,
      status,
      runId,
      trigger,
      ...(dueAt === undefined ? {} : { dueAt }),
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(durationMs === undefined ? {} : { durationMs }),
      ...(reason === undefined ? {} : { reason }),
      ...(error === undefined ? {} : { error }),
      ...(line.delivery === undefined ? {} : { delivery: line.delivery }),
    };
  if (!STARTED.has(status)) return next;
  if (line.day !== undefined) {
    const { day, runs, tokens } = state.spent;
    const isSameDay = day === line.day;
    const used = line.usage?.totalTokens ?? 0;
    next.spent = {
      day: line.day,
      runs: (isSameDay ? runs : 0) + 1,
      tokens: (isSameDay ? tokens : 0) + used,
    };
  }
  if (status === 'queued' && !isTold)
    next.queued = [...next.queued, { runId, at: ts, ...(dueAt === undefined ? {} : { dueAt }) }];
  if (status === 'ok') {
    // Another instant's success (the job was moved meanwhile) is not this one's.
    const schedule = state.seen?.schedule;
    const isItsInstant = schedule?.kind === 'at' && dueAt === schedule.atMs;
    return { ...next, failures: 0, failedAt: null, retry: null, done: next.done || isItsInstant };
  }
  if (status === 'cancelled' || status === 'queued') return { ...next, retry: null };
  // What somebody tried by hand changes no schedule.
  if (trigger === 'manual') return next;
  const isFailure = (status === 'error' || status === 'timeout') && !line.temporary;
  if (isFailure) next.failures = state.failures + 1;
  next.failedAt = ts;
  next.retry =
    line.retryAt !== undefined && dueAt !== undefined
      ? { dueAt, attempt: (line.attempt ?? 1) + 1, at: line.retryAt }
      : null;
  return next;
}
