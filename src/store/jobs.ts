/**
 * Definitions of jobs: `cron/jobs.json`, which belongs to its user. It is read as it stands, one bad job hides no other,
 * and only what a command was asked to change is changed; everything else in the file stays, known or not.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { ConfigInput } from '../config/schema.ts';
import type { Context } from '../context.ts';
import { ClawError } from '../core/errors.ts';
import { whereNotJson } from '../core/json-error.ts';
import { defaultAgentId } from '../core/routing/binding.ts';
import { hasAccount } from '../core/routing/channel.ts';
import { seenNow } from '../core/schedule/due.ts';
import {
  type Assumed,
  definitionOf,
  type Job,
  type JobSetting,
  readJob,
  settledSchedule,
  type UnknownKey,
} from '../core/schedule/job.ts';
import { type JobState, type RunLine, reduceRuns } from '../core/schedule/run-record.ts';
import type { Zone } from '../core/schedule/zone.ts';
import { JobCache, type JobReading, ListedJob } from './job-cache.ts';
import { makeFolder, prepareFile, readJson, sweepTemporaries } from './json-file.ts';
import type { Layout } from './layout.ts';
import { newToken, tokenState, tryLock } from './lock.ts';
import { appendRuns, readRuns } from './runs.ts';
import { changedAt, isRacy, signatureOf } from './signatures.ts';

/** How long a change waits for another one, ms; each takes some. */
const PATIENCE = 10_000;

/** What reading jobs needs of its surroundings; a `Desk` has it. */
export interface JobPlace {
  context: Context;
  layout: Layout;
  config: Pick<ConfigInput, 'agents' | 'session' | 'channels'>;
  zone: Zone;
}

type Fields = Readonly<Record<string, unknown>>;

/** A job that can be used. */
export interface StoredJob {
  job: Job;
  /** as it stands in the file */
  raw: Fields;
  /** its place in the list */
  index: number;
  unknown: UnknownKey[];
  assumed: Assumed;
}

/** The list for who only looks at it: jobs without the text in the file. */
export interface JobsSeen extends Pick<JobList, 'state' | 'file' | 'invalid' | 'mtimeMs' | 'stat'> {
  jobs: ListedJob[];
}

/** One that cannot, and why; it stays in the file. */
export interface InvalidJob {
  id: string | null;
  name: string | null;
  index: number;
  problem: string;
}

export interface JobList {
  state: 'ok';
  file: string;
  jobs: StoredJob[];
  invalid: InvalidJob[];
  /** when the file was written last, epoch ms; null where there is none */
  mtimeMs: number | null;
  /** owner and mode, which decide whether commands in it are run; null where there is no file */
  stat: { uid: number; mode: number } | null;
  /** the document around the list */
  document: unknown;
}

export type JobsRead = JobList | { state: 'unreadable'; file: string; reason: string };

/** How definitions are read here: default agent, zone, keys. */
export function jobSetting(place: JobPlace, definedAt: number): JobSetting {
  const { config, zone } = place;
  return {
    agentId: defaultAgentId(config),
    session: config.session,
    hasAccount: (channel, account) => hasAccount(config.channels, channel, account),
    definedAt,
    zone,
  };
}

/**
 * All jobs. A missing file holds none; one that cannot be read is not taken for that.
 *
 * @param cache knows expressions that were read before
 */
export function loadJobs(place: JobPlace, cache?: JobCache): JobsRead {
  const file = place.layout.jobs();
  // Looked at first: a file written meanwhile is then taken for older than it is, and looked at again.
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  const read = readJson(file);
  if (read.state === 'unreadable')
    return read.reason.startsWith('not JSON') ? { ...read, reason: whyNotJson(file, read.reason) } : read;
  if (read.state === 'missing' || stat === undefined)
    return { ...NOTHING, file, document: { version: 1, jobs: [] } };
  const list = listIn(read.value);
  if (list === null) return { state: 'unreadable', file, reason: 'it holds no list of jobs' };
  const mtimeMs = Math.floor(stat.mtimeMs);
  const setting = { ...jobSetting(place, mtimeMs), readSchedule: cache?.readSchedule };
  const found: JobList = {
    ...{ state: 'ok', file, mtimeMs, stat: { uid: stat.uid, mode: stat.mode } },
    ...{ jobs: [], invalid: [], document: read.value },
  };
  const ids = new Map<string, string>();
  list.forEach((raw, index) => {
    const one = readJob(raw, setting);
    if (!one.ok) {
      found.invalid.push({ id: one.id, name: one.name, index, problem: one.problem });
      return;
    }
    const { job } = one;
    const folded = job.id.toLowerCase();
    const before = ids.get(folded);
    ids.set(folded, before ?? job.id);
    if (before === undefined)
      found.jobs.push({ job, raw: raw as Fields, index, unknown: one.unknown, assumed: one.assumed });
    else {
      const problem =
        before === job.id
          ? 'a job before it has the same id'
          : `a job before it has the id ${before}, which differs in nothing but capital letters`;
      found.invalid.push({ id: job.id, name: job.name, index, problem });
    }
  });
  return found;
}

