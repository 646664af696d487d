/**
 * Cron expressions: what the five or six fields mean, and which days and seconds of a day they name. The rules are those
 * of Vixie cron (crontab(5), cron(8)): day of month and day of week are alternatives when both are set, and an hour field
 * that begins with `*` goes by the clock on the wall while fixed hours survive its changes. Names, `?`, `L`, `5L`, `5#3`
 * and nicknames are understood beside them. No zone is known here; `schedule.ts` lays the days onto a zone.
 */

const DAY_SECONDS = 86_400;
/** After so many years the Gregorian calendar repeats, weekdays included. */
const CALENDAR_YEARS = 400;

/** A parsed expression. Lists are sorted and without repetitions. */
export interface CronExpression {
  /** as written, with single spaces */
  readonly text: string;
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** the hour field begins with `*`: every real hour it names, in both passes of a repeated one, and none that is skipped */
  readonly anyHour: boolean;
  /** 1 to 12 */
  readonly months: readonly number[];
  readonly days: DayRule;
}

/** Which days of a month count. With `isAny` off on both sides one of the two is enough. */
interface DayRule {
  anyDayOfMonth: boolean;
  anyDayOfWeek: boolean;
  /** 1 to 31 */
  daysOfMonth: ReadonlySet<number>;
  lastDayOfMonth: boolean;
  /** 0 (Sunday) to 6 */
  daysOfWeek: ReadonlySet<number>;
  /** the last one of its kind in the month */
  lastDaysOfWeek: ReadonlySet<number>;
  /** [day of week, 1 to 5]: `5#3` is the third Friday */
  nthDaysOfWeek: readonly (readonly [number, number])[];
}

export type CronRead = { ok: true; cron: CronExpression } | { ok: false; problem: string };

interface Field {
  name: string;
  min: number;
  max: number;
  /** what may stand there, for people */
  expected: string;
  /** names in order, beginning at `min` */
  names?: readonly string[];
}

const SECOND: Field = { name: 'second', min: 0, max: 59, expected: '0-59' };
const MINUTE: Field = { name: 'minute', min: 0, max: 59, expected: '0-59' };
const HOUR: Field = { name: 'hour', min: 0, max: 23, expected: '0-23' };
const DAY_OF_MONTH: Field = { name: 'day of month', min: 1, max: 31, expected: '1-31 or L (the last day)' };
const MONTH: Field = {
  name: 'month',
  min: 1,
  max: 12,
  expected: '1-12 or JAN-DEC',
  names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
};
const DAY_OF_WEEK: Field = {
  name: 'day of week',
  min: 0,
  max: 6,
  expected: '0-7 or SUN-SAT (0 and 7 are Sunday), 5L (the last Friday), 5#3 (the third Friday)',
  names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'],
};

const NICKNAMES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** Why a field is refused; leaves this file only as the `problem` of a result. */
class FieldProblem extends Error {}

/**
 * Reads an expression: `minute hour day-of-month month day-of-week`, with a field for seconds in front of them where
 * there are six, or a nickname such as `@daily`. A field is a list of `*`, `a`, `a-b`, each with `/step`; `a/step` goes
 * on to the end of the field.
 *
 * @returns the expression, or a problem that names the field and what it may be; an expression that names no day of any
 *   year (`0 0 31 2 *`) is a problem too
 */
export function parseCron(expr: string): CronRead {
  const text = expr.trim().replace(/\s+/g, ' ');
  const nickname = text.startsWith('@') ? NICKNAMES[text.toLowerCase()] : undefined;
  if (text.startsWith('@') && nickname === undefined)
    return problem(text, `there is no such nickname; known are ${Object.keys(NICKNAMES).join(' ')}`);
  const fields = (nickname ?? text).split(' ').filter(field => field !== '');
  if (fields.length !== 5 && fields.length !== 6) {
    const found = fields.length === 1 ? '1 field' : `${fields.length} fields`;
    return problem(text, `${found}; expected 5 (minute hour day month weekday), or 6 with seconds in front`);
  }
  const [second = '', minute = '', hour = '', day = '', month = '', weekday = ''] =
    fields.length === 6 ? fields : ['0', ...fields];
  try {
    const cron: CronExpression = {
      text,
      seconds: numbersOf(SECOND, second),
      minutes: numbersOf(MINUTE, minute),
      hours: numbersOf(HOUR, hour),
      anyHour: hour.startsWith('*'),
      months: numbersOf(MONTH, month),
      days: dayRule(day, weekday),
    };
    if (nextDay(cron, Date.UTC(2000, 0, 1)) === null)
      return problem(text, `it never fires: no ${MONTH.name} it names has such a day`);
    return { ok: true, cron };
  } catch (error) {
    if (error instanceof FieldProblem) return problem(text, error.message);
    throw error;
  }
}

