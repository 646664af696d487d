import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { termsOf } from '../../src/core/search/word.ts';
import { type MemoryQuery, searchMemory } from '../../src/store/memory-index.ts';
import { modeOf, scratch } from './scratch.ts';

/** Enough notes for a cache to be worth it. */
const FILLER = Array.from({ length: 1500 }, (_, i) => `- filler${i} about nothing in particular\n`).join('');

function memory(files: Record<string, string | Buffer> = {}) {
  const home = scratch();
  const workspace = path.join(home, 'workspace');
  fs.mkdirSync(path.join(workspace, 'memory'), { recursive: true });
  const cache = path.join(home, 'cache', 'memory', 'main');
  const write = (name: string, text: string | Buffer) => {
    fs.writeFileSync(path.join(workspace, name), text);
    // As if it had not just been written: what is that young is never trusted.
    return age(path.join(workspace, name));
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  const search = (words: string, query: Partial<MemoryQuery> = {}) =>
    searchMemory(
      { workspace, cache, uid: process.getuid?.(), token: 'token', now: 0 },
      { terms: termsOf(words), limit: 10, uses: () => true, isQuestion: true, ...query },
    );
  /** The cache as if it had been made long after the last change of any file. */
  const settle = () => fs.utimesSync(cache, later, later);
  const found = (words: string, query?: Partial<MemoryQuery>) =>
    search(words, query).found.map(({ file, line, text }) => `${file}:${line} ${text}`);
  return { home, workspace, cache, write, search, settle, found };
}

const later = Date.now() / 1000 + 3600;

function age(file: string): void {
  fs.utimesSync(file, 1_700_000_000, 1_700_000_000);
}

describe('notes are found', () => {
  it('with file, line and day, the better before the newer, the newer among equals', () => {
    const { search } = memory({
      'MEMORY.md': '# Keys\n\n- 2026-01-05 spare key with Ada\n',
      'memory/2026-01-01.md': '- the key\n',
      'memory/2026-01-02.md': '- a key\n',
    });
    expect(search('spare key').found).toMatchObject([
      { file: 'MEMORY.md', line: 3, day: '2026-01-05', text: 'Keys: 2026-01-05 spare key with Ada' },
    ]);
    expect(search('key', { isQuestion: false }).found.map(({ file, day }) => [file, day])).toEqual([
      ['MEMORY.md', '2026-01-05'],
      ['memory/2026-01-02.md', '2026-01-02'],
      ['memory/2026-01-01.md', '2026-01-01'],
    ]);
  });

  it('in those files only that may be used; the same text once', () => {
    const { found, search } = memory({
      'MEMORY.md': 'the key is with Ada\n',
      'memory/a.md': 'the key is lost\n\nthe key is lost\n',
    });
    const uses = (name: string) => name !== 'MEMORY.md';
    expect(found('key', { uses })).toEqual(['memory/a.md:3 the key is lost']);
    expect(search('key', { uses }).notes).toBe(2);
  });

  it('in a line of 1 MB and beside a binary file, which is told', () => {
    const { search } = memory({
      'memory/a.md': `- ${'word '.repeat(200_000)}the xylophone ${'word '.repeat(10)}\n`,
      'memory/b.md': Buffer.concat([Buffer.from([0, 1, 2]), Buffer.from('xylophone')]),
    });
    for (let i = 0; i < 2; i++) {
      const { found, problems } = search('xylophone');
      expect(found.map(({ file }) => file)).toEqual(['memory/a.md']);
      expect(problems).toEqual([{ name: 'memory/b.md', reason: 'not text (it holds NUL bytes)' }]);
    }
  });
});

describe('the cache', () => {
  it('is not made for few notes', () => {
    const { found, home } = memory({ 'MEMORY.md': 'the key\n' });
    expect(found('key')).toHaveLength(1);
    expect(fs.readdirSync(home)).toEqual(['workspace']);
  });

  it('is used as long as files are what they were', () => {
    const { found, cache, settle } = memory({ 'memory/a.md': `${FILLER}- the xylophone\n` });
    expect(found('xylophone')).toEqual(['memory/a.md:1501 the xylophone']);
    expect([modeOf(cache), modeOf(path.dirname(cache))]).toEqual(['600', '700']);
    settle();
    const before = fs.statSync(cache).ino;
    expect(found('xylophone')).toHaveLength(1);
    expect(fs.statSync(cache).ino).toBe(before);
  });

  it('is left as it is where little has changed: what is new, changed and gone is seen all the same', () => {
    const { found, cache, settle, write, workspace } = memory({
      'memory/a.md': FILLER,
      'memory/b.md': '- the xylophone\n',
      'memory/c.md': '- a trumpet\n',
    });
    found('x');
    settle();
    const before = fs.statSync(cache).ino;
    write('memory/d.md', '- another xylophone\n');
    write('memory/c.md', '- a tromboon\n');
    fs.rmSync(path.join(workspace, 'memory', 'b.md'));
    expect(found('xylophone')).toEqual(['memory/d.md:1 another xylophone']);
    expect(found('trumpet')).toEqual([]);
    expect(found('tromboon')).toEqual(['memory/c.md:1 a tromboon']);
    expect(fs.statSync(cache).ino).toBe(before);
  });

  it('sees a change that kept size and time, by the inode or the change time', () => {
    const { found, settle, write } = memory({ 'memory/a.md': `${FILLER}- the xylophone\n` });
    found('x');
    settle();
    write('memory/a.md', `${FILLER}- the tambourin\n`.replace('tambourin', 'vuvuzelas'));
    expect(found('xylophone')).toEqual([]);
    expect(found('vuvuzelas')).toHaveLength(1);
  });

  it('does not trust a file that changed the moment it was made', () => {
    const { found, workspace } = memory({ 'memory/a.md': `${FILLER}- the xylophone\n` });
    found('x');
    // No time has passed for the stats to tell.
    const file = path.join(workspace, 'memory/a.md');
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, 'vuvuzelas', FILLER.length + 6);
    fs.closeSync(fd);
    age(file);
    expect(found('vuvuzelas')).toHaveLength(1);
  });

  it.each<[string, (cache: string) => void]>([
    ['deleted', cache => fs.rmSync(path.dirname(cache), { recursive: true })],
    ['empty', cache => fs.writeFileSync(cache, '')],
    ['cut', cache => fs.truncateSync(cache, 4096)],
    ['other bytes', cache => fs.writeFileSync(cache, Buffer.alloc(8192, 7))],
    ['writable by others', cache => fs.chmodSync(cache, 0o666)],
    [
      'a folder',
      cache => {
        fs.rmSync(cache);
        fs.mkdirSync(cache);
      },
    ],
  ])('costs nothing but time when it is %s', (_, damage) => {
    const { found, cache, settle } = memory({ 'memory/a.md': `${FILLER}- the xylophone\n` });
    found('x');
    settle();
    damage(cache);
    expect(found('xylophone')).toEqual(['memory/a.md:1501 the xylophone']);
    expect(fs.readdirSync(path.dirname(cache)).filter(name => name.startsWith('.tmp'))).toEqual([]);
  });

  it('of another workspace is not used', () => {
    const { found, search, cache, home, settle } = memory({ 'memory/a.md': `${FILLER}- the xylophone\n` });
    found('x');
    settle();
    const workspace = path.join(home, 'other');
    fs.mkdirSync(path.join(workspace, 'memory'), { recursive: true });
    fs.copyFileSync(path.join(home, 'workspace/memory/a.md'), path.join(workspace, 'memory/a.md'));
    expect(search('xylophone').found).toHaveLength(1);
    const query = { terms: ['xylophone'], limit: 1, uses: () => true, isQuestion: true };
    const at = { workspace, cache, uid: process.getuid?.(), token: 't', now: 0 };
    expect(searchMemory(at, query).found[0]!.path).toBe(path.join(workspace, 'memory/a.md'));
  });

  it('of 10,000 notes in 400 files finds the one', () => {
    const files: Record<string, string> = {};
    for (let i = 0; i < 400; i++)
      files[`memory/n${i}.md`] = Array.from({ length: 25 }, (_, n) => `- note ${i} item${i * 25 + n}\n`).join(
        '',
      );
    files['memory/n200.md'] += '- the xylophone is in the attic\n';
    const { found, search, settle, write } = memory(files);
    expect(search('xylophone').notes).toBe(10_001);
    settle();
    expect(found('where is the xylophone?')).toEqual(['memory/n200.md:26 the xylophone is in the attic']);
    write('memory/n7.md', '- one more xylophone\n');
    expect(found('xylophone')).toContain('memory/n7.md:1 one more xylophone');
    expect(search('xylophone').notes).toBe(10_001 - 24);
  });
});
