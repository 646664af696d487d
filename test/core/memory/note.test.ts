import { describe, expect, test } from 'vitest';
import { excerptOf } from '../../../src/core/memory/excerpt.ts';
import { dayIn, noteItem, parseNotes } from '../../../src/core/memory/note.ts';

const parse = (markdown: string) => parseNotes(new TextEncoder().encode(markdown));
const at = { year: 2026, month: 3, day: 1, hour: 9, minute: 5, second: 0, millisecond: 0 };

describe('notes of a file', () => {
  test.each<[string, string, string[]]>([
    ['items and paragraphs', '- a\n  more\n* b\n\nc\nd\n\ne', ['a more', 'b', 'c d', 'e']],
    ['under their headings', '# Pets\n- Minka\n## Cars\nVolvo', ['Pets: Minka', 'Cars: Volvo']],
    ['an item of several paragraphs is one', '- a\n\n  b\n\nc', ['a b', 'c']],
    ['no rules, no blanks, no lone marks', '---\n\n  \n- \n\n***\n\n| --- |\n\nx', ['x']],
    ['CRLF, a BOM, no last newline', '\ufeff# H\r\n- a\r\n- b', ['H: a', 'H: b']],
    ['nothing', '', []],
  ])('%s', (_, markdown, texts) => {
    expect(parse(markdown).map(({ text }) => text)).toEqual(texts);
  });

  test('stand where they say, in lines and in bytes', () => {
    const markdown = '# Haus\n\n- Schlüssel bei Ärzten\n- 猫\n  咪咪\n';
    const bytes = Buffer.from(markdown);
    const places = parse(markdown).map(({ line, offset, length, headingOffset, headingLength }) => [
      line,
      bytes.subarray(offset, offset + length).toString(),
      bytes.subarray(headingOffset, headingOffset + headingLength).toString(),
    ]);
    expect(places).toEqual([
      [3, '- Schlüssel bei Ärzten', '# Haus'],
      [4, '- 猫\n  咪咪', '# Haus'],
    ]);
  });

  test('bytes that are no UTF-8 hide nothing around them', () => {
    const bytes = Buffer.concat([Buffer.from('- caf'), Buffer.from([0xe9]), Buffer.from(' open\n- next')]);
    expect(parseNotes(bytes).map(({ text }) => text)).toEqual(['caf\ufffd open', 'next']);
  });
});

describe('a note that is written', () => {
  test.each<[string, Parameters<typeof noteItem>, string]>([
    ['by the hour', ['key', at, true], '- 09:05 key\n'],
    ['by the day', ['key', at, false], '- 2026-03-01 09:05 key\n'],
    ['with where it is from', ['key', at, true, 'telegram:group:1'], '- 09:05 [telegram:group:1] key\n'],
    ['of several lines', ['a\r\n# b\r\n\r\n- c \n', at, true], '- 09:05 a\n  # b\n\n  - c\n'],
  ])('%s', (_, given, line) => {
    expect(noteItem(...given)).toBe(line);
  });

  test('no line of it is taken for a heading of the notes behind it', () => {
    expect(parse(`${noteItem('a\n# b', at, true)}- c\n`).map(({ text }) => text)).toEqual([
      '09:05 a # b',
      'c',
    ]);
  });
});

test.each([
  ['2026-03-01.md', '2026-03-01'],
  ['2026-03-01-trip.md', '2026-03-01'],
  ['2026-13-01.md', undefined],
  ['2026-03-011', undefined],
  ['people.md', undefined],
])('the day in %s is %s', (text, day) => {
  expect(dayIn(text)).toBe(day);
});

test('an excerpt is the part around the word, and no longer than asked for', () => {
  const text = `${'before '.repeat(200)}the KEY is here ${'after '.repeat(200)}`;
  const part = excerptOf(text, ['key'], 100);
  expect(part).toMatch(/^….*the KEY is here.*…$/);
  expect(part.length).toBeLessThanOrEqual(102);
  expect(excerptOf(' a\n b ', [], 100)).toBe('a b');
});

test.each([
  ['muller', 'Müller'],
  ['muller', 'Mu\u0308ller'],
  ['schlussel', 'SCHLÜẞEL'.replace('ẞ', 'SS')],
  ['abc', 'ＡＢＣ'],
  ['احمد', 'أَحْمَد'],
  ['东京', '东京'],
  ['ada', 'Ada'],
])('an excerpt for %s shows %s, far into a text with words that only hold it', (word, written) => {
  const text = `canada ${'before '.repeat(200)}${written} is here ${'after '.repeat(200)}`;
  expect(excerptOf(text, [word], 100)).toContain(`${written} is here`);
});
