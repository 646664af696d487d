import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold, parseQuery } from '../../../src/core/search/query.ts';
import {
  buildSignature,
  checksum,
  GramSet,
  gramsOf,
  mayHold,
  roomOf,
  widenSignature,
} from '../../../src/core/search/signature.ts';

const grams = new GramSet();
function signatureOf(...texts: string[]): Uint32Array {
  grams.clear();
  for (const text of texts) grams.add(fold(text));
  return buildSignature(grams);
}
const may = (signature: Uint32Array, query: string) => mayHold(signature, gramsOf(parseQuery(query)!.terms));

// Few letters, so that parts of texts meet; with accents, CJK, emoji and surrogates among them.
const letters = fc.constantFrom(...'aábßcÇ 東京한か🦞👍🏽\u0301\n"x'.split(''), '🦞', '👩‍👩‍👧');
const anyText = fc.oneof(
  fc.string({ unit: letters, maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
);

describe('a signature', () => {
  it('never denies what stands in the text (property)', () => {
    fc.assert(
      fc.property(
        fc.array(anyText, { maxLength: 6 }),
        fc.nat(),
        fc.nat(),
        fc.nat(20),
        (texts, which, at, length) => {
          const signature = signatureOf(...texts);
          const text = fold(texts[which % Math.max(1, texts.length)] ?? '');
          const start = text.length === 0 ? 0 : at % text.length;
          const part = text.slice(start, start + length);
          expect(mayHold(signature, gramsOf([part]))).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('never denies what was added to it later (property)', () => {
    fc.assert(
      fc.property(anyText, anyText, fc.nat(), fc.nat(20), (before, after, at, length) => {
        const signature = signatureOf(before);
        grams.clear();
        grams.add(fold(after));
        widenSignature(signature, grams);
        const text = fold(after);
        const part = text.slice(text.length === 0 ? 0 : at % text.length).slice(0, length);
        if (signature.length > 0) expect(mayHold(signature, gramsOf([part]))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('denies nearly everything that is not there', () => {
    const signature = signatureOf(Array.from({ length: 2000 }, (_, i) => `word${i * 7919}`).join(' '));
    const absent = Array.from({ length: 1000 }, (_, i) => `zq${(i * 104_729).toString(36)}x`);
    expect(absent.filter(word => may(signature, word)).length).toBeLessThan(30);
    expect(may(signature, 'word7919')).toBe(true);
  });

  it('knows pairs of characters where two are a word, and single emoji', () => {
    const signature = signatureOf('昨日、東京へ行った 🦞');
    expect([may(signature, '東京'), may(signature, '🦞')]).toEqual([true, true]);
    expect([may(signature, '大阪'), may(signature, '🐙')]).toEqual([false, false]);
  });

  it('has no grams for what is too short: then everything may hold it', () => {
    expect(gramsOf(['ab', 'c'])).toHaveLength(0);
    expect(mayHold(signatureOf('xyz'), gramsOf(['ab']))).toBe(true);
  });

  it('of nothing holds nothing', () => {
    expect(signatureOf()).toHaveLength(0);
    expect(may(signatureOf(), 'abc')).toBe(false);
  });

  it('is of bounded size for a text of any size', () => {
    let text = '';
    for (let i = 0, x = 1; i < 400_000; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      text += String.fromCharCode(0x4e00 + ((x >>> 8) % 20_000));
    }
    const signature = signatureOf(text);
    expect(signature.byteLength).toBeLessThanOrEqual(512 * 1024);
    expect(roomOf(signature)).toBe(Number.POSITIVE_INFINITY);
    grams.clear();
    expect(grams.size).toBe(0);
  });

  it('is full when twice as much was added as it was made for', () => {
    const signature = signatureOf('a short text of a few words');
    expect(roomOf(signature)).toBeGreaterThan(25);
    expect(roomOf(signature)).toBeLessThan(200);
  });
});

it('a checksum tells any one bit that was turned (property)', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(), fc.nat(7), (bytes, at, bit) => {
      const turned = bytes.slice();
      turned[at % bytes.length]! ^= 1 << bit;
      expect(checksum(turned)).not.toBe(checksum(bytes));
    }),
  );
});
