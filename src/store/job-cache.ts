/**
 * What `cron/jobs.json` and the pasts of jobs come to and when schedules are due next, remembered: a thousand jobs would
 * else mean a thousand definitions to check, a thousand files to read and a thousand expressions to parse, for every
 * listing and every tick. All of it follows from other files and is used only while those are unchanged, so
 * `cache/jobs.json` may be deleted at any time; one that was cut, has holes, is of another build or could have been written
 * by somebody else is not used.
 *
 * The file is a heading in JSON, which is all that a table needs, and behind it lines that are looked at only where somebody
 * asks for them: instants, each state, and of each job its definition and what documents say of it.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import { glanceAt, type JobGlance, standingOf } from '../core/schedule/glance.ts';
import type { Assumed, Job, UnknownKey } from '../core/schedule/job.ts';
import { type JobState, NEW_JOB, reduceRuns, scheduleText } from '../core/schedule/run-record.ts';
import {
  nextAfter,
  readSchedule,
  type Schedule,
  type ScheduleRead,
  type StoredSchedule,
} from '../core/schedule/schedule.ts';
import type { Zone } from '../core/schedule/zone.ts';
import type { Layout } from './layout.ts';
import { newToken } from './lock.ts';
import { readRuns, runsFile } from './runs.ts';

declare const CLAW_BUILD: string;

/** What the cache needs of its surroundings; a `Desk` has it. */
export interface CachePlace {
  context: Context;
  layout: Layout;
  zone: Zone;
}

/**
 * What the lines of a file come to, and the stat data of that file: size, mtime and ctime (ms with fractions), inode. A line
 * more shows in the size, another file in the inode; nothing of claw's writes into what is there.
 */
interface Past {
  /** four numbers from `at` on, in an array of all */
  readonly stats: readonly number[];
  readonly at: number;
  state: JobState | Line;
}

/** A line behind the heading, cut out when somebody asks for it. */
interface Line {
  readonly of: Lines;
  readonly number: number;
}

class Lines {
  private lines: string[] | null = null;

  constructor(private readonly bytes: Buffer) {}

  get(number: number): string {
    this.lines ??= this.bytes.toString('utf8').split('\n');
    return this.lines[number]!;
  }
}

/** `next` is the first instant after each instant from `from` on that is before it; null: there is none. */
type KnownInstant = [from: number, next: number | null];

/** What a definition was read as. */
export interface JobReading {
  job: Job;
  assumed: Assumed;
  unknown: UnknownKey[];
}

/** A list of jobs that was read, and by what to see that it would be read the same again. */
export interface JobListing {
  /** of its file */
  signature: string;
  /** of what else decides */
  setting: string;
  /** the zone that stood in where an expression named none; null where every one did */
  zone: string | null;
  /** epoch ms, of the file */
  mtimeMs: number;
  stat: { uid: number; mode: number };
  /** definitions that cannot be used */
  invalid: unknown[];
  jobs: ListedJob[];
}

/** A job of such a list. */
export class ListedJob {
  /** holds while `past` is what there is of it */
  private glance: JobGlance | null = null;
  private past: Past | null = null;
  private lines: JobLines | Line = ['', '', ''];
  private reading: JobReading | null = null;

  private constructor(
    readonly id: string,
    private readonly assumed: Assumed,
    private readonly unknown: UnknownKey[],
  ) {}

  static from(reading: JobReading): ListedJob {
    const listed = new ListedJob(reading.job.id, reading.assumed, reading.unknown);
    listed.reading = reading;
    return listed;
  }

