/** Jobs as listings and documents show them: the definition, what its past comes to, when it is due next. Reads only. */
import { nearest } from '../../config/nearest.ts';
import { ClawError } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { cronKey, mainSessionKey } from '../../core/routing/session-key.ts';
import { maySee, viewerOf } from '../../core/routing/visibility.ts';
import {
  conditionOf,
  endOf,
  holdsAt,
  type JobGlance,
  type JobView,
  runsCommand,
  scheduleInWords,
  standingOf,
} from '../../core/schedule/glance.ts';
import { agentOfJob, type Job, type UnknownKey } from '../../core/schedule/job.ts';
import { dueFacts, outlookOf } from '../../core/schedule/outlook.ts';
import { isUnheard, whyUnheard } from '../../core/schedule/unheard.ts';
import type { Fate } from '../../runner/deliver.ts';
import type { Desk } from '../../runner/desk.ts';
import { JobCache, type ListedJob } from '../../store/job-cache.ts';
import {
  type InvalidJob,
  type JobList,
  jobsOrThrow,
  loadJobs,
  mayExecute,
  type StoredJob,
  seeJobs,
  settledJob,
} from '../../store/jobs.ts';
import { listNames } from '../../store/json-file.ts';
import { encodeKey } from '../../store/layout.ts';
import { describeHolder } from '../../store/lock.ts';
import { isoTime } from '../format.ts';

export interface JobRow extends JobView {
  stored: Pick<StoredJob, 'job' | 'assumed' | 'unknown'>;
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
  const watch = watchOver(desk, list, now);
  const rows = list.jobs
    .filter(({ job }) => maySeeJob(desk, job))
    .map(stored => rowOf(desk, cache, stored, watch));
  cache.save();
  // An agent is told nothing of what cannot be read: nobody can say whose it is.
  return { list, rows, invalid: viewerOf(desk.context.env) === null ? list.invalid : [] };
}

/** What rows need beside their jobs. */
interface Watch {
  now: number;
  definedAt: number;
  /** names of jobs that somebody holds, or held when he died */
  running: ReadonlySet<string>;
  unsafe: string | null;
}

function watchOver(desk: Desk, list: Pick<JobList, 'file' | 'stat' | 'mtimeMs'>, now: number): Watch {
  const running = new Set(listNames(desk.layout.runningLock('x').slice(0, -2)));
  return { now, definedAt: list.mtimeMs ?? now, running, unsafe: mayExecute(list, desk.context.uid) };
}

function rowOf(
  desk: Desk,
  cache: JobCache,
  stored: JobRow['stored'],
  { now, definedAt, running, unsafe }: Watch,
): JobRow {
  const { context, layout, zone } = desk;
  const state = cache.stateOf(stored.job.id);
  const job = settledJob(stored, state);
  const facts = dueFacts(job, { now, definedAt, zone, cron: desk.config.cron });
  const outlook = outlookOf(job, state, facts, (schedule, after) => cache.nextInstant(schedule, after));
  const name = encodeKey(job.id);
  const holder = running.has(name) ? describeHolder(context, layout.runningLock(name)) : null;
  return {
    ...{ stored, job, state, outlook },
    runningAtMs: holder === null || holder.state === 'dead' ? null : (holder.since ?? now),
    untrusted: runsCommand(job) ? unsafe : null,
  };
}

/** A job as a line of a listing. */
export interface JobLine {
  said: Pick<
    JobGlance,
    'id' | 'name' | 'schedule' | 'sessionTarget' | 'next' | 'last' | 'condition' | 'failures' | 'unknown'
  >;
  agentId: string;
  untrusted: string | null;
  /** what its document is made of */
  source: ListedJob | JobRow;
}

/** The document of a line, as JSON. */
export function documentText({ source }: JobLine): string {
  return 'stored' in source ? JSON.stringify(documentOf(source)) : source.document();
}

/**
 * As `readBoard`, as lines: of most of a thousand jobs the cache knows all that a listing says.
 *
 * @throws ClawError `state-unreadable`
 */
export function readLines(
  desk: Desk,
  now: number,
): { file: string; lines: JobLine[]; invalid: InvalidJob[] } {
  const cache = JobCache.open(desk);
  const list = jobsOrThrow(seeJobs(desk, cache));
  const watch = watchOver(desk, list, now);
  const viewer = viewerOf(desk.context.env);
  const byDefault = defaultAgentId(desk.config);
  const lines: JobLine[] = [];
  for (const listed of list.jobs) {
    const glance = listed.glanceWith(cache, settledJob);
    const isCalm =
      glance !== null &&
      holdsAt(glance, now) &&
      !(watch.running.size > 0 && watch.running.has(encodeKey(listed.id))) &&
      !(watch.unsafe !== null && glance.runsCommand);
    const line: JobLine = isCalm
      ? { said: glance, agentId: agentOfJob(glance, byDefault), untrusted: null, source: listed }
      : lineOf(rowOf(desk, cache, listed.read(), watch), byDefault);
    if (
      viewer === null ||
      maySee(viewer, sessionKeyOfJob(desk, { ...line.said, agentId: line.agentId }), desk.config)
    )
      lines.push(line);
  }
  cache.save();
  return { file: list.file, lines, invalid: viewer === null ? list.invalid : [] };
}

function lineOf(row: JobRow, byDefault: string): JobLine {
  const { job, outlook, state, untrusted, stored } = row;
  return {
    said: {
      ...{ id: job.id, name: job.name, schedule: scheduleInWords(job.schedule) },
      ...{ sessionTarget: job.sessionTarget, next: outlook.next, condition: conditionOf(row) },
      failures: state.failures,
      last: endOf(state.last),
      unknown: stored.unknown,
    },
    ...{ agentId: agentOfJob(job, byDefault), untrusted, source: row },
  };
}

/** The session in which a job tells or runs. */
export function sessionKeyOfJob(
  desk: Pick<Desk, 'config'>,
  job: Pick<Job, 'id' | 'agentId' | 'sessionTarget'>,
): { agentId: string; key: string } {
  const agentId = agentOfJob(job, defaultAgentId(desk.config));
  if (job.sessionTarget === 'main') return { agentId, key: mainSessionKey(agentId, desk.config.session) };
  return { agentId, key: job.sessionTarget === 'isolated' ? cronKey(agentId, job.id) : job.sessionTarget };
}

/** Whether the caller may look at a job: a person at every one, an agent at those of the sessions it may look into. */
export function maySeeJob(desk: Desk, job: Job): boolean {
  const viewer = viewerOf(desk.context.env);
  return viewer === null || maySee(viewer, sessionKeyOfJob(desk, job), desk.config);
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

/** A job as JSON documents show it. */
export function documentOf(row: JobRow): object {
  return { ...row.job, ...standingOf(row, row.stored.unknown) };
}

/** What became of what a run said: `sent`, or what it is and why. */
export function fateInWords(fate: Fate): string {
  const why = fate.reason === undefined ? '' : `: ${isUnheard(fate) ? whyUnheard(fate) : fate.reason}`;
  return `${fate.status === 'queued' ? 'waiting' : fate.status}${why}`;
}

/** What to say of keys that mean nothing here. */
export function notesOnKeys({ id }: Pick<Job, 'id'>, unknown: readonly UnknownKey[]): string[] {
  return unknown.map(({ path, known }) => {
    const near = nearest(path.slice(path.lastIndexOf('.') + 1), known);
    return `job ${id}: ${path} means nothing to claw${near === undefined ? '' : `; did you mean ${near}?`}`;
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
