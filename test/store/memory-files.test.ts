import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { appendMemory, hasMemory, LinkOut, listMemory, readNotes } from '../../src/store/memory-files.ts';
import { modeOf, scratch } from './scratch.ts';

/** A workspace in a folder that holds something else, too. */
function place() {
  const folder = scratch();
  const workspace = path.join(folder, 'workspace');
  fs.mkdirSync(path.join(workspace, 'memory'), { recursive: true });
  const write = (name: string, text: string | Buffer) => fs.writeFileSync(path.join(workspace, name), text);
  const read = (name: string) => fs.readFileSync(path.join(workspace, name), 'utf8');
  return { folder, workspace, write, read };
}

describe('adding to a file of notes', () => {
  it('makes what is missing, for its owner alone, and says where the note stands', () => {
    const workspace = path.join(scratch(), 'a', 'workspace');
    expect(hasMemory(workspace)).toBe(false);
    const added = appendMemory(workspace, 'memory/2026-03-01.md', '- one\n');
    expect(added).toEqual({
      name: 'memory/2026-03-01.md',
      path: path.join(workspace, 'memory/2026-03-01.md'),
      line: 1,
    });
    expect(modeOf(added.path)).toBe('600');
    expect(modeOf(path.dirname(added.path))).toBe('700');
    expect(hasMemory(workspace)).toBe(true);
  });

  it.each([
    ['ended', 'old\n', false, 'old\n- one\n', 2],
    ['not ended', 'old', false, 'old\n- one\n', 2],
    ['empty', '', false, '- one\n', 1],
    ['ended, apart', 'old\n', true, 'old\n\n- one\n', 3],
    ['not ended, apart', 'a\nold', true, 'a\nold\n\n- one\n', 4],
    ['empty, apart', '', true, '- one\n', 1],
  ])('to one that is %s keeps every byte before it', (_, before, isApart, after, line) => {
    const { workspace, write, read } = place();
    write('MEMORY.md', before);
    expect(appendMemory(workspace, 'MEMORY.md', '- one\n', { isApart }).line).toBe(line);
    expect(read('MEMORY.md')).toBe(after);
  });

  it('follows no link out of the workspace, be it the file, the folder, or one that leads nowhere', () => {
    const { folder, workspace } = place();
    fs.writeFileSync(path.join(folder, 'other'), 'old\n');
    fs.symlinkSync('../other', path.join(workspace, 'MEMORY.md'));
    fs.symlinkSync('../../nowhere', path.join(workspace, 'memory', 'x.md'));
    expect(() => appendMemory(workspace, 'MEMORY.md', 'new\n')).toThrow(LinkOut);
    expect(() => appendMemory(workspace, 'memory/x.md', 'new\n')).toThrow();
    fs.rmSync(path.join(workspace, 'memory'), { recursive: true });
    fs.symlinkSync('..', path.join(workspace, 'memory'));
    expect(() => appendMemory(workspace, 'memory/y.md', 'new\n')).toThrow(LinkOut);
    expect(fs.readFileSync(path.join(folder, 'other'), 'utf8')).toBe('old\n');
    expect(fs.existsSync(path.join(folder, 'y.md'))).toBe(false);
  });

  it('follows one inside it, and takes a workspace that is a link for what it is', () => {
    const { folder, workspace, write, read } = place();
    write('real.md', 'old\n');
    fs.symlinkSync('real.md', path.join(workspace, 'MEMORY.md'));
    const link = path.join(folder, 'link');
    fs.symlinkSync(workspace, link);
    appendMemory(link, 'MEMORY.md', 'new\n');
    expect(read('real.md')).toBe('old\nnew\n');
  });

  it('waits for no reader of a pipe', () => {
    const { workspace } = place();
    execFileSync('mkfifo', [path.join(workspace, 'MEMORY.md')]);
    expect(() => appendMemory(workspace, 'MEMORY.md', 'new\n')).toThrow('not a file');
  });
});

describe('the files of notes', () => {
  it('come newest first, by the day they are named by, else by their last change', () => {
    const { workspace, write } = place();
    for (const name of ['memory/2026-01-02.md', 'memory/2026-01-03-trip.md', 'memory/people.md', 'MEMORY.md'])
      write(name, 'x');
    write('memory/no.txt', 'x');
    const noon = Date.UTC(2026, 0, 3) / 1000;
    for (const name of ['memory/people.md', 'MEMORY.md'])
      fs.utimesSync(path.join(workspace, name), noon, noon + (name === 'MEMORY.md' ? -86_400 : 0));
    const { files, problems } = listMemory(workspace);
    expect(files.map(({ name, day }) => [name, day])).toEqual([
      ['memory/2026-01-03-trip.md', '2026-01-03'],
      ['memory/people.md', undefined],
      ['memory/2026-01-02.md', '2026-01-02'],
      ['MEMORY.md', undefined],
    ]);
    expect(problems).toEqual([]);
  });

  it('are told where they cannot be used, and left in place', () => {
    const { folder, workspace, write } = place();
    fs.mkdirSync(path.join(workspace, 'MEMORY.md'));
    fs.writeFileSync(path.join(folder, 'secret'), 'key');
    fs.symlinkSync('../../secret', path.join(workspace, 'memory', 'out.md'));
    write('memory/good.md', 'x');
    const { files, problems } = listMemory(workspace);
    expect(files.map(({ name }) => name)).toEqual(['memory/good.md']);
    expect(problems).toEqual([
      { name: 'MEMORY.md', reason: 'not a file' },
      { name: 'memory/out.md', reason: 'a link out of the workspace' },
    ]);
  });

  it('hold no notes when they are no text; of a huge one the end is read, under its true lines', () => {
    const { workspace, write } = place();
    write('memory/a.md', Buffer.from('- key\0\n'));
    write('memory/b.md', `${`- ${'x'.repeat(997)}\n`.repeat(17_000)}- the key\n`);
    const [a, b] = listMemory(workspace)
      .files.sort((x, y) => (x.name < y.name ? -1 : 1))
      .map(readNotes);
    expect(a).toMatchObject({ notes: [], problem: expect.stringContaining('NUL') });
    expect(b!.problem).toBe('too large, only its last 16 MiB are read');
    expect(b!.notes.at(-1)).toMatchObject({ line: 17_001, offset: 17_000_000, text: 'the key' });
  });
});
