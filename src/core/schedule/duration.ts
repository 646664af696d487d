/** Lengths of time and `WHEN`: how people write "in 20 minutes" and "tomorrow at ten" (contract §3.3). */

import { instantOf, type Zone } from './zone.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Reads a duration: one number with one unit, `20m`, `1.5h`, `+2d`; units ms s m h d w in either case.
 * @returns whole milliseconds (rounded down; `0m` is 0, which some keys read as "off"), or null when it is not a
 *   duration: bare numbers (their unit would be a guess), negative ones, compounds such as `1h30m`
 */
export function parseDuration(text: string): number | null {
  const match = /^\+?(\d+(?:\.\d+)?)(ms|[smhdw])$/i.exec(text.trim());
  if (match === null) return null;
  const [, amount = '', unit = ''] = match;
  const ms = Math.floor(Number(amount) * (UNIT_MS[unit.toLowerCase()] ?? Number.NaN));
  return Number.isSafeInteger(ms) ? ms : null;
}

/** What `WHEN` meant, or why it means nothing. `at` is epoch ms. */
export type When =
  | { ok: true; at: number; kind: 'duration' | 'absolute' | 'local' | 'epoch' }
  | { ok: false; problem: string };

/**
 * Reads a `WHEN`: a duration from now, ISO 8601 with an offset, ISO 8601 without one (read in `zone`), or 13-digit
 * epoch ms. A date alone is the first instant of that day. A time that comes twice is its first pass.
 * Times that do not exist (30 February, 02:30 in a spring gap) are problems, not guesses: openclaw#117969 shows a
 * reminder an hour off. So are other bare numbers, which were once taken for ms after 1970 and fired at once.
 *
 * @param now epoch ms, the start of durations
 * @param zone where times without an offset are
 */
export function parseWhen(text: string, { now, zone }: { now: number; zone: Zone }): When {
  const trimmed = text.trim();
  const duration = parseDuration(trimmed);
  if (duration !== null) return { ok: true, at: now + duration, kind: 'duration' };
  if (/^\d{13}$/.test(trimmed)) return { ok: true, at: Number(trimmed), kind: 'epoch' };
  if (/^[+-]?\d+(\.\d+)?$/.test(trimmed)) return problem(trimmed, bareNumberAdvice(trimmed));
  return parseIso(trimmed, zone);
}

const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

function parseIso(text: string, zone: Zone): When {
  const match = ISO.exec(text);
  if (match === null) {
    return problem(text, 'expected a duration such as "20m", or a time in ISO 8601');
  }
  const [, year, month, day, hour, minute, second, fraction, offset] = match;
  const local = {
    year: Number(year),
    month: Number(month),
    day: Number(day),
    hour: Number(hour ?? 0),
    minute: Number(minute ?? 0),
    second: Number(second ?? 0),
    millisecond: Number((fraction ?? '').padEnd(3, '0').slice(0, 3)),
  };
  const daysInMonth = new Date(Date.UTC(2000 + (local.year % 400), local.month, 0)).getUTCDate();
  if (local.month < 1 || local.month > 12 || local.day < 1 || local.day > daysInMonth) {
    return problem(text, 'there is no such day');
  }
  if (local.hour > 23 || local.minute > 59 || local.second > 59) {
    return problem(text, 'there is no such time of day');
  }
  if (offset !== undefined) {
    const ahead = offsetMs(offset);
    if (ahead === null) return problem(text, 'there is no such offset');
    const utc = instantOf({ name: 'UTC', isHost: false }, local);
    return { ok: true, at: utc.instant - ahead, kind: 'absolute' };
  }
  const found = instantOf(zone, local);
  // A date alone names the day, not midnight; where clocks skip midnight the day still has a beginning.
  if (found.kind === 'gap' && hour !== undefined) {
    return problem(text, `the time does not exist in ${zone.name}, where clocks go forward over it`);
  }
  return { ok: true, at: found.instant, kind: 'local' };
}

/** `Z`, `+02`, `+0200`, `+02:00` in ms, or null when out of range. */
function offsetMs(offset: string): number | null {
  if (/^z$/i.test(offset)) return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(3).replace(':', '') || 0);
  if (hours > 23 || minutes > 59) return null;
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

function bareNumberAdvice(digits: string): string {
  if (/^\d{10}$/.test(digits)) return `epoch seconds are not read; in milliseconds it is ${digits}000`;
  return 'a bare number has no unit; write "20m", or epoch milliseconds with 13 digits';
}

function problem(text: string, why: string): When {
  return { ok: false, problem: `"${text}": ${why}` };
}
