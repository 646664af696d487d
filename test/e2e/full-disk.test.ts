/** A store on a file system with no room left: a small tmpfs, filled to the last byte (O12). */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Home, list, type Outcome, withRunner } from './claw.ts';
import {
  ageBy,
  contents,
  fillUp,
  gated,
  HOUR,
  inbox,
  PAGE,
  program,
  recordFile,
  undelivered,
} from './support.ts';

const reason = whyNot();
if (reason) console.log(`full-disk tests are skipped: ${reason}`);

/** Why no file system can be mounted here; null where it can. */
function whyNot(): string | null {
  if (process.platform !== 'linux') return `mounting a tmpfs is not known here (${process.platform})`;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder], { encoding: 'utf8' });
  if (mounted.status === 0) execFileSync('umount', [folder]);
  fs.rmdirSync(folder);
  return mounted.status === 0 ? null : `mount: ${mounted.stderr?.trim() || mounted.error?.message}`;
}

let home: Home;
afterEach(() => {
  execFileSync('umount', ['-l', home.dir]);
  home.cleanUp();
});

/** A home whose store is a file system of its own. */
function smallHome(config: object): void {
  home = new Home();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'none', home.dir]);
  home.config(config);
}

const ballast = () => home.path('ballast');

const fill = (pages = 0) => fillUp(ballast(), pages);

const free = () => fs.rmSync(ballast());

/** Everything that is state: no locks (folders), no cache, no ballast. */
const state = () => contents(home.dir, ['cache', 'ballast']);

/** Larger than what may be left of the last page of an old file. */
const LARGE = 'x'.repeat(4 * PAGE);

function say(text: string, ...more: string[]): Outcome {
  return home.run(['ingest', '--json', '--channel', 'telegram', '--from', '1', ...more], { input: text });
}

function refused(run: Outcome): void {
  expect(run).toMatchObject({ status: 75, stdout: '' });
  const { error } = JSON.parse(run.stderr);
  expect(error.message).toMatch(/not accepted.*ENOSPC/s);
  expect(error.hint).toMatch(/space/);
  expect(list(home.path('locks', 'main'))).toEqual([]);
}

const never = { session: { reset: { mode: 'off' } } };

