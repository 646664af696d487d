import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { lookAround, noteIdle, readIdleNote } from '../../src/store/idle-notes.ts';
import { Layout } from '../../src/store/layout.ts';
import { tryLock } from '../../src/store/lock.ts';
import { contextIn, names, scratch } from './scratch.ts';

const REPORT = { nothing: 'done' };
const SECOND = 1000;
const DAY = 24 * 3_600_000;

/** Noon of tomorrow: files written now are old by this clock, and no minute of the test is another day. */
const NOON = (Math.floor(Date.now() / DAY) + 1.5) * DAY;

/** A home in which a tick has found nothing to do, with a clock to set. */
function quietHome() {
  const home = scratch();
  const layout = new Layout(home);
  const clock = { now: NOON };
  const context = contextIn(home, { now: () => clock.now, env: { TZ: 'Europe/Vienna' } });
  const put = (file: string, text = 'x') => {
    fs.mkdirSync(path.dirname(path.join(home, file)), { recursive: true });
    fs.writeFileSync(path.join(home, file), text);
  };
  const stamp = (at = clock.now) => {
    put('logs/tick', '');
    fs.utimesSync(layout.tickStamp(), at / SECOND, at / SECOND);
  };
  put('claw.json', '{}');
  put('cron/jobs.json', '{}');
  put('outbox/r1.json');
  for (const folder of ['pending/main', 'locks/main', 'claims'])
    fs.mkdirSync(path.join(home, folder), { recursive: true });
  put('pending/main/main.11111111-1111-4111-8111-111111111111.failed');
  /** What a whole tick does that finds nothing. */
  const tick = (nextDueAt: number | null = null, more: string[] = []) => {
    noteIdle(context, lookAround(context, more), nextDueAt, REPORT);
    stamp();
    clock.now += 60 * SECOND;
  };
  const isIdle = (part: object = {}) => readIdleNote({ ...context, ...part }) !== null;
  return { home, layout, context, clock, put, stamp, tick, isIdle };
}

describe('the note of an idle tick', () => {
  test('gives the next tick its report, as long as nothing changes', () => {
    const { context, tick, clock } = quietHome();
    tick();
    expect(readIdleNote(context)).toEqual({ report: REPORT });
    clock.now += 3600 * SECOND;
    expect(readIdleNote(context)).toEqual({ report: REPORT });
  });

  test('holds for a home where nothing has been made yet', () => {
    const home = scratch();
    const context = contextIn(home, { now: () => NOON });
    noteIdle(context, lookAround(context), null, REPORT);
    fs.mkdirSync(path.join(home, 'logs'));
    fs.writeFileSync(path.join(home, 'logs/tick'), '');
    fs.utimesSync(path.join(home, 'logs/tick'), NOON / SECOND, NOON / SECOND);
    expect(readIdleNote(context)).toEqual({ report: REPORT });
    fs.mkdirSync(path.join(home, 'pending'));
    expect(readIdleNote(context)).toBeNull();
  });

  test.each<[string, (home: ReturnType<typeof quietHome>) => void]>([
    ['the config is edited', ({ put }) => put('claw.json', '{ }')],
    ['the config is edited to the same length', ({ put }) => put('claw.json', '[]')],
    [
      'another config of the same length and time is put there',
      ({ put, home }) => {
        const { atime, mtime } = fs.statSync(path.join(home, 'claw.json'));
        put('claw.json.new', '[]');
        fs.utimesSync(path.join(home, 'claw.json.new'), atime, mtime);
        fs.renameSync(path.join(home, 'claw.json.new'), path.join(home, 'claw.json'));
      },
    ],
    ['the config goes', ({ home }) => fs.rmSync(path.join(home, 'claw.json'))],
    ['the jobs change', ({ put }) => put('cron/jobs.json', '{"jobs":[]}')],
    ['the jobs go', ({ home }) => fs.rmSync(path.join(home, 'cron/jobs.json'))],
    ['a message waits', ({ put }) => put('pending/main/main.0000000000000001-00000000.json')],
    ['a first message waits for an agent', ({ put }) => put('pending/other/main.turn')],
    [
      'a failed message is gone',
      ({ home }) => fs.rmSync(path.join(home, 'pending/main'), { recursive: true }),
    ],
    ['a reply goes out', ({ put }) => put('outbox/r2.json')],
    [
      'a reply is replaced',
      ({ put, home }) => {
        put('outbox/.tmp-1');
        fs.renameSync(path.join(home, 'outbox/.tmp-1'), path.join(home, 'outbox/r1.json'));
      },
    ],
    ['a run is claimed', ({ put }) => put('claims/job')],
    ['a session is held', ({ home }) => fs.mkdirSync(path.join(home, 'locks/main/main'))],
    ['a lock of a new kind is held', ({ home }) => fs.mkdirSync(path.join(home, 'locks/.config'))],
    ['a path of the caller appears', ({ put }) => put('events')],
    [
      'the home is another folder now',
      ({ home }) => {
        fs.cpSync(home, `${home}-copy`, { recursive: true, preserveTimestamps: true });
        fs.rmSync(home, { recursive: true });
        fs.renameSync(`${home}-copy`, home);
      },
    ],
  ])('holds no longer when %s', (_, change) => {
    const quiet = quietHome();
    quiet.tick(null, [path.join(quiet.home, 'events')]);
    expect(quiet.isIdle()).toBe(true);
    change(quiet);
    expect(quiet.isIdle()).toBe(false);
  });

  test('does not speak for a copy of its home', () => {
    const { home, tick, isIdle } = quietHome();
    tick();
    const copy = path.join(scratch(), 'copy');
    fs.cpSync(home, copy, { recursive: true, preserveTimestamps: true });
    expect(isIdle({ home: copy })).toBe(false);
  });

  test('ends with the instant at which something is due', () => {
    const { tick, isIdle, clock } = quietHome();
    tick(NOON + 3600 * SECOND);
    clock.now = NOON + 3599 * SECOND;
    expect(isIdle()).toBe(true);
    clock.now = NOON + 3600 * SECOND;
    expect(isIdle()).toBe(false);
  });

  test('ends with the day (UTC), which has chores of its own', () => {
    const { tick, isIdle, clock } = quietHome();
    tick();
    clock.now = NOON + DAY / 2 - 1;
    expect(isIdle()).toBe(true);
    clock.now = NOON + DAY / 2;
    expect(isIdle()).toBe(false);
  });

  test('does not hold while the clock is behind it, or behind the last tick', () => {
    const { tick, isIdle, clock, stamp } = quietHome();
    tick();
    clock.now = NOON - 1;
    expect(isIdle()).toBe(false);
    stamp(NOON + 120 * SECOND);
    clock.now = NOON + 60 * SECOND;
    expect(isIdle()).toBe(false);
    clock.now = NOON + 120 * SECOND;
    expect(isIdle()).toBe(true);
  });

  test('does not hold without the stamp of a tick', () => {
    const { tick, isIdle, layout } = quietHome();
    tick();
    fs.rmSync(layout.tickStamp());
    expect(isIdle()).toBe(false);
  });

  test('holds for one zone and one config file', () => {
    const { tick, isIdle, home } = quietHome();
    tick();
    expect(isIdle({ env: { TZ: 'UTC' } })).toBe(false);
    expect(isIdle({ env: {} })).toBe(false);
    expect(isIdle({ configFile: path.join(home, 'other.json') })).toBe(false);
    expect(isIdle({ configExplicit: true })).toBe(false);
    expect(isIdle()).toBe(true);
  });

  test.each(['', '{', 'null', '[]', '0', '{}', '{"signatures":{}}', '\0\0\0\0'])(
    'that is %j is none',
    text => {
      const { tick, isIdle, layout } = quietHome();
      tick();
      fs.writeFileSync(layout.idleNote(), text);
      expect(isIdle()).toBe(false);
    },
  );

  test('that was cut off anywhere is none', () => {
    const { tick, isIdle, layout } = quietHome();
    tick();
    const whole = fs.readFileSync(layout.idleNote(), 'utf8');
    for (let length = 0; length < whole.length; length += 7) {
      fs.writeFileSync(layout.idleNote(), whole.slice(0, length));
      expect(isIdle()).toBe(false);
    }
  });
});

