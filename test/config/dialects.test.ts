/** Each older form of the configuration, as users of those systems have it in their files. */
import { describe, expect, test } from 'vitest';
import { formatProblems, validateConfig } from '../../src/config/validate.ts';

/** The canonical form and the notes about translation (not those about keys without effect). */
function load(text: string) {
  const { config, problems, notes } = validateConfig(text);
  expect(formatProblems(problems)).toBe('');
  return { config, notes: notes.filter(note => !note.includes('not acted on')) };
}

describe('Clawdis: inbound.reply', () => {
  test('the session block and the context window', () => {
    expect(
      load(`{
        inbound: { reply: {
          session: {
            scope: "per-sender", // keep group keys separate
            idleMinutes: 120,
            resetTriggers: ["/new"],
            store: "~/.clawdis/sessions/sessions.json",
            mainKey: "main" // marks the primary session
          },
          agent: { contextTokens: 100000 },
        } },
      }`),
    ).toEqual({
      config: {
        session: { scope: 'per-sender', idleMinutes: 120, resetTriggers: ['/new'], mainKey: 'main' },
        store: '~/.clawdis/sessions/sessions.json',
        agents: { defaults: { contextTokens: 100000 } },
        messages: { inlineDirectives: 'sticky' },
      },
      notes: [
        'inbound.reply.session.scope is read as session.scope',
        'inbound.reply.session.idleMinutes is read as session.idleMinutes',
        'inbound.reply.session.resetTriggers is read as session.resetTriggers',
        'inbound.reply.session.mainKey is read as session.mainKey',
        'inbound.reply.session.store is read as store',
        'inbound.reply.agent.contextTokens is read as agents.defaults.contextTokens',
        'inbound.reply: messages.inlineDirectives is "sticky", as that system did it',
      ],
    });
  });

  test.each([
    ['{ inbound: { allowFrom: ["+1", 2] } }', 'inbound.allowFrom is read as channels.whatsapp.allowFrom'],
    ['{ routing: { allowFrom: ["+1", 2] } }', 'routing.allowFrom is read as channels.whatsapp.allowFrom'],
    ['{ whatsapp: { allowFrom: ["+1", "2"] } }', 'whatsapp.allowFrom is read as channels.whatsapp.allowFrom'],
  ])('who may write stays who may write: %s', (text, note) => {
    const { config, notes } = validateConfig(text);
    expect(config).toEqual({ channels: { whatsapp: { allowFrom: ['+1', '2'] } } });
    expect(notes).toEqual([note]);
  });

  test('dm: {policy, allowFrom} of Discord', () => {
    const { config } = validateConfig(
      '{ channels: { Discord: { dm: { policy: "allowlist", allowFrom: [7] } } } }',
    );
    expect(config).toEqual({ channels: { discord: { dmPolicy: 'allowlist', allowFrom: ['7'] } } });
  });

  test('what has no counterpart is named with its whole path', () => {
    const { problems } = validateConfig('{ inbound: { samePhone: true,\n reply: { mode: "command" } } }');
    expect(formatProblems(problems)).toBe(
      [
        'line 1: inbound.samePhone: this key of an older system has no counterpart here; remove it',
        'line 2: inbound.reply.mode: this key of an older system has no counterpart here; remove it',
      ].join('\n'),
    );
  });
});

