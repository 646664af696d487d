import { expect, test } from 'vitest';
import { isRecentEnough, neededNode } from '../../../src/core/runner/program.ts';

test.each([
  ['>=20.6.0', '20.6.0'],
  ['>= 18', '18'],
  ['^20.19.0 || >=22.12', '20.19.0'],
  ['22.x', '22'],
  ['*', null],
  [null, null],
])('engines %s ask for %s', (range, needs) => {
  expect(neededNode(range)).toBe(needs);
});

test.each([
  ['v20.19.1', '20.6.0', true],
  ['v20.19.1', '22', false],
  ['v20.5.9', '20.6.0', false],
  ['v22.0.0', '22', true],
  [null, '22', true],
  ['v18.0.0', null, true],
])('%s for %s: %s', (version, needs, good) => {
  expect(isRecentEnough(version, needs)).toBe(good);
});
