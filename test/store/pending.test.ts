import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeKey, Layout } from '../../src/store/layout.ts';
import {
  claimReply,
  clearTurn,
  clearWake,
  dropFailed,
  dropWaiting,
  type FailedMessage,
  hasTurnMark,
  isOffered,
  isWaiting,
  listPendingAgents,
  listWaiting,
  listWaitingFiles,
  listWakes,
  markTurn,
  offerReply,
  pendingOverview,
  putFailed,
  putWaiting,
  putWake,
  readReply,
  readWake,
} from '../../src/store/pending.ts';
import { HOUR, incoming, KEY, NOON, RUN } from '../core/turn-facts.ts';
import { useWorkers } from './processes.ts';
import { contextIn, names, scratch, snapshot } from './scratch.ts';

const workers = useWorkers();

/** A home with what is needed to put messages into it. `accept` takes them in the order of its calls. */
function desk() {
  const home = scratch();
  const layout = new Layout(home);
  const context = contextIn(home);
  const accept = (messageId: string, part: Parameters<typeof incoming>[0] = {}) =>
    putWaiting(context, layout, incoming({ messageId, ...part }));
  const ids = (key = KEY) => listWaiting(layout, 'main', key).waiting.map(item => item.incoming.messageId);
  return { home, layout, context, accept, ids, folder: layout.pending('main') };
}

function failed(part: Partial<FailedMessage> = {}): FailedMessage {
  return {
    key: KEY,
    agentId: 'main',
    sessionId: 's1',
    runId: RUN,
    at: 10,
    messageIds: ['m1'],
    users: [],
    text: 'hello',
    status: 'failed',
    error: { code: 'exit', message: 'it failed' },
    failedAt: NOON,
    ...part,
  };
}

