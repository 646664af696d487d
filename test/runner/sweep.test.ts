import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Desk } from '../../src/runner/desk.ts';
import { planDailyResets, resetDaily } from '../../src/runner/sweep.ts';
import { Layout } from '../../src/store/layout.ts';
import { newToken } from '../../src/store/lock.ts';
import { loadRecord, saveRecord } from '../../src/store/sessions.ts';
import { DAY, HOUR, NOON, record } from '../core/turn-facts.ts';
import { contextIn, scratch } from '../store/scratch.ts';

/** A desk whose clock a test sets. */
function desk(clock: { now: number }): Desk {
  const home = scratch();
  const context = contextIn(home, { now: () => clock.now });
  const zone = { name: 'UTC', isHost: false };
  return { context, layout: new Layout(home), config: {}, zone, idRetention: 0, warn: () => undefined };
}

/** A session that was used last at this time; its record file says so too. */
function used(at: Desk, name: string, lastUserAt: number): void {
  const key = `agent:main:dm:${name}`;
  const sessionId = `${name}-0`;
  const file = at.layout.transcript('main', sessionId);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const header = {
    type: 'session',
    version: 1,
    id: sessionId,
    sessionKey: key,
    agentId: 'main',
    timestamp: 1,
  };
  fs.writeFileSync(file, `${JSON.stringify(header)}\n`);
  const bytes = fs.statSync(file).size;
  const whole = record({ key, sessionId, bytes, startedAt: lastUserAt, lastUserAt, updatedAt: lastUserAt });
  saveRecord(at.layout, whole, newToken(at.context), { folder: true });
  fs.utimesSync(at.layout.record('main', key), new Date(lastUserAt), new Date(lastUserAt));
}

const BOUNDARY = NOON - 8 * HOUR;
const sweep = (at: Desk, ...more: [AbortSignal?, number?]) => resetDaily(at, planDailyResets(at), ...more);
const keys = ({ reset }: { reset: { sessionKey: string }[] }) =>
  reset.map(each => each.sessionKey.split(':').at(-1)).sort();

describe('a sweep', () => {
  it('resets each session at its next boundary, day after day, also what was used between boundary and sweep', async () => {
    const clock = { now: BOUNDARY + 30_000 };
    const at = desk(clock);
    used(at, 'a', BOUNDARY - HOUR);
    used(at, 'b', BOUNDARY + 10_000);
    expect(keys(await sweep(at))).toEqual(['a']);
    clock.now = BOUNDARY + DAY - 1;
    expect(planDailyResets(at)).toEqual({ resets: [], sweep: null, hadLeft: false });
    used(at, 'c', BOUNDARY + DAY - HOUR);
    clock.now = BOUNDARY + DAY + 30_000;
    expect(keys(await sweep(at))).toEqual(['b', 'c']);
    expect(keys(await sweep(at))).toEqual([]);
    clock.now = BOUNDARY + 9 * DAY;
    expect(keys(await sweep(at))).toEqual([]);
  });

  it('goes on where it was ended, by a signal or by its time', async () => {
    const clock = { now: BOUNDARY + 30_000 };
    const at = desk(clock);
    for (const name of ['a', 'b', 'c']) used(at, name, BOUNDARY - HOUR);
    const ended = new AbortController();
    ended.abort();
    expect(await sweep(at, ended.signal)).toEqual({ reset: [], left: [], more: 3 });
    expect(planDailyResets(at).resets).toHaveLength(3);
    const plan = planDailyResets(at);
    const { context } = at;
    const slow = { ...at, context: { ...context, now: () => (clock.now += 4000) } };
    const first = await resetDaily(slow, plan, undefined, 9000);
    expect(first.reset.length + first.more).toBe(3);
    expect(first.more).toBeGreaterThan(0);
    expect((await sweep(at)).reset).toHaveLength(first.more);
    expect(planDailyResets(at)).toMatchObject({ resets: [], sweep: null });
  });

  it('judges once more under the lock: who has written meanwhile is left alone', async () => {
    const clock = { now: BOUNDARY + 30_000 };
    const at = desk(clock);
    used(at, 'a', BOUNDARY - HOUR);
    const plan = planDailyResets(at);
    expect(plan.resets).toMatchObject([
      {
        agentId: 'main',
        key: 'agent:main:dm:a',
        reason: 'daily',
        boundary: BOUNDARY,
        lastUserAt: BOUNDARY - HOUR,
      },
    ]);
    used(at, 'a', BOUNDARY + 20_000);
    expect(await resetDaily(at, plan)).toEqual({ reset: [], left: [], more: 0 });
    expect(loadRecord(at.layout, 'main', 'agent:main:dm:a')).toMatchObject({ record: { sessionId: 'a-0' } });
  });
});
