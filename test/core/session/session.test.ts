import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { originOf } from '../../../src/core/incoming.ts';
import { reduceRecord, type SessionRecord } from '../../../src/core/session/session.ts';
import type {
  AssistantEntry,
  CommandEntry,
  Entry,
  TurnEndEntry,
  UserEntry,
} from '../../../src/core/session/transcript.ts';
import { HOUR, message, NOON, record } from '../turn-facts.ts';

const LATER = NOON + 5 * 60_000;
const untoldReset = { reason: 'daily' as const, at: NOON - HOUR, previousSessionId: 'before' };

const user = (more: Partial<UserEntry> = {}): UserEntry => ({
  type: 'message',
  timestamp: LATER,
  id: 'm1',
  message: { role: 'user', content: 'hello' },
  origin: originOf(message({ channel: 'discord', from: 'bob', threadId: '7' })),
  via: 'stdout',
  ...more,
});
const assistant = (more: Partial<AssistantEntry> = {}): AssistantEntry => ({
  type: 'message',
  timestamp: LATER,
  runId: 'r1',
  message: { role: 'assistant', content: 'hi' },
  ...more,
});
const turnEnd = (more: Partial<TurnEndEntry> = {}): TurnEndEntry => ({
  type: 'turn_end',
  timestamp: LATER,
  runId: 'r1',
  status: 'replied',
  usage: null,
  durationMs: 1,
  ...more,
});
const command = (more: Partial<CommandEntry> = {}): CommandEntry => ({
  type: 'command',
  timestamp: LATER,
  runId: 'r1',
  id: 'm1',
  text: '/new',
  origin: originOf(message({ channel: 'discord' })),
  via: 'stdout',
  reply: 'New session.',
  isNewSession: false,
  reset: null,
  notices: [],
  ...more,
});

/** What one line changes in a record. */
function changes(entry: Entry, before: SessionRecord = record()): Record<string, unknown> {
  const after = reduceRecord(before, entry, 1234) as unknown as Record<string, unknown>;
  const old = before as unknown as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(old), ...Object.keys(after)])];
  return Object.fromEntries(keys.filter(key => old[key] !== after[key]).map(key => [key, after[key]]));
}

describe('one more line in a record', () => {
  const heard = { bytes: 1234, messageCount: 7, updatedAt: LATER };

  test.each<[string, Entry, object]>([
    ['a message of a user', user(), { ...heard, lastUserAt: LATER, lastRoute: user().origin }],
    ['a message kept as context', user({ recorded: true }), heard],
    ['an answer', assistant(), heard],
    ['an answer of a model', assistant({ model: 'a/b' }), { ...heard, model: 'a/b' }],
    ['a command', command(), { bytes: 1234, updatedAt: LATER }],
    ['an end without a count', turnEnd(), { bytes: 1234 }],
    [
      'a header',
      { type: 'session', id: 'x', timestamp: LATER },
      { bytes: 1234, context: { tokens: 0, turns: 0, compactions: 0 } },
    ],
    ['a start', { type: 'turn', runId: 'r1', messageIds: ['m1'], timestamp: LATER }, { bytes: 1234 }],
    ['a reset', { type: 'reset', timestamp: LATER, reason: 'user', nextSessionId: 'x' }, { bytes: 1234 }],
    ['a type of a later claw', { type: 'compact', timestamp: LATER, reason: 'full' }, { bytes: 1234 }],
    [
      'a message of a role it does not know',
      { type: 'message', timestamp: LATER, message: { role: 'system', content: 'x' } },
      { bytes: 1234 },
    ],
    ['a message without anything', { type: 'message', message: null }, { bytes: 1234 }],
    ['a line without a type', {} as Entry, { bytes: 1234 }],
  ])('%s', (_, entry, changed) => {
    expect(changes(entry)).toEqual(changed);
  });

  test('does not touch the record it is given', () => {
    const before = record({ untoldReset, tokens: { inputTokens: 1, outputTokens: 1, totalTokens: 2 } });
    const copy = structuredClone(before);
    for (const entry of [
      user(),
      assistant(),
      command(),
      turnEnd({ usage: { inputTokens: 5, outputTokens: 5, totalTokens: 10 } }),
    ])
      reduceRecord(before, entry, 9);
    expect(before).toEqual(copy);
  });

  test('the first message of a user begins to count for freshness', () => {
    const { lastUserAt: _, ...fresh } = record();
    expect(reduceRecord(fresh, user(), 1).lastUserAt).toBe(LATER);
  });

  test('group chatter and commands keep no session alive', () => {
    for (const entry of [user({ recorded: true }), command(), assistant(), turnEnd()]) {
      expect(reduceRecord(record(), entry, 1).lastUserAt).toBe(record().lastUserAt);
      expect(reduceRecord(record(), entry, 1).lastRoute).toBeUndefined();
    }
  });

  test('what an agent wrote is no message of a real user: it moves neither freshness nor the way back', () => {
    expect(changes(user({ hops: 1 }))).toEqual(heard);
  });

  test.each<[string, Parameters<typeof message>[0], object]>([
    ['the same group and person', {}, { groupName: 'Family', fromName: 'Ada' }],
    ['another person of the group', { from: '2' }, { groupName: 'Family', fromName: undefined }],
    ['another group', { groupId: '-2' }, { groupName: undefined, fromName: 'Ada' }],
    ['another channel', { channel: 'discord' }, { groupName: undefined, fromName: undefined }],
    ['a new name', { groupName: 'Home' }, { groupName: 'Home', fromName: 'Ada' }],
  ])('names that a message leaves out: %s', (_, more, names) => {
    const group = { channel: 'telegram', chatType: 'group', groupId: '-1', from: '1' } as const;
    const before = user({ origin: originOf(message({ ...group, groupName: 'Family', fromName: 'Ada' })) });
    const after = user({ origin: originOf(message({ ...group, ...more })) });
    const { lastRoute } = reduceRecord(reduceRecord(record(), before, 1), after, 2);
    expect({ groupName: lastRoute?.groupName, fromName: lastRoute?.fromName }).toEqual(names);
  });

  test('a clock set back takes nothing back', () => {
    for (const entry of [user({ timestamp: 5 }), assistant({ timestamp: 5 }), command({ timestamp: 5 })]) {
      expect(reduceRecord(record(), entry, 1)).toMatchObject({
        updatedAt: record().updatedAt,
        lastUserAt: record().lastUserAt,
      });
    }
  });

  test.each([undefined, null, '2026-03-10T12:00:00Z', 'yesterday'])(
    'a line with the timestamp %j (written by another tool) leaves the record readable',
    timestamp => {
      for (const entry of [user(), user({ recorded: true }), assistant(), command()]) {
        const next = reduceRecord(record(), { ...entry, timestamp } as Entry, 1234);
        const stored = JSON.parse(JSON.stringify(next)) as SessionRecord;
        expect([stored.updatedAt, stored.lastUserAt, stored.bytes]).toEqual([
          expect.any(Number),
          expect.any(Number),
          1234,
        ]);
      }
    },
  );
});

