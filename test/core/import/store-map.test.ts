import { describe, expect, it } from 'vitest';
import { salvageMembers } from '../../../src/core/import/store-map.ts';

const whole = JSON.stringify({ 'a:"b"': { x: '}{"' }, c: { d: [1, { e: 2 }] }, f: { g: 'h' } }, null, 1);

describe('a session store that was cut off', () => {
  it('gives every whole entry, wherever the cut is', () => {
    const all = Object.entries(JSON.parse(whole));
    for (let length = 0; length <= whole.length; length++) {
      const found = salvageMembers(whole.slice(0, length));
      expect(found).toEqual(all.slice(0, found.length));
    }
    expect(salvageMembers(whole)).toEqual(all);
    expect(salvageMembers(whole.slice(0, whole.indexOf('"f"')))).toEqual(all.slice(0, 2));
  });

  it.each(['', 'null', '[1]', '{"a":1', '{a:{}}', '\u0000\u0000'])('gives nothing of %j', text => {
    expect(salvageMembers(text)).toEqual([]);
  });
});
