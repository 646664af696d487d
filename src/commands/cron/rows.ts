/** Jobs as listings and documents show them: the definition, what its past comes to, when it is due next. Reads only. */
import { nearest } from '../../config/nearest.ts';
import { ClawError } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { cronKey, mainSessionKey } from '../../core/routing/session-key.ts';
import { maySee, viewerOf } from '../../core/routing/visibility.ts';
import { agentOfJob, type Job } from '../../core/schedule/job.ts';
import { dueFacts, type Outlook, outlookOf } from '../../core/schedule/outlook.ts';
import type { JobState } from '../../core/schedule/run-record.ts';
import type { Desk } from '../../runner/desk.ts';
import { JobCache } from '../../store/job-cache.ts';
import {
  type InvalidJob,
  type JobList,
  jobsOrThrow,
  loadJobs,
  mayExecute,
  type StoredJob,
  settledJob,
} from '../../store/jobs.ts';
import { listNames } from '../../store/json-file.ts';
import { encodeKey } from '../../store/layout.ts';
import { describeHolder } from '../../store/lock.ts';
import { isoTime } from '../format.ts';

export interface JobRow {
  stored: StoredJob;
  /** with its settled schedule */
  job: Job;
  state: JobState;
  outlook: Outlook;
  /** since when a process runs it, epoch ms; null where none does */
  runningAtMs: number | null;
  /** why its command is not run */
  untrusted: string | null;
}

export interface Board {
  list: JobList;
  rows: JobRow[];
  invalid: InvalidJob[];
}

/**
 * The jobs that the caller may see, in the order of the file.
 *
 * @throws ClawError `state-unreadable`
 */
export function readBoard(desk: Desk, now: number): Board {
  const cache = JobCache.open(desk);
  const list = jobsOrThrow(loadJobs(desk, cache));
  const running = new Set(listNames(desk.layout.runningLock('x').slice(0, -2)));
  const unsafe = mayExecute(list, desk.context.uid);
  const rows = list.jobs
    .filter(({ job }) => maySeeJob(desk, job))
    .map(stored => rowOf(desk, cache, list, stored, { now, running, unsafe }));
  cache.save();
  // An agent is told nothing of what cannot be read: nobody can say whose it is.
  return { list, rows, invalid: viewerOf(desk.context.env) === null ? list.invalid : [] };
}

function rowOf(
  desk: Desk,
  cache: JobCache,
  list: JobList,
  stored: StoredJob,
  { now, running, unsafe }: { now: number; running: ReadonlySet<string>; unsafe: string | null },
): JobRow {
  const { context, layout, zone } = desk;
  const state = cache.stateOf(stored.job.id);
  const job = settledJob(stored, state);
  const definedAt = list.mtimeMs ?? now;
  const facts = dueFacts(job, { now, definedAt, zone, cron: desk.config.cron });
  const outlook = outlookOf(job, state, facts, (schedule, after) => cache.nextInstant(schedule, after));
  const name = encodeKey(job.id);
  const holder = running.has(name) ? describeHolder(context, layout.runningLock(name)) : null;
  const runsCommand = job.payload.kind === 'exec' || job.precheck !== undefined;
  return {
    ...{ stored, job, state, outlook },
    runningAtMs: holder === null || holder.state === 'dead' ? null : (holder.since ?? now),
    untrusted: runsCommand ? unsafe : null,
  };
}

/** The session in which a job tells or runs. */
export function sessionKeyOfJob(desk: Pick<Desk, 'config'>, job: Job): { agentId: string; key: string } {
  const agentId = agentOfJob(job, defaultAgentId(desk.config));
  if (job.sessionTarget === 'main') return { agentId, key: mainSessionKey(agentId, desk.config.session) };
  return { agentId, key: job.sessionTarget === 'isolated' ? cronKey(agentId, job.id) : job.sessionTarget };
}

/** Whether the caller may look at a job: a person at every one, an agent at those of the sessions it may look into. */
export function maySeeJob(desk: Desk, job: Job): boolean {
  const viewer = viewerOf(desk.context.env);
  return viewer === null || maySee(viewer, sessionKeyOfJob(desk, job), desk.config);
}

