import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemContext } from '../../src/context.ts';
import {
  listNames,
  makeFolder,
  putJson,
  readJson,
  sweepTemporaries,
  syncFolder,
} from '../../src/store/json-file.ts';
import { newToken, tokenState } from '../../src/store/lock.ts';
import { canMount, useWorkers } from './processes.ts';
import { modeOf, names, scratch, snapshot } from './scratch.ts';

const workers = useWorkers();
const isRoot = process.getuid?.() === 0;
const DURABLE = { folder: true };

/** Writes a file the hard way and gives its path. */
function fileWith(content: string | Buffer): string {
  const file = path.join(scratch(), 'document.json');
  fs.writeFileSync(file, content);
  return file;
}

describe('reading', () => {
  test.each([
    ['{"a":[1,null]}\n', { a: [1, null] }],
    ['null', null],
    ['0', 0],
    ['""', ''],
    ['  {}  ', {}],
  ])('%j is the document %j', (content, value) => {
    expect(readJson(fileWith(content))).toEqual({ state: 'ok', value });
  });

  test('a file that is not there is missing, and so is one in a folder that is not there', () => {
    const folder = scratch();
    expect(readJson(path.join(folder, 'none.json'))).toEqual({ state: 'missing' });
    expect(readJson(path.join(folder, 'none', 'none.json'))).toEqual({ state: 'missing' });
  });

  test.each([
    ['0 bytes', ''],
    ['a truncated document', '{"version":1,"key":"agent:main:ma'],
    ['NUL bytes, as a power cut leaves them', Buffer.alloc(64)],
    ['a document with something behind it', '{}{}'],
    ['white space', ' \n'],
    ['bytes of another encoding', Buffer.from('{"a":1}', 'utf16le')],
    ['JSON5', '{a: 1}'],
  ])('%s is unreadable: neither empty nor missing, and left as it is', (_, content) => {
    const file = fileWith(content);
    const before = snapshot(path.dirname(file));
    const read = readJson(file);
    expect(read).toMatchObject({ state: 'unreadable', file });
    expect(read.state === 'unreadable' && read.reason).toMatch(/\w/);
    expect(snapshot(path.dirname(file))).toEqual(before);
  });

  test('a folder in its place is unreadable', () => {
    const file = path.join(scratch(), 'document.json');
    fs.mkdirSync(file);
    expect(readJson(file)).toMatchObject({
      state: 'unreadable',
      file,
      reason: expect.stringMatching(/EISDIR/),
    });
  });

  test('a file where its folder should be makes it unreadable', () => {
    const file = path.join(fileWith('{}'), 'document.json');
    expect(readJson(file)).toMatchObject({ state: 'unreadable', file });
  });

  test('a symbolic link to nowhere is missing, one that goes in circles is unreadable', () => {
    const folder = scratch();
    fs.symlinkSync('nowhere', path.join(folder, 'nothing.json'));
    fs.symlinkSync('circle.json', path.join(folder, 'circle.json'));
    expect(readJson(path.join(folder, 'nothing.json'))).toEqual({ state: 'missing' });
    expect(readJson(path.join(folder, 'circle.json'))).toMatchObject({ state: 'unreadable' });
  });

  test('a file without permission is unreadable', () => {
    const file = fileWith('{}');
    fs.chmodSync(path.dirname(file), 0o755);
    fs.chmodSync(file, 0o000);
    const read = isRoot ? workers.run('read', { file }, { uid: 65534 }) : readJson(file);
    expect(read).toMatchObject({ state: 'unreadable', file, reason: expect.stringMatching(/EACCES/) });
  });

  test('a folder without permission makes its files unreadable, not missing', () => {
    const file = fileWith('{}');
    fs.chmodSync(path.dirname(file), 0o700);
    if (!isRoot) fs.chmodSync(path.dirname(file), 0o000);
    const read = isRoot ? workers.run('read', { file }, { uid: 65534 }) : readJson(file);
    fs.chmodSync(path.dirname(file), 0o700);
    expect(read).toMatchObject({ state: 'unreadable', file, reason: expect.stringMatching(/EACCES/) });
  });
});

