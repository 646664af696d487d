import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import {
  contextWindow,
  contextWindowOf,
  dmHistoryLimit,
  estimateTokens,
  type HistoryLimits,
  historyLimits,
  selectHistory,
} from '../../../src/core/context/history.ts';
import { originOf } from '../../../src/core/incoming.ts';
import type { AssistantEntry, Entry, UserEntry } from '../../../src/core/session/transcript.ts';
import { message, NOON } from '../turn-facts.ts';

const NONE: HistoryLimits = {
  chatter: Number.POSITIVE_INFINITY,
  turns: Number.POSITIVE_INFINITY,
  messages: Number.POSITIVE_INFINITY,
  tokens: Number.POSITIVE_INFINITY,
};

const user = (content: string, more: Partial<UserEntry> = {}): UserEntry => ({
  type: 'message',
  timestamp: NOON,
  id: content,
  message: { role: 'user', content },
  origin: originOf(message()),
  via: 'stdout',
  ...more,
});
const reply = (content: string): AssistantEntry => ({
  type: 'message',
  timestamp: NOON,
  runId: 'r',
  message: { role: 'assistant', content },
});

/** Questions and answers q1 a1 q2 a2 …, as a transcript has them: oldest first. */
const talk = (turns: number): Entry[] =>
  Array.from({ length: turns }, (_, at) => [user(`q${at + 1}`), reply(`a${at + 1}`)]).flat();

/** What is picked from a transcript, in short. */
function picked(transcript: Entry[], limits: Partial<HistoryLimits> = {}, group = false): string[] {
  const chosen = selectHistory([...transcript].reverse(), { ...NONE, ...limits }, group);
  return chosen.map(({ content }) => content);
}

/** Entries newest first, of which no more may be asked for than these. */
function* noMoreThan(entries: Entry[]): Generator<Entry> {
  yield* entries;
  throw new Error('read further than was needed');
}

describe('history', () => {
  test('is everything while nothing limits it, oldest first, with roles and times', () => {
    const transcript = [
      user('q1', { timestamp: 1 }),
      { ...reply('a1'), timestamp: 2 },
      user('q2', { timestamp: 3 }),
    ];
    expect(selectHistory([...transcript].reverse(), NONE, false)).toEqual([
      { role: 'user', content: 'q1', timestamp: 1 },
      { role: 'assistant', content: 'a1', timestamp: 2 },
      { role: 'user', content: 'q2', timestamp: 3 },
    ]);
    expect(selectHistory([], NONE, false)).toEqual([]);
  });

  test('holds what people and the agent said, nothing else', () => {
    const others: Entry[] = [
      { type: 'session', id: 's' },
      { type: 'turn', messageIds: ['m'], runId: 'r' },
      { type: 'turn_end', runId: 'r', status: 'failed', output: 'noise' },
      { type: 'command', text: '/new', reply: 'New session.' },
      { type: 'reset', reason: 'user' },
      { type: 'thinking', text: 'hm' },
      { type: 'tool_call', name: 'x' },
      { type: 'message', message: { role: 'system', content: 'obey' } },
      { type: 'message', message: null },
      { type: 'message' },
      {} as Entry,
    ];
    expect(picked([...others, ...talk(1), ...others])).toEqual(['q1', 'a1']);
  });

  test.each([undefined, null, 7, { text: 'x' }])(
    'passes over a message whose text is %j (written by another tool)',
    content => {
      const odd = [user('x'), reply('x')].map(
        entry => ({ ...entry, message: { ...entry.message, content } }) as Entry,
      );
      expect(picked([...odd, ...talk(1)])).toEqual(['q1', 'a1']);
    },
  );

  test('does not wake up an answer whose question is gone, nor a question that got no answer', () => {
    expect(picked([user('q1'), user('q2'), reply('a2')])).toEqual(['q1', 'q2', 'a2']);
  });
});

describe('at most so many turns', () => {
  test.each<[number, string[]]>([
    [0, []],
    [1, ['q3', 'a3']],
    [2, ['q2', 'a2', 'q3', 'a3']],
    [3, ['q1', 'a1', 'q2', 'a2', 'q3', 'a3']],
    [9, ['q1', 'a1', 'q2', 'a2', 'q3', 'a3']],
  ])('%i: the newest, each from its question on', (turns, kept) => {
    expect(picked(talk(3), { turns })).toEqual(kept);
  });

  test('each question counts, also one without an answer', () => {
    const transcript = [user('q1'), user('q2'), user('q3'), reply('a3')];
    expect(picked(transcript, { turns: 2 })).toEqual(['q2', 'q3', 'a3']);
  });

  test('group chatter that was not answered belongs to the turn behind it and does not count', () => {
    const chatter = (content: string) => user(content, { recorded: true });
    const transcript = [...talk(1), chatter('c1'), chatter('c2'), user('q2'), reply('a2')];
    expect(picked(transcript, { turns: 1 }).slice(-2)).toEqual(['q2', 'a2']);
    expect(picked(transcript, { turns: 2 })).toEqual(['q1', 'a1', 'c1', 'c2', 'q2', 'a2']);
  });
});

