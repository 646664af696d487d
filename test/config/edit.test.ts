import fc from 'fast-check';
import JSON5 from 'json5';
import { describe, expect, test } from 'vitest';
import { isSame, removeFromText, setInText, withValue } from '../../src/config/edit.ts';

type Step = string | number;

function set(text: string, path: Step[], value: unknown): string {
  const edit = setInText(text, path, value);
  return edit.ok ? edit.text : `refused: ${edit.reason}`;
}

function unset(text: string, path: Step[]): string {
  const edit = removeFromText(text, path);
  return edit.ok ? edit.text : `refused: ${edit.reason}`;
}

describe('a value that is there', () => {
  test.each([
    ['{ a: 1, b: 2 } // end', ['a'], 5, '{ a: 5, b: 2 } // end'],
    ["{ 'a': 'x' /* old */, }", ['a'], 'y', `{ 'a': "y" /* old */, }`],
    ['{"a": {"b": [1, 2]}}', ['a', 'b', 1], 'z', '{"a": {"b": [1, "z"]}}'],
    ['{ a: { b: 1 } }', ['a'], { c: [1] }, '{ a: { c: [1] } }'],
    ['// top\n{\n  a: 1, // one\n}\n', ['a'], true, '// top\n{\n  a: true, // one\n}\n'],
  ])('%j', (text, path, value, expected) => {
    expect(set(text, path, value)).toBe(expected);
  });

  test('with comments inside it is not replaced as a whole', () => {
    expect(set('{ a: [1, // Ann\n 2] }', ['a'], [])).toBe(
      'refused: there are comments inside a, which would be lost',
    );
  });

  test('that is there twice is not guessed about', () => {
    expect(set('{ a: 1,\n a: 2 }', ['a'], 3)).toBe(
      'refused: a is there twice (lines 1 and 2); remove one first',
    );
    expect(unset('{ x: { a: 1,\n a: 2 } }', ['x', 'a'])).toMatch(/^refused: x.a is there twice/);
  });
});

describe('a key that is new', () => {
  test.each([
    ['{}', ['a'], 1, '{\n  a: 1,\n}'],
    ['{\n}\n', ['a', 'b'], 'x', '{\n  a: { b: "x" },\n}\n'],
    ['{ x: {} }', ['x', 'a'], 1, '{ x: { a: 1 } }'],
    ['{ x: { y: 1 } }', ['x', 'a'], 1, '{ x: { y: 1, a: 1 } }'],
    ['{ x: { y: 1, } }', ['x', 'a'], 1, '{ x: { y: 1, a: 1, } }'],
    ['{ x: [] }', ['x', 0, 'id'], 'a', '{ x: [{ id: "a" }] }'],
    ['{ x: ["a"] }', ['x', 1], 'b', '{ x: ["a", "b"] }'],
    // the comma goes before the comment, the new line behind everything
    [
      '{\n    x: 1 // one\n    // more to come\n}',
      ['a'],
      2,
      '{\n    x: 1, // one\n    // more to come\n    a: 2\n}',
    ],
    ['{\n  x: 1,\n}', ['a'], 2, '{\n  x: 1,\n  a: 2,\n}'],
    ['{ x: 1,\n  y: 2 }', ['a'], 3, '{ x: 1,\n  y: 2, \n  a: 3\n}'],
    ['{\n\tx: {\n\t\ty: 1,\n\t},\n}', ['x', 'a'], 2, '{\n\tx: {\n\t\ty: 1,\n\t\ta: 2,\n\t},\n}'],
    ['{\n  // nothing yet\n}', ['a'], 1, '{\n  // nothing yet\n  a: 1,\n}'],
    ['{ x: {\n} }', ['x', 'a'], 1, '{ x: {\n  a: 1,\n} }'],
    ['{\n  "x": 1\n}\n', ['a', 'b'], ['c'], '{\n  "x": 1,\n  "a": { "b": ["c"] }\n}\n'],
    ['{\r\n  x: 1,\r\n}', ['a'], 2, '{\r\n  x: 1,\r\n  a: 2,\r\n}'],
    ['{\n  x: 1,\n}', ['a-b', 'c d'], 2, '{\n  x: 1,\n  "a-b": { "c d": 2 },\n}'],
  ])('%j %j', (text, path, value, expected) => {
    expect(set(text, path, value)).toBe(expected);
  });

  test('below what has no members, or behind the end of a list, is refused', () => {
    expect(set('{ a: 1 }', ['a', 'b'], 2)).toBe('refused: a is no object in the file');
    expect(set('{ a: {} }', ['a', 0], 2)).toBe('refused: a is no list in the file');
    expect(set('{ a: [1] }', ['a', 4], 2)).toBe('refused: a has 1 items; the next is [1]');
  });
});

