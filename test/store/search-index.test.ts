import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { gramsOf } from '../../src/core/search/signature.ts';
import { Layout } from '../../src/store/layout.ts';
import { findCandidates, type IndexOptions, indexFile } from '../../src/store/search-index.ts';
import { modeOf, names, scratch, snapshot } from './scratch.ts';

const UID = process.getuid?.();
let tokens = 0;

/** More text than is worth reading again, so that the cache is written. */
const FILLER = 'lorem ipsum dolor sit amet '.repeat(12_000);

function store() {
  const layout = new Layout(path.join(scratch(), 'home'));
  const folder = layout.sessions('main');
  fs.mkdirSync(folder, { recursive: true });
  const file = (id: string) => path.join(folder, `${id}.jsonl`);
  const line = (content: string) =>
    `${JSON.stringify({ type: 'message', timestamp: 1000, message: { role: 'user', content } })}\n`;
  const write = (id: string, ...texts: string[]) =>
    fs.writeFileSync(
      file(id),
      `${JSON.stringify({ type: 'session', id, sessionKey: `agent:main:${id}` })}\n${texts.map(line).join('')}`,
    );
  const append = (id: string, text: string) => fs.appendFileSync(file(id), line(text));
  const find = (term: string, options: Partial<IndexOptions> = {}) => {
    const found = findCandidates(layout, 'main', gramsOf([term]), {
      uid: UID,
      token: `t${tokens++}`,
      now: 0,
      wants: () => true,
      ...options,
    });
    return { ids: found.candidates.map(({ sessionId }) => sessionId).sort(), problems: found.problems };
  };
  write('one', 'the needle', FILLER);
  write('two', 'nothing of that sort', FILLER);
  return { layout, folder, file, write, append, find, cache: indexFile(layout, 'main') };
}

/** Counts the bytes read through `fs.readSync` while something happens. */
function bytesRead(work: () => void): number {
  const real = fs.readSync;
  let bytes = 0;
  fs.readSync = ((...args: Parameters<typeof real>) => {
    const read = real(...args);
    bytes += read;
    return read;
  }) as typeof real;
  try {
    work();
  } finally {
    fs.readSync = real;
  }
  return bytes;
}

describe('candidates', () => {
  it('are the transcripts that may hold the term, with and without a cache', () => {
    const { find, cache } = store();
    expect(find('needle').ids).toEqual(['one']);
    expect(fs.existsSync(cache)).toBe(true);
    expect(find('needle').ids).toEqual(['one']);
    expect(find('absent').ids).toEqual([]);
    fs.rmSync(path.dirname(cache), { recursive: true });
    expect(find('needle').ids).toEqual(['one']);
    expect(modeOf(cache)).toBe('600');
    expect(modeOf(path.dirname(cache))).toBe('700');
  });

  it('are told from the cache without reading transcripts again', () => {
    const { find } = store();
    const cold = bytesRead(() => find('needle'));
    const warm = bytesRead(() => find('needle'));
    expect(cold).toBeGreaterThan(2 * FILLER.length);
    expect(warm).toBeLessThan(64 * 1024);
  });

  it('are right when a transcript grew, of which only the new part is read', () => {
    const { find, append } = store();
    find('needle');
    append('two', 'a pearl');
    let found: ReturnType<typeof find> | undefined;
    // One chunk to see the first line, and what is new.
    const read = bytesRead(() => {
      found = find('pearl');
    });
    expect(found!.ids).toEqual(['two']);
    expect(read).toBeLessThan(FILLER.length);
    expect(find('needle').ids).toEqual(['one']);
  });

  it('are right through many small growths, written to the cache or not', () => {
    const { find, append } = store();
    for (let index = 0; index < 30; index++) {
      append('two', `pearl${index} ${'x'.repeat(index * 997)}${index}`);
      expect(find(`pearl${index}`).ids).toEqual(['two']);
    }
    expect(find('pearl0').ids).toEqual(['two']);
    expect(find('needle').ids).toEqual(['one']);
  });

  it.each([
    ['shrank', (file: string) => fs.truncateSync(file, 90)],
    [
      'is another file of its name',
      (file: string, text: string) => {
        fs.writeFileSync(`${file}.new`, text);
        fs.renameSync(`${file}.new`, file);
      },
    ],
    [
      'was written over in place, longer than before',
      (file: string, text: string) => fs.writeFileSync(file, text + text),
    ],
  ])('are right when a transcript %s', (_, change) => {
    const { find, file } = store();
    find('needle');
    const other = `${JSON.stringify({ type: 'session', id: 'one' })}\n${JSON.stringify({
      type: 'message',
      timestamp: 1,
      message: { role: 'user', content: `pearl ${FILLER}` },
    })}\n`;
    change(file('one'), other);
    expect(find('needle').ids).toEqual([]);
    expect(find('pearl').ids).toEqual(fs.statSync(file('one')).size > 100 ? ['one'] : []);
  });

  it('come and go with their files', () => {
    const { find, file, write } = store();
    find('needle');
    fs.rmSync(file('one'));
    write('three', 'another needle');
    expect(find('needle').ids).toEqual(['three']);
  });

  it('hold an unfinished last line as soon as it can be read, and again when it is finished', () => {
    const { find, file } = store();
    find('needle');
    const whole = JSON.stringify({
      type: 'message',
      timestamp: 2,
      message: { role: 'user', content: 'pearl' },
    });
    fs.appendFileSync(file('two'), whole.slice(0, 50));
    expect(find('pearl')).toMatchObject({ ids: [], problems: [{ line: 4 }] });
    fs.appendFileSync(file('two'), whole.slice(50));
    expect(find('pearl')).toEqual({ ids: ['two'], problems: [] });
    fs.appendFileSync(file('two'), '\n');
    expect(find('pearl')).toEqual({ ids: ['two'], problems: [] });
  });

  it('tell bad lines with their numbers, from the cache too', () => {
    const { find, file, append } = store();
    fs.appendFileSync(file('one'), '{"broken\n\0\0\0\n');
    append('one', 'behind');
    const cold = find('behind');
    expect(cold.ids).toEqual(['one']);
    expect(cold.problems.map(({ line }) => line)).toEqual([4, 5]);
    expect(find('behind')).toEqual(cold);
    append('one', 'further');
    expect(find('further').problems.map(({ line }) => line)).toEqual([4, 5]);
  });

  it('are only those that are wanted; others are not read beyond their first line and stay in the cache', () => {
    const { find, cache, write } = store();
    find('needle');
    const before = fs.readFileSync(cache);
    write('three', 'a needle of others', FILLER);
    const asked: (string | null)[] = [];
    const wants = (_: string, key: string | null) => {
      asked.push(key);
      return key === 'agent:main:two';
    };
    expect(find('needle', { wants }).ids).toEqual([]);
    expect(new Set(asked)).toEqual(new Set(['agent:main:one', 'agent:main:two', 'agent:main:three']));
    expect(fs.readFileSync(cache)).toEqual(before);
    expect(find('needle').ids).toEqual(['one', 'three']);
  });
});