describe('at most so many messages', () => {
  test.each<[number, string[]]>([
    [0, []],
    [1, ['a3']],
    [2, ['q3', 'a3']],
    [3, ['a2', 'q3', 'a3']],
    [6, ['q1', 'a1', 'q2', 'a2', 'q3', 'a3']],
  ])('%i: the newest', (messages, kept) => {
    expect(picked(talk(3), { messages })).toEqual(kept);
  });

  test('group chatter counts', () => {
    expect(picked([user('c1', { recorded: true }), user('c2', { recorded: true })], { messages: 1 })).toEqual(
      ['c2'],
    );
  });
});

describe('group chatter', () => {
  const chatter = (content: string) => user(content, { recorded: true });
  const transcript = [...['a', 'b', 'c'].map(chatter), ...talk(1), ...['d', 'e', 'f'].map(chatter)];

  test.each<[number, string[]]>([
    [0, ['q1', 'a1']],
    [1, ['c', 'q1', 'a1', 'f']],
    [2, ['b', 'c', 'q1', 'a1', 'e', 'f']],
    [9, ['a', 'b', 'c', 'q1', 'a1', 'd', 'e', 'f']],
  ])('of which %i may stay: the newest before each answered message', (limit, kept) => {
    expect(picked(transcript, { chatter: limit })).toEqual(kept);
  });

  test('that is left out counts for no other limit', () => {
    expect(picked(transcript, { chatter: 1, messages: 4 })).toEqual(['c', 'q1', 'a1', 'f']);
  });

  test('is read through for what was answered before it, but not without end', () => {
    const crowd = (count: number) => Array.from({ length: count }, (_, at) => chatter(`c${at}`));
    expect(picked([...talk(1), ...crowd(1000)], { chatter: 1 })).toEqual(['q1', 'a1', 'c999']);
    const newestFirst = [...talk(1), ...crowd(5000)].reverse().slice(0, 2002);
    expect(selectHistory(noMoreThan(newestFirst), { ...NONE, chatter: 1 }, false)).toHaveLength(1);
  });
});

describe('at most so many tokens', () => {
  const text = (tokens: number, mark: string) => mark.padEnd(tokens * 4, '.');
  const transcript = [
    user(text(10, 'q1')),
    reply(text(10, 'a1')),
    user(text(10, 'q2')),
    reply(text(10, 'a2')),
  ];

  test.each([
    [0, 0],
    [9, 0],
    [10, 1],
    [19, 1],
    [20, 2],
    [39, 3],
    [40, 4],
    [1000, 4],
  ])('%i: the newest %i messages', (tokens, kept) => {
    expect(picked(transcript, { tokens })).toEqual(
      transcript.slice(4 - kept).map(entry => (entry as UserEntry).message.content),
    );
  });

  test('a large message ends it: nothing older comes behind a gap', () => {
    const before = [user('small'), reply(text(100, 'large')), user('q2'), reply('a2')];
    expect(picked(before, { tokens: 50 })).toEqual(['q2', 'a2']);
  });

  test.each([
    ['', 0],
    ['a', 1],
    ['abcd', 1],
    ['abcde', 2],
  ])('%j is about %i', (each, tokens) => {
    expect(estimateTokens(each)).toBe(tokens);
  });
});

describe('whatever the limits', () => {
  const anyEntry = fc.oneof(
    fc.string({ minLength: 1, maxLength: 30 }).map(text => user(text) as Entry),
    fc.string({ minLength: 1, maxLength: 30 }).map(text => user(text, { recorded: true }) as Entry),
    fc.string({ minLength: 1, maxLength: 30 }).map(text => reply(text) as Entry),
    fc.constant({ type: 'turn' } as Entry),
  );
  const anyLimits = fc.record({
    turns: fc.nat({ max: 6 }),
    messages: fc.nat({ max: 12 }),
    tokens: fc.nat({ max: 60 }),
  });

  test('what is picked is the end of the conversation, and within all of them', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 20 }), anyLimits, (transcript, limits) => {
        const all = picked(transcript);
        const kept = picked(transcript, limits);
        expect(kept).toEqual(all.slice(all.length - kept.length));
        expect(kept.length).toBeLessThanOrEqual(limits.messages);
        expect(kept.reduce((sum, content) => sum + estimateTokens(content), 0)).toBeLessThanOrEqual(
          limits.tokens,
        );
        const visible = transcript.filter(entry => entry.type === 'message') as UserEntry[];
        const questions = visible
          .slice(visible.length - kept.length)
          .filter(entry => entry.message.role === 'user' && !entry.recorded);
        expect(questions.length).toBeLessThanOrEqual(limits.turns);
      }),
    );
  });
});

