/** A tick that has nothing to do: what it costs the disk (nothing), and that it misses nothing. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home, withRunner } from './claw.ts';
import { snapshot } from './support.ts';

const DAY = 24 * 3_600_000;
const MINUTE = 60_000;
let home: Home;
let hook: string;
/** What the clock of the next tick shows, ms. */
let clock: number;

beforeEach(() => {
  home = new Home(withRunner({ command: 'cat' }));
  // Noon of tomorrow: what is written now is old by then, and the test is not cut by midnight.
  clock = (Math.floor(Date.now() / DAY) + 1.5) * DAY;
  hook = path.join(home.folder, 'hook.cjs');
  fs.writeFileSync(
    hook,
    `const fs = require('node:fs');
     const ahead = Number(process.env.TEST_AHEAD);
     const { now } = Date;
     Date.now = () => now() + ahead;
     const read = fs.readFileSync;
     let whole = false;
     fs.readFileSync = (file, ...rest) => {
       if (/dist.claw\\.js$/.test(String(file))) whole = true;
       return read(file, ...rest);
     };
     process.on('exit', () => fs.writeFileSync(process.env.TEST_SEEN, String(whole)));`,
  );
});
afterEach(() => home.cleanUp());

/** One tick a minute after the one before; `whole` tells whether claw itself was loaded for it. */
function tick(args: string[] = [], env: Record<string, string> = {}) {
  clock += MINUTE;
  const seen = path.join(home.folder, 'seen');
  const run = home.run(['tick', ...args], {
    env: {
      NODE_OPTIONS: `--require ${hook}`,
      TEST_AHEAD: String(clock - Date.now()),
      TEST_SEEN: seen,
      ...env,
    },
  });
  return { ...run, whole: fs.readFileSync(seen, 'utf8') === 'true' };
}

/** The home as two ticks leave it: the first makes what is missing, the second finds that nothing changes any more. */
function settle(args: string[] = []) {
  tick(args);
  tick(args);
  expect(tick(args)).toMatchObject({ status: 0, stdout: '', stderr: '', whole: false });
}

describe('an idle tick', () => {
  it('writes nothing but the time of its stamp, and prints nothing', () => {
    home.run(['ingest', 'hello']);
    settle();
    const before = snapshot(home.dir);
    expect(tick()).toMatchObject({ status: 0, stdout: '', stderr: '', whole: false });
    const { 'logs/tick': stamp, ...rest } = snapshot(home.dir);
    const { 'logs/tick': stampBefore, ...restBefore } = before;
    expect(rest).toEqual(restBefore);
    expect(stamp).not.toBe(stampBefore);
    expect(Math.abs(fs.statSync(home.path('logs/tick')).mtimeMs - clock)).toBeLessThan(MINUTE);
  });

  it('prints with --json what a whole one prints', () => {
    settle();
    const idle = tick(['--json']);
    fs.rmSync(home.path('cache'), { recursive: true });
    const whole = tick(['--json']);
    expect([idle.whole, whole.whole]).toEqual([false, true]);
    expect(idle.stdout).toBe(whole.stdout);
    expect(idle.json()).toMatchObject({ worked: [], failed: [], problems: [] });
  });

  it('prints with --json what a whole one prints while a reply waits that nobody can send', () => {
    home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', '1', 'hello']);
    settle();
    const idle = tick(['--json']);
    fs.rmSync(home.path('cache'), { recursive: true });
    const whole = tick(['--json']);
    expect([idle.whole, whole.whole]).toEqual([false, true]);
    expect(idle.stdout).toBe(whole.stdout);
    expect(idle.json().delivery.waiting).toHaveLength(1);
  });

  it('is known for a config file given by name too', () => {
    fs.copyFileSync(home.path('claw.json'), home.path('other.json'));
    settle(['--config', home.path('other.json')]);
    expect(tick().whole).toBe(true);
    expect(tick(['--config', home.path('none.json')])).toMatchObject({ status: 78, whole: true });
    fs.appendFileSync(home.path('other.json'), '\n');
    expect(tick(['--config', home.path('other.json')]).whole).toBe(true);
  });

  it('needs no cache', () => {
    settle();
    fs.rmSync(home.path('cache'), { recursive: true });
    expect(tick()).toMatchObject({ status: 0, stdout: '', stderr: '', whole: true });
    expect(tick().whole).toBe(false);
    fs.writeFileSync(home.path('cache/idle.json'), '{"at":');
    expect(tick()).toMatchObject({ status: 0, stdout: '', stderr: '', whole: true });
    expect(tick().whole).toBe(false);
  });
});

