import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import type { Zone } from '../../../src/core/schedule/zone.ts';
import {
  evaluateFreshness,
  lastDailyBoundary,
  nextDailyBoundary,
  type ResetPolicy,
  reportReset,
  resetType,
  resolveResetPolicy,
} from '../../../src/core/session/reset.ts';

const utc: Zone = { name: 'UTC', isHost: false };
const inZone = (name: string): Zone => ({ name, isHost: false });
const ms = (iso: string) => Date.parse(iso);
const daily: ResetPolicy = { mode: 'daily', atHour: 4 };
const MINUTE = 60_000;

function policyOf(
  session: ConfigInput['session'],
  channel = 'telegram',
  type: 'dm' | 'group' | 'thread' = 'dm',
) {
  return resolveResetPolicy({ session, type, channel });
}

function judge(policy: ResetPolicy, lastUserAt: string, now: string, zone = utc) {
  return evaluateFreshness({ policy, startedAt: 0, lastUserAt: ms(lastUserAt), now: ms(now), zone });
}

describe('which kind of session it is', () => {
  test.each([
    ['agent:main:main', 'dm'],
    ['agent:main:dm:+15551234567', 'dm'],
    ['agent:main:telegram:dm:123', 'dm'],
    ['agent:main:slack:work:dm:U1', 'dm'],
    ['agent:main:telegram:group:-100', 'group'],
    ['agent:main:discord:channel:c1', 'group'],
    ['agent:main:telegram:group:-100:topic:7', 'thread'],
    ['agent:main:slack:channel:c1:thread:17.5', 'thread'],
    ['agent:main:telegram:dm:123:thread:9', 'thread'],
    ['agent:main:main:thread:9', 'thread'],
    ['agent:main:cron:job-1', 'dm'],
    ['agent:main:subagent:1b', 'dm'],
    ['agent:main:global', 'dm'],
    // ids are opaque: words inside them say nothing
    ['agent:main:telegram:dm:group:5', 'dm'],
    ['agent:main:matrix:group:!dm:example.org', 'group'],
    ['agent:group:main', 'dm'],
    ['agent:thread:telegram:dm:5', 'dm'],
    ['agent:main:telegram:group:topic', 'group'],
  ] as const)('%s is a %s', (sessionKey, type) => {
    expect(resetType({ sessionKey })).toBe(type);
  });

  test('the message can say more than the key, and a thread goes before its group', () => {
    expect(resetType({ sessionKey: 'agent:main:main', chatType: 'group' })).toBe('group');
    expect(resetType({ sessionKey: 'agent:main:main', chatType: 'channel' })).toBe('group');
    expect(
      resetType({ sessionKey: 'agent:main:discord:channel:c1', chatType: 'channel', threadId: '9' }),
    ).toBe('thread');
    expect(
      resetType({ sessionKey: 'agent:main:discord:channel:c1', chatType: 'channel', threadId: '' }),
    ).toBe('group');
  });
});

describe('which policy applies', () => {
  test('none configured: daily at 4, no idle limit', () => {
    expect(policyOf(undefined)).toEqual({ mode: 'daily', atHour: 4 });
    expect(policyOf({})).toEqual({ mode: 'daily', atHour: 4 });
  });

  test('an older idleMinutes alone means idle and nothing else', () => {
    expect(policyOf({ idleMinutes: 120 })).toEqual({ mode: 'idle', atHour: 4, idleMinutes: 120 });
  });

  test('beside a reset block it adds to the daily reset', () => {
    expect(policyOf({ idleMinutes: 120, reset: { atHour: 6 } })).toEqual({
      mode: 'daily',
      atHour: 6,
      idleMinutes: 120,
    });
  });

  test('a channel replaces everything, also the zone and the legacy limit', () => {
    const session = {
      idleMinutes: 5,
      reset: { mode: 'idle' as const, idleMinutes: 10, tz: 'Asia/Shanghai' },
      resetByType: { dm: { atHour: 9 } },
      resetByChannel: { telegram: { mode: 'off' as const }, whatsapp: { idleMinutes: 2880 } },
    };
    expect(policyOf(session, 'telegram')).toEqual({ mode: 'off', atHour: 4 });
    // without a mode: daily, plus its idle limit
    expect(policyOf(session, 'WhatsApp')).toEqual({ mode: 'daily', atHour: 4, idleMinutes: 2880 });
    expect(policyOf(session, 'signal')).toMatchObject({ mode: 'idle', idleMinutes: 10, tz: 'Asia/Shanghai' });
  });

  test('a type is merged field by field; hour and minutes are one field', () => {
    const session = { reset: { at: '04:30', idleMinutes: 60 }, resetByType: { group: { atHour: 6 } } };
    expect(policyOf(session, 'x', 'group')).toEqual({ mode: 'daily', atHour: 6, idleMinutes: 60 });
    expect(policyOf(session, 'x', 'dm')).toEqual({ mode: 'daily', atHour: 4, at: '04:30', idleMinutes: 60 });
  });

  test('off means off: an inherited idle limit does not reset', () => {
    const policy = policyOf({ reset: { idleMinutes: 30 }, resetByType: { dm: { mode: 'off' } } });
    expect(policy).toEqual({ mode: 'off', atHour: 4 });
    expect(judge(policy, '2020-01-01T00:00:00Z', '2026-01-01T00:00:00Z')).toEqual({
      fresh: true,
      reason: null,
      dailyResetAt: null,
      idleExpiresAt: null,
    });
  });

  test('the zone of the policy goes before the zone of the user', () => {
    const session = { reset: { tz: 'Asia/Shanghai' } };
    expect(resolveResetPolicy({ session, type: 'dm', timezone: 'Europe/Stockholm' }).tz).toBe(
      'Asia/Shanghai',
    );
    expect(resolveResetPolicy({ session: {}, type: 'dm', timezone: 'Europe/Stockholm' }).tz).toBe(
      'Europe/Stockholm',
    );
  });
});

