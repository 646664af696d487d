import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventOf } from '../../../src/core/session/log-line.ts';
import type { Entry } from '../../../src/core/session/transcript.ts';

const timestamp = 1_795_273_703_383;
const origin = { channel: 'telegram', accountId: 'default', chatType: 'group', from: '5', groupId: '-100' };

describe('a transcript line in words', () => {
  test.each<[Entry, string, string, boolean]>([
    [
      {
        type: 'session',
        version: 1,
        id: 's2',
        sessionKey: 'agent:main:main',
        agentId: 'main',
        timestamp,
        previousSessionId: 's1',
        reset: { reason: 'idle', at: 1, previousSessionId: 's1' },
      },
      'begin',
      'agent:main:main as s2, before: s1, reset: idle',
      false,
    ],
    [
      {
        type: 'message',
        timestamp,
        id: 'm',
        message: { role: 'user', content: 'hi' },
        origin: { ...origin, fromName: 'Alice', groupName: 'Family' },
        via: 'stdout',
      },
      'in',
      'Alice (telegram, group Family): hi',
      false,
    ],
    [
      {
        type: 'message',
        timestamp,
        id: 'm',
        message: { role: 'user', content: 'hi' },
        origin,
        via: 'none',
        recorded: true,
      },
      'kept',
      '5 (telegram, group -100): hi',
      false,
    ],
    [
      { type: 'message', timestamp, runId: 'r', message: { role: 'assistant', content: 'yes' } },
      'out',
      'yes',
      false,
    ],
    [
      {
        type: 'turn',
        timestamp,
        runId: 'r',
        attempt: 2,
        messageIds: ['a', 'b'],
        runner: 'claude',
        model: 'opus',
        isNewSession: false,
        reset: null,
        notices: [],
      },
      'turn',
      'run r, runner claude (opus), attempt 2, 2 messages',
      false,
    ],
    [
      {
        type: 'turn_end',
        timestamp,
        runId: 'r',
        status: 'replied',
        usage: { inputTokens: 10, outputTokens: 2, totalTokens: 12 },
        durationMs: 1234,
      },
      'end',
      'replied, 1.2 s, 10 + 2 tokens',
      false,
    ],
    [
      {
        type: 'turn_end',
        timestamp,
        runId: 'r',
        status: 'failed',
        usage: null,
        durationMs: 50,
        error: { code: 'exit', message: 'it ended with 1' },
      },
      'end',
      'failed, 0.1 s\nexit: it ended with 1',
      true,
    ],
    [
      {
        type: 'command',
        timestamp,
        id: 'm',
        runId: 'r',
        text: '/new',
        reply: 'New session.',
        origin: { channel: 'cli' },
        via: 'stdout',
        isNewSession: true,
        reset: { reason: 'user', at: 1, previousSessionId: 's1' },
        notices: [],
      },
      'command',
      'you: /new (reset: user)\n→ New session.',
      false,
    ],
    [
      { type: 'reset', timestamp, reason: 'daily', nextSessionId: 's3' },
      'reset',
      'daily; goes on as s3',
      false,
    ],
    [
      { type: 'tool_call', timestamp, name: 'bash', arguments: { command: 'ls' } },
      'tool',
      'bash {"arguments":{"command":"ls"}}',
      false,
    ],
    [{ type: 'compaction', timestamp, summary: 'short' }, 'entry', 'compaction {"summary":"short"}', false],
  ])('%j', (entry, what, text, failed) => {
    expect(eventOf(entry)).toEqual({ at: timestamp, what, text, failed });
  });

  test('tells as it stands what cannot become a text', () => {
    const entry = JSON.parse('{"type":"session","id":{"toString":1}}');
    expect(eventOf(entry)).toEqual({
      at: null,
      failed: false,
      what: 'entry',
      text: '"session" {"id":{"toString":1}}',
    });
  });

  test('never fails, whatever another tool wrote', () => {
    const types = fc.constantFrom(
      'session',
      'message',
      'turn',
      'turn_end',
      'command',
      'reset',
      'tool_call',
      'x',
    );
    const fields = fc.constantFrom(
      ...[
        'timestamp',
        'id',
        'runId',
        'runner',
        'messageIds',
        'message',
        'origin',
        'attachments',
        'reset',
        'name',
      ],
      ...[
        'status',
        'usage',
        'durationMs',
        'error',
        'text',
        'reply',
        'reason',
        'nextSessionId',
        'sessionKey',
        'other',
      ],
    );
    fc.assert(
      fc.property(types, fc.dictionary(fields, fc.jsonValue()), (type, rest) => {
        expect(typeof eventOf({ ...rest, type } as Entry).text).toBe('string');
      }),
    );
  });
});