  static remembered(heading: ListHeading, index: number, lines: Line, past: Past | undefined): ListedJob {
    const id = heading.id[index]!;
    const odd = heading.odd[id];
    const listed = new ListedJob(id, odd?.assumed ?? NOTHING, odd?.unknown ?? []);
    listed.lines = lines;
    const next = heading.next[index]!;
    if (next === NO_GLANCE || past === undefined) return listed;
    const at = heading.lastAt[index]!;
    listed.past = past;
    listed.glance = {
      since: heading.since[index]!,
      next: next === NO_TIME ? null : next,
      idle: heading.idle[index]!,
      id,
      name: heading.name[index]!,
      schedule: heading.schedule[index]!,
      sessionTarget: heading.sessionTarget[index]!,
      agentId: heading.agentId[index] ?? undefined,
      failures: heading.failures[index]!,
      condition: heading.condition[index]!,
      last: at === NO_TIME ? null : { how: heading.lastHow[index]!, at },
      runsCommand: heading.runsCommand[index] === 1,
      unknown: listed.unknown,
    };
    return listed;
  }

  read(): JobReading {
    this.reading ??= { job: JSON.parse(this.toLines()[0]), assumed: this.assumed, unknown: this.unknown };
    return this.reading;
  }

  /** The document that belongs to a glance, as JSON. */
  document(): string {
    const [job, settled, standing] = this.toLines();
    return `${(settled || job).slice(0, -1)},${standing.slice(1)}`;
  }

  /**
   * The glance at it, made again where its past has changed; null where there is none.
   *
   * @param settle the job with what it was first seen with
   */
  glanceWith(cache: JobCache, settle: (reading: JobReading, state: JobState) => Job): JobGlance | null {
    const past = cache.pastOf(this.id);
    if (past === null) return null;
    if (past === this.past) return this.glance;
    const reading = this.read();
    const state = stateIn(past);
    const job = settle(reading, state);
    const glance = glanceAt(job, this.unknown, state, (schedule, after) =>
      cache.nextInstant(schedule, after),
    );
    if (glance === null && this.glance === null) return null;
    this.past = glance === null ? null : past;
    this.glance = glance;
    if (glance !== null) {
      const outlook = { next: glance.next, late: false, idle: glance.idle };
      const view = { job, state, outlook, runningAtMs: null, untrusted: null };
      this.lines = [
        this.toLines()[0],
        job === reading.job ? '' : JSON.stringify(job),
        JSON.stringify(standingOf(view, this.unknown)),
      ];
    }
    cache.touch();
    return glance;
  }

  /** @param past what is kept of its past */
  addTo(heading: ListHeading, past: Past | undefined): void {
    const glance = this.past === past ? this.glance : null;
    if (this.assumed.length > 0 || this.unknown.length > 0)
      heading.odd[this.id] = { assumed: this.assumed, unknown: this.unknown };
    heading.id.push(this.id);
    heading.since.push(glance?.since ?? 0);
    heading.next.push(glance === null ? NO_GLANCE : (glance.next ?? NO_TIME));
    heading.idle.push(glance?.idle ?? null);
    heading.name.push(glance?.name ?? '');
    heading.schedule.push(glance?.schedule ?? '');
    heading.sessionTarget.push(glance?.sessionTarget ?? '');
    heading.agentId.push(glance?.agentId ?? null);
    heading.failures.push(glance?.failures ?? 0);
    heading.condition.push(glance?.condition ?? '');
    heading.lastHow.push(glance?.last?.how ?? '');
    heading.lastAt.push(glance?.last?.at ?? NO_TIME);
    heading.runsCommand.push(glance?.runsCommand ? 1 : 0);
  }

  toLines(): JobLines {
    if ('of' in this.lines) {
      const { of, number } = this.lines;
      this.lines = [of.get(number), of.get(number + 1), of.get(number + 2)];
    }
    const [job, settled, standing] = this.lines;
    if (job === '') this.lines = [JSON.stringify(this.read().job), settled, standing];
    return this.lines;
  }
}

const NOTHING: Assumed = [];

/** JSON: the definition; the settled one where that is another; what documents say behind it. */
type JobLines = readonly [job: string, settled: string, standing: string];

