import { describe, expect, test } from 'vitest';
import type { RunnerConfig } from '../../../src/config/schema.ts';
import {
  type NativePlan,
  type NativeSession,
  nativeAfter,
  planNative,
  replanNative,
  settleNative,
} from '../../../src/core/runner/native.ts';

const runner: RunnerConfig = {
  command: 'x',
  context: 'native',
  args: ['--id', '{{NativeSessionId}}'],
  resumeArgs: ['--resume', '{{NativeSessionId}}'],
};
const known: NativeSession = { id: 'n1', runner: 'mine', workspace: '/w', model: 'opus' };
const facts = {
  known: known as NativeSession | undefined,
  runnerName: 'mine',
  runner,
  workspace: '/w',
  model: 'opus' as string | undefined,
  died: false,
  hasHistory: true,
  freshId: 'fresh',
};
const about = { runnerName: 'mine', runner, workspace: '/w', model: 'opus' };
const resumed: NativePlan = { how: 'resumed', id: 'n1', known };
const tokens = (inputTokens: number, outputTokens: number, costUsd?: number) => ({
  inputTokens,
  outputTokens,
  totalTokens: inputTokens + outputTokens,
  ...(costUsd === undefined ? {} : { costUsd }),
});

describe('how a run begins', () => {
  test('it goes on with what is known', () => {
    expect(planNative(facts)).toEqual({ how: 'resumed', id: 'n1', known });
    expect(planNative({ ...facts, model: 'haiku' })).toMatchObject({ how: 'resumed' });
  });

  test.each([
    ['runner-changed', { runnerName: 'other' }],
    ['workspace-changed', { workspace: '/elsewhere' }],
    ['model-changed', { model: undefined, runner: { ...runner, modelBound: true } }],
    ['interrupted', { died: true }],
    ['interrupted', { known: { ...known, interrupted: true as const } }],
    ['failing', { known: { ...known, failures: 3 } }],
    ['compacted', { known: { ...known, givenUp: 'compacted' as const } }],
    ['context-overflow', { known: { ...known, givenUp: 'context-overflow' as const, failures: 3 } }],
  ])('P05 #131769: %s gives it up, with the reason', (reason, change) => {
    const plan = planNative({ ...facts, ...change });
    expect(plan).toEqual({ how: 'seeded', id: 'fresh', reason, previousId: 'n1' });
  });

  test('R10 #93052: one failure, or two, are no reason', () => {
    expect(planNative({ ...facts, known: { ...known, failures: 2 } }).how).toBe('resumed');
  });

  test('nothing known: new, and seeded where something was said before', () => {
    expect(planNative({ ...facts, known: undefined, hasHistory: false })).toEqual({
      how: 'new',
      id: 'fresh',
    });
    expect(planNative({ ...facts, known: undefined })).toEqual({
      how: 'seeded',
      id: 'fresh',
      reason: 'no-session',
    });
  });

  test('P04 #61390: begun anew at once, when the program does not know the id', () => {
    expect(replanNative(resumed, 'unknown-session', 'fresh')).toEqual({
      how: 'seeded',
      id: 'fresh',
      reason: 'unknown-session',
      previousId: 'n1',
    });
    for (const code of ['exit', 'auth', 'timeout', 'context-overflow'])
      expect(replanNative(resumed, code, 'fresh')).toBeNull();
    expect(replanNative({ how: 'new', id: 'n2' }, 'unknown-session', 'fresh')).toBeNull();
  });
});

