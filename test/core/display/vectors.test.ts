/** The conformance vectors for ages, counts, titles and labels. */
import { describe, expect, test } from 'vitest';
import { ago, relative } from '../../../src/core/display/age.ts';
import { kiloTokens } from '../../../src/core/display/count.ts';
import { readLabel, titleOf } from '../../../src/core/session/title.ts';
import vectors from '../../fixtures/vectors/sessions-list.json' with { type: 'json' };

/** Vectors that are not followed, each with its reason. */
const LEFT_OUT: Record<string, string> = {
  'sl-017': 'its own note: "just now" is kinder than "unknown" to who has set his clock back',
  'sl-028': 'its own note: a full unit rolls over, 60m is 1h',
};

interface Vector {
  id: string;
  note: string;
  given: { op: string; input?: any; store?: any };
  expect: Record<string, unknown>;
}

const run: Record<string, (given: Vector['given']) => unknown> = {
  age: ({ input }) => ({ text: ago(input.ms) }),
  relative: ({ input }) => ({ text: relative(input.deltaMs) }),
  kTokens: ({ input }) => ({ text: kiloTokens(input.value) }),
  title: ({ input, store }) => ({ title: titleOf({ ...store.entry, ...input }) }),
  label: ({ input }) => readLabel(input.value),
};

const applicable = (vectors as unknown as Vector[]).filter(({ id, given }) => run[given.op] && !LEFT_OUT[id]);

test.each(applicable.map(vector => [vector.id, vector.given.op, vector] as const))(
  '%s (%s)',
  (_id, op, { given, expect: expected }) => {
    expect(run[op]!(given)).toMatchObject(expected);
  },
);

test('vectors of every op are there', () => {
  expect([...new Set(applicable.map(({ given }) => given.op))].toSorted()).toEqual(
    Object.keys(run).toSorted(),
  );
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('an age', () => {
  test.each([
    [-5, 'just now'],
    [Number.NaN, 'just now'],
    [89_999, '1m ago'],
    [90_000, '2m ago'],
    [59.4 * MINUTE, '59m ago'],
    [59.5 * MINUTE, '1h ago'],
    [47.4 * HOUR, '47h ago'],
    [47.5 * HOUR, '2d ago'],
    [400 * 24 * HOUR, '400d ago'],
  ])('of %d ms is %s', (ms, text) => {
    expect(ago(ms)).toBe(text);
  });
});

describe('a time relative to now', () => {
  test.each([
    [0, 'in <1m'],
    [HOUR - 1, 'in 1h'],
    [24 * HOUR - 1, 'in 1d'],
    [-(24 * HOUR - 1), '1d ago'],
    [36 * HOUR, 'in 2d'],
  ])('by %d ms is %s', (delta, text) => {
    expect(relative(delta)).toBe(text);
  });
});

describe('a title', () => {
  const base = { sessionId: 'abcd1234-5678', updatedAt: 1710498600000 };
  test.each([
    [{ ...base, label: ' Taxes ', displayName: 'x' }, 'Taxes'],
    [{ ...base, label: ' ', displayName: 'Family', firstUserMessage: 'hi' }, 'Family'],
    [{ ...base, firstUserMessage: ' what\n is  this ' }, 'what is this'],
    [{ ...base, firstUserMessage: `${'word '.repeat(20)}` }, `${'word '.repeat(11).trim()}…`],
    [{ ...base, firstUserMessage: 'x'.repeat(70) }, `${'x'.repeat(59)}…`],
    [{ sessionId: 'abcd1234-5678' }, 'abcd1234'],
  ])('of %j', (source, title) => {
    expect(titleOf(source)).toBe(title);
  });
});