describe('messages that wait', () => {
  test('are listed in the order of their arrival, each with all that was decided about it', () => {
    const { layout, accept } = desk();
    const stems = ['a', 'b', 'c'].map((id, number) =>
      accept(id, { acceptedAt: NOON + number, owner: id === 'b' }),
    );
    expect(listWaiting(layout, 'main', KEY)).toEqual({
      waiting: ['a', 'b', 'c'].map((id, number) => ({
        stem: stems[number],
        file: path.join(layout.pending('main'), `main.${stems[number]}.json`),
        incoming: incoming({ messageId: id, acceptedAt: NOON + number, owner: id === 'b' }),
      })),
      unreadable: [],
    });
    for (const stem of stems) expect(stem).toMatch(/^\d{16}-[0-9a-f]{8}$/);
  });

  test('keep their order within one millisecond', () => {
    const { accept, ids } = desk();
    const all = Array.from({ length: 50 }, (_, number) => `m${number}`);
    for (const id of all) accept(id);
    expect(ids()).toEqual(all);
  });

  test('keep their order when the clock goes back, and when it comes forward again', () => {
    const { accept, ids } = desk();
    accept('a');
    accept('b', { acceptedAt: NOON - 24 * HOUR });
    accept('c', { acceptedAt: 0 });
    accept('d', { acceptedAt: NOON + 1 });
    accept('e', { acceptedAt: NOON + HOUR });
    expect(ids()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('of a session that the clock once ran ahead for do not push others forward', () => {
    const { layout, accept } = desk();
    accept('a', { acceptedAt: NOON + 1000 * HOUR });
    const other = accept('b', { key: 'agent:main:telegram:dm:1' });
    expect(Number(other.slice(0, 16))).toBe(NOON);
    expect(listWaiting(layout, 'main', KEY).waiting).toHaveLength(1);
  });

  test('keep the time of their acceptance, whatever their place in the line', () => {
    const { layout, accept } = desk();
    accept('a');
    accept('b', { acceptedAt: NOON - HOUR });
    expect(listWaiting(layout, 'main', KEY).waiting.map(item => item.incoming.acceptedAt)).toEqual([
      NOON,
      NOON - HOUR,
    ]);
  });

  test('from 4 processes at once are all there, each process in its own order', async () => {
    const { home, layout, ids } = desk();
    const all = ['a', 'b', 'c', 'd'];
    const stems = await workers.together(
      'waitMany',
      all.map(name => ({ home, name, count: 25 })),
    );
    expect(new Set(stems.flat()).size).toBe(100);
    const found = ids();
    expect(found).toHaveLength(100);
    for (const name of all) {
      const own = found.filter(id => id.startsWith(`${name}-`));
      expect(own).toEqual(Array.from({ length: 25 }, (_, number) => `${name}-${number}`));
    }
    expect(names(layout.pending('main')).filter(name => name.startsWith('.'))).toEqual([]);
  });

  test('of one session are not seen by another one whose name begins the same', () => {
    const { accept, ids } = desk();
    accept('a');
    accept('b', { key: `${KEY}.x` });
    accept('c', { key: `${KEY}x` });
    accept('d', { key: 'agent:main:mai' });
    expect(ids()).toEqual(['a']);
    expect(ids(`${KEY}.x`)).toEqual(['b']);
    expect(ids(`${KEY}x`)).toEqual(['c']);
  });

  test('are gone when they are dropped, and dropping one twice does no harm', () => {
    const { layout, accept, ids } = desk();
    const stem = accept('a');
    accept('b');
    expect(isWaiting(layout, 'main', KEY, stem)).toBe(true);
    dropWaiting(layout, 'main', KEY, stem);
    dropWaiting(layout, 'main', KEY, stem);
    expect(isWaiting(layout, 'main', KEY, stem)).toBe(false);
    expect(ids()).toEqual(['b']);
  });

  test('that are refused because they cannot be written leave nothing behind', () => {
    const { layout, context, folder } = desk();
    fs.mkdirSync(path.dirname(folder), { recursive: true });
    fs.writeFileSync(folder, 'no folder');
    expect(() => putWaiting(context, layout, incoming())).toThrow(/ENOTDIR|EEXIST/);
    expect(fs.readFileSync(folder, 'utf8')).toBe('no folder');
  });

  test('in a home that has none yet: none, and nothing is written', () => {
    const { home, layout, ids } = desk();
    expect(ids()).toEqual([]);
    expect(pendingOverview(layout, 'main')).toEqual({
      turns: [],
      waiting: [],
      replies: [],
      failed: [],
      wakes: [],
    });
    expect([listWaitingFiles(layout, 'main'), listPendingAgents(layout)]).toEqual([[], []]);
    expect(hasTurnMark(layout, 'main', KEY)).toBe(false);
    expect(names(home)).toEqual([]);
  });
});

describe('a waiting file that cannot be used', () => {
  test.each([
    ['empty', ''],
    ['cut off', '{"agentId":"main","key":"agent:ma'],
    ['NUL bytes', '\0\0\0'],
    ['no object', 'null'],
    ['a list', '[]'],
    ['another document', '{"version":1}'],
    ['a message without its text', JSON.stringify({ ...incoming(), message: { channel: 'cli' } })],
    ['a message without its time', JSON.stringify({ ...incoming(), acceptedAt: null })],
  ])('%s: reported, left in place, and the others go on', (_, content) => {
    const { layout, accept, ids, folder } = desk();
    accept('a', { acceptedAt: NOON - 1 });
    const file = path.join(folder, `main.${String(NOON).padStart(16, '0')}-00000000.json`);
    fs.writeFileSync(file, content);
    accept('b', { acceptedAt: NOON + 1 });
    expect(listWaiting(layout, 'main', KEY).unreadable).toEqual([
      { file, reason: expect.stringMatching(/\w/) },
    ]);
    expect(ids()).toEqual(['a', 'b']);
    expect(fs.readFileSync(file, 'utf8')).toBe(content);
  });

  test('still counts for the order: what comes after it stands behind it', () => {
    const { layout, accept, folder } = desk();
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, `main.${NOON + HOUR}-00000000.json`.replace('main.', 'main.000')), '');
    const stem = accept('a');
    expect(Number(stem.slice(0, 16))).toBe(NOON + HOUR + 1);
    expect(listWaiting(layout, 'main', KEY).unreadable).toHaveLength(1);
  });
});

describe('an offered reply', () => {
  test('is fetched by one, with the message it belongs to', () => {
    const { layout, accept } = desk();
    const stem = accept('a');
    expect(claimReply(layout, 'main', KEY, stem)).toBe(false);
    expect(isOffered(layout, 'main', KEY, stem)).toBe(false);
    offerReply(layout, 'main', KEY, stem);
    expect(isWaiting(layout, 'main', KEY, stem)).toBe(false);
    expect(isOffered(layout, 'main', KEY, stem)).toBe(true);
    expect(readReply(layout, 'main', KEY, stem)).toEqual({
      state: 'ok',
      value: incoming({ messageId: 'a' }),
    });
    expect(claimReply(layout, 'main', KEY, stem)).toBe(true);
    expect(claimReply(layout, 'main', KEY, stem)).toBe(false);
    expect(readReply(layout, 'main', KEY, stem)).toEqual({ state: 'missing' });
  });

  test('offered again after it was fetched, or never asked for, does not come back', () => {
    const { layout, accept, home } = desk();
    const stem = accept('a');
    offerReply(layout, 'main', KEY, stem);
    claimReply(layout, 'main', KEY, stem);
    const before = snapshot(home);
    offerReply(layout, 'main', KEY, stem);
    offerReply(layout, 'main', KEY, '0000000000000001-00000000');
    dropWaiting(layout, 'main', KEY, stem);
    expect(snapshot(home)).toEqual(before);
  });

  test('is fetched by exactly one of two processes, a hundred times', async () => {
    const { home, layout, accept } = desk();
    const stems = Array.from({ length: 100 }, (_, number) => accept(`m${number}`));
    for (const stem of stems) offerReply(layout, 'main', KEY, stem);
    const claims = await workers.together('claimAll', [
      { home, stems },
      { home, stems },
    ]);
    expect(claims.flat().sort()).toEqual(stems);
  });
});

describe('names', () => {
  /** Keys whose names look like the names of other things. */
  const KEYS = ['main', 'main.turn', 'main.json', 'main.reply', 'main.failed', `main.${RUN}.failed`]
    .concat([
      'main.0000000000000001-abcdef12.json',
      'main.0000000000000001-abcdef12',
      'telegram:dm:1',
      'x.turn.turn',
    ])
    .concat(['.turn', '.json', 'x'.repeat(300)])
    .map(rest => `agent:main:${rest}`);

  test('of markers, messages, replies and failures parse for every key', () => {
    const { layout, context } = desk();
    const replied: { encoded: string; stem: string }[] = [];
    for (const key of KEYS) {
      markTurn(layout, 'main', key);
      putWaiting(context, layout, incoming({ key, messageId: 'waits' }));
      const stem = putWaiting(context, layout, incoming({ key, messageId: 'answered' }));
      offerReply(layout, 'main', key, stem);
      replied.push({ encoded: encodeKey(key.slice(11)), stem });
      putFailed(context, layout, failed({ key }));
    }
    const encoded = KEYS.map(key => encodeKey(key.slice(11))).sort();
    const overview = pendingOverview(layout, 'main');
    expect(overview.turns.sort()).toEqual(encoded);
    expect(overview.waiting.sort()).toEqual(encoded);
    const byName = (a: { encoded: string }, b: { encoded: string }) => (a.encoded < b.encoded ? -1 : 1);
    expect(overview.replies.sort(byName)).toEqual(replied.sort(byName));
    expect(overview.failed).toHaveLength(KEYS.length);
    expect(listWaitingFiles(layout, 'main')).toHaveLength(KEYS.length);
    for (const key of KEYS) {
      expect(
        listWaiting(layout, 'main', key).waiting.map(item => [item.incoming.key, item.incoming.messageId]),
      ).toEqual([[key, 'waits']]);
    }
  });

  test('what belongs to one session is settled without touching the others', () => {
    const { layout, context, folder } = desk();
    for (const key of KEYS) {
      markTurn(layout, 'main', key);
      putFailed(context, layout, failed({ key }));
    }
    KEYS.forEach((key, settled) => {
      expect(hasTurnMark(layout, 'main', key)).toBe(true);
      clearTurn(layout, 'main', key);
      clearTurn(layout, 'main', key);
      expect(hasTurnMark(layout, 'main', key)).toBe(false);
      dropFailed(layout, 'main', key, ['m1']);
      expect(names(folder)).toHaveLength(2 * (KEYS.length - settled - 1));
    });
  });

  test('of temporaries and of others are no work', () => {
    const { layout, folder, accept } = desk();
    accept('a');
    for (const name of [
      '.tmp-1-2-3-4-5-6',
      '.DS_Store',
      'notes.txt',
      'main.json',
      'main.1-2.json',
      '.turn',
      '.x.turn',
    ])
      fs.writeFileSync(path.join(folder, name), '');
    expect(pendingOverview(layout, 'main')).toEqual({
      turns: [],
      waiting: ['main'],
      replies: [],
      failed: [],
      wakes: [],
    });
    expect(listWaitingFiles(layout, 'main')).toHaveLength(1);
    expect(listWaiting(layout, 'main', KEY).unreadable).toEqual([]);
  });

  test('of agents with work are told, those of temporaries are not', () => {
    const { layout } = desk();
    for (const agentId of ['work', 'main']) markTurn(layout, agentId, `agent:${agentId}:main`);
    fs.mkdirSync(path.join(layout.pendingRoot(), '.tmp'));
    expect(listPendingAgents(layout)).toEqual(['main', 'work']);
  });
});

describe('a marked turn', () => {
  test('is marked once, however often', () => {
    const { layout, folder } = desk();
    markTurn(layout, 'main', KEY);
    markTurn(layout, 'main', KEY);
    expect(names(folder)).toEqual(['main.turn']);
  });

  test('that was never marked can be cleared', () => {
    const { layout, home } = desk();
    clearTurn(layout, 'main', KEY);
    expect(names(home)).toEqual([]);
  });
});

describe('failed messages', () => {
  const runOf = (number: number) => `00000000-0000-4000-8000-00000000000${number}`;

  test('are kept with their text, and forgotten when one of them was answered', () => {
    const { layout, context, folder } = desk();
    putFailed(context, layout, failed({ runId: runOf(1), messageIds: ['a', 'b'] }));
    putFailed(context, layout, failed({ runId: runOf(2), messageIds: ['c'] }));
    putFailed(context, layout, failed({ runId: runOf(3), key: `${KEY}2`, messageIds: ['b'] }));
    dropFailed(layout, 'main', KEY, ['x']);
    expect(names(folder)).toHaveLength(3);
    dropFailed(layout, 'main', KEY, ['x', 'b']);
    expect(names(folder)).toEqual([`main.${runOf(2)}.failed`, `main2.${runOf(3)}.failed`]);
    expect(JSON.parse(fs.readFileSync(path.join(folder, `main.${runOf(2)}.failed`), 'utf8'))).toEqual(
      failed({ runId: runOf(2), messageIds: ['c'] }),
    );
  });

  test('that failed again are kept once, with the newest failure', () => {
    const { layout, context, folder } = desk();
    putFailed(context, layout, failed({ runId: runOf(1) }));
    putFailed(context, layout, failed({ runId: runOf(2) }));
    dropFailed(layout, 'main', KEY, ['m1'], runOf(2));
    expect(names(folder)).toEqual([`main.${runOf(2)}.failed`]);
  });

  test.each(['', '{"messageIds"', 'null', '{}', '{"messageIds":"m1"}', '{"messageIds":[null]}'])(
    'a file of them that holds %j stays, and does not keep the answered ones from being forgotten',
    content => {
      const { layout, context, folder } = desk();
      putFailed(context, layout, failed({ runId: runOf(2) }));
      const broken = path.join(folder, `main.${runOf(1)}.failed`);
      fs.writeFileSync(broken, content);
      dropFailed(layout, 'main', KEY, ['m1']);
      expect(names(folder)).toEqual([path.basename(broken)]);
      expect(fs.readFileSync(broken, 'utf8')).toBe(content);
    },
  );
});

describe('marks of sessions to be woken', () => {
  const LONG = `agent:main:telegram:dm:${'A'.repeat(300)}`;

  test('are found by file name, with the key however long it is, and go', () => {
    const { layout, context } = desk();
    const marks = [KEY, LONG].map(key => ({ agentId: 'main', key, at: 5, failures: 0 }));
    for (const mark of marks) putWake(context, layout, mark);
    expect(listWakes(layout, 'main')).toEqual(marks);
    expect(readWake(layout, 'main', LONG)).toEqual(marks[1]);
    expect(pendingOverview(layout, 'main').wakes).toHaveLength(2);
    clearWake(layout, 'main', LONG);
    expect(listWakes(layout, 'main')).toEqual([marks[0]]);
    expect(readWake(layout, 'main', LONG)).toBeNull();
  });

  test('count also when they cannot be read; what a name does not mean is left', () => {
    const { layout } = desk();
    const folder = layout.pending('main');
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'telegram~dm~x.wake'), '');
    fs.writeFileSync(path.join(folder, 'other.wake'), JSON.stringify({ key: KEY, at: 1, failures: 0 }));
    fs.writeFileSync(path.join(folder, '.tmp-x.wake'), '');
    expect(listWakes(layout, 'main')).toEqual([
      { agentId: 'main', key: 'agent:main:telegram:dm:x', at: 0, failures: 0 },
    ]);
  });
});
