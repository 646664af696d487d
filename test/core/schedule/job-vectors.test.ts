/** The conformance vectors about definitions of jobs: options, normalising, patches, listings. */
import { expect, test } from 'vitest';
import { nextDue } from '../../../src/core/schedule/due.ts';
import { deliveryOf, type JobRead, patchJob, readJob } from '../../../src/core/schedule/job.ts';
import { dueFacts } from '../../../src/core/schedule/outlook.ts';
import { finishedRuns } from '../../../src/core/schedule/run-listing.ts';
import { NEW_JOB, type RunLine } from '../../../src/core/schedule/run-record.ts';
import { Home } from '../../e2e/claw.ts';
import vectors from '../../fixtures/vectors/cron-job.json' with { type: 'json' };

/** Vectors about running jobs and about events, which are held elsewhere. */
const OWNED_ELSEWHERE = [
  ...['cj-027', 'cj-028', 'cj-032', 'cj-035', 'cj-037', 'cj-038', 'cj-040', 'cj-042', 'cj-043', 'cj-045'],
  ...['cj-047', 'cj-053', 'cj-072', 'cj-073', 'cj-080'],
];

/** Vectors that do not hold for claw, with the reason. */
const LEFT_OUT: Record<string, string> = {};

const zone = { name: 'UTC', isHost: false };

interface Given {
  op: string;
  args?: string[];
  input?: any;
  now?: string;
  store?: Record<string, { lastTo?: string }>;
}

function state(read: JobRead, now: number) {
  if (!read.ok) return { error: true, state: { nextRunAtMs: null } };
  // A single instant that is now is still to come when the job was written just before.
  const definedAt = now - 1;
  const facts = dueFacts(read.job, { now, definedAt, zone, cron: undefined });
  return { ...read.job, state: { nextRunAtMs: nextDue(read.job, NEW_JOB, facts) } };
}

/** Which option a refusal is about. */
function groupOf(message: string): string {
  if (/one schedule/.test(message)) return 'schedule';
  if (/payload/.test(message)) return 'payload';
  return /^--(\w+)/.exec(message)?.[1] ?? message;
}

function run({ op, args = [], input, now: nowText = '2025-12-13T00:00:02.000Z', store }: Given): object {
  const now = Date.parse(nowText);
  const setting = { agentId: 'main', definedAt: now, zone };
  const read = (raw: object) => readJob({ id: 'job-1', ...raw }, setting);
  switch (op) {
    case 'cronAdd': {
      // The options are read by the built program alone: its library loads in no other way here.
      const home = new Home();
      try {
        const added = home.run(['cron', 'add', ...args, '--json']);
        return added.status === 0
          ? { job: added.json().job }
          : { error: groupOf(JSON.parse(added.stderr).error.message) };
      } finally {
        home.cleanUp();
      }
    }
    case 'normalize': {
      const made = read(input.job);
      return made.ok ? made.job : { error: made.problem };
    }
    case 'create':
      return state(read(input.job), now);
    case 'patch': {
      const old = read(input.job);
      if (!old.ok) throw new Error(old.problem);
      return state(patchJob(input.job, old.job, input.patch, setting), now);
    }
    case 'start':
      return { jobs: input.jobs.map((job: any) => ({ id: job.id, ...state(read(job), now) })) };
    case 'deliveryRequested': {
      const made = read({ schedule: { kind: 'every', everyMs: 1000 }, payload: input.payload });
      const delivery = made.ok ? deliveryOf(made.job.payload) : null;
      const route = store?.['agent:main:main']?.lastTo;
      return delivery === null ? { deliver: false } : { to: route, ...delivery };
    }
    case 'runLog': {
      const entries = input.entries.map((entry: object, index: number) => ({ runId: `r${index}`, ...entry }));
      const runs = finishedRuns(entries as RunLine[], [], input.jobId).slice(-input.limit);
      return { ts: runs.map(({ ts }) => ts) };
    }
    default:
      throw new Error(`no adapter for ${op}`);
  }
}

/** In expectations null means: there is none. */
function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNull);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, inner]) => inner !== null || name === 'nextRunAtMs')
      .map(([name, inner]) => [name, withoutNull(inner)]),
  );
}

const toRun = vectors.filter(({ id }) => LEFT_OUT[id] === undefined && !OWNED_ELSEWHERE.includes(id));

test.each(toRun.map(vector => [vector.id, vector.note, vector] as const))('%s %s', (_id, _note, vector) => {
  const found = run(vector.given as Given) as Record<string, any>;
  expect(found).toMatchObject(withoutNull(vector.expect) as object);
  const absent = Object.entries((vector.expect as any).payload ?? {}).filter(([, value]) => value === null);
  for (const [name] of absent) expect(found.payload).not.toHaveProperty(name);
});

test('every vector is run here, elsewhere, or left out with a reason', () => {
  const ids = vectors.map(({ id }) => id);
  expect(new Set(ids).size).toBe(35);
  expect([...OWNED_ELSEWHERE, ...Object.keys(LEFT_OUT)].filter(id => !ids.includes(id))).toEqual([]);
  expect(toRun.length + OWNED_ELSEWHERE.length + Object.keys(LEFT_OUT).length).toBe(ids.length);
});
