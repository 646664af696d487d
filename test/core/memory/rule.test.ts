import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { mayQuoteNotes, memoryAccess, memorySettings } from '../../../src/core/memory/rule.ts';

test.each<[string, Pick<ConfigInput, 'agents' | 'memory'>, { enabled: boolean; retrieveCount: number }]>([
  ['on, five notes, where nothing is said', {}, { enabled: true, retrieveCount: 5 }],
  ['of all agents', { memory: { enabled: false, retrieveCount: 2 } }, { enabled: false, retrieveCount: 2 }],
  [
    'of agents before that, field by field',
    { memory: { enabled: false, retrieveCount: 2 }, agents: { defaults: { memory: { enabled: true } } } },
    { enabled: true, retrieveCount: 2 },
  ],
  [
    'of the agent before both',
    {
      agents: {
        defaults: { memory: { retrieveCount: 3 } },
        list: [{ id: 'Main', memory: { retrieveCount: 0 } }],
      },
    },
    { enabled: true, retrieveCount: 0 },
  ],
])('the settings %s', (_, config, settings) => {
  expect(memorySettings(config, 'main')).toEqual(settings);
});

describe('Z11 openclaw#85240: who hears of notes', () => {
  test.each([
    ['agent:main:main', 'dm', true],
    ['agent:main:global', 'group', false],
    ['agent:main:telegram:group:1', 'group', false],
    ['agent:main:dm:bob', 'dm', false],
    ['agent:main:main:thread:7', 'dm', false],
    ['agent:main:cron:daily', 'dm', false],
    ['agent:main:subagent:1', 'dm', false],
  ] as const)('with a turn in %s (%s): %s', (sessionKey, chatType, hears) => {
    expect(mayQuoteNotes({ sessionKey, origin: { chatType } })).toBe(hears);
  });

  test.each([
    ['agent:main:main', {}, 'all'],
    ['agent:main:global', { scope: 'global' }, 'none'],
    ['agent:main:cron:daily', {}, 'not-private'],
    ['agent:main:dm:bob', {}, 'none'],
    ['agent:main:telegram:group:1', {}, 'none'],
    ['', {}, 'none'],
  ] as const)('who asks from %s: %s %s', (key, session, access) => {
    expect(memoryAccess({ agentId: 'main', key }, 'main', session)).toBe(access);
    expect(memoryAccess({ agentId: 'other', key }, 'main', session)).toBe('none');
  });

  test('a person at his terminal hears all', () => {
    expect(memoryAccess(null, 'main', {})).toBe('all');
  });
});