describe('freshness', () => {
  // openclaw#78059, #129688: at and around the idle limit messages were eaten or sessions cut a moment early.
  test.each([
    [-1, true],
    [0, true],
    [1, false],
  ])('openclaw#78059: %d ms from the idle limit', (offset, fresh) => {
    const policy = policyOf({ reset: { mode: 'idle', idleMinutes: 30 } });
    const lastUserAt = ms('2026-01-18T12:00:00Z');
    const now = lastUserAt + 30 * MINUTE + offset;
    expect(evaluateFreshness({ policy, startedAt: 0, lastUserAt, now, zone: utc })).toEqual({
      fresh,
      reason: fresh ? null : 'idle',
      dailyResetAt: null,
      idleExpiresAt: lastUserAt + 30 * MINUTE,
    });
  });

  test.each([
    ['2026-01-18T03:59:59.999Z', '2026-01-18T04:00:00.000Z', false],
    ['2026-01-18T04:00:00.000Z', '2026-01-18T04:00:00.000Z', true],
    ['2026-01-18T03:00:00.000Z', '2026-01-18T03:59:59.999Z', true],
  ])('openclaw#78059: at the daily boundary, last message %s, now %s', (last, now, fresh) => {
    expect(judge(daily, last, now).fresh).toBe(fresh);
  });

  // openclaw#59411, #46703: the boundary was taken in the host's zone, noon for the user.
  test('openclaw#59411: the daily hour is the hour of the policy, not of the host', () => {
    const policy = policyOf({ reset: { tz: 'Asia/Shanghai', atHour: 4 } });
    const started = ms('2026-02-05T19:59:00Z');
    const verdict = evaluateFreshness({
      policy,
      startedAt: started,
      now: ms('2026-02-05T20:01:00Z'),
      zone: utc,
    });
    expect(verdict).toMatchObject({
      fresh: false,
      reason: 'daily',
      dailyResetAt: ms('2026-02-05T20:00:00Z'),
    });
    expect(
      evaluateFreshness({ policy: daily, startedAt: started, now: ms('2026-02-05T20:01:00Z'), zone: utc })
        .fresh,
    ).toBe(true);
  });

  // openclaw#58571, #58605: heartbeats moved the last activity, or were themselves the message that met the reset.
  test('openclaw#58571: only the last user message counts, else the start of the session', () => {
    const now = ms('2026-01-18T05:00:00Z');
    const startedAt = ms('2026-01-17T12:00:00Z');
    expect(evaluateFreshness({ policy: daily, startedAt, now, zone: utc }).fresh).toBe(false);
    const lastUserAt = ms('2026-01-18T04:30:00Z');
    expect(evaluateFreshness({ policy: daily, startedAt, lastUserAt, now, zone: utc }).fresh).toBe(true);
  });

  test('a clock that went backwards ends no session', () => {
    const policy = { ...daily, idleMinutes: 1 };
    expect(judge(policy, '2026-01-20T00:00:00Z', '2026-01-18T05:00:00Z')).toMatchObject({
      fresh: true,
      reason: null,
    });
  });

  test.each([
    // silence of an hour ended it before the morning did
    [60, '2026-01-17T20:00:00Z', '2026-01-18T05:00:00Z', 'idle'],
    // the morning came before two days of silence did, though both have passed now
    [2880, '2026-01-17T20:00:00Z', '2026-01-25T05:00:00Z', 'daily'],
    // the newest boundary is later than the idle limit; the one that ended the session was not
    [1440, '2026-01-17T20:00:00Z', '2026-01-19T03:00:00Z', 'daily'],
    // at the same instant
    [480, '2026-01-17T20:00:00Z', '2026-01-18T05:00:00Z', 'daily'],
  ])('of two causes the first is the reason (idle %d, last %s, now %s)', (idleMinutes, last, now, reason) => {
    expect(judge({ ...daily, idleMinutes }, last, now).reason).toBe(reason);
  });

  test.each([
    ['at the limit', 1000, { fresh: true, reason: null }],
    ['above it', 1001, { fresh: false, reason: 'size' }],
  ])('openclaw#63820: a transcript %s, with every mode', (_, bytes, verdict) => {
    for (const mode of ['off', 'daily', 'idle'] as const)
      expect(
        evaluateFreshness({
          policy: { mode, atHour: 4 },
          startedAt: ms('2026-03-10T10:00:00Z'),
          now: ms('2026-03-10T10:05:00Z'),
          zone: utc,
          size: { bytes, most: 1000 },
        }),
      ).toMatchObject(verdict);
    const yesterday = { policy: daily, startedAt: 0, now: ms('2026-03-10T10:05:00Z'), zone: utc };
    expect(evaluateFreshness({ ...yesterday, size: { bytes, most: 1000 } }).reason).toBe('daily');
  });

  test('minutes of the hour are kept', () => {
    const policy = policyOf({ reset: { at: '00:30' } });
    expect(judge(policy, '2026-01-18T00:29:59Z', '2026-01-18T00:30:00Z').fresh).toBe(false);
    expect(judge(policy, '2026-01-18T00:30:00Z', '2026-01-18T23:59:59Z').fresh).toBe(true);
  });

  test('a gap hour moves to the first instant that exists, a repeated hour counts once', () => {
    const policy = policyOf({ reset: { at: '02:30' } });
    const newYork = inZone('America/New_York');
    expect(judge(policy, '2026-03-08T06:59:59Z', '2026-03-08T07:00:00Z', newYork)).toMatchObject({
      fresh: false,
      dailyResetAt: ms('2026-03-08T07:00:00Z'),
    });
    const half = policyOf({ reset: { at: '01:30' } });
    expect(judge(half, '2026-11-01T05:45:00Z', '2026-11-01T06:45:00Z', newYork).fresh).toBe(true);
  });
});

