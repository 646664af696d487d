import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { holdsAt } from '../../src/core/schedule/glance.ts';
import { definitionOf } from '../../src/core/schedule/job.ts';
import type { RunLine } from '../../src/core/schedule/run-record.ts';
import { JobCache } from '../../src/store/job-cache.ts';
import { type JobPlace, loadJobs, seeJobs, settledJob } from '../../src/store/jobs.ts';
import { Layout } from '../../src/store/layout.ts';
import { appendRuns, runsFile } from '../../src/store/runs.ts';
import { contextIn, names, scratch } from './scratch.ts';

const MINUTE = 60_000;
/** Files that are written now are old by this clock. */
const NOW = Date.UTC(2040, 0, 15, 12);

interface Home {
  place: JobPlace;
  jobs: string;
  cache: string;
  clock: { now: number };
}

/** A home with jobs that were seen by a tick. */
function homeWith(...definitions: object[]): Home {
  const home = scratch();
  const layout = new Layout(home);
  const clock = { now: NOW };
  const context = contextIn(home, { now: () => clock.now });
  const place = { context, layout, config: {}, zone: { name: 'UTC', isHost: false } };
  fs.mkdirSync(path.dirname(layout.jobs()), { recursive: true });
  const made = { place, jobs: layout.jobs(), cache: path.join(home, 'cache/jobs.json'), clock };
  write(made, ...definitions);
  see(made);
  return made;
}

function write({ jobs }: Home, ...definitions: object[]): void {
  fs.writeFileSync(jobs, JSON.stringify({ jobs: definitions }));
}

/** What a tick does with a definition that it has not seen. */
function see({ place }: Home): void {
  const read = loadJobs(place);
  if (read.state !== 'ok') throw new Error(read.reason);
  for (const { job } of read.jobs)
    appendRuns(place.context, place.layout, job.id, [
      {
        ...{ action: 'seen', ts: NOW, jobId: job.id, schedule: job.schedule, enabled: job.enabled },
        ...{ definition: definitionOf(job), from: NOW },
      },
    ]);
}

const job = (id: string, more: object = {}) => ({
  ...{ id, name: `Job ${id}`, schedule: { kind: 'cron', expr: '0 7 * * *', tz: 'UTC' } },
  ...{ payload: { kind: 'agentTurn', message: 'hello' }, ...more },
});

/** What a listing would say; keeps what it found out, as a listing does. */
function look({ place }: Home): Record<string, unknown> {
  const cache = JobCache.open(place);
  const list = seeJobs(place, cache);
  if (list.state !== 'ok') return { unreadable: list.reason };
  const said = list.jobs.map(listed => {
    const glance = listed.glanceWith(cache, settledJob);
    const { job, unknown, assumed } = listed.read();
    const known = glance === null ? null : { ...glance, document: JSON.parse(listed.document()) };
    return [listed.id, { job, unknown, assumed, glance: known, state: cache.stateOf(listed.id) }] as const;
  });
  cache.save();
  return { ...Object.fromEntries(said), '#invalid': list.invalid };
}

/** The same without anything remembered. */
function lookAfresh(home: Home): Record<string, unknown> {
  fs.rmSync(home.cache, { force: true });
  return look(home);
}

/** Looks with what is remembered, and checks that it says what is so. */
function lookTwice(home: Home): Record<string, unknown> {
  const said = look(home);
  expect(said).toEqual(lookAfresh(home));
  return said;
}

const failed: RunLine = {
  ...{ action: 'finished', ts: NOW, jobId: 'a', runId: 'r1', status: 'error', trigger: 'schedule' },
  ...{ dueAt: NOW, startedAt: NOW },
};

/** The same bytes but for one word, of the same length, with the same mtime. */
function replaceWord(file: string, from: string, to: string): void {
  expect(to.length).toBe(from.length);
  const { atime, mtime } = fs.statSync(file);
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replaceAll(from, to));
  fs.utimesSync(file, atime, mtime);
}

