import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import {
  chunkSize,
  chunksBySize,
  compactionSettings,
  contextSize,
  judgeFlush,
  judgeRoom,
  planCompaction,
} from '../../../src/core/context/compaction.ts';
import {
  contextBudget,
  contextReserve,
  contextTokens,
  estimateTokens,
  type HistoryLimits,
  messageTokens,
  selectHistory,
  sinceCompaction,
} from '../../../src/core/context/history.ts';
import { originOf } from '../../../src/core/incoming.ts';
import { reduceRecord, type SessionRecord } from '../../../src/core/session/session.ts';
import type { CompactEntry, Entry } from '../../../src/core/session/transcript.ts';
import { message, NOON } from '../turn-facts.ts';

type Compaction = NonNullable<NonNullable<NonNullable<ConfigInput['agents']>['defaults']>['compaction']>;

const config = (contextTokens: number, compaction: Compaction = {}): ConfigInput => ({
  agents: { defaults: { contextTokens, compaction } },
});

const user = (id: string, content = id, timestamp = NOON): Entry => ({
  type: 'message',
  timestamp,
  id,
  message: { role: 'user', content },
  origin: originOf(message()),
  via: 'stdout',
});
const reply = (content: string): Entry => ({
  type: 'message',
  timestamp: NOON,
  runId: `r-${content}`,
  message: { role: 'assistant', content },
});
const compact = (more: Partial<CompactEntry> = {}): CompactEntry => ({
  type: 'compact',
  timestamp: NOON,
  reason: 'auto',
  turns_removed: 1,
  summary: 'SUMMARY',
  turnsKept: 0,
  tokensBefore: 100,
  tokensAfter: 10,
  ...more,
});
const talk = (from: number, to: number): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, at) => [user(`q${from + at}`), reply(`a${from + at}`)]).flat();

const NONE: HistoryLimits = {
  turns: Number.POSITIVE_INFINITY,
  chatter: Number.POSITIVE_INFINITY,
  messages: Number.POSITIVE_INFINITY,
  tokens: Number.POSITIVE_INFINITY,
};
const sent = (
  transcript: Entry[],
  limits: Partial<HistoryLimits> = {},
  known: CompactEntry | null = null,
  isOwn?: (entry: Entry) => boolean,
) =>
  selectHistory(transcript.toReversed(), { ...NONE, ...limits }, false, known, isOwn).map(({ content }) =>
    content.replace(/^\[Summary.*\]\n/, 'summary: '),
  );