describe('nothing is noted', () => {
  test('where something changed less than two seconds before it was looked at', () => {
    const { tick, isIdle, clock, home } = quietHome();
    const changed = Number(fs.statSync(path.join(home, 'pending/main'), { bigint: true }).ctimeMs);
    clock.now = changed + 1999;
    tick();
    expect(isIdle()).toBe(false);
    expect(names(home)).not.toContain('cache');
  });

  test('where something was written with a time of the future', () => {
    const { tick, home } = quietHome();
    fs.utimesSync(path.join(home, 'claw.json'), NOON / SECOND + 60, NOON / SECOND + 60);
    tick();
    expect(names(home)).not.toContain('cache');
  });

  test.each<[string, (home: ReturnType<typeof quietHome>) => void]>([
    ['a message waits', ({ put }) => put('pending/main/main.0000000000000001-00000000.json')],
    ['a turn is not settled', ({ put }) => put('pending/main/main.turn')],
    ['a reply is offered to a living process', ({ put }) => put('pending/main/main.1.reply')],
    [
      'somebody holds a session',
      ({ context, layout }) => {
        tryLock(context, layout.lock('main', 'agent:main:main'), 'agent:main:main');
      },
    ],
    [
      'somebody sends a reply',
      ({ context, layout }) => {
        tryLock(context, layout.outboxLock('r1'), 'agent:main:main');
      },
    ],
    ['a run is claimed', ({ put }) => put('claims/job')],
  ])('where %s: its owner may die, which changes no file', (_, begin) => {
    const quiet = quietHome();
    begin(quiet);
    quiet.tick();
    expect(names(quiet.home)).not.toContain('cache');
  });

  test('where something is due already', () => {
    const { tick, home } = quietHome();
    tick(NOON);
    tick(0);
    tick(Number.NaN);
    expect(names(home)).not.toContain('cache');
  });

  test('and what changes between the look and the note shows', () => {
    const { context, put, stamp, isIdle } = quietHome();
    const seen = lookAround(context);
    put('claw.json', '{ }');
    noteIdle(context, seen, null, REPORT);
    stamp();
    expect(isIdle()).toBe(false);
  });

  test('where the cache cannot be written, and no harm is done', () => {
    const { tick, put, home, isIdle } = quietHome();
    put('cache', 'a file');
    tick();
    expect(isIdle()).toBe(false);
    expect(fs.readFileSync(path.join(home, 'cache'), 'utf8')).toBe('a file');
  });
});
