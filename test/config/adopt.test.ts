import { describe, expect, it } from 'vitest';
import { adoptConfig } from '../../src/config/adopt.ts';

describe('the configuration of another system', () => {
  it('comes as far as it means something here, and what does not is named', () => {
    const { config, leftOut } = adoptConfig(
      '{ session: { dmScope: "per-peer", nonsense: 1 }, gateway: { port: 1 } }',
    );
    expect(config).toEqual({ session: { dmScope: 'per-peer' } });
    expect(leftOut.map(({ path }) => path)).toEqual(['gateway', 'session.nonsense']);
  });

  it('leaves a channel closed where its rule about who may write cannot be read', () => {
    const { config } = adoptConfig(
      '{ channels: { discord: { dmPolicy: "whoever" }, slack: { allowFrom: ["U1"] } } }',
    );
    expect(config?.channels?.discord).toEqual({ dmPolicy: 'disabled', groupPolicy: 'disabled' });
    expect(config?.channels?.slack).toEqual({ allowFrom: ['U1'], groupPolicy: 'allowlist' });
  });

  it.each<[string, string, object]>([
    [
      'a rule in a block of its own',
      'discord: { dm: { policy: "allowlist", allowFrom: [1] } }',
      { dmPolicy: 'allowlist', allowFrom: ['1'], groupPolicy: 'allowlist' },
    ],
    [
      'no private messages',
      'discord: { dm: { enabled: false } }',
      { dmPolicy: 'disabled', groupPolicy: 'allowlist' },
    ],
    [
      'a channel that is off',
      'discord: { enabled: false, dmPolicy: "open" }',
      { dmPolicy: 'disabled', groupPolicy: 'disabled' },
    ],
    [
      'a channel that is on',
      'discord: { enabled: true, token: "x" }',
      { dmPolicy: 'pairing', groupPolicy: 'allowlist' },
    ],
    ['no word about it', 'discord: { token: "x" }', { dmPolicy: 'pairing', groupPolicy: 'allowlist' }],
    [
      'a rule misspelled',
      'discord: { dmPolcy: "disabled" }',
      { dmPolicy: 'pairing', groupPolicy: 'allowlist' },
    ],
    [
      'rules that have no counterpart',
      'discord: { dmPolicy: "open", guilds: { "7": { users: ["1"] } } }',
      { dmPolicy: 'disabled', groupPolicy: 'disabled' },
    ],
    ['no block', 'discord: "on"', { dmPolicy: 'disabled', groupPolicy: 'disabled' }],
  ])('opens no channel to strangers that was closed to them: %s', (_, channel, expected) => {
    expect(adoptConfig(`{ channels: { ${channel} } }`).config?.channels?.discord).toEqual(expected);
    // As it stood before there was `channels`.
    if (!channel.includes('"on"'))
      expect(adoptConfig(`{ ${channel} }`).config?.channels?.discord).toEqual(expected);
  });

  it('closes an account that is off', () => {
    const { config } = adoptConfig(
      '{ channels: { slack: { dmPolicy: "open", accounts: { a: { enabled: false } } } } }',
    );
    expect(config?.channels?.slack?.accounts?.a).toEqual({ dmPolicy: 'disabled', groupPolicy: 'disabled' });
  });

  it('takes no command out of a block that stood at the top', () => {
    const { config } = adoptConfig('{ telegram: { send: { command: "/tmp/evil" }, allowFrom: ["1"] } }');
    expect(config?.channels?.telegram).toEqual({ allowFrom: ['1'], groupPolicy: 'allowlist' });
  });

  it.each([
    '{ channels: { discord: { dm: { policy: "whoever" } } } }',
    '{ channels: { discord: { enabled: false } } }',
    '{ channels: { discord: { guilds: { g1: { users: ["7"] } } } } }',
    '{ discord: { dm: { allowFrom: "7" } } }',
  ])('closes a channel whose rule has no counterpart: %s', text => {
    expect(adoptConfig(text).config?.channels?.discord).toEqual({
      dmPolicy: 'disabled',
      groupPolicy: 'disabled',
    });
  });

  it('names what is wrong inside a list, with its place', () => {
    const { leftOut } = adoptConfig('{ identityLinks: [{ ids: ["telegram:1"], sharedSession: "alice" }] }');
    expect(leftOut).toEqual([
      {
        path: 'identityLinks[0].sharedSession',
        reason: expect.stringContaining('expected boolean, received string'),
      },
    ]);
  });

  it('keeps the list of who may write that Clawdis had', () => {
    const { config } = adoptConfig('{ inbound: { allowFrom: ["+15555550123"] } }');
    expect(config?.channels?.whatsapp?.allowFrom).toEqual(['+15555550123']);
  });

  it('takes no secret', () => {
    const { config, secrets, leftOut } = adoptConfig(
      '{ channels: { telegram: { botToken: "S3" } }, gateway: { auth: { token: "S3" } }, agents: { defaults: { contextTokens: 5000 } } }',
    );
    expect(secrets).toEqual(['channels.telegram.botToken', 'gateway.auth.token']);
    expect(JSON.stringify([config, leftOut])).not.toContain('S3');
    expect(config?.agents?.defaults?.contextTokens).toBe(5000);
  });

  it('takes no command', () => {
    const { config, leftOut } = adoptConfig(
      '{ runners: { x: { command: "/tmp/evil" } }, channels: { slack: { send: { command: "/tmp/evil" }, accounts: { a: { send: { command: "/tmp/evil" } } } } } }',
    );
    expect(JSON.stringify(config)).not.toContain('evil');
    expect(leftOut.map(({ path }) => path)).toEqual([
      'runners',
      'channels.slack.send',
      'channels.slack.accounts.a.send',
    ]);
  });

  it.each(['{ a: ', '[]', '7'])('says when %j is none', text => {
    expect(adoptConfig(text)).toMatchObject({ config: null, leftOut: [{ path: '' }] });
  });
});
