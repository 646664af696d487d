import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BindingInput, ConfigInput } from '../../../src/config/schema.ts';
import { ClawError } from '../../../src/core/errors.ts';
import { readSessionKey } from '../../../src/core/routing/route.ts';
import { routeOf } from './routes.ts';

const agents = { list: [{ id: 'Home', default: true }, { id: 'ops' }, { id: 'my-agent' }] };

function errorOf(run: () => unknown): ClawError {
  try {
    run();
  } catch (error) {
    if (error instanceof ClawError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('bindings', () => {
  const channel = 'discord';
  const rules: [matchedBy: string, match: Omit<BindingInput['match'], 'channel'>][] = [
    ['binding.peer', { accountId: '*', peer: { kind: 'thread', id: 'T' } }],
    ['binding.peer.parent', { accountId: '*', peer: { kind: 'channel', id: 'C' } }],
    ['binding.guild', { accountId: 'Biz', guildId: 'G' }],
    ['binding.team', { accountId: 'Biz', teamId: 'M' }],
    ['binding.account', { accountId: 'Biz' }],
    ['binding.channel', { accountId: '*' }],
  ];
  const envelope = {
    channel,
    accountId: 'biz',
    chatType: 'thread',
    groupId: 'C',
    threadId: 'T',
    guildId: 'G',
    teamId: 'M',
  };

  it.each(rules.map(([matchedBy], at) => [matchedBy, at] as const))(
    '%s wins over what is less specific, in any order (openclaw#6602)',
    (matchedBy, at) => {
      const bindings = rules
        .slice(at)
        .map(([name, match]) => ({ agentId: name, match: { channel, ...match } }));
      const expected = { matchedBy, agentId: matchedBy.replaceAll('.', '-') };
      expect(routeOf(envelope, { bindings })).toMatchObject(expected);
      expect(routeOf(envelope, { bindings: bindings.toReversed() })).toMatchObject(expected);
    },
  );

  it('match only when every field they set does (openclaw#6602)', () => {
    for (const wrong of [
      { guildId: 'X' },
      { teamId: 'X' },
      { accountId: 'x' },
      { peer: { kind: 'dm', id: 'T' } },
    ]) {
      const match = { channel, accountId: '*', guildId: 'G', peer: { kind: 'thread', id: 'T' }, ...wrong };
      expect(routeOf(envelope, { bindings: [{ agentId: 'ops', match }] }).matchedBy).toBe('default');
    }
  });

  it('without accountId mean the default account, "*" any, the former first', () => {
    const plain = { agentId: 'plain', match: { channel } };
    const any = { agentId: 'any', match: { channel, accountId: '*' } };
    const config = { bindings: [any, plain], channels: { [channel]: { defaultAccount: 'biz' } } };
    expect(routeOf({ channel, from: '1' }, config).agentId).toBe('plain');
    expect(routeOf({ channel, from: '1', accountId: 'biz' }, config).agentId).toBe('plain');
    expect(routeOf({ channel, from: '1', accountId: 'other' }, config).agentId).toBe('any');
  });

  it('on a group match its topics, and a thread said to be in it', () => {
    const bindings = [{ agentId: 'ops', match: { channel: 'telegram', peer: { kind: 'group', id: '-1' } } }];
    expect(routeOf({ channel: 'telegram', groupId: '-1', threadId: '4' }, { bindings }).matchedBy).toBe(
      'binding.peer',
    );
    expect(
      routeOf({ channel: 'telegram', chatType: 'channel', groupId: '-2', parentId: '-1' }, { bindings })
        .matchedBy,
    ).toBe('binding.peer.parent');
  });

  it('on a person match direct as dm, and never a group of that id', () => {
    const bindings = [{ agentId: 'ops', match: { channel, peer: { kind: 'Direct', id: '1' } } }];
    expect(routeOf({ channel, from: '1' }, { bindings }).agentId).toBe('ops');
    expect(routeOf({ channel, groupId: '1', from: '1' }, { bindings }).agentId).toBe('main');
  });
});

describe('an agent that the caller chose', () => {
  it('is used, and everything is under its key (openclaw#15537)', () => {
    const scopes = ['main', 'per-peer', 'per-channel-peer', 'per-account-channel-peer'] as const;
    for (const dmScope of scopes) {
      for (const hint of [{ from: 'a' }, { groupId: 'g' }, { groupId: 'g', threadId: 't' }, {}]) {
        const route = routeOf({ ...hint, agentId: ' OPS ' }, { agents, session: { dmScope } });
        expect(route).toMatchObject({
          agentId: 'ops',
          matchedBy: 'agentId',
          mainSessionKey: 'agent:ops:main',
        });
        expect(route.sessionKey).toMatch(/^agent:ops:/);
      }
    }
  });

  it.each(['nope', 'a:b', 'my:agent', '家'])(
    'is refused when not configured: %s (openclaw#47403)',
    agentId => {
      const error = errorOf(() => routeOf({ agentId }, { agents }));
      expect(error).toMatchObject({ exit: 'usage', code: 'agent-unknown' });
      expect(error.message).toContain('home, ops, my-agent');
    },
  );

  it('is main where none is configured', () => {
    expect(routeOf({ agentId: 'main' }).agentId).toBe('main');
    expect(errorOf(() => routeOf({ agentId: 'ops' })).message).toContain('there is main');
    expect(errorOf(() => routeOf({ agentId: 'main' }, { agents })).code).toBe('agent-unknown');
  });
});

describe('a session that the caller chose', () => {
  it('is canonicalised and wins over bindings', () => {
    const bindings = [{ agentId: 'home', match: { channel: 'cli' } }];
    const config = { agents, bindings };
    expect(routeOf({ sessionKey: 'Agent:OPS:Telegram:Group:-5' }, config)).toMatchObject({
      agentId: 'ops',
      matchedBy: 'sessionKey',
      sessionKey: 'agent:ops:telegram:group:-5',
      mainSessionKey: 'agent:ops:main',
    });
    expect(routeOf({ sessionKey: 'main' }, config).sessionKey).toBe('agent:home:main');
    expect(routeOf({ sessionKey: 'main', agentId: 'ops' }, config).sessionKey).toBe('agent:ops:main');
  });

  it('must be a key of a configured agent, and of the chosen one', () => {
    const code = (envelope: Record<string, unknown>) => errorOf(() => routeOf(envelope, { agents })).code;
    expect(code({ sessionKey: 'agent:nope:main' })).toBe('agent-unknown');
    expect(code({ sessionKey: 'agent:../x:main' })).toBe('session-key-invalid');
    expect(code({ sessionKey: 'agent:ops:main', agentId: 'home' })).toBe('agent-mismatch');
  });
});

describe('the key of a message', () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,12}$/);
  const channels = word.filter(
    name => !['agent', 'cron', 'direct', 'dm', 'group', 'subagent'].includes(name),
  );

  it('follows dmScope on every channel alike (openclaw#10172)', () => {
    fc.assert(
      fc.property(channels, channel => {
        const key = (dmScope: NonNullable<ConfigInput['session']>['dmScope']) =>
          routeOf({ channel, from: 'P:1' }, { session: { dmScope } }).sessionKey;
        expect(key('main')).toBe('agent:main:main');
        expect(key('per-peer')).toBe('agent:main:dm:P:1');
        expect(key('per-channel-peer')).toBe(`agent:main:${channel}:dm:P:1`);
        expect(key('per-account-channel-peer')).toBe(`agent:main:${channel}:default:dm:P:1`);
        expect(routeOf({ channel, groupId: 'g' }).sessionKey).toBe(`agent:main:${channel}:group:g`);
      }),
    );
  });

  it('can be given back to claw as it is, whatever the peer id holds (openclaw#47403)', () => {
    for (const from of ['a:b:c', '@User:Server.org', '--help', '$(touch x)', '..', '🦞']) {
      const config: ConfigInput = { session: { dmScope: 'per-channel-peer' } };
      const { sessionKey } = routeOf({ channel: 'matrix', from }, config);
      expect(sessionKey).toBe(`agent:main:matrix:dm:${from}`);
      expect(readSessionKey(sessionKey, config)).toBe(sessionKey);
    }
  });

  it('of an account given in a key is understood where that account is configured', () => {
    const config = { channels: { slack: { accounts: { Account2: {} } } } };
    expect(readSessionKey('agent:work:slack:dm:account2:U1', config)).toBe('agent:work:slack:account2:dm:U1');
    for (const key of ['agent:work:slack:dm:account3:U1', 'agent:work:slack:dm:constructor:U1']) {
      expect(readSessionKey(key, config)).toBe(key);
    }
  });

  it('of a thread hangs below that of its chat', () => {
    const thread = { channel: 'discord', chatType: 'thread', threadId: 'T' };
    expect(routeOf({ ...thread, groupId: 'C', guildId: 'G' }).sessionKey).toBe(
      'agent:main:discord:channel:C:thread:T',
    );
    expect(routeOf({ ...thread, parentId: 'C' }).sessionKey).toBe('agent:main:discord:group:C:thread:T');
  });
});

