/**
 * Schedules: when a job is due. Every instant follows from the definition alone, so that whoever reads a schedule, however
 * often, moves nothing (#12440), and a grid stays where its anchor put it (#6924).
 *
 * Wall-clock times are laid onto the zone day by day with `zone.ts`. The library `cron-parser` is not used for it: it
 * loses 15:30Z in Australia/Lord_Howe on 2026-10-04 for a half-hourly expression, shifts wildcard hours, and costs every
 * start 16 ms. Tests hold the results of this file against it away from changes of clocks.
 */
import {
  type CronExpression,
  hasAlternativeDays,
  nextDay,
  nextSecond,
  parseCron,
} from './cron-expression.ts';
import { parseDuration, parseWhen } from './duration.ts';
import { isKnownZone, type OffsetChange, offsetChange, tellLocalTime, type Zone, zoneFor } from './zone.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A day before the last instant of a `Date` (ECMA-262), so that every zone can show it. */
const LAST_INSTANT = 8.64e15 - DAY;
/** So few jobs have more distinct expressions; beyond it the memory is begun anew. */
const REMEMBERED = 4096;

/**
 * When a job is due; instants and lengths in ms.
 * `at`: once. `every`: the grid anchor, anchor + everyMs, … `cron`: what an expression names in an IANA zone.
 */
export type Schedule =
  | { kind: 'at'; at: number }
  | { kind: 'every'; everyMs: number; anchorMs: number }
  | { kind: 'cron'; expr: string; tz: string };

/** A schedule as `cron/jobs.json` and JSON documents hold it. */
export type StoredSchedule =
  | { kind: 'at'; atMs: number }
  | { kind: 'every'; everyMs: number; anchorMs: number }
  | { kind: 'cron'; expr: string; tz: string };

export type ScheduleRead = { ok: true; schedule: Schedule } | { ok: false; problem: string };

/**
 * Reads a schedule that somebody wrote: the stored form, and what older systems and hands make of it (`at`, `every`,
 * `cron`, a missing kind, anchor or zone). Fractions of a ms are dropped.
 *
 * @param missing what stands in where it says nothing: anchor (epoch ms) of a grid; zone (IANA name) of an expression
 * @returns the schedule, or a problem: no number, a bad expression, one that never fires, an unknown zone
 */
export function readSchedule(raw: unknown, missing: { anchorMs: number; tz: string }): ScheduleRead {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return problem('it has no schedule');
  const fields = raw as Readonly<Record<string, unknown>>;
  const kind = fields.kind ?? kindOf(fields);
  switch (kind) {
    case 'at': {
      const [name, written] = fields.atMs === undefined ? ['at', fields.at] : ['atMs', fields.atMs];
      const at = instantIn(written, () => fields.tz ?? missing.tz);
      return typeof at === 'number' ? { ok: true, schedule: { kind, at } } : bad(name, written, at);
    }
    case 'every': {
      const every = fields.everyMs ?? parseDuration(String(fields.every ?? ''));
      const everyMs = typeof every === 'number' ? Math.floor(every) : 0;
      if (!Number.isSafeInteger(everyMs) || everyMs < 1)
        return fields.everyMs === undefined
          ? bad('every', fields.every, 'expected a duration above 0, such as "90m"')
          : bad('everyMs', fields.everyMs, 'expected a number of ms above 0 (or "every": "90m")');
      const anchor = fields.anchorMs ?? missing.anchorMs;
      const anchorMs = instantIn(anchor, () => fields.tz ?? missing.tz);
      if (typeof anchorMs !== 'number') return bad('anchorMs', anchor, anchorMs);
      return { ok: true, schedule: { kind, everyMs, anchorMs } };
    }
    case 'cron': {
      const written = fields.expr ?? fields.cron;
      const read = parseCron(typeof written === 'string' ? written : '');
      if (!read.ok)
        return typeof written === 'string'
          ? read
          : bad(
              fields.expr === undefined ? 'cron' : 'expr',
              written,
              'expected an expression of five fields, such as "0 7 * * *"',
            );
      const named = fields.tz ?? missing.tz;
      const tz = typeof named === 'string' ? named.trim() || missing.tz : '';
      if (!isKnownZone(tz))
        return bad('tz', named, 'expected an IANA time zone known here, such as "Europe/Stockholm"');
      return { ok: true, schedule: { kind, expr: read.cron.text, tz } };
    }
    default:
      return kind === undefined
        ? problem('it has none of "at", "every", "cron"')
        : bad('kind', kind, 'expected one of "at", "every", "cron"');
  }
}

/** The form that is stored. */
export function storedSchedule(schedule: Schedule): StoredSchedule {
  return schedule.kind === 'at' ? { kind: 'at', atMs: schedule.at } : { ...schedule };
}

