import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import type { Context } from '../../src/context.ts';
import { formatToken, type Owner, parseToken } from '../../src/core/lease.ts';
import { holderOf, newToken, sweepLocks, tokenState, tryLock } from '../../src/store/lock.ts';
import { KEY } from '../core/turn-facts.ts';
import { useWorkers } from './processes.ts';
import { contextIn, modeOf, names, scratch, snapshot } from './scratch.ts';

const workers = useWorkers();

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** A place for a lock that does not exist yet. */
function place(): string {
  return path.join(scratch(), 'locks', 'main', 'telegram~dm~1');
}

/** Makes a lock that somebody else holds, and gives the owner's token. */
function heldBy(lockFolder: string, here: Context, owner: Partial<Owner>): string {
  const token = formatToken({ ...here.self, ...owner }, 'abcdef123456');
  fs.mkdirSync(path.join(lockFolder, token), { recursive: true });
  fs.writeFileSync(path.join(lockFolder, token, 'owner.json'), '{}');
  return token;
}

/** Sets when the folder was last touched, by the file system's clock; negative: in the future. */
function touchedBefore(folder: string, ms: number): void {
  const probe = path.join(path.dirname(folder), '.probe');
  fs.mkdirSync(probe);
  const seconds = (fs.statSync(probe).mtimeMs - ms) / 1000;
  fs.rmdirSync(probe);
  fs.utimesSync(folder, seconds, seconds);
}

/** A pid that no process has. */
const NOBODY = 2 ** 22 + 1;

describe('a lock', () => {
  test('that nobody holds is taken, held and released without a trace', () => {
    const lockFolder = place();
    const context = contextIn(scratch());
    const lock = tryLock(context, lockFolder, KEY)!;
    expect(lock).toMatchObject({ takenFrom: null, folder: path.join(lockFolder, lock.token) });
    expect(lock.held()).toBe(true);
    expect(holderOf(lockFolder)).toBe(lock.token);
    expect(modeOf(lockFolder)).toBe('700');
    lock.release();
    expect(lock.held()).toBe(false);
    expect(holderOf(lockFolder)).toBeNull();
    expect(names(path.dirname(lockFolder))).toEqual([]);
  });

  test('whose folder was left empty is free', () => {
    const lockFolder = place();
    fs.mkdirSync(lockFolder, { recursive: true });
    expect(tryLock(contextIn(scratch()), lockFolder, KEY)?.held()).toBe(true);
  });

  test('says in plain JSON who holds it', () => {
    const lockFolder = place();
    const context = contextIn(scratch(), { now: () => 1_700_000_000_000 });
    const lock = tryLock(context, lockFolder, KEY)!;
    expect(JSON.parse(fs.readFileSync(path.join(lock.folder, 'owner.json'), 'utf8'))).toEqual({
      sessionKey: KEY,
      pid: process.pid,
      startTime: context.self.startTime,
      hostname: context.hostname,
      token: lock.token,
      since: 1_700_000_000_000,
    });
    expect(modeOf(path.join(lock.folder, 'owner.json'))).toBe('600');
    expect(parseToken(lock.token)).toEqual(context.self);
  });

  test('of one session does not keep another one waiting', () => {
    const lockFolder = place();
    const context = contextIn(scratch());
    expect(tryLock(context, lockFolder, KEY)).not.toBeNull();
    expect(tryLock(context, `${lockFolder}1`, KEY)).not.toBeNull();
  });

  test('that this process holds itself is not to be had twice', () => {
    const lockFolder = place();
    const context = contextIn(scratch());
    const lock = tryLock(context, lockFolder, KEY)!;
    expect(tryLock(context, lockFolder, KEY)).toBeNull();
    lock.release();
    expect(tryLock(context, lockFolder, KEY)?.takenFrom).toBeNull();
  });

  test('whose place cannot be made is an error, not a busy session', () => {
    const folder = scratch();
    fs.writeFileSync(path.join(folder, 'locks'), '');
    expect(() => tryLock(contextIn(folder), path.join(folder, 'locks', 'main', 'x'), KEY)).toThrow(
      /EEXIST|ENOTDIR/,
    );
  });

  test('that is refused changes nothing', () => {
    const lockFolder = place();
    const context = contextIn(scratch());
    tryLock(context, lockFolder, KEY);
    const before = snapshot(path.dirname(lockFolder));
    expect(tryLock(context, lockFolder, KEY)).toBeNull();
    expect(snapshot(path.dirname(lockFolder))).toEqual(before);
  });
});

