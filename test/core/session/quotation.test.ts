import { expect, test } from 'vitest';
import { commandPlaces } from '../../../src/core/session/quotation.ts';

/** The text with every place marked. */
function marked(text: string): string {
  const places = new Set(commandPlaces(text));
  return [...text.split('')].map((char, index) => (places.has(index) ? '»' : char)).join('');
}

// Every slash that counts is a "»" in the right column.
test.each([
  ['at the beginning and behind space', '/a b /c\n/d\t/e', '»a b »c\n»d\t»e'],
  ['not in an address or a path', 'https://x.org/a /usr/bin a/b ./c', 'https://x.org/a »usr/bin a/b ./c'],
  ['not behind a mark', '(/a) "/b" [/c] `/d` -/e 🙂/f', '(/a) "/b" [/c] `/d` -/e 🙂/f'],
  ['behind an emoji and a space', '🙂 /a 👨‍👩‍👧 /b', '🙂 »a 👨‍👩‍👧 »b'],
  ['behind a mark of direction', '\u200f/a \u2067/b', '\u200f»a \u2067»b'],
  ['behind the wide space of CJK', '你好\u3000/a', '你好\u3000»a'],
  ['in right-to-left text', 'שלום /a מה', 'שלום »a מה'],
  ['not in double quotes', 'say "now /a there" then /b', 'say "now /a there" then »b'],
  ['not in single quotes', "say 'now /a there' then /b", "say 'now /a there' then »b"],
  [
    'not in other quotes',
    '“x /a” «x /b» „x /c“ „x /d” ‘x /e’ 「x /f」 /g',
    '“x /a” «x /b» „x /c“ „x /d” ‘x /e’ 「x /f」 »g',
  ],
  ['an apostrophe is no quote', "it's /a isn't", "it's »a isn't"],
  ['an inch is no quote', '5" /a 6" /b', '5" »a 6" »b'],
  ['a quote that nothing closes on its line is none', '"x /a\n /b"', '"x »a\n »b"'],
  ['not in inline code', 'x `y /a` /b ``y ` /c`` /d', 'x `y /a` »b ``y ` /c`` »d'],
  ['a stray backtick is none', 'x `y /a\n/b`', 'x `y »a\n»b`'],
  ['not in a fenced block', '/a\n```sh\n/b\n```\n/c', '»a\n```sh\n/b\n```\n»c'],
  ['not in a block that begins inside a line', 'so ```x\n/a\n``` /b', 'so ```x\n/a\n``` »b'],
  ['an open block reaches to the end', '/a\n```\n/b\n/c', '»a\n```\n/b\n/c'],
  [
    'a longer fence holds a shorter one',
    '````\n```\n/a\n```\n/b\n````\n/c',
    '````\n```\n/a\n```\n/b\n````\n»c',
  ],
  ['tildes fence too', '~~~\n/a\n~~~\n/b', '~~~\n/a\n~~~\n»b'],
  ['a quoted line', '> he wrote /a\n/b', '> he wrote /a\n»b'],
  ['greater is no quoted line', 'x > /a', 'x > »a'],
  [
    'with the ends of lines of another system',
    '> /a\r\n/b\r\n```\r\n/c\r\n```\r\n/d',
    '> /a\r\n»b\r\n```\r\n/c\r\n```\r\n»d',
  ],
])('%s', (_what, text, expected) => {
  expect(marked(text)).toBe(expected);
});

const SIZE = 300_000;
const full = (piece: string) => piece.repeat(Math.ceil(SIZE / piece.length));

test.each([
  '"',
  '" ',
  ' "x',
  " 'x",
  "' ",
  "x' 'x",
  '`',
  '` ',
  '`` ` ',
  '\n`',
  '\n"x',
  ' „x',
  '\n „x”“',
  '\n> ',
  '~~~\n',
  '```\n',
  '\n> /a',
  '/',
  '/ ',
  '\n/',
  ' ',
  '\n',
  '“x “',
  "'a'b ",
])('%j over and over is read in linear time', piece => {
  const text = full(piece);
  const started = performance.now();
  commandPlaces(text);
  // Quadratic time would be minutes; a busy machine is not.
  expect(performance.now() - started).toBeLessThan(2000);
});

test('runs of backticks of every length are read in linear time', () => {
  const runs = Array.from({ length: 700 }, (_, index) => '`'.repeat(700 - index));
  for (const text of [runs.join(' '), runs.toReversed().join(' '), runs.join('\n')]) {
    const started = performance.now();
    commandPlaces(text);
    expect(performance.now() - started).toBeLessThan(2000);
  }
});
