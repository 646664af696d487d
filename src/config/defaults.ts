/**
 * What holds where the configuration says nothing. Plain data, so that a start without a config file loads no schema;
 * a test holds it to the schema and to what the schema's descriptions promise.
 */
import { DEFAULT_DELIVERY_RETENTION } from '../core/delivery/delivery.ts';
import { DISCORD_API } from '../core/delivery/discord.ts';
import { NTFY_URL } from '../core/delivery/ntfy.ts';
import { SENDER_TIMEOUT_SECONDS } from '../core/delivery/sender.ts';
import { SLACK_API } from '../core/delivery/slack.ts';
import { TELEGRAM_API } from '../core/delivery/telegram.ts';
import { CRON_DEFAULTS } from '../core/schedule/rule.ts';
import { DEFAULT_IDLE_MINUTES, DEFAULT_RESET_HOUR } from '../core/session/reset.ts';
import { RESET_TRIGGERS } from '../core/session/trigger.ts';
import type { ChannelConfig, ConfigInput, RunnerConfig, Sender } from './schema.ts';

/** Runners that need no entry under `runners`. */
export const BUILT_IN_RUNNERS: readonly string[] = ['recall'];

const MIB = 1024 * 1024;

export const DEFAULTS = {
  /** keys that stand at one place */
  config: {
    agents: {
      defaults: {
        runner: 'recall',
        contextTokens: 200_000,
        compaction: {
          mode: 'auto',
          keepRecentTurns: 10,
          summaryMaxTokens: 4000,
          adaptiveChunking: true,
          memoryFlush: { enabled: true },
        },
      },
    },
    session: {
      scope: 'per-sender',
      dmScope: 'main',
      mainKey: 'main',
      reset: { mode: 'daily', atHour: DEFAULT_RESET_HOUR, preserveSettings: true, notifyUser: true },
      resetTriggers: [...RESET_TRIGGERS],
      resetBy: 'anyone',
      dmHistoryLimit: 50,
      agentToAgent: { enabled: false, maxHops: 5 },
    },
    messages: {
      queue: { mode: 'collect', debounceMs: 0, cap: 20, drop: 'summarize' },
      groupChat: { activation: 'mention', historyLimit: 50 },
      inlineDirectives: 'turn',
      maxBytes: 4 * MIB,
    },
    cron: CRON_DEFAULTS,
    memory: { enabled: true, store: 'local', retrieveCount: 5 },
    retention: { messageIds: '90d', deliveries: DEFAULT_DELIVERY_RETENTION },
  } satisfies ConfigInput,

  /** every entry of `runners` */
  runner: {
    input: 'text',
    output: 'text',
    context: 'claw',
    timeoutSeconds: 600,
    idleTimeoutSeconds: 120,
    killGraceSeconds: 5,
    maxOutputBytes: 16 * MIB,
    silentTokens: ['NO_REPLY'],
  } satisfies Partial<RunnerConfig>,

  /** every entry of `channels`; `dmPolicy` follows from `allowFrom` */
  channel: {
    groupPolicy: 'open',
    defaultAccount: 'default',
    pairing: { expires: '1h', maxPending: 3 },
  } satisfies ChannelConfig,

  /** every sender command */
  sender: { timeoutSeconds: SENDER_TIMEOUT_SECONDS } satisfies Sender,

  /** every sender over HTTP, by its kind */
  services: {
    webhook: { timeoutSeconds: SENDER_TIMEOUT_SECONDS },
    telegram: { timeoutSeconds: SENDER_TIMEOUT_SECONDS, apiUrl: TELEGRAM_API },
    slack: { timeoutSeconds: SENDER_TIMEOUT_SECONDS, apiUrl: SLACK_API },
    discord: { timeoutSeconds: SENDER_TIMEOUT_SECONDS, apiUrl: DISCORD_API },
    ntfy: { timeoutSeconds: SENDER_TIMEOUT_SECONDS, url: NTFY_URL },
  },

  /** minutes of an idle reset that names none */
  idleMinutes: DEFAULT_IDLE_MINUTES,
};
