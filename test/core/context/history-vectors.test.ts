/** The conformance vectors about limits of history. */
import { expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { dmHistoryLimit, historyLimits, selectHistory } from '../../../src/core/context/history.ts';
import type { Entry } from '../../../src/core/session/transcript.ts';
import vectors from '../../fixtures/vectors/history-limits-compaction.json' with { type: 'json' };

/** Operations of compaction, which claw has no rule for yet. */
const COMPACTION = [
  ...['memoryFlush', 'memoryFlushSettings', 'compactionReserve', 'splitByTokenShare', 'pruneHistory'],
  ...['adaptiveChunkRatio', 'oversized'],
];

/** Vectors that are not run here, with the reason. */
const LEFT_OUT: Record<string, string> = {
  'hc-047':
    'claw gives history as messages of their own, each with its time: test/core/runner/prompt.test.ts',
  ...Object.fromEntries(
    vectors
      .filter(({ given }) => COMPACTION.includes(given.op))
      .map(({ id }) => [id, 'compaction comes later']),
  ),
};

interface Given {
  op: string;
  config?: ConfigInput;
  input: { roles: string[]; limit: number; sessionKey: string; append: string[] };
}

const said = (role: string, content: string, more: object = {}): Entry => ({
  type: 'message',
  timestamp: 1,
  message: { role, content },
  ...more,
});

const CHAT = { agentId: 'main', channel: 'telegram', chatType: 'dm' } as const;

function run({ op, config = {}, input }: Given): Record<string, unknown> {
  switch (op) {
    case 'limitTurns': {
      const limits = historyLimits({ session: { dmHistoryLimit: input.limit } }, CHAT);
      const newestFirst = input.roles.map((role, at) => said(role, String(at))).reverse();
      return { kept: selectHistory(newestFirst, limits, false).map(({ content }) => Number(content)) };
    }
    case 'dmHistoryLimit':
      return { limit: dmHistoryLimit(config, { sessionKey: input.sessionKey }) ?? null };
    case 'groupHistory': {
      const groupChat = { historyLimit: input.limit };
      const limits = historyLimits({ messages: { groupChat } } as ConfigInput, {
        ...CHAT,
        chatType: 'group',
      });
      const newestFirst = input.append.map(text => said('user', text, { recorded: true })).reverse();
      return { history: selectHistory(newestFirst, limits, false).map(({ content }) => content) };
    }
    default:
      throw new Error(`no adapter for ${op}`);
  }
}

const toRun = vectors.filter(({ id }) => LEFT_OUT[id] === undefined);

test.each(toRun.map(vector => [vector.id, vector.note, vector] as const))('%s %s', (_id, _note, vector) => {
  expect(run(vector.given as unknown as Given)).toMatchObject(vector.expect);
});

test('every vector is run or left out with a reason', () => {
  const ids = vectors.map(({ id }) => id);
  expect(new Set(ids).size).toBe(29);
  expect(Object.keys(LEFT_OUT).filter(id => !ids.includes(id))).toEqual([]);
  expect(toRun.length + Object.keys(LEFT_OUT).length).toBe(ids.length);
  expect(toRun.length).toBe(13);
});