/** People edit this file: they are told the line. */
function whyNotJson(file: string, otherwise: string): string {
  try {
    return `not JSON at ${whereNotJson(fs.readFileSync(file, 'utf8'))}`;
  } catch {
    return otherwise;
  }
}

/**
 * All jobs, from the cache where the file has not changed since it was read. Who asks keeps the cache afterwards (`save`).
 */
export function seeJobs(place: JobPlace, cache: JobCache): JobsSeen | Exclude<JobsRead, JobList> {
  const file = place.layout.jobs();
  const lookedAt = place.context.now();
  // Looked at before it is read, so that a file written meanwhile is looked at again.
  const stat = fs.statSync(file, { throwIfNoEntry: false, bigint: true });
  if (stat === undefined) return { ...NOTHING, file, jobs: [] };
  const signature = signatureOf(stat);
  const setting = settingText(place);
  const known = cache.listing(signature, setting, place.zone);
  if (known !== null) return { ...known, state: 'ok', file, invalid: known.invalid as InvalidJob[] };
  let zone: string | null = null;
  const asked: Zone = {
    isHost: place.zone.isHost,
    get name() {
      zone ??= place.zone.name;
      return zone;
    },
  };
  const read = loadJobs({ ...place, zone: asked }, cache);
  if (read.state === 'unreadable') return read;
  const jobs = read.jobs.map(({ job, assumed, unknown }) => ListedJob.from({ job, assumed, unknown }));
  const { invalid, mtimeMs } = read;
  if (read.stat !== null && mtimeMs !== null && !isRacy(changedAt(stat), lookedAt))
    cache.keep({ signature, setting, zone, mtimeMs, stat: read.stat, invalid, jobs });
  return { state: 'ok', file, invalid, mtimeMs, stat: read.stat, jobs };
}

/** All of the config that decides how a definition is read, as text. The zone is apart, since few ask for it. */
function settingText({ config }: JobPlace): string {
  const accounts = Object.entries(config.channels ?? {}).map(([name, channel]) => [
    name,
    Object.keys(channel?.accounts ?? {}),
  ]);
  return JSON.stringify([defaultAgentId(config), config.session ?? null, accounts]);
}

const NOTHING = {
  state: 'ok' as const,
  jobs: [] as StoredJob[],
  invalid: [] as InvalidJob[],
  mtimeMs: null,
  stat: null,
};

/** The job with the anchor or zone it was first seen with, where its author named none. */
export function settledJob({ job, assumed }: Pick<JobReading, 'job' | 'assumed'>, state: JobState): Job {
  return assumed.length === 0
    ? job
    : { ...job, schedule: settledSchedule(job.schedule, assumed, state.seen) };
}

/** The list in the document: `{"jobs": [...]}`, or the list alone. */
function listIn(document: unknown): unknown[] | null {
  if (Array.isArray(document)) return document;
  const jobs = typeof document === 'object' && document !== null && (document as Fields).jobs;
  return Array.isArray(jobs) ? jobs : null;
}

/**
 * Why commands of this file must not be run, null when they may: who can write to it could run anything as its user.
 *
 * @param uid of claw's user; undefined where files have no owners
 */
export function mayExecute(
  { file, stat }: Pick<JobList, 'file' | 'stat'>,
  uid: number | undefined,
): string | null {
  if (stat === null || uid === undefined) return null;
  if (stat.uid !== uid && stat.uid !== 0) return `${file} belongs to user ${stat.uid}`;
  if ((stat.mode & 0o002) !== 0)
    return `${file} can be written by everybody (mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')})`;
  return null;
}

/** @throws ClawError data `state-unreadable` */
export function jobsOrThrow<List extends JobList | JobsSeen>(read: List | Exclude<JobsRead, JobList>): List {
  if (read.state === 'ok') return read;
  throw new ClawError(
    'data',
    'state-unreadable',
    `${read.file} cannot be read: ${read.reason}; it is left in place and no job of it runs`,
    `mend it with an editor; claw cron list`,
  );
}

/** What a command wants of the list. */
export interface JobChange<Result> {
  /** definitions to be written, each at its place in the list, or at the end of it */
  put?: { index: number | null; raw: Fields }[];
  /** what is put is left for the first tick to see, which takes it for as old as the file will be */
  leaveUnseen?: boolean;
  /** places to be removed */
  remove?: number[];
  /** what is to be appended to pasts beside that */
  lines?: { jobId: string; lines: RunLine[] }[];
  result: Result;
}

/**
 * Changes the list under its lock, after reading it again. When it returns, the change is durable. Nothing is written
 * where nothing is asked for.
 *
 * Before the file: whoever reads a definition for the first time takes the time of the file for the time it was written,
 * and that is about to move. So each definition that no `seen` record tells of yet gets one now, with the old time;
 * one that is added or changed gets its own with the present time.
 *
 * @param change what is to be done with the list as it stands now
 * @throws ClawError `state-unreadable` · tempfail `jobs-busy` · config `jobs-unsafe`: others could have written to it,
 *   and writing it would make it look like ours
 */
