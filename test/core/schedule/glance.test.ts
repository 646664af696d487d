import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planJob } from '../../../src/core/schedule/due.ts';
import { glanceAt, holdsAt } from '../../../src/core/schedule/glance.ts';
import { definitionOf, type Job } from '../../../src/core/schedule/job.ts';
import { dueFacts, outlookOf } from '../../../src/core/schedule/outlook.ts';
import { type RunLine, reduceRuns } from '../../../src/core/schedule/run-record.ts';
import { nextAfter, type Schedule, type StoredSchedule } from '../../../src/core/schedule/schedule.ts';
import { UTC } from '../../../src/core/schedule/zone.ts';

const NOW = Date.UTC(2026, 0, 12, 12);
const HOUR = 3_600_000;

const nextInstant = (schedule: StoredSchedule, after: number) =>
  nextAfter((schedule.kind === 'at' ? { kind: 'at', at: schedule.atMs } : schedule) as Schedule, after, UTC);

const schedules: StoredSchedule[] = [
  { kind: 'cron', expr: '0 7 * * *', tz: 'UTC' },
  { kind: 'every', everyMs: 2 * HOUR, anchorMs: NOW },
  { kind: 'at', atMs: NOW + HOUR },
];

const jobs = fc
  .record({
    schedule: fc.constantFrom(...schedules),
    enabled: fc.boolean(),
    deleteAfterRun: fc.boolean(),
    message: fc.constantFrom('hello', 'other'),
  })
  .map(
    ({ message, ...rest }): Job => ({
      ...{ id: 'a', name: 'A', sessionTarget: 'isolated', wakeMode: 'now', ...rest },
      payload: { kind: 'agentTurn', message },
    }),
  );

const instants = fc.integer({ min: -30, max: 30 }).map(hours => NOW + hours * HOUR);

const lines = (seen: Job) =>
  fc.oneof(
    fc.constant<RunLine>({
      ...{ action: 'seen', ts: NOW, jobId: 'a', schedule: seen.schedule, enabled: seen.enabled },
      ...{ definition: definitionOf(seen), from: NOW - HOUR },
    }),
    fc
      .record({
        status: fc.constantFrom('ok', 'error', 'missed', 'skipped', 'queued', 'interrupted', 'cancelled'),
        trigger: fc.constantFrom('schedule', 'retry', 'manual'),
        dueAt: instants,
        retryAt: fc.option(instants, { nil: undefined }),
      })
      .map(
        ({ retryAt, ...rest }) =>
          ({
            ...{ action: 'finished', ts: NOW, jobId: 'a', runId: 'r', ...rest },
            ...(retryAt === undefined ? {} : { retryAt }),
          }) as RunLine,
      ),
    fc
      .constantFrom('disabled', 'enabled', 'alerted', 'recovered', 'dropped')
      .map(action => ({ action, ts: NOW, jobId: 'a' }) as RunLine),
    instants.map((from): RunLine => ({ action: 'clock', ts: NOW, jobId: 'a', from })),
  );

const cases = fc
  .tuple(jobs, jobs)
  .chain(([job, other]) =>
    fc.tuple(
      fc.constant(job),
      fc.array(fc.oneof({ weight: 4, arbitrary: lines(job) }, lines(other)), { maxLength: 6 }),
      instants,
    ),
  );

describe('a glance', () => {
  it('holds only while there is nothing to do or to record, and says what the plan says', () => {
    let held = 0;
    fc.assert(
      fc.property(cases, ([job, past, now]) => {
        const state = reduceRuns(past);
        const glance = glanceAt(job, [], state, nextInstant);
        if (glance === null || !holdsAt(glance, now)) return;
        held++;
        const facts = dueFacts(job, { now, definedAt: NOW - HOUR, zone: UTC, cron: {} });
        const { seen, clock, records, runs, next } = planJob(job, state, facts);
        expect({ seen, clock, records, runs }).toEqual({ seen: null, clock: null, records: [], runs: [] });
        expect(glance.next).toBe(next);
        const outlook = outlookOf(job, state, facts, nextInstant);
        expect(outlook).toEqual({ next: glance.next, late: false, idle: glance.idle });
      }),
      { numRuns: 3000 },
    );
    expect(held).toBeGreaterThan(100);
  });

  it('is none of a job that is to be removed', () => {
    const job: Job = {
      ...{ id: 'a', name: 'A', enabled: true, sessionTarget: 'isolated', wakeMode: 'now' },
      ...{ schedule: schedules[2]!, payload: { kind: 'agentTurn', message: 'x' }, deleteAfterRun: true },
    };
    const { schedule, enabled } = job;
    const seen: RunLine = {
      ...{ action: 'seen', ts: NOW, jobId: 'a', schedule, enabled, from: NOW },
      definition: definitionOf(job),
    };
    const ok: RunLine = {
      ...{ action: 'finished', ts: NOW, jobId: 'a', runId: 'r', status: 'ok', trigger: 'schedule' },
      dueAt: NOW + HOUR,
    };
    expect(glanceAt(job, [], reduceRuns([seen]), nextInstant)).not.toBeNull();
    expect(glanceAt(job, [], reduceRuns([seen, ok]), nextInstant)).toBeNull();
  });
});
