/** The conformance vectors about mentions and activation in groups. */
import { expect, test } from 'vitest';
import { translateDialects } from '../../../src/config/dialects.ts';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { decideActivation } from '../../../src/core/routing/activation.ts';
import vectors from '../../fixtures/vectors/group-activation.json' with { type: 'json' };
import { messageOf } from './routes.ts';

/** Vectors that do not hold for claw, with the reason. */
const LEFT_OUT: Record<string, string> = {};

interface Given {
  op: string;
  config?: ConfigInput;
  message?: string;
  input: { agentId?: string; requireMention?: boolean; explicit?: { isExplicitlyMentioned?: boolean } };
  store?: { entry: { groupActivation?: string } };
}

const GROUP = { channel: 'telegram', groupId: 'g', from: '1' };

function run({ op, config = {}, message, input, store }: Given): Record<string, unknown> {
  if (op === 'mention') {
    const mentioned = input.explicit?.isExplicitlyMentioned;
    const envelope = { ...GROUP, text: message, ...(mentioned === undefined ? {} : { mentioned }) };
    return { ...decideActivation(messageOf(envelope), config, input.agentId ?? 'main') };
  }
  if (op !== 'activation') throw new Error(`no adapter for ${op}`);
  // The reference says by yes and no what claw calls `activation`.
  const raw = { channels: { telegram: { groups: { g: { requireMention: input.requireMention } } } } };
  const translated = translateDialects(raw).config as ConfigInput;
  return { ...decideActivation(messageOf(GROUP), translated, 'main', store?.entry.groupActivation) };
}

const toRun = vectors.filter(({ id }) => LEFT_OUT[id] === undefined);

test.each(toRun.map(vector => [vector.id, vector.note, vector] as const))('%s %s', (_id, _note, vector) => {
  expect(run(vector.given as unknown as Given)).toMatchObject(vector.expect);
});

test('every vector is run or left out with a reason', () => {
  const ids = vectors.map(({ id }) => id);
  expect(new Set(ids).size).toBe(10);
  expect(Object.keys(LEFT_OUT).filter(id => !ids.includes(id))).toEqual([]);
  expect(toRun.length + Object.keys(LEFT_OUT).length).toBe(ids.length);
});
