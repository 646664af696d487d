/** What the lines of a job come to where several processes wrote them. */
import { expect, test } from 'vitest';
import { finishedRuns } from '../../../src/core/schedule/run-listing.ts';
import {
  type RunLine,
  type RunRecord,
  reduceRuns,
  type SeenRecord,
} from '../../../src/core/schedule/run-record.ts';

const T = Date.parse('2026-01-12T10:00:00Z');
const MINUTE = 60_000;

const seen = (from: number, everyMs: number): SeenRecord => ({
  ...{ action: 'seen', ts: from, jobId: 'j', enabled: true, definition: 'd', from },
  schedule: { kind: 'every', everyMs, anchorMs: T },
});
const record = (part: Partial<RunRecord>): RunRecord => ({
  ...{ action: 'finished', ts: T, jobId: 'j', runId: 'r', status: 'ok', trigger: 'schedule', ...part },
});

test('an instant that ran while its schedule was changed is accounted for by its run alone', () => {
  const before = T - MINUTE;
  const lines: RunLine[] = [
    seen(before, 5 * MINUTE),
    // Edited while the run of T was under way.
    seen(T + MINUTE, 7 * MINUTE),
  ];
  expect(reduceRuns(lines).behind).toMatchObject([{ from: before, to: T + MINUTE }]);
  const state = reduceRuns([...lines, record({ dueAt: T })]);
  expect(state.behind).toMatchObject([{ from: T, to: T + MINUTE }]);
  expect(state.position).toBe(T + MINUTE);
});

test('an event that was told before the record that it waits was written is done', () => {
  const ok = record({ status: 'ok', dueAt: T });
  const queued = record({ status: 'queued', dueAt: T, day: '2026-01-12' });
  for (const lines of [
    [ok, queued],
    [queued, ok],
  ]) {
    const state = reduceRuns([seen(T - MINUTE, 5 * MINUTE), ...lines]);
    expect(state).toMatchObject({
      queued: [],
      last: { status: 'ok' },
      spent: { day: '2026-01-12', runs: 1 },
    });
    expect(finishedRuns(lines, [], 'j').map(({ status }) => status)).toEqual(['ok']);
  }
});

test('what was skipped beside a run is not how the newest one ended', () => {
  const overlap = record({ runId: 'r-overlap', status: 'skipped', reason: 'overlap', dueAt: T + 5 * MINUTE });
  const state = reduceRuns([seen(T - MINUTE, 5 * MINUTE), record({ dueAt: T }), overlap]);
  expect(state).toMatchObject({ last: { runId: 'r', status: 'ok' }, position: T + 5 * MINUTE });
});
