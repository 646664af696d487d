import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { decideRecipient, isSameTarget, type Target } from '../../../src/core/delivery/recipient.ts';

type Channel = NonNullable<ConfigInput['channels']>[string];

const person = (to: string): Partial<Target> => ({ chatType: 'dm', to });
const group = (groupId: string): Partial<Target> => ({ chatType: 'group', groupId, to: groupId });

function decide(
  channel: Channel | undefined,
  target: Partial<Target>,
  facts: { paired?: string[]; hasRoute?: boolean; owners?: string[] } = {},
) {
  const { owners, paired = [], hasRoute = false } = facts;
  const config: ConfigInput = {
    ...(channel ? { channels: { Telegram: channel } } : {}),
    ...(owners ? { owners } : {}),
  };
  const whole: Target = { channel: 'telegram', accountId: 'default', chatType: 'dm', ...target };
  return decideRecipient(config, whole, { paired, hasRoute });
}

describe('a person', () => {
  const listed: Channel = { allowFrom: ['1', 'telegram:2', 'discord:3'] };
  test.each<[string, Channel, string, 'open' | 'listed' | RegExp]>([
    ['on a channel that takes anybody', {}, '9', 'open'],
    ['with "*" in the list', { allowFrom: ['*'] }, '9', 'open'],
    ['in the list', listed, '1', 'listed'],
    ['in the list with the channel in front', listed, '2', 'listed'],
    [
      'in the list of another channel',
      listed,
      '3',
      /telegram:3 is not listed in channels\.telegram\.allowFrom/,
    ],
    ['not in the list', listed, '9', /not listed/],
    ['whose id only looks like one in the list', listed, '11', /not listed/],
    ['behind pairing, unknown', { dmPolicy: 'pairing' }, '9', /neither paired nor listed/],
    ['behind pairing, listed', { dmPolicy: 'pairing', allowFrom: ['9'] }, '9', 'listed'],
    ['behind a list that is empty', { dmPolicy: 'allowlist' }, '9', /not listed/],
    ['of a channel that takes nothing in', { dmPolicy: 'disabled' }, '9', /dmPolicy disabled/],
    ['the same, "*" is no name', { dmPolicy: 'disabled', allowFrom: ['*'] }, '9', /dmPolicy disabled/],
    [
      'the same, listed by name: what comes is not what goes',
      { dmPolicy: 'disabled', allowFrom: ['9'] },
      '9',
      'listed',
    ],
    ['who is nobody', {}, '', /no recipient/],
  ])('%s', (_name, channel, to, expected) => {
    const reach = decide(channel, person(to));
    if (typeof expected === 'string') expect(reach).toEqual({ allowed: true, reason: expected });
    else expect(reach).toEqual({ allowed: false, why: expect.stringMatching(expected) });
  });

  test('who is paired, or an owner, is listed', () => {
    const closed: Channel = { dmPolicy: 'pairing' };
    expect(decide(closed, person('9'), { paired: ['telegram:9'] }).allowed).toBe(true);
    expect(decide(closed, person('9'), { paired: ['telegram:8', 'telegram:*'] }).allowed).toBe(false);
    expect(decide(closed, person('9'), { owners: ['telegram:9'] }).allowed).toBe(true);
    expect(decide(closed, person('9'), { owners: ['9', 'discord:9'] }).allowed).toBe(false);
  });

  test('is meant where his chat has an id of its own', () => {
    expect(decide({ allowFrom: ['1'] }, { to: 'chat-7', from: '1' }).allowed).toBe(true);
    expect(decide({ allowFrom: ['chat-7'] }, { to: 'chat-7', from: '1' }).allowed).toBe(false);
  });

  test('obeys the lists of the account', () => {
    const channel: Channel = { allowFrom: ['1'], accounts: { work: { allowFrom: ['2'] } } };
    expect(decide(channel, { ...person('2'), accountId: 'work' }).allowed).toBe(true);
    expect(decide(channel, { ...person('1'), accountId: 'work' }).allowed).toBe(false);
  });
});

describe('a group', () => {
  test.each<[string, Channel, 'open' | 'listed' | RegExp]>([
    ['by default', {}, 'open'],
    ['listed', { groups: { '-100': {} } }, 'listed'],
    ['with rules about who may write in it', { groups: { '-100': { allowFrom: ['1'] } } }, 'listed'],
    ['under allowlist, listed', { groupPolicy: 'allowlist', groups: { '-100': {} } }, 'listed'],
    ['under allowlist with "*"', { groupPolicy: 'allowlist', groups: { '*': {} } }, 'open'],
    [
      'under allowlist, not listed',
      { groupPolicy: 'allowlist', groups: { '-200': {} } },
      /not listed in channels/,
    ],
    ['of a channel without groups', { groupPolicy: 'disabled' }, /takes part in no group/],
    ['that is off', { groups: { '-100': { enabled: false } } }, /-100 is off/],
    ['whatever the rules for persons', { dmPolicy: 'disabled', allowFrom: [] }, 'open'],
  ])('%s', (_name, channel, expected) => {
    const reach = decide(channel, group('-100'));
    if (typeof expected === 'string') expect(reach).toEqual({ allowed: true, reason: expected });
    else expect(reach).toEqual({ allowed: false, why: expect.stringMatching(expected) });
  });

  test('a thread obeys the group it hangs from', () => {
    const closed: Channel = { groupPolicy: 'allowlist', groups: { C1: {} } };
    const thread = (parentId: string): Partial<Target> => ({
      chatType: 'thread',
      parentId,
      threadId: 't',
      to: 't',
    });
    expect(decide(closed, thread('C1')).allowed).toBe(true);
    expect(decide(closed, thread('C2')).allowed).toBe(false);
  });
});

describe('a channel', () => {
  test('is configured, or somebody wrote from there', () => {
    expect(decide(undefined, person('1'))).toEqual({
      allowed: false,
      why: expect.stringContaining('not configured'),
    });
    expect(decide(undefined, person('1'), { hasRoute: true }).allowed).toBe(true);
  });

  test.each(['heartbeat', 'cron', 'system', 'cli', 'webchat', 'none', 'last', 'agent', 'subagent'])(
    'is not "%s", nor is a recipient of that name (openclaw#55271)',
    name => {
      expect(decide({}, { ...person('1'), channel: name }, { hasRoute: true }).allowed).toBe(false);
      for (const to of [name, `@${name}`, name.toUpperCase(), `${name}:main`, ` ${name} `])
        expect(decide({}, person(to)), to).toMatchObject({ allowed: false });
      expect(decide({}, person(`${name}burg`)).allowed).toBe(true);
    },
  );
});

test('two targets are the same where all that both say agrees', () => {
  const one = { channel: 'slack', to: 'C1', accountId: 'work', threadId: 't1' };
  expect(isSameTarget(one, { channel: 'slack', to: 'C1' })).toBe(true);
  expect(isSameTarget(one, { channel: 'slack', to: 'C2' })).toBe(false);
  expect(isSameTarget(one, { channel: 'discord', to: 'C1' })).toBe(false);
  expect(isSameTarget(one, { ...one, threadId: 't2' })).toBe(false);
  expect(isSameTarget(one, { ...one, accountId: 'home' })).toBe(false);
});