describe('a key that goes', () => {
  test.each([
    ['{ a: 1, b: 2 }', ['a'], '{ b: 2 }'],
    ['{ a: 1, b: 2 }', ['b'], '{ a: 1 }'],
    ['{ a: { b: 1 } }', ['a', 'b'], '{ a: {} }'],
    ['{\n  a: 1,\n  b: 2,\n}', ['b'], '{\n  a: 1,\n}'],
    ['{\n  "a": 1,\n  "b": 2\n}', ['b'], '{\n  "a": 1\n}'],
    ['{\n  // why\n  a: 1, // one\n  b: 2,\n}', ['a'], '{\n  // why\n  // one\n  b: 2,\n}'],
    ['{ x: ["a", "b", "c"] }', ['x', 1], '{ x: ["a", "c"] }'],
    ['{\r\n  a: 1,\r\n  b: 2,\r\n}', ['a'], '{\r\n  b: 2,\r\n}'],
  ])('%j %j', (text, path, expected) => {
    const edited = unset(text, path as Step[]);
    expect(edited.replace(/ +(?=\/\/)/g, '  ')).toBe(expected);
  });

  test('keeps the comments inside it by staying', () => {
    expect(unset('{ a: { /* mine */ b: 1 } }', ['a'])).toMatch(/^refused: there are comments inside a/);
    expect(unset('{ a: /* mine */ 1 }', ['a'])).toMatch(/^refused/);
    expect(unset('{ a: 1 }', ['b'])).toBe('refused: b is not in the file');
  });
});

test('any change in any text reads as that change, and is refused only where it cannot be made', () => {
  const value = fc.jsonValue({ maxDepth: 2 }).filter(each => !JSON.stringify(each).includes('__proto__'));
  const file = fc
    .dictionary(
      fc.string().filter(key => key !== '__proto__'),
      value,
      { maxKeys: 4 },
    )
    .chain(object => fc.constantFrom(...texts(object)).map(text => ({ object, text })));
  fc.assert(
    fc.property(
      file,
      fc.string().filter(key => key !== '__proto__'),
      value,
      fc.nat(),
      ({ object, text }, fresh, wanted, pick) => {
        const keys = Object.keys(object);
        const key = pick % 2 === 0 ? fresh : (keys[pick % Math.max(1, keys.length)] ?? fresh);
        const edit = setInText(text, [key], wanted);
        if (!edit.ok) throw new Error(`${edit.reason}: ${text}`);
        expect(isSame(JSON5.parse(edit.text), withValue(JSON5.parse(text), [key], wanted))).toBe(true);
        const back = removeFromText(edit.text, [key]);
        if (!back.ok) throw new Error(`${back.reason}: ${edit.text}`);
        expect(isSame(JSON5.parse(back.text), withValue(JSON5.parse(text), [key], undefined))).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
});

function texts(object: Record<string, unknown>): string[] {
  return [
    JSON.stringify(object),
    JSON.stringify(object, null, 2),
    JSON5.stringify(object),
    JSON5.stringify(object, null, 2),
    `// before\n${JSON5.stringify(object, null, '\t')}\n// behind\n`,
    JSON5.stringify(object, null, 2).replaceAll('\n', '\r\n'),
  ];
}