/** In place of `next`: nothing is to come; there is no glance. */
const NO_TIME = -1;
const NO_GLANCE = -2;

/** The glances field by field: a thousand objects would take longer to read, and to collect. */
type ListHeading = Omit<JobListing, 'jobs'> & {
  [name in 'id' | 'name' | 'schedule' | 'sessionTarget' | 'condition' | 'lastHow']: string[];
} & { [name in 'since' | 'next' | 'failures' | 'lastAt' | 'runsCommand']: number[] } & {
  idle: JobGlance['idle'][];
  agentId: (string | null)[];
  /** by id: what most jobs have nothing of */
  odd: Record<string, Pick<JobReading, 'assumed' | 'unknown'>>;
};

interface Heading {
  key: string;
  /** bytes behind the heading, so that a file that was cut is noticed */
  rest: number;
  /** ids of pasts, and four numbers of each (`Past`) */
  pasts: string[];
  stats: number[];
  list: ListHeading | null;
}

interface Content {
  pasts: Map<string, Past>;
  list: JobListing | null;
  /** or the line of them, until somebody asks for one */
  instants: Record<string, KnownInstant> | Line;
}

const NO_THROW = { throwIfNoEntry: false } as const;

/** So many entries that nobody asked for are let be. */
const SPARE = 100;

export class JobCache {
  private changed = false;
  private readonly asked = { pasts: new Set<string>(), instants: new Set<string>() };

  /** path of a job's file but for its name: joining a thousand paths costs more than looking at the files */
  private readonly folder: string;

  private constructor(
    private readonly place: CachePlace,
    private readonly content: Content,
  ) {
    this.folder = runsFile(place.layout, 'x').slice(0, -'x.jsonl'.length);
  }

  /** The cache as the last process left it; an empty one where it cannot be used. */
  static open(place: CachePlace): JobCache {
    return new JobCache(
      place,
      readContent(place) ?? { pasts: new Map(), list: null, instants: Object.create(null) },
    );
  }

  /** What the past of a job (or of `heartbeat:<agent>`) comes to. Lines that cannot be read are passed over. */
  stateOf(jobId: string): JobState {
    const past = this.pastOf(jobId);
    return past === null ? reduceRuns([]) : stateIn(past);
  }

  /** The same object as long as the file is the same; null where there is none. */
  pastOf(jobId: string): Past | null {
    const { pasts } = this.content;
    // Looked at before it is read: what is appended meanwhile makes the next look differ.
    const file = jobId.includes(':') ? runsFile(this.place.layout, jobId) : `${this.folder}${jobId}.jsonl`;
    const stat = fs.statSync(file, NO_THROW);
    const known = pasts.get(jobId);
    if (stat === undefined) {
      if (pasts.delete(jobId)) this.changed = true;
      return null;
    }
    this.asked.pasts.add(jobId);
    const { size, mtimeMs, ctimeMs, ino } = stat;
    if (known !== undefined) {
      const { stats, at } = known;
      if (
        stats[at] === size &&
        stats[at + 1] === mtimeMs &&
        stats[at + 2] === ctimeMs &&
        stats[at + 3] === ino
      )
        return known;
    }
    const state = reduceRuns(readRuns(this.place.layout, jobId).lines);
    const past: Past = { stats: [size, mtimeMs, ctimeMs, ino], at: 0, state };
    pasts.set(jobId, past);
    this.changed = true;
    return past;
  }

  /** The list that was read last, if it would be read the same now. */
  listing(signature: string, setting: string, zone: Zone): JobListing | null {
    const { list } = this.content;
    if (list === null || list.signature !== signature || list.setting !== setting) return null;
    return list.zone === null || list.zone === zone.name ? list : null;
  }

  /** Remembers a list. */
  keep(list: JobListing): void {
    this.content.list = list;
    this.changed = true;
  }

  /** Something that was handed out has been changed. */
  touch(): void {
    this.changed = true;
  }