describe('a tick looks at everything again', () => {
  it('when a message was put into pending, also of a first session of another agent', () => {
    const agents = { defaults: { runner: 'agent' }, list: [{ id: 'main' }, { id: 'other' }] };
    home.config(withRunner({ command: 'cat' }, { agents }));
    settle();
    home.run(['ingest', '--no-wait', 'one']);
    const first = tick(['--json']);
    expect(first.json().worked).toEqual(['agent:main:main']);
    expect(home.replies().map(entry => entry.message.content)).toEqual(['one']);
    settle();
    home.run(['ingest', '--no-wait', '--agent', 'other', 'two']);
    expect(fs.existsSync(home.path('pending/other'))).toBe(true);
    expect(tick(['--json']).json().worked).toEqual(['agent:other:main']);
    expect(home.replies('other').map(entry => entry.message.content)).toEqual(['two']);
  });

  it('when the config changed, and says what is wrong with it', () => {
    settle();
    fs.writeFileSync(home.path('claw.json'), '{ nonsense: ');
    expect(tick()).toMatchObject({ status: 78, whole: true });
    expect(tick()).toMatchObject({ status: 78, whole: true });
    fs.rmSync(home.path('claw.json'));
    expect(tick()).toMatchObject({ status: 0, whole: true });
    expect(tick()).toMatchObject({ status: 0, whole: false });
  });

  it('when a reply that could not be sent may be tried again, and not before', () => {
    const log = path.join(home.folder, 'attempts');
    const attempts = () => fs.readFileSync(log, 'utf8').length;
    const send = { command: 'sh', args: ['-c', `printf x >> '${log}'; exit 75`] };
    home.config(withRunner({ command: 'cat' }, { channels: { telegram: { send } } }));
    home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', '1', 'hello']);
    // The fourth time in vain; the next is due after ten minutes.
    for (let ticks = 0; ticks < 10 && !(fs.existsSync(log) && attempts() === 4); ticks++) tick();
    expect(attempts()).toBe(4);
    tick();
    for (let minute = 3; minute < 10; minute++) expect(tick().whole).toBe(false);
    clock += 2 * MINUTE;
    expect(tick().whole).toBe(true);
    expect(attempts()).toBe(5);
  });

  it('when the clock was set back', () => {
    settle();
    clock -= 10 * MINUTE;
    expect(tick().whole).toBe(true);
    expect(tick().whole).toBe(false);
  });

  it('on the next day, until its chores are done', () => {
    settle();
    clock += DAY;
    expect(tick().whole).toBe(true);
    // They may have changed what is looked at.
    tick();
    expect(tick().whole).toBe(false);
  });

  it('when somebody died with a session in hand, and while he lives', async () => {
    home.config(withRunner({ command: 'sleep', args: ['60'] }));
    const run = home.start(['ingest', 'hello']);
    while (!fs.existsSync(home.path('pending/main/main.turn')))
      await new Promise(next => setTimeout(next, 10));
    home.config(withRunner({ command: 'cat' }));
    expect(tick(['--json']).json().busy).toEqual(['agent:main:main']);
    expect(tick(['--json']).json().busy).toEqual(['agent:main:main']);
    run.child.kill('SIGKILL');
    await run.done;
    expect(tick(['--json']).json().worked).toEqual(['agent:main:main']);
  });

  it('when an agent calls it, which it may not', () => {
    settle();
    const before = snapshot(home.dir);
    expect(tick([], { CLAW_RUN_ID: 'r1' })).toMatchObject({ status: 77, whole: true });
    expect(snapshot(home.dir)).toEqual(before);
  });

  it('when more is asked than to tick', () => {
    settle();
    expect(tick(['--dry-run'])).toMatchObject({ status: 0, stdout: 'Nothing to do.\n', whole: true });
    expect(tick(['--nonsense'])).toMatchObject({ status: 64, whole: true });
    expect(tick(['--max', '1'])).toMatchObject({ status: 0, whole: true });
  });

  it('when its stamp cannot be left', () => {
    settle();
    fs.rmSync(home.path('logs/tick'));
    expect(tick()).toMatchObject({ status: 0, whole: true });
    expect(fs.existsSync(home.path('logs/tick'))).toBe(true);
  });
});
