import { CronExpressionParser } from 'cron-parser';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  describeSchedule,
  instantsBetween,
  nextAfter,
  periodOf,
  readSchedule,
  type Schedule,
  storedSchedule,
  warningsOf,
} from '../../../src/core/schedule/schedule.ts';
import {
  instantOf,
  localTimeAt,
  offsetAt,
  offsetChange,
  UTC,
  type Zone,
} from '../../../src/core/schedule/zone.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const LAST = 8.64e15;

const at = (text: string) => Date.parse(text);
const iso = (instant: number | null) =>
  instant && new Date(instant).toISOString().replace(/(:00)?\.000Z$/, 'Z');
const cron = (expr: string, tz: string): Schedule => ({ kind: 'cron', expr, tz });
const inZone = (name: string): Zone => ({ name, isHost: false });

/** The instants after a time, as text. */
function following(schedule: Schedule, from: string, count: number): (string | number | null)[] {
  return instantsBetween(schedule, at(from), LAST, count, UTC).map(iso);
}

describe('clock fixtures', () => {
  test.each([
    // an edit in the evening does not cost a day, nor hours (local date against UTC date)
    ['F2 #10086', '0 10 * * *', 'Asia/Shanghai', '2026-02-05T13:53:00Z', ['2026-02-06T02:00Z']],
    [
      'F3 anthropics/claude-code#24213',
      '0 8,16,0 * * *',
      'Asia/Shanghai',
      '2026-02-05T13:17:00Z',
      ['2026-02-05T16:00Z', '2026-02-06T00:00Z'],
    ],
    // F7 leaves open what a gap does; here a fixed time shifts, and there is no hole of 48 hours
    [
      'F7 hermes-agent#109532',
      '30 2 * * *',
      'America/New_York',
      '2026-03-07T12:00:00Z',
      ['2026-03-08T07:30Z', '2026-03-09T06:30Z'],
    ],
    [
      'F8 once in a repeated hour',
      '30 1 * * *',
      'America/New_York',
      '2026-10-31T12:00:00Z',
      ['2026-11-01T05:30Z', '2026-11-02T06:30Z'],
    ],
    [
      'F10 hermes-agent#66436',
      '0 9 * * 1-5',
      'Europe/Berlin',
      '2027-03-26T08:00:00Z',
      ['2027-03-29T07:00Z', '2027-03-30T07:00Z'],
    ],
  ])('%s', (_id, expr, tz, from, expected) => {
    expect(following(cron(expr, tz), from, expected.length)).toEqual(expected);
  });

  test('F4 #6924 a grid of 3.5 h goes on from its anchor after a restart', () => {
    const grid: Schedule = { kind: 'every', everyMs: 3.5 * HOUR, anchorMs: at('2026-02-05T04:42:00Z') };
    expect(following(grid, '2026-02-05T06:08:00Z', 2)).toEqual(['2026-02-05T08:12Z', '2026-02-05T11:42Z']);
  });

  test('F6 #33940 #34822 a run by hand at :37 leaves the grid where it was', () => {
    const grid: Schedule = { kind: 'every', everyMs: HOUR, anchorMs: at('2026-02-05T00:00:00Z') };
    expect(following(grid, '2026-02-05T09:37:00Z', 1)).toEqual(['2026-02-05T10:00Z']);
  });

  test('#80 on the exact boundary the next one is the next one', () => {
    const grid: Schedule = { kind: 'every', everyMs: HOUR, anchorMs: 0 };
    expect(nextAfter(grid, 5 * HOUR, UTC)).toBe(6 * HOUR);
    expect(nextAfter(grid, 5 * HOUR - 1, UTC)).toBe(5 * HOUR);
    expect(nextAfter(cron('0 * * * *', 'UTC'), 5 * HOUR, UTC)).toBe(6 * HOUR);
  });

  test.each([['2026-03-08T05:00:00Z'], ['2026-11-01T03:00:00Z']])(
    'F11 #102906 two hours stay two hours across the change at %s',
    from => {
      const grid: Schedule = { kind: 'every', everyMs: 2 * HOUR, anchorMs: at('2026-01-01T00:00:00Z') };
      const found = instantsBetween(grid, at(from), at(from) + DAY, 100, inZone('America/New_York'));
      expect(found).toHaveLength(12);
      expect(found.every((each, index) => index === 0 || each - found[index - 1]! === 2 * HOUR)).toBe(true);
    },
  );

  test('F15 #75487 a beat of 4 h keeps its phase, whatever the local hour', () => {
    const grid: Schedule = { kind: 'every', everyMs: 4 * HOUR, anchorMs: at('2026-03-01T03:21:00Z') };
    expect(following(grid, '2026-03-02T02:00:00Z', 4)).toEqual([
      '2026-03-02T03:21Z',
      '2026-03-02T07:21Z',
      '2026-03-02T11:21Z',
      '2026-03-02T15:21Z',
    ]);
  });
});