export function changeJobs<Result>(place: JobPlace, change: (list: JobList) => JobChange<Result>): Result {
  const { context, layout } = place;
  const lock = waitForLock(place);
  try {
    const cache = JobCache.open(place);
    const list = jobsOrThrow(loadJobs(place, cache));
    const { put = [], remove = [], lines = [], leaveUnseen = false, result } = change(list);
    const isWriting = put.length > 0 || remove.length > 0;
    if (isWriting) {
      const unsafe = mayExecute(list, context.uid);
      if (unsafe !== null)
        throw new ClawError(
          'config',
          'jobs-unsafe',
          `${unsafe}, who could make claw run any command; it is not changed`,
          `read it, then: chown ${context.uid} ${list.file}; chmod go-w ${list.file}`,
        );
      noteDefinitions(place, cache, list, remove);
    }
    for (const each of lines) appendRuns(context, layout, each.jobId, each.lines);
    if (isWriting) write(place, list, put, remove);
    if (!leaveUnseen) noteChanged(place, put);
    return result;
  } catch (error) {
    throw noRoom(error, layout.jobs());
  } finally {
    lock.release();
  }
}

/** A full or broken disk, told so that the caller tries again; everything else as it is. */
function noRoom(error: unknown, file: string): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (error instanceof ClawError || !/^(?:ENOSPC|EDQUOT|EROFS|EIO|EFBIG)$/.test(code)) return error;
  const hint = /^E(?:NOSPC|DQUOT)$/.test(code)
    ? 'free some space, then try again'
    : 'look at the disk, then try again';
  return new ClawError('tempfail', 'not-changed', `${file} was not changed: ${message}`, hint, {
    cause: error,
  });
}

/** What the file says until now is noted before its time moves. */
function noteDefinitions(place: JobPlace, cache: JobCache, list: JobList, remove: readonly number[]): void {
  const now = place.context.now();
  for (const one of list.jobs) {
    if (!remove.includes(one.index)) note(place, one, cache.stateOf(one.job.id), list.mtimeMs ?? now);
  }
}

/**
 * What was added or changed is noted behind the file: a crash in between leaves a definition that the next tick sees with
 * the file's time. Before it, a definition would be noted that does not hold.
 */
function noteChanged(place: JobPlace, put: { raw: Fields }[]): void {
  const now = place.context.now();
  for (const { raw } of put) {
    const read = readJob(raw, jobSetting(place, now));
    if (!read.ok) continue;
    const state = reduceRuns(readRuns(place.layout, read.job.id).lines);
    // When the command was given, not when the lock was: `--at 5s` may have passed while it waited.
    note(place, read, state, read.job.updatedAtMs ?? now);
  }
}

function note(
  { context, layout }: JobPlace,
  one: Pick<StoredJob, 'job' | 'assumed'>,
  state: JobState,
  definedAt: number,
): void {
  const job = settledJob(one, state);
  const seen = seenNow(job, state, { now: context.now(), definedAt, definition: definitionOf(job) });
  if (seen !== null) appendRuns(context, layout, job.id, [seen]);
}

function write(
  place: JobPlace,
  list: JobList,
  put: { index: number | null; raw: Fields }[],
  remove: readonly number[],
): void {
  const { context } = place;
  const changed = [...(listIn(list.document) ?? [])];
  for (const { index, raw } of put) {
    if (index === null) changed.push(raw);
    else changed[index] = raw;
  }
  const jobs = changed.filter((_, index) => !remove.includes(index));
  const document = Array.isArray(list.document) ? jobs : { ...(list.document as Fields), jobs };
  makeFolder(path.dirname(list.file));
  // A link is somebody's way of keeping the file elsewhere.
  const file = list.stat === null ? list.file : fs.realpathSync(list.file);
  const folder = path.dirname(file);
  sweepTemporaries(folder, token => tokenState(context, token) === 'dead');
  // For people: they are invited to edit it.
  const bytes = Buffer.from(`${JSON.stringify(document, null, 2)}\n`, 'utf8');
  const prepared = prepareFile(file, bytes, path.join(folder, `.tmp-${newToken(context)}`));
  try {
    prepared.commit({ folder: true });
  } catch (error) {
    prepared.abandon();
    throw error;
  }
}

function waitForLock({ context, layout }: JobPlace): { release(): void } {
  const place = layout.jobsLock();
  const giveUp = context.now() + PATIENCE;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const lock = tryLock(context, place, 'cron jobs');
    if (lock !== null) return lock;
    if (context.now() >= giveUp)
      throw new ClawError(
        'tempfail',
        'jobs-busy',
        `${layout.jobs()} is being changed by another process`,
        'try again; claw doctor says who holds it',
      );
    Atomics.wait(pause, 0, 0, 5);
  }
}