describe('what a run leaves', () => {
  const settle = (plan: NativePlan, run: Partial<Parameters<typeof settleNative>[2]>, of = runner) =>
    settleNative(plan, { ...about, runner: of }, { ended: 'well', reported: undefined, usage: null, ...run });

  test('the id that the program told, else the one claw chose, and none where it could choose none', () => {
    const fresh: NativePlan = { how: 'new', id: 'chosen' };
    expect(settle(fresh, { reported: 'told' }).use.id).toBe('told');
    expect(settle(fresh, {}).use.id).toBe('chosen');
    expect(settle(fresh, {}, { ...runner, args: [] }).use.id).toBeUndefined();
  });

  test('P04: nothing is stored after a failure, or beside the conversation', () => {
    expect(settle(resumed, { ended: 'failed', reported: 'n2' }).use.id).toBeUndefined();
    expect(settle({ how: 'aside', id: 'x' }, { reported: 'n2' }).use.id).toBeUndefined();
  });

  test('anthropics/claude-code#3188: another id than was asked for is followed only where the runner says so', () => {
    expect(settle(resumed, { reported: 'n2' })).toMatchObject({ follows: false, use: { how: 'resumed' } });
    expect(settle(resumed, { reported: 'n2' }).use.id).toBeUndefined();
    const follow = settle(resumed, { reported: 'n2' }, { ...runner, onOtherSession: 'follow' });
    expect(follow).toMatchObject({ follows: true, use: { id: 'n2' } });
  });

  test('counters that go on become the share of this run', () => {
    const counting: RunnerConfig = { ...runner, usage: 'cumulative' };
    const first = settle({ how: 'new', id: 'n1' }, { usage: tokens(20, 6) }, counting);
    expect(first).toMatchObject({
      usage: tokens(20, 6),
      use: { counted: { inputTokens: 20, outputTokens: 6 } },
    });
    const plan: NativePlan = { how: 'resumed', id: 'n1', known: { ...known, counted: first.use.counted! } };
    const second = settle(plan, { usage: tokens(45, 16) }, counting);
    expect(second).toMatchObject({ usage: tokens(25, 10), use: { counted: { inputTokens: 45 } } });
    // Begun anew by the program itself.
    expect(settle(plan, { usage: tokens(5, 1) }, counting).usage).toEqual(tokens(5, 1));
    // In the failed run's counters too, but once: the next that goes well has them.
    expect(settle(plan, { ended: 'failed', usage: tokens(45, 16) }, counting).usage).toBeNull();
    // It did not count this time.
    expect(settle(plan, { usage: null }, counting).use.counted).toEqual(first.use.counted);
  });

  test('only the cost may go on', () => {
    const costing: RunnerConfig = { ...runner, usage: 'run', costs: 'cumulative' };
    const counted = { inputTokens: 19, outputTokens: 5, costUsd: 0.25 };
    const plan: NativePlan = { how: 'resumed', id: 'n1', known: { ...known, counted } };
    expect(settle(plan, { usage: tokens(19, 5, 0.75) }, costing).usage).toEqual(tokens(19, 5, 0.5));
    expect(settle(plan, { ended: 'failed', usage: tokens(19, 5, 0.75) }, costing).usage).toEqual(
      tokens(19, 5),
    );
  });
});

describe('the record behind a turn', () => {
  const use = { how: 'resumed' as const, runner: 'mine', workspace: '/w', model: 'opus' };

  test('a run that went well is known by its id', () => {
    const after = nativeAfter({ ...known, failures: 2 }, 'replied', { ...use, id: 'n2' });
    expect(after).toEqual({ ...known, id: 'n2' });
    expect(nativeAfter(undefined, 'silent', { ...use, how: 'new', id: 'n1' })).toEqual(known);
    expect(nativeAfter(known, 'replied', use)).toBeUndefined();
  });

  test('failures are counted; what was given up stays given up', () => {
    expect(nativeAfter(known, 'failed', use)).toEqual({ ...known, failures: 1 });
    expect(nativeAfter(known, 'stopped', use)).toEqual(known);
    expect(nativeAfter(known, 'failed', { ...use, how: 'seeded', reason: 'failing' })).toBeUndefined();
  });

  test('a turn that nobody ended, and turns that have nothing to do with it', () => {
    expect(nativeAfter(known, 'interrupted', undefined)).toEqual({ ...known, interrupted: true });
    expect(nativeAfter(known, 'replied', undefined)).toEqual(known);
    expect(nativeAfter(known, 'replied', { ...use, how: 'aside' })).toEqual(known);
    expect(nativeAfter(undefined, 'interrupted', undefined)).toBeUndefined();
  });
});
