import { describe, expect, test } from 'vitest';
import {
  readCount,
  type SelectableSession,
  type SessionSelection,
  selectSessions,
  sessionKind,
} from '../../../src/core/session/selection.ts';
import { NOON, record } from '../turn-facts.ts';

const rows: SelectableSession[] = [
  { key: 'agent:main:main', updatedAt: NOON - 60_000, channel: 'cli', chatType: 'dm' },
  {
    key: 'agent:main:telegram:group:-1',
    updatedAt: NOON,
    channel: 'telegram',
    chatType: 'group',
    label: 'Work',
  },
  {
    key: 'agent:main:telegram:group:-1:topic:5',
    updatedAt: NOON - 1,
    channel: 'telegram',
    chatType: 'group',
  },
  {
    key: 'agent:work:main',
    updatedAt: NOON + 60_000,
    sessionId: 'abc',
    displayName: 'Ünal',
    spawnedBy: 'agent:main:main',
  },
  { key: 'agent:main:global' },
];
const chosen = (selection: SessionSelection) =>
  selectSessions(rows, selection, NOON).rows.map(({ key }) => key);

describe('a listing', () => {
  test('is newest first, sessions of one moment by key, one that was never updated last', () => {
    expect(chosen({})).toEqual([3, 1, 2, 0, 4].map(at => rows[at]!.key));
    const same = ['c', 'a', 'b'].map(key => ({ key, updatedAt: 1 }));
    expect(selectSessions(same, {}, 1).rows.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
  });

  test.each<[SessionSelection, number[]]>([
    [{ activeMinutes: 1 }, [3, 1, 2, 0]],
    [{ activeMinutes: 0.5 }, [3, 1, 2]],
    [{ agentId: 'WORK' }, [3]],
    [{ channel: ' Telegram' }, [1, 2]],
    [{ kind: 'group' }, [1, 2]],
    [{ kind: 'thread' }, [2]],
    [{ kind: 'Main' }, [3, 0]],
    [{ kind: 'dm' }, [0]],
    [{ label: 'Work' }, [1]],
    [{ label: 'work' }, []],
    [{ search: ' üNAL ' }, [3]],
    [{ search: 'abc' }, [3]],
    [{ search: 'TOPIC' }, [2]],
    [{ search: '  ' }, [3, 1, 2, 0, 4]],
    [{ spawnedBy: 'agent:main:main' }, [3]],
    [{ includeGlobal: false }, [3, 1, 2, 0]],
    [{ channel: 'telegram', search: 'topic' }, [2]],
    [{ limit: 2 }, [3, 1]],
    [{ limit: -3 }, [3]],
    [{ limit: 1.9 }, [3]],
  ])('%j', (selection, kept) => {
    expect(chosen(selection)).toEqual(kept.map(at => rows[at]!.key));
  });

  test('says how many there are beyond its limit, and leaves what it was given as it was', () => {
    const given = [...rows];
    expect(selectSessions(rows, { limit: 1 }, NOON)).toEqual({ rows: [rows[3]], total: 5 });
    expect(rows).toEqual(given);
  });

  test('takes session records as they are', () => {
    const one = record();
    expect(selectSessions([one], { agentId: 'main', channel: 'telegram' }, NOON).rows).toEqual([one]);
  });
});

test.each([
  ['agent:main:main', 'channel', 'channel'],
  ['agent:main:main', 'group', 'group'],
  ['agent:main:main', 'dm', 'main'],
  ['agent:main:telegram:group:1:topic:2', 'group', 'thread'],
  ['agent:main:cron:j', undefined, 'cron'],
])('%s with chat type %s is of kind %s', (key, chatType, kind) => {
  expect(sessionKind({ key, chatType })).toBe(kind);
});

test.each([
  ['10', 10],
  [' +7 ', 7],
  ['0', null],
  ['10abc', null],
  ['1.9', null],
  ['-1', null],
  ['', null],
  ['1e3', null],
  ['99999999999999999999', null],
])('%j as a count is %j', (text, count) => {
  expect(readCount(text)).toBe(count);
});