describe('a cache', () => {
  const damage: [string, (cache: string) => void][] = [
    ['empty', cache => fs.writeFileSync(cache, '')],
    ['cut', cache => fs.truncateSync(cache, fs.statSync(cache).size - 7)],
    ['cut in its head', cache => fs.truncateSync(cache, 10)],
    ['of zeros', cache => fs.writeFileSync(cache, Buffer.alloc(5000))],
    [
      'of another version',
      cache => {
        const bytes = fs.readFileSync(cache);
        bytes.write('claw search 0');
        fs.writeFileSync(cache, bytes);
      },
    ],
    ['of another program', cache => fs.writeFileSync(cache, 'SQLite format 3\0'.repeat(100))],
    [
      'that claims a record of 4 GB',
      cache => {
        const bytes = fs.readFileSync(cache);
        bytes.writeUInt32LE(0xffffffff, 64 + 8);
        fs.writeFileSync(cache, bytes);
      },
    ],
    ['that others may write to', cache => fs.chmodSync(cache, 0o666)],
    [
      'that is a folder',
      cache => {
        fs.rmSync(cache);
        fs.mkdirSync(cache);
      },
    ],
    [
      'whose folder is a file',
      cache => {
        fs.rmSync(path.dirname(cache), { recursive: true });
        fs.writeFileSync(path.dirname(cache), '');
      },
    ],
  ];

  it.each(damage)('%s costs time and nothing else', (_, spoil) => {
    const { find, cache } = store();
    find('needle');
    spoil(cache);
    expect(find('needle')).toEqual({ ids: ['one'], problems: [] });
    expect(find('absent')).toEqual({ ids: [], problems: [] });
  });

  it('with any one byte turned finds the same', () => {
    const { find, cache } = store();
    find('needle');
    const whole = fs.readFileSync(cache);
    for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 60)) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 0x41;
      fs.writeFileSync(cache, bytes);
      expect(find('needle').ids, `byte ${at}`).toEqual(['one']);
    }
  });

  it('is not made where there is no home, and leaves no temporary behind', () => {
    const { find, cache } = store();
    find('needle');
    expect(names(path.dirname(cache))).toEqual(['main']);
    const empty = new Layout(path.join(scratch(), 'absent'));
    const options = { uid: UID, token: 't', now: 0, wants: () => true };
    expect(findCandidates(empty, 'main', gramsOf(['abc']), options)).toEqual({
      candidates: [],
      problems: [],
    });
    expect(fs.existsSync(empty.home)).toBe(false);
  });

  it('is not written again for a small change', () => {
    const { find, cache, append } = store();
    find('needle');
    const before = snapshot(path.dirname(cache));
    append('two', 'a pearl');
    expect(find('pearl').ids).toEqual(['two']);
    expect(snapshot(path.dirname(cache))).toEqual(before);
  });

  it('is swept of temporaries of searches that were killed', () => {
    const { find, cache } = store();
    fs.mkdirSync(path.dirname(cache), { recursive: true });
    const old = path.join(path.dirname(cache), '.tmp-old');
    fs.writeFileSync(old, '');
    find('needle', { now: fs.statSync(old).mtimeMs + 3_600_001 });
    expect(names(path.dirname(cache))).toEqual(['main']);
  });
});