describe('where clocks change', () => {
  test.each([
    // fixed hours: missing times shift by the gap, and never twice
    [
      '0,30 2,3 * * *',
      'America/New_York',
      '2026-03-08T05:00:00Z',
      ['2026-03-08T07:00Z', '2026-03-08T07:30Z', '2026-03-09T06:00Z'],
    ],
    [
      '*/15 2 * * *',
      'America/New_York',
      '2026-03-08T05:00:00Z',
      [
        '2026-03-08T07:00Z',
        '2026-03-08T07:15Z',
        '2026-03-08T07:30Z',
        '2026-03-08T07:45Z',
        '2026-03-09T06:00Z',
      ],
    ],
    ['30 2 * * *', 'Europe/Stockholm', '2026-03-28T12:00:00Z', ['2026-03-29T01:30Z', '2026-03-30T00:30Z']],
    ['15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T13:00:00Z', ['2026-10-03T15:45Z', '2026-10-04T15:15Z']],
    ['0 0 * * *', 'Africa/Cairo', '2026-04-23T12:00:00Z', ['2026-04-23T22:00Z', '2026-04-24T21:00Z']],
    [
      '30 2,4 * * *',
      'America/New_York',
      '2026-03-08T05:00:00Z',
      ['2026-03-08T07:30Z', '2026-03-08T08:30Z', '2026-03-09T06:30Z'],
    ],
    // fixed hours: the first pass only
    ['0,30 1 * * *', 'America/New_York', '2026-11-01T05:00:00Z', ['2026-11-01T05:30Z', '2026-11-02T06:00Z']],
    ['45 1 * * *', 'Australia/Lord_Howe', '2026-04-04T13:00:00Z', ['2026-04-04T14:45Z', '2026-04-05T15:15Z']],
    [
      '0 0-3 * * *',
      'Europe/Stockholm',
      '2026-10-24T21:00:00Z',
      ['2026-10-24T22:00Z', '2026-10-24T23:00Z', '2026-10-25T00:00Z', '2026-10-25T02:00Z'],
    ],
    // any hour: what the clock on the wall shows, hour by real hour
    ['0 * * * *', 'America/New_York', '2026-03-08T06:00:00Z', ['2026-03-08T07:00Z', '2026-03-08T08:00Z']],
    [
      '0 * * * *',
      'America/New_York',
      '2026-11-01T04:00:00Z',
      ['2026-11-01T05:00Z', '2026-11-01T06:00Z', '2026-11-01T07:00Z'],
    ],
    ['0 */2 * * *', 'Europe/Stockholm', '2026-03-28T23:00:00Z', ['2026-03-29T02:00Z', '2026-03-29T04:00Z']],
    [
      '0 */2 * * *',
      'Europe/Stockholm',
      '2026-10-24T22:00:00Z',
      ['2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T03:00Z'],
    ],
    // a library loses 15:30Z here
    [
      '*/30 * * * *',
      'Australia/Lord_Howe',
      '2026-10-03T14:30:00Z',
      ['2026-10-03T15:00Z', '2026-10-03T15:30Z', '2026-10-03T16:00Z'],
    ],
    [
      '*/30 * * * *',
      'Australia/Lord_Howe',
      '2026-04-04T14:00:00Z',
      ['2026-04-04T14:30Z', '2026-04-04T15:00Z', '2026-04-04T15:30Z'],
    ],
    // two hours at once
    ['0 2 * * *', 'Antarctica/Troll', '2026-03-28T12:00:00Z', ['2026-03-29T02:00Z', '2026-03-30T00:00Z']],
    // the day that Samoa left out: a fixed time shifts by it, and meets the one of the day after
    [
      '0 12 * * *',
      'Pacific/Apia',
      '2011-12-28T23:00:00Z',
      ['2011-12-29T22:00Z', '2011-12-30T22:00Z', '2011-12-31T22:00Z'],
    ],
    ['0 12 30 * *', 'Pacific/Apia', '2011-12-01T00:00:00Z', ['2011-12-30T22:00Z', '2012-01-29T22:00Z']],
    ['0 */12 30 * *', 'Pacific/Apia', '2011-12-01T00:00:00Z', ['2012-01-29T10:00Z']],
    // back over midnight: the second half hour of a day after the first of the next one
    [
      '30 23,0 * * *',
      'America/Nuuk',
      '2026-10-24T12:00:00Z',
      ['2026-10-25T00:30Z', '2026-10-25T02:30Z', '2026-10-26T01:30Z'],
    ],
    [
      '30 * * * *',
      'America/Nuuk',
      '2026-10-25T00:00:00Z',
      ['2026-10-25T00:30Z', '2026-10-25T01:30Z', '2026-10-25T02:30Z'],
    ],
    [
      '0,1,30 */23 * * *',
      'America/St_Johns',
      '2006-10-29T01:40:00Z',
      [
        '2006-10-29T02:00Z',
        '2006-10-29T02:30Z',
        '2006-10-29T02:31Z',
        '2006-10-29T03:00Z',
        '2006-10-29T03:30Z',
      ],
    ],
  ])('%s in %s after %s', (expr, tz, from, expected) => {
    expect(following(cron(expr, tz), from, expected.length)).toEqual(expected);
  });
});

