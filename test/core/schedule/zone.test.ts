import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  instantOf,
  isKnownZone,
  type LocalTime,
  localTimeAt,
  offsetAt,
  UTC,
  type Zone,
  zoneFor,
} from '../../../src/core/schedule/zone.ts';

const HOUR = 3_600_000;
const MIDNIGHT = { hour: 0, minute: 0, second: 0, millisecond: 0 };
const inZone = (name: string): Zone => ({ name, isHost: false });

/** "2026-03-08 02:30" as fields */
function local(text: string): LocalTime {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = text.split(/[- :]/).map(Number);
  return { ...MIDNIGHT, year, month, day, hour, minute };
}

const iso = (instant: number) => new Date(instant).toISOString();

describe('offset of a zone at an instant', () => {
  test.each([
    ['UTC', '2026-07-01T00:00:00Z', 0],
    ['Europe/Stockholm', '2026-01-18T03:30:00Z', 1],
    ['Europe/Stockholm', '2026-07-18T03:30:00Z', 2],
    ['America/New_York', '2026-03-08T06:59:59.999Z', -5],
    ['America/New_York', '2026-03-08T07:00:00Z', -4],
    ['Asia/Kathmandu', '2026-01-01T00:00:00Z', 5.75],
    ['Australia/Lord_Howe', '2026-10-03T15:29:59Z', 10.5],
    ['Australia/Lord_Howe', '2026-10-03T15:30:00Z', 11],
    ['Pacific/Kiritimati', '2026-01-01T12:00:00.500Z', 14],
  ])('%s at %s is %d hours ahead', (zone, at, hours) => {
    expect(offsetAt(inZone(zone), Date.parse(at))).toBe(hours * HOUR);
  });
});

describe('the instant a local time means', () => {
  test('on an ordinary day there is one', () => {
    expect(instantOf(inZone('Asia/Shanghai'), local('2026-02-06 10:00'))).toEqual({
      kind: 'once',
      instant: Date.parse('2026-02-06T02:00:00Z'),
    });
  });

  test.each([
    ['America/New_York', '2026-03-08 02:30', '2026-03-08T07:00:00.000Z', '2026-03-08T07:30:00.000Z'],
    ['America/New_York', '2026-03-08 02:00', '2026-03-08T07:00:00.000Z', '2026-03-08T07:00:00.000Z'],
    ['Europe/Stockholm', '2026-03-29 02:15', '2026-03-29T01:00:00.000Z', '2026-03-29T01:15:00.000Z'],
    // half an hour only
    ['Australia/Lord_Howe', '2026-10-04 02:10', '2026-10-03T15:30:00.000Z', '2026-10-03T15:40:00.000Z'],
    // at midnight: the day begins at one
    ['Africa/Cairo', '2026-04-24 00:00', '2026-04-23T22:00:00.000Z', '2026-04-23T22:00:00.000Z'],
    // a whole day that Samoa left out
    ['Pacific/Apia', '2011-12-30 12:00', '2011-12-30T10:00:00.000Z', '2011-12-30T22:00:00.000Z'],
  ])('a gap in %s at %s moves forward', (zone, time, first, shifted) => {
    const found = instantOf(inZone(zone), local(time));
    expect(found).toMatchObject({ kind: 'gap' });
    expect(iso(found.instant)).toBe(first);
    expect(found.kind === 'gap' && iso(found.shifted)).toBe(shifted);
  });

  test.each([
    ['America/New_York', '2026-11-01 01:30', '2026-11-01T05:30:00.000Z', '2026-11-01T06:30:00.000Z'],
    ['Europe/Stockholm', '2026-10-25 02:00', '2026-10-25T00:00:00.000Z', '2026-10-25T01:00:00.000Z'],
    ['Australia/Lord_Howe', '2026-04-05 01:45', '2026-04-04T14:45:00.000Z', '2026-04-04T15:15:00.000Z'],
  ])('a repeated hour in %s at %s means its first pass', (zone, time, first, second) => {
    const found = instantOf(inZone(zone), local(time));
    expect(found).toMatchObject({ kind: 'overlap' });
    expect(iso(found.instant)).toBe(first);
    expect(found.kind === 'overlap' && iso(found.second)).toBe(second);
  });

  test.each([
    ['America/New_York', '2026-03-08 01:59', '2026-03-08T06:59:00.000Z'],
    ['America/New_York', '2026-03-08 03:00', '2026-03-08T07:00:00.000Z'],
    ['America/New_York', '2026-11-01 00:59', '2026-11-01T04:59:00.000Z'],
    ['America/New_York', '2026-11-01 02:00', '2026-11-01T07:00:00.000Z'],
  ])('beside the change %s at %s is ordinary', (zone, time, instant) => {
    const found = instantOf(inZone(zone), local(time));
    expect(found.kind).toBe('once');
    expect(iso(found.instant)).toBe(instant);
  });

  test('day 0 is the last day of the month before', () => {
    expect(iso(instantOf(UTC, local('2026-03-00 04:00')).instant)).toBe('2026-02-28T04:00:00.000Z');
  });

  test('years below 100 are not taken for the twentieth century', () => {
    expect(localTimeAt(UTC, instantOf(UTC, local('0042-01-02 03:04')).instant).year).toBe(42);
  });
});