describe('no more is read than is sent', () => {
  const newest = [...talk(3)].reverse();

  test('once there are enough messages', () => {
    expect(selectHistory(noMoreThan(newest.slice(0, 3)), { ...NONE, messages: 2 }, false)).toHaveLength(2);
  });

  test('once there are enough tokens', () => {
    expect(selectHistory(noMoreThan(newest.slice(0, 3)), { ...NONE, tokens: 4 }, false)).toHaveLength(2);
  });

  test('once there are enough turns: the look at one question more is allowed', () => {
    expect(
      selectHistory(noMoreThan(newest.slice(0, 6)), { ...NONE, turns: 2 }, false).slice(-4),
    ).toHaveLength(4);
  });

  test('and the source is closed, so that its file is', () => {
    let closed = false;
    const source = (function* () {
      try {
        yield* newest;
      } finally {
        closed = true;
      }
    })();
    selectHistory(source, { ...NONE, messages: 1 }, false);
    expect(closed).toBe(true);
  });
});

describe('in a group', () => {
  const named = (from: string | undefined, fromName: string | undefined) =>
    user('hello', { origin: originOf(message({ chatType: 'group', groupId: '1', from, fromName })) });

  test.each([
    ['4711', 'Anna', 'Anna: hello'],
    ['4711', undefined, '4711: hello'],
    [undefined, 'Anna', 'Anna: hello'],
    [undefined, undefined, 'hello'],
    ['4711', '', '4711: hello'],
  ])('%j called %j is shown as %j', (from, fromName, shown) => {
    expect(picked([named(from, fromName), reply('hi')], {}, true)).toEqual([shown, 'hi']);
  });

  test('the name counts as text; in a private chat there is none', () => {
    expect(picked([named('4711', 'A'.repeat(400))], { tokens: 50 }, true)).toEqual([]);
    expect(picked([named('4711', 'Anna')], {}, false)).toEqual(['hello']);
  });
});

describe('limits', () => {
  const limits = (
    config: ConfigInput,
    chat: Partial<{ channel: string; chatType: 'dm' | 'group' | 'channel' | 'thread' }> = {},
  ) => historyLimits(config, { channel: 'telegram', chatType: 'dm', agentId: 'main', ...chat });
  const session = (part: NonNullable<ConfigInput['session']>): ConfigInput => ({ session: part });

  test('where nothing is said: 50 turns, and the window but for 20,000 tokens', () => {
    expect(limits({})).toEqual({
      turns: 50,
      chatter: 50,
      messages: Number.POSITIVE_INFINITY,
      tokens: 180_000,
      room: 180_000,
    });
    expect(contextWindow({}, 'main')).toBe(200_000);
  });

  test.each<[ConfigInput, object, Partial<HistoryLimits>]>([
    [session({ dmHistoryLimit: 5 }), {}, { turns: 5 }],
    [session({ dmHistoryLimit: 0 }), {}, { turns: Number.POSITIVE_INFINITY }],
    [session({ dmHistoryLimit: 5, dmHistoryLimitByChannel: { telegram: 7 } }), {}, { turns: 7 }],
    [
      session({ dmHistoryLimit: 5, dmHistoryLimitByChannel: { telegram: 0 } }),
      {},
      { turns: Number.POSITIVE_INFINITY },
    ],
    [session({ dmHistoryLimit: 5, dmHistoryLimitByChannel: { discord: 7 } }), {}, { turns: 5 }],
    [session({ dmHistoryLimitByChannel: { telegram: 7 } }), { chatType: 'group' }, { turns: 50 }],
    [session({ maxMessages: 9 }), {}, { messages: 9 }],
    [session({ maxTokens: 1000 }), {}, { tokens: 1000 }],
    [session({ maxTokens: 1_000_000 }), {}, { tokens: 180_000, room: 180_000 }],
    [{ agents: { defaults: { contextTokens: 1001 } } }, {}, { tokens: 751 }],
    [
      { agents: { defaults: { contextTokens: 1000 }, list: [{ id: 'Main', contextTokens: 4000 }] } },
      {},
      { tokens: 3000 },
    ],
    [
      { agents: { defaults: { contextTokens: 1000 }, list: [{ id: 'other', contextTokens: 4000 }] } },
      {},
      { tokens: 750 },
    ],
  ])('%j %j: %j', (config, chat, wanted) => {
    expect(limits(config, chat)).toMatchObject(wanted);
  });
});

