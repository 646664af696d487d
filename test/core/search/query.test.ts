import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold, matches, parseQuery, snippetOf } from '../../../src/core/search/query.ts';

const finds = (query: string, text: string) => matches(parseQuery(query)!, fold(text));

describe('a query', () => {
  it.each([
    ['dentist friday', ['dentist', 'friday']],
    ['"green tea" biscuits', ['green tea', 'biscuits']],
    ['“green tea”', ['green tea']],
    ['"never closed tea', ['never closed tea']],
    ['TEA tea Téa', ['tea']],
    ['a"b c"d', ['a', 'b c', 'd']],
    ['"  blanks \n within  "', ['blanks within']],
    ['(a+)+$ .* [x', ['(a+)+$', '.*', '[x']],
    ['東京 🦞', ['東京', '🦞']],
  ])('%s has the terms %j', (text, terms) => {
    expect(parseQuery(text)).toEqual({ terms });
  });

  it.each(['', '   ', '""', '\u0301', '\u200b'])('%j asks for nothing', text => {
    expect(parseQuery(text)).toBeNull();
  });
});

describe('a text', () => {
  it.each([
    ['zurich', 'Zürich'],
    ['ZÜRICH', 'zu\u0308rich'],
    ['strasse', 'Straße'],
    ['STRASSE', 'STRAẞE'],
    ['ΟΔΟΣ', 'οδος'],
    ['οδοσ', 'ΟΔΟΣ'],
    ['istanbul', 'İSTANBUL'],
    ['diyarbakir', 'Diyarbakır'],
    ['smorrebrod', 'Smørrebrød'],
    ['lodz', 'Łódź'],
    ['abc', 'ＡＢＣ'],
    ['fish', 'ﬁsh'],
    ['йод', 'ИОД'],
    ['東京', '昨日、東京へ行った'],
    ['한국', '한국어'],
    ['한국', '\u1112\u1161\u11ab\u1100\u116e\u11a8'],
    ['カタ', 'ｶﾀｶﾅ'],
    ['❤', 'love ❤️ you'],
    ['👍', '👍🏽'],
    ['👩', '👨‍👩‍👧'],
    ['سلام', 'سَلَام'],
    ['word', 'pass\u00adword and wo\u00adrd'],
    ['"green tea"', 'green\n   tea'],
    ['tea green', 'green and tea'],
    ['.*', 'a .* b'],
    ['(a+)+$', 'x (a+)+$'],
  ])('is found by %s: %s', (query, text) => {
    expect(finds(query, text)).toBe(true);
  });

  it.each([
    ['tea coffee', 'only tea'],
    ['"tea green"', 'green tea'],
    ['.*', 'anything'],
    ['か', 'が'],
    ['कि', 'का'],
    ['a.c', 'abc'],
    ['京東', '東京'],
  ])('is not found by %s: %s', (query, text) => {
    expect(finds(query, text)).toBe(false);
  });
});

describe('a snippet', () => {
  const shown = (text: string, query: string) => {
    const { text: line, marks } = snippetOf(text, parseQuery(query)!);
    return { line, marked: marks.map(([start, end]) => line.slice(start, end)) };
  };

  it('is one line around the first match, with every match in it', () => {
    expect(shown('I went\n\nto Zürich, yes ZURICH', 'zurich')).toEqual({
      line: 'I went to Zürich, yes ZURICH',
      marked: ['Zürich', 'ZURICH'],
    });
    expect(shown('Straße', 'ss').marked).toEqual(['ß']);
    expect(shown('cafe\u0301s', 'cafe').marked).toEqual(['café']);
  });

  it('of a long text shows where it was cut, and tears no character', () => {
    const { line, marked } = shown(`${'🦞'.repeat(500)}needle${'🦞'.repeat(500)}`, 'needle');
    expect(marked).toEqual(['needle']);
    expect(line.length).toBeLessThan(200);
    expect(line).toMatch(/^….*…$/);
    expect(line.isWellFormed?.() ?? !/\p{Surrogate}/u.test(line)).toBe(true);
  });

  it('finds a match far into a text of megabytes', () => {
    expect(shown(`${'word '.repeat(500_000)}Nadel im Heu`, 'nadel').marked).toEqual(['Nadel']);
  });

  it('marks places within the text, whatever the text and the query', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.nat(), fc.nat(8), (text, at, length) => {
        const start = text.length === 0 ? 0 : at % text.length;
        const query = parseQuery(text.slice(start, start + length));
        if (query === null) return;
        const { text: line, marks } = snippetOf(text, query);
        for (const [from, to] of marks) expect(from >= 0 && from < to && to <= line.length).toBe(true);
      }),
    );
  });
});