describe('replacing', () => {
  test('what was put is what is read, whatever it is', () => {
    const file = path.join(scratch(), 'document.json');
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), value => {
        putJson(file, value, 'writer', { folder: false });
        expect(readJson(file)).toEqual({ state: 'ok', value: JSON.parse(JSON.stringify(value)) });
      }),
      { numRuns: 50 },
    );
    expect(names(path.dirname(file))).toEqual(['document.json']);
  });

  test('is atomic: who has the old file open keeps the old one, the name has the new one', () => {
    const file = path.join(scratch(), 'document.json');
    putJson(file, { version: 'old' }, 'writer', DURABLE);
    const old = fs.openSync(file, 'r');
    putJson(file, { version: 'new', text: 'x'.repeat(100_000) }, 'writer', DURABLE);
    expect(fs.readFileSync(old, 'utf8')).toBe('{"version":"old"}\n');
    fs.closeSync(old);
    expect(readJson(file)).toMatchObject({ state: 'ok', value: { version: 'new' } });
    expect(names(path.dirname(file))).toEqual(['document.json']);
  });

  test('ends the file with one newline, so that people can look at it', () => {
    const file = path.join(scratch(), 'document.json');
    putJson(file, { text: 'ä\u2028\n' }, 'writer', DURABLE);
    expect(fs.readFileSync(file, 'utf8')).toBe('{"text":"ä\u2028\\n"}\n');
  });

  test('never writes through the temporary of another writer', () => {
    const folder = scratch();
    const file = path.join(folder, 'document.json');
    putJson(file, { old: true }, 'writer', DURABLE);
    fs.writeFileSync(path.join(folder, '.tmp-writer'), 'half of something');
    const before = snapshot(folder);
    expect(() => putJson(file, { new: true }, 'writer', DURABLE)).toThrow(/EEXIST/);
    expect(snapshot(folder)).toEqual(before);
  });

  test('does not follow a symbolic link put where its temporary goes', () => {
    const folder = scratch();
    const elsewhere = path.join(folder, 'elsewhere');
    fs.writeFileSync(elsewhere, 'precious');
    fs.symlinkSync(elsewhere, path.join(folder, '.tmp-writer'));
    expect(() => putJson(path.join(folder, 'document.json'), {}, 'writer', DURABLE)).toThrow(/EEXIST/);
    expect(fs.readFileSync(elsewhere, 'utf8')).toBe('precious');
  });

  test('onto a folder fails and leaves no temporary', () => {
    const folder = scratch();
    fs.mkdirSync(path.join(folder, 'document.json'));
    expect(() => putJson(path.join(folder, 'document.json'), {}, 'writer', DURABLE)).toThrow(
      /EISDIR|ENOTEMPTY|EEXIST/,
    );
    expect(names(folder)).toEqual(['document.json']);
  });

  test('leaves the old file when a write comes out short (write-file-atomic resolves here)', () => {
    const folder = scratch();
    const file = path.join(folder, 'document.json');
    putJson(file, { old: true }, 'writer', DURABLE);
    const put = workers.run('put', { file, size: 300_000 }, { fileLimitKiB: 64 });
    expect(put.error).toBe('EFBIG');
    expect(put.names).toEqual(['document.json']);
    expect(readJson(file)).toEqual({ state: 'ok', value: { old: true } });
  });

  test('a new file of which only a part can be written does not appear', () => {
    const folder = scratch();
    fs.writeFileSync(path.join(folder, 'other'), '');
    const put = workers.run(
      'put',
      { file: path.join(folder, 'new.json'), size: 300_000 },
      { fileLimitKiB: 64 },
    );
    expect(put).toEqual({ error: 'EFBIG', names: ['other'] });
  });

  test('a limit that is not reached does no harm', () => {
    const file = path.join(scratch(), 'document.json');
    expect(workers.run('put', { file, size: 60_000 }, { fileLimitKiB: 64 })).toMatchObject({ error: null });
  });

  test.skipIf(!canMount)('leaves the old files on a full disk (ENOSPC), and no litter', () => {
    const folder = scratch();
    const shell = `exec unshare -m sh -c 'mount -t tmpfs -o size=256k none "${folder}" && exec "$0" "$@"' "$0" "$@"`;
    const disk = workers.run('fullDisk', { folder }, { shell });
    expect(disk.errors).toEqual(['ENOSPC', 'ENOSPC', 'ENOSPC']);
    expect(disk.document).toBe('{"old":true}\n');
    expect(disk.lines).toBe('{"type":"old"}\n');
    expect(disk.litter).toEqual([]);
    expect(names(folder)).toEqual([]);
  });
});

