/** The conformance vectors about which sessions a listing shows. */
import { expect, test } from 'vitest';
import { mirrorText } from '../../../src/core/delivery/mirror.ts';
import {
  readCount,
  type SelectableSession,
  type SessionSelection,
  selectSessions,
  sessionKind,
} from '../../../src/core/session/selection.ts';
import vectors from '../../fixtures/vectors/sessions-list.json' with { type: 'json' };

/** The operations that are run here; the words for ages, numbers and titles are tested where they are printed. */
const OPS = ['list', 'filter', 'mirrorText'];

/** Vectors of these operations that do not hold for claw, with the reason. */
const LEFT_OUT: Record<string, string> = {
  'sl-048':
    'its note wishes both caption and names to be kept, and both are (test/core/delivery/mirror.test.ts)',
};

interface Given {
  op: string;
  now: string;
  store: Record<string, Omit<SelectableSession, 'key'>>;
  args: string[];
  input: SessionSelection & { text: string; mediaUrls?: string[] };
}

function run({ op, now, store, args, input }: Given): Record<string, unknown> {
  if (op === 'mirrorText') return { text: mirrorText(input.text, input.mediaUrls) };
  const rows = Object.entries(store).map(([key, entry]) => ({ key, ...entry }));
  const at = Date.parse(now);
  if (op === 'filter') {
    // The reference shows what belongs to no chat only when it is asked to.
    const chosen = selectSessions(rows, { includeGlobal: false, ...input }, at);
    return { keys: chosen.rows.map(({ key }) => key) };
  }
  const typed = args[args.indexOf('--active') + 1];
  const activeMinutes = args.includes('--active') ? readCount(typed ?? '') : undefined;
  if (activeMinutes === null) return { error: true };
  const chosen = selectSessions(rows, { activeMinutes }, at).rows;
  return {
    keys: chosen.map(({ key }) => key),
    count: chosen.length,
    activeMinutes: activeMinutes ?? null,
    // The reference has one word for groups and rooms.
    kinds: chosen.map(row => sessionKind(row)).map(kind => (kind === 'channel' ? 'group' : kind)),
    ageMs: chosen.map(({ updatedAt = 0 }) => at - updatedAt),
  };
}

const mine = vectors.filter(({ given }) => OPS.includes(given.op));
const toRun = mine.filter(({ id }) => LEFT_OUT[id] === undefined);

test.each(toRun.map(vector => [vector.id, vector.note, vector] as const))('%s %s', (_id, _note, vector) => {
  expect(run(vector.given as unknown as Given)).toMatchObject(vector.expect);
});

test('every vector of these operations is run or left out with a reason', () => {
  const elsewhere = vectors.filter(({ given }) => !OPS.includes(given.op)).map(({ given }) => given.op);
  expect([...new Set(elsewhere)].sort()).toEqual(['age', 'kTokens', 'label', 'relative', 'title']);
  expect(mine.map(({ id }) => id)).toEqual([
    ...['sl-002', 'sl-003', 'sl-005', 'sl-007', 'sl-008', 'sl-010'],
    ...['sl-035', 'sl-037', 'sl-038', 'sl-040', 'sl-042', 'sl-043', 'sl-048', 'sl-050'],
  ]);
  expect(toRun.length + Object.keys(LEFT_OUT).length).toBe(mine.length);
});