describe('what is remembered of jobs', () => {
  test('is what would be found out again', () => {
    const home = homeWith(
      job('a'),
      job('b', { enabled: false, odd: 1 }),
      job('c', { schedule: '5 8 * * *' }),
      job('d', { schedule: { every: '1h' }, payload: { kind: 'exec', command: ['true'] } }),
      job('e', { schedule: { at: '2041-01-01T00:00:00Z' }, agentId: 'work' }),
      job('f', { schedule: { kind: 'cron', expr: 'never' } }),
      { id: 'constructor', message: 'hi', every: '5m' },
    );
    const first = look(home);
    expect(fs.existsSync(home.cache)).toBe(true);
    const bytes = fs.readFileSync(home.cache);
    expect(look(home)).toEqual(first);
    // Nothing was found out, so nothing was written.
    expect(fs.readFileSync(home.cache)).toEqual(bytes);
    expect(first).toMatchObject({
      a: { glance: { next: NOW + 19 * 60 * MINUTE, condition: 'on', schedule: '0 7 * * * (UTC)' } },
      b: { glance: { next: null, condition: 'disabled' }, unknown: [{ path: 'odd' }] },
      c: { assumed: ['zone'] },
      d: { glance: { runsCommand: true } },
      e: { glance: { agentId: 'work', schedule: 'once' } },
      '#invalid': [{ id: 'f' }],
    });
  });

  test('is used without a look at the definitions', () => {
    const home = homeWith(job('a'));
    look(home);
    const text = fs.readFileSync(home.cache, 'utf8');
    fs.writeFileSync(home.cache, text.replaceAll('Job a', 'Job x'));
    expect(look(home)).toMatchObject({ a: { glance: { name: 'Job x' }, job: { name: 'Job x' } } });
  });

  test('holds from a day before what is accounted for up to the next instant', () => {
    const home = homeWith(job('a'));
    const { glance } = look(home).a as { glance: { since: number; next: number } };
    expect(holdsAt(glance, NOW)).toBe(true);
    expect(holdsAt(glance, glance.next - 1)).toBe(true);
    expect(holdsAt(glance, glance.next)).toBe(false);
    expect(holdsAt(glance, NOW - 24 * 60 * MINUTE - 1)).toBe(false);
  });
});

describe('that something has changed is noticed', () => {
  test('when a line was appended', () => {
    const home = homeWith(job('a'), job('b'));
    look(home);
    appendRuns(home.place.context, home.place.layout, 'a', [failed]);
    expect(lookTwice(home)).toMatchObject({
      a: { glance: { failures: 1, condition: 'failing', last: { how: 'error' } } },
      b: { glance: { failures: 0 } },
    });
  });

  test('when a file of runs was replaced by one of the same size and time', () => {
    const home = homeWith(job('a'));
    appendRuns(home.place.context, home.place.layout, 'a', [failed]);
    look(home);
    const file = runsFile(home.place.layout, 'a');
    const { atime, mtime } = fs.statSync(file);
    const other = fs.readFileSync(file, 'utf8').replace('"runId":"r1"', '"runId":"r2"');
    fs.writeFileSync(`${file}.new`, other);
    fs.utimesSync(`${file}.new`, atime, mtime);
    fs.renameSync(`${file}.new`, file);
    expect(lookTwice(home)).toMatchObject({ a: { state: { last: { runId: 'r2' } } } });
  });

  test('when a file of runs was written into, and its time set back', () => {
    const home = homeWith(job('a'));
    appendRuns(home.place.context, home.place.layout, 'a', [failed]);
    look(home);
    const file = runsFile(home.place.layout, 'a');
    const before = fs.statSync(file).ctimeMs;
    // A clock that ticks in jiffies may give two changes one time.
    while (fs.statSync(file).ctimeMs === before) replaceWord(file, '"runId":"r1"', '"runId":"r2"');
    expect(lookTwice(home)).toMatchObject({ a: { state: { last: { runId: 'r2' } } } });
  });

  test('when a file of runs was deleted', () => {
    const home = homeWith(job('a'));
    look(home);
    fs.rmSync(runsFile(home.place.layout, 'a'));
    expect(lookTwice(home)).toMatchObject({ a: { glance: null, state: { seen: null } } });
  });

  test('when a definition that was seen has another text', () => {
    const home = homeWith(job('a'), job('b'));
    look(home);
    write(home, job('a', { payload: { kind: 'agentTurn', message: 'other' } }), job('b'));
    // It is to be seen by a tick, so nothing is said of it at a glance.
    expect(lookTwice(home)).toMatchObject({
      a: { glance: null, job: { payload: { message: 'other' } } },
      b: { glance: { name: 'Job b' } },
    });
  });

  test('when jobs.json was edited to the same size, with its time set back', () => {
    const home = homeWith(job('a'));
    look(home);
    const before = fs.statSync(home.jobs).ctimeMs;
    while (fs.statSync(home.jobs).ctimeMs === before) replaceWord(home.jobs, 'Job a', 'Job z');
    expect(lookTwice(home)).toMatchObject({ a: { job: { name: 'Job z' } } });
  });

  test('when jobs.json changes just after it was looked at, which its times may not show', () => {
    const home = homeWith(job('a'));
    const { ctimeMs } = fs.statSync(home.jobs);
    for (const [after, isKept] of [
      [1, false],
      [1990, false],
      [2100, true],
    ] as const) {
      fs.rmSync(home.cache, { force: true });
      home.clock.now = ctimeMs + after;
      look(home);
      const heading = JSON.parse(fs.readFileSync(home.cache, 'utf8').split('\n')[0]!);
      expect([after, heading.list !== null]).toEqual([after, isKept]);
    }
  });

  test('when jobs.json is gone, or cannot be read', () => {
    const home = homeWith(job('a'));
    look(home);
    fs.writeFileSync(home.jobs, '{');
    expect(lookTwice(home)).toHaveProperty('unreadable');
    fs.rmSync(home.jobs);
    expect(lookTwice(home)).toEqual({ '#invalid': [] });
  });

  test('when jobs.json can be written by others', () => {
    const home = homeWith(job('a'));
    look(home);
    fs.chmodSync(home.jobs, 0o666);
    const list = seeJobs(home.place, JobCache.open(home.place));
    expect(list.state === 'ok' && list.stat && list.stat.mode & 0o777).toBe(0o666);
  });

  test('when the zone is another, for expressions that name none', () => {
    const home = homeWith(job('a', { schedule: '0 7 * * *' }));
    fs.rmSync(runsFile(home.place.layout, 'a'));
    look(home);
    home.place = { ...home.place, zone: { name: 'Asia/Tokyo', isHost: false } };
    expect(lookTwice(home)).toMatchObject({ a: { job: { schedule: { tz: 'Asia/Tokyo' } } } });
  });

  test('when the config reads a target otherwise', () => {
    const home = homeWith(job('a', { sessionTarget: 'telegram:group:1' }));
    look(home);
    home.place = { ...home.place, config: { agents: { list: [{ id: 'work' }] } } };
    expect(lookTwice(home)).toMatchObject({
      a: { job: { sessionTarget: 'agent:work:telegram:group:1' } },
    });
  });
});

