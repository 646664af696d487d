import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { type RunRecord, reduceRuns } from '../../src/core/schedule/run-record.ts';
import { listClaims, putClaim } from '../../src/store/claims.ts';
import { Layout } from '../../src/store/layout.ts';
import { appendRuns, pruneRuns, readRuns, runsFile } from '../../src/store/runs.ts';
import { contextIn, scratch } from './scratch.ts';

function place() {
  const home = scratch();
  return { context: contextIn(home), layout: new Layout(home) };
}

const failed = (ts: number): RunRecord => ({
  ...{ action: 'finished', ts, jobId: 'j', runId: `r${ts}`, status: 'error', trigger: 'schedule', dueAt: ts },
});

it('a line that nobody can reckon with is set aside, and the job goes on', () => {
  const { context, layout } = place();
  appendRuns(context, layout, 'j', [failed(1)]);
  const file = runsFile(layout, 'j');
  const seen = { action: 'seen', ts: 1, jobId: 'j', enabled: true, definition: 'x', from: 0 };
  const bad = [
    { ...seen, schedule: { kind: 'cron', expr: '0 0 * * *', tz: 'Mars/X' } },
    { ...seen, schedule: { kind: 'cron', expr: 'zzz', tz: 'UTC' } },
    { action: 'state', ts: 1, jobId: 'j', state: { behind: null } },
    { ...failed(2), dueAt: -1e308 },
    { action: 'finished', ts: 'now' },
  ];
  fs.appendFileSync(file, bad.map(line => `${JSON.stringify(line)}\n`).join(''));
  const read = readRuns(layout, 'j');
  expect(read.lines).toEqual([failed(1)]);
  expect(read.bad).toHaveLength(bad.length);
});

it('a line that was cut spoils none that follows', () => {
  const { context, layout } = place();
  appendRuns(context, layout, 'j', [failed(1)]);
  fs.appendFileSync(runsFile(layout, 'j'), '{"action":"fin');
  appendRuns(context, layout, 'j', [failed(2)]);
  const read = readRuns(layout, 'j');
  expect(read.lines).toEqual([failed(1), failed(2)]);
  expect(read.bad).toHaveLength(1);
});

it('a file that is shortened comes to the same as before', () => {
  const { context, layout } = place();
  for (let ts = 1; ts <= 40; ts++) appendRuns(context, layout, 'j', [failed(ts)]);
  const before = reduceRuns(readRuns(layout, 'j').lines);
  const removed = pruneRuns(context, layout, 'j', { keep: 10, before: 0 }, lines => reduceRuns(lines));
  expect(removed).toHaveLength(30);
  const { lines } = readRuns(layout, 'j');
  expect(lines).toHaveLength(11);
  expect(reduceRuns(lines)).toEqual(before);
  appendRuns(context, layout, 'j', [failed(41)]);
  expect(reduceRuns(readRuns(layout, 'j').lines)).toMatchObject({ failures: 41, position: 41 });
});

it('a claim is made once, and a copy of it under another name claims nothing', () => {
  const { context, layout } = place();
  const claim = { jobId: 'j', runId: 'r', dueAt: 5, trigger: 'schedule' as const, attempt: 1, startedAt: 5 };
  expect(putClaim(context, layout, claim)).toBe(true);
  expect(putClaim(context, layout, { ...claim, runId: 'other' })).toBe(false);
  const [name] = fs.readdirSync(layout.claims());
  fs.copyFileSync(path.join(layout.claims(), name!), path.join(layout.claims(), 'copy of it.json'));
  const { claims, unreadable } = listClaims(layout);
  expect(claims).toMatchObject([{ runId: 'r' }]);
  expect(unreadable).toHaveLength(1);
});
