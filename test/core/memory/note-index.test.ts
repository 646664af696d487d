import { describe, expect, test } from 'vitest';
import { parseNotes } from '../../../src/core/memory/note.ts';
import { NoteIndex, NoteIndexBuilder, rankNotes } from '../../../src/core/memory/note-index.ts';
import { searchTermsOf } from '../../../src/core/search/word.ts';

function indexOf(...texts: string[]): NoteIndex {
  const builder = new NoteIndexBuilder();
  texts.forEach((text, file) => {
    for (const note of parseNotes(new TextEncoder().encode(text))) builder.add(file, note);
  });
  return builder.pack({ texts });
}

const ranked = (indexes: NoteIndex[], query: string, options = {}) =>
  rankNotes(indexes, searchTermsOf(query), {
    uses: () => true,
    prefixFrom: 3,
    salient: false,
    ...options,
  }).sort((a, b) => b.score - a.score);

const found = (query: string, ...texts: string[]) =>
  ranked([indexOf(...texts)], query).map(({ index, note }) => texts[index.fileOf(note)]);

describe('a note is found', () => {
  test.each<[string, string, string[], string[]]>([
    ['by a word', 'key', ['the key', 'a door'], ['the key']],
    ['whatever its case and accents', 'CAFE', ['Café Übersee', 'tea'], ['Café Übersee']],
    ['by ß as ss', 'strasse', ['Lange Straße 3'], ['Lange Straße 3']],
    ['by a beginning', 'plum', ['the plumber comes', 'a plan'], ['the plumber comes']],
    ['by a plural', 'keys', ['the key', 'a door'], ['the key']],
    ['with a typing error', 'dentst', ['see the dentist', 'a door'], ['see the dentist']],
    ['in Cyrillic with one', 'роутира', ['пароль роутера', 'кот'], ['пароль роутера']],
    ['in Chinese', '我的猫', ['天气很好', '我的猫叫咪咪'], ['我的猫叫咪咪']],
    ['by one character', '咪', ['我的猫叫咪咪', '天气'], ['我的猫叫咪咪']],
    ['by the last character', '叫', ['他叫', '天气'], ['他叫']],
    ['by Latin letters inside Japanese', 'iphone', ['新しいiPhoneを買う', '猫'], ['新しいiPhoneを買う']],
    ['in Japanese with a long vowel', 'ケーブル', ['USBケーブルは箱', '猫'], ['USBケーブルは箱']],
    ['in Thai', 'แมว', ['แมวชื่อมิงกา', 'หมา'], ['แมวชื่อมิงกา']],
    ['in Korean behind a particle', '열쇠', ['열쇠는 서랍에', '고양이'], ['열쇠는 서랍에']],
    ['in Arabic without its marks', 'مفتاح', ['المفتاح', 'مِفْتَاح هنا'], ['مِفْتَاح هنا']],
    ['by common words where there are no others', 'the who', ['The Who live', 'tea'], ['The Who live']],
  ])('%s', (_, query, texts, expected) => {
    expect(found(query, ...texts)).toEqual(expected);
  });

  test('the one with more of the words first, then the one with the rarer', () => {
    const texts = ['milk milk milk milk', 'milk and honey', 'milk', 'bread'];
    expect(found('milk honey', ...texts)[0]).toBe('milk and honey');
    expect(found('milk bread', ...texts)[0]).toBe('bread');
  });

  test('by its own words rather than by like ones, and by no other number', () => {
    const texts = [`${'word '.repeat(5000)} plumber`, 'the plumper', 'order a7124', 'order a7123'];
    expect(found('plumber', ...texts)).toEqual([texts[0]]);
    expect(found('a7123', ...texts)).toEqual(['order a7123']);
  });

  test('across indexes as if there were one', () => {
    const texts = ['spare key with Ada', 'key of the car', 'a door'];
    const one = ranked([indexOf(...texts)], 'spare key');
    const apart = ranked([indexOf(texts[0]!), indexOf(texts[1]!, texts[2]!)], 'spare key');
    expect(apart.map(({ score }) => score)).toEqual(one.map(({ score }) => score));
  });

  test('only in files that count, which alone weigh', () => {
    const index = indexOf('key a', 'key b');
    const hits = ranked([index], 'key', { uses: (_: NoteIndex, file: number) => file === 1 });
    expect(hits.map(({ note }) => index.fileOf(note))).toEqual([1]);
  });

  test('not by a word that most notes hold, where a question asks', () => {
    const texts = Array.from({ length: 20 }, (_, i) => `meeting number${i}`);
    expect(ranked([indexOf(...texts)], 'meeting', { salient: true })).toEqual([]);
    expect(ranked([indexOf(...texts)], 'meeting')).toHaveLength(20);
  });
});

describe('an index in a file', () => {
  const whole = indexOf('the key', 'a door').words;

  test('is used as it was read', () => {
    const read = NoteIndex.read(whole.slice())!;
    expect(read.about()).toEqual({ texts: ['the key', 'a door'] });
    expect(ranked([read], 'door').map(({ note }) => read.note(note).file)).toEqual([1]);
  });

  test('is refused when it is cut, of something else, or its head is changed', () => {
    expect(NoteIndex.read(whole.subarray(0, whole.length - 1))).toBeNull();
    expect(NoteIndex.read(new Uint32Array(100))).toBeNull();
    expect(NoteIndex.read(new Uint32Array(0))).toBeNull();
    const other = whole.slice();
    other[7]!++;
    expect(NoteIndex.read(other)).toBeNull();
  });

  test('is refused when a page of it was never written', () => {
    const large = indexOf(Array.from({ length: 500 }, (_, i) => `- word${i} key${i}`).join('\n')).words;
    const torn = large.slice();
    torn.fill(0, 2048, 3072);
    expect(NoteIndex.read(torn)).toBeNull();
  });
});