describe('history behind a compaction', () => {
  test('is the summary, what was kept word for word, and what came since; nothing older', () => {
    const line = compact({ keptFrom: 'q2', keptFromAt: NOON });
    expect(sent([...talk(1, 3), line, ...talk(4, 4)])).toEqual([
      'summary: SUMMARY',
      ...['q2', 'a2', 'q3', 'a3', 'q4', 'a4'],
    ]);
    expect(sent([...talk(1, 3), compact(), ...talk(4, 4)])).toEqual(['summary: SUMMARY', 'q4', 'a4']);
  });

  test('is the summary alone where nothing is kept but the message of the turn itself', () => {
    const own = user('own');
    const line = compact({ keptFrom: 'own', keptFromAt: NOON });
    expect(sent([...talk(1, 3), own, line], {}, null, entry => entry === own)).toEqual(['summary: SUMMARY']);
    expect(sent([...talk(1, 3), own, line], {}, line, entry => entry === own)).toEqual(['summary: SUMMARY']);
  });

  test('follows the newest one, also where it keeps what stands before an older one', () => {
    const older = compact({ summary: 'OLD', keptFrom: 'q2' });
    const newer = compact({ summary: 'NEW', keptFrom: 'q3' });
    expect(sent([...talk(1, 4), older, ...talk(5, 5), newer])).toEqual([
      'summary: NEW',
      ...['q3', 'a3', 'q4', 'a4', 'q5', 'a5'],
    ]);
  });

  test('brings the summary along whichever limit is reached before it, where it is known', () => {
    const line = compact({ keptFrom: 'q2' });
    expect(sent([...talk(1, 3), line, ...talk(4, 9)], { turns: 1 }, line)).toEqual([
      'summary: SUMMARY',
      'q9',
      'a9',
    ]);
    const room = 3 * messageTokens('q9') + 40;
    expect(sent([...talk(1, 3), line, ...talk(4, 9)], { room }, line)[0]).toBe('summary: SUMMARY');
    // Not where it has no room itself.
    expect(sent([...talk(1, 3), line, ...talk(4, 9)], { room: 20 }, line)).toEqual(['a9']);
  });

  test('takes nothing away for a line that only says that there was one, of whichever tool', () => {
    const foreign = { type: 'compact', timestamp: NOON, reason: 'overflow', turns_removed: 5 };
    expect(sent([...talk(1, 2), foreign, ...talk(3, 3)])).toHaveLength(6);
    const blank = compact({ summary: '  ' });
    expect(sent([...talk(1, 2), blank, ...talk(3, 3)])).toHaveLength(6);
  });

  test('tells entries with one id apart by their time', () => {
    const transcript = [user('5', 'old', 1), user('5', 'kept', 2), user('5', 'new', 3)];
    expect(sent([...transcript, compact({ keptFrom: '5', keptFromAt: 2 })])).toEqual([
      'summary: SUMMARY',
      'kept',
      'new',
    ]);
  });

  test('reads no further than what is kept', () => {
    const entries = [...talk(2, 3), compact({ keptFrom: 'q2' })].toReversed();
    const source = (function* () {
      yield* entries;
      throw new Error('read further');
    })();
    expect([...sinceCompaction(source)]).toHaveLength(4);
  });
});

describe('how full a context is', () => {
  const blank = { version: 1, messageCount: 0, bytes: 0, updatedAt: 0 } as unknown as SessionRecord;
  const reduce = (entries: Entry[]) =>
    entries.reduce((record, entry, at) => reduceRecord(record, entry, (at + 1) * 100), blank).context;
  const header = { type: 'session', id: 's', sessionKey: 'k', timestamp: NOON };
  const end = (usage: object) => ({
    type: 'turn_end',
    timestamp: NOON,
    runId: 'r',
    status: 'replied',
    usage,
    durationMs: 1,
  });

  test('follows from the transcript: every message counts with what stands around it', () => {
    expect(reduce([header, ...talk(1, 2)])).toEqual({
      // In a group names stand before what people say; that much is counted everywhere.
      tokens: 2 * contextTokens(user('q1')) + 2 * messageTokens('a1'),
      turns: 2,
      compactions: 0,
    });
    expect(reduce([header, ...talk(1, 2), compact({ turnsKept: 1 }), user('q')])).toEqual({
      tokens: 10 + contextTokens(user('q')),
      turns: 2,
      compactions: 1,
      compactedAt: 600,
    });
    // Not known is not nothing.
    expect(reduce(talk(1, 2))).toBeUndefined();
  });

  test('a runner that counts itself is believed where it counts more, up to the window', () => {
    const usage = { inputTokens: 900, outputTokens: 100, totalTokens: 1000 };
    const count = reduce([header, ...talk(1, 1), end(usage), user('q2')])!;
    expect(contextSize(count, 2000)).toBe(1000 + contextTokens(user('q2')));
    // More than the window is the sum of several calls.
    expect(contextSize(count, 999)).toBe(count.tokens);
    const small = reduce([header, ...talk(1, 9), end({ ...usage, inputTokens: 1, outputTokens: 1 })])!;
    expect(contextSize(small, 2000)).toBe(small.tokens);
    expect(reduce([header, ...talk(1, 1), end({ ...usage, estimated: true })])!.reported).toBeUndefined();
  });

  test('what was spent on a summary is in the sums, and the size is what is left', () => {
    const spent = { inputTokens: 500, outputTokens: 50, totalTokens: 550 };
    const record = [header, end(spent), compact({ usage: spent })].reduce(
      (next, entry) => reduceRecord(next, entry as Entry, 1),
      blank,
    );
    expect(record.tokens).toMatchObject({ totalTokens: 1100, contextTokens: 10, estimated: true });
  });

  test('letters of other alphabets are more tokens than ASCII', () => {
    expect(['abcd', 'привет', '你好', '😀'].map(estimateTokens)).toEqual([1, 3, 2, 2]);
  });
});