describe('an owner', () => {
  test('that lives keeps the lock, however old it is, also while it is stopped', async () => {
    const lockFolder = place();
    const context = contextIn(scratch());
    const holder = workers.start('hold', { lock: lockFolder });
    await holder.ready;
    const token = holderOf(lockFolder)!;
    expect(tokenState(context, token)).toBe('alive');
    touchedBefore(path.join(lockFolder, token), 30 * DAY);
    expect(tryLock(context, lockFolder, KEY)).toBeNull();
    holder.child.kill('SIGSTOP');
    expect(tryLock(context, lockFolder, KEY)).toBeNull();
    holder.child.kill('SIGCONT');
    holder.go();
    expect(await holder.answer).toEqual({ token, takenFrom: null });
    expect(tryLock(context, lockFolder, KEY)?.takenFrom).toBeNull();
  });

  test('that was killed is taken over at once, and its name is known', async () => {
    const lockFolder = place();
    const holder = workers.start('hold', { lock: lockFolder });
    await holder.ready;
    const token = holderOf(lockFolder)!;
    holder.child.kill('SIGKILL');
    await holder.answer.catch(() => undefined);
    const lock = tryLock(contextIn(scratch()), lockFolder, KEY)!;
    expect(lock.takenFrom).toBe(token);
    expect(names(lockFolder)).toEqual([lock.token]);
  });

  test.skipIf(process.platform !== 'linux')(
    'that ended but was not waited for (a zombie) is dead',
    async () => {
      const context = contextIn(scratch());
      const lockFolder = place();
      // The shell becomes a sleep, which never asks about the cat it has inherited.
      const parent = spawn('sh', ['-c', 'cat <&3 >/dev/null & echo $!; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
      });
      const pid = await new Promise<number>(resolve =>
        parent.stdout!.on('data', text => resolve(Number(text))),
      );
      await vi.waitFor(
        () => expect(fs.readFileSync(`/proc/${parent.pid}/comm`, 'utf8')).toBe('sleep\n'),
        10_000,
      );
      const startTime = context.startTimeOf(pid)!;
      heldBy(lockFolder, context, { pid, startTime });
      expect(tryLock(context, lockFolder, KEY)).toBeNull();
      (parent.stdio[3] as Writable).end();
      await vi.waitFor(
        () => expect(fs.readFileSync(`/proc/${pid}/stat`, 'latin1')).toContain(') Z '),
        10_000,
      );
      expect(context.startTimeOf(pid)).toBeNull();
      expect(tryLock(context, lockFolder, KEY)).not.toBeNull();
      parent.kill('SIGKILL');
    },
  );

  test('L02 openclaw#5006: whose pid now belongs to another process is dead; the same process is not', () => {
    const context = contextIn(scratch());
    const reused = place();
    const other = process.ppid;
    heldBy(reused, context, { pid: other, startTime: `1${context.startTimeOf(other)}` });
    expect(tryLock(context, reused, KEY)).not.toBeNull();
    const same = place();
    heldBy(same, context, { pid: other, startTime: context.startTimeOf(other)! });
    expect(tryLock(context, same, KEY)).toBeNull();
  });

  test('J12 openclaw#111743: that is dead is taken over at once though its lock is dated in the future', () => {
    const context = contextIn(scratch());
    const lockFolder = place();
    const token = heldBy(lockFolder, context, { pid: NOBODY });
    fs.writeFileSync(
      path.join(lockFolder, token, 'owner.json'),
      JSON.stringify({ since: Date.now() + 2 * DAY }),
    );
    touchedBefore(path.join(lockFolder, token), -2 * DAY);
    expect(tryLock(context, lockFolder, KEY)?.takenFrom).toBe(token);
  });

  test.each<[string, Partial<Owner>, 'dead' | 'unknown' | 'alive']>([
    ['this process', {}, 'alive'],
    ['a pid that is gone', { pid: NOBODY }, 'dead'],
    ['this pid with another start', { startTime: '1' }, 'dead'],
    ['this machine before its last start', { bootId: 'earlier' }, 'dead'],
    ['another machine', { bootId: 'theirs', machineId: 'theirs' }, 'unknown'],
    ['another container on this machine', { pidNamespace: '1' }, 'unknown'],
    ['another container, with a pid that is gone here', { pidNamespace: '1', pid: NOBODY }, 'unknown'],
  ])('from %s', (_, owner, state) => {
    const context = contextIn(scratch(), { self: { ...contextIn('').self, machineId: 'ours' } });
    const token = formatToken({ ...context.self, ...owner }, 'abcdef');
    expect(tokenState(context, token)).toBe(state);
    const lockFolder = place();
    heldBy(lockFolder, context, owner);
    expect(tryLock(context, lockFolder, KEY) !== null).toBe(state === 'dead');
  });

  test('whose name is no token is unknown', () => {
    const context = contextIn(scratch());
    for (const name of ['', 'x', '123', '1-2-3', 'a-b-c-d-e-f', '.DS_Store'])
      expect(tokenState(context, name)).toBe('unknown');
  });
});

