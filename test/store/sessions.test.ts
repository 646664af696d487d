import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SessionRecord } from '../../src/core/session/session.ts';
import { Layout } from '../../src/store/layout.ts';
import {
  listAgents,
  listRecords,
  loadRecord,
  prepareRecord,
  removeRecord,
  saveRecord,
} from '../../src/store/sessions.ts';
import { KEY, record } from '../core/turn-facts.ts';
import { names, scratch, snapshot } from './scratch.ts';

const DURABLE = { folder: true };

/** A home with the records of some keys. */
function homeWith(...keys: string[]) {
  const home = scratch();
  const layout = new Layout(home);
  for (const key of keys) saveRecord(layout, record({ key, agentId: key.split(':')[1]! }), 'writer', DURABLE);
  return { home, layout };
}

/** Writes a record's file the hard way. */
function write(layout: Layout, content: string, key = KEY): string {
  const file = layout.record('main', key);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
  return file;
}

const without = (name: keyof SessionRecord) => ({ ...record(), [name]: undefined });

describe('a record', () => {
  test('is read as it was saved', () => {
    const { layout } = homeWith(KEY);
    expect(loadRecord(layout, 'main', KEY)).toEqual({ state: 'ok', record: record() });
    expect(loadRecord(layout, 'main', 'agent:main:other')).toEqual({ state: 'missing' });
  });

  test('is replaced by the next one, and leaves no temporary', () => {
    const { home, layout } = homeWith(KEY);
    saveRecord(layout, record({ sessionId: 'next', bytes: 7 }), 'writer', { folder: false });
    expect(loadRecord(layout, 'main', KEY)).toMatchObject({
      state: 'ok',
      record: { sessionId: 'next', bytes: 7 },
    });
    const files = Object.keys(snapshot(home)).filter(name => fs.statSync(path.join(home, name)).isFile());
    expect(files).toEqual([path.relative(home, layout.record('main', KEY))]);
  });

  test('that is prepared is not there before it is committed, and never when it is abandoned', () => {
    const { layout } = homeWith();
    const prepared = prepareRecord(layout, record(), 'writer');
    expect(loadRecord(layout, 'main', KEY)).toEqual({ state: 'missing' });
    expect(listRecords(layout, 'main')).toEqual({ records: [], problems: [] });
    prepared.commit(DURABLE);
    expect(loadRecord(layout, 'main', KEY).state).toBe('ok');
    prepareRecord(layout, record({ bytes: 5 }), 'writer').abandon();
    expect(loadRecord(layout, 'main', KEY)).toEqual({ state: 'ok', record: record() });
    expect(names(layout.drafts('main'))).toEqual([]);
  });

  test('that is deleted by hand is missing, and deleting it twice does no harm', () => {
    const { layout } = homeWith(KEY);
    removeRecord(layout, 'main', KEY);
    removeRecord(layout, 'main', KEY);
    expect(loadRecord(layout, 'main', KEY)).toEqual({ state: 'missing' });
  });

  test('of a key that another system would mix up with it is another record', () => {
    const keys = [
      'agent:main:slack:channel:C1',
      'agent:main:slack:channel:c1',
      'agent:main:slack:channel~c1',
    ];
    const { layout } = homeWith(...keys);
    for (const key of keys)
      expect(loadRecord(layout, 'main', key)).toMatchObject({ state: 'ok', record: { key } });
    expect(
      listRecords(layout, 'main')
        .records.map(each => each.key)
        .sort(),
    ).toEqual([...keys].sort());
  });
});