describe('Clawdbot, early', () => {
  test('dmScope and identityLinks at the top level', () => {
    expect(
      load(`{
        dmScope: "per-peer",
        identityLinks: [{ ids: ["telegram:123456789", "whatsapp:+15551234567"], sharedSession: true }],
      }`),
    ).toEqual({
      config: {
        session: {
          dmScope: 'per-peer',
          identityLinks: [{ ids: ['telegram:123456789', 'whatsapp:+15551234567'], sharedSession: true }],
        },
      },
      notes: ['dmScope is read as session.dmScope', 'identityLinks is read as session.identityLinks'],
    });
  });

  test('reset times and idle timeouts in seconds', () => {
    expect(
      load(`{
        session: {
          resetTime: "04:00",
          idleTimeout: 3600,
          resetByType: { dm: { idleTimeout: 7200 }, group: { idleTimeout: 1800 } },
          resetByChannel: { telegram: { resetTime: "00:00" } },
        },
      }`),
    ).toEqual({
      config: {
        session: {
          reset: { at: '04:00', mode: 'daily' },
          idleMinutes: 60,
          resetByType: { dm: { idleMinutes: 120 }, group: { idleMinutes: 30 } },
          resetByChannel: { telegram: { at: '00:00', mode: 'daily' } },
        },
      },
      notes: [
        'session.resetTime is read as session.reset.at',
        'session.idleTimeout is read as session.idleMinutes (in minutes)',
        'session.resetByType.dm.idleTimeout is read as session.resetByType.dm.idleMinutes (in minutes)',
        'session.resetByType.group.idleTimeout is read as session.resetByType.group.idleMinutes (in minutes)',
        'session.resetByChannel.telegram.resetTime is read as session.resetByChannel.telegram.at',
      ],
    });
  });

  test('an idle timeout alone stays an idle reset and nothing else', () => {
    expect(load('{ session: { idleTimeout: 90 } }').config).toEqual({ session: { idleMinutes: 1.5 } });
  });

  test('types of chat that nothing is sent to', () => {
    const { config, notes } = validateConfig('{ sendPolicy: { blocked: ["group"] } }');
    expect(config).toEqual({
      session: { sendPolicy: { rules: [{ action: 'deny', match: { chatType: 'group' } }] } },
    });
    expect(notes).toEqual(['sendPolicy.blocked is read as session.sendPolicy.rules']);
    expect(
      load('{ session: { sendPolicy: { blocked: ["dm"], rules: [{ action: "allow" }] } } }').config?.session
        ?.sendPolicy?.rules,
    ).toEqual([{ action: 'allow' }, { action: 'deny', match: { chatType: 'dm' } }]);
  });

  test('whether a group must mention the assistant', () => {
    expect(
      load(`{ channels: { Telegram: {
        groups: { '*': { requireMention: true }, '-1': { requireMention: false, activation: 'mention' } },
        accounts: { work: { groups: { '-2': { requireMention: false } } } },
      } } }`),
    ).toEqual({
      config: {
        channels: {
          telegram: {
            groups: { '*': { activation: 'mention' }, '-1': { activation: 'mention' } },
            accounts: { work: { groups: { '-2': { activation: 'always' } } } },
          },
        },
      },
      notes: expect.arrayContaining([
        expect.stringMatching(/requireMention is read as channels.telegram.groups.*activation$/),
        expect.stringMatching(/requireMention is left out: .*activation is set too$/),
      ]),
    });
  });

  test('who may write, as a block of its own, and a channel that is off', () => {
    expect(
      load(`{ channels: {
        discord: { dm: { policy: 'allowlist', allowFrom: [1, '2'] } },
        slack: { enabled: false, dmPolicy: 'open' },
        signal: { enabled: true, accounts: { a: { dm: { enabled: false } } } },
      } }`).config,
    ).toEqual({
      channels: {
        discord: { dmPolicy: 'allowlist', allowFrom: ['1', '2'] },
        slack: { dmPolicy: 'disabled', groupPolicy: 'disabled' },
        signal: { accounts: { a: { dmPolicy: 'disabled' } } },
      },
    });
  });

  test('compaction as a word, memory and history limits', () => {
    expect(
      load(`{
        session: { maxMessages: 100, maxTokens: 50000, compaction: "summarize" },
        memory: { enabled: true, store: "local", retrieveCount: 5 },
      }`),
    ).toEqual({
      config: {
        session: { maxMessages: 100, maxTokens: 50000 },
        agents: { defaults: { compaction: { mode: 'auto' } } },
        memory: { enabled: true, store: 'local', retrieveCount: 5 },
      },
      notes: ['session.compaction is read as agents.defaults.compaction.mode'],
    });
  });
});

describe('Clawdbot, today', () => {
  test('its documented form is canonical', () => {
    expect(
      load(`{
        "session": { "dmScope": "main", "reset": { "mode": "daily", "atHour": 4 } },
        "agents": { "defaults": { "heartbeat": {
          "every": "30m", "target": "last", "activeHours": { "start": "08:00", "end": "22:00" } } } }
      }`).notes,
    ).toEqual([]);
  });

  test('other names for zone, models, thinking and store', () => {
    expect(
      load(`{
        agents: { defaults: {
          userTimezone: "Europe/Stockholm",
          models: { "anthropic/claude-opus-4-5": { alias: "opus" }, "openai/gpt-5": {} },
          thinkingDefault: "low",
          model: { primary: "anthropic/claude-opus-4-5", fallbacks: ["openai/gpt-5"] },
        }, list: [{ id: "work", defaults: { model: "openai/gpt-5", thinkingLevel: "high" } }] },
        session: { store: "~/.clawdbot/sessions.json" },
      }`),
    ).toEqual({
      config: {
        timezone: 'Europe/Stockholm',
        models: { opus: 'anthropic/claude-opus-4-5', 'openai/gpt-5': 'openai/gpt-5' },
        agents: {
          defaults: {
            thinkingLevel: 'low',
            model: 'anthropic/claude-opus-4-5',
            modelFallbacks: ['openai/gpt-5'],
          },
          list: [{ id: 'work', model: 'openai/gpt-5', thinkingLevel: 'high' }],
        },
        store: '~/.clawdbot/sessions.json',
      },
      notes: [
        'session.store is read as store',
        'agents.defaults.userTimezone is read as timezone',
        'agents.defaults.models is read as models',
        'agents.list[0].defaults.model is read as agents.list[0].model',
        'agents.list[0].defaults.thinkingLevel is read as agents.list[0].thinkingLevel',
        'agents.defaults.thinkingDefault is read as agents.defaults.thinkingLevel',
        'agents.defaults.model.fallbacks is read as agents.defaults.modelFallbacks',
        'agents.defaults.model.primary is read as agents.defaults.model',
      ],
    });
  });
});

