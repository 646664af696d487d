/**
 * Local time of an IANA zone, with nothing but Intl: what the clock on the wall says at an instant, and which instant
 * a local time means, on the two odd days of the year too. Everything that knows of days and hours (daily resets,
 * `WHEN`, cron) asks here, so that gaps and repeated hours are decided once.
 *
 * Building an `Intl.DateTimeFormat` costs about 10 ms for the first one of a process, so one is kept per zone, and
 * none is built for UTC or for the host's own zone, whose offset `Date` knows.
 */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A zone to reckon in. `isHost` says that `name` is the zone of this process, so that local `Date` fields are right. */
export interface Zone {
  /** IANA name, such as `Europe/Stockholm` */
  readonly name: string;
  readonly isHost: boolean;
}

/** What a clock on the wall shows. `month` is 1 to 12. */
export interface LocalTime {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  millisecond: number;
}

/**
 * The instant (epoch ms) a local time means:
 * `once` on an ordinary day; `overlap` when clocks went back and the time came twice (`instant` is the first pass);
 * `gap` when clocks went forward and it never came (`instant` is the first instant after the gap, `shifted` the
 * local time moved forward by the length of the gap: 02:30 → 03:30).
 */
export type LocalInstant =
  | { kind: 'once'; instant: number }
  | { kind: 'overlap'; instant: number; second: number }
  | { kind: 'gap'; instant: number; shifted: number };

export const UTC: Zone = { name: 'UTC', isHost: false };

/**
 * The zone a configuration means.
 * @param name IANA name, or absent for the host's zone
 * @param host the host's zone; returned itself when it is the one named, so that its fast path is used
 */
export function zoneFor(name: string | undefined, host: Zone): Zone {
  if (name === undefined) return host;
  if (isUtc(name)) return UTC;
  return name === host.name ? host : { name, isHost: false };
}

/** Whether this system's zone data has an IANA zone of that name. Fixed offsets such as `+02:00` are not zones. */
export function isKnownZone(name: string): boolean {
  if (isUtc(name)) return true;
  // Newer runtimes accept "+02:00", this one does not; a config must not mean different things on two machines.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    formatterOf(name);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/**
 * How far the zone's clocks are ahead of UTC at an instant, in ms (negative west of Greenwich).
 * @throws RangeError when the zone is not known
 */
export function offsetAt(zone: Zone, instant: number): number {
  // Asked first, because a host zone may look up its name only when somebody wants to see it.
  if (zone.isHost) return -new Date(instant).getTimezoneOffset() * MINUTE;
  if (isUtc(zone.name)) return 0;
  const part: Record<string, number> = {};
  for (const { type, value } of formatterOf(zone.name).formatToParts(instant)) part[type] = Number(value);
  const shown = utcOf({
    year: part.year ?? Number.NaN,
    month: part.month ?? Number.NaN,
    day: part.day ?? Number.NaN,
    hour: part.hour ?? Number.NaN,
    minute: part.minute ?? Number.NaN,
    second: part.second ?? Number.NaN,
    millisecond: 0,
  });
  return shown - Math.floor(instant / 1000) * 1000;
}

/** What the zone's clocks show at an instant (epoch ms). */
export function localTimeAt(zone: Zone, instant: number): LocalTime {
  const shown = new Date(instant + offsetAt(zone, instant));
  return {
    year: shown.getUTCFullYear(),
    month: shown.getUTCMonth() + 1,
    day: shown.getUTCDate(),
    hour: shown.getUTCHours(),
    minute: shown.getUTCMinutes(),
    second: shown.getUTCSeconds(),
    millisecond: shown.getUTCMilliseconds(),
  };
}

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** `2026-11-21`: the day a local time is on. */
export function dayOf({ year, month, day }: LocalTime): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
}

/**
 * An instant as people read it who must not mistake it: `Sun 2026-03-08 03:30 -04:00`, with the offset because a time can
 * come twice; seconds where they are not zero.
 */