describe('a schedule', () => {
  test('of one time is due once', () => {
    const once: Schedule = { kind: 'at', at: 1000 };
    expect(nextAfter(once, 999, UTC)).toBe(1000);
    expect(nextAfter(once, 1000, UTC)).toBeNull();
    expect(instantsBetween(once, 0, 1000, 10, UTC)).toEqual([1000]);
  });

  test('as a grid begins at its anchor', () => {
    const grid: Schedule = { kind: 'every', everyMs: 10, anchorMs: 1000 };
    expect(instantsBetween(grid, 0, 1020, 10, UTC)).toEqual([1000, 1010, 1020]);
  });

  test('ends where time does', () => {
    expect(
      nextAfter({ kind: 'every', everyMs: 1000 * 365 * DAY, anchorMs: LAST - 2 * DAY }, LAST - DAY, UTC),
    ).toBeNull();
    expect(nextAfter(cron('* * * * *', 'Asia/Tokyo'), LAST - 10, UTC)).toBeNull();
    expect(nextAfter(cron('0 0 29 2 *', 'UTC'), LAST - 2 * DAY, UTC)).toBeNull();
  });

  test('gives at most so many instants, and goes on from the last', () => {
    const hourly = cron('0 * * * *', 'Asia/Kathmandu');
    const from = at('2026-01-01T00:00:00Z');
    const first = instantsBetween(hourly, from, from + DAY, 10, UTC);
    const rest = instantsBetween(hourly, first.at(-1)!, from + DAY, 100, UTC);
    expect(first).toHaveLength(10);
    expect([...first, ...rest]).toEqual(instantsBetween(hourly, from, from + DAY, 100, UTC));
    expect(first.length + rest.length).toBe(24);
    expect(instantsBetween(hourly, from, from + DAY, 0, UTC)).toEqual([]);
  });

  test('has the distance to what follows as its period', () => {
    const days = cron('0 9 * * 1-5', 'UTC');
    expect(periodOf(days, at('2026-01-29T09:00:00Z'), UTC)).toBe(DAY);
    expect(periodOf(days, at('2026-01-30T09:00:00Z'), UTC)).toBe(3 * DAY);
    expect(periodOf({ kind: 'every', everyMs: HOUR, anchorMs: 0 }, 5, UTC)).toBe(HOUR);
    expect(periodOf({ kind: 'at', at: 5 }, 1, UTC)).toBeNull();
  });

  test('is told in words', () => {
    expect(describeSchedule({ kind: 'every', everyMs: 90 * MINUTE, anchorMs: 0 }, UTC)).toBe('every 90m');
    expect(describeSchedule({ kind: 'every', everyMs: 2 * DAY, anchorMs: 0 }, UTC)).toBe('every 2d');
    expect(describeSchedule({ kind: 'every', everyMs: 1500, anchorMs: 0 }, UTC)).toBe('every 1500ms');
    expect(describeSchedule(cron('0 7 * * *', 'Asia/Tokyo'), UTC)).toBe('cron 0 7 * * * (Asia/Tokyo)');
    expect(describeSchedule({ kind: 'at', at: at('2026-05-06T15:00:30Z') }, inZone('America/Chicago'))).toBe(
      'at Wed 2026-05-06 10:00:30 -05:00 (America/Chicago)',
    );
  });

  test('warns where people expect something else', () => {
    expect(warningsOf(cron('0 9 15 * 1', 'UTC'))).toEqual([expect.stringContaining('either')]);
    expect(warningsOf(cron('*/10 * * * * *', 'UTC'))).toEqual([
      expect.stringContaining('closer than a minute'),
    ]);
    expect(warningsOf({ kind: 'every', everyMs: 1000, anchorMs: 0 })).toHaveLength(1);
    expect(warningsOf({ kind: 'every', everyMs: MINUTE, anchorMs: 0 })).toEqual([]);
    expect(warningsOf(cron('30 * * * * *', 'UTC'))).toEqual([]);
    expect(warningsOf({ kind: 'at', at: 0 })).toEqual([]);
  });

  test('that was never checked is an error of its own job, not a wrong time', () => {
    expect(() => nextAfter(cron('61 * * * *', 'UTC'), 0, UTC)).toThrow(RangeError);
    expect(() => nextAfter(cron('0 * * * *', 'Mars/Phobos'), 0, UTC)).toThrow(RangeError);
  });
});