describe('an owner that cannot be judged', () => {
  const stranger = { bootId: 'theirs', machineId: 'theirs', pid: NOBODY };

  test.each([
    ['touched just now', 0, false],
    ['touched nine minutes ago', 9 * MINUTE, false],
    ['touched eleven minutes ago', 11 * MINUTE, true],
    ['touched in the future', -2 * DAY, false],
  ])('%s', (_, age, taken) => {
    const lockFolder = place();
    const token = heldBy(lockFolder, contextIn(scratch()), stranger);
    touchedBefore(path.join(lockFolder, token), age);
    const before = names(path.dirname(lockFolder));
    expect(tryLock(contextIn(scratch()), lockFolder, KEY)?.takenFrom ?? null).toBe(taken ? token : null);
    expect(names(path.dirname(lockFolder))).toEqual(before);
  });

  test.each([2 * DAY, -2 * DAY, 11_000])('keeps the lock when the clock here jumps by %i ms', jump => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + jump });
    try {
      const lockFolder = place();
      heldBy(lockFolder, contextIn(scratch()), stranger);
      expect(tryLock(contextIn(scratch()), lockFolder, KEY)).toBeNull();
    } finally {
      vi.useRealTimers();
    }
  });

  test('is given up also when the clock here has gone back', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 2 * DAY });
    try {
      const lockFolder = place();
      const token = heldBy(lockFolder, contextIn(scratch()), stranger);
      touchedBefore(path.join(lockFolder, token), 11 * MINUTE);
      expect(tryLock(contextIn(scratch()), lockFolder, KEY)?.takenFrom).toBe(token);
    } finally {
      vi.useRealTimers();
    }
  });

  test('keeps the lock when its token has a form that only a later claw knows', () => {
    const lockFolder = place();
    const token = path.join(lockFolder, '7-5000-boot-4026-mach-abcdef-v2');
    fs.mkdirSync(path.join(token, 'c-8-5001'), { recursive: true });
    expect(tryLock(contextIn(scratch()), lockFolder, KEY)).toBeNull();
    expect(names(token)).toEqual(['c-8-5001']);
  });

  test('shows that it lives by anything it does inside its folder', () => {
    const lockFolder = place();
    const token = heldBy(lockFolder, contextIn(scratch()), stranger);
    touchedBefore(path.join(lockFolder, token), DAY);
    fs.writeFileSync(path.join(lockFolder, token, 'heartbeat-1'), '');
    fs.rmSync(path.join(lockFolder, token, 'heartbeat-1'));
    expect(tryLock(contextIn(scratch()), lockFolder, KEY)).toBeNull();
  });
});

