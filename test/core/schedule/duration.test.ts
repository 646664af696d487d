import { describe, expect, test } from 'vitest';
import { parseDuration, parseWhen } from '../../../src/core/schedule/duration.ts';
import { UTC, type Zone } from '../../../src/core/schedule/zone.ts';

describe('durations', () => {
  test.each([
    ['20m', 1_200_000],
    ['+20m', 1_200_000],
    ['20M', 1_200_000],
    [' 1.5h ', 5_400_000],
    ['2d', 172_800_000],
    ['1w', 604_800_000],
    ['90s', 90_000],
    ['0.5s', 500],
    ['500ms', 500],
    ['0m', 0],
    ['0.4ms', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  // A forgotten unit must not become a guess; compounds and signs are not durations.
  test.each([
    '',
    '20',
    '90',
    '-5m',
    '1h30m',
    'm',
    '1.m',
    '.5h',
    '5 m',
    '1y',
    'tomorrow',
    '1e3s',
    `${'9'.repeat(20)}w`,
  ])('"%s" is none', text => {
    expect(parseDuration(text)).toBeNull();
  });
});

describe('WHEN', () => {
  const now = Date.parse('2026-01-12T10:00:00.000Z');
  const stockholm: Zone = { name: 'Europe/Stockholm', isHost: false };
  const newYork: Zone = { name: 'America/New_York', isHost: false };
  const at = (text: string, zone: Zone) => {
    const when = parseWhen(text, { now, zone });
    return when.ok ? new Date(when.at).toISOString() : when.problem;
  };

  test.each([
    ['1.5h', UTC, '2026-01-12T11:30:00.000Z'],
    ['+20m', UTC, '2026-01-12T10:20:00.000Z'],
    ['1w', UTC, '2026-01-19T10:00:00.000Z'],
    ['2026-01-12T18:00:00Z', stockholm, '2026-01-12T18:00:00.000Z'],
    ['2026-01-12T18:00:00.5z', stockholm, '2026-01-12T18:00:00.500Z'],
    ['2026-01-12T18:00+05:30', stockholm, '2026-01-12T12:30:00.000Z'],
    ['2026-01-12T18:00-0800', stockholm, '2026-01-13T02:00:00.000Z'],
    ['2026-01-12 18:00 +02', stockholm, '2026-01-12T16:00:00.000Z'],
    ['2026-01-12T18:00:00', stockholm, '2026-01-12T17:00:00.000Z'],
    ['2026-01-12 18:00', stockholm, '2026-01-12T17:00:00.000Z'],
    ['2026-01-13', stockholm, '2026-01-12T23:00:00.000Z'],
    ['1768240800000', stockholm, '2026-01-12T18:00:00.000Z'],
    ['2028-02-29', UTC, '2028-02-29T00:00:00.000Z'],
    // openclaw#78193: the zone given beside the time was ignored
    ['2026-05-06T10:00', { name: 'America/Chicago', isHost: false }, '2026-05-06T15:00:00.000Z'],
    // a time that comes twice is its first pass
    ['2026-11-01T01:30', newYork, '2026-11-01T05:30:00.000Z'],
    // a day whose midnight clocks skip still begins
    ['2026-04-24', { name: 'Africa/Cairo', isHost: false }, '2026-04-23T22:00:00.000Z'],
  ])('%s', (text, zone, expected) => {
    expect(at(text, zone)).toBe(expected);
  });

  test('openclaw#117969: a time in the spring gap does not exist and is refused', () => {
    expect(at('2026-03-08T02:30', newYork)).toMatch(/does not exist in America\/New_York/);
    expect(at('2026-03-08T02:30-05:00', newYork)).toBe('2026-03-08T07:30:00.000Z');
    expect(at('2026-04-24T00:00', { name: 'Africa/Cairo', isHost: false })).toMatch(/does not exist/);
  });

  test.each([
    ['2026-02-30', /no such day/],
    ['2026-02-29', /no such day/],
    ['2026-13-01', /no such day/],
    ['2026-00-10T10:00', /no such day/],
    ['2026-01-12T24:00', /no such time of day/],
    ['2026-01-12T10:60', /no such time of day/],
    ['2026-01-12T10:00+25:00', /no such offset/],
    ['20', /bare number/],
    ['-20', /bare number/],
    ['1768240800', /1768240800000/],
    ['tomorrow', /expected a duration/],
    ['1h30m', /expected a duration/],
    ['-5m', /expected a duration/],
    ['', /expected a duration/],
    ['2026-1-2', /expected a duration/],
    ['10:00', /expected a duration/],
  ])('%s is refused and the reason says what would be right', (text, reason) => {
    expect(at(text, UTC)).toMatch(reason);
  });
});
