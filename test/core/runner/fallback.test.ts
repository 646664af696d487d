import { describe, expect, test } from 'vitest';
import type { RunnerConfig } from '../../../src/config/schema.ts';
import { fallbackStart, modelFallbacks } from '../../../src/core/runner/fallback.ts';
import { type TurnEntry, unseenStarts } from '../../../src/core/session/transcript.ts';

const runner: RunnerConfig = { command: 'x', args: [['--model', '{{Model}}']] };
const turn = (more: Partial<TurnEntry> = {}): TurnEntry => ({
  type: 'turn',
  timestamp: 1,
  runId: 'r',
  attempt: 1,
  messageIds: ['m'],
  runner: 'mine',
  model: 'a',
  isNewSession: false,
  reset: null,
  notices: [],
  ...more,
});

describe('the start that follows on one that failed', () => {
  test('has the next model each time, until there is none', () => {
    const models: (string | undefined)[] = [];
    let next: TurnEntry | null = turn();
    while (next !== null) {
      models.push(next.model);
      next = fallbackStart(['b', 'c'], runner, next, 'exit', 2);
    }
    expect(models).toEqual(['a', 'b', 'c']);
  });

  test('says on what it follows, and is no start that died with its owner', () => {
    const second = fallbackStart(['b'], runner, turn(), 'auth', 2)!;
    expect(second).toMatchObject({
      attempt: 2,
      again: 1,
      tried: ['a'],
      model: 'b',
      timestamp: 2,
      after: { code: 'auth', model: 'a' },
    });
    expect(unseenStarts(second)).toBe(1);
    expect(unseenStarts({ ...second, attempt: second.attempt + 1 })).toBe(2);
  });

  test('never is a model that has failed in this turn', () => {
    const second = turn({ model: 'b', tried: ['slow'] });
    expect(fallbackStart(['b', 'slow', 'c'], runner, second, 'exit', 2)).toMatchObject({ model: 'c' });
    expect(fallbackStart(['a', 'b'], runner, turn(), 'exit', 2)).toMatchObject({ model: 'b' });
    expect(fallbackStart(['a'], runner, turn(), 'exit', 2)).toBeNull();
  });

  test('goes on in the list where a crash has ended it', () => {
    const crashed = turn({ model: 'b', tried: ['a'], attempt: 3, again: 1 });
    expect(fallbackStart(['b', 'c'], runner, crashed, 'exit', 2)).toMatchObject({
      model: 'c',
      tried: ['a', 'b'],
    });
  });

  test('is none where another model would not help', () => {
    for (const code of ['spawn', 'prompt-too-long', 'aborted', 'lease-lost'] as const)
      expect(fallbackStart(['b'], runner, turn(), code, 2)).toBeNull();
    for (const code of ['timeout', 'idle-timeout', 'empty', 'agent-error', 'context-overflow'] as const)
      expect(fallbackStart(['b'], runner, turn(), code, 2)).not.toBeNull();
  });

  test('is none where the runner is not told a model: it would be the same again', () => {
    expect(fallbackStart(['b'], { command: 'x', args: ['-m', 'fixed'] }, turn(), 'exit', 2)).toBeNull();
    expect(fallbackStart(['b'], undefined, turn(), 'exit', 2)).toBeNull();
    expect(fallbackStart(['b'], { command: 'x', input: 'json' }, turn(), 'exit', 2)).not.toBeNull();
  });
});

test('an agent has its own list, else that of all', () => {
  const config = {
    agents: {
      defaults: { modelFallbacks: ['b'] },
      list: [{ id: 'own', modelFallbacks: ['c'] }, { id: 'none', modelFallbacks: [] }, { id: 'other' }],
    },
  };
  expect(modelFallbacks(config, 'own')).toEqual(['c']);
  expect(modelFallbacks(config, 'none')).toEqual([]);
  expect(modelFallbacks(config, 'other')).toEqual(['b']);
  expect(modelFallbacks({}, 'main')).toEqual([]);
});
