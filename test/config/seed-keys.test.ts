/**
 * Every configuration key of the five documents claw answers to, as they write it. Each loads, and each one that is not
 * canonical is said once, with the name of the key that is. The snippets are theirs, word for word.
 */

import JSON5 from 'json5';
import { describe, expect, test } from 'vitest';
import { formatPath, isRecord, parsePath, valueAt } from '../../src/config/config-path.ts';
import { migrateConfig } from '../../src/config/migrate.ts';
import { formatProblems, validateConfig } from '../../src/config/validate.ts';

interface Snippet {
  what: string;
  text: string;
  /** key as written → canonical key in its note, or `canonical`, or `left out` */
  keys: Record<string, string>;
}

const CLAWDIS: Snippet[] = [
  {
    what: 'the primary-only example',
    text: `// ~/.clawdis/clawdis.json
{
  inbound: {
    reply: {
      session: {
        scope: "per-sender", // keep group keys separate
        idleMinutes: 120,
        resetTriggers: ["/new"],
        store: "~/.clawdis/sessions/sessions.json",
        mainKey: "main" // marks the primary session
      }
    }
  }
}`,
    keys: {
      'inbound.reply.session.scope': 'session.scope',
      'inbound.reply.session.idleMinutes': 'session.idleMinutes',
      'inbound.reply.session.resetTriggers': 'session.resetTriggers',
      'inbound.reply.session.store': 'store',
      'inbound.reply.session.mainKey': 'session.mainKey',
    },
  },
  {
    what: 'the keys its inspection page names, and the heartbeats and groups it talks of',
    text: `{ inbound: {
      groupChat: { requireMention: true, mentionPatterns: ["@clawd"], historyLimit: 20 },
      responsePrefix: "[clawd] ",
      reply: {
        session: { idleMinutes: 60, resetTriggers: ["/new"], heartbeatIdleMinutes: 10 },
        agent: { contextTokens: 200000 },
        thinkingDefault: "low", verboseDefault: "off", timeoutSeconds: 900, heartbeatMinutes: 30,
      },
    } }`,
    keys: {
      'inbound.groupChat.requireMention': 'messages.groupChat.activation',
      'inbound.groupChat.mentionPatterns': 'messages.groupChat.mentionPatterns',
      'inbound.groupChat.historyLimit': 'messages.groupChat.historyLimit',
      'inbound.responsePrefix': 'messages.responsePrefix',
      'inbound.reply.session.idleMinutes': 'session.idleMinutes',
      'inbound.reply.session.resetTriggers': 'session.resetTriggers',
      'inbound.reply.session.heartbeatIdleMinutes': 'left out',
      'inbound.reply.agent.contextTokens': 'agents.defaults.contextTokens',
      'inbound.reply.thinkingDefault': 'agents.defaults.thinkingLevel',
      'inbound.reply.verboseDefault': 'agents.defaults.verboseLevel',
      'inbound.reply.timeoutSeconds': 'agents.defaults.timeoutSeconds',
      'inbound.reply.heartbeatMinutes': 'agents.defaults.heartbeat.every',
    },
  },
];

const CLAWDBOT_PAGE: Snippet[] = [
  ...['main', 'per-peer', 'per-channel-peer'].map(scope => ({
    what: `dmScope ${scope}`,
    text: `{\ndmScope: "${scope}" // All DMs share main session (default)\n}`,
    keys: { dmScope: 'session.dmScope' },
  })),
  {
    what: 'reset policies',
    text: `{
session: {
// Daily reset time (default 4 AM)
resetTime: "04:00",
// Idle timeout reset (seconds)
idleTimeout: 3600,
// Configure by type
resetByType: {
dm: { idleTimeout: 7200 },
group: { idleTimeout: 1800 }
},
// Configure by channel
resetByChannel: {
telegram: { resetTime: "00:00" }
}
}
}`,
    keys: {
      'session.resetTime': 'session.reset.at',
      'session.idleTimeout': 'session.idleMinutes',
      'session.resetByType.dm.idleTimeout': 'session.resetByType.dm.idleMinutes',
      'session.resetByType.group.idleTimeout': 'session.resetByType.group.idleMinutes',
      'session.resetByChannel.telegram.resetTime': 'session.resetByChannel.telegram.at',
    },
  },
  {
    what: 'identity links',
    text: `{
identityLinks: [
{
// Same person's accounts across platforms
ids: [
"telegram:123456789",
"whatsapp:+15551234567",
"discord:987654321"
],
// Share session
sharedSession: true
}
]
}`,
    keys: { identityLinks: 'session.identityLinks' },
  },
  {
    what: 'send policy',
    text: `{
sendPolicy: {
// Block sending to groups
blocked: ["group"]
}
}`,
    keys: { 'sendPolicy.blocked': 'session.sendPolicy.rules' },
  },
  {
    what: 'history limits',
    text: `{
session: {
// Maximum messages
maxMessages: 100,
// Maximum tokens
maxTokens: 50000,
// Compaction strategy
compaction: "summarize"
}
}`,
    keys: {
      'session.maxMessages': 'canonical',
      'session.maxTokens': 'canonical',
      'session.compaction': 'agents.defaults.compaction.mode',
    },
  },
  {
    what: 'memory',
    text: `{
memory: {
// Enable long-term memory
enabled: true,
// Memory store
store: "local",
// Memory retrieval count
retrieveCount: 5
}
}`,
    keys: { 'memory.enabled': 'canonical', 'memory.store': 'canonical', 'memory.retrieveCount': 'canonical' },
  },
];

