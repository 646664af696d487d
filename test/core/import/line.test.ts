import { describe, expect, it } from 'vitest';
import { LineMapper, timeOf } from '../../../src/core/import/line.ts';
import {
  type Entry,
  isAssistantEntry,
  isSpoken,
  isTurnEndEntry,
  isTurnEntry,
  isUserEntry,
} from '../../../src/core/session/transcript.ts';

const T = 1_767_225_600_000;
const origin = { channel: 'telegram', accountId: 'default', chatType: 'dm' } as const;

function mapAll(lines: object[]): { entries: Entry[]; mapper: LineMapper } {
  const mapper = new LineMapper({ system: 'clawdbot', sessionId: 's1', origin, timestamp: T });
  const entries = lines.flatMap((line, index) => mapper.map(line as Record<string, unknown>, index + 1));
  return { entries: [...entries, ...mapper.end()], mapper };
}

const said = (role: string, content: unknown, more: object = {}) => ({
  type: 'message',
  id: 'x',
  timestamp: new Date(T + 1000).toISOString(),
  message: { role, content, ...more },
});

/** Messages that some reader could take for one that waits for its answer. */
function unanswered(entries: Entry[]): string[] {
  const ended = new Set(entries.filter(isTurnEndEntry).map(end => end.runId));
  const covered = entries.filter(isTurnEntry).flatMap(turn => (ended.has(turn.runId) ? turn.messageIds : []));
  return entries
    .filter(isUserEntry)
    .filter(user => !covered.includes(user.id))
    .map(user => user.message.content);
}

