/**
 * What the pasts of jobs come to and when schedules are due next, remembered: a thousand jobs would else mean a thousand
 * files to read and a thousand expressions to parse, for every listing and every tick. All of it follows from other files
 * and is used only while those are unchanged, so `cache/jobs.json` may be deleted, or be wrong in any way but forged, at
 * any time.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import { type JobState, reduceRuns, scheduleText } from '../core/schedule/run-record.ts';
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

/** Size, mtime (ms with fractions) and inode of a file of runs, and what its lines come to. */
type KnownPast = [size: number, mtimeMs: number, inode: number, state: JobState];
/** `next` is the first instant after each instant from `from` on that is before it; null: there is none. */
type KnownInstant = [from: number, next: number | null];

interface Content {
  key: string;
  pasts: Record<string, KnownPast>;
  instants: Record<string, KnownInstant>;
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
    const key = cacheKey();
    return new JobCache(place, readContent(place, key) ?? { key, pasts: {}, instants: {} });
  }

  /** What the past of a job (or of `heartbeat:<agent>`) comes to. Lines that cannot be read are passed over. */
  stateOf(jobId: string): JobState {
    const { pasts } = this.content;
    // Looked at before it is read: what is appended meanwhile makes the next look differ.
    const file = jobId.includes(':') ? runsFile(this.place.layout, jobId) : `${this.folder}${jobId}.jsonl`;
    const stat = fs.statSync(file, NO_THROW);
    if (stat === undefined) {
      if (Object.hasOwn(pasts, jobId)) this.forget(pasts, jobId);
      return reduceRuns([]);
    }
    this.asked.pasts.add(jobId);
    const known = Object.hasOwn(pasts, jobId) ? pasts[jobId] : undefined;
    if (known && known[0] === stat.size && known[1] === stat.mtimeMs && known[2] === stat.ino)
      return known[3];
    const state = reduceRuns(readRuns(this.place.layout, jobId).lines);
    pasts[jobId] = [stat.size, stat.mtimeMs, stat.ino, state];
    this.changed = true;
    return state;
  }

  /** The first instant of a schedule strictly after another (epoch ms); null where there is none. */
  nextInstant(schedule: StoredSchedule, after: number): number | null {
    if (schedule.kind === 'at') return schedule.atMs > after ? schedule.atMs : null;
    if (schedule.kind === 'every') return nextAfter(schedule, after, this.place.zone);
    const { instants } = this.content;
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
        if (Object.hasOwn(this.content.instants, scheduleText(schedule))) return { ok: true, schedule };
    }
    return readSchedule(raw, missing);
  };

  /** Keeps what was found out, if anything was. Never fails: the next process finds it out again. */
  save(): void {
    if (!this.changed) return;
    const { layout, context } = this.place;
    this.drop(this.content.pasts, this.asked.pasts);
    this.drop(this.content.instants, this.asked.instants);
    const file = cacheFile(layout);
    const temporary = path.join(path.dirname(file), `.tmp-${newToken(context)}`);
    try {
      try {
        fs.mkdirSync(path.dirname(file), { mode: 0o700 });
      } catch (error) {
        // Without a home nothing is made: who only reads leaves no traces outside `cache/`.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return;
      }
      fs.writeFileSync(temporary, JSON.stringify(this.content), { mode: 0o600, flag: 'wx' });
      fs.renameSync(temporary, file);
      this.changed = false;
    } catch {
      fs.rmSync(temporary, { force: true });
    }
  }

  private forget(entries: Record<string, unknown>, name: string): void {
    delete entries[name];
    this.changed = true;
  }

  /** Entries of jobs that are gone, once there are many. */
  private drop(entries: Record<string, unknown>, asked: ReadonlySet<string>): void {
    const names = Object.keys(entries);
    if (names.length <= 2 * asked.size + SPARE) return;
    for (const name of names) if (!asked.has(name)) delete entries[name];
  }
}

/** What the pasts of jobs come to, by their ids; who asks keeps the cache afterwards (`save`). */
export function loadJobStates(cache: JobCache, jobs: readonly { id: string }[]): Map<string, JobState> {
  return new Map(jobs.map(({ id }) => [id, cache.stateOf(id)]));
}

function cacheFile(layout: Layout): string {
  return path.join(layout.cache(), 'jobs.json');
}

/** Another claw may reduce lines otherwise, other zone data may know other instants. */
function cacheKey(): string {
  const { node, icu, tz } = process.versions as { node: string; icu?: string; tz?: string };
  const build = typeof CLAW_BUILD === 'string' ? CLAW_BUILD : 'source';
  return [1, build, node, icu, tz].join(' ');
}

function readContent({ layout, context }: CachePlace, key: string): Content | null {
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(cacheFile(layout), 'r');
    const { uid, mode } = fs.fstatSync(descriptor);
    if (context.uid !== undefined && (uid !== context.uid || (mode & 0o022) !== 0)) return null;
    const content = JSON.parse(fs.readFileSync(descriptor, 'utf8')) as Partial<Content>;
    const isUsable = content.key === key && isFields(content.pasts) && isFields(content.instants);
    return isUsable ? (content as Content) : null;
  } catch {
    // No cache, or none that can be used.
    return null;
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

function isFields(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
