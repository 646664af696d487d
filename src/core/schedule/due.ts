/**
 * When a job is due, and what becomes of the instants that passed. Everything follows from the definition, the past
 * (`JobState`) and the clock, so that reading a job moves nothing (#12440) and any number of ticks plan the same.
 */
import type { Job } from './job.ts';
import type { JobRules } from './rule.ts';
import {
  isSameTimes,
  type JobState,
  type RunLine,
  type RunRecord,
  type RunTrigger,
  reduceRun,
  type SeenRecord,
} from './run-record.ts';
import { nextAfter, periodOf, type Schedule, type StoredSchedule } from './schedule.ts';
import { isUnheard } from './unheard.ts';
import type { Zone } from './zone.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A timer ticks once a minute; what is that late is not late. */
const ON_TIME = 2 * MINUTE;
const LONGEST_GRACE = 12 * HOUR;
/** Instants that are counted one by one; of more a record says "at least". */
const COUNTED = 1000;
/** Instants that `catchUp: all` makes up for at once. */
const MOST_CAUGHT_UP = 100;

/** What of a definition decides about time; its schedule has the anchor and zone it was first seen with. */
export type DueJob = Pick<Job, 'id' | 'enabled' | 'schedule'>;

export interface DueFacts {
  /** epoch ms */
  now: number;
  host: Zone;
  rules: JobRules;
  /** when the definition was written, as far as the file tells: instants before it do not count */
  definedAt: number;
  /** its local date, for the budget */
  today: string;
  /** names the definition beside schedule and switch */
  definition: string;
}

/** One start of a job. */
export interface DueRun {
  dueAt: number;
  trigger: RunTrigger;
  attempt: number;
}

/** A record that the planner asks for; time, job and run id are the actor's to add. */
export type PlannedRecord = Omit<RunRecord, 'action' | 'ts' | 'jobId' | 'runId'>;

export interface JobPlan {
  /** the definition as it was seen now; null where nothing about it is new */
  seen: SeenRecord | null;
  /** the clock had run ahead: instants count from here on */
  clock: number | null;
  /** instants that are not run, each with its reason */
  records: PlannedRecord[];
  /** what is to be started, oldest first; more than one only under `catchUp: all` */
  runs: DueRun[];
  /** the next instant (or further try) after these; null: none */
  next: number | null;
  /** why nothing is started, where that is no matter of time */
  idle: 'disabled' | 'failures' | 'done' | null;
}

/**
 * The plan for one job. Pure.
 *
 * @param state what its lines come to
 */
export function planJob(job: DueJob, state: JobState, facts: DueFacts): JobPlan {
  const { now, host } = facts;
  const seen = seenNow(job, state, facts);
  let known = seen === null ? state : reduceRun(state, seen);
  const plan: JobPlan = { seen, clock: null, records: [], runs: [], next: null, idle: null };
  if (known.position !== null && known.position > now + DAY) {
    // An hour back is waited for; years back were a clock that had been wrong.
    plan.clock = now;
    known = { ...known, position: now };
  }
  for (const behind of known.behind)
    plan.records.push(...stretch(instantsIn(behind, host), 'missed', 'changed', { behind: behind.to }));
  plan.idle = idleBecause(job, known);
  if (plan.idle !== null) return plan;

  const schedule = toSchedule((known.seen ?? seen!).schedule);
  const position = known.position ?? now;
  const passed = instantsIn({ schedule: known.seen!.schedule, from: position, to: now }, host);
  const chosen = chooseRuns(schedule, passed, facts);
  plan.records.push(...chosen.records);
  const reason = chosen.runs.length === 0 ? null : whyNot(known, facts);
  if (reason !== null) {
    const last = chosen.runs.at(-1)!;
    const first = chosen.runs[0]!;
    plan.records.push(
      ...stretch({ first, last, count: chosen.runs.length, more: false, older: null }, 'skipped', reason),
    );
  } else plan.runs = chosen.runs.map(dueAt => ({ dueAt, trigger: 'schedule', attempt: 1 }));
  const { retry } = known;
  if (retry !== null) {
    const isDue = retry.at <= now || retry.at > now + DAY;
    if (passed !== null) {
      // A newer instant stands for the further try of an older one.
      plan.records.push({ ...retryRecord(retry), status: 'superseded', reason: 'newer-instant' });
    } else if (isDue && isSpent(known, facts)) {
      plan.records.push({ ...retryRecord(retry), status: 'superseded', reason: 'budget' });
    } else if (isDue) {
      const { dueAt, attempt } = retry;
      plan.runs = [{ dueAt, attempt, trigger: 'retry' }];
    }
  }
  const following = nextAfter(schedule, Math.max(now, position), host);
  const again = retry !== null && passed === null && plan.runs.length === 0 ? retry.at : null;
  plan.next = again === null ? following : following === null ? again : Math.min(again, following);
  return plan;
}