/**
 * The first instant of a schedule strictly after another.
 *
 * @param after epoch ms
 * @param host the host's zone, which is reckoned in faster when it is the schedule's
 * @returns epoch ms, or null when there is none: a time that has passed, or the end of time itself
 * @throws RangeError when expression or zone were never checked by `readSchedule` and are bad
 */
export function nextAfter(schedule: Schedule, after: number, host: Zone): number | null {
  return timetable(schedule, host)(after);
}

/**
 * The instants of a schedule in a stretch of time, oldest first, at most `limit` of them: who has got that many asks
 * again from the last one.
 *
 * @param from epoch ms, exclusive
 * @param to epoch ms, inclusive
 */
export function instantsBetween(
  schedule: Schedule,
  from: number,
  to: number,
  limit: number,
  host: Zone,
): number[] {
  const next = timetable(schedule, host);
  const found: number[] = [];
  for (let at = next(from); at !== null && at <= to && found.length < limit; at = next(at)) found.push(at);
  return found;
}

/**
 * How long it is from an instant of a schedule to the one that follows, in ms; of a grid that is its step. Null where
 * nothing follows.
 */
export function periodOf(schedule: Schedule, instant: number, host: Zone): number | null {
  if (schedule.kind === 'every') return schedule.everyMs;
  const next = nextAfter(schedule, instant, host);
  return next === null || schedule.kind === 'at' ? null : next - instant;
}

/** What people should be told of a schedule before they rely on it, one sentence each. */
export function warningsOf(schedule: Schedule): string[] {
  if (schedule.kind === 'at') return [];
  if (schedule.kind === 'every') return schedule.everyMs < MINUTE ? [TOO_DENSE] : [];
  const cron = expressionOf(schedule.expr);
  return [
    ...(hasAlternativeDays(cron)
      ? ['day of month and day of week are both set: it fires on days that match either one, not both']
      : []),
    ...(cron.seconds.length > 1 ? [TOO_DENSE] : []),
  ];
}

const TOO_DENSE =
  'its instants are closer than a minute: a timer that ticks every minute runs them once per tick';

/**
 * A schedule in words: `every 90m`, `cron 0 7 * * * (Europe/Stockholm)`, `at Wed 2026-05-06 10:00 -05:00 (America/Chicago)`.
 * @param zone where the time of an `at` is told
 */
export function describeSchedule(schedule: Schedule, zone: Zone): string {
  switch (schedule.kind) {
    case 'at':
      return `at ${tellLocalTime(zone, schedule.at)} (${zone.name})`;
    case 'every':
      return `every ${lengthInWords(schedule.everyMs)}`;
    case 'cron':
      return `cron ${schedule.expr} (${schedule.tz})`;
  }
}