describe.skipIf(reason !== null)('a full disk', () => {
  it('refuses the first message of all, and leaves no part of it', () => {
    smallHome(withRunner({ command: 'cat' }, never));
    fill();
    const before = state();
    refused(say(LARGE, '--id', 'm1'));
    expect(state()).toEqual(before);
    free();
    expect(say(LARGE, '--id', 'm1').json()).toMatchObject({
      status: 'replied',
      isNewSession: true,
      messageId: 'm1',
    });
    expect(home.users()).toHaveLength(1);
  });

  it('refuses a message to a session, whose files stay byte for byte; with room again the same message works', () => {
    smallHome(withRunner({ command: 'cat' }, never));
    const first = say('hello', '--id', 'm1').json();
    fill();
    const before = state();
    refused(say(LARGE, '--id', 'm2'));
    refused(say(LARGE, '--id', 'm2'));
    expect(state()).toEqual(before);
    expect(inbox(home)).toEqual([]);
    free();
    const second = say(LARGE, '--id', 'm2');
    expect(second.json()).toMatchObject({ status: 'replied', messageId: 'm2', sessionId: first.sessionId });
    expect(home.users().map(entry => entry.id)).toEqual(['m1', 'm2']);
    expect(say('hello', '--id', 'm1').json()).toMatchObject({
      status: 'duplicate',
      reply: { text: 'hello' },
    });
  });

  it('refuses a note, and the notes stay byte for byte; with room again the same note is kept once', () => {
    smallHome(withRunner({ command: 'cat' }, never));
    const add = (text: string) => home.run(['memory', 'add', '--json', '--to', 'MEMORY.md'], { input: text });
    const notes = () => fs.readFileSync(home.path('agents', 'main', 'workspace', 'MEMORY.md'), 'utf8');
    expect(add('the first').json()).toMatchObject({ file: 'MEMORY.md', line: 1 });
    const before = notes();
    fill();
    for (const pages of [0, 1]) {
      fill(pages);
      const run = add(LARGE);
      expect(run).toMatchObject({ status: 75, stdout: '' });
      expect(JSON.parse(run.stderr.split('\n').at(-2)!).error.message).toMatch(
        /note was not written.*ENOSPC/s,
      );
      expect(notes()).toBe(before);
    }
    free();
    expect(add(LARGE).json()).toMatchObject({ file: 'MEMORY.md', line: 2 });
    expect(notes()).toBe(before + notes().slice(before.length));
    expect(notes().match(/x+/g)).toEqual([LARGE]);
  });

  it('refuses with --no-wait and for a busy session just so', async () => {
    smallHome({});
    const gate = gated(home, never);
    gate.close();
    const holder = home.start(['ingest', '--json', 'first']);
    await gate.begun();
    fill();
    const pending = () => list(home.path('pending', 'main')).toSorted();
    const before = pending();
    for (const how of [['--no-wait'], ['--wait', '0'], []]) {
      const run = home.run(['ingest', '--json', ...how], { input: LARGE });
      expect(run).toMatchObject({ status: 75, stdout: '' });
      expect(pending()).toEqual(before);
    }
    free();
    gate.open();
    expect((await holder.done).json()).toMatchObject({ status: 'replied' });
    expect(gate.prompts()).toEqual(['first']);
    expect(inbox(home)).toEqual([]);
  });

  it.each([
    ['a reset that was asked for', 'user', 0],
    ['a reset that was asked for', 'user', 2],
    ['a reset whose time has come', 'daily', 0],
    ['a reset whose time has come', 'daily', 2],
  ] as const)('does not half carry out %s (%s, %i pages left)', (_, reason, pages) => {
    smallHome(withRunner({ command: 'cat' }));
    const first = say('hello').json();
    ageBy(recordFile(home), 50 * HOUR);
    fill(pages);
    const before = state();
    const text = reason === 'user' ? `/new ${LARGE}` : LARGE;
    refused(say(text, '--id', 'm2'));
    expect.soft(state()).toEqual(before);
    free();
    const again = say(text, '--id', 'm2').json();
    expect(again).toMatchObject({
      status: 'replied',
      isNewSession: true,
      reset: { reason, previousSessionId: first.sessionId },
      reply: { text: LARGE },
    });
    const resets = [...home.transcripts().values()].flat().filter(entry => entry.type === 'reset');
    expect(resets).toMatchObject([{ nextSessionId: again.sessionId }]);
  });

  it('that fills up while the agent runs keeps the message, exits 0, and a tick answers it', () => {
    const script = `head -c 400000 /dev/zero > "$1/ballast" 2>/dev/null; head -c 600000 /dev/zero >> "$1/ballast" 2>/dev/null; ${program('print-bytes.mjs')} 60000`;
    smallHome({});
    home.config(withRunner({ command: 'sh', args: ['-c', script, 'sh', home.dir] }, never));
    const run = say('what now?', '--id', 'm1');
    expect(run.status).toBe(0);
    expect(run.json()).toMatchObject({ status: 'queued', messageId: 'm1', reply: null });
    expect(home.users()).toHaveLength(1);
    for (const line of [...home.transcripts().values()].flat()) expect(line).toBeTypeOf('object');

    free();
    home.config(withRunner({ command: 'cat' }, never));
    expect(home.run(['tick'])).toMatchObject({ status: 0, stderr: '' });
    expect(home.users()).toHaveLength(1);
    expect(undelivered(home)).toMatchObject([{ text: 'what now?', messageId: 'm1' }]);
  });

  it('does not keep anybody from reading', () => {
    smallHome(withRunner({ command: 'cat' }, never));
    say('hello');
    home.config(withRunner({ command: 'cat', timeoutSeconds: 5 }, never)); // so that no cache fits it
    // The first tick of a store notes when its heartbeat was seen.
    home.run(['tick']);
    fill();
    const before = state();
    for (const args of [
      ['sessions'],
      ['sessions', 'show', 'main'],
      ['sessions', 'history', 'main'],
      ['status'],
      ['inbox', 'list'],
      ['delivery', 'list'],
      ['config', 'show'],
      ['route', 'hi'],
    ]) {
      expect(home.run([...args, '--json'])).toMatchObject({ status: 0, stderr: '' });
    }
    expect(home.run(['tick']).status).toBe(0);
    expect(state()).toMatchObject(before);
  });
});
