import { describe, expect, it } from 'vitest';
import type { ChannelConfig, ConfigInput } from '../../../src/config/schema.ts';
import { decideAccess, isOwner } from '../../../src/core/routing/access.ts';
import { messageOf } from './routes.ts';

/** The verdict for a message on channel `telegram` with these settings, in one word. */
function verdict(
  settings: ChannelConfig,
  envelope: object,
  more: ConfigInput = {},
  paired?: string[],
): string {
  const config: ConfigInput = { channels: { Telegram: settings }, ...more };
  const access = decideAccess(messageOf({ channel: 'telegram', ...envelope }, config), config, paired);
  return `${access.allowed ? 'yes' : 'no'} ${access.reason}`;
}

describe('private messages', () => {
  it.each<[ChannelConfig, string | undefined, string]>([
    [{}, '1', 'yes open'],
    [{}, undefined, 'yes open'],
    [{ dmPolicy: 'open', allowFrom: ['2'] }, '1', 'yes open'],
    [{ allowFrom: ['1'] }, '1', 'yes allowlist'],
    [{ allowFrom: ['telegram:1'] }, '1', 'yes allowlist'],
    [{ allowFrom: ['discord:1'] }, '1', 'no not-listed'],
    [{ allowFrom: ['*'] }, undefined, 'yes allowlist'],
    [{ allowFrom: ['2'] }, '1', 'no not-listed'],
    [{ allowFrom: [] }, '1', 'no not-listed'],
    [{ allowFrom: ['2'] }, undefined, 'no no-sender'],
    [{ dmPolicy: 'allowlist' }, '1', 'no not-listed'],
    [{ dmPolicy: 'disabled', allowFrom: ['*'] }, '1', 'no disabled'],
    [{ dmPolicy: 'pairing' }, '1', 'no pairing'],
    [{ dmPolicy: 'pairing' }, '7', 'yes paired'],
    [{ dmPolicy: 'pairing', allowFrom: ['1'] }, '1', 'yes allowlist'],
    [{ dmPolicy: 'pairing' }, undefined, 'no no-sender'],
  ])('under %j from %s: %s', (settings, from, expected) => {
    expect(verdict(settings, { from }, {}, ['telegram:7'])).toBe(expected);
  });

  it('keep to their rules inside a thread', () => {
    expect(verdict({ dmPolicy: 'disabled' }, { from: '1', threadId: '5' })).toBe('no disabled');
    expect(verdict({ dmPolicy: 'disabled' }, { from: '1', threadId: '5', chatType: 'thread' })).toBe(
      'no disabled',
    );
  });

  it('of an account obey what the account sets, and the channel for the rest', () => {
    const settings: ChannelConfig = {
      allowFrom: ['1'],
      accounts: { Biz: { dmPolicy: 'pairing' }, open: { allowFrom: ['*'] } },
    };
    expect(verdict(settings, { from: '2' })).toBe('no not-listed');
    expect(verdict(settings, { from: '2', accountId: 'biz' })).toBe('no pairing');
    expect(verdict(settings, { from: '1', accountId: 'biz' })).toBe('yes allowlist');
    expect(verdict(settings, { from: '2', accountId: 'open' })).toBe('yes allowlist');
  });

  it('of the local user are always allowed', () => {
    const config: ConfigInput = { channels: { cli: { dmPolicy: 'disabled' } } };
    expect(decideAccess(messageOf({}), config)).toEqual({ allowed: true, reason: 'local-user' });
    expect(decideAccess(messageOf({ from: 'bob' }), config)).toEqual({ allowed: false, reason: 'disabled' });
  });

  it('of an owner need no listing, but not on a channel that takes none', () => {
    const owners = { owners: ['Telegram:1'] };
    expect(verdict({ dmPolicy: 'pairing' }, { from: '1' }, owners)).toBe('yes owner');
    expect(verdict({ dmPolicy: 'disabled' }, { from: '1' }, owners)).toBe('no disabled');
  });
});

describe('group messages', () => {
  it.each<[ChannelConfig, string]>([
    [{}, 'yes open'],
    [{ dmPolicy: 'disabled', allowFrom: [] }, 'yes open'],
    [{ groupPolicy: 'disabled', groups: { g: {} } }, 'no disabled'],
    [{ groupPolicy: 'allowlist' }, 'no group-not-listed'],
    [{ groupPolicy: 'allowlist', groups: { h: {} } }, 'no group-not-listed'],
    [{ groupPolicy: 'allowlist', groups: { g: {} } }, 'yes allowlist'],
    [{ groupPolicy: 'allowlist', groups: { '*': {} } }, 'yes allowlist'],
    [{ groups: { g: { enabled: false } } }, 'no group-disabled'],
    [{ groups: { '*': { enabled: false } } }, 'no group-disabled'],
    [{ groups: { '*': { enabled: false }, g: { enabled: true } } }, 'yes open'],
    [{ groups: { g: { allowFrom: ['1'] } } }, 'yes allowlist'],
    [{ groups: { g: { allowFrom: ['2'] } } }, 'no not-listed'],
    [{ groups: { '*': { allowFrom: ['2'] }, g: { allowFrom: ['*'] } } }, 'yes allowlist'],
  ])('under %j: %s', (settings, expected) => {
    expect(verdict(settings, { groupId: 'g', from: '1' })).toBe(expected);
  });

  it('in a thread obey the settings of the chat around it', () => {
    const settings: ChannelConfig = { groups: { C: { enabled: false } } };
    expect(verdict(settings, { chatType: 'channel', groupId: 'T', parentId: 'C' })).toBe('no group-disabled');
    expect(verdict(settings, { chatType: 'thread', parentId: 'C', threadId: 'T' })).toBe('no group-disabled');
  });

  it('without a sender are refused where senders are listed', () => {
    expect(verdict({ groups: { g: { allowFrom: ['1'] } } }, { groupId: 'g' })).toBe('no no-sender');
  });
});

describe('owners', () => {
  const config = { owners: ['telegram:1', '2', '*'] };

  it('are the local user and the channel-prefixed ids of the config, nobody else', () => {
    const owner = (envelope: Record<string, unknown>) => isOwner(messageOf(envelope), config);
    expect(owner({})).toBe(true);
    expect(owner({ channel: 'telegram', from: '1' })).toBe(true);
    expect(owner({ channel: 'telegram', groupId: 'g', from: '1' })).toBe(true);
    expect(owner({ channel: 'discord', from: '1' })).toBe(false);
    expect(owner({ channel: 'discord', from: 'telegram:1' })).toBe(false);
    expect(owner({ channel: 'telegram', from: '2' })).toBe(false);
    expect(owner({ channel: 'telegram' })).toBe(false);
    expect(owner({ from: 'me' })).toBe(false);
    expect(owner({ groupId: 'g' })).toBe(false);
  });
});
