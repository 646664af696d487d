import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import {
  beatSessions,
  heartbeatOf,
  isActive,
  isEffectivelyEmpty,
  isKnownTarget,
  nextBeat,
  targetOf,
  toldLately,
  visibilityOf,
} from '../../../src/core/schedule/heartbeat.ts';
import type { RunLine } from '../../../src/core/schedule/run-record.ts';
import { instantsBetween } from '../../../src/core/schedule/schedule.ts';
import type { Origin } from '../../../src/core/session/session.ts';
import { HOUR, MINUTE, NOON, UTC } from '../turn-facts.ts';

const agents = (defaults: object, ...list: object[]): ConfigInput =>
  ({ agents: { defaults, ...(list.length > 0 ? { list } : {}) } }) as ConfigInput;

describe('which agents beat, and which key keeps the others from it (#64293, #58571)', () => {
  test.each<[string, ConfigInput, string, string | null, number | null]>([
    ['nothing configured', {}, 'main', null, 30 * MINUTE],
    ['an empty block for all', agents({ heartbeat: {} }), 'main', null, 30 * MINUTE],
    ['0m', agents({ heartbeat: { every: '0m' } }), 'main', 'agents.defaults.heartbeat.every', null],
    ['a bare 0', agents({ heartbeat: { every: '0' } }), 'main', 'agents.defaults.heartbeat.every', null],
    [
      'enabled: false',
      agents({ heartbeat: { enabled: false } }),
      'main',
      'agents.defaults.heartbeat.enabled',
      30 * MINUTE,
    ],
    ['another than the default agent', agents({}, { id: 'a' }, { id: 'b' }), 'b', 'agents.list', 30 * MINUTE],
    [
      'the default agent by its flag',
      agents({}, { id: 'a' }, { id: 'b', default: true }),
      'b',
      null,
      30 * MINUTE,
    ],
    [
      'an empty block of its own',
      agents({}, { id: 'a' }, { id: 'b', heartbeat: {} }),
      'b',
      null,
      30 * MINUTE,
    ],
    [
      'the default agent where another has a block',
      agents({}, { id: 'a' }, { id: 'b', heartbeat: {} }),
      'a',
      'agents.list[0].heartbeat',
      30 * MINUTE,
    ],
    [
      'its own 0m under a common 5m',
      agents({ heartbeat: { every: '5m' } }, { id: 'a', heartbeat: { every: '0m' } }),
      'a',
      'agents.list[0].heartbeat.every',
      null,
    ],
    [
      'switched on again for one',
      agents({ heartbeat: { enabled: false } }, { id: 'a', heartbeat: { enabled: true } }),
      'a',
      null,
      30 * MINUTE,
    ],
    [
      'the common length under a block',
      agents({ heartbeat: { every: '5m' } }, { id: 'a', heartbeat: { model: 'm' } }),
      'a',
      null,
      5 * MINUTE,
    ],
  ])('%s', (_, config, agentId, key, everyMs) => {
    const heartbeat = heartbeatOf(config, agentId);
    expect(heartbeat.off?.key ?? null).toBe(key);
    expect(heartbeat.everyMs).toBe(key === null ? everyMs : null);
  });
});

describe('an effectively empty HEARTBEAT.md (HKUDS/nanobot#4111)', () => {
  test.each<[string, boolean]>([
    ['', true],
    ['\uFEFF# Heartbeat\r\n\r\n', true],
    ['# Tasks\n\n<!-- one a line -->\n- \n* [ ]\n1.\n> \n---\n', true],
    ['<!--\n- Check the mail\n-->\n', true],
    ['<!-- never closed\n- Check', true],
    ['<!-- a -->- Check the mail', false],
    ['#hashtag', false],
    ['- [x] done', false],
    ['Check the mail.', false],
    ['\n\n   - a\n', false],
    [`${' '.repeat(100_000)}\n${'- '.repeat(50_000)}x`, false],
  ])('%j is empty: %s', (text, empty) => {
    expect(isEffectivelyEmpty(text)).toBe(empty);
  });
});

test('F15: a beat that falls outside the hours is left out and the grid stays (#75487)', () => {
  const zone = { name: 'Asia/Shanghai', isHost: false };
  const { activeHours } = heartbeatOf(
    agents({ heartbeat: { every: '4h', activeHours: { start: '08:00', end: '23:00' } } }),
    'main',
  );
  const anchorMs = Date.parse('2026-05-04T03:21:00Z');
  const grid = { kind: 'every', everyMs: 4 * HOUR, anchorMs } as const;
  const instants = instantsBetween(grid, anchorMs - 1, anchorMs + 24 * HOUR, 20, UTC);
  const asked = instants.filter(at => isActive(activeHours, at, zone));
  expect(asked.map(at => new Date(at).toISOString().slice(11, 16))).toEqual([
    '03:21',
    '07:21',
    '11:21',
    '03:21',
  ]);
});