describe('OpenClaw', () => {
  test('the reset block with windows, hours, words and overrides inside', () => {
    expect(
      load(`{
        session: {
          reset: {
            mode: "daily",           // "off" | "idle" | "daily"
            idleHours: 72,           // Hours of inactivity before reset
            dailyWindow: { start: "04:00", end: "05:00" },
            resetByType: { dm: "daily", group: "idle", thread: "off" },
            resetByChannel: { whatsapp: { idleHours: 48 }, telegram: { mode: "off" } },
            preserveSettings: true,
            notifyUser: true,
          },
          dmHistoryLimit: 50,
          dmHistoryLimitByChannel: { whatsapp: 30, telegram: 50, signal: 40 },
        },
      }`),
    ).toEqual({
      config: {
        session: {
          reset: { mode: 'daily', at: '04:00', idleMinutes: 4320, preserveSettings: true, notifyUser: true },
          resetByType: { dm: { mode: 'daily' }, group: { mode: 'idle' }, thread: { mode: 'off' } },
          resetByChannel: { whatsapp: { idleMinutes: 2880 }, telegram: { mode: 'off' } },
          dmHistoryLimit: 50,
          dmHistoryLimitByChannel: { whatsapp: 30, telegram: 50, signal: 40 },
        },
      },
      notes: [
        'session.reset.resetByType.dm "daily" is read as session.resetByType.dm.mode',
        'session.reset.resetByType.group "idle" is read as session.resetByType.group.mode',
        'session.reset.resetByType.thread "off" is read as session.resetByType.thread.mode',
        'session.reset.resetByChannel.whatsapp.idleHours is read as session.resetByChannel.whatsapp.idleMinutes (in minutes)',
        'session.reset.resetByChannel.telegram.mode is read as session.resetByChannel.telegram.mode',
        'session.reset.dailyWindow.start is read as session.reset.at',
        'session.reset.dailyWindow.end is left out: sessions reset at the start of the window, session.reset.at',
        'session.reset.idleHours is read as session.reset.idleMinutes (in minutes)',
      ],
    });
  });

  test('in a block that moved too, notes and problems name what was written', () => {
    const { problems, notes } = validateConfig(
      '{ session: { reset: { resetByType: { direct: {\n dailyWindow: { start: "04:00", end: "05:00", x: 1 } } } } } }',
    );
    expect(formatProblems(problems)).toBe(
      'line 2: session.reset.resetByType.direct.dailyWindow.x: unknown key; a daily window has start and end',
    );
    expect(notes).toEqual([
      'session.reset.resetByType.direct.dailyWindow.start is read as session.resetByType.dm.at',
      'session.reset.resetByType.direct.dailyWindow.end is left out: sessions reset at the start of the window, session.resetByType.dm.at',
    ]);
  });

  test('a window must be one', () => {
    const { problems } = validateConfig('{ session: { reset: { dailyWindow: "04:00" } } }');
    expect(formatProblems(problems)).toBe(
      'line 1: session.reset.dailyWindow: expected {start: "HH:MM", end: "HH:MM"}',
    );
    const odd = validateConfig('{ session: { reset: { dailyWindow: { start: "04:00", days: 5 } } } }');
    expect(formatProblems(odd.problems)).toBe(
      'line 1: session.reset.dailyWindow.days: unknown key; a daily window has start and end',
    );
  });

  test('bindings as a map of channel and account to agent', () => {
    expect(
      load(`{
        agents: { list: [{ id: "main" }, { id: "work" }] },
        bindings: {
          whatsapp: { default: "main" }, // Account ID → Agent ID
          telegram: { personal: "main", business: "work" },
          slack: { "work-team": "work" },
        },
      }`),
    ).toMatchObject({
      config: {
        bindings: [
          { agentId: 'main', match: { channel: 'whatsapp', accountId: 'default' } },
          { agentId: 'main', match: { channel: 'telegram', accountId: 'personal' } },
          { agentId: 'work', match: { channel: 'telegram', accountId: 'business' } },
          { agentId: 'work', match: { channel: 'slack', accountId: 'work-team' } },
        ],
      },
      notes: [
        'bindings.whatsapp.default is read as bindings[0] {agentId, match: {channel, accountId}}',
        'bindings.telegram.personal is read as bindings[1] {agentId, match: {channel, accountId}}',
        'bindings.telegram.business is read as bindings[2] {agentId, match: {channel, accountId}}',
        'bindings.slack.work-team is read as bindings[3] {agentId, match: {channel, accountId}}',
      ],
    });
  });

  test('an unknown agent in such a map is told at its line', () => {
    const { problems } = validateConfig('{ bindings: {\n slack: {\n "work-team": "work" } } }');
    expect(formatProblems(problems)).toBe(
      'line 3: bindings.slack.work-team: the agent "work" is not configured in agents.list',
    );
    expect(formatProblems(validateConfig('{ bindings: { slack: "work" } }').problems)).toBe(
      'line 1: bindings.slack: expected a map of account to agent',
    );
  });

  test('compaction with its switches', () => {
    const compaction = (text: string) =>
      load(`{ session: { compaction: ${text} } }`).config?.agents?.defaults?.compaction;
    expect(
      compaction(
        '{ enabled: true, mode: "auto", keepRecentTurns: 10, summaryMaxTokens: 4000, adaptiveChunking: true }',
      ),
    ).toEqual({ mode: 'auto', keepRecentTurns: 10, summaryMaxTokens: 4000, adaptiveChunking: true });
    expect(compaction('{ enabled: false, mode: "auto" }')).toEqual({ mode: 'manual' });
  });

  test.each([
    [
      '{ messages: { queue: { mode: "sequential" } } }',
      'followup',
      /messages.queue.mode "sequential" is read as "followup"/,
    ],
    ['{ session: { queueMode: "concurrent" } }', 'collect', /session.queueMode "concurrent" is not offered/],
  ])('queue modes: %s', (text, mode, note) => {
    const { config, notes } = load(text);
    expect(config).toEqual({ messages: { queue: { mode } } });
    expect(notes.at(-1)).toMatch(note);
  });
});

