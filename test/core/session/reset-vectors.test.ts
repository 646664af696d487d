/** The conformance vectors for reset policies, each run through the rules as `claw` builds them. */
import { expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import type { ChatType } from '../../../src/core/routing/message.ts';
import type { Zone } from '../../../src/core/schedule/zone.ts';
import {
  evaluateFreshness,
  reportReset,
  resetType,
  resolveResetPolicy,
} from '../../../src/core/session/reset.ts';
import vectors from '../../fixtures/vectors/reset-policy.json' with { type: 'json' };

/** Vectors that do not apply, each with its reason. */
const LEFT_OUT: Record<string, string> = {};

interface Given {
  config: ConfigInput;
  store: Record<string, { updatedAt?: number }>;
  message: { SessionKey: string; ChatType?: string; Provider?: string; ThreadLabel?: string };
  now: string;
  tz: string;
}

/** The reference's field names in ours: its `updatedAt` is the last message, and missing it counts as the epoch. */
function run({ config, store, message, now, tz }: Given) {
  const sessionKey = message.SessionKey;
  const chatType: ChatType | undefined =
    message.ThreadLabel !== undefined ? 'thread' : (message.ChatType as ChatType | undefined);
  const type = resetType({ sessionKey, chatType });
  const channel = message.Provider ?? sessionKey.split(':')[2];
  const policy = resolveResetPolicy({ session: config.session, type, channel });
  const zone: Zone = { name: tz, isHost: false };
  const verdict = evaluateFreshness({
    policy,
    startedAt: store[sessionKey]?.updatedAt ?? 0,
    now: Date.parse(now),
    zone,
  });
  return reportReset(type, policy, zone, verdict);
}

const applicable = vectors.filter(({ id }) => LEFT_OUT[id] === undefined);

test.each(applicable.map(vector => [vector.id, vector.note, vector] as const))(
  '%s %s',
  (_id, _note, { given, expect: expected }) => {
    expect(run(given as unknown as Given)).toMatchObject(expected);
  },
);

test('every vector is run or left out with a reason', () => {
  expect(vectors.every(({ given }) => given.op === 'resetEval')).toBe(true);
  expect(applicable.length + Object.keys(LEFT_OUT).length).toBe(vectors.length);
});