describe('whoever lost the lock', () => {
  /** A lock, and the one that took it over as if its owner had died. */
  function takenOver() {
    const lockFolder = place();
    const context = contextIn(scratch());
    const before = tryLock({ ...context, self: { ...context.self, pid: NOBODY } }, lockFolder, KEY)!;
    const after = tryLock(context, lockFolder, KEY)!;
    expect(after.takenFrom).toBe(before.token);
    return { lockFolder, context, before, after };
  }

  test('knows it', () => {
    const { before, after } = takenOver();
    expect(before.held()).toBe(false);
    expect(after.held()).toBe(true);
  });

  test('does not release the lock of its successor', () => {
    const { lockFolder, context, before, after } = takenOver();
    before.release();
    before.release();
    expect(after.held()).toBe(true);
    expect(holderOf(lockFolder)).toBe(after.token);
    expect(tryLock(context, lockFolder, KEY)).toBeNull();
  });

  test('does not release it either when the successor has been followed by another', () => {
    const { lockFolder, context, before, after } = takenOver();
    after.release();
    const third = tryLock(context, lockFolder, KEY)!;
    before.release();
    after.release();
    expect(third.held()).toBe(true);
  });

  test('releases without trouble when everything is gone', () => {
    const { lockFolder, before, after } = takenOver();
    after.release();
    expect(fs.existsSync(lockFolder)).toBe(false);
    before.release();
  });

  test('cannot register an agent any more: a late child finds no folder and must not start', () => {
    const { before, after } = takenOver();
    const late = path.join(before.folder, `c-${process.pid}-1`);
    expect(() => fs.mkdirSync(late)).toThrow(/ENOENT/);
    expect(() => fs.writeFileSync(late, '')).toThrow(/ENOENT/);
    expect(() => fs.renameSync(path.join(after.folder, 'owner.json'), path.join(before.folder, 'x'))).toThrow(
      /ENOENT/,
    );
  });

  test('leaves its registered agents to the successor, who has to end them', () => {
    const lockFolder = place();
    const context = contextIn(scratch());
    const before = tryLock({ ...context, self: { ...context.self, pid: NOBODY } }, lockFolder, KEY)!;
    fs.mkdirSync(path.join(before.folder, 'c-4711-99'));
    const after = tryLock(context, lockFolder, KEY)!;
    expect(names(after.folder)).toEqual(['c-4711-99', 'owner.json']);
    expect(JSON.parse(fs.readFileSync(path.join(after.folder, 'owner.json'), 'utf8'))).toMatchObject({
      pid: process.pid,
    });
    after.release();
    expect(fs.existsSync(lockFolder)).toBe(false);
  });

  test('loses it to one only', () => {
    const lockFolder = place();
    const context = contextIn(scratch());
    heldBy(lockFolder, context, { pid: NOBODY });
    const all = Array.from({ length: 20 }, () => tryLock(context, lockFolder, KEY));
    expect(all.filter(lock => lock !== null)).toHaveLength(1);
  });
});

describe('what does not belong in a lock', () => {
  test('does not open it to a second holder', () => {
    // A file manager, a backup or a sync tool may put a file there; however old it is, the owner lives.
    const lockFolder = place();
    const context = contextIn(scratch());
    const lock = tryLock(context, lockFolder, KEY)!;
    for (const name of ['.DS_Store', '~sync', 'zzz']) {
      fs.writeFileSync(path.join(lockFolder, name), '');
      touchedBefore(path.join(lockFolder, name), DAY);
      expect([name, tryLock(context, lockFolder, KEY)]).toEqual([name, null]);
      fs.rmSync(path.join(lockFolder, name), { force: true });
    }
    expect(lock.held()).toBe(true);
    expect(names(lockFolder)).toEqual([lock.token]);
  });

  test('does not keep the lock from everybody either, once its owner has gone', () => {
    const lockFolder = place();
    const context = contextIn(scratch());
    const lock = tryLock(context, lockFolder, KEY)!;
    fs.writeFileSync(path.join(lockFolder, '.DS_Store'), '');
    lock.release();
    const next = tryLock(context, lockFolder, KEY);
    expect(next?.held()).toBe(true);
    expect(tryLock(context, lockFolder, KEY)).toBeNull();
    expect(holderOf(lockFolder)).toBe(next!.token);
    fs.mkdirSync(path.join(next!.folder, 'c-1-1'));
    next!.release();
  });
});

