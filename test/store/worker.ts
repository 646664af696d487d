/** The other process in the tests of the store: one action per start, its input as JSON argument, its answer on stdout. */
import fs from 'node:fs';
import path from 'node:path';
import { systemContext } from '../../src/context.ts';
import type { OutboxItem } from '../../src/core/delivery/delivery.ts';
import type { SettingsChange } from '../../src/core/session/settings.ts';
import { makeFolder, putJson, readJson } from '../../src/store/json-file.ts';
import { appendLines } from '../../src/store/jsonl-file.ts';
import { Layout } from '../../src/store/layout.ts';
import { type Lock, tryLock } from '../../src/store/lock.ts';
import { rememberMessageId } from '../../src/store/message-ids.ts';
import { markSent, putOutbox } from '../../src/store/outbox.ts';
import { claimReply, markTurn, putFailed, putWaiting } from '../../src/store/pending.ts';
import { saveRecord } from '../../src/store/sessions.ts';
import { changeSettings } from '../../src/store/settings.ts';
import { incoming, KEY, NOON, RUN, record } from '../core/turn-facts.ts';

const context = systemContext();

/** Says that everything is prepared, and waits until the test lets go. */
function standReady(): void {
  fs.writeSync(1, 'ready\n');
  fs.readSync(0, Buffer.alloc(16));
}

