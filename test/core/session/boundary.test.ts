import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import type { Zone } from '../../../src/core/schedule/zone.ts';
import {
  dailyPolicies,
  endedByDay,
  nextDailyReset,
  sweepSince,
  sweepTerms,
} from '../../../src/core/session/boundary.ts';
import type { SessionRecord } from '../../../src/core/session/session.ts';

const inZone = (name: string): Zone => ({ name, isHost: false });
const UTC = inZone('UTC');
const ms = (iso: string) => Date.parse(iso);
const iso = (time: number | null) => (time === null ? null : new Date(time).toISOString());

type Session = NonNullable<ConfigInput['session']>;

describe('the next daily reset of a configuration', () => {
  test.each<[string, Session, string, string, string | null]>([
    ['unset: at four', {}, 'UTC', '2026-11-21T03:59:59Z', '2026-11-21T04:00:00.000Z'],
    ['on the instant: the one behind it', {}, 'UTC', '2026-11-21T04:00:00Z', '2026-11-22T04:00:00.000Z'],
    ['local time', {}, 'Asia/Shanghai', '2026-03-10T19:00:00Z', '2026-03-10T20:00:00.000Z'],
    [
      'a zone of the policy',
      { reset: { tz: 'Asia/Shanghai' } },
      'UTC',
      '2026-03-10T19:00:00Z',
      '2026-03-10T20:00:00.000Z',
    ],
    ['with minutes', { reset: { at: '06:45' } }, 'UTC', '2026-11-21T06:30:00Z', '2026-11-21T06:45:00.000Z'],
    [
      'an hour that clocks skip moves forward',
      { reset: { atHour: 2 } },
      'America/New_York',
      '2026-03-08T06:00:00Z',
      '2026-03-08T07:00:00.000Z',
    ],
    [
      'an hour that comes twice counts at its first pass',
      { reset: { atHour: 1 } },
      'America/New_York',
      '2026-11-01T04:30:00Z',
      '2026-11-01T05:00:00.000Z',
    ],
    [
      'and not again at its second',
      { reset: { atHour: 1 } },
      'America/New_York',
      '2026-11-01T05:00:00Z',
      '2026-11-02T06:00:00.000Z',
    ],
    ['off', { reset: { mode: 'off' } }, 'UTC', '2026-11-21T03:00:00Z', null],
    ['idle', { reset: { mode: 'idle', idleMinutes: 5 } }, 'UTC', '2026-11-21T03:00:00Z', null],
    ['the older idle limit alone', { idleMinutes: 30 }, 'UTC', '2026-11-21T03:00:00Z', null],
    [
      'the earliest of the types',
      { resetByType: { group: { atHour: 22 }, thread: { atHour: 21 } } },
      'UTC',
      '2026-11-21T05:00:00Z',
      '2026-11-21T21:00:00.000Z',
    ],
    [
      'a channel alone',
      { reset: { mode: 'off' }, resetByChannel: { slack: { mode: 'daily', atHour: 9 } } },
      'UTC',
      '2026-11-21T05:00:00Z',
      '2026-11-21T09:00:00.000Z',
    ],
  ])('%s', (_name, session, zone, after, expected) => {
    expect(iso(nextDailyReset({ session }, ms(after), inZone(zone)))).toBe(expected);
  });

  test('counts policies that are the same once', () => {
    expect(dailyPolicies({})).toHaveLength(1);
    expect(dailyPolicies({ session: { resetByType: { dm: { mode: 'off' } } } })).toHaveLength(1);
    expect(dailyPolicies({ session: { resetByType: { dm: { atHour: 5 } } } })).toHaveLength(2);
  });
});

