import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clipToWidth, displayWidth, shareWidth } from '../../../src/core/display/width.ts';

describe('the width of a text', () => {
  test.each([
    ['', 0],
    ['plain', 5],
    ['äöü', 3],
    ['a\u0308', 1],
    ['日本語', 6],
    ['한국어', 6],
    ['한국어', 6],
    ['ＡＢ', 4],
    ['ｱｲ', 2],
    ['😀', 2],
    ['👩‍👩‍👧‍👦', 2],
    ['🇸🇪', 2],
    ['❤', 1],
    ['❤️', 2],
    ['👍🏽', 2],
    ['✅', 2],
    ['\u200b', 0],
    ['…', 1],
    ['😀a日', 5],
  ])('%j is %i columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });
});

describe('a clipped text', () => {
  test.each([
    ['plain', 5, 'plain'],
    ['plain', 4, 'pla…'],
    ['日本語', 6, '日本語'],
    ['日本語', 5, '日本…'],
    ['日本語', 4, '日…'],
    ['👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 3, '👩‍👩‍👧‍👦…'],
  ])('%j in %i columns is %j', (text, width, shown) => {
    expect(clipToWidth(text, width)).toBe(shown);
  });

  test('never takes more than its columns', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 30 }), (text, width) => {
        expect(displayWidth(clipToWidth(text, width))).toBeLessThanOrEqual(width);
      }),
    );
  });
});

describe('columns share a line', () => {
  test.each([
    // All fit.
    [[5, 10], 15, [5, 10]],
    // The widest gives way first, …
    [[5, 30], 20, [5, 15]],
    // … then both, down to the same width.
    [[28, 30, 3], 43, [20, 20, 3]],
    [[18, 30, 3], 43, [18, 22, 3]],
    // Too narrow a terminal is overrun, not made unreadable.
    [[50, 50], 10, [12, 12]],
    [[], 10, []],
  ])('%j in %i: %j', (natural, room, widths) => {
    expect(shareWidth(natural, room, 12)).toEqual(widths);
  });

  test('and fit wherever they can', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(200), { maxLength: 8 }),
        fc.integer({ min: 96, max: 300 }),
        (natural, room) => {
          const widths = shareWidth(natural, room, 12);
          expect(widths.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(room);
          for (const [index, width] of widths.entries()) expect(width).toBeLessThanOrEqual(natural[index]!);
        },
      ),
    );
  });
});