describe('litter', () => {
  test('of dead contenders is swept, with empty locks; what is held, alive or unknown stays', () => {
    const lockFolder = place();
    const folder = path.dirname(lockFolder);
    const context = contextIn(scratch());
    const lock = tryLock(context, lockFolder, KEY)!;
    const tokenOf = (owner: Partial<Owner>) => formatToken({ ...context.self, ...owner }, 'abcdef');
    const alive = `.try-${newToken(context)}`;
    const unknown = `.try-${tokenOf({ pidNamespace: '1' })}`;
    const dead = `.try-${tokenOf({ pid: NOBODY })}`;
    const deadHolder = 'telegram~dm~2';
    heldBy(path.join(folder, deadHolder), context, { pid: NOBODY });
    for (const name of [alive, unknown, dead])
      fs.mkdirSync(path.join(folder, name, name.slice(5)), { recursive: true });
    fs.mkdirSync(path.join(folder, 'empty'));
    // What a dead owner holds is told, not removed: an agent of his may still be running.
    expect(sweepLocks(context, folder)).toEqual([path.join(folder, deadHolder)]);
    expect(names(folder)).toEqual([alive, unknown, path.basename(lockFolder), deadHolder].sort());
    expect(lock.held()).toBe(true);
    expect(sweepLocks(context, path.join(folder, 'none'))).toEqual([]);
  });

  test('that is none of ours does not keep the rest from being swept', () => {
    const folder = path.join(scratch(), 'locks');
    const context = contextIn(scratch());
    fs.mkdirSync(path.join(folder, 'empty'), { recursive: true });
    fs.writeFileSync(path.join(folder, '.DS_Store'), '');
    heldBy(path.join(folder, 'dead'), context, { pid: NOBODY });
    expect(sweepLocks(context, folder)).toEqual([path.join(folder, 'dead')]);
    expect(names(folder)).toEqual(['.DS_Store', 'dead']);
  });
});

describe('many processes', () => {
  test('race for the lock of one dead owner, 400 times: one winner each', async () => {
    const folder = scratch();
    const context = contextIn(folder);
    const rounds = 400;
    for (let round = 0; round < rounds; round++)
      heldBy(path.join(folder, 'next', String(round)), context, { pid: NOBODY });
    fs.mkdirSync(path.join(folder, 'locks'));
    const racers = Array.from({ length: 8 }, () => workers.start('race', { folder, rounds, racers: 8 }));
    await Promise.all(racers.map(each => each.ready));
    for (const each of racers) each.go();
    fs.renameSync(path.join(folder, 'next', '0'), path.join(folder, 'locks', '0'));
    const won = (await Promise.all(racers.map(each => each.answer))).flat();
    expect(won.sort((a, b) => a - b)).toEqual(Array.from({ length: rounds }, (_, round) => round));
    expect(names(path.join(folder, 'locks')).filter(name => name.startsWith('.try-'))).toEqual([]);
  });

  test('take and release one lock while some of them are killed inside: never two at once', async () => {
    const folder = scratch();
    const total = 1500;
    const overlaps: string[] = [];
    let killed = 0;
    const besiege = async (seed: number): Promise<void> => {
      const fighter = workers.start('siege', { folder, total, deaths: 15, seed });
      await fighter.ready;
      fighter.go();
      const found = await fighter.answer.catch(() => null);
      if (found) overlaps.push(...found);
      else {
        // Somebody takes the place of the dead.
        killed++;
        await besiege(seed + 8);
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, number) => besiege(number + 1)));
    expect(overlaps).toEqual([]);
    expect(killed).toBeGreaterThan(0);
    expect(fs.statSync(path.join(folder, 'log')).size).toBeGreaterThanOrEqual(total);
    expect(tryLock(contextIn(folder), path.join(folder, 'lock'), KEY)).not.toBeNull();
  });
});