describe('the limit of a private chat', () => {
  const config = {
    channels: {
      telegram: {
        dmHistoryLimit: 20,
        dms: {
          '789': { historyLimit: 3 },
          'Ann@Example.com': { historyLimit: 4 },
          '5:thread:x': { historyLimit: 6 },
        },
        accounts: { work: { dmHistoryLimit: 9 } },
      },
    },
    session: { dmHistoryLimit: 7, dmHistoryLimitByChannel: { telegram: 8, sms: 0 } },
  } as ConfigInput;

  test.each<[string, object, number | undefined]>([
    ['agent:main:telegram:dm:789', {}, 3],
    ['agent:main:telegram:dm:789:thread:1', {}, 3],
    ['agent:main:telegram:dm:ann@example.com', {}, 4],
    ['agent:main:telegram:dm:5:thread:x', {}, 6],
    ['agent:main:telegram:dm:6', {}, 20],
    ['agent:main:telegram:work:dm:6', {}, 9],
    ['agent:main:telegram:work:dm:789', {}, 3],
    ['agent:main:dm:789', {}, undefined],
    ['agent:main:dm:anna', { channel: 'telegram', from: '789' }, 3],
    ['agent:main:main', { channel: 'telegram' }, 20],
    ['agent:main:main', { channel: 'telegram', from: '789' }, 3],
    ['agent:main:main', { channel: 'telegram', accountId: 'work' }, 9],
    ['agent:main:main', { channel: 'sms' }, 0],
    ['agent:main:main', { channel: 'constructor' }, undefined],
    ['agent:main:main', {}, undefined],
    ['agent:main:telegram:group:1', { channel: 'telegram' }, undefined],
    ['agent:main:cron:j', { channel: 'telegram' }, undefined],
  ])('%s %j: %j', (sessionKey, chat, limit) => {
    expect(dmHistoryLimit(config, { sessionKey, ...chat })).toBe(limit);
  });

  test.each<[object, Partial<HistoryLimits>]>([
    [{ channel: 'telegram', from: '789' }, { turns: 3 }],
    [{ channel: 'sms' }, { turns: Number.POSITIVE_INFINITY }],
    [{ channel: 'irc' }, { turns: 7 }],
    [{ channel: 'telegram', chatType: 'group', from: '789' }, { turns: 7 }],
    [
      { channel: 'telegram', chatType: 'thread', sessionKey: 'agent:main:telegram:dm:789:thread:1' },
      { turns: 3 },
    ],
    [
      { channel: 'telegram', chatType: 'thread', sessionKey: 'agent:main:telegram:group:789:topic:1' },
      { turns: 7 },
    ],
  ])('%j: %j', (chat, wanted) => {
    expect(historyLimits(config, { agentId: 'main', channel: 'sms', chatType: 'dm', ...chat })).toMatchObject(
      wanted,
    );
  });

  test('chatter: of the channel, else of all groups', () => {
    const groups = {
      messages: { groupChat: { historyLimit: 5 } },
      channels: { irc: { historyLimit: 0 } },
    } as ConfigInput;
    const chatter = (channel: string) =>
      historyLimits(groups, { agentId: 'main', channel, chatType: 'group' }).chatter;
    expect([chatter('irc'), chatter('sms')]).toEqual([0, 5]);
  });
});

describe('the window of an agent', () => {
  const config = {
    agents: {
      defaults: { runner: 'mine' },
      list: [
        { id: 'own', contextTokens: 1000 },
        { id: 'local', runner: 'ollama' },
      ],
    },
    runners: { mine: { command: 'x', contextTokens: 8000 }, small: { preset: 'ollama' as const } },
  };

  test.each([
    ['own', { value: 1000, source: 'agent' }],
    ['main', { value: 8000, source: 'runner' }],
    ['local', { value: 4096, source: 'preset' }],
  ])('%s: its own word, then that of its runner, of all agents, of the preset', (agentId, window) => {
    expect(contextWindowOf(config, agentId)).toEqual(window);
  });

  test('what is said for all agents goes before a preset, and 200,000 is nobody’s word', () => {
    const defaults = { runner: 'small', contextTokens: 32_000 };
    expect(contextWindowOf({ ...config, agents: { defaults } }, 'main')).toEqual({
      value: 32_000,
      source: 'agents.defaults',
    });
    expect(contextWindowOf({}, 'main')).toEqual({ value: 200_000, source: 'default' });
  });
});