/** Whether day of month and day of week are both restricted, so that either one is enough. Many expect both to hold. */
export function hasAlternativeDays({ days }: CronExpression): boolean {
  return !days.anyDayOfMonth && !days.anyDayOfWeek;
}

/**
 * The first day from `day` on that an expression names.
 * @param day midnight of a calendar day read as if it were UTC, epoch ms; the result likewise
 * @returns null when there is none within the 400 years after which the calendar repeats
 */
export function nextDay(cron: CronExpression, day: number): number | null {
  const from = new Date(day);
  const firstYear = from.getUTCFullYear();
  const firstMonth = from.getUTCMonth() + 1;
  for (let year = firstYear; year <= firstYear + CALENDAR_YEARS; year++) {
    for (const month of cron.months) {
      if (year === firstYear && month < firstMonth) continue;
      const start = utcDay(year, month, 1);
      const firstDay = year === firstYear && month === firstMonth ? from.getUTCDate() : 1;
      const found = nextDayOfMonth(cron.days, year, month, new Date(start).getUTCDay(), firstDay);
      if (found !== null) return start + (found - 1) * DAY_SECONDS * 1000;
    }
  }
  return null;
}

/** The first second of a day, from `from` on, that an expression names; null when the day has no further one. */
export function nextSecond({ hours, minutes, seconds }: CronExpression, from: number): number | null {
  const wanted = Math.max(0, from);
  if (wanted >= DAY_SECONDS) return null;
  const hour = Math.floor(wanted / 3600);
  const minute = Math.floor(wanted / 60) % 60;
  const second = wanted % 60;
  for (const h of hours) {
    if (h < hour) continue;
    if (h > hour) return h * 3600 + minutes[0]! * 60 + seconds[0]!;
    for (const m of minutes) {
      if (m < minute) continue;
      if (m > minute) return h * 3600 + m * 60 + seconds[0]!;
      const s = seconds.find(each => each >= second);
      if (s !== undefined) return h * 3600 + m * 60 + s;
    }
  }
  return null;
}

/** The first day of a month, from `from` on, that a rule names. @param firstWeekday day of week of the month's first day */
function nextDayOfMonth(
  rule: DayRule,
  year: number,
  month: number,
  firstWeekday: number,
  from: number,
): number | null {
  const length = new Date(utcDay(year, month + 1, 0)).getUTCDate();
  for (let day = from; day <= length; day++)
    if (isNamed(rule, day, (firstWeekday + day - 1) % 7, length)) return day;
  return null;
}

function isNamed(rule: DayRule, day: number, weekday: number, length: number): boolean {
  const byMonth = rule.daysOfMonth.has(day) || (rule.lastDayOfMonth && day === length);
  const byWeek =
    rule.daysOfWeek.has(weekday) ||
    (rule.lastDaysOfWeek.has(weekday) && day > length - 7) ||
    rule.nthDaysOfWeek.some(([wanted, nth]) => wanted === weekday && Math.ceil(day / 7) === nth);
  if (rule.anyDayOfMonth) return rule.anyDayOfWeek || byWeek;
  return rule.anyDayOfWeek ? byMonth : byMonth || byWeek;
}