describe('a reset that the user has not heard of', () => {
  test.each<[string, Entry, boolean]>([
    ['an answer was given', turnEnd(), true],
    ['the agent chose to be silent', turnEnd({ status: 'silent' }), true],
    ['a command was answered', command(), true],
    ['the agent failed', turnEnd({ status: 'failed' }), false],
    ['the turn was interrupted', turnEnd({ status: 'interrupted' }), false],
    ['the turn was stopped', turnEnd({ status: 'stopped' }), false],
    ['a message came', user(), false],
    ['a message was kept as context', user({ recorded: true }), false],
    ['an answer stands there, its turn not ended', assistant(), false],
  ])('%s', (_, entry, told) => {
    expect(reduceRecord(record({ untoldReset }), entry, 1).untoldReset).toEqual(
      told ? undefined : untoldReset,
    );
  });
});

describe('a resumed transcript', () => {
  const resumed = (more: object = {}) => ({ type: 'resumed', timestamp: LATER, ...more });

  test('counts as a message of the user, and the next answer tells of it', () => {
    const next = reduceRecord(record(), resumed({ previousSessionId: 'other' }), 90);
    expect(next).toMatchObject({ lastUserAt: LATER, updatedAt: LATER, bytes: 90 });
    expect(next.untoldReset).toEqual({ reason: 'resume', at: LATER, previousSessionId: 'other' });
    expect(next.previousSessionId).toBe('other');
    expect(next.messageCount).toBe(record().messageCount);
  });

  test('that put nothing away has nothing to tell; an untold reset is undone by it', () => {
    expect(reduceRecord(record({ untoldReset }), resumed(), 90).untoldReset).toBeUndefined();
  });

  test('is believed only with a previous id that can be a file name', () => {
    const next = reduceRecord(record({ lastUserAt: 1 }), resumed({ previousSessionId: '../x' }), 90);
    expect(next).toMatchObject({ lastUserAt: 1, bytes: 90 });
  });
});

describe('tokens', () => {
  const usage = { inputTokens: 100, outputTokens: 10, totalTokens: 120 };

  test('are summed over the turns, also those that failed; the context is that of the newest', () => {
    let next = reduceRecord(record(), turnEnd({ usage: { ...usage, contextTokens: 105 } }), 1);
    expect(next.tokens).toEqual({ ...usage, contextTokens: 105 });
    next = reduceRecord(
      next,
      turnEnd({ status: 'failed', usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 } }),
      2,
    );
    expect(next.tokens).toEqual({ inputTokens: 101, outputTokens: 12, totalTokens: 123, contextTokens: 3 });
    next = reduceRecord(next, turnEnd(), 3);
    expect(next.tokens).toEqual({ inputTokens: 101, outputTokens: 12, totalTokens: 123, contextTokens: 3 });
  });

  test('once estimated, a sum stays an estimate', () => {
    let next = reduceRecord(record(), turnEnd({ usage: { ...usage, estimated: true } }), 1);
    expect(next.tokens).toMatchObject({ estimated: true });
    next = reduceRecord(next, turnEnd({ usage }), 2);
    expect(next.tokens).toMatchObject({ totalTokens: 240, estimated: true });
    expect(reduceRecord(record(), turnEnd({ usage }), 1).tokens).not.toHaveProperty('estimated');
  });
});