describe('lines of an older transcript', () => {
  it('become a user entry, a turn, a reply and its end', () => {
    const { entries, mapper } = mapAll([
      said('user', [{ type: 'text', text: 'hello' }]),
      said('assistant', [{ type: 'text', text: 'hi' }], {
        model: 'opus',
        provider: 'anthropic',
        usage: { input: 10, output: 5, cacheRead: 100 },
      }),
    ]);
    expect(entries.map(entry => entry.type)).toEqual(['message', 'turn', 'message', 'turn_end']);
    expect(entries.filter(isUserEntry)).toHaveLength(1);
    expect(entries.filter(isAssistantEntry)[0]).toMatchObject({
      message: { content: 'hi' },
      model: 'anthropic/opus',
      timestamp: T + 1000,
    });
    expect(entries.filter(isTurnEndEntry)[0]).toMatchObject({
      status: 'replied',
      usage: { inputTokens: 110, outputTokens: 5, totalTokens: 115, contextTokens: 115 },
    });
    expect(mapper).toMatchObject({ lastUserAt: T + 1000, model: 'anthropic/opus' });
  });

  it.each<[string, object[], string]>([
    ['a message without an answer', [said('user', 'hello?')], 'stopped'],
    ['two messages, one answer', [said('user', 'a'), said('user', 'b'), said('assistant', 'c')], 'replied'],
    [
      'an agent that failed',
      [said('user', 'a'), said('assistant', [], { stopReason: 'error', errorMessage: 'overloaded' })],
      'failed',
    ],
    [
      'only a thought',
      [said('user', 'a'), said('assistant', [{ type: 'thinking', thinking: 'hm' }])],
      'stopped',
    ],
  ])('never look unanswered: %s', (_, lines, status) => {
    const { entries } = mapAll(lines);
    expect(unanswered(entries)).toEqual([]);
    expect(entries.filter(isTurnEndEntry).map(end => end.status)).toEqual([status]);
  });

  it('keep thoughts, calls and results apart from what was said', () => {
    const { entries, mapper } = mapAll([
      said('user', 'list'),
      said('assistant', [
        { type: 'thinking', thinking: 'use ls', thinkingSignature: 'sig' },
        { type: 'text', text: 'Looking.' },
        { type: 'toolCall', id: 't1', name: 'bash', arguments: { command: 'ls' } },
      ]),
      said('toolResult', [{ type: 'text', text: 'a.md' }], { toolCallId: 't1', toolName: 'bash' }),
      said('assistant', [{ type: 'text', text: 'a.md' }]),
    ]);
    expect(entries.filter(isSpoken).map(entry => entry.message.content)).toEqual([
      'list',
      'Looking.',
      'a.md',
    ]);
    expect(entries).toContainEqual(
      expect.objectContaining({ type: 'thinking', text: 'use ls', source: { thinkingSignature: 'sig' } }),
    );
    expect(entries).toContainEqual(
      expect.objectContaining({ type: 'tool_call', toolCallId: 't1', arguments: { command: 'ls' } }),
    );
    expect(entries).toContainEqual(
      expect.objectContaining({
        type: 'tool_result',
        toolCallId: 't1',
        content: [{ type: 'text', text: 'a.md' }],
      }),
    );
    expect(mapper.counts).toMatchObject({ messages: 3, thinking: 1, toolCalls: 1, toolResults: 1 });
  });

  it('keep a call that was made before the last words of its line before them', () => {
    const { entries } = mapAll([
      said('user', 'list'),
      said('assistant', [
        { type: 'toolCall', id: 't1', name: 'bash', arguments: {} },
        { type: 'text', text: 'a.md' },
      ]),
    ]);
    const types = entries.map(entry => entry.type);
    expect(types.indexOf('tool_call')).toBeLessThan(types.lastIndexOf('message'));
  });

  it.each<[string, object, object]>([
    [
      'a content that is a string',
      { type: 'message', timestamp: T, message: { role: 'user', content: 'a' } },
      { message: { role: 'user', content: 'a' } },
    ],
    ['no type', { role: 'user', content: 'a' }, { message: { role: 'user', content: 'a' } }],
    [
      'a type that is the role',
      { type: 'user', message: { role: 'user', content: 'a' } },
      { message: { role: 'user', content: 'a' } },
    ],
    [
      'an image alone',
      said('user', [{ type: 'image', data: 'AAAA', mimeType: 'image/png' }]),
      { message: { role: 'user', content: '[image image/png]' }, attachments: [{ type: 'image/png' }] },
    ],
  ])('are read in each form: %s', (_, line, expected) => {
    expect(mapAll([line]).entries[0]).toMatchObject(expected);
  });

  it('keeps the bytes of an image', () => {
    const part = { type: 'image', data: 'AAAA', mimeType: 'image/png' };
    expect(mapAll([said('user', [part])]).entries).toContainEqual(
      expect.objectContaining({ type: 'imported_part', part }),
    );
  });

  it.each<[string, object, object]>([
    [
      'a compaction of pi',
      { type: 'compaction', timestamp: T, summary: 's', firstKeptEntryId: 'e', tokensBefore: 9 },
      { type: 'compact', reason: 'imported', summary: 's', firstKeptEntryId: 'e', tokensBefore: 9 },
    ],
    [
      'a compaction of the wiki',
      { type: 'compact', timestamp: T, reason: 'overflow', turns_removed: 5 },
      { type: 'compact', reason: 'overflow', turns_removed: 5 },
    ],
    [
      'a type nobody knows',
      { type: 'model_change', timestamp: 'x', modelId: 'm' },
      { type: 'model_change', timestamp: 'x', modelId: 'm' },
    ],
    [
      'a custom entry',
      { type: 'custom', customType: 'a:b', data: 1 },
      { type: 'custom', customType: 'a:b', data: 1 },
    ],
    ['no type at all', { a: 1 }, { type: 'imported_line', line: { a: 1 } }],
    [
      'what only looks like a turn',
      { type: 'turn_end', runId: 'r', status: 'replied', timestamp: T },
      { type: 'imported_line', line: { type: 'turn_end', runId: 'r', status: 'replied', timestamp: T } },
    ],
    [
      'a message without a message',
      { type: 'message', timestamp: T },
      { type: 'imported_line', line: { type: 'message', timestamp: T } },
    ],
    [
      'a role nobody knows',
      said('bashExecution', 'ls'),
      { type: 'imported_message', line: said('bashExecution', 'ls') },
    ],
    [
      'a header',
      { type: 'session', id: 'i', cwd: '/x' },
      { type: 'imported_header', line: { type: 'session', id: 'i', cwd: '/x' } },
    ],
  ])('keeps %s', (_, line, expected) => {
    expect(mapAll([line]).entries).toEqual([expect.objectContaining(expected)]);
  });

  it('counts as a user only who is one', () => {
    const beat = said('user', 'Read HEARTBEAT.md if it exists and follow it.');
    expect(mapAll([beat, said('assistant', 'HEARTBEAT_OK')]).mapper.lastUserAt).toBeUndefined();
  });

  it.each<[unknown, number | undefined]>([
    ['2026-01-01T00:00:00.000Z', T],
    [T, T],
    [T / 1000, T],
    [String(T), T],
    ['yesterday', undefined],
    [-5, undefined],
    [Number.NaN, undefined],
    [null, undefined],
  ])('reads the time %j', (value, expected) => {
    expect(timeOf(value)).toBe(expected);
  });
});