export function tellLocalTime(zone: Zone, instant: number): string {
  const offset = offsetAt(zone, instant);
  const shown = new Date(instant + offset);
  const minutes = Math.round(Math.abs(offset) / MINUTE);
  const two = (value: number) => String(value).padStart(2, '0');
  const time = shown
    .toISOString()
    .replace(/(:00)?\.\d+Z$/, '')
    .replace('T', ' ');
  const ahead = `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return `${WEEKDAYS[shown.getUTCDay()]} ${time} ${ahead}`;
}

/** As `tellLocalTime` without the offset, for many instants, which share few days. */
export function localTimes(zone: Zone): (instant: number) => string {
  const days = new Map<number, string>();
  const two = (value: number) => (value < 10 ? `0${value}` : String(value));
  const offsets = new Map<number, number | null>();
  /** of a day of UTC; null where clocks change in it, which they do at most once in some weeks */
  const offsetOf = (day: number) => {
    let offset = offsets.get(day);
    if (offset === undefined) {
      const { at, before } = offsetChange(zone, day * DAY, (day + 1) * DAY);
      offset = at === Number.POSITIVE_INFINITY ? before : null;
      offsets.set(day, offset);
    }
    return offset;
  };
  return instant => {
    const shown = instant + (offsetOf(Math.floor(instant / DAY)) ?? offsetAt(zone, instant));
    const day = Math.floor(shown / DAY);
    let date = days.get(day);
    if (date === undefined) {
      date = tellLocalTime(UTC, day * DAY).slice(0, -' 00:00 +00:00'.length);
      days.set(day, date);
    }
    const second = Math.floor((shown - day * DAY) / 1000);
    const time = `${two(Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}`;
    return second % 60 === 0 ? `${date} ${time}` : `${date} ${time}:${two(second % 60)}`;
  };
}

/**
 * An instant as short as a machine's log has it, with the name people give to that time: `2026-01-12 12:19:17 PST`. Where
 * a zone has no such name in English, its distance to Greenwich: `GMT+1`.
 */
export function tellClockTime(zone: Zone, instant: number): string {
  const local = localTimeAt(zone, instant);
  const two = (value: number) => String(value).padStart(2, '0');
  const { hour, minute, second } = local;
  return `${dayOf(local)} ${two(hour)}:${two(minute)}:${two(second)} ${nameOfTime(zone, instant)}`;
}

function nameOfTime(zone: Zone, instant: number): string {
  if (isUtc(zone.name)) return 'UTC';
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone.name, timeZoneName: 'short' });
  return format.formatToParts(instant).find(({ type }) => type === 'timeZoneName')?.value ?? zone.name;
}

/**
 * The instant of a local time. Fields beyond their range roll over (day 0 is the last of the month before), so that
 * "yesterday, 02:00" is calendar arithmetic and never "minus 24 hours".
 *
 * Works like the disambiguation of ECMAScript Temporal: the offsets a day before and a day after are the only ones
 * that can hold around a change; each is tried, and both, one or none of them give the wanted local time back.
 */
export function instantOf(zone: Zone, local: LocalTime): LocalInstant {
  const wanted = utcOf(local);
  const before = offsetAt(zone, wanted - DAY);
  const after = offsetAt(zone, wanted + DAY);
  const early = wanted - before;
  if (before === after) return { kind: 'once', instant: early };

  const late = wanted - after;
  const earlyHolds = offsetAt(zone, early) === before;
  const lateHolds = offsetAt(zone, late) === after;
  if (earlyHolds && lateHolds) return { kind: 'overlap', instant: early, second: late };
  if (earlyHolds) return { kind: 'once', instant: early };
  if (lateHolds) return { kind: 'once', instant: late };
  return { kind: 'gap', instant: changeBetween(zone, late, early), shifted: early };
}

/** Offsets (ms ahead of UTC) of a stretch of time: from `at` (epoch ms) on it is `after`. `at` is Infinity where it stays. */
export interface OffsetChange {
  at: number;
  before: number;
  after: number;
}

/**
 * The change of clocks between two instants. For spans of a few days: the shortest time between two changes that is still
 * to come is some four weeks (Morocco in Ramadan).
 */
export function offsetChange(zone: Zone, from: number, to: number): OffsetChange {
  const before = offsetAt(zone, from);
  const after = offsetAt(zone, to);
  return { at: before === after ? Number.POSITIVE_INFINITY : changeBetween(zone, from, to), before, after };
}

/** First instant after `from` (up to `to`) at which the offset is no longer that of `from`. One change lies between. */
function changeBetween(zone: Zone, from: number, to: number): number {
  const old = offsetAt(zone, from);
  let unchanged = from;
  let changed = to;
  while (changed - unchanged > 1) {
    const middle = Math.floor((unchanged + changed) / 2);
    if (offsetAt(zone, middle) === old) unchanged = middle;
    else changed = middle;
  }
  return changed;
}

/** The fields read as if the zone were UTC. `Date.UTC` would take the years 0 to 99 for 1900 to 1999. */
function utcOf(local: LocalTime): number {
  const date = new Date(0);
  date.setUTCFullYear(local.year, local.month - 1, local.day);
  return date.setUTCHours(local.hour, local.minute, local.second, local.millisecond);
}

function isUtc(name: string): boolean {
  return name === 'UTC' || name === 'Etc/UTC';
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** @throws RangeError when the zone is not known */
function formatterOf(zone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(zone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formatters.set(zone, formatter);
  }
  return formatter;
}