const OPENCLAW_GUIDE: Snippet[] = [
  {
    what: 'heartbeat',
    text: `{
  "agents": {
    "defaults": {
      "heartbeat": {
        "every": "30m",
        "target": "last",
        "activeHours": { "start": "08:00", "end": "22:00" }
      }
    }
  }
}`,
    keys: {
      'agents.defaults.heartbeat.every': 'canonical',
      'agents.defaults.heartbeat.target': 'canonical',
      'agents.defaults.heartbeat.activeHours.start': 'canonical',
      'agents.defaults.heartbeat.activeHours.end': 'canonical',
    },
  },
  {
    what: 'session',
    text: `{
  "session": {
    "dmScope": "main",
    "reset": {
      "mode": "daily",
      "atHour": 4
    }
  }
}`,
    keys: {
      'session.dmScope': 'canonical',
      'session.reset.mode': 'canonical',
      'session.reset.atHour': 'canonical',
    },
  },
];

const OPENCLAW_WIKI: Snippet[] = [
  {
    what: 'history limits',
    text: `{
  session: {
    dmHistoryLimit: 50,  // Max turns for DMs (default)
    dmHistoryLimitByChannel: {
      whatsapp: 30,
      telegram: 50,
      signal: 40
    }
  }
}`,
    keys: {
      'session.dmHistoryLimit': 'canonical',
      'session.dmHistoryLimitByChannel.whatsapp': 'canonical',
      'session.dmHistoryLimitByChannel.telegram': 'canonical',
      'session.dmHistoryLimitByChannel.signal': 'canonical',
    },
  },
  {
    what: 'compaction',
    text: `{
  session: {
    compaction: {
      enabled: true,
      mode: "auto",              // "auto" | "manual" | "prune"
      keepRecentTurns: 10,       // Preserve last N turns
      summaryMaxTokens: 4000,    // Summary size limit
      adaptiveChunking: true     // Split large summaries
    }
  }
}`,
    keys: {
      'session.compaction.enabled': 'left out',
      'session.compaction.mode': 'agents.defaults.compaction.mode',
      'session.compaction.keepRecentTurns': 'agents.defaults.compaction.keepRecentTurns',
      'session.compaction.summaryMaxTokens': 'agents.defaults.compaction.summaryMaxTokens',
      'session.compaction.adaptiveChunking': 'agents.defaults.compaction.adaptiveChunking',
    },
  },
  ...['manual', 'prune'].map(mode => ({
    what: `compaction ${mode}`,
    text: `{ session: { compaction: { mode: "${mode}" } } }`,
    keys: { 'session.compaction.mode': 'agents.defaults.compaction.mode' },
  })),
  {
    what: 'compaction off',
    text: '{ session: { compaction: { enabled: false } } }',
    keys: { 'session.compaction.enabled': 'agents.defaults.compaction.mode' },
  },
  {
    what: 'the numbers its code reckons with',
    text: '{ session: { modelMaxOutputTokens: 8192, modelContextWindow: 200000, compaction: { chunkSizeTarget: 1000 } } }',
    keys: {
      'session.modelMaxOutputTokens': 'agents.defaults.compaction.modelMaxOutputTokens',
      'session.modelContextWindow': 'agents.defaults.contextTokens',
      'session.compaction.chunkSizeTarget': 'agents.defaults.compaction.chunkSizeTarget',
    },
  },
  {
    what: 'reset',
    text: `{
  session: {
    reset: {
      mode: "daily",           // "off" | "idle" | "daily"
      idleHours: 72,           // Hours of inactivity before reset
      dailyWindow: {
        start: "04:00",        // Local time (4am)
        end: "05:00"           // Local time (5am)
      },
      resetByType: {
        dm: "daily",           // Override for DM sessions
        group: "idle",         // Override for group sessions
        thread: "off"          // Override for thread sessions
      },
      resetByChannel: {
        whatsapp: { idleHours: 48 },
        telegram: { mode: "off" }
      },
      preserveSettings: true,  // Keep model/thinking level after reset
      notifyUser: true         // Send "Session reset" message
    }
  }
}`,
    keys: {
      'session.reset.mode': 'canonical',
      'session.reset.idleHours': 'session.reset.idleMinutes',
      'session.reset.dailyWindow.start': 'session.reset.at',
      'session.reset.dailyWindow.end': 'left out',
      'session.reset.resetByType.dm': 'session.resetByType.dm.mode',
      'session.reset.resetByType.group': 'session.resetByType.group.mode',
      'session.reset.resetByType.thread': 'session.resetByType.thread.mode',
      'session.reset.resetByChannel.whatsapp.idleHours': 'session.resetByChannel.whatsapp.idleMinutes',
      'session.reset.resetByChannel.telegram.mode': 'session.resetByChannel.telegram.mode',
      'session.reset.preserveSettings': 'canonical',
      'session.reset.notifyUser': 'canonical',
    },
  },
  {
    what: 'bindings',
    text: `{
  agents: { list: [{ id: "main" }, { id: "work" }] },
  bindings: {
    whatsapp: {
      default: "main"         // Account ID → Agent ID
    },
    telegram: {
      personal: "main",
      business: "work"
    },
    slack: {
      "work-team": "work"
    }
  }
}`,
    keys: {
      'bindings.whatsapp.default': 'bindings[0]',
      'bindings.telegram.personal': 'bindings[1]',
      'bindings.telegram.business': 'bindings[2]',
      'bindings.slack.work-team': 'bindings[3]',
    },
  },
  ...[
    'messages.queue.mode',
    'messages.queueMode',
    'session.queueMode',
    'session.queue.mode',
    'queueMode',
    'queue.mode',
  ].flatMap(key =>
    ['sequential', 'concurrent'].map(mode => ({
      what: `${mode} at ${key}`,
      text: JSON.stringify(nested(key, mode)),
      keys: {
        [key]:
          key === 'messages.queue.mode'
            ? mode === 'sequential'
              ? '"followup"'
              : '"collect"'
            : 'messages.queue.mode',
      },
    })),
  ),
  {
    what: 'settings of a session as defaults of an agent',
    text: `{ agents: { list: [{ id: "main", defaults: {
      model: { primary: "anthropic/claude-opus-4-5", fallbacks: ["openai/gpt-5"] },
      thinkingLevel: "medium",
      verboseLevel: "on",
      elevated: false,
      sendPolicy: "announce",
      announceChannel: "telegram",
      groupActivation: "always",
      ttsMode: "tagged",
    } }] } }`,
    keys: {
      'agents.list[0].defaults.model.primary': 'agents.list[0].model',
      'agents.list[0].defaults.model.fallbacks': 'agents.list[0].modelFallbacks',
      'agents.list[0].defaults.thinkingLevel': 'agents.list[0].thinkingLevel',
      'agents.list[0].defaults.verboseLevel': 'agents.list[0].verboseLevel',
      'agents.list[0].defaults.elevated': 'agents.list[0].elevated',
      'agents.list[0].defaults.sendPolicy': 'agents.list[0].replyPolicy',
      'agents.list[0].defaults.announceChannel': 'agents.list[0].announceChannel',
      'agents.list[0].defaults.groupActivation': 'agents.list[0].groupChat.activation',
      'agents.list[0].defaults.ttsMode': 'agents.list[0].ttsMode',
    },
  },
  {
    what: 'the same for every agent, where sessions are configured',
    text: `{ session: {
      model: "anthropic/claude-opus-4-5", thinkingLevel: "xhigh", verboseLevel: "off", elevated: true,
      sendPolicy: "skip", groupActivation: "mention", ttsMode: "inbound", announceChannel: "telegram",
    } }`,
    keys: {
      'session.model': 'agents.defaults.model',
      'session.thinkingLevel': 'agents.defaults.thinkingLevel',
      'session.verboseLevel': 'agents.defaults.verboseLevel',
      'session.elevated': 'agents.defaults.elevated',
      'session.sendPolicy': 'agents.defaults.replyPolicy',
      'session.groupActivation': 'messages.groupChat.activation',
      'session.ttsMode': 'agents.defaults.ttsMode',
      'session.announceChannel': 'agents.defaults.announceChannel',
    },
  },
  {
    what: 'one agent, and a gateway',
    text: `{ gateway: { mode: "local", port: 18789 }, agent: {
      model: { primary: "anthropic/claude-opus-4-5" }, contextTokens: 200000, thinkingDefault: "low",
      workspace: "~/clawd", heartbeat: { every: "30m" },
    } }`,
    keys: {
      gateway: 'left out',
      'agent.model.primary': 'agents.defaults.model',
      'agent.contextTokens': 'agents.defaults.contextTokens',
      'agent.thinkingDefault': 'agents.defaults.thinkingLevel',
      'agent.workspace': 'agents.defaults.workspace',
      'agent.heartbeat.every': 'agents.defaults.heartbeat.every',
    },
  },
];