const zones = fc.constantFrom(
  'Europe/Stockholm',
  'America/New_York',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'America/Havana',
  'Asia/Kolkata',
  'Pacific/Chatham',
  'UTC',
);
const instants = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2040, 0, 1) });

test('an instant read as local time means that instant, or the other pass of a repeated hour', () => {
  fc.assert(
    fc.property(zones, instants, (name, instant) => {
      const found = instantOf(inZone(name), localTimeAt(inZone(name), instant));
      const candidates = found.kind === 'overlap' ? [found.instant, found.second] : [found.instant];
      expect(found.kind).not.toBe('gap');
      expect(candidates).toContain(instant);
    }),
    { numRuns: 500 },
  );
});

describe('the host zone, read from Date without a formatter', () => {
  const before = process.env.TZ;
  afterEach(() => {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });

  test.each(['America/New_York', 'Australia/Lord_Howe', 'Europe/Stockholm'])('%s', name => {
    process.env.TZ = name;
    const host: Zone = { name, isHost: true };
    expect(new Date(Date.UTC(2026, 0, 1)).getTimezoneOffset()).not.toBe(0);
    const year = Date.UTC(2026, 0, 1);
    for (let hour = 0; hour < 365 * 24; hour += 1) {
      const wall = { ...local('2026-01-01 00:30'), hour };
      expect(instantOf(host, wall)).toEqual(instantOf(inZone(name), wall));
      expect(offsetAt(host, year + hour * HOUR)).toBe(offsetAt(inZone(name), year + hour * HOUR));
    }
  });
});

describe('which names are zones', () => {
  test.each(['UTC', 'Europe/Stockholm', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])('%s is', name => {
    expect(isKnownZone(name)).toBe(true);
  });
  // openclaw#8399, zeroclaw#6739: a zone that is not known must be an error, never the host's zone.
  test.each(['', 'Mars/Olympus', '+02:00', 'GMT+2', 'Europe/Stokholm', ' UTC'])('"%s" is not', name => {
    expect(isKnownZone(name)).toBe(false);
  });
});

test('a configuration without a zone means the host, and naming the host zone keeps its fast path', () => {
  const host: Zone = { name: 'Europe/Stockholm', isHost: true };
  expect(zoneFor(undefined, host)).toBe(host);
  expect(zoneFor('Europe/Stockholm', host)).toBe(host);
  expect(zoneFor('UTC', host)).toBe(UTC);
  expect(zoneFor('Asia/Shanghai', host)).toEqual({ name: 'Asia/Shanghai', isHost: false });
});