/** When the job is due next as far as one can see now; reads only. Null where it is not due any more. */
export function nextDue(job: DueJob, state: JobState, facts: DueFacts): number | null {
  const plan = planJob(job, state, facts);
  return plan.runs[0]?.dueAt ?? plan.next;
}

/** How late an instant may still be run, ms. */
export function graceOf(schedule: Schedule, instant: number, rules: JobRules, host: Zone): number {
  if (rules.graceMs !== null) return rules.graceMs;
  if (schedule.kind === 'at') return Number.POSITIVE_INFINITY;
  if (rules.catchUp === 'skip') return ON_TIME;
  if (rules.catchUp === 'all') return LONGEST_GRACE;
  const period = periodOf(schedule, instant, host) ?? 2 * LONGEST_GRACE;
  return Math.min(Math.max(period / 2, ON_TIME), LONGEST_GRACE);
}

/** Wait after the nth failure in a row, ms: doubled each time up to a limit. */
export function backOff(rules: JobRules, failures: number): number {
  return Math.min(rules.retryDelayMs * 2 ** Math.min(Math.max(0, failures - 1), 30), rules.retryMaxDelayMs);
}

/** Whether a job that goes once it has succeeded has done so, as it is defined now, and not before deaf ears. */
export function isOver(
  { deleteAfterRun }: Pick<Job, 'deleteAfterRun'>,
  { seen, last, done }: JobState,
): boolean {
  if (deleteAfterRun !== true || seen === null || isUnheard(last?.delivery)) return false;
  if (seen.schedule.kind === 'at') return done;
  // A run by hand was a try; one that began before the definition was changed was another's.
  const isOwn = last !== null && last.trigger !== 'manual' && (last.startedAt ?? last.ts) >= seen.ts;
  return isOwn && last.status === 'ok';
}

/** The `seen` line for a definition that is new or has changed, null where it is known. */
export function seenNow(
  job: DueJob,
  state: JobState,
  facts: Pick<DueFacts, 'now' | 'definedAt' | 'definition'>,
): SeenRecord | null {
  const { now, definedAt, definition } = facts;
  const { id, enabled, schedule } = job;
  const seen = state.seen;
  const line: SeenRecord = {
    action: 'seen',
    ts: now,
    jobId: id,
    schedule,
    enabled,
    definition,
    from: Math.min(definedAt, now),
  };
  if (seen !== null && isSameTimes(seen, line) && seen.definition === definition) return null;
  // Written before what is known has happened: the file's time cannot be relied on.
  if (seen !== null && line.from < seen.from) line.from = now;
  return line;
}

function idleBecause(job: DueJob, state: JobState): JobPlan['idle'] {
  if (!job.enabled) return 'disabled';
  if (state.disabled !== null) return 'failures';
  return state.done ? 'done' : null;
}

/** Instants of a stretch of time. */
interface Passed {
  first: number;
  last: number;
  count: number;
  /** more than were counted */
  more: boolean;
  /** the one before the last, where there are several */
  older: number | null;
}

/**
 * Instants after `from`, up to `to`: the last one exactly, the others counted as far as that is reasonable. After ten years
 * of a clock that ran ahead nobody needs each of five million minutes.
 */
function instantsIn(
  { schedule: stored, from, to }: { schedule: StoredSchedule; from: number; to: number },
  host: Zone,
): Passed | null {
  const schedule = toSchedule(stored);
  const first = nextAfter(schedule, from, host);
  if (first === null || first > to) return null;
  let count = 0;
  let last = first;
  let older: number | null = null;
  let at: number | null = first;
  for (; at !== null && at <= to && count < COUNTED; at = nextAfter(schedule, at, host)) {
    if (count > 0) older = last;
    last = at;
    count++;
  }
  if (at === null || at > to) return { first, last, count, more: false, older };
  const newest = newestIn(schedule, last, to, host) ?? last;
  const before = newest === last ? older : (newestIn(schedule, last, newest - 1, host) ?? last);
  return { first, last: newest, count: count + (newest === last ? 0 : 1), more: true, older: before };
}

/** The newest instant of a stretch: windows that grow find it without walking through the years. */
function newestIn(schedule: Schedule, from: number, to: number, host: Zone): number | null {
  for (const back of [5 * MINUTE, 3 * HOUR, 3 * DAY, 70 * DAY, 800 * DAY, 10_000 * DAY]) {
    let newest: number | null = null;
    let at = nextAfter(schedule, Math.max(from, to - back), host);
    for (; at !== null && at <= to; at = nextAfter(schedule, at, host)) newest = at;
    if (newest !== null) return newest;
  }
  return null;
}