  /** The first instant of a schedule strictly after another (epoch ms); null where there is none. */
  nextInstant(schedule: StoredSchedule, after: number): number | null {
    if (schedule.kind === 'at') return schedule.atMs > after ? schedule.atMs : null;
    if (schedule.kind === 'every') return nextAfter(schedule, after, this.place.zone);
    const instants = this.instants();
    const text = scheduleText(schedule);
    this.asked.instants.add(text);
    const known = Object.hasOwn(instants, text) ? instants[text] : undefined;
    if (known && known[0] <= after && (known[1] === null || after < known[1])) return known[1];
    const next = nextAfter(schedule as Schedule, after, this.place.zone);
    instants[text] = [after, next];
    this.changed = true;
    return next;
  }

  /** As `readSchedule` of the core; an expression whose instants are known here was once found good. */
  readonly readSchedule = (raw: unknown, missing: { anchorMs: number; tz: string }): ScheduleRead => {
    const { kind, expr, tz } = (raw ?? {}) as Record<string, unknown>;
    if (kind === 'cron' && typeof expr === 'string') {
      const schedule: StoredSchedule & { kind: 'cron' } = {
        kind,
        expr,
        tz: typeof tz === 'string' ? tz : missing.tz,
      };
      if (tz === undefined || typeof tz === 'string')
        if (Object.hasOwn(this.instants(), scheduleText(schedule))) return { ok: true, schedule };
    }
    return readSchedule(raw, missing);
  };

  /** Keeps what was found out, if anything was. Never fails: the next process finds it out again. */
  save(): void {
    if (!this.changed) return;
    const { layout, context } = this.place;
    this.dropForgotten();
    const file = cacheFile(layout);
    const temporary = path.join(path.dirname(file), `.tmp-${newToken(context)}`);
    try {
      try {
        fs.mkdirSync(path.dirname(file), { mode: 0o700 });
      } catch (error) {
        // Without a home nothing is made: who only reads leaves no traces outside `cache/`.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return;
      }
      fs.writeFileSync(temporary, textOf(this.content), { mode: 0o600, flag: 'wx' });
      fs.renameSync(temporary, file);
      this.changed = false;
    } catch {
      try {
        fs.rmSync(temporary, { force: true });
      } catch {
        // It stays until the cache is removed.
      }
    }
  }

  private instants(): Record<string, KnownInstant> {
    const { instants } = this.content;
    if (!isLine(instants)) return instants;
    const read = instantsIn(instants.of.get(instants.number));
    this.content.instants = read;
    return read;
  }

  /** Entries of jobs that are gone, once there are many. */
  private dropForgotten(): void {
    const { pasts, instants } = this.content;
    const { asked } = this;
    if (pasts.size > 2 * asked.pasts.size + SPARE)
      for (const id of pasts.keys()) if (!asked.pasts.has(id)) pasts.delete(id);
    if (isLine(instants)) return;
    const names = Object.keys(instants);
    // Who goes by glances asks for few of them.
    const used = Math.max(asked.instants.size, this.content.list?.jobs.length ?? 0);
    if (names.length > 2 * used + SPARE)
      for (const name of names) if (!asked.instants.has(name)) delete instants[name];
  }
}

/** What the pasts of jobs come to, by their ids; who asks keeps the cache afterwards (`save`). */
export function loadJobStates(cache: JobCache, jobs: readonly { id: string }[]): Map<string, JobState> {
  return new Map(jobs.map(({ id }) => [id, cache.stateOf(id)]));
}

function stateIn(past: Past): JobState {
  const { state } = past;
  if (!isLine(state)) return state;
  const read = { ...NEW_JOB, ...JSON.parse(state.of.get(state.number)) } as JobState;
  past.state = read;
  return read;
}

function isLine(value: object): value is Line {
  return 'of' in value && value.of instanceof Lines;
}