describe('a schedule that somebody wrote', () => {
  const missing = { anchorMs: 500, tz: 'Europe/Stockholm' };
  test.each([
    [
      { kind: 'at', atMs: 5 },
      { kind: 'at', atMs: 5 },
    ],
    [{ at: 5.9 }, { kind: 'at', atMs: 5 }],
    [{ at: '2026-05-06T10:00' }, { kind: 'at', atMs: at('2026-05-06T08:00:00Z') }],
    [
      { at: '2026-05-06T10:00', tz: 'America/Chicago' },
      { kind: 'at', atMs: at('2026-05-06T15:00:00Z') },
    ],
    [{ at: '2026-05-06T10:00:00-05:00' }, { kind: 'at', atMs: at('2026-05-06T15:00:00Z') }],
    [
      { kind: 'every', everyMs: 1500.9 },
      { kind: 'every', everyMs: 1500, anchorMs: 500 },
    ],
    [
      { every: '2h', anchorMs: 7 },
      { kind: 'every', everyMs: 2 * HOUR, anchorMs: 7 },
    ],
    [{ cron: ' 0  9 * * * ' }, { kind: 'cron', expr: '0 9 * * *', tz: 'Europe/Stockholm' }],
    [
      { kind: 'cron', expr: '@daily', tz: ' ' },
      { kind: 'cron', expr: '@daily', tz: 'Europe/Stockholm' },
    ],
  ])('%j is read as it is meant', (raw, stored) => {
    const read = readSchedule(raw, missing);
    expect(read.ok ? storedSchedule(read.schedule) : read.problem).toEqual(stored);
    expect(readSchedule(stored, { anchorMs: 1, tz: 'UTC' })).toEqual(read);
  });

  test.each([
    [undefined, /no schedule/],
    [null, /no schedule/],
    ['0 9 * * *', /no schedule/],
    [[], /no schedule/],
    [{}, /none of "at"/],
    [{ kind: 'often' }, /often/],
    [{ kind: 'at', atMs: 'soon' }, /atMs "soon": expected epoch ms/],
    [{ kind: 'at', at: '2026-03-29T02:30:00' }, /does not exist in Europe\/Stockholm/],
    [{ kind: 'at', at: '2026-05-06T10:00', tz: 'Mars/Phobos' }, /Mars\/Phobos/],
    [{ kind: 'at', atMs: Number.NaN }, /epoch ms/],
    [{ kind: 'at', atMs: 1e300 }, /epoch ms/],
    [{ kind: 'every', everyMs: 0 }, /everyMs .*: expected a number of ms/],
    [{ kind: 'every', everyMs: -5 }, /everyMs .*: expected a number of ms/],
    [{ kind: 'every', everyMs: Number.POSITIVE_INFINITY }, /everyMs .*: expected a number of ms/],
    [{ kind: 'every', everyMs: '60000' }, /everyMs .*: expected a number of ms/],
    [{ kind: 'every', everyMs: 5, anchorMs: 'x' }, /anchor/],
    [{ kind: 'cron', expr: 5 }, /expr 5: expected an expression/],
    [{ kind: 'cron', expr: '0 9 * *' }, /4 fields/],
    [{ kind: 'cron', expr: '0 9 * * *', tz: 'Mars/Phobos' }, /Mars\/Phobos/],
    [{ kind: 'cron', expr: '0 9 * * *', tz: 5 }, /zone/],
  ])('%j is refused', (raw, problem) => {
    const read = readSchedule(raw, missing);
    expect(read.ok ? 'accepted' : read.problem).toMatch(problem);
  });
});