/** A length in the largest unit that leaves no rest, so that it can be typed again. */
function lengthInWords(ms: number): string {
  const units = [
    ['d', DAY],
    ['h', HOUR],
    ['m', MINUTE],
    ['s', SECOND],
  ] as const;
  const [unit, size] = units.find(([, each]) => ms % each === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

function kindOf({ expr, cron, everyMs, every, atMs, at }: Readonly<Record<string, unknown>>): unknown {
  if ((expr ?? cron) !== undefined) return 'cron';
  if ((everyMs ?? every) !== undefined) return 'every';
  return (atMs ?? at) === undefined ? undefined : 'at';
}

/**
 * An instant as ms or as ISO 8601, without an offset in a zone.
 *
 * @param zone name of it, asked for only then
 * @returns epoch ms, or what was expected
 */
function instantIn(value: unknown, zone: () => unknown): number | string {
  const expected = 'expected epoch ms, or ISO 8601 such as "2027-05-06T10:00"';
  if (typeof value === 'number') return Math.abs(value) <= LAST_INSTANT ? Math.floor(value) : expected;
  if (typeof value !== 'string' || !/^\s*\d{4}-\d\d-\d\d/.test(value)) return expected;
  const hasOffset = /(?:Z|[+-]\d\d(?::?\d\d)?)$/i.test(value.trim().slice(10));
  const name = hasOffset ? 'UTC' : String(zone()).trim();
  if (!isKnownZone(name)) return `its tz ${JSON.stringify(name)} is no IANA time zone known here`;
  const when = parseWhen(value, { now: 0, zone: zoneFor(name, NO_HOST) });
  if (!when.ok) return when.problem.replace(/^".*?": /, '');
  return Math.abs(when.at) <= LAST_INSTANT ? when.at : expected;
}

const NO_HOST: Zone = { name: '', isHost: false };

function problem(why: string): ScheduleRead {
  return { ok: false, problem: why };
}

/** A field, what stands there, and what is expected. */
function bad(name: string, value: unknown, expected: string): ScheduleRead {
  const there = value === undefined ? 'is missing' : (JSON.stringify(value) ?? 'is none').slice(0, 80);
  return problem(`.${name} ${there}: ${expected}`);
}

/** A schedule as a function from an instant to the next one. */
type Timetable = (after: number) => number | null;

function timetable(schedule: Schedule, host: Zone): Timetable {
  switch (schedule.kind) {
    case 'at':
      return after => (schedule.at > after ? schedule.at : null);
    case 'every':
      return after => nextOnGrid(schedule, after);
    case 'cron': {
      const cron = expressionOf(schedule.expr);
      const zone = zoneFor(schedule.tz, host);
      return after => nextOfCron(cron, zone, after);
    }
  }
}

/** The grid begins at its anchor and is made of real time: two hours are two hours on every day of the year. */
function nextOnGrid(
  { everyMs, anchorMs }: { everyMs: number; anchorMs: number },
  after: number,
): number | null {
  if (after < anchorMs) return anchorMs;
  const next = anchorMs + (Math.floor((after - anchorMs) / everyMs) + 1) * everyMs;
  return next <= LAST_INSTANT ? next : null;
}

const expressions = new Map<string, CronExpression>();

function expressionOf(expr: string): CronExpression {
  const known = expressions.get(expr);
  if (known !== undefined) return known;
  const read = parseCron(expr);
  if (!read.ok) throw new RangeError(read.problem);
  if (expressions.size >= REMEMBERED) expressions.clear();
  expressions.set(expr, read.cron);
  return read.cron;
}

/**
 * The days an expression names, each laid onto the zone, until one has an instant after the given one. The search begins
 * a day early: the second pass of a repeated hour, or a shifted time, may lie in the day before. Where clocks change,
 * instants of the following day may come before the found one.
 */
function nextOfCron(cron: CronExpression, zone: Zone, after: number): number | null {
  if (!(after < LAST_INSTANT)) return null;
  const today = Math.floor(after / DAY) * DAY;
  const clocks = clocksAround(zone, today);
  const local = after + (after < clocks.at ? clocks.before : clocks.after);
  for (let from = Math.floor(local / DAY) * DAY - DAY; ; from += DAY) {
    const day = nextDay(cron, from);
    if (day === null || day > LAST_INSTANT - 3 * DAY) return null;
    const found = nextOfDay(cron, zone, day, after);
    if (found !== null) {
      const isOdd = clocksAround(zone, day).at !== Number.POSITIVE_INFINITY;
      const early =
        isOdd && nextDay(cron, day + DAY) === day + DAY ? nextOfDay(cron, zone, day + DAY, after) : null;
      return early === null ? found : Math.min(found, early);
    }
    from = day;
  }
}

/**
 * The first instant after `after` among those an expression has on a named day.
 * On an ordinary day a local time is one instant. Where clocks change in its neighbourhood there are two stretches with an
 * offset each, and the local times between them are missing or come twice. An hour field with `*` takes whatever the clock
 * on the wall shows. Fixed hours take a repeated time in its first pass only, and a missing one as if clocks had not
 * changed yet: 02:30 becomes 03:30.
 *
 * @param day midnight of the day read as UTC
 */
function nextOfDay(cron: CronExpression, zone: Zone, day: number, after: number): number | null {
  const within = (offset: number, from: number, to: number): number | null => {
    const earliest = Math.max(from, after + 1) + offset - day;
    const second = nextSecond(cron, Math.ceil(earliest / SECOND));
    if (second === null) return null;
    const instant = day + second * SECOND - offset;
    return instant < to ? instant : null;
  };
  const { at, before, after: then } = clocksAround(zone, day);
  const old = within(before, Number.NEGATIVE_INFINITY, at);
  if (old !== null || at === Number.POSITIVE_INFINITY) return old;
  if (cron.anyHour) return within(then, at, Number.POSITIVE_INFINITY);
  const difference = then - before;
  const fresh = within(then, difference < 0 ? at - difference : at, Number.POSITIVE_INFINITY);
  const shifted = difference > 0 ? within(before, at, at + difference) : null;
  if (fresh === null || shifted === null) return fresh ?? shifted;
  return Math.min(fresh, shifted);
}

const remembered = new Map<string, Map<number, OffsetChange>>();

/** The offsets around a day, remembered: a thousand jobs of a zone ask for the same few days. */
function clocksAround(zone: Zone, day: number): OffsetChange {
  // Wide enough for every offset there is (-12 to +14 hours) and a day left out at the date line.
  const look = () => offsetChange(zone, day - 2 * DAY, day + 3 * DAY);
  // The host's offsets cost next to nothing, and its name may not be asked for.
  if (zone.isHost) return look();
  let days = remembered.get(zone.name);
  if (days === undefined) {
    days = new Map();
    remembered.set(zone.name, days);
  }
  let clocks = days.get(day);
  if (clocks === undefined) {
    if (days.size >= REMEMBERED) days.clear();
    clocks = look();
    days.set(day, clocks);
  }
  return clocks;
}
