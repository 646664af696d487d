/** The conformance vectors about limits of history and about compaction. */
import { expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import {
  chunkShare,
  compactionSettings,
  judgeFlush,
  pruneToBudget,
  splitByShare,
} from '../../../src/core/context/compaction.ts';
import {
  dmHistoryLimit,
  historyLimits,
  raisedReserve,
  selectHistory,
} from '../../../src/core/context/history.ts';
import type { Entry } from '../../../src/core/session/transcript.ts';
import vectors from '../../fixtures/vectors/history-limits-compaction.json' with { type: 'json' };

/** Vectors that are not run here, with the reason. */
const LEFT_OUT: Record<string, string> = {
  'hc-047':
    'claw gives history as messages of their own, each with its time: test/core/runner/prompt.test.ts',
  'hc-032': 'a size that is negative or no whole number is an error of the configuration, with its path',
  'hc-044':
    'a message that is larger than the piece it is summarised in loses its middle, whatever the window',
};

interface Given {
  op: string;
  config?: ConfigInput;
  store: {
    entry: { totalTokens: number; compactionCount?: number; memoryFlushCompactionCount?: number };
  };
  input: { roles: string[]; limit: number; sessionKey: string; append: string[] } & Sizes;
}

interface Sizes {
  tokens: number[] & number;
  parts: number;
  current: number;
  floor: number;
  contextWindow: number;
  contextWindowTokens: number;
  maxContextTokens: number;
  maxHistoryShare: number;
  reserveTokensFloor?: number;
  softThresholdTokens?: number;
}

const said = (role: string, content: string, more: object = {}): Entry => ({
  type: 'message',
  timestamp: 1,
  message: { role, content },
  ...more,
});

const CHAT = { agentId: 'main', channel: 'telegram', chatType: 'dm' } as const;

function run({ op, config = {}, input, store }: Given): Record<string, unknown> {
  switch (op) {
    case 'memoryFlush': {
      const { totalTokens, compactionCount = 0, memoryFlushCompactionCount: saved } = store.entry;
      const { contextWindowTokens: contextTokens, reserveTokensFloor, softThresholdTokens } = input;
      const compaction = { reserveTokensFloor, memoryFlush: { softThresholdTokens } };
      const settings = { agents: { defaults: { contextTokens, compaction } } } as ConfigInput;
      const { threshold } = compactionSettings(settings, 'main').flush!;
      const flush =
        saved === undefined
          ? {}
          : { flush: { at: 1, result: 'silent' as const, tokens: 1, threshold: 1, compactions: saved } };
      return {
        run: judgeFlush({ compactions: compactionCount, ...flush }, totalTokens, threshold).due,
      };
    }
    case 'memoryFlushSettings':
      return { enabled: compactionSettings(config, 'main').flush };
    case 'compactionReserve':
      return { reserveTokens: raisedReserve(input.current, input.floor) };
    case 'splitByTokenShare':
      return { parts: splitByShare(input.tokens, input.parts) };
    case 'pruneHistory': {
      const budgetTokens = Math.floor(input.maxContextTokens * input.maxHistoryShare);
      return { ...pruneToBudget(input.tokens, budgetTokens, input.parts), budgetTokens };
    }
    case 'adaptiveChunkRatio': {
      const share = chunkShare(input.tokens, input.contextWindow);
      return { ratio: Number(share.toFixed(6)) };
    }
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
  expect(toRun.length).toBe(26);
});