/** Which of the passed instants are started, and what is recorded of the others. */
function chooseRuns(
  schedule: Schedule,
  passed: Passed | null,
  { now, host, rules }: DueFacts,
): { runs: number[]; records: PlannedRecord[] } {
  if (passed === null) return { runs: [], records: [] };
  const { first, last } = passed;
  const isInTime = (instant: number) => now - instant <= graceOf(schedule, instant, rules, host);
  if (rules.catchUp === 'all') {
    const all = enumerate(schedule, Math.max(first - 1, now - LONGEST_GRACE * 2 - 1), last, host);
    const runs = all.filter(isInTime).slice(-MOST_CAUGHT_UP);
    const from = runs[0] ?? Number.POSITIVE_INFINITY;
    const older = from > first ? beforeOf(schedule, passed, from, host) : null;
    return { runs, records: older ? stretch(older, 'missed', 'too-late') : [] };
  }
  if (!isInTime(last)) {
    const reason = rules.catchUp === 'skip' ? 'no-catch-up' : 'too-late';
    return { runs: [], records: stretch(passed, 'missed', reason) };
  }
  if (passed.older === null) return { runs: [last], records: [] };
  const earlier = { ...passed, last: passed.older, count: passed.count - 1, older: null };
  // Closer than the timer ticks: one run stands for them.
  const isDense = now - first <= ON_TIME;
  const records = isDense
    ? stretch(earlier, 'skipped', 'coalesced')
    : stretch(earlier, 'missed', rules.catchUp === 'skip' ? 'no-catch-up' : 'newer-instant');
  return { runs: [last], records };
}

/** Those of the passed instants before one of them. */
function beforeOf(schedule: Schedule, passed: Passed, before: number, host: Zone): Passed | null {
  const { first, more } = passed;
  if (before === Number.POSITIVE_INFINITY) return passed;
  if (!more) {
    const older = enumerate(schedule, first - 1, before - 1, host);
    return { first, last: older.at(-1)!, count: older.length, more: false, older: null };
  }
  const close = enumerate(schedule, before - LONGEST_GRACE, before - 1, host).at(-1) ?? first;
  return { first, last: close, count: passed.count, more: true, older: null };
}

function enumerate(schedule: Schedule, from: number, to: number, host: Zone): number[] {
  const found: number[] = [];
  for (
    let at = nextAfter(schedule, from, host);
    at !== null && at <= to;
    at = nextAfter(schedule, at, host)
  ) {
    found.push(at);
    // The newest are what is wanted.
    if (found.length > 10 * COUNTED) found.splice(0, COUNTED);
  }
  return found;
}

function isSpent(state: JobState, { rules, today }: DueFacts): boolean {
  const spent = state.spent.day === today ? state.spent : { runs: 0, tokens: 0 };
  return spent.runs >= rules.runsPerDay || spent.tokens >= rules.tokensPerDay;
}

/** Why nothing of a due job is started now; null where it is. */
function whyNot(state: JobState, facts: DueFacts): string | null {
  if (isSpent(state, facts)) return 'budget';
  const { now, rules } = facts;
  const { failedAt, failures } = state;
  // A failure from the future was before the clock was set back.
  const isFresh = failedAt !== null && failedAt <= now && now < failedAt + backOff(rules, failures);
  return isFresh ? 'back-off' : null;
}

/** The record of consecutive instants; none where there are none. */
function stretch(
  passed: Passed | null,
  status: 'missed' | 'skipped',
  reason: string,
  extra: Pick<RunRecord, 'behind'> = {},
): PlannedRecord[] {
  if (passed === null) return [];
  const { first, last, count, more } = passed;
  const when =
    count === 1
      ? { dueAt: last }
      : { from: first, to: last, count, ...(more ? { more: true as const } : {}) };
  return [{ status, trigger: 'schedule', reason, ...when, ...extra }];
}

function retryRecord({ dueAt, attempt }: NonNullable<JobState['retry']>): Omit<PlannedRecord, 'status'> {
  return { trigger: 'retry', dueAt, attempt };
}

/** A stored schedule as it is reckoned with. */
export function toSchedule(stored: StoredSchedule): Schedule {
  return stored.kind === 'at' ? { kind: 'at', at: stored.atMs } : stored;
}

