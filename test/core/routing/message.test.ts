import { describe, expect, it } from 'vitest';
import { isLocalUser, normaliseMessage, parseEnvelope, peerOf } from '../../../src/core/routing/message.ts';
import { messageOf } from './routes.ts';

function problemsOf(envelope: Record<string, unknown>): string[] {
  const read = parseEnvelope({ text: 'hi', ...envelope });
  if (!read.ok) return read.problems;
  const normalised = normaliseMessage(read.envelope);
  return normalised.ok ? [] : normalised.problems;
}

describe('an envelope', () => {
  it('has every field of the contract, numeric ids as strings and times as epoch ms', () => {
    const envelope = {
      id: 7,
      channel: 'telegram',
      accountId: 'work',
      chatType: 'group',
      from: 111,
      fromName: 'Ann',
      groupId: -100123,
      groupName: 'Family',
      guildId: 'g',
      teamId: 't',
      parentId: 1,
      threadId: 42,
      text: 'hi',
      timestamp: '2026-11-21T07:00:00Z',
      surface: 'telegram',
      mentioned: true,
      replyTo: 6,
      to: 'me',
      attachments: [{ path: '/a.png', type: 'image/png', name: 'a', url: null }, { url: 'https://x/b' }],
      agentId: 'main',
      sessionKey: 'main',
    };
    expect(parseEnvelope(envelope)).toEqual({
      ok: true,
      envelope: {
        ...envelope,
        id: '7',
        from: '111',
        groupId: '-100123',
        parentId: '1',
        threadId: '42',
        replyTo: '6',
        timestamp: Date.UTC(2026, 10, 21, 7),
        attachments: [{ path: '/a.png', type: 'image/png', name: 'a' }, { url: 'https://x/b' }],
      },
    });
  });

  it.each([[null], [[]], ['hi'], [7], [undefined]])('is not %j', value => {
    const problems = [expect.stringContaining('expected a JSON object')];
    expect(parseEnvelope(value)).toEqual({ ok: false, problems });
  });

  it('takes null for absent', () => {
    expect(parseEnvelope({ text: 'hi', threadId: null })).toEqual({ ok: true, envelope: { text: 'hi' } });
  });

  it('names every problem at once, unknown keys with the nearest known one', () => {
    const json = '{"text":7,"group_id":"a","treadId":"b","mentioned":"yes","__proto__":{},"from":true}';
    expect(parseEnvelope(JSON.parse(json))).toMatchObject({
      ok: false,
      problems: [
        'text: expected a string, found a number',
        'unknown key "group_id"; the nearest known one is "groupId"',
        'unknown key "treadId"; the nearest known one is "threadId"',
        'mentioned: expected true or false, found a string',
        expect.stringContaining('unknown key "__proto__"'),
        'from: expected a string, found a boolean',
      ],
    });
  });

  it('refuses a numeric id that JSON could not carry exactly: it would be another person', () => {
    expect(parseEnvelope(JSON.parse('{"text":"x","from":222222222222222222}'))).toMatchObject({
      ok: false,
      problems: ['from: the number is not exact; send the id as a string'],
    });
    expect(problemsOf({ from: 1.5 })).toHaveLength(1);
  });

  it.each([1_700_000_000, '2026-11-21', 'yesterday', '2026-02-30T10:00:00Z', '2026-01-01T25:00:00Z', true])(
    'refuses the timestamp %j',
    timestamp => {
      expect(problemsOf({ timestamp })).toEqual([expect.stringMatching(/^timestamp: expected epoch/)]);
    },
  );

  it.each([1_700_000_000_000, '1700000000000', '2023-11-14T22:13:20Z', '2023-11-14T23:13:20.000+01:00'])(
    'reads the timestamp %j',
    timestamp => {
      expect(messageOf({ timestamp }).timestamp).toBe(1_700_000_000_000);
    },
  );

  it('checks attachments one by one', () => {
    expect(problemsOf({ attachments: [{ name: 'a' }, { paht: 'x', url: 1 }, 'y'] })).toEqual([
      'attachments: [0] needs a path or a url',
      'attachments: [1] unknown key "paht"; the nearest known one is "path"',
      'attachments: [1] url: expected a string, found a number',
      'attachments: [2] expected an object, found a string',
    ]);
    expect(problemsOf({ attachments: 'x' })).toEqual(['attachments: expected a list, found a string']);
  });

  it('with an overlong unknown key is reported without comparing it', () => {
    expect(problemsOf({ ['x'.repeat(100_000)]: 1 })[0]).toHaveLength('unknown key ""'.length + 41);
  });
});

