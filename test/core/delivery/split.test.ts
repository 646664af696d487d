import { describe, expect, test } from 'vitest';
import { bytesOf, nextPart, unitsOf } from '../../../src/core/delivery/split.ts';

const split = (text: string, most: number, sizeOf = unitsOf) => {
  const parts: string[] = [];
  for (let from = 0; from < text.length; ) {
    const part = nextPart(text, from, { most, sizeOf });
    if (part === null) break;
    expect(part.next).toBeGreaterThan(from);
    parts.push(part.text);
    from = part.next;
  }
  return parts;
};

describe('a long text is cut', () => {
  test.each([
    ['not at all where it fits', ' a b \n', 6, [' a b \n']],
    ['between paragraphs', 'aaaa\nbb\n\ncc dd ee', 12, ['aaaa\nbb', 'cc dd ee']],
    ['else between lines', 'aaaa bb\ncc dd ee', 12, ['aaaa bb', 'cc dd ee']],
    ['else between words', 'aaaa bb cc dd', 8, ['aaaa bb', 'cc dd']],
    [
      'not at a break that would waste half of the room',
      'a\n\nbbbb cccc dddd',
      12,
      ['a\n\nbbbb cccc', 'dddd'],
    ],
    ['at such a break rather than in a word', 'a bbbbbbbbbb', 10, ['a', 'bbbbbbbbbb']],
    ['in a word that is longer than the room', 'abcdefgh', 3, ['abc', 'def', 'gh']],
    ['never inside a surrogate pair', 'a😀😀😀', 4, ['a😀', '😀😀']],
    ['never inside a grapheme', 'ab👩‍👩‍👧cd', 9, ['ab', '👩‍👩‍👧c', 'd']],
    ['inside a grapheme that alone is too long, between code points', '👩‍👩‍👧', 4, ['👩‍', '👩‍', '👧']],
    ['with indentation kept', 'aaaaaa:\n    bbbb', 9, ['aaaaaa:', '    bbbb']],
    ['with blank lines around a cut left out', 'aaaa\n\n\n\nbbbb\n\n', 6, ['aaaa', 'bbbb']],
  ])('%s', (_, text, most, parts) => {
    expect(split(text, most)).toEqual(parts);
  });

  test('by bytes where the service counts those', () => {
    expect(split('äöü€', 4, bytesOf)).toEqual(['äö', 'ü', '€']);
  });

  test('in time that does not explode with its length', () => {
    const parts = split('x'.repeat(400_000), 4096);
    expect(parts.join('')).toHaveLength(400_000);
  });
});
