import { describe, expect, test } from 'vitest';
import { countOnce } from '../../src/store/counts.ts';
import { Layout } from '../../src/store/layout.ts';
import { names, scratch } from './scratch.ts';

describe('a count of the day', () => {
  const count = (layout: Layout, day: string, most = 2, agent = 'main', towards = 'other') =>
    countOnce(layout, agent, 'sends', { towards, day, most });

  test('ends at its limit, for one pair of agents and one day (X01 openclaw#37842)', () => {
    const layout = new Layout(scratch());
    expect([1, 2, 3, 4].map(() => count(layout, '2026-11-21'))).toEqual([true, true, false, false]);
    expect(count(layout, '2026-11-21', 2, 'work')).toBe(true);
    expect(count(layout, '2026-11-21', 3)).toBe(true);
    expect(count(layout, '2026-11-21', 2, 'main', 'third')).toBe(true);
    expect(names(layout.counts('main'))).toEqual(['sends-2026-11-21-other', 'sends-2026-11-21-third']);
    expect(count(layout, '2026-11-22')).toBe(true);
    expect(names(layout.counts('main'))).toEqual(['sends-2026-11-22-other']);
  });
});