describe('a route', () => {
  it('carries what was decided and from what', () => {
    const config = { agents, owners: ['telegram:1'], channels: { telegram: { allowFrom: ['2'] } } };
    expect(routeOf({ channel: 'telegram', from: '3' }, config)).toEqual({
      agentId: 'home',
      sessionKey: 'agent:home:main',
      mainSessionKey: 'agent:home:main',
      matchedBy: 'default',
      channel: 'telegram',
      accountId: 'default',
      chatType: 'dm',
      peerId: '3',
      access: { allowed: false, reason: 'not-listed' },
      activation: { mode: 'always', mentioned: false, respond: true },
    });
    expect(routeOf({}, config)).toMatchObject({
      peerId: null,
      access: { allowed: true, reason: 'local-user' },
    });
  });

  it('knows who was let in by pairing', () => {
    const config: ConfigInput = { channels: { x: { dmPolicy: 'pairing' } } };
    expect(routeOf({ channel: 'x', from: '1' }, config).access.allowed).toBe(false);
    expect(routeOf({ channel: 'x', from: '1' }, config, { paired: ['1'] }).access.allowed).toBe(true);
  });
});

describe('activation', () => {
  const config: ConfigInput = {
    agents: {
      list: [
        { id: 'home', default: true, identity: { name: 'Sam' } },
        { id: 'ops', groupChat: { mentionPatterns: ['\\bops\\b'] } },
      ],
    },
    bindings: [{ agentId: 'ops', match: { channel: 'irc' } }],
  };
  const respond = (channel: string, text: string) =>
    routeOf({ channel, groupId: 'g', from: '1', text }, config).activation.respond;

  it('asks whether the agent that the message goes to was called, not another one', () => {
    expect([respond('sms', 'sam?'), respond('sms', 'ops?')]).toEqual([true, false]);
    expect([respond('irc', 'sam?'), respond('irc', 'ops?')]).toEqual([false, true]);
  });
});
