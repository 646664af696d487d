import { describe, expect, it } from 'vitest';
import { isChannelId, isListed, linkedPerson } from '../../../src/core/routing/identity.ts';
import { routeOf } from './routes.ts';

describe('an identity link', () => {
  it('gives one person one key in every scope but main, in both forms', () => {
    const forms = [
      { links: { alice: ['telegram:1', 'discord:2'] }, name: 'alice' },
      { links: [{ ids: ['telegram:1', 'discord:2'], sharedSession: true }], name: 'telegram:1' },
      { links: [{ ids: ['telegram:1', 'discord:2'] }], name: 'telegram:1' },
    ];
    for (const { links, name } of forms) {
      for (const dmScope of ['per-peer', 'per-channel-peer', 'per-account-channel-peer'] as const) {
        const config = { session: { dmScope, identityLinks: links } };
        const keys = [
          { channel: 'telegram', from: '1' },
          { channel: 'discord', from: '2', accountId: 'biz' },
        ].map(envelope => routeOf(envelope, config).sessionKey);
        expect(keys).toEqual([`agent:main:dm:${name}`, `agent:main:dm:${name}`]);
      }
    }
  });

  it('with sharedSession false links nothing', () => {
    expect(linkedPerson([{ ids: ['telegram:1'], sharedSession: false }], 'telegram', '1')).toBeUndefined();
  });

  it('with a channel in front matches on that channel only, without one on every channel', () => {
    const links = { alice: ['Telegram:1'], bob: ['+1555'], carol: ['@c:server.org'] };
    expect(linkedPerson(links, 'telegram', '1')).toBe('alice');
    expect(linkedPerson(links, 'discord', '1')).toBeUndefined();
    expect(linkedPerson(links, 'signal', '+1555')).toBe('bob');
    expect(linkedPerson(links, 'matrix', '@c:server.org')).toBe('carol');
  });

  it('is not entered by choosing its prefixed id as a name on another channel', () => {
    expect(linkedPerson({ alice: ['telegram:1'] }, 'irc', 'telegram:1')).toBeUndefined();
  });

  it('matches another case only where no exact one is found and one person is left', () => {
    const links = { carol: ['matrix:@User:x'], dora: ['matrix:@user:x'] };
    expect(linkedPerson(links, 'matrix', '@user:x')).toBe('dora');
    expect(linkedPerson(links, 'matrix', '@USER:x')).toBeUndefined();
    expect(linkedPerson({ carol: ['matrix:@User:x'] }, 'matrix', '@USER:x')).toBe('carol');
  });

  it('without a name or an id links nothing', () => {
    expect(linkedPerson({ ' ': ['telegram:1'] }, 'telegram', '1')).toBeUndefined();
    expect(linkedPerson(undefined, 'telegram', '1')).toBeUndefined();
  });
});

describe('an id in the config', () => {
  it('with a channel in front means that channel, its name in any case, its id byte for byte', () => {
    expect(isChannelId('Matrix:@a:x', 'matrix', '@a:x')).toBe(true);
    expect(isChannelId('matrix:@A:x', 'matrix', '@a:x')).toBe(false);
    expect(isChannelId('+1', 'signal', '+1')).toBe(false);
  });

  it('in a list of senders is "*", plain, or with its channel in front', () => {
    expect(isListed('*', 'x', undefined)).toBe(true);
    expect(isListed('1', 'telegram', '1')).toBe(true);
    expect(isListed('telegram:1', 'telegram', '1')).toBe(true);
    expect(isListed('discord:1', 'telegram', '1')).toBe(false);
    expect(isListed('1', 'telegram', undefined)).toBe(false);
  });
});
