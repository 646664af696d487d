import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { age, painter, printable, printableLines, table, tokens } from '../../src/commands/format.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('a length of time', () => {
  test.each([
    [0, '0s'],
    [999, '0s'],
    [SECOND, '1s'],
    [MINUTE - 1, '59s'],
    [MINUTE, '1m'],
    [HOUR - 1, '59m'],
    [HOUR, '1h'],
    [DAY - 1, '23h'],
    [DAY, '1d'],
    [400 * DAY, '400d'],
    // The clock went back: nothing is younger than now.
    [-5 * MINUTE, '0s'],
  ])('of %i ms is %s', (ms, shown) => {
    expect(age(ms)).toBe(shown);
  });
});

describe('tokens', () => {
  test.each([
    [154_000, 200_000, '154k/200k (77%)'],
    [0, 200_000, '0.0k/200k (0%)'],
    [999, 8000, '1.0k/8.0k (12%)'],
    [1000, 8000, '1.0k/8.0k (13%)'],
    [200_000, 200_000, '200k/200k (100%)'],
    [250_000, 200_000, '250k/200k (125%)'],
  ])('%i of %i are %s', (used, window, shown) => {
    expect(tokens(used, window)).toBe(shown);
  });
});

describe('text from outside', () => {
  test.each([
    ['plain ä€😀 text', 'plain ä€😀 text'],
    ['a\nb', 'a b'],
    ['a\r\n\tb', 'a b'],
    ['\u001b[31mred\u001b[0m', ' [31mred [0m'],
    ['\u001b]0;title\u0007', ' ]0;title '],
    ['\u009b31m', ' 31m'],
    ['a\u0000b\u007fc', 'a b c'],
    ['a\u2028b\u2029c\u0085d', 'a b c d'],
    ['\u202eevil\u202c \u2066x\u2069', 'evil x'],
  ])('%j is shown as %j', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test('of several lines keeps them, and nothing else', () => {
    expect(printableLines('a\n\u001b[2Jb\n\nc\r\n')).toBe('a\n [2Jb\n\nc \n');
  });

  test('has no control character left, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect(printableLines(text).replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      }),
    );
  });
});

describe('a table', () => {
  test('has columns that stand under their heads', () => {
    const rows = [
      ['main', '2h', 'dm'],
      ['telegram:group:-100', '5d', 'group'],
    ];
    expect(table(['KEY', 'AGE', 'KIND'], rows, 80).split('\n')).toEqual([
      'KEY                  AGE  KIND',
      'main                 2h   dm',
      'telegram:group:-100  5d   group',
      '',
    ]);
  });

  test('without rows is its head', () => {
    expect(table(['KEY', 'AGE'], [], 80)).toBe('KEY  AGE\n');
  });

  test('that is too wide cuts its widest column, and says so', () => {
    const lines = table(['KEY', 'AGE'], [['x'.repeat(100), '2h']], 40)
      .trimEnd()
      .split('\n');
    expect(lines).toEqual([`${'KEY'.padEnd(35)}  AGE`, `${'x'.repeat(34)}…  2h`]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(40);
  });

  test('keeps twelve characters of a column, however narrow the terminal is', () => {
    expect(table(['KEY', 'AGE'], [['x'.repeat(100), '2h']], 5)).toContain(`${'x'.repeat(11)}…  2h`);
  });

  test('that is too wide leaves its narrow columns alone, wherever the wide ones stand', () => {
    const row = ['main', 'x'.repeat(50), '2h', 'y'.repeat(90)];
    const [, line] = table(['KEY', 'TEXT', 'AGE', 'WHY'], [row], 60).split('\n');
    expect(line).toBe(`main  ${'x'.repeat(22)}…  2h   ${'y'.repeat(22)}…`);
  });

  test('counts the columns that characters take, not the characters', () => {
    expect(
      table(
        ['NAME', 'AGE'],
        [
          ['日本語', '2h'],
          ['😀', '3h'],
          ['Ａnna', '4h'],
        ],
        80,
      ).split('\n'),
    ).toEqual(['NAME    AGE', '日本語  2h', '😀      3h', 'Ａnna   4h', '']);
  });

  test('into a pipe is never cut', () => {
    expect(table(['KEY'], [['x'.repeat(5000)]], Number.POSITIVE_INFINITY)).toContain('x'.repeat(5000));
  });

  describe('whose key is what people copy', () => {
    const head = ['KEY', 'NAME', 'AGE', 'MODEL', 'TOKENS'];
    const key = 'agent:main:telegram:group:-1001234567890';
    const row = [key, 'The family of Ada', '2h', 'anthropic/claude-opus-4-5', '154k/200k (77%)'];
    const columns = { whole: ['KEY', 'TOKENS'], giving: ['MODEL', 'NAME'] };
    test.each([
      [200, `${key}  The family of Ada  2h   anthropic/claude-opus-4-5  154k/200k (77%)`],
      [101, `${key}  The family of Ada  2h   anthropic/claude-…  154k/200k (77%)`],
      [81, `${key}  The family of Ada  2h   154k/200k (77%)`],
      [76, `${key}  The family …  2h   154k/200k (77%)`],
      [64, `${key}  2h   154k/200k (77%)`],
      [30, `${key}  2h   154k/200k (77%)`],
    ])('%i columns wide never cuts it, and leaves others out first', (width, line) => {
      const [, shown] = table(head, [row], width, columns).split('\n');
      expect(shown).toBe(line);
    });

    test('cuts free text, also into a pipe, so that the columns behind it stay in sight', () => {
      const [, line] = table(['TEXT', 'AGE'], [['x'.repeat(5000), '2h']], Number.POSITIVE_INFINITY, {
        text: ['TEXT'],
      }).split('\n');
      expect(line).toBe(`${'x'.repeat(119)}…  2h`);
    });
  });

  test('shows control characters, one row a line', () => {
    expect(table(['KEY'], [['a\nb\u001b[2J']], 80)).toBe('KEY\na b [2J\n');
  });

  test('never cuts a character in half', () => {
    for (const width of [12, 13, 14, 15]) {
      expect(table(['KEY'], [['😀'.repeat(40)]], width)).not.toMatch(/\p{Surrogate}/u);
    }
  });
});

describe('colour', () => {
  const painted = '\u001b[31mx\u001b[0m';
  test.each([
    ['a terminal', {}, true, painted],
    ['no terminal', {}, false, 'x'],
    ['NO_COLOR', { NO_COLOR: '1' }, true, 'x'],
    ['an empty NO_COLOR, which says nothing', { NO_COLOR: '' }, true, painted],
    ['a dumb terminal', { TERM: 'dumb' }, true, 'x'],
  ])('%s', (_what, env, terminal, shown) => {
    expect(painter(env, terminal)('bad', 'x')).toBe(shown);
  });
});