describe('a cache that cannot be used', () => {
  const harms: [string, (home: Home, bytes: Buffer) => void][] = [
    ['is gone', ({ cache }) => fs.rmSync(cache)],
    ['is empty', ({ cache }) => fs.writeFileSync(cache, '')],
    ['is something else', ({ cache }) => fs.writeFileSync(cache, '[1, 2]\n')],
    ['was cut in its heading', ({ cache }, bytes) => fs.writeFileSync(cache, bytes.subarray(0, 100))],
    ['was cut behind it', ({ cache }, bytes) => fs.writeFileSync(cache, bytes.subarray(0, -5))],
    [
      'has a hole',
      ({ cache }, bytes) => fs.writeFileSync(cache, Buffer.from(bytes).fill(0, bytes.length - 50)),
    ],
    [
      'is of another build',
      ({ cache }, bytes) => fs.writeFileSync(cache, bytes.toString().replace('{"key":"', '{"key":"1')),
    ],
    ['may be written by others', ({ cache }) => fs.chmodSync(cache, 0o666)],
    [
      'is a folder',
      ({ cache }) => {
        fs.rmSync(cache);
        fs.mkdirSync(cache);
      },
    ],
  ];
  test.each(harms)('that %s is done without', (_, harm) => {
    const home = homeWith(job('a'), job('b', { odd: 1 }));
    const said = look(home);
    // What is wrong in it would show.
    const text = fs.readFileSync(home.cache, 'utf8').replaceAll('Job a', 'Job x');
    fs.writeFileSync(home.cache, text);
    harm(home, Buffer.from(text));
    expect(look(home)).toEqual(said);
  });

  test('leaves no draft behind where it cannot be replaced', () => {
    const home = homeWith(job('a'));
    fs.mkdirSync(path.join(home.cache, 'x'), { recursive: true });
    expect(look(home)).toHaveProperty('a');
    expect(names(path.dirname(home.cache))).toEqual(['jobs.json']);
  });

  test('is not made where there is no home', () => {
    const home = homeWith(job('a'));
    fs.rmSync(home.place.context.home, { recursive: true });
    expect(look(home)).toEqual({ '#invalid': [] });
    expect(fs.existsSync(home.place.context.home)).toBe(false);
  });
});

describe('several processes', () => {
  test('that keep what they found out leave one of them, and it is right', () => {
    const home = homeWith(job('a'), job('b'));
    const caches = [JobCache.open(home.place), JobCache.open(home.place)];
    const lists = caches.map(cache => seeJobs(home.place, cache));
    lists.forEach((list, index) => {
      if (list.state === 'ok') for (const each of list.jobs) each.glanceWith(caches[index]!, settledJob);
    });
    caches[0]!.save();
    // What the second knows of `a` is old when it is written.
    appendRuns(home.place.context, home.place.layout, 'a', [failed]);
    look(home);
    caches[1]!.save();
    expect(lookTwice(home)).toMatchObject({ a: { glance: { failures: 1 } } });
    expect(names(path.dirname(home.cache))).toEqual(['jobs.json']);
  });

  test('notice in one that looks again what another appended meanwhile', () => {
    const home = homeWith(job('a'));
    const cache = JobCache.open(home.place);
    const failures = () => {
      const list = seeJobs(home.place, cache);
      return list.state === 'ok' && list.jobs[0]!.glanceWith(cache, settledJob)?.failures;
    };
    expect(failures()).toBe(0);
    appendRuns(home.place.context, home.place.layout, 'a', [failed]);
    expect(failures()).toBe(1);
  });
});