/** What became of an attempt: null, or the errno name. */
function codeOf(attempt: () => unknown): string | null {
  try {
    attempt();
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
}

const actions = {
  read: ({ file }: { file: string }) => readJson(file),

  /** Replaces a file by a document of about so many bytes. */
  put: ({ file, size }: { file: string; size: number }) => {
    const error = codeOf(() => putJson(file, { text: 'x'.repeat(size) }, 'writer', { folder: true }));
    return { error, names: fs.readdirSync(path.dirname(file)) };
  },

  append: ({ file, size }: { file: string; size: number }) => ({
    error: codeOf(() => appendLines(file, [{ type: 'small' }, { type: 'big', text: 'x'.repeat(size) }])),
  }),

  /** Fills a disk of its own, mounted on `folder`, and tries to replace and to append there. */
  fullDisk: ({ folder }: { folder: string }) => {
    const document = path.join(folder, 'document.json');
    const lines = path.join(folder, 'lines.jsonl');
    putJson(document, { old: true }, 'writer', { folder: true });
    appendLines(lines, [{ type: 'old' }]);
    const before = fs.readdirSync(folder);
    const errors = [
      codeOf(() => putJson(document, { text: 'x'.repeat(1_000_000) }, 'writer', { folder: true })),
      codeOf(() => appendLines(lines, [{ type: 'new', text: 'x'.repeat(1_000_000) }])),
      codeOf(() =>
        appendLines(path.join(folder, 'new.jsonl'), [{ type: 'new', text: 'x'.repeat(1_000_000) }]),
      ),
    ];
    return {
      errors,
      document: fs.readFileSync(document, 'utf8'),
      lines: fs.readFileSync(lines, 'utf8'),
      litter: fs.readdirSync(folder).filter(name => !before.includes(name)),
    };
  },

  /** One of everything that claw writes, with no help from the umask. */
  writeOneOfEach: ({ home }: { home: string }) => {
    process.umask(0);
    const here = { ...context, home };
    const layout = new Layout(home);
    const item: OutboxItem = {
      id: RUN,
      agentId: 'main',
      sessionKey: KEY,
      sessionId: 's1',
      messageId: 'm1',
      origin: { channel: 'cli', accountId: 'default', chatType: 'dm' },
      text: 'secret',
      state: 'waiting',
      reason: '',
      callerGone: false,
      createdAt: NOON,
      attempts: [],
    };
    saveRecord(layout, record(), 'writer', { folder: true });
    appendLines(layout.transcript('main', 's1'), [{ type: 'session' }]);
    markTurn(layout, 'main', KEY);
    putWaiting(here, layout, incoming());
    putFailed(here, layout, {
      key: KEY,
      agentId: 'main',
      sessionId: 's1',
      runId: RUN,
      at: 0,
      messageIds: ['m1'],
      users: [],
      text: 'secret',
      status: 'failed',
      error: { code: 'exit', message: 'no' },
      failedAt: NOON,
    });
    putOutbox(here, layout, item);
    markSent(here, layout, { ...item, id: `${RUN.slice(0, -1)}2` });
    rememberMessageId(layout, ['c', 'a', 'p', '', 'm1'], {
      agentId: 'main',
      key: KEY,
      sessionId: 's1',
      at: 0,
      time: NOON,
    });
    const lock = tryLock(here, layout.lock('main', KEY), KEY);
    return { locked: lock !== null };
  },

  appendMany: ({ file, name, count, size }: { file: string; name: string; count: number; size: number }) => {
    standReady();
    for (let number = 0; number < count; number++)
      appendLines(file, [{ type: 'line', name, number, text: 'y'.repeat(size) }]);
    return { count };
  },

  makeFolders: ({ folder, count }: { folder: string; count: number }) => {
    standReady();
    for (let number = 0; number < count; number++) makeFolder(path.join(folder, String(number), 'a', 'b'));
    return { count };
  },

  rememberMany: ({ home, name, count }: { home: string; name: string; count: number }) => {
    const layout = new Layout(home);
    standReady();
    for (let number = 0; number < count; number++) {
      rememberMessageId(layout, ['c', 'a', 'p', '', `${name}-${number}`], {
        agentId: 'main',
        key: KEY,
        sessionId: name,
        at: number,
        time: NOON,
      });
    }
    return { count };
  },

  waitMany: ({ home, name, count }: { home: string; name: string; count: number }) => {
    const layout = new Layout(home);
    standReady();
    return Array.from({ length: count }, (_, number) =>
      putWaiting({ ...context, home }, layout, incoming({ messageId: `${name}-${number}` })),
    );
  },

  claimAll: ({ home, stems }: { home: string; stems: string[] }) => {
    const layout = new Layout(home);
    standReady();
    return stems.filter(stem => claimReply(layout, 'main', KEY, stem));
  },

  /** Takes a lock and keeps it until the test lets go; `null` when it was not to be had. */
  hold: ({ lock: folder, keep }: { lock: string; keep?: boolean }) => {
    const lock = tryLock(context, folder, KEY);
    standReady();
    if (!keep) lock?.release();
    return { token: lock?.token ?? null, takenFrom: lock?.takenFrom ?? null };
  },

  /**
   * Contends for `<folder>/<round>`, which appears when the round before is won and already belongs to a dead owner.
   * Nobody releases, and nobody ends before the others: who comes late finds a living owner.
   */
  race: ({ folder, rounds, racers }: { folder: string; rounds: number; racers: number }) => {
    const won: number[] = [];
    standReady();
    for (let round = 0; round < rounds; round++) {
      const place = path.join(folder, 'locks', String(round));
      while (!fs.existsSync(place));
      const lock: Lock | null = tryLock(context, place, KEY);
      if (!lock) continue;
      won.push(round);
      if (!lock.takenFrom || !lock.held()) throw new Error(`round ${round}: not taken over`);
      if (round + 1 < rounds)
        fs.renameSync(
          path.join(folder, 'next', String(round + 1)),
          path.join(folder, 'locks', String(round + 1)),
        );
    }
    const finish = path.join(folder, 'finish');
    fs.mkdirSync(path.join(finish, String(process.pid)), { recursive: true });
    while (fs.readdirSync(finish).length < racers);
    return won;
  },

  /**
   * Takes and releases one lock, until all together have taken it so many times. Inside, it looks whether another living
   * process is inside too. Now and then it dies there, holding the lock: `deaths` in a thousand times.
   */
  siege: ({
    folder,
    total,
    deaths,
    seed,
  }: {
    folder: string;
    total: number;
    deaths: number;
    seed: number;
  }) => {
    const place = path.join(folder, 'lock');
    const sign = path.join(folder, 'inside');
    const log = path.join(folder, 'log');
    const me = signOf(context.self.pid);
    let dice = seed;
    const roll = () => {
      dice = (Math.imul(dice, 1_103_515_245) + 12_345) >>> 0;
      return (dice >>> 8) % 1000;
    };
    const overlaps: string[] = [];
    standReady();
    while (sizeOf(log) < total) {
      const lock = tryLock(context, place, KEY);
      if (!lock) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.3);
        continue;
      }
      const other = readSign(sign);
      if (other !== '' && other !== me && isAlive(other)) overlaps.push(`${me} met ${other}`);
      fs.writeFileSync(sign, me);
      fs.appendFileSync(log, '.');
      if (roll() < deaths) process.kill(process.pid, 'SIGKILL');
      if (readSign(sign) !== me) overlaps.push(`${me} was replaced by ${readSign(sign)}`);
      if (!lock.held()) overlaps.push(`${me} lost the lock`);
      fs.rmSync(sign, { force: true });
      lock.release();
    }
    return overlaps;
  },

  /** Changes settings, one after the other, each with the time (epoch ms) it counts from. */
  changeSettings: async ({
    home,
    changes,
  }: {
    home: string;
    changes: { change: SettingsChange; at: number }[];
  }) => {
    const layout = new Layout(home);
    standReady();
    for (const { change, at } of changes) {
      await changeSettings(
        { ...context, home },
        layout,
        { agentId: 'main', key: KEY },
        { createdAt: NOON, sessionId: 's1' },
        change,
        { at },
      );
    }
    return { count: changes.length };
  },

  /** What context.ts says about this process. */
  context: ({ pids }: { pids?: number[] }) => {
    const zone = context.hostZone();
    return {
      self: context.self,
      id: context.newId(),
      zone,
      again: context.hostZone(),
      // as Date reckons, and as the named zone does
      offset: -new Date(NOON).getTimezoneOffset() || 0,
      zoneOffset: offsetOf(zone),
      startTimes: (pids ?? []).map(pid => context.startTimeOf(pid)),
    };
  },
};

export type Actions = typeof actions;

function offsetOf(zone: string): number | string {
  try {
    const shown = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
    const part = Object.fromEntries(
      shown.formatToParts(NOON).map(({ type, value }) => [type, Number(value)]),
    );
    return (Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!) - NOON) / 60_000;
  } catch (error) {
    return (error as Error).message;
  }
}

function sizeOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function signOf(pid: number): string {
  return `${pid}-${context.startTimeOf(pid)}`;
}

function readSign(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function isAlive(sign: string): boolean {
  const [pid, start] = sign.split('-');
  return context.startTimeOf(Number(pid)) === start;
}

const [, , name, json] = process.argv;
const action = actions[name as keyof Actions] as (input: unknown) => unknown;
void (async () => fs.writeSync(1, JSON.stringify(await action(JSON.parse(json!)))))();