/** What a job comes to, in one word that scripts may rely on. */
export function conditionOf({ job, state, outlook, runningAtMs }: JobRow): string {
  if (runningAtMs !== null) return 'running';
  if (!job.enabled) return 'disabled';
  if (outlook.idle !== null) return outlook.idle === 'failures' ? 'disabled:failures' : outlook.idle;
  if (outlook.late) return 'late';
  if (state.queued.length > 0) return 'queued';
  return state.failures > 0 ? 'failing' : 'on';
}

/** Why a job that is due was not started. */
export function lateBecause(
  row: JobRow,
  { enabled, last, now }: { enabled: boolean; last: { at: number; late: boolean } | null; now: number },
): string {
  if (!enabled) return 'cron.enabled is false';
  if (row.runningAtMs !== null) return 'an earlier run of it is still under way';
  if (last === null) return 'claw tick has never run here (claw timer install)';
  if (last.at < row.outlook.next!) return `no tick since ${isoTime(last.at)} (claw timer status)`;
  return now - row.outlook.next! < 10 * 60_000
    ? 'other jobs are before it'
    : 'the last tick did not start it (claw logs)';
}

/** A job as JSON documents show it; names of the state as the systems before had them. Times are epoch ms. */
export function documentOf(row: JobRow): object {
  const { job, state, outlook, runningAtMs, untrusted } = row;
  const { last, disabled, retry, queued, failures } = state;
  return {
    ...job,
    condition: conditionOf(row),
    state: {
      nextRunAtMs: outlook.next,
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
    next: outlook.next === null ? null : isoTime(outlook.next),
    late: outlook.late,
    ...(untrusted === null ? {} : { untrusted }),
    ...(row.stored.unknown.length === 0 ? {} : { unknownKeys: row.stored.unknown.map(({ path }) => path) }),
  };
}

/** What to say of keys that mean nothing here. */
export function notesOnKeys({ job, unknown }: Pick<StoredJob, 'job' | 'unknown'>): string[] {
  return unknown.map(({ path, known }) => {
    const near = nearest(path.slice(path.lastIndexOf('.') + 1), known);
    return `job ${job.id}: ${path} means nothing to claw${near === undefined ? '' : `; did you mean ${near}?`}`;
  });
}

/**
 * The job of an id, or of a name that only one job has.
 *
 * @param jobs those the caller may see
 * @throws ClawError usage `job-unknown`, with the nearest; `job-invalid` for one that is there and cannot be used
 */
export function findJob<Found extends { job: Job }>(
  jobs: readonly Found[],
  invalid: readonly InvalidJob[],
  name: string,
): Found {
  const wanted = name.trim();
  const byId = jobs.find(({ job }) => job.id === wanted);
  if (byId) return byId;
  const byName = jobs.filter(({ job }) => job.name === wanted);
  if (byName.length === 1) return byName[0]!;
  const broken = invalid.find(({ id }) => id === wanted);
  if (broken)
    throw new ClawError(
      'data',
      'job-invalid',
      `job ${wanted} cannot be used: ${broken.problem}`,
      `mend it in cron/jobs.json, or: claw cron remove ${wanted}`,
    );
  if (byName.length > 1)
    throw new ClawError(
      'usage',
      'job-ambiguous',
      `${byName.length} jobs are named ${JSON.stringify(wanted)}: ${byName.map(({ job }) => job.id).join(', ')}`,
      'claw cron list',
    );
  throw unknownJob(
    wanted,
    jobs.map(({ job }) => job),
  );
}

export function unknownJob(wanted: string, jobs: readonly Pick<Job, 'id' | 'name'>[]): ClawError {
  const near = nearest(
    wanted,
    jobs.flatMap(({ id, name }) => [id, name]),
  );
  const id = jobs.find(job => job.id === near || job.name === near)?.id;
  return new ClawError(
    'usage',
    'job-unknown',
    `there is no job ${JSON.stringify(wanted)}${id === undefined ? '' : `; did you mean ${id}?`}`,
    'claw cron list',
  );
}