/** A field as text, with the values it must mean; written without the parser. */
interface FieldCase {
  text: string;
  values: Set<number>;
}

function fieldOf(min: number, max: number, { any }: { any: number }): fc.Arbitrary<FieldCase> {
  const range = (from: number, to: number, step = 1) => {
    const values = new Set<number>();
    for (let value = from; value <= to; value += step) values.add(value);
    return values;
  };
  const number = fc.integer({ min, max });
  return fc.oneof(
    { weight: any, arbitrary: fc.constant({ text: '*', values: range(min, max) }) },
    { weight: 3, arbitrary: number.map(value => ({ text: String(value), values: new Set([value]) })) },
    {
      weight: 2,
      arbitrary: fc.uniqueArray(number, { minLength: 2, maxLength: 4 }).map(values => ({
        text: values.join(','),
        values: new Set(values),
      })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(number, number).map(([a, b]) => ({
        text: `${Math.min(a, b)}-${Math.max(a, b)}`,
        values: range(Math.min(a, b), Math.max(a, b)),
      })),
    },
    {
      weight: 2,
      arbitrary: fc
        .integer({ min: 2, max: Math.min(30, max - min) })
        .map(step => ({ text: `*/${step}`, values: range(min, max, step) })),
    },
  );
}

const expressions = fc
  .record({
    minute: fieldOf(0, 59, { any: 1 }),
    hour: fieldOf(0, 23, { any: 3 }),
    day: fieldOf(1, 31, { any: 8 }),
    month: fc.constant({ text: '*', values: new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) }),
    weekday: fieldOf(0, 6, { any: 8 }),
  })
  .map(fields => ({
    ...fields,
    text: Object.values(fields)
      .map(({ text }) => text)
      .join(' '),
  }));

