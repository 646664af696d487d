/** The conformance vectors about heartbeats, but for whole beats: those are in `test/runner/beat.test.ts`. */
import { expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { judgeHeartbeat, replyOf } from '../../../src/core/runner/silence.ts';
import { parseDuration } from '../../../src/core/schedule/duration.ts';
import {
  beatSessions,
  heartbeatOf,
  isActive,
  isEffectivelyEmpty,
  targetOf,
  visibilityOf,
} from '../../../src/core/schedule/heartbeat.ts';
import { zoneFor } from '../../../src/core/schedule/zone.ts';
import type { Origin } from '../../../src/core/session/session.ts';
import vectors from '../../fixtures/vectors/heartbeat.json' with { type: 'json' };

/** Vectors that do not hold for claw, with the reason. */
const LEFT_OUT: Record<string, string> = {
  'hb-074': 'a token in brackets or quotes is still the token; the vector itself suggests to tolerate them',
};

const ELSEWHERE = 'run';

interface Given {
  op: string;
  config?: ConfigInput & { agents?: { defaults?: { userTimezone?: string } } };
  input?: Record<string, any>;
  store?: Record<string, { lastChannel?: string; lastTo?: string }>;
  now?: string;
  tz?: string;
}

function run({ op, config = {}, input = {}, store = {}, now = '', tz = 'UTC' }: Given): object {
  const heartbeat = heartbeatOf(config, input.agentId ?? 'main');
  switch (op) {
    case 'interval':
      return { everyMs: heartbeat.off ? null : heartbeat.everyMs };
    case 'duration': {
      const ms = parseDuration(input.text);
      return { ms, error: ms === null };
    }
    case 'enabled':
      return { enabled: heartbeat.off === null };
    case 'prompt':
      return { prompt: heartbeat.prompt, isDefault: heartbeat.isDefaultPrompt };
    case 'activeHours': {
      const zone = zoneFor(config.agents?.defaults?.userTimezone, { name: tz, isHost: false });
      return { active: isActive(heartbeat.activeHours, Date.parse(now), zone) };
    }
    case 'ack': {
      if (input.mode === 'heartbeat') {
        const { ok, text, found } = judgeHeartbeat(input.text, input.ackMaxChars ?? 300);
        return { skip: ok, text, stripped: found };
      }
      const text = replyOf(input.text, []);
      return { skip: text === null, text: text ?? '', stripped: text !== input.text };
    }
    case 'emptyFile':
      return { empty: isEffectivelyEmpty(input.content) };
    case 'target': {
      const { lastChannel, lastTo } = store['agent:main:main'] ?? {};
      const route: Origin | undefined =
        lastChannel === undefined
          ? undefined
          : {
              channel: lastChannel,
              accountId: 'default',
              chatType: 'dm',
              ...(lastTo ? { from: lastTo } : {}),
            };
      const target = targetOf(config, heartbeat, route);
      if (target.origin === null) return { channel: 'none', reason: target.reason };
      return { channel: target.origin.channel, to: target.origin.to ?? target.origin.from };
    }
    case 'sessionKey':
      return { sessionKey: beatSessions(config, heartbeat)[0] };
    case 'visibility':
      return visibilityOf(config, input.channel, input.accountId);
    default:
      throw new Error(`no such operation: ${op}`);
  }
}

const here = vectors.filter(({ given }) => given.op !== ELSEWHERE);

test.each(here.filter(({ id }) => !(id in LEFT_OUT)).map(vector => [vector.id, vector] as const))(
  '%s',
  (_, { given, expect: wanted }) => {
    expect(run(given as Given)).toMatchObject(wanted);
  },
);

test('what is left out is there, and there is a reason', () => {
  const ids = here.map(({ id }) => id);
  expect(Object.keys(LEFT_OUT).filter(id => !ids.includes(id))).toEqual([]);
  expect(here.length).toBeGreaterThan(50);
});
