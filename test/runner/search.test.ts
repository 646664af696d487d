import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseQuery } from '../../src/core/search/query.ts';
import type { Desk } from '../../src/runner/desk.ts';
import { type SearchRequest, searchSessions } from '../../src/runner/search.ts';
import { Layout } from '../../src/store/layout.ts';
import { contextIn, scratch } from '../store/scratch.ts';

function desk(): Desk {
  const home = scratch();
  const layout = new Layout(home);
  const zone = { name: 'UTC', isHost: false };
  return { context: contextIn(home), layout, config: {}, zone, idRetention: 0, warn: () => undefined };
}

function write(at: Desk, agentId: string, id: string, sessionKey: string | null, ...more: string[]): string {
  const folder = at.layout.sessions(agentId);
  fs.mkdirSync(folder, { recursive: true });
  const said = (timestamp: number) => ({
    type: 'message',
    timestamp,
    message: { role: 'user', content: `pearl ${id}` },
  });
  const file = path.join(folder, `${id}.jsonl`);
  const header = sessionKey === null ? [] : [JSON.stringify({ type: 'session', id, sessionKey })];
  fs.writeFileSync(file, `${[...header, JSON.stringify(said(1000 + id.length)), ...more].join('\n')}\n`);
  return file;
}

const search = (at: Desk, request: Partial<SearchRequest> = {}) =>
  searchSessions(at, {
    query: parseQuery('pearl')!,
    agentIds: ['main', 'work'],
    limit: 20,
    maySee: () => true,
    ...request,
  });
const ids = (at: Desk, request?: Partial<SearchRequest>) =>
  search(at, request).results.map(({ sessionId }) => sessionId);

describe('who may see one session', () => {
  it('finds nothing of another, nor is told what is unreadable there, with a cache and without', () => {
    const at = desk();
    write(at, 'main', 'own', 'agent:main:own');
    write(at, 'main', 'other', 'agent:main:other', '{"half');
    write(at, 'main', 'nobodys', null);
    write(at, 'work', 'foreign', 'agent:work:own');
    const maySee = (agentId: string, key: string) => agentId === 'main' && key === 'agent:main:own';
    for (let run = 0; run < 2; run++) {
      expect(search(at, { maySee })).toMatchObject({ results: [{ sessionId: 'own' }], problems: [] });
      // Somebody who may see everything fills the cache in between.
      expect(ids(at).sort()).toEqual(['foreign', 'nobodys', 'other', 'own']);
    }
  });

  it('is asked again when a transcript became that of another session', () => {
    const at = desk();
    write(at, 'main', 'a', 'agent:main:own', JSON.stringify({ type: 'x', filler: 'y'.repeat(300_000) }));
    const maySee = (_: string, key: string) => key === 'agent:main:own';
    expect(ids(at, { maySee })).toEqual(['a']);
    write(at, 'main', 'a', 'agent:main:other');
    expect(ids(at, { maySee })).toEqual([]);
  });
});

describe('results', () => {
  it('are the newest, whatever the order of files, and reading stops when no older one can count', () => {
    const at = desk();
    for (let length = 1; length <= 30; length++) write(at, 'main', 'x'.repeat(length), 'agent:main:own');
    const found = search(at, { limit: 3 });
    expect(found.results.map(({ sessionId }) => sessionId.length)).toEqual([30, 29, 28]);
    expect(found.hasMore).toBe(true);
    expect(search(at, { limit: 30 })).toMatchObject({ hasMore: false });
    expect(search(at, { limit: 0 })).toMatchObject({ results: [], hasMore: true });
  });

  it('skip what is no file, a link into itself included', () => {
    const at = desk();
    write(at, 'main', 'own', 'agent:main:own');
    const folder = at.layout.sessions('main');
    fs.mkdirSync(path.join(folder, 'folder.jsonl'));
    fs.symlinkSync('loop.jsonl', path.join(folder, 'loop.jsonl'));
    const found = search(at);
    expect(found.results.map(({ sessionId }) => sessionId)).toEqual(['own']);
    expect(found.problems.map(({ file }) => path.basename(file))).toEqual(['loop.jsonl']);
  });
});