type ExpressionCase = typeof expressions extends fc.Arbitrary<infer T> ? T : never;

const ZONES = [
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Antarctica/Troll',
  'America/New_York',
  'America/Nuuk',
  'Europe/Stockholm',
  'Africa/Cairo',
  'Africa/Casablanca',
  'Pacific/Chatham',
  'UTC',
];

/** All changes of clocks of a zone from 2024 to 2030, found five days at a time. */
function changesOf(name: string): number[] {
  const found: number[] = [];
  for (let from = Date.UTC(2024, 0, 1); from < Date.UTC(2031, 0, 1); from += 5 * DAY) {
    const { at: change } = offsetChange(inZone(name), from, from + 5 * DAY);
    if (Number.isFinite(change)) found.push(change);
  }
  return found;
}

const SAMOA = at('2011-12-30T10:00:00Z');
const changes: [string, number[]][] = [
  ...ZONES.map((name): [string, number[]] => [name, changesOf(name)]),
  ['Pacific/Apia', [SAMOA]],
];

/** A zone and a time: often a day or so before a change of its clocks. */
const moments = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(...changes.filter(([, list]) => list.length > 0)).chain(([name, list]) =>
      fc.record({
        name: fc.constant(name),
        from: fc
          .tuple(fc.constantFrom(...list), fc.integer({ min: -2 * DAY, max: 6 * HOUR }))
          .map(([a, b]) => a + b),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      name: fc.constantFrom(...ZONES),
      from: fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2031, 0, 1) }),
    }),
  },
);

/** Whether a day, given as midnight read as UTC, is one the fields name. */
function namesDay({ day, month, weekday }: ExpressionCase, midnight: number): boolean {
  const date = new Date(midnight);
  if (!month.values.has(date.getUTCMonth() + 1)) return false;
  const byMonth = day.values.has(date.getUTCDate());
  const byWeek = weekday.values.has(date.getUTCDay());
  if (day.text === '*') return weekday.text === '*' || byWeek;
  return weekday.text === '*' ? byMonth : byMonth || byWeek;
}

/** What must be found, the slow way: every minute that is, for any hour; every minute of the calendar, for fixed ones. */
function expectedBetween(expr: ExpressionCase, zone: Zone, from: number, to: number): number[] {
  const found = new Set<number>();
  if (expr.hour.text.startsWith('*')) {
    for (let minute = Math.ceil(from / MINUTE) * MINUTE; minute <= to; minute += MINUTE) {
      const { year, month, day, hour, minute: shown } = localTimeAt(zone, minute);
      if (!expr.minute.values.has(shown) || !expr.hour.values.has(hour)) continue;
      if (namesDay(expr, Date.UTC(year, month - 1, day))) found.add(minute);
    }
  } else {
    for (let day = Math.floor(from / DAY) * DAY - 2 * DAY; day <= to + 2 * DAY; day += DAY) {
      if (!namesDay(expr, day)) continue;
      const date = new Date(day);
      for (const hour of expr.hour.values)
        for (const minute of expr.minute.values) {
          const local = {
            year: date.getUTCFullYear(),
            month: date.getUTCMonth() + 1,
            day: date.getUTCDate(),
          };
          const meant = instantOf(zone, { ...local, hour, minute, second: 0, millisecond: 0 });
          found.add(meant.kind === 'gap' ? meant.shifted : meant.instant);
        }
    }
  }
  return [...found].filter(each => each > from && each <= to).sort((a, b) => a - b);
}