function nested(key: string, value: unknown): unknown {
  return key.split('.').reduceRight<unknown>((inner, step) => ({ [step]: inner }), value);
}

describe.each([
  ['Clawdis and warelay', CLAWDIS],
  ['Clawdbot session page', CLAWDBOT_PAGE],
  ['OpenClaw sessions guide', OPENCLAW_GUIDE],
  ['OpenClaw wiki', OPENCLAW_WIKI],
])('%s', (_document, snippets) => {
  describe.each(snippets.map(snippet => [snippet.what, snippet] as const))('%s', (_what, { text, keys }) => {
    test('loads', () => {
      expect(formatProblems(validateConfig(text).problems)).toBe('');
    });

    test('every key of it is in this table', () => {
      const listed = Object.keys(keys);
      const isListed = (path: string) => listed.some(key => path === key || path.startsWith(`${key}.`));
      expect(
        leavesOf(JSON5.parse(text))
          .filter(path => !path.startsWith('agents.list[') || path.includes('defaults'))
          .filter(path => !isListed(path)),
      ).toEqual([]);
    });

    test.each(Object.entries(keys))('%s → %s', (key, canonical) => {
      const { notes, config } = validateConfig(text);
      const about = notes.filter(note => note.startsWith(`${key} `) && !note.includes('not acted on'));
      if (canonical === 'canonical') {
        expect(about).toEqual([]);
        expect(valueAt(config, parsePath(key) ?? [])).toEqual(
          valueAt(JSON5.parse(text), parsePath(key) ?? []),
        );
        return;
      }
      expect(about).toHaveLength(1);
      expect(about[0]).toContain(canonical);
      if (/^[a-z]/i.test(canonical) && canonical !== 'left out')
        expect(valueAt(config, parsePath(canonical) ?? [])).toBeDefined();
    });

    test('its canonical form says the same, without a note, and stays as it is', () => {
      const { config, text: migrated, changed } = migrateConfig(text);
      expect(config).toEqual(validateConfig(text).config);
      expect(changed).toBe(Object.values(keys).some(canonical => canonical !== 'canonical'));
      const again = validateConfig(migrated);
      expect(again.config).toEqual(config);
      expect(again.notes.filter(note => !note.includes('not acted on'))).toEqual([]);
      expect(migrateConfig(migrated)).toMatchObject({ text: migrated, changed: false, dropped: [] });
    });
  });
});

/** Dotted paths of what is no object; a list of plain values counts as one. */
function leavesOf(value: unknown, path: (string | number)[] = []): string[] {
  if (Array.isArray(value) && value.some(isRecord) && path[0] !== 'identityLinks')
    return value.flatMap((item, index) => leavesOf(item, [...path, index]));
  if (!isRecord(value)) return [formatPath(path)];
  return Object.entries(value).flatMap(([key, below]) => leavesOf(below, [...path, key]));
}