/** A state without what it shares with a job of no past. */
function stateText(state: JobState): string {
  const told: Record<string, unknown> = {};
  for (const name of Object.keys(NEW_JOB) as (keyof JobState)[]) {
    const value = state[name];
    if (value !== NEW_JOB[name] && !(Array.isArray(value) && value.length === 0)) told[name] = value;
  }
  return JSON.stringify(told);
}

function cacheFile(layout: Layout): string {
  return path.join(layout.cache(), 'jobs.json');
}

/** Another claw may reduce lines otherwise, other zone data may know other instants. */
function cacheKey(): string {
  const { node, icu, tz } = process.versions as { node: string; icu?: string; tz?: string };
  const build = typeof CLAW_BUILD === 'string' ? CLAW_BUILD : 'source';
  return [2, build, node, icu, tz].join(' ');
}

function textOf({ pasts, list, instants }: Content): string {
  const textOr = (value: object, text: () => string) => (isLine(value) ? value.of.get(value.number) : text());
  const lines = [textOr(instants, () => JSON.stringify(instants))];
  for (const { state } of pasts.values()) lines.push(textOr(state, () => stateText(state as JobState)));
  for (const job of list?.jobs ?? []) lines.push(...job.toLines());
  const rest = lines.join('\n');
  const heading: Heading = {
    key: cacheKey(),
    rest: Buffer.byteLength(rest),
    pasts: [...pasts.keys()],
    stats: [...pasts.values()].flatMap(({ stats, at }) => stats.slice(at, at + 4)),
    list: list === null ? null : listHeading(list, pasts),
  };
  return `${JSON.stringify(heading)}\n${rest}`;
}

function listHeading({ jobs, ...list }: JobListing, pasts: Content['pasts']): ListHeading {
  const heading: ListHeading = {
    ...{ ...list, id: [], name: [], schedule: [], sessionTarget: [], condition: [], lastHow: [] },
    ...{ since: [], next: [], failures: [], lastAt: [], runsCommand: [], idle: [], agentId: [], odd: {} },
  };
  for (const job of jobs) job.addTo(heading, pasts.get(job.id));
  return heading;
}

function readContent({ layout, context }: CachePlace): Content | null {
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(cacheFile(layout), 'r');
    const { uid, mode } = fs.fstatSync(descriptor);
    if (context.uid !== undefined && (uid !== context.uid || (mode & 0o022) !== 0)) return null;
    return contentIn(fs.readFileSync(descriptor));
  } catch {
    // No cache, or none that can be used.
    return null;
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

/** @throws where it is no cache */
function contentIn(bytes: Buffer): Content | null {
  const end = bytes.indexOf(10);
  const heading = JSON.parse(bytes.toString('utf8', 0, end)) as Heading;
  const rest = bytes.subarray(end + 1);
  if (heading.key !== cacheKey() || heading.rest !== rest.length) return null;
  // What a power cut left of it may be blocks of nothing.
  if (rest.includes(0)) return null;
  const of = new Lines(rest);
  const pasts = new Map<string, Past>();
  heading.pasts.forEach((id, index) => {
    pasts.set(id, { stats: heading.stats, at: 4 * index, state: { of, number: 1 + index } });
  });
  const jobs: ListedJob[] = [];
  const first = 1 + heading.pasts.length;
  heading.list?.id.forEach((id, index) => {
    const lines = { of, number: first + 3 * index };
    jobs.push(ListedJob.remembered(heading.list!, index, lines, pasts.get(id)));
  });
  return { pasts, list: heading.list && { ...heading.list, jobs }, instants: { of, number: 0 } };
}

/** None where the line is not what it should be. */
function instantsIn(line: string): Record<string, KnownInstant> {
  try {
    const value: unknown = JSON.parse(line);
    const isUsable = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isUsable ? (value as Record<string, KnownInstant>) : {};
  } catch {
    return {};
  }
}