describe('of any expression in any zone', () => {
  test('exactly the instants its fields name are found, around changes of clocks too', () => {
    let odd = 0;
    fc.assert(
      fc.property(expressions, moments, (expr, { name, from }) => {
        const to = from + 3 * DAY;
        const zone = inZone(name);
        if (offsetAt(zone, from) !== offsetAt(zone, to)) odd++;
        const found = instantsBetween(cron(expr.text, name), from, to, Number.POSITIVE_INFINITY, UTC);
        expect(found.map(iso)).toEqual(expectedBetween(expr, zone, from, to).map(iso));
      }),
      { numRuns: 150 },
    );
    expect(odd).toBeGreaterThan(30);
  }, 60_000);

  test('the next instant is later, and nothing lies between', () => {
    fc.assert(
      fc.property(expressions, moments, fc.nat(5000), (expr, { name, from }, back) => {
        const schedule = cron(expr.text, name);
        const found: number[] = [];
        for (let next = nextAfter(schedule, from, UTC); next !== null && found.length < 30; ) {
          expect(next).toBeGreaterThan(found.at(-1) ?? from);
          // Asked from anywhere since the one before, it is the same.
          expect(nextAfter(schedule, Math.max(found.at(-1) ?? from, next - 1 - back), UTC)).toBe(next);
          found.push(next);
          next = nextAfter(schedule, next, UTC);
        }
        expect(instantsBetween(schedule, from, LAST, 30, UTC)).toEqual(found);
        expect(instantsBetween(schedule, from, found.at(-1)!, 100, UTC)).toEqual(found);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  test('away from changes of clocks the library cron-parser says the same', () => {
    let compared = 0;
    fc.assert(
      fc.property(expressions, moments, (expr, { name, from }) => {
        const found = instantsBetween(cron(expr.text, name), from, LAST, 5, UTC);
        const zone = inZone(name);
        const calm = (instant: number) =>
          !Number.isFinite(offsetChange(zone, instant - 3 * DAY, instant + 3 * DAY).at);
        if (name === 'Pacific/Apia' || !calm(from) || !found.every(calm)) return;
        // A list or range of every value counts as no restriction there.
        if (
          [expr.day, expr.weekday].some(({ text, values }) => text !== '*' && [7, 31].includes(values.size))
        )
          return;
        compared++;
        const parser = CronExpressionParser.parse(expr.text, { currentDate: new Date(from), tz: name });
        expect(found.map(iso)).toEqual(parser.take(5).map(date => iso(date.getTime())));
      }),
      { numRuns: 600 },
    );
    expect(compared).toBeGreaterThan(100);
  }, 60_000);

  test('the zone of the host is reckoned in like any other', () => {
    const host: Zone = { name: Intl.DateTimeFormat().resolvedOptions().timeZone, isHost: true };
    fc.assert(
      fc.property(
        expressions,
        fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2031, 0, 1) }),
        (expr, from) => {
          const schedule = cron(expr.text, host.name);
          expect(instantsBetween(schedule, from, LAST, 10, host)).toEqual(
            instantsBetween(schedule, from, LAST, 10, UTC),
          );
        },
      ),
      { numRuns: 100 },
    );
  });
});

test('a thousand jobs cost little', () => {
  const schedules = Array.from({ length: 1000 }, (_, index) =>
    cron(`${index % 60} ${index % 24} * * *`, changes[index % changes.length]![0]),
  );
  const now = at('2026-11-21T16:00:00Z');
  for (const schedule of schedules) nextAfter(schedule, now, UTC);
  const started = performance.now();
  for (const schedule of schedules) nextAfter(schedule, now, UTC);
  // A few ms; the bound is wide for slow machines, and far below what one clock lookup a minute would cost.
  expect(performance.now() - started).toBeLessThan(250);
});