function dayRule(day: string, weekday: string): DayRule {
  const daysOfMonth = new Set<number>();
  const daysOfWeek = new Set<number>();
  const lastDaysOfWeek = new Set<number>();
  const nthDaysOfWeek: [number, number][] = [];
  let lastDayOfMonth = false;
  const isAny = (field: string) => field === '*' || field === '?';
  if (!isAny(day)) {
    for (const item of itemsOf(DAY_OF_MONTH, day)) {
      if (/^l$/i.test(item)) lastDayOfMonth = true;
      else for (const each of valuesOf(DAY_OF_MONTH, item)) daysOfMonth.add(each);
    }
  }
  if (!isAny(weekday)) {
    for (const item of itemsOf(DAY_OF_WEEK, weekday)) {
      const special = /^(\d|[a-z]{3})(?:l|#(\d+))$/i.exec(item);
      if (special === null) {
        for (const each of valuesOf(DAY_OF_WEEK, item)) daysOfWeek.add(each % 7);
        continue;
      }
      const [, name = '', nth] = special;
      const wanted = numberOf(DAY_OF_WEEK, name, item) % 7;
      if (nth === undefined) lastDaysOfWeek.add(wanted);
      else if (Number(nth) >= 1 && Number(nth) <= 5) nthDaysOfWeek.push([wanted, Number(nth)]);
      else throw refusal(DAY_OF_WEEK, item, 'a month has no such week');
    }
  }
  return {
    anyDayOfMonth: isAny(day),
    anyDayOfWeek: isAny(weekday),
    daysOfMonth,
    lastDayOfMonth,
    daysOfWeek,
    lastDaysOfWeek,
    nthDaysOfWeek,
  };
}

function numbersOf(field: Field, text: string): number[] {
  const found = new Set(itemsOf(field, text).flatMap(item => valuesOf(field, item)));
  return [...found].sort((a, b) => a - b);
}

function itemsOf(field: Field, text: string): string[] {
  const items = text.split(',');
  if (items.includes('')) throw refusal(field, text, 'a list has an empty place');
  return items;
}

/** `*`, `a` or `a-b`, with or without a step. */
function valuesOf(field: Field, item: string): number[] {
  const match = /^(?:(\*)|([^-/*]+)(?:-([^-/*]+))?)(?:\/([^/]*))?$/.exec(item);
  if (match === null) throw refusal(field, item);
  const [, star, first = '', last, stepText] = match;
  const step = stepText === undefined ? 1 : stepOf(field, item, stepText);
  const from = star === undefined ? numberOf(field, first, item) : field.min;
  let to = from;
  // As the end of a range Sunday is 7: FRI-SUN goes upwards.
  if (last !== undefined)
    to = field === DAY_OF_WEEK && from > 0 && /^sun$/i.test(last) ? 7 : numberOf(field, last, item);
  else if (star !== undefined || stepText !== undefined) to = Math.max(from, field.max);
  if (to < from) {
    const split = `${first}-${field.max},${field.min === to ? '' : `${field.min}-`}${last}`;
    throw refusal(field, item, `a range goes upwards; write ${split}`);
  }
  const values: number[] = [];
  for (let value = from; value <= to; value += step) values.push(value);
  return values;
}

function stepOf(field: Field, item: string, text: string): number {
  const step = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (step === 0) throw refusal(field, item, 'a step is a whole number above 0');
  const count = field.max - field.min + 1;
  // Every 90 minutes cannot be said so; taken literally it would fire every hour.
  if (step > count) throw refusal(field, item, `a step of ${step} is longer than the field; see --every`);
  return step;
}

function numberOf(field: Field, text: string, item: string): number {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1;
  if (named >= 0) return field.min + named;
  const max = field === DAY_OF_WEEK ? 7 : field.max;
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= field.min && value <= max) return value;
  throw refusal(field, item);
}

function refusal(field: Field, item: string, why?: string): FieldProblem {
  const reason = why === undefined ? '' : `${why}; `;
  return new FieldProblem(`${field.name} "${item}": ${reason}expected ${field.expected}`);
}

function problem(text: string, why: string): CronRead {
  return { ok: false, problem: text === '' ? `the expression is empty: ${why}` : `"${text}": ${why}` };
}

/** `Date.UTC` would take the years 0 to 99 for 1900 to 1999. */
function utcDay(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month - 1, day);
}
