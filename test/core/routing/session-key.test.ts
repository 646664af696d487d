import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildKey,
  type Conversation,
  canonicaliseKey,
  conversationKey,
  cronKey,
  type DmScope,
  groupDisplayName,
  isSubagent,
  type KeyContext,
  type KeyScope,
  kindOfKey,
  mainSessionKey,
  parseKey,
  splitKey,
  subagentKey,
  threadKey,
  threadParent,
} from '../../../src/core/routing/session-key.ts';
import { normaliseAgentId, slug } from '../../../src/core/routing/slug.ts';
import { encodeKey, Layout } from '../../../src/store/layout.ts';

const DM_SCOPES: DmScope[] = ['main', 'per-peer', 'per-channel-peer', 'per-account-channel-peer'];

/** Ids that spell parts of keys, and ids of every other sort. */
const awkward = fc
  .array(
    fc.constantFrom(
      'a',
      'A',
      ':',
      ':',
      'thread',
      'topic',
      'dm',
      'group',
      '%3A',
      '%253A',
      '%',
      '3A',
      '..',
      '/',
      '🦞',
    ),
    { minLength: 1, maxLength: 7 },
  )
  .map(pieces => pieces.join(''));
const id = fc
  .oneof(
    awkward,
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    fc.string({ unit: 'binary-ascii', minLength: 300, maxLength: 300 }),
  )
  .filter(text => text.trim() !== '' && !/[\u0000-\u001f\u007f]/.test(text));
const conversation: fc.Arbitrary<Conversation> = fc.record({
  kind: fc.constantFrom('dm', 'group', 'channel'),
  channel: fc.constantFrom('telegram', 'slack', 'whatsapp', 'main', 'thread', 'x.y'),
  accountId: fc.constantFrom('default', 'work', 'main', 'cron'),
  peerId: id,
  threadId: fc.option(id, { nil: undefined }),
});
const dmScope = fc.constantFrom(...DM_SCOPES);

/** What a scope tells apart: two conversations share a session exactly when these are equal. */
function identity(at: Conversation, scope: DmScope): string {
  const { kind, channel, accountId, peerId, threadId } = at;
  if (kind !== 'dm') return JSON.stringify([kind, channel, peerId, threadId]);
  const qualifiers = {
    main: [],
    'per-peer': [peerId],
    'per-channel-peer': [channel, peerId],
    'per-account-channel-peer': [channel, accountId, peerId],
  };
  return JSON.stringify(['dm', ...qualifiers[scope], threadId]);
}

