/**
 * Run records: `cron/runs/<id>.jsonl`, the past of each job and heartbeat. Lines are appended from several processes at
 * once (the one that runs the job, one that edits it, one whose turn consumed its event), each by one write.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import type { JobState, RunLine } from '../core/schedule/run-record.ts';
import { readSchedule } from '../core/schedule/schedule.ts';
import { makeFolder, prepareFile, sweepTemporaries, syncFolder, writeAll } from './json-file.ts';
import { lineBytes, parseLine, readForward } from './jsonl-file.ts';
import { encodeKey, type Layout } from './layout.ts';
import { newToken, tokenState, tryLock } from './lock.ts';

/** How long an append waits for one that rewrites the file, ms. */
const PATIENCE = 2000;
/** Beyond this a file is shortened. */
const LARGEST = 1024 * 1024;

/** The lines of a job, oldest first, and where what is no line of claw's stands (byte offsets). */
export interface Runs {
  lines: RunLine[];
  bad: { offset: number; reason: string }[];
  /** of another system, imported: shown, and no part of the job's state */
  imported: RunLine[];
}

/** The file of a job's past. Heartbeats are jobs named `heartbeat:<agent>`; no job id holds a colon. */
export function runsFile(layout: Layout, jobId: string): string {
  return layout.jobRuns(jobId.includes(':') ? encodeKey(jobId) : jobId);
}

/** Everything a job's file holds; nothing where there is none yet. */
export function readRuns(layout: Layout, jobId: string): Runs {
  const runs: Runs = { lines: [], bad: [], imported: [] };
  const file = runsFile(layout, jobId);
  if (!fs.existsSync(file)) return runs;
  for (const { offset, bytes } of readForward(file)) {
    if (bytes.length === 0) continue;
    const value = parseLine(bytes);
    if (typeof value === 'string') runs.bad.push({ offset, reason: value });
    else if ('imported' in value) runs.imported.push(value as unknown as RunLine);
    else if (isRunLine(value)) runs.lines.push(value);
    else runs.bad.push({ offset, reason: 'not a line of a job' });
  }
  return runs;
}

const ACTIONS: ReadonlySet<unknown> = new Set([
  ...['finished', 'seen', 'state', 'disabled', 'enabled', 'alerted', 'recovered', 'clock', 'dropped'],
]);

/** A line is believed when everything that is reckoned with in it can be: another tool, or a hand, may have written it. */
function isRunLine(value: object): value is RunLine {
  const { action, ts } = value as Partial<RunLine>;
  if (!ACTIONS.has(action) || !isTime(ts)) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  switch (action) {
    case 'seen':
      return isTime(fields.from) && typeof fields.enabled === 'boolean' && isSchedule(fields.schedule);
    case 'finished': {
      const times = [fields.dueAt, fields.from, fields.to, fields.behind, fields.startedAt, fields.retryAt];
      return typeof fields.status === 'string' && times.every(time => time === undefined || isTime(time));
    }
    case 'state':
      return isState(fields.state);
    case 'clock':
      return fields.from === undefined || isTime(fields.from);
    default:
      return true;
  }
}

/** An instant that a calendar can show, epoch ms. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= 8.64e15;
}

function isSchedule(value: unknown): boolean {
  return readSchedule(value, { anchorMs: Number.NaN, tz: '' }).ok;
}

function isState(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { seen, position, behind, queued, retry, spent } = value as Readonly<Record<string, unknown>>;
  const lists = [behind, queued].every(list => list === undefined || Array.isArray(list));
  const isSeen = seen === undefined || seen === null || isRunLine({ ...(seen as object), action: 'seen' });
  const isPlace = position === undefined || position === null || isTime(position);
  const objects = [retry, spent].every(each => each === undefined || typeof each === 'object');
  return lists && isSeen && isPlace && objects && spent !== null;
}

/**
 * Appends lines durably, in one write. A line that a crash or a full disk has cut is ended first, so that it spoils no
 * other.
 *
 * @param isDurable false: for what the next reader would find out again
 */
export function appendRuns(
  context: Context,
  layout: Layout,
  jobId: string,
  lines: readonly RunLine[],
  isDurable = true,
): void {
  if (lines.length === 0) return;
  const file = runsFile(layout, jobId);
  makeFolder(path.dirname(file));
  withFile(context, layout, jobId, () => {
    const fd = fs.openSync(file, 'a+', 0o600);
    try {
      const { size } = fs.fstatSync(fd);
      const last = Buffer.alloc(1);
      if (size > 0) fs.readSync(fd, last, 0, 1, size - 1);
      const isCut = size > 0 && last[0] !== 10;
      writeAll(fd, Buffer.concat([...(isCut ? [Buffer.from('\n')] : []), ...lines.map(lineBytes)]));
      if (!isDurable) return;
      fs.fdatasyncSync(fd);
      if (size === 0) syncFolder(path.dirname(file));
    } finally {
      fs.closeSync(fd);
    }
  });
}

/**
 * Shortens a file that has grown: the newest `keep`, then the state that all lines came to. Bad lines and imported ones go with
 * the old ones only when the file is shortened; a copy is not kept.
 *
 * @param stateOf what lines come to
 * @returns run records that were removed
 */
export function pruneRuns(
  context: Context,
  layout: Layout,
  jobId: string,
  limits: { keep: number; before: number },
  stateOf: (lines: readonly RunLine[]) => JobState,
): RunLine[] {
  const file = runsFile(layout, jobId);
  const size = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return [];
  let removed: RunLine[] = [];
  withFile(context, layout, jobId, () => {
    const { lines, bad, imported } = readRuns(layout, jobId);
    const finished = lines.filter(line => line.action === 'finished');
    const spare = Math.max(0, finished.length - limits.keep);
    const old = finished.filter((line, index) => index < spare || line.ts < limits.before);
    // Rewriting costs; it is done when it is worth it.
    if (bad.length > 0 || (old.length < limits.keep / 2 && size < LARGEST)) return;
    const gone = new Set<RunLine>(old);
    const kept = finished.filter(line => !gone.has(line));
    const state = stateOf(lines);
    const last = { action: 'state', ts: context.now(), jobId, state } as const;
    // Behind them: it stands for them too, and they must not count a second time.
    const bytes = Buffer.concat([...imported, ...kept, last].map(lineBytes));
    const folder = path.dirname(file);
    sweepTemporaries(folder, token => tokenState(context, token) === 'dead');
    const temporary = path.join(folder, `.tmp-${newToken(context)}`);
    const prepared = prepareFile(file, bytes, temporary);
    try {
      prepared.commit({ folder: true });
    } catch (error) {
      prepared.abandon();
      throw error;
    }
    removed = old;
  });
  return removed;
}

/** One at a time; who cannot get in for long (a stopped process) appends all the same, which is atomic by itself. */
function withFile(context: Context, layout: Layout, jobId: string, step: () => void): void {
  const place = layout.runsLock(encodeKey(jobId));
  const giveUp = context.now() + PATIENCE;
  let lock = tryLock(context, place, jobId);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  while (lock === null && context.now() < giveUp) {
    Atomics.wait(pause, 0, 0, 3);
    lock = tryLock(context, place, jobId);
  }
  try {
    step();
  } finally {
    lock?.release();
  }
}