describe('a record that cannot be used is unreadable, and stays', () => {
  const wrong: [string, unknown, RegExp][] = [
    ['an empty file', undefined, /0 bytes/],
    ['a list', [], /object/],
    ['null', null, /object/],
    ['a text', 'x', /object/],
    ['no version', without('version'), /version null/],
    ['a later version', { ...record(), version: 2 }, /unknown version 2.*version 1/],
    ['a version in words', { ...record(), version: '1' }, /unknown version "1"/],
    ['no key', without('key'), /key/],
    ['a foreign key', record({ key: 'agent:main:other' }), /another key, "agent:main:other"/],
    ["another agent's key", record({ key: 'agent:work:main', agentId: 'work' }), /another (key|agent)/],
    ['no session id', without('sessionId'), /sessionId/],
    ['a session id that leads elsewhere', record({ sessionId: '../x' }), /sessionId/],
    ['a session id that is a path', record({ sessionId: 'a/b' }), /sessionId/],
    ['a session id of dots', record({ sessionId: '..' }), /sessionId/],
    ['an empty session id', record({ sessionId: '' }), /sessionId/],
    ['a session id with a newline', record({ sessionId: 'a\n' }), /sessionId/],
    ['a session id that is a number', { ...record(), sessionId: 7 }, /sessionId/],
    ['a start that is a date', { ...record(), startedAt: '2026-01-01' }, /startedAt/],
    ['a start that is null (it was NaN)', { ...record(), startedAt: null }, /startedAt/],
    ['no byte count', without('bytes'), /bytes/],
    ['no message count', without('messageCount'), /messageCount/],
    // They become part of paths too, and of every comparison with the time.
    ['no agent', without('agentId'), /agent/i],
    ['an agent that leads elsewhere', record({ agentId: '../../../etc' }), /agent/i],
    ["another agent's id", record({ agentId: 'work' }), /agent/i],
    ['a last message in words', { ...record(), lastUserAt: 'yesterday' }, /lastUserAt/],
  ];

  test.each(wrong)('%s', (_, value, reason) => {
    const { home, layout } = homeWith('agent:main:good');
    const file = write(layout, value === undefined ? '' : JSON.stringify(value));
    const before = snapshot(home);
    expect(loadRecord(layout, 'main', KEY)).toEqual({
      state: 'unreadable',
      file,
      reason: expect.stringMatching(reason),
    });
    expect(snapshot(home)).toEqual(before);
  });

  test.each(wrong)('%s: a listing shows the other rows and names the file', (_, value, reason) => {
    const { layout } = homeWith('agent:main:good');
    const file = write(layout, value === undefined ? '' : JSON.stringify(value));
    const { records, problems } = listRecords(layout, 'main');
    expect(records.map(each => each.key)).toEqual(['agent:main:good']);
    expect(problems).toEqual([{ file, reason: expect.stringMatching(reason) }]);
  });

  test('what a later claw adds to a record is no harm', () => {
    const { layout } = homeWith();
    write(layout, JSON.stringify({ ...record(), compactions: 3 }));
    expect(loadRecord(layout, 'main', KEY)).toMatchObject({ state: 'ok', record: { compactions: 3 } });
  });
});

describe('a listing', () => {
  test('of an agent without sessions is empty, and writes nothing', () => {
    const { home, layout } = homeWith();
    expect(listRecords(layout, 'main')).toEqual({ records: [], problems: [] });
    expect(listAgents(layout)).toEqual([]);
    expect(names(home)).toEqual([]);
  });

  test('of a folder that is none is an error: its sessions are not gone, they cannot be seen', () => {
    const { layout } = homeWith();
    fs.mkdirSync(path.dirname(layout.records('main')), { recursive: true });
    fs.writeFileSync(layout.records('main'), '');
    expect(() => listRecords(layout, 'main')).toThrow(/ENOTDIR/);
    expect(loadRecord(layout, 'main', KEY)).toMatchObject({ state: 'unreadable' });
  });

  test('opens no transcript', () => {
    const keys = Array.from({ length: 20 }, (_, number) => `agent:main:telegram:dm:${number}`);
    const { layout } = homeWith(...keys);
    // As root every file can be opened; a folder in its place cannot be read as one by anybody.
    for (const { sessionId } of listRecords(layout, 'main').records) {
      fs.mkdirSync(layout.transcript('main', sessionId), { recursive: true, mode: 0o000 });
    }
    const { records, problems } = listRecords(layout, 'main');
    expect(problems).toEqual([]);
    expect(records.map(each => each.key).sort()).toEqual([...keys].sort());
  });

  test('passes over temporaries and what is no record', () => {
    const { layout } = homeWith(KEY);
    for (const name of [
      '.tmp-writer',
      '.tmp-writer.json',
      '.DS_Store',
      'README',
      'main.json~',
      'main.json.bak',
    ])
      fs.writeFileSync(path.join(layout.records('main'), name), 'x');
    expect(listRecords(layout, 'main')).toEqual({ records: [record()], problems: [] });
  });

  test('names a record that was copied or renamed by hand, and a folder in its place', () => {
    const { layout } = homeWith(KEY);
    const copy = path.join(layout.records('main'), 'copy.json');
    fs.copyFileSync(layout.record('main', KEY), copy);
    const folder = path.join(layout.records('main'), 'folder.json');
    fs.mkdirSync(folder);
    const { records, problems } = listRecords(layout, 'main');
    expect(records).toEqual([record()]);
    expect(problems.sort((a, b) => (a.file < b.file ? -1 : 1))).toEqual([
      { file: copy, reason: expect.stringMatching(/another key, "agent:main:main"/) },
      { file: folder, reason: expect.stringMatching(/EISDIR/) },
    ]);
  });

  test('of agents is in order, without what is hidden', () => {
    const { layout } = homeWith('agent:work:main', 'agent:main:main');
    fs.mkdirSync(path.join(layout.agents(), '.trash'));
    expect(listAgents(layout)).toEqual(['main', 'work']);
  });

  test('writes nothing', () => {
    const { home, layout } = homeWith(KEY, 'agent:main:other');
    write(layout, 'broken', 'agent:main:broken');
    const before = snapshot(home);
    listRecords(layout, 'main');
    loadRecord(layout, 'main', KEY);
    loadRecord(layout, 'main', 'agent:main:broken');
    loadRecord(layout, 'main', 'agent:main:none');
    expect(snapshot(home)).toEqual(before);
  });
});