describe('room', () => {
  test.each<[number, Compaction, number]>([
    [200_000, {}, 20_000],
    [32_000, {}, 8000],
    [32_000, { reserveTokensFloor: 0 }, 0],
    [32_000, { reserveTokensFloor: 12_000 }, 12_000],
    [32_000, { modelMaxOutputTokens: 16_000 }, 19_200],
    [32_000, { modelMaxOutputTokens: 100, reserveTokensFloor: 9000 }, 9000],
    [10_000, { reserveTokensFloor: 50_000 }, 9000],
  ])('of a window of %d with %j: %d tokens are reserved', (window, compaction, reserved) => {
    expect(contextReserve(config(window, compaction), 'main')).toBe(reserved);
    expect(contextBudget(config(window, compaction), 'main')).toBe(window - reserved);
  });

  test('what one agent says goes before what all say, key by key', () => {
    const both = config(200_000, { mode: 'prune', keepRecentTurns: 3 });
    both.agents!.list = [{ id: 'work', compaction: { mode: 'manual' } }];
    expect(compactionSettings(both, 'work')).toMatchObject({ mode: 'manual', keepRecentTurns: 3 });
    expect(compactionSettings(both, 'main')).toMatchObject({ mode: 'prune', keepRecentTurns: 3 });
  });

  const settings = compactionSettings(config(200_000, { reserveTokensFloor: 20_000 }), 'main');
  const count = (tokens: number, more: object = {}) => ({ tokens, turns: 9, compactions: 0, ...more });
  const flushed = (compactions: number) => ({
    flush: { at: 1, result: 'silent' as const, tokens: 1, threshold: 1, compactions },
  });

  test.each([
    ['much is left', count(100_000), { flush: false, room: 'enough' }],
    // 160,000 and a message of 30,000 that has just come (openclaw#5457).
    ['a message fills it', count(190_000), { flush: true, room: 'full' }],
    ['it is nearly full', count(176_000), { flush: true, room: 'enough' }],
    ['memory was saved before', count(176_000, flushed(0)), { flush: false, room: 'enough' }],
    ['and it was compacted since', { ...count(176_000, flushed(0)), compactions: 1 }, { flush: true }],
    ['it was told', count(190_000, { ...flushed(0), uncompacted: 185_000 }), { flush: false, room: 'told' }],
    ['it has grown since', count(240_000, { uncompacted: 185_000 }), { room: 'full' }],
  ])('%s', (_, context, verdict) => {
    expect(judgeRoom(context, settings)).toMatchObject(verdict);
  });

  test('why memory is not saved', () => {
    const reason = (compaction: Compaction, window = 200_000, tokens = 190_000) =>
      judgeFlush(
        { compactions: 0 },
        tokens,
        compactionSettings(config(window, compaction), 'main').flush?.threshold ?? null,
      ).reason;
    expect(reason({})).toBeNull();
    expect(reason({}, 200_000, 1)).toBe('below-threshold');
    expect(reason({ memoryFlush: { enabled: false } })).toBe('off');
    expect(reason({ mode: 'manual' })).toBe('off');
    expect(reason({ mode: 'prune' })).toBe('off');
    expect(reason({ memoryFlush: { softThresholdTokens: 300_000 } })).toBe('window-too-small');
    const without = { ...config(200_000), memory: { enabled: false } };
    expect(compactionSettings(without, 'main').flush).toBeNull();
  });
});

