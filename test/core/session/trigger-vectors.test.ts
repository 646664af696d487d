/** The conformance vectors for reset triggers. */
import { expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import type { ChatType } from '../../../src/core/routing/message.ts';
import { evaluateFreshness, resetType, resolveResetPolicy } from '../../../src/core/session/reset.ts';
import { matchTrigger, resetModelHint } from '../../../src/core/session/trigger.ts';
import vectors from '../../fixtures/vectors/reset-triggers.json' with { type: 'json' };

/** Vectors that do not apply, each with its reason. */
const LEFT_OUT: Record<string, string> = {};

interface SessionGiven {
  config: ConfigInput;
  store: Record<string, { sessionId: string; updatedAt: number }>;
  message: { SessionKey: string; ChatType: string; Body?: string; RawBody?: string };
  now: string;
  tz: string;
}

interface HintGiven {
  message: { remainder: string };
  input: { allowedModels: string[] };
}

/** The reference hands the same text over in several wrappings; commands are read from the rawest. */
function initSession({ config, store, message, now, tz }: SessionGiven) {
  const chatType: ChatType = message.ChatType === 'direct' ? 'dm' : (message.ChatType as ChatType);
  const match = matchTrigger(message.RawBody ?? message.Body ?? '', {
    triggers: config.session?.resetTriggers,
    chatType,
  });
  const sessionKey = message.SessionKey;
  const policy = resolveResetPolicy({
    session: config.session,
    type: resetType({ sessionKey, chatType }),
  });
  const { fresh } = evaluateFreshness({
    policy,
    startedAt: store[sessionKey]?.updatedAt ?? 0,
    now: Date.parse(now),
    zone: { name: tz, isHost: false },
  });
  const isNewSession = match !== null || !fresh;
  return {
    resetTriggered: match !== null,
    isNewSession,
    sessionId: isNewSession ? 'minted' : store[sessionKey]?.sessionId,
    remainder: match?.remainder ?? null,
  };
}

function modelHint({ message, input }: HintGiven) {
  const { model, remainder } = resetModelHint(message.remainder, {
    aliases: {},
    models: input.allowedModels,
  });
  const [providerOverride, modelOverride] = model === null ? [null, null] : model.split('/');
  return { providerOverride, modelOverride, remainder };
}

const applicable = vectors.filter(({ id }) => LEFT_OUT[id] === undefined);

test.each(applicable.map(vector => [vector.id, vector.note, vector] as const))(
  '%s %s',
  (_id, _note, { given, expect: expected }) => {
    const actual =
      given.op === 'resetModelHint'
        ? modelHint(given as unknown as HintGiven)
        : initSession(given as unknown as SessionGiven);
    expect(actual).toMatchObject(expected);
  },
);

test('every vector is run or left out with a reason', () => {
  expect(vectors.every(({ given }) => ['initSession', 'resetModelHint'].includes(given.op))).toBe(true);
  expect(applicable.length + Object.keys(LEFT_OUT).length).toBe(vectors.length);
});
