/** What a start reads: an everyday command its own packs and no more, every module of claw once. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BIN, Home, withRunner } from './claw.ts';

const DIST = path.join(path.dirname(BIN), '../dist');

let home: Home;
beforeEach(() => {
  home = new Home(withRunner({ command: 'cat' }));
  // The first command checks the config, which is remembered.
  home.run(['ingest', 'hello']);
});
afterEach(() => home.cleanUp());

/** Files of dist/ that a command reads, its code caches aside. */
function readBy(args: string[]): string[] {
  const hook = path.join(home.folder, 'hook.cjs');
  const seen = path.join(home.folder, 'seen');
  fs.writeFileSync(
    hook,
    `const fs = require('node:fs');
     const read = fs.readFileSync;
     const files = [];
     fs.readFileSync = (file, ...rest) => {
       if (/\\.js$/.test(String(file))) files.push(String(file));
       return read(file, ...rest);
     };
     process.on('exit', () => fs.writeFileSync(process.env.TEST_SEEN, JSON.stringify(files)));`,
  );
  const run = home.run(args, { env: { NODE_OPTIONS: `--require ${hook}`, TEST_SEEN: seen } });
  expect(run.status).toBe(0);
  return (JSON.parse(fs.readFileSync(seen, 'utf8')) as string[])
    .filter(file => path.dirname(file).startsWith(path.resolve(DIST)))
    .map(file => path.relative(path.resolve(DIST), file))
    .filter(file => file !== 'main.js')
    .sort();
}

describe('a start reads', () => {
  it.each<[string, string[], string[]]>([
    ['sessions', ['sessions', '--json'], ['claw.js', 'lib/clipanion.js']],
    [
      'sessions show',
      ['sessions', 'show', 'main', '--json'],
      ['claw.js', 'lib/clipanion.js', 'look.js', 'turn.js'],
    ],
    [
      'status',
      ['status', '--json'],
      ['claw.js', 'jobs.js', 'lib/clipanion.js', 'look.js', 'tick.js', 'turn.js'],
    ],
    ['route', ['route', '--json', 'hello'], ['claw.js', 'lib/clipanion.js']],
    ['ingest', ['ingest', '--json', 'hello'], ['claw.js', 'lib/clipanion.js', 'turn.js']],
    ['tick', ['tick'], ['claw.js', 'idle.js', 'jobs.js', 'lib/clipanion.js', 'tick.js', 'turn.js']],
    ['cron list', ['cron', 'list', '--json'], ['claw.js', 'jobs.js', 'lib/clipanion.js']],
    ['search', ['sessions', 'search', 'hello'], ['claw.js', 'far.js', 'lib/clipanion.js', 'notes.js']],
  ])('for %s what it needs', (_, args, wanted) => {
    expect(readBy(args)).toEqual(wanted);
  });

  it('every pack of everyday commands from its code cache', () => {
    for (const name of ['idle.js', 'claw.js', 'jobs.js', 'turn.js', 'tick.js', 'look.js', 'lib/clipanion.js'])
      expect(fs.existsSync(path.join(DIST, `${name}.cache`))).toBe(true);
  });

  it('each module of claw in one pack alone, so that its state and its classes are there once', () => {
    const packs = ['claw.js', 'jobs.js', 'turn.js', 'tick.js', 'look.js', 'far.js'].map(name =>
      fs.readFileSync(path.join(DIST, name), 'latin1'),
    );
    // esbuild names the modules of a bundle where it defines them.
    const modules = packs.flatMap(text =>
      [...text.matchAll(/__esm\(\{"([^"]+\.ts)"/g)].map(match => match[1]!),
    );
    expect(modules.length).toBeGreaterThan(150);
    expect(modules.filter((file, index) => modules.indexOf(file) !== index)).toEqual([]);
    expect(modules).toContain('core/errors.ts');
    expect(modules).toContain('commands/journal.ts');
  });
});
