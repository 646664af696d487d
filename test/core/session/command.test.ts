import { describe, expect, test } from 'vitest';
import {
  type Answer,
  answerTo,
  chatMenu,
  needsSituation,
  refusal,
  type Situation,
} from '../../../src/core/session/command.ts';
import { DIRECTIVES, parseDirectives } from '../../../src/core/session/directive.ts';
import type { ResetReport } from '../../../src/core/session/reset.ts';
import { resolveSettings, type SettingValues } from '../../../src/core/session/settings.ts';
import type { KnownModels } from '../../../src/core/session/trigger.ts';
import { situation } from './situation.ts';

const MODELS: KnownModels = {
  aliases: { opus: 'anthropic/opus' },
  models: ['anthropic/opus', 'openai/mini'],
};
const CONFIG = { agents: { defaults: { model: 'openai/mini' } }, session: {} };

/** What a message is answered with in a session with these settings of its own. */
function answer(text: string, facts: Partial<Situation> = {}, own: SettingValues = {}): Answer {
  const told = situation({
    models: MODELS,
    settings: resolveSettings(CONFIG, 'main', own),
    fallback: resolveSettings(CONFIG, 'main', {}),
    ...facts,
  });
  const { chatType, owner, models, disabled } = told;
  const parsed = parseDirectives(text, { chatType, owner, models, disabled });
  expect(parsed.alone).toBe(true);
  return answerTo(parsed, told);
}

const RESET: ResetReport = {
  type: 'dm',
  policy: { mode: 'daily', atHour: 4, idleMinutes: null, tz: 'UTC' },
  fresh: true,
  reason: null,
  dailyResetAt: '2026-01-15T04:00:00.000Z',
  idleExpiresAt: null,
};

describe('a setting that was given', () => {
  test.each<[string, string, object]>([
    ['/think high', 'Thinking level: high.', { thinkingLevel: 'high' }],
    ['/v 1', 'Verbose: on.', { verboseLevel: 'on' }],
    ['/send off', 'Sending: off.', { sendPolicy: 'deny' }],
    ['/model opus', 'Model: anthropic/opus.', { model: 'anthropic/opus' }],
    [
      '/model gemma',
      'Model: gemma (not in the configuration; the runner is given it as it is).',
      { model: 'gemma' },
    ],
    ['/model default', 'Model: back to the default, openai/mini (config).', { model: null }],
    ['/think default', 'Thinking level: back to the default, not set.', { thinkingLevel: null }],
    [
      '/queue collect debounce:1500 cap:5',
      'Queue mode: collect.\nQueue debounce: 1.5s.\nQueue cap: 5.',
      { queueMode: 'collect', queueDebounceMs: 1500, queueCap: 5 },
    ],
    [
      '/think high /v on',
      'Thinking level: high.\nVerbose: on.',
      { thinkingLevel: 'high', verboseLevel: 'on' },
    ],
  ])('%s is acknowledged and kept', (text, reply, change) => {
    expect(answer(text)).toEqual({ reply, change });
  });

  test('when a group is answered is no setting of a private chat', () => {
    expect(answer('/activation always')).toEqual({
      reply: 'Activation applies to groups only; nothing was changed.',
      change: null,
    });
    expect(answer('/activation')).toEqual({
      reply: 'Activation applies to groups only; nothing was changed.',
      change: null,
    });
    expect(answer('/activation always', { chatType: 'group' })).toEqual({
      reply: 'Activation: always.',
      change: { groupActivation: 'always' },
    });
    expect(answer('/activation always /think low')).toMatchObject({ change: { thinkingLevel: 'low' } });
  });
});

describe('a question changes nothing', () => {
  test.each<[string, string]>([
    ['/think', 'Thinking level: low (session)\nLevels: off, minimal, low, medium, high, xhigh; or default'],
    [
      '/think huge',
      '"huge" is no value of /think.\nThinking level: low (session)\nLevels: off, minimal, low, medium, high, xhigh; or default',
    ],
    ['/reasoning', 'Reasoning: not set\nLevels: on, off, stream; or default'],
    [
      '/model',
      'Model: openai/mini (config)\n/opus: anthropic/opus\nopenai/mini\nUsage: /model <model>, or /model default',
    ],
    ['/send', 'Sending: on (default)\nUsage: /send on|off|inherit'],
    [
      '/queue',
      'Queue: collect (built in), 2 waiting\ndebounce 0s (built in)\ncap 20 (built in)\ndrop summarize (built in)\nUsage: /queue collect|followup|interrupt|reset [debounce:2s] [cap:N] [drop:old|new|summarize]',
    ],
    ['/queue cap:0', '"cap:0" is no value of /queue.'],
  ])('%s', (text, reply) => {
    const { reply: actual, change } = answer(text, { waiting: 2 }, { thinkingLevel: 'low' });
    expect(actual.slice(0, reply.length)).toBe(reply);
    expect(change).toBeNull();
  });

  test('an answer says the session’s own choice of sending', () => {
    const facts = { send: { decision: 'deny' as const, rule: 'session' } };
    expect(answer('/send', facts, { sendPolicy: 'deny' }).reply).toMatch(
      /^Sending: off \(session\), set to off here\n/,
    );
  });
});