describe('a redo after a crash', () => {
  const anyEntry = fc.oneof(
    fc
      .record({ timestamp: fc.integer({ min: NOON - HOUR, max: NOON + HOUR }), recorded: fc.boolean() })
      .map(
        ({ timestamp, recorded }) =>
          user({ timestamp, ...(recorded ? { recorded: true as const } : {}) }) as Entry,
      ),
    fc
      .integer({ min: NOON - HOUR, max: NOON + HOUR })
      .map(timestamp => assistant({ timestamp, model: 'a/b' }) as Entry),
    fc
      .constantFrom('replied' as const, 'silent' as const, 'failed' as const)
      .map(
        status => turnEnd({ status, usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 } }) as Entry,
      ),
    fc.constant(command() as Entry),
    fc.constant({ type: 'later' } as Entry),
  );

  test('from any line on gives the record that the running turn had', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 20 }), fc.nat(), (entries, choice) => {
        const reduce = (from: SessionRecord, part: Entry[], offset: number) =>
          part.reduce((next, entry, at) => reduceRecord(next, entry, 100 * (offset + at + 1)), from);
        const cut = choice % (entries.length + 1);
        const start = record({ untoldReset });
        const whole = reduce(start, entries, 0);
        // What was saved in between went through a file.
        const saved = JSON.parse(JSON.stringify(reduce(start, entries.slice(0, cut), 0))) as SessionRecord;
        expect(JSON.parse(JSON.stringify(reduce(saved, entries.slice(cut), cut)))).toEqual(
          JSON.parse(JSON.stringify(whole)),
        );
      }),
    );
  });
});

test('a count that is no number counts as none', () => {
  const tokens = { inputTokens: 100, outputTokens: 10, totalTokens: 110, contextTokens: 800 };
  const odd = { inputTokens: 'a', outputTokens: null, contextTokens: {} };
  const lines: Entry[] = [
    { ...turnEnd(), usage: odd },
    { type: 'memory_flush', timestamp: LATER, result: 'saved', usage: {} },
  ];
  const after = lines.reduce((next, line) => reduceRecord(next, line, 1), record({ tokens }));
  expect(after.tokens).toEqual({ ...tokens, contextTokens: 0 });
});

describe('a session that the program keeps', () => {
  const place = { runner: 'agent', workspace: '/w' };
  const context = { tokens: 900, turns: 3, compactions: 0, reported: { tokens: 800, at: 850 } };
  const flush = { at: NOON, result: 'saved' as const, tokens: 700, threshold: 600, compactions: 0 };
  const usage = { inputTokens: 40, outputTokens: 2, totalTokens: 42, contextTokens: 42 };
  const tokens = { inputTokens: 100, outputTokens: 10, totalTokens: 110, contextTokens: 800 };
  const before = record({ context: { ...context, flush }, tokens });

  test('is as full as it was after a run beside it; what that used is in the sums', () => {
    const after = reduceRecord(before, turnEnd({ usage, native: { how: 'aside', ...place } }), 1);
    expect(after.context).toEqual(before.context);
    expect(after.tokens).toEqual({
      inputTokens: 140,
      outputTokens: 12,
      totalTokens: 152,
      contextTokens: 800,
    });
  });

  const counted = { inputTokens: 60, outputTokens: 6 };
  const known = { id: 'n1', ...place, counted: { inputTokens: 50, outputTokens: 5 } };
  const flushed = (more: object) =>
    reduceRecord(
      { ...before, native: known },
      {
        type: 'memory_flush',
        timestamp: LATER,
        result: 'failed',
        tokens: 900,
        threshold: 600,
        usage,
        native: { how: 'resumed', ...place, ...more },
      },
      1,
    ).native;

  test('has counted what a saving of memory took whose note could not be written; one that failed is a failure', () => {
    expect(flushed({ id: 'n1', counted })).toEqual({ ...known, counted });
    expect(flushed({})).toEqual({ ...known, failures: 1 });
  });

  test('has the size that the program names after it compacted, which is no estimate', () => {
    const line = { type: 'compact', timestamp: LATER, byProgram: true, turns_removed: 0, tokensAfter: 90 };
    expect(reduceRecord(before, line, 1).tokens).toEqual({ ...tokens, contextTokens: 90 });
  });
});
