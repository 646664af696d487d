import { describe, expect, test } from 'vitest';
import { effectiveConfig } from '../../src/config/effective.ts';
import type { ConfigInput } from '../../src/config/schema.ts';

const FILE = '/home/ann/.claw/claw.json';
const value = (config: ConfigInput, key: string) => effectiveConfig(config, FILE)[key];

describe('value and source of each key', () => {
  test('without a file everything is a default', () => {
    const all = effectiveConfig({}, null);
    expect(new Set(Object.values(all).map(({ source }) => source))).toEqual(new Set(['default']));
    expect(all['session.reset.atHour']).toEqual({ value: 4, source: 'default' });
    expect(Object.keys(all)).toEqual(Object.keys(all).sort());
  });

  test('what the file says goes before the default, key by key', () => {
    const config: ConfigInput = {
      session: { reset: { atHour: 6 } },
      messages: { groupChat: { mentionPatterns: ['x'] } },
    };
    expect(value(config, 'session.reset.atHour')).toEqual({ value: 6, source: FILE });
    expect(value(config, 'session.reset.mode')).toEqual({ value: 'daily', source: 'default' });
    expect(value(config, 'messages.groupChat.mentionPatterns')).toEqual({ value: ['x'], source: FILE });
    expect(value(config, 'messages.groupChat.activation')).toEqual({ value: 'mention', source: 'default' });
  });

  test('each runner and channel has the defaults of its kind', () => {
    const config: ConfigInput = {
      runners: { claude: { command: 'claude', timeoutSeconds: 60 } },
      channels: { sms: { allowFrom: ['+1'], send: { command: 'x' } }, irc: { send: 'none' } },
    };
    expect(value(config, 'runners.claude.timeoutSeconds')).toEqual({ value: 60, source: FILE });
    expect(value(config, 'runners.claude.idleTimeoutSeconds')).toEqual({ value: 120, source: 'default' });
    expect(value(config, 'channels.sms.dmPolicy')).toEqual({ value: 'allowlist', source: 'default' });
    expect(value(config, 'channels.irc.dmPolicy')).toEqual({ value: 'open', source: 'default' });
    expect(value(config, 'channels.sms.send.timeoutSeconds')).toEqual({ value: 60, source: 'default' });
    expect(value(config, 'channels.irc.send')).toEqual({ value: 'none', source: FILE });
  });

  test('a preset fills in what the file does not say, and is named as the source', () => {
    const config: ConfigInput = {
      agents: { defaults: { runner: 'claude' } },
      runners: { mine: { preset: 'codex', timeoutSeconds: 60 } },
    };
    expect(value(config, 'runners.claude.command')).toEqual({ value: 'claude', source: 'preset claude' });
    expect(value(config, 'runners.claude.context')).toEqual({ value: 'native', source: 'preset claude' });
    expect(value(config, 'runners.claude.permissions')).toEqual({ value: 'safe', source: 'preset claude' });
    expect(value(config, 'runners.mine.command')).toEqual({ value: 'codex', source: 'preset codex' });
    expect(value(config, 'runners.mine.timeoutSeconds')).toEqual({ value: 60, source: FILE });
    expect(value({}, 'runners.claude.command')).toBeUndefined();
  });

  test('an idle reset that follows from older keys is shown as what it is', () => {
    const legacy: ConfigInput = { session: { idleMinutes: 30, resetByChannel: { sms: { mode: 'off' } } } };
    expect(value(legacy, 'session.reset.mode')).toEqual({ value: 'idle', source: FILE });
    expect(value(legacy, 'session.reset.idleMinutes')).toEqual({ value: 30, source: FILE });
    const both: ConfigInput = { session: { idleMinutes: 30, resetByType: { dm: { idleMinutes: 5 } } } };
    expect(value(both, 'session.reset.mode')).toEqual({ value: 'daily', source: 'default' });
    expect(value(both, 'session.reset.idleMinutes')).toEqual({ value: 30, source: FILE });
    const idle: ConfigInput = { session: { reset: { mode: 'idle' } } };
    expect(value(idle, 'session.reset.mode')).toEqual({ value: 'idle', source: FILE });
    expect(value(idle, 'session.reset.idleMinutes')).toEqual({ value: 60, source: 'default' });
  });

  test('where nobody set a key, its default holds', () => {
    expect(value({}, 'agents.defaults.compaction.keepRecentTurns')).toEqual({ value: 10, source: 'default' });
    expect(value({}, 'memory.retrieveCount')).toEqual({ value: 5, source: 'default' });
    expect(value({}, 'messages.queue.cap')).toEqual({ value: 20, source: 'default' });
    expect(value({ cron: { enabled: false } }, 'cron.enabled')).toEqual({ value: false, source: FILE });
  });

  test('openclaw#12182: environment variables, where keys and tokens stand, are not printed', () => {
    const config: ConfigInput = {
      agents: { defaults: { env: { API_KEY: 's3cret' } }, list: [{ id: 'a', env: { TOKEN: 's3cret' } }] },
      runners: { claude: { command: 'claude', env: { API_KEY: 's3cret' } } },
      channels: { sms: { send: { command: 'x', env: { TOKEN: 's3cret' } } } },
    };
    const all = effectiveConfig(config, FILE);
    expect(JSON.stringify(all)).not.toContain('s3cret');
    expect(all['agents.list[0].env.TOKEN']).toEqual({ value: '(set)', source: FILE });
  });
});