describe('what is kept', () => {
  const size = messageTokens('q1');
  const plan = (entries: Entry[], turns: number, budget = 10_000, isOwn = (_: Entry) => false, read = 1e9) =>
    planCompaction(entries.toReversed(), { turns, budget, read, group: false, isOwn });

  test('the newest turns, question and answer; all before them is removed', () => {
    const { removed, ...rest } = plan(talk(1, 5), 2);
    expect(removed.map(piece => piece.message.content)).toEqual(['q1', 'a1', 'q2', 'a2', 'q3', 'a3']);
    expect(rest).toMatchObject({
      keptFrom: { id: 'q4', at: NOON },
      keptTurns: 2,
      keptTokens: 4 * size,
      removedTurns: 3,
      removedTokens: 6 * size,
      isCut: false,
    });
    expect(plan(talk(1, 2), 2).removed).toEqual([]);
    expect(plan([], 2)).toMatchObject({ removed: [], keptFrom: null });
  });

  test('the turn under way stays whatever it is', () => {
    const entries = [...talk(1, 3), user('own', 'x'.repeat(4000))];
    const isOwn = (entry: Entry) => (entry as { id?: string }).id === 'own';
    expect(plan(entries, 2, 1000, isOwn)).toMatchObject({ keptFrom: { id: 'own' }, keptTurns: 0 });
    expect(plan(entries, 2, 10_000, isOwn)).toMatchObject({ keptFrom: { id: 'q2' }, keptTurns: 2 });
  });

  test('no more than half of the room, or the next compaction would be due at once', () => {
    expect(plan(talk(1, 20), 10, 20 * size).keptTurns).toBe(5);
    expect(plan([user('q', 'x'.repeat(400)), reply('a')], 10, 200).keptTurns).toBe(1);
    expect(plan([user('q', 'x'.repeat(4000)), reply('a')], 10, 200).keptTurns).toBe(0);
  });

  test('no more is read than is summarised', () => {
    const cut = plan(talk(1, 9), 1, 10_000, () => false, 4 * size);
    expect(cut).toMatchObject({ isCut: true, removedTurns: 2 });
    expect(cut.removed.map(piece => piece.message.content)).toEqual(['q7', 'a7', 'q8', 'a8']);
  });

  test('a second compaction summarises what the first kept, with its summary', () => {
    const line = compact({ keptFrom: 'q2' });
    const { removed, previous } = plan([...talk(1, 3), line, ...talk(4, 5)], 1);
    expect(removed.map(piece => piece.message.content)).toEqual(['q2', 'a2', 'q3', 'a3', 'q4', 'a4']);
    expect(previous).toBe(line);
  });
});

describe('pieces', () => {
  const of = (compaction: Compaction) => compactionSettings(config(32_000, compaction), 'main');

  test('all at once where it has its room; else a share of the window', () => {
    expect(chunkSize(of({}), [20_000], 24_000).size).toBe(23_600);
    expect(chunkSize(of({}), Array(40).fill(1000), 24_000).size).toBe(12_800);
    expect(chunkSize(of({ adaptiveChunking: false }), Array(40).fill(1000), 24_000).size).toBe(16_333);
    // Large messages make smaller pieces.
    expect(chunkSize(of({}), [15_000, 15_000], 24_000).size).toBe(4800);
    expect(chunkSize(of({ chunkSizeTarget: 3000 }), [20_000], 24_000).size).toBe(3000);
  });

  test('none is larger than it may be, but for a single message', () => {
    expect(chunksBySize([5, 5, 5, 20, 1], 10)).toEqual([[0, 1], [2], [3], [4]]);
    expect(chunksBySize([], 10)).toEqual([]);
  });
});