describe('a session key', () => {
  it('is the same exactly for conversations that the scope does not tell apart', () => {
    fc.assert(
      fc.property(conversation, conversation, dmScope, (left, right, scope) => {
        const keys = [left, right].map(at => conversationKey('main', at, { dmScope: scope }));
        expect(keys[0] === keys[1]).toBe(identity(left, scope) === identity(right, scope));
      }),
      { numRuns: 3000 },
    );
  });

  it('is another one wherever one text is cut into chat and thread', () => {
    const words = fc.array(fc.constantFrom('a', 'thread', 'topic', '%3Athread', 'thread%3A', 'dm'), {
      minLength: 3,
      maxLength: 8,
    });
    const cut = (text: string[], at: number) =>
      conversationKey('main', {
        kind: 'group',
        channel: 'slack',
        accountId: 'default',
        peerId: text.slice(0, at).join(':'),
        threadId: text.slice(at).join(':') || undefined,
      });
    fc.assert(
      fc.property(words, text => {
        // The word at the cut falls out where it is the mark itself, so that both cuts spell the same.
        const keys = text.flatMap((word, at) => [
          cut(text, at + 1),
          ...(word === 'thread' && at > 0 && at < text.length - 1 ? [cut(text.toSpliced(at, 1), at)] : []),
        ]);
        expect(new Set(keys).size).toBe(keys.length);
      }),
      { numRuns: 1000 },
    );
  });

  it('tells chats apart that differ only in where an id ends and a thread begins', () => {
    const at = { kind: 'group', channel: 'slack', accountId: 'default' } as const;
    const chats: Pick<Conversation, 'peerId' | 'threadId'>[] = [
      { peerId: 'a', threadId: 'b' },
      { peerId: 'a:thread:b' },
      { peerId: 'a%3Athread:b' },
      { peerId: 'a%253Athread:b' },
      { peerId: 'a:thread', threadId: 'b' },
      { peerId: 'a', threadId: 'thread:b' },
      { peerId: 'thread', threadId: 'b' },
      { peerId: 'thread:b' },
      { peerId: 'thread:thread:b' },
      { peerId: 'a:topic:b' },
    ];
    expect(new Set(chats.map(chat => conversationKey('main', { ...at, ...chat }))).size).toBe(chats.length);
  });

  it('comes apart into what it was built from', () => {
    fc.assert(
      fc.property(conversation, dmScope, (at, scope) => {
        const key = conversationKey('ops', at, { dmScope: scope });
        const parts = parseKey(key);
        expect(parts).not.toBeNull();
        expect(buildKey(parts!)).toBe(key);
        expect(parts!.agentId).toBe('ops');
        expect(parts!.threads.map(thread => thread.id)).toEqual(
          at.threadId === undefined ? [] : [at.threadId],
        );
        const { chat } = parts!;
        if (chat.kind === 'dm') expect(chat.peer).toBe(at.peerId);
        else if (chat.kind === 'group' || chat.kind === 'channel') {
          expect(chat).toEqual({ kind: at.kind, channel: at.channel, id: at.peerId });
        } else expect([at.kind, chat.kind, scope]).toEqual(['dm', 'main', 'main']);
      }),
      { numRuns: 2000 },
    );
  });

  it('is its own canonical spelling', () => {
    const hasAccount = () => true;
    fc.assert(
      fc.property(
        conversation,
        dmScope,
        fc.constantFrom('main', 'work', 'telegram'),
        (at, scope, mainKey) => {
          const session = { dmScope: scope, mainKey };
          const key = conversationKey('ops', at, session);
          expect(canonicaliseKey(key, { agentId: 'main', session, hasAccount })).toBe(key);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['main', 'agent:main:main'],
    ['per-peer', 'agent:main:dm:+1'],
    ['per-channel-peer', 'agent:main:whatsapp:dm:+1'],
    ['per-account-channel-peer', 'agent:main:whatsapp:biz:dm:+1'],
  ] as const)('of a DM under dmScope %s is %s', (scope, key) => {
    const at = { kind: 'dm', channel: 'whatsapp', accountId: 'biz', peerId: '+1' } as const;
    expect(conversationKey('main', at, { dmScope: scope })).toBe(key);
    expect(conversationKey('main', { ...at, threadId: 'T1' }, { dmScope: scope })).toBe(`${key}:thread:T1`);
  });

  it('is the same whatever was said where, under scope global', () => {
    fc.assert(
      fc.property(conversation, dmScope, (at, scope) => {
        expect(conversationKey('ops', at, { scope: 'global', dmScope: scope })).toBe('agent:ops:global');
      }),
    );
    expect(mainSessionKey('ops', { scope: 'global', mainKey: 'work' })).toBe('agent:ops:global');
  });

  it('of a linked person is one in every scope but main, threads included', () => {
    const at = { kind: 'dm', channel: 'x', accountId: 'y', peerId: '1', person: 'alice' } as const;
    const keys = DM_SCOPES.map(scope => conversationKey('main', at, { dmScope: scope }));
    expect(keys).toEqual(['agent:main:main', ...Array(3).fill('agent:main:dm:alice')]);
    expect(conversationKey('main', { ...at, threadId: '7' }, { dmScope: 'per-peer' })).toBe(
      'agent:main:dm:alice:thread:7',
    );
  });

  it('of a DM without a peer is the main session in every scope', () => {
    for (const scope of DM_SCOPES) {
      const at = { kind: 'dm', channel: 'cli', accountId: 'default' } as const;
      expect(conversationKey('main', at, { dmScope: scope, mainKey: 'Work' })).toBe('agent:main:work');
    }
  });

  it('has topics where the channel has forum topics, threads elsewhere', () => {
    const at = { kind: 'group', accountId: 'default', peerId: '-1', threadId: '42' } as const;
    expect(conversationKey('main', { ...at, channel: 'telegram' })).toBe(
      'agent:main:telegram:group:-1:topic:42',
    );
    expect(conversationKey('main', { ...at, channel: 'slack' })).toBe('agent:main:slack:group:-1:thread:42');
    expect(conversationKey('main', { ...at, channel: 'telegram', kind: 'dm' }, { dmScope: 'per-peer' })).toBe(
      'agent:main:dm:-1:thread:42',
    );
  });

  it('keeps the bytes of ids: case is never folded (openclaw#75670)', () => {
    const of = (peerId: string) =>
      conversationKey('main', { kind: 'group', channel: 'matrix', accountId: 'default', peerId });
    expect(of('!AbC:x')).toBe('agent:main:matrix:group:!AbC:x');
    expect(of('!abc:x')).not.toBe(of('!AbC:x'));
    const context = { agentId: 'main' };
    expect(canonicaliseKey('Matrix:Group:!AbC:x', context)).toBe('agent:main:matrix:group:!AbC:x');
  });

  it('of ids with slashes, dots, colons or emoji has a file of its own in the sessions folder (openclaw#15972)', () => {
    const ids = [
      'a/b',
      'a_b',
      'a:b',
      'a%2Fb',
      '..',
      '.',
      'a.',
      'A/B',
      'x'.repeat(300),
      '🦞',
      '../../etc/passwd',
    ];
    const layout = new Layout('/home/claw');
    const keys = ids.map(peerId =>
      conversationKey('main', { kind: 'dm', channel: 'x', accountId: 'y', peerId }, { dmScope: 'per-peer' }),
    );
    keys.forEach((key, at) => {
      expect(parseKey(key)?.chat).toEqual({ kind: 'dm', peer: ids[at] });
      expect(layout.record('main', key)).toMatch(
        /^\/home\/claw\/agents\/main\/sessions\/records\/[^/]+\.json$/,
      );
    });
    expect(new Set(keys.map(key => encodeKey(splitKey(key)!.rest).toLowerCase())).size).toBe(ids.length);
  });

  it('of a topic names its chat, and a cron job writing there meets the same session (openclaw#31064)', () => {
    const topic = (peerId: string) =>
      conversationKey('main', {
        kind: 'group',
        channel: 'telegram',
        accountId: 'default',
        peerId,
        threadId: '42',
      });
    expect(topic('A')).not.toBe(topic('B'));
    expect(canonicaliseKey('telegram:group:A:topic:42', { agentId: 'main' })).toBe(topic('A'));
  });

  it('of two topics of one group differs (openclaw#79005)', () => {
    const keys = ['1', '2'].map(threadId =>
      conversationKey('main', {
        kind: 'group',
        channel: 'telegram',
        accountId: 'default',
        peerId: '-100',
        threadId,
      }),
    );
    expect(keys).toEqual([
      'agent:main:telegram:group:-100:topic:1',
      'agent:main:telegram:group:-100:topic:2',
    ]);
  });

  it('has one spelling for dm and direct (openclaw#45025)', () => {
    const context = { agentId: 'main' };
    for (const [typed, key] of [
      ['agent:main:direct:1', 'agent:main:dm:1'],
      ['agent:main:telegram:direct:1', 'agent:main:telegram:dm:1'],
      ['agent:main:telegram:work:direct:1', 'agent:main:telegram:work:dm:1'],
      ['agent:main:telegram:direct:1:thread:2', 'agent:main:telegram:dm:1:thread:2'],
      ['agent:main:telegram:group:direct:1', 'agent:main:telegram:group:direct:1'],
      ['agent:main:telegram:dm:direct:1', 'agent:main:telegram:dm:direct:1'],
    ] as const) {
      expect(canonicaliseKey(typed, context)).toBe(key);
    }
  });
});

describe('spellings understood on input', () => {
  const context: KeyContext = { agentId: 'ops', session: { mainKey: 'work' } };

  it.each([
    ['', 'agent:ops:work'],
    ['main', 'agent:ops:work'],
    [' Main ', 'agent:ops:work'],
    ['work', 'agent:ops:work'],
    ['agent:alpha:main', 'agent:alpha:work'],
    ['main:thread:T9', 'agent:ops:work:thread:T9'],
    ['global', 'agent:ops:global'],
    ['cron:Nightly', 'agent:ops:cron:Nightly'],
    ['subagent:u-1', 'agent:ops:subagent:u-1'],
    ['group:1-2@g.us', 'agent:ops:whatsapp:group:1-2@g.us'],
    ['agent:alpha:group:1-2@g.us', 'agent:alpha:whatsapp:group:1-2@g.us'],
    ['1-2@g.us', 'agent:ops:whatsapp:group:1-2@g.us'],
    ['whatsapp:1-2@g.us', 'agent:ops:whatsapp:group:1-2@g.us'],
    ['Discord:Channel:C1', 'agent:ops:discord:channel:C1'],
    ['AGENT:OPS:Telegram:Group:-1:topic:4', 'agent:ops:telegram:group:-1:topic:4'],
    ['agent:ops:slack:Work Phone:dm:U1', 'agent:ops:slack:work-phone:dm:U1'],
    ['Notes', 'agent:ops:notes'],
    ['my:Own:key', 'agent:ops:my:Own:key'],
  ])('%j is %s', (typed, key) => {
    expect(canonicaliseKey(typed, context)).toBe(key);
  });

  it.each(['agent:ops', 'agent::main', 'agent:../../x:main', 'agent:a b:main', 'x\u0000y', 'x:\ud800'])(
    '%j is no key',
    typed => {
      expect(canonicaliseKey(typed, context)).toBeNull();
    },
  );

  it('reads dm:<account>:<id> only for a configured account', () => {
    const slack: KeyContext = {
      agentId: 'main',
      hasAccount: (channel, id) => channel === 'slack' && id === 'a2',
    };
    expect(canonicaliseKey('agent:work:slack:dm:A2:U1', slack)).toBe('agent:work:slack:a2:dm:U1');
    expect(canonicaliseKey('agent:work:slack:dm:a3:U1', slack)).toBe('agent:work:slack:dm:a3:U1');
    expect(canonicaliseKey('agent:work:discord:dm:a2:U1', slack)).toBe('agent:work:discord:dm:a2:U1');
    expect(canonicaliseKey('agent:work:slack:dm:a2', slack)).toBe('agent:work:slack:dm:a2');
  });

  it('leaves dm:<account>:<id> alone where it is how a peer with a colon is spelled', () => {
    const session: KeyScope = { dmScope: 'per-channel-peer' };
    const peer = { kind: 'dm', channel: 'slack', accountId: 'default', peerId: 'a2:U1' } as const;
    const key = conversationKey('main', peer, session);
    expect(canonicaliseKey(key, { agentId: 'main', session, hasAccount: () => true })).toBe(key);
  });

  it('calls the one key of scope global main too', () => {
    const session: KeyScope = { scope: 'global' };
    expect(canonicaliseKey('main', { agentId: 'ops', session })).toBe('agent:ops:global');
    expect(canonicaliseKey('agent:ops:main', { agentId: 'x', session })).toBe('agent:ops:global');
  });
});

describe('what a key says of its session', () => {
  it.each([
    ['agent:main:main', 'main', null],
    ['agent:main:global', 'global', null],
    ['agent:main:dm:+1', 'dm', null],
    ['agent:main:slack:work:dm:U1', 'dm', null],
    ['agent:main:whatsapp:group:1@g.us', 'group', null],
    ['agent:main:discord:channel:9', 'channel', null],
    ['agent:main:main:thread:9', 'thread', 'agent:main:main'],
    ['agent:main:telegram:group:-1:topic:4', 'thread', 'agent:main:telegram:group:-1'],
    ['slack:channel:C1:thread:1', 'thread', 'slack:channel:C1'],
    ['agent:main:cron:job:thread:1', 'cron', null],
    ['cron:job', 'cron', null],
    ['agent:main:subagent:u-1', 'subagent', null],
    ['agent:main:notes', 'other', null],
    ['agent:main:slack:group:', 'other', null],
  ])('%s is of kind %s below %s', (key, kind, parent) => {
    expect(kindOfKey(key)).toBe(kind);
    expect(threadParent(key)).toBe(parent);
    expect(isSubagent(key)).toBe(kind === 'subagent');
  });

  it('depends on the main key', () => {
    expect(kindOfKey('agent:main:work', { mainKey: 'work' })).toBe('main');
    expect(kindOfKey('agent:main:work')).toBe('other');
  });

  it('holds for the keys of jobs and sub-agents', () => {
    expect(parseKey(cronKey('ops', 'a:b'))).toEqual({
      agentId: 'ops',
      chat: { kind: 'cron', jobId: 'a:b' },
      threads: [],
    });
    expect(parseKey(subagentKey('ops', 'u-1'))?.chat).toEqual({ kind: 'subagent', id: 'u-1' });
  });

  it('finds the chat around a thread, and nothing around a chat', () => {
    fc.assert(
      fc.property(conversation, id, (at, thread) => {
        const base = conversationKey('main', at, { dmScope: 'per-account-channel-peer' });
        expect(threadParent(threadKey(base, thread))).toBe(base);
        if (at.threadId === undefined) expect(threadParent(base)).toBeNull();
      }),
    );
  });
});

describe('slugs', () => {
  it('are stable, short, and safe as a folder and as a part of a key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 90 }), text => {
        expect(slug(slug(text))).toBe(slug(text));
        expect(slug(text)).toMatch(/^[a-z0-9_-]{0,64}$/);
        expect(splitKey(`agent:${normaliseAgentId(text)}:main`)?.agentId).toBe(normaliseAgentId(text));
      }),
    );
    expect(slug(`${'a'.repeat(63)}-b`)).toBe('a'.repeat(63));
  });
});

describe('the display name of a group', () => {
  it.each([
    [{ channel: 'whatsapp', id: '1@g.us', name: 'Семья & Co' }, 'whatsapp:g-семья-co'],
    [{ channel: 'slack', id: 'C1', room: 'general' }, 'slack:#general'],
    [{ channel: 'slack', id: 'C1', name: ' ' }, 'slack:g-c1'],
    [{ channel: 'x', id: '--' }, 'x:g-group'],
  ])('%j is %s', (group, name) => {
    expect(groupDisplayName(group)).toBe(name);
  });
});