describe('temporaries', () => {
  test('are swept only when their writer is dead', () => {
    const folder = scratch();
    const context = systemContext();
    const mine = newToken(context);
    const dead = newToken({ ...context, self: { ...context.self, startTime: '1' } });
    const elsewhere = newToken({
      ...context,
      self: { ...context.self, bootId: 'other', machineId: 'other' },
    });
    const kept = [`.tmp-${mine}`, `.tmp-${elsewhere}`, '.tmp-', '.tmp-123', 'tmp-x', 'document.json', dead];
    for (const name of [...kept, `.tmp-${dead}`]) fs.writeFileSync(path.join(folder, name), '{}');
    sweepTemporaries(folder, token => tokenState(context, token) === 'dead');
    expect(names(folder)).toEqual(kept.sort());
  });

  test('of a folder that is not there are none', () => {
    const seen: string[] = [];
    sweepTemporaries(path.join(scratch(), 'none'), token => seen.push(token) > 0);
    expect(seen).toEqual([]);
  });
});

describe('folders and modes', () => {
  test('everything is 0600 in folders of 0700, also under umask 000', () => {
    const home = path.join(scratch(), 'home');
    expect(workers.run('writeOneOfEach', { home })).toEqual({ locked: true });
    const wrong = [
      home,
      ...(fs.readdirSync(home, { recursive: true }) as string[]).map(name => path.join(home, name)),
    ]
      .map(file => ({ file, mode: modeOf(file), wanted: fs.statSync(file).isDirectory() ? '700' : '600' }))
      .filter(({ mode, wanted }) => mode !== wanted);
    expect(wrong).toEqual([]);
    expect(names(home)).toEqual(['agents', 'ids', 'locks', 'outbox', 'pending']);
  });

  test('a file that was too open is narrowed when it is replaced', () => {
    const file = fileWith('{}');
    fs.chmodSync(file, 0o644);
    putJson(file, {}, 'writer', DURABLE);
    expect(modeOf(file)).toBe('600');
  });

  test('a folder that is there keeps its mode', () => {
    const folder = scratch();
    fs.chmodSync(folder, 0o750);
    makeFolder(folder);
    expect(modeOf(folder)).toBe('750');
    makeFolder(path.join(folder, 'a', 'b', 'c'));
    expect([modeOf(folder), modeOf(path.join(folder, 'a')), modeOf(path.join(folder, 'a/b/c'))]).toEqual([
      '750',
      '700',
      '700',
    ]);
  });

  test('several processes make the same folders at once', async () => {
    const folder = path.join(scratch(), 'new');
    const inputs = Array.from({ length: 4 }, () => ({ folder, count: 100 }));
    await workers.together('makeFolders', inputs);
    expect(names(folder)).toHaveLength(100);
  });

  test('names of a folder that is not there are none; of one that cannot be listed they are an error', () => {
    const folder = scratch();
    expect(listNames(path.join(folder, 'none'))).toEqual([]);
    fs.writeFileSync(path.join(folder, 'file'), '');
    expect(() => listNames(path.join(folder, 'file'))).toThrow(/ENOTDIR/);
    expect(() => syncFolder(path.join(folder, 'none'))).toThrow(/ENOENT/);
  });
});