/** How a run ended, as the one who ran it knows. */
export type RunEnding = Pick<
  RunRecord,
  | 'status'
  | 'reason'
  | 'error'
  | 'temporary'
  | 'summary'
  | 'sessionKey'
  | 'sessionId'
  | 'model'
  | 'usage'
  | 'delivery'
  | 'said'
  | 'event'
>;

/** A run that has ended: when and why it was started. */
export interface EndedRun {
  runId: string;
  /** absent: by hand */
  dueAt?: number;
  trigger: RunTrigger;
  attempt: number;
  startedAt: number;
  endedAt: number;
}

export interface AfterRun {
  lines: RunLine[];
  /** somebody is to be told: it keeps failing, it was disabled, it works again */
  alert: 'failing' | 'disabled' | 'recovered' | null;
}

/**
 * What the end of a run leaves: its record, instants that passed while it ran, a further try, the switch that failures
 * turn, whether somebody is told. Pure.
 *
 * @param state as it was before the run
 */
export function concludeRun(
  job: Pick<Job, 'id'>,
  state: JobState,
  run: EndedRun,
  ending: RunEnding,
  facts: DueFacts,
): AfterRun {
  const { rules, host, today } = facts;
  const { runId, dueAt, trigger, attempt, startedAt, endedAt } = run;
  const record: RunRecord = {
    action: 'finished',
    ts: endedAt,
    jobId: job.id,
    runId,
    trigger,
    ...(dueAt === undefined ? {} : { dueAt, lateMs: Math.max(0, startedAt - dueAt) }),
    attempt,
    startedAt,
    durationMs: Math.max(0, endedAt - startedAt),
    day: today,
    ...ending,
  };
  const lines: RunLine[] = [record];
  const failed = ending.status === 'error' || ending.status === 'timeout';
  const counts = failed && !ending.temporary && trigger !== 'manual';
  const failures = state.failures + (counts ? 1 : 0);
  const schedule = state.seen === null ? null : toSchedule(state.seen.schedule);
  // What is all made up for does not overlap.
  const overlapped = rules.catchUp === 'all' ? [] : overlapOf(state, run, host);
  lines.push(
    ...overlapped.map(planned => ({
      action: 'finished' as const,
      ts: endedAt,
      jobId: job.id,
      runId: `${runId}-overlap`,
      ...planned,
    })),
  );
  const mayRetry = (failed || ending.status === 'interrupted') && trigger !== 'manual' && dueAt !== undefined;
  if (mayRetry && (attempt <= rules.retries || ending.temporary)) {
    const at = endedAt + backOff(rules, Math.max(1, failures));
    const newer = schedule === null ? null : nextAfter(schedule, Math.max(endedAt, dueAt), host);
    // The next instant comes sooner than the further try: it stands for it.
    if (newer === null || newer > at) record.retryAt = at;
  }
  const isOnce = schedule?.kind === 'at';
  const disables = counts && !isOnce && rules.disableAfter > 0 && failures >= rules.disableAfter;
  if (disables)
    lines.push({ action: 'disabled', ts: endedAt, jobId: job.id, reason: `${failures} failures in a row` });
  const alert = alertOf();
  if (alert === 'recovered') lines.push({ action: 'recovered', ts: endedAt, jobId: job.id });
  else if (alert !== null) lines.push({ action: 'alerted', ts: endedAt, jobId: job.id });
  return { lines, alert };

  function alertOf(): AfterRun['alert'] {
    if (ending.status === 'ok') return state.alertedAt === null ? null : 'recovered';
    // A reminder that is not tried again is lost unless somebody is told.
    const isLost = isOnce && record.retryAt === undefined && trigger !== 'manual';
    if (!counts && !(isLost && ending.status === 'interrupted')) return null;
    if (disables) return 'disabled';
    if (failures < rules.alertAfter && !isLost) return null;
    if (state.alertedAt === null) return 'failing';
    const { alertCooldownMs } = rules;
    return alertCooldownMs !== null && endedAt - state.alertedAt >= alertCooldownMs ? 'failing' : null;
  }
}

/** Instants that passed while a run was under way: they were due, and are not made up for. */
function overlapOf(state: JobState, { startedAt, endedAt, dueAt }: EndedRun, host: Zone): PlannedRecord[] {
  if (state.seen === null || !state.seen.enabled || state.disabled !== null || state.position === null)
    return [];
  const { schedule } = state.seen;
  const from = Math.max(state.position, dueAt ?? state.position);
  // Something was due before it started (a run by hand): that is the planner's to judge, and what came after it.
  if (instantsIn({ schedule, from, to: startedAt }, host) !== null) return [];
  return stretch(instantsIn({ schedule, from, to: endedAt }, host), 'skipped', 'overlap');
}