describe('the next beat', () => {
  const seen = (everyMs: number): RunLine => ({
    action: 'seen',
    ts: NOON,
    jobId: 'heartbeat:main',
    schedule: { kind: 'every', everyMs, anchorMs: NOON },
    enabled: true,
    definition: 'd',
    from: NOON,
  });
  const every = (heartbeat: object) => heartbeatOf(agents({ heartbeat }), 'main');

  test('is on the grid of the first tick, in the active hours', () => {
    const night = { every: '1h', activeHours: { start: '20:00', end: '02:00' } };
    expect(nextBeat(every({ every: '1h' }), [seen(HOUR)], NOON + MINUTE, UTC)).toBe(NOON + HOUR);
    expect(nextBeat(every(night), [seen(HOUR)], NOON + MINUTE, UTC)).toBe(NOON + 8 * HOUR);
  });

  test('is not known before a tick, behind a change of the length, and where it is off', () => {
    expect(nextBeat(every({ every: '1h' }), [], NOON, UTC)).toBeNull();
    expect(nextBeat(every({ every: '2h' }), [seen(HOUR)], NOON, UTC)).toBeNull();
    expect(nextBeat(every({ enabled: false }), [seen(30 * MINUTE)], NOON, UTC)).toBeNull();
  });

  test('ends its search where hours and grid never meet', () => {
    const never = { every: '1d', activeHours: { start: '13:00', end: '14:00' } };
    expect(nextBeat(every(never), [seen(24 * HOUR)], NOON, UTC)).toBeNull();
  });
});

describe('who is told', () => {
  const route: Origin = { channel: 'telegram', accountId: 'work', chatType: 'dm', from: '7' };
  const group: Origin = {
    channel: 'telegram',
    accountId: 'default',
    chatType: 'group',
    groupId: '-1',
    from: '7',
  };

  test.each<[string, object, Origin | undefined, object]>([
    ['nobody has written yet', {}, undefined, { origin: null, reason: 'no-target' }],
    ['none', { target: 'none' }, route, { origin: null, reason: 'target-none' }],
    ['the last one, account included', {}, route, { origin: route }],
    ['the group that wrote last', { target: 'last' }, group, { origin: group }],
    ['a shell cannot be written to', {}, { ...route, channel: 'cli' }, { origin: null, reason: 'no-target' }],
    ['the channel of the last one, in any case', { target: 'Telegram' }, route, { origin: route }],
    [
      'somebody else on the channel of the last one',
      { to: '9' },
      route,
      { origin: { channel: 'telegram', accountId: 'work', chatType: 'dm', to: '9', from: '9' } },
    ],
    [
      'a group of WhatsApp',
      { target: 'whatsapp', to: '12@g.us' },
      route,
      {
        origin: {
          channel: 'whatsapp',
          accountId: 'default',
          chatType: 'group',
          to: '12@g.us',
          groupId: '12@g.us',
        },
      },
    ],
    [
      'a channel nobody knows',
      { target: 'carrier-pigeon', to: '9' },
      route,
      { origin: null, reason: 'no-target' },
    ],
  ])('%s', (_, block, last, expected) => {
    const config = agents({ heartbeat: block });
    expect(targetOf(config, heartbeatOf(config, 'main'), last)).toEqual(expected);
  });

  test('a channel is known by the config or by name', () => {
    expect(['last', 'NONE', 'telegram'].every(name => isKnownTarget({}, name))).toBe(true);
    expect(isKnownTarget({}, 'pager')).toBe(false);
    expect(isKnownTarget({ channels: { pager: {} } }, 'pager')).toBe(true);
  });

  test('flags hold one by one: account over channel over built-in (#12771)', () => {
    const channels = {
      telegram: {
        heartbeat: { showOk: true, showAlerts: false },
        accounts: { work: { heartbeat: { showAlerts: true } } },
      },
    };
    expect(visibilityOf({ channels }, 'telegram')).toEqual({
      showOk: true,
      showAlerts: false,
      useIndicator: true,
    });
    expect(visibilityOf({ channels }, 'telegram', 'work')).toEqual({
      showOk: true,
      showAlerts: true,
      useIndicator: true,
    });
  });
});

test('it may run in the session of its recipient, and in no other agent’s', () => {
  const of = (block: object, session: object = {}) => {
    const config = { ...agents({ heartbeat: block }), session } as ConfigInput;
    return beatSessions(config, heartbeatOf(config, 'main'));
  };
  const perPeer = { dmScope: 'per-channel-peer' };
  expect(of({})).toEqual(['agent:main:main']);
  expect(of({ target: 'whatsapp', to: '+1' })).toEqual(['agent:main:main']);
  expect(of({ target: 'whatsapp', to: '+1' }, perPeer)).toEqual([
    'agent:main:whatsapp:dm:+1',
    'agent:main:main',
  ]);
  expect(of({ session: 'main' }, { mainKey: 'home' })).toEqual(['agent:main:home']);
  expect(of({ session: 'agent:other:main' })).toEqual(['agent:main:main']);
});

test('the same is not told again for a day; a clock set back does not keep it quiet for longer (#22320, #75693)', () => {
  const told = (ts: number, said?: string): RunLine => ({
    action: 'finished',
    ts,
    jobId: 'heartbeat:main',
    runId: 'r',
    status: 'ok',
    trigger: 'schedule',
    ...(said ? { said } : {}),
  });
  const lately = (lines: RunLine[], now: number) => [...toldLately(lines, now)];
  expect(lately([told(NOON, 'a'), told(NOON + 1)], NOON + 24 * HOUR - 1)).toEqual(['a']);
  // Two that take turns are each told once.
  expect(lately([told(NOON, 'a'), told(NOON + 1, 'b')], NOON + 2)).toEqual(['a', 'b']);
  expect(lately([told(NOON, 'a')], NOON + 24 * HOUR)).toEqual([]);
  expect(lately([told(NOON + 72 * HOUR, 'a')], NOON)).toEqual([]);
});