const policies = fc.record({
  mode: fc.constant('daily' as const),
  atHour: fc.integer({ min: 0, max: 23 }),
});
const zones = fc
  .constantFrom('Europe/Stockholm', 'America/Havana', 'Australia/Lord_Howe', 'Asia/Shanghai')
  .map(inZone);
const instants = fc.integer({ min: ms('2025-01-01T00:00:00Z'), max: ms('2030-01-01T00:00:00Z') });

test('a session goes stale exactly when its next boundary comes', () => {
  fc.assert(
    fc.property(
      policies,
      zones,
      instants,
      fc.integer({ min: 0, max: 3 * 86_400_000 }),
      (policy, zone, since, passed) => {
        const now = since + passed;
        expect(since < lastDailyBoundary(policy, now, zone)).toBe(
          nextDailyBoundary(policy, since, zone) <= now,
        );
      },
    ),
    { numRuns: 500 },
  );
});

test('there is one boundary a day, 23 to 25 hours apart', () => {
  fc.assert(
    fc.property(policies, zones, instants, (policy, zone, now) => {
      const last = lastDailyBoundary(policy, now, zone);
      const next = nextDailyBoundary(policy, now, zone);
      expect(last).toBeLessThanOrEqual(now);
      expect(next).toBeGreaterThan(now);
      const hours = (next - last) / 3_600_000;
      expect(hours).toBeGreaterThanOrEqual(23);
      expect(hours).toBeLessThanOrEqual(25);
    }),
    { numRuns: 300 },
  );
});

test('the report speaks ISO 8601 and names the zone that was used', () => {
  const policy = policyOf({ reset: { at: '04:30', idleMinutes: 60 } });
  const verdict = judge(policy, '2026-01-18T12:00:00Z', '2026-01-18T12:30:00Z');
  expect(reportReset('dm', policy, utc, verdict)).toEqual({
    type: 'dm',
    policy: { mode: 'daily', atHour: 4, at: '04:30', idleMinutes: 60, tz: 'UTC' },
    fresh: true,
    reason: null,
    dailyResetAt: '2026-01-18T04:30:00.000Z',
    idleExpiresAt: '2026-01-18T13:00:00.000Z',
  });
  const never = { mode: 'idle' as const, atHour: 4, idleMinutes: 1e15, tz: 'Asia/Shanghai' };
  expect(
    reportReset('dm', never, utc, judge(never, '2026-01-18T12:00:00Z', '2026-01-18T12:30:00Z')),
  ).toMatchObject({
    policy: { tz: 'Asia/Shanghai' },
    dailyResetAt: null,
    idleExpiresAt: null,
  });
});