describe('a refusal', () => {
  test('names what was refused, and who the operator could name an owner', () => {
    expect(answer('/model opus /think low', { owner: false, channel: 'telegram', from: '111' })).toEqual({
      reply: 'Only an owner can use /model, /think (the operator can name telegram:111 one).',
      change: null,
    });
    expect(answer('/compact', { owner: false })).toEqual({
      reply: 'Only an owner can use /compact.',
      change: null,
    });
    expect(refusal([], situation())).toBe('');
  });

  test('shows an id on one line, whatever it holds', () => {
    const { reply } = answer('/model opus', { owner: false, channel: 'x', from: 'a\nb' });
    expect(reply.split('\n')).toHaveLength(1);
  });
});

describe('/status', () => {
  test('of a session that is not there yet', () => {
    expect(answer('/status', { sessionId: null }).reply.split('\n')).toEqual([
      'claw 1.2.3, agent main, runner recall',
      'Session: agent:main:main, not begun yet',
      'Model: openai/mini (config)',
      'Tokens: 0.0k/200k (0%)',
      'Messages: 0, compactions: 0',
      'Settings: none set',
      'Reset: no session yet',
      'Queue: collect (built in), 0 waiting',
      'Sending: on (default)',
      'Surface: cli',
    ]);
  });

  test('of a used one', () => {
    const tokens = {
      inputTokens: 1,
      outputTokens: 2,
      totalTokens: 900_000,
      contextTokens: 154_000,
      estimated: true,
    };
    const runningSince = situation().now - 12_000;
    const facts = { tokens, messageCount: 24, reset: RESET, surface: 'Telegram', waiting: 3, runningSince };
    expect(
      answer('/status', facts, { model: 'anthropic/opus', thinkingLevel: 'high', queueMode: 'followup' }),
    ).toEqual({
      reply: [
        'claw 1.2.3, agent main, runner recall',
        'Session: agent:main:main (0d0c1f6e)',
        'Model: anthropic/opus (session)',
        'Tokens: 154k/200k (77%), estimated',
        'Messages: 24, compactions: 0',
        'Settings: thinking level high (session)',
        'Reset: daily at 04:00, in 16h',
        'Queue: followup (session), 3 waiting',
        'Running: a turn, since 12 s (/stop ends it)',
        'Sending: on (default)',
        'Surface: Telegram',
      ].join('\n'),
      change: null,
    });
  });

  const policy = (fields: Partial<ResetReport['policy']>) => ({ ...RESET.policy, ...fields });
  test.each<[string, Partial<ResetReport>, string]>([
    [
      'with minutes, in the zone of the policy',
      { policy: policy({ at: '04:30', tz: 'Europe/Stockholm' }) },
      'daily at 04:30, in 16h',
    ],
    [
      'whichever comes first',
      { policy: policy({ idleMinutes: 60 }), idleExpiresAt: '2026-01-15T12:41:00.000Z' },
      'daily at 04:00, in 16h or after 1h of silence, in 41m',
    ],
    [
      'idle',
      { policy: policy({ mode: 'idle', idleMinutes: 90 }), idleExpiresAt: null },
      'after 2h of silence',
    ],
    ['off', { policy: policy({ mode: 'off' }) }, 'only by /new'],
    ['stale', { fresh: false, reason: 'daily' }, 'due (daily): the next message begins a fresh session'],
  ])('tells the reset: %s', (_what, fields, expected) => {
    expect(answer('/status', { reset: { ...RESET, ...fields } }).reply).toContain(`\nReset: ${expected}\n`);
  });

  test('shows no control character of a name', () => {
    expect(answer('/status', { surface: 'a\u001b[2Jb\nc' }).reply).toMatch(/\nSurface: a \[2Jb c$/);
  });
});

describe('/context', () => {
  const context = [
    { name: 'system prompt', tokens: 0, items: [] },
    {
      name: 'history, 12 turns',
      tokens: 41_000,
      items: Array.from({ length: 7 }, (_, index) => ({ label: `turn ${index}`, tokens: index * 1000 })),
    },
    {
      name: 'this message',
      tokens: 12,
      items: [{ label: 'a text that is far too long for the narrow screen of a phone', tokens: 12 }],
    },
  ];

  test('list tells each part', () => {
    expect(answer('/context list', { context }).reply).toBe(
      'Context: 41k/200k (21%), estimated\nsystem prompt: none\nhistory, 12 turns: 41k\nthis message: 12',
    );
  });

  test('detail tells the biggest pieces of each, in short lines', () => {
    const { reply } = answer('/context detail', { context });
    expect(reply).toContain(
      'history, 12 turns: 41k\n- turn 6: 6.0k\n- turn 5: 5.0k\n- turn 4: 4.0k\n- turn 3: 3.0k\n- turn 2: 2.0k\n- 2 smaller\n',
    );
    expect(Math.max(...reply.split('\n').map(line => line.length))).toBeLessThanOrEqual(40);
  });

  test('is all that needs the transcript, beside /usage', () => {
    const needs = DIRECTIVES.map(row => {
      const parsed = parseDirectives(`/${row.name}`, { chatType: 'dm', owner: true, models: MODELS });
      return [row.name, needsSituation(parsed)] as const;
    }).filter(([, parts]) => parts.length > 0);
    expect(needs).toEqual([
      ['usage', ['turns']],
      ['context', ['context']],
    ]);
    expect(answer('/context').reply).toBe('What a turn sends is not known here.');
  });
});

describe('the other commands', () => {
  test('/stop', () => {
    expect(answer('/stop', { stopped: true }).reply).toBe('Stopped.');
    expect(answer('/stop', { stopped: null }).reply).toBe('Nothing is running.');
    expect(answer('/stop', { stopped: false }).reply).toMatch(/not ended yet/);
    expect(answer('/stop', { stopped: 'theirs' }).reply).toMatch(/Only an owner, or who asked/);
  });

  test('/usage', () => {
    const tokens = { inputTokens: 120_000, outputTokens: 900, totalTokens: 120_900, contextTokens: 50_000 };
    expect(
      answer('/usage', { tokens, turns: { count: 7, last: { inputTokens: 4000, outputTokens: 31 } } }).reply,
    ).toBe(
      'Tokens of this session:\nInput: 120k\nOutput: 900\nTurns: 7\nLast turn: 4.0k in, 31 out\nContext: 50k/200k (25%)',
    );
    expect(answer('/usage').reply).toContain('Input: 0\n');
  });

  test('/whoami', () => {
    expect(
      answer('/whoami', { channel: 'telegram', from: '111', fromName: 'Alice', owner: false }).reply,
    ).toBe('Channel: telegram\nId: 111\nName: Alice\nOwner: no\nAgent: main\nSession: agent:main:main');
  });

  test('/compact says what it came to', () => {
    const compacted = 'Compacted: 12 turns.';
    expect(answer('/compact keep names', { compacted }).reply).toBe(compacted);
  });

  test('/commands tells every command and alias that is offered', () => {
    const { reply } = answer('/commands', { disabled: ['elevated'] });
    for (const { name } of DIRECTIVES) expect(reply.includes(`/${name}`)).toBe(name !== 'elevated');
    expect(reply).toContain('\n/opus: model anthropic/opus');
  });

  test('/help names nothing that is not offered', () => {
    expect(answer('/help').reply).toContain('/status: ');
    expect(answer('/help', { disabled: ['status'] }).reply).not.toContain('/status');
  });

  test('come behind what was set, in one answer', () => {
    const { reply, change } = answer('/think low /stop', { stopped: null });
    expect(reply).toBe('Thinking level: low.\nNothing is running.');
    expect(change).toEqual({ thinkingLevel: 'low' });
  });

  test('none is answered with nothing', () => {
    for (const { name } of DIRECTIVES.filter(row => row.name !== 'new' && row.name !== 'reset'))
      expect([name, answer(`/${name}`).reply.length > 0]).toEqual([name, true]);
  });
});

describe('the chat menu', () => {
  const names = (menu: 'native' | 'text', disabled: string[] = [], models = MODELS) =>
    chatMenu(models, disabled)
      .filter(entry => entry.menu === menu)
      .map(entry => entry.name);

  test('parts native commands from those that are typed', () => {
    expect(names('native')).toEqual([
      'new',
      'reset',
      'status',
      'stop',
      'help',
      'model',
      'think',
      'verbose',
      'reasoning',
      'elevated',
      'send',
      'activation',
      'queue',
      'whoami',
      'usage',
      'commands',
      'opus',
    ]);
    expect(names('text')).toEqual(['compact', 'context list', 'context detail']);
  });

  test('leaves out what is not offered, aliases with their command', () => {
    expect(names('native', ['model', 'new'])).not.toEqual(expect.arrayContaining(['model']));
    expect(names('native', ['model'])).not.toContain('opus');
    expect(names('text', ['context'])).toEqual(['compact']);
  });

  test('has an alias that no menu takes among those that are typed', () => {
    expect(names('text', [], { aliases: { 'gpt-5': 'x/gpt' }, models: [] })).toContain('gpt-5');
  });
});
