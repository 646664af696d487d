import { describe, expect, it } from 'vitest';
import { readEntry } from '../../../src/core/import/entry.ts';

describe('an entry of an older store', () => {
  it.each<[string, Record<string, unknown>, object]>([
    [
      'model and provider',
      { sessionId: 's', modelOverride: 'opus', providerOverride: 'anthropic' },
      { model: 'anthropic/opus' },
    ],
    ['the model that ran is no setting', { sessionId: 's', model: 'opus' }, {}],
    [
      'in the wiki layout it is',
      { model: 'anthropic/opus', elevated: false },
      { model: 'anthropic/opus', elevated: 'off' },
    ],
    [
      'levels',
      {
        sessionId: 's',
        thinkingLevel: 'HIGH',
        verboseLevel: 'full',
        reasoningLevel: 'stream',
        elevatedLevel: 'ask',
      },
      { thinkingLevel: 'high', verboseLevel: 'on', reasoningLevel: 'stream', elevated: 'ask' },
    ],
    ['sending', { sessionId: 's', sendPolicy: 'deny' }, { sendPolicy: 'deny' }],
    ['the other send policy', { sessionId: 's', sendPolicy: 'announce' }, { replyPolicy: 'announce' }],
    [
      'queue',
      { sessionId: 's', queueMode: 'followup', queueDebounceMs: 500, queueCap: 3, queueDrop: 'old' },
      { queueMode: 'followup', queueDebounceMs: 500, queueCap: 3, queueDrop: 'old' },
    ],
    [
      'activation and name',
      { sessionId: 's', groupActivation: 'always', displayName: 'Family' },
      { groupActivation: 'always', label: 'Family' },
    ],
  ])('gives settings: %s', (_, value, settings) => {
    expect(readEntry(value).settings).toEqual(settings);
  });

  it('names settings that have no counterpart', () => {
    const { settings, leftOut } = readEntry({ sessionId: 's', queueMode: 'steer', execHost: 'node' });
    expect({ settings, leftOut }).toEqual({
      settings: {},
      leftOut: ['queueMode "steer"', 'execHost "node"'],
    });
  });

  it('reads tokens: their total is the context, their context is the window', () => {
    const { tokens } = readEntry({
      sessionId: 's',
      inputTokens: 9,
      outputTokens: 1,
      totalTokens: 154_000,
      contextTokens: 200_000,
    });
    expect(tokens).toEqual({ inputTokens: 9, outputTokens: 1, totalTokens: 154_000, contextTokens: 154_000 });
  });

  it('names a setting without a counterpart, however deeply its value is nested', () => {
    const execHost = JSON.parse('['.repeat(20_000) + ']'.repeat(20_000));
    expect(readEntry({ sessionId: 's', execHost, execAsk: 'always' }).leftOut).toEqual([
      'execHost a list',
      'execAsk "always"',
    ]);
  });

  it('believes no folder of a transcript', () => {
    expect(readEntry({ sessionFile: '/etc/../x/abc.jsonl' }).fileName).toBe('abc.jsonl');
  });

  it.each<[Record<string, unknown>, object]>([
    [
      { lastChannel: 'telegram', lastTo: 'telegram:1', lastAccountId: 'Bot 1' },
      { channel: 'telegram', to: 'telegram:1', accountId: 'bot-1' },
    ],
    [
      { lastProvider: 'whatsapp', lastTo: '+1' },
      { channel: 'whatsapp', to: '+1' },
    ],
    [
      { deliveryContext: { channel: 'slack', to: 'C1', threadId: 7 } },
      { channel: 'slack', to: 'C1', threadId: '7' },
    ],
  ])('reads the last route of %j', (value, route) => {
    expect(readEntry(value).route).toEqual(route);
  });
});