describe('in every form', () => {
  test('channel names mean the same in any case', () => {
    expect(
      load(`{
        channels: { Telegram: { dmPolicy: "open" } },
        session: { resetByChannel: { " WhatsApp": { mode: "off" } }, dmHistoryLimitByChannel: { Signal: 5 } },
      }`),
    ).toEqual({
      config: {
        channels: { telegram: { dmPolicy: 'open' } },
        session: { resetByChannel: { whatsapp: { mode: 'off' } }, dmHistoryLimitByChannel: { signal: 5 } },
      },
      notes: [],
    });
  });

  test('the same channel in two spellings is a mistake, found where it stands', () => {
    const { problems } = validateConfig('{ channels: {\n telegram: {},\n Telegram: {} } }');
    expect(formatProblems(problems)).toBe('line 3: channels.Telegram: the channel "telegram" is there twice');
    const { problems: inside } = validateConfig('{ channels: {\n Telegram: {\n dmPolcy: "open" } } }');
    expect(formatProblems(inside)).toBe(
      'line 3: channels.Telegram.dmPolcy: unknown key; did you mean "dmPolicy"?',
    );
  });

  test('where a key stands in both forms the canonical one wins, and that is said', () => {
    expect(
      load(
        '{ dmScope: "per-peer", session: { dmScope: "main", reset: { at: "05:00" }, resetTime: "06:00" } }',
      ),
    ).toEqual({
      config: { session: { dmScope: 'main', reset: { at: '05:00', mode: 'daily' } } },
      notes: [
        'dmScope is left out: session.dmScope is set too',
        'session.resetTime is left out: session.reset.at is set too',
      ],
    });
  });

  test('the mode that is written stays, whatever time of day stands beside it', () => {
    expect(load('{ session: { reset: { mode: "idle", dailyWindow: { start: "04:00" } } } }').config).toEqual({
      session: { reset: { mode: 'idle', at: '04:00' } },
    });
  });

  test('a block that only held what moved away is gone, and no longer says "daily"', () => {
    expect(
      load('{ session: { idleMinutes: 5, reset: { resetByChannel: { sms: { mode: "off" } } } } }').config,
    ).toEqual({
      session: { idleMinutes: 5, resetByChannel: { sms: { mode: 'off' } } },
    });
  });

  test('the canonical form translates to itself', () => {
    const text = `{ session: { reset: { mode: 'idle', idleMinutes: 5 }, identityLinks: { ann: ['telegram:1'] } },
      bindings: [{ agentId: 'main', match: { channel: 'sms' } }] }`;
    const first = load(text);
    expect(first.notes).toEqual([]);
    expect(load(JSON.stringify(first.config)).config).toEqual(first.config);
  });
});