describe('which sessions have to be looked at', () => {
  const swept = (at: string, session: Session = {}) => ({
    at: ms(at),
    terms: sweepTerms({ session }, UTC),
  });
  const since = (last: ReturnType<typeof swept> | null, now: string, session: Session = {}) => {
    const found = sweepSince({ session }, last, ms(now), UTC);
    return typeof found === 'number' ? iso(found) : found;
  };

  test('none between two boundaries', () => {
    expect(since(swept('2026-11-21T04:00:20Z'), '2026-11-22T03:59:59Z')).toBe(false);
  });

  test('from a boundary on, those used since the one before the last sweep, also between it and the sweep', () => {
    expect(since(swept('2026-11-21T04:00:20Z'), '2026-11-22T04:00:00Z')).toBe('2026-11-21T04:00:00.000Z');
    // Nobody was there for a week: all that was used since then.
    expect(since(swept('2026-11-21T09:00:00Z'), '2026-11-28T09:00:00Z')).toBe('2026-11-21T04:00:00.000Z');
  });

  test('with several policies, those used since the oldest of their last boundaries', () => {
    const session: Session = { resetByType: { group: { atHour: 12 } } };
    // A group that was used at ten was fresh at the sweep of noon only by its own policy's word.
    expect(since(swept('2026-11-21T12:00:30Z', session), '2026-11-22T04:00:00Z', session)).toBe(
      '2026-11-21T04:00:00.000Z',
    );
    expect(since(swept('2026-11-21T04:00:30Z', session), '2026-11-21T12:00:00Z', session)).toBe(
      '2026-11-20T12:00:00.000Z',
    );
  });

  test('all where the last sweep is not known, is of the future, or had other policies', () => {
    expect(since(null, '2026-11-22T03:00:00Z')).toBe(null);
    expect(since(swept('2026-11-23T04:00:00Z'), '2026-11-22T03:00:00Z')).toBe(null);
    expect(since(swept('2026-11-22T02:00:00Z', { reset: { mode: 'idle' } }), '2026-11-22T03:00:00Z')).toBe(
      null,
    );
  });

  test('none at all where nothing is reset by the day', () => {
    const session: Session = { reset: { mode: 'off' } };
    expect(since(null, '2026-11-22T03:00:00Z', session)).toBe(false);
  });
});

describe('whether the day of a session is over', () => {
  const record = (part: Partial<SessionRecord> = {}): SessionRecord => ({
    version: 1,
    key: 'agent:main:main',
    agentId: 'main',
    sessionId: 's1',
    createdAt: ms('2026-11-20T10:00:00Z'),
    startedAt: ms('2026-11-20T10:00:00Z'),
    lastUserAt: ms('2026-11-20T11:00:00Z'),
    updatedAt: ms('2026-11-20T11:00:00Z'),
    bytes: 10,
    chatType: 'dm',
    channel: 'telegram',
    messageCount: 2,
    ...part,
  });
  const route = (channel: string) => ({ channel, accountId: 'default', chatType: 'dm' as const });
  const ended = (part: Partial<SessionRecord>, session: Session = {}, now = '2026-11-21T04:00:00Z') =>
    iso(endedByDay({ session }, record(part), ms(now), UTC));

  test('it is from the boundary on', () => {
    expect(ended({})).toBe('2026-11-21T04:00:00.000Z');
    expect(ended({}, {}, '2026-11-21T03:59:59Z')).toBe(null);
  });

  test('not of one nobody has written to since it began', () => {
    const { lastUserAt: _, ...unused } = record();
    expect(endedByDay({}, unused, ms('2026-11-23T05:00:00Z'), UTC)).toBe(null);
  });

  test('not where silence had ended it before: that is for the next message to find', () => {
    expect(ended({}, { reset: { mode: 'daily', idleMinutes: 60 } })).toBe(null);
    expect(ended({}, { reset: { mode: 'daily', idleMinutes: 6000 } })).toBe('2026-11-21T04:00:00.000Z');
  });

  test('not where a channel that shares the session has no daily reset', () => {
    const session: Session = { resetByChannel: { slack: { mode: 'off' } } };
    expect(ended({ lastRoute: route('slack') }, session)).toBe(null);
    expect(ended({ channel: 'slack', lastRoute: route('telegram') }, session)).toBe(null);
    expect(ended({ lastRoute: route('telegram') }, session)).toBe('2026-11-21T04:00:00.000Z');
  });
});