describe('a message', () => {
  it('without hints is a DM on channel cli from the local user', () => {
    const message = messageOf({ text: 'hello' });
    expect(message).toEqual({ channel: 'cli', accountId: 'default', chatType: 'dm', text: 'hello' });
    expect(isLocalUser(message)).toBe(true);
  });

  it.each([{ from: 'bob' }, { channel: 'telegram' }, { groupId: 'g' }])(
    'with %j is not from the local user',
    hint => {
      expect(isLocalUser(messageOf(hint))).toBe(false);
    },
  );

  it('has its names folded and its ids kept byte for byte (openclaw#75670)', () => {
    const message = messageOf({
      channel: ' WhatsApp ',
      accountId: 'Work Phone',
      chatType: 'Direct',
      from: ' @User:Server.org ',
    });
    expect(message).toMatchObject({
      channel: 'whatsapp',
      accountId: 'work-phone',
      chatType: 'dm',
      from: ' @User:Server.org ',
    });
  });

  it('goes to the default account of its channel', () => {
    const config = { channels: { Slack: { defaultAccount: 'Work', accounts: { work: {} } } } };
    expect(messageOf({ channel: 'slack' }, config).accountId).toBe('work');
    expect(messageOf({ channel: 'constructor' }, config).accountId).toBe('default');
  });

  it.each([
    [{ groupId: 'g' }, 'group'],
    [{ groupId: 'g', threadId: 't' }, 'group'],
    [{ from: 'a', threadId: 't' }, 'dm'],
    [{ parentId: 'p', threadId: 't' }, 'thread'],
    [{ chatType: 'ROOM', groupId: 'g' }, 'channel'],
    [{ chatType: 'dm', groupId: 'g' }, 'dm'],
  ])('%j has chat type %s', (hint, chatType) => {
    expect(messageOf(hint).chatType).toBe(chatType);
  });

  it.each([
    [{ from: '1-2@g.us' }],
    [{ from: '1-2@g.us', channel: 'whatsapp', chatType: 'dm' }],
    [{ groupId: '1-2@g.us', chatType: 'dm' }],
    [{ groupId: '1-2@g.us', from: '1-2@g.us' }],
  ])('%j is said in a WhatsApp group, by nobody known', hint => {
    const message = messageOf(hint);
    expect(message).toMatchObject({ channel: 'whatsapp', chatType: 'group', groupId: '1-2@g.us' });
    expect(message.from).toBeUndefined();
  });

  it('keeps the sender in a WhatsApp group', () => {
    expect(messageOf({ groupId: '1-2@g.us', from: '+1' })).toMatchObject({ channel: 'whatsapp', from: '+1' });
    expect(messageOf({ channel: 'email', from: 'x@g.us' })).toMatchObject({ chatType: 'dm', from: 'x@g.us' });
  });

  it('has the topic apart from the group where Telegram spells them as one', () => {
    expect(messageOf({ channel: 'telegram', groupId: '-100123:topic:42' })).toMatchObject({
      groupId: '-100123',
      threadId: '42',
    });
    expect(messageOf({ channel: 'slack', groupId: '1:topic:2' }).groupId).toBe('1:topic:2');
  });

  it.each([
    [{ text: ' ' }, 'text: blank, and there is no attachment'],
    [{ from: ' ' }, 'from: blank; leave it out or give the id'],
    [{ agentId: '' }, 'agentId: blank; leave it out or give the id'],
    [{ channel: '' }, 'channel: blank; leave it out or name it'],
    [{ accountId: ' ' }, 'accountId: blank; leave it out or give the id'],
    [{ from: 'a\nb' }, 'from: holds a control character'],
    [{ groupId: 'a\u0000' }, 'groupId: holds a control character'],
    [{ threadId: 'a\u007f' }, 'threadId: holds a control character'],
    [{ id: '\ud83e' }, 'id: not well-formed Unicode (half a surrogate pair)'],
    [{ from: 'x'.repeat(1025) }, 'from: longer than 1024 characters'],
    [{ accountId: '家' }, 'accountId: has no letter a-z or digit'],
    [{ accountId: 'a'.repeat(65) }, 'accountId: longer than 64 characters'],
    [{ accountId: 'Group' }, /^accountId: "group" is a word of session keys/],
    [{ channel: 'dm' }, /^channel: "dm" is a word of session keys/],
    [{ channel: 'a:b' }, /^channel: expected up to 64 letters/],
    [{ channel: '..' }, /^channel: expected up to 64 letters/],
    [{ chatType: 'party' }, 'chatType: expected dm, group, channel or thread, found "party"'],
    [{ chatType: 'group' }, 'groupId: a message with chatType "group" needs one'],
    [{ chatType: 'thread', groupId: 'g' }, 'threadId: a message with chatType "thread" needs one'],
  ])('%j is refused', (hint, problem) => {
    expect(problemsOf(hint)).toEqual([
      typeof problem === 'string' ? problem : expect.stringMatching(problem),
    ]);
  });

  it('lists all its problems at once', () => {
    expect(problemsOf({ text: '', from: '', channel: 'dm', chatType: 'group' })).toHaveLength(4);
  });

  it('may be an attachment without a text', () => {
    expect(messageOf({ text: '', attachments: [{ path: '/a' }] }).text).toBe('');
  });

  it('takes an id that looks like an option or a command as data (openclaw#59383)', () => {
    for (const from of ['--help', '$(touch x)', '; rm -rf /', '`id`']) {
      expect(messageOf({ channel: 'irc', from }).from).toBe(from);
    }
  });
});

describe('the peer of a message', () => {
  it.each([
    [{ from: 'a' }, { kind: 'dm', id: 'a' }],
    [{}, { kind: 'dm' }],
    [
      { groupId: 'g', from: 'a' },
      { kind: 'group', id: 'g' },
    ],
    [
      { chatType: 'channel', groupId: 'g' },
      { kind: 'channel', id: 'g' },
    ],
    [
      { chatType: 'thread', groupId: 'g', threadId: 't' },
      { kind: 'group', id: 'g' },
    ],
    [
      { chatType: 'thread', parentId: 'p', threadId: 't', guildId: '1' },
      { kind: 'channel', id: 'p' },
    ],
    [
      { chatType: 'thread', from: 'a', threadId: 't' },
      { kind: 'dm', id: 'a' },
    ],
  ])('of %j is %j', (hint, peer) => {
    expect(peerOf(messageOf(hint))).toEqual(peer);
  });

  it('is never a person where the message says it is a group', () => {
    const message = { channel: 'x', accountId: 'default', chatType: 'group', text: 'hi', from: 'a' } as const;
    expect(() => peerOf(message)).toThrow(/needs a group id/);
  });
});
