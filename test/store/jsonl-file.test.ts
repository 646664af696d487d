import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  appendLines,
  lineNumber,
  mendTail,
  parseLine,
  readBackward,
  readForward,
  readTail,
} from '../../src/store/jsonl-file.ts';
import { useWorkers } from './processes.ts';
import { modeOf, names, scratch, snapshot } from './scratch.ts';

const workers = useWorkers();

function fileWith(content: string | Buffer): string {
  const file = path.join(scratch(), 'lines.jsonl');
  fs.writeFileSync(file, content);
  return file;
}

const line = (number: number, text = '') => `${JSON.stringify({ type: 'line', number, text })}\n`;

/** The lines of some bytes by the plainest means there is: a split at every byte 10. */
function plainLines(content: Buffer): { offset: number; text: string; terminated: boolean }[] {
  const found: { offset: number; text: string; terminated: boolean }[] = [];
  let offset = 0;
  for (const text of content.toString('latin1').split('\n')) {
    const end = offset + text.length;
    if (end < content.length || text !== '') found.push({ offset, text, terminated: end < content.length });
    offset = end + 1;
  }
  return found;
}

const forward = (file: string, from?: number) =>
  [...readForward(file, from)].map(({ offset, bytes, terminated }) => ({
    offset,
    text: bytes.toString('latin1'),
    terminated,
  }));

const backward = (file: string, end?: number) =>
  [...readBackward(file, end)].map(({ offset, bytes }) => ({ offset, text: bytes.toString('latin1') }));

/** Both ways of reading against the plain one. Backward passes over empty lines, which hold nothing. */
function expectBothWaysToAgree(file: string, content: Buffer): void {
  const plain = plainLines(content);
  expect(forward(file)).toEqual(plain);
  expect(backward(file)).toEqual(
    plain
      .filter(({ text }) => text !== '')
      .map(({ offset, text }) => ({ offset, text }))
      .reverse(),
  );
}

describe('appending', () => {
  test('puts each object on a line of its own and says where it stands', () => {
    const file = path.join(scratch(), 'new.jsonl');
    expect(appendLines(file, [{ type: 'a' }])).toEqual({ offsets: [0], end: 13 });
    expect(appendLines(file, [{ type: 'b', text: 'ä€😀' }, { type: 'c' }])).toEqual({
      offsets: [13, 45],
      end: 58,
    });
    const read = [...readForward(file)].map(({ offset, bytes }) => ({ offset, value: parseLine(bytes) }));
    expect(read).toEqual([
      { offset: 0, value: { type: 'a' } },
      { offset: 13, value: { type: 'b', text: 'ä€😀' } },
      { offset: 45, value: { type: 'c' } },
    ]);
    expect(fs.statSync(file).size).toBe(58);
  });

  test('a text never becomes two lines, whatever it holds', () => {
    const file = path.join(scratch(), 'new.jsonl');
    const texts = ['a\nb', 'a\r\nb', 'a\u2028b\u2029c', 'a\u0085b', '\u0000', '\\n', '\ud800'];
    appendLines(
      file,
      texts.map(text => ({ type: 'line', text })),
    );
    const read = [...readForward(file)].map(({ bytes }) => (parseLine(bytes) as { text?: string }).text);
    expect(read).toEqual(texts);
  });

  test('a new file is private', () => {
    const file = path.join(scratch(), 'new.jsonl');
    appendLines(file, [{ type: 'a' }]);
    expect(modeOf(file)).toBe('600');
  });

  test('into a folder that is not there fails and makes nothing', () => {
    const folder = scratch();
    expect(() => appendLines(path.join(folder, 'none', 'new.jsonl'), [{ type: 'a' }])).toThrow(/ENOENT/);
    expect(names(folder)).toEqual([]);
  });

  test('that comes out short is cut back: the file is what it was, byte for byte', () => {
    const file = fileWith(line(1) + line(2));
    const before = snapshot(path.dirname(file));
    expect(workers.run('append', { file, size: 300_000 }, { fileLimitKiB: 64 })).toEqual({ error: 'EFBIG' });
    expect(snapshot(path.dirname(file))).toEqual(before);
    appendLines(file, [{ type: 'next' }]);
    expect(readTail(file, 0)).toMatchObject({ bad: [], torn: null });
  });

  test('of the first line that comes out short leaves no file behind', () => {
    const folder = scratch();
    const file = path.join(folder, 'new.jsonl');
    expect(workers.run('append', { file, size: 300_000 }, { fileLimitKiB: 64 })).toEqual({ error: 'EFBIG' });
    expect(names(folder)).toEqual([]);
  });

  test('8 processes with 20 lines of 1 MB each leave only whole lines (fs.promises.appendFile splits them)', async () => {
    const file = path.join(scratch(), 'shared.jsonl');
    const writers = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    await workers.together(
      'appendMany',
      writers.map(name => ({ file, name, count: 20, size: 1_000_000 })),
    );
    const next = new Map(writers.map(name => [name, 0]));
    let lines = 0;
    for (const { bytes, terminated } of readForward(file)) {
      expect(terminated).toBe(true);
      const value = JSON.parse(bytes.toString('utf8')) as { name: string; number: number; text: string };
      expect(value.text.length).toBe(1_000_000);
      expect(value.number).toBe(next.get(value.name));
      next.set(value.name, value.number + 1);
      lines++;
    }
    expect(lines).toBe(160);
  });
});

describe('a line', () => {
  test.each([
    ['', 'an empty line'],
    ['{"type":"a"}\u0000', 'NUL bytes'],
    ['\u0000\u0000', 'NUL bytes'],
    ['{"type":"a"', /^not JSON: /],
    ['{"type":"a"}{"type":"b"}', /^not JSON: /],
    ['hello', /^not JSON: /],
    ['[1]', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['7', 'not a JSON object'],
    ['"text"', 'not a JSON object'],
  ])('%j is no object, and that is said', (text, reason) => {
    const parsed = parseLine(Buffer.from(text));
    expect(parsed).toEqual(typeof reason === 'string' ? reason : expect.stringMatching(reason));
  });

  test.each([
    ['{"type":"a"}', { type: 'a' }],
    ['{"type":"a"}\r', { type: 'a' }],
    ['{}', {}],
    ['{"type":"of a later claw","x":[1]}', { type: 'of a later claw', x: [1] }],
  ])('%j is %j', (text, value) => {
    expect(parseLine(Buffer.from(text))).toEqual(value);
  });
});

describe('reading', () => {
  /** Any line but a newline: text with the separators that other tools take for line ends, and bytes that are no text. */
  const chunk = fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .record({ text: fc.string({ unit: 'binary', maxLength: 40 }) })
        .map(value => Buffer.from(JSON.stringify(value))),
    },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom('\u2028', '\u2029', '\u0085', '\r', 'ä€😀', '{"a":', '\u0000')
        .map(text => Buffer.from(text)),
    },
    {
      weight: 1,
      arbitrary: fc
        .uint8Array({ maxLength: 30 })
        .map(bytes => Buffer.from(bytes).map(byte => (byte === 10 ? 11 : byte))),
    },
    { weight: 1, arbitrary: fc.constant(Buffer.alloc(0)) },
    { weight: 1, arbitrary: fc.integer({ min: 250_000, max: 270_000 }).map(size => Buffer.alloc(size, '€')) },
  );
  const content = fc
    .tuple(fc.array(chunk, { maxLength: 12 }), fc.boolean())
    .map(([lines, terminated]) =>
      Buffer.concat(
        lines.flatMap((bytes, at) =>
          at + 1 < lines.length || terminated ? [bytes, Buffer.from('\n')] : [bytes],
        ),
      ),
    );

  test('forward and backward agree with a plain split, on anything', () => {
    const file = path.join(scratch(), 'any.jsonl');
    fc.assert(
      fc.property(content, bytes => {
        fs.writeFileSync(file, bytes);
        expectBothWaysToAgree(file, bytes);
      }),
      { numRuns: 80 },
    );
  });

  test('forward from any line on, and backward from any line back, make the whole', () => {
    const file = path.join(scratch(), 'any.jsonl');
    fc.assert(
      fc.property(content, fc.nat(), (bytes, choice) => {
        fs.writeFileSync(file, bytes);
        const plain = plainLines(bytes);
        const from = plain[choice % Math.max(1, plain.length)]?.offset ?? 0;
        expect(forward(file, from)).toEqual(plain.filter(({ offset }) => offset >= from));
        expect(backward(file, from).map(({ offset }) => offset)).toEqual(
          plain
            .filter(({ offset, text }) => offset < from && text !== '')
            .map(({ offset }) => offset)
            .reverse(),
        );
      }),
      { numRuns: 60 },
    );
  });

  test('a character that lies over a chunk border comes out whole, wherever the border cuts it', () => {
    const file = path.join(scratch(), 'lines.jsonl');
    for (const shift of [0, 1, 2, 3]) {
      // Four-byte characters for 600 kB, pushed on byte by byte: every border there is falls into each of their bytes.
      const text = '😀'.repeat(150_000);
      const bytes = Buffer.from(`${JSON.stringify({ type: 'x'.repeat(shift), text })}\n${line(2, '€')}`);
      fs.writeFileSync(file, bytes);
      const ways = [[...readForward(file)], [...readBackward(file)].reverse()];
      for (const lines of ways) {
        expect(lines.map(({ bytes }) => parseLine(bytes))).toEqual([
          { type: 'x'.repeat(shift), text },
          { type: 'line', number: 2, text: '€' },
        ]);
      }
    }
  });

  test('lines of 2 MB, between small ones', () => {
    const big = 'ß'.repeat(1_000_000);
    const bytes = Buffer.from(line(1) + line(2, big) + line(3) + line(4, big) + line(5));
    expectBothWaysToAgree(fileWith(bytes), bytes);
  });

  test.each([1, 2, 3, 4])('a newline as byte %i beside every border of 64 KiB up to 1 MiB', distance => {
    const bytes = Buffer.alloc(1024 * 1024 + 100, 'x');
    for (let border = 0; border <= bytes.length; border += 65_536) {
      if (border - distance >= 0) bytes[border - distance] = 10;
      if (border + distance - 1 < bytes.length) bytes[border + distance - 1] = 10;
    }
    expectBothWaysToAgree(fileWith(bytes), bytes);
  });

  test.each([
    ['nothing', ''],
    ['one newline', '\n'],
    ['three newlines', '\n\n\n'],
    ['one line', 'a\n'],
    ['one line without its newline', 'a'],
    ['an empty line first', '\na\n'],
    ['an empty line last', 'a\n\n'],
  ])('a file of %s', (_, text) => {
    const bytes = Buffer.from(text);
    expectBothWaysToAgree(fileWith(bytes), bytes);
  });

  test('backward reads only as far as it is asked to', () => {
    // A sparse file of 8 GB: reading it whole would take seconds, holding it is impossible.
    const file = fileWith(line(1));
    fs.truncateSync(file, 8 * 1024 ** 3);
    fs.appendFileSync(file, `\n${line(2)}${line(3)}`);
    const newest: unknown[] = [];
    for (const { bytes } of readBackward(file)) {
      newest.push(parseLine(bytes));
      if (newest.length === 2) break;
    }
    expect(newest).toMatchObject([{ number: 3 }, { number: 2 }]);
  });

  test('a file that is not there is an error, not an empty one', () => {
    const file = path.join(scratch(), 'none.jsonl');
    expect(() => [...readForward(file)]).toThrow(/ENOENT/);
    expect(() => [...readBackward(file)]).toThrow(/ENOENT/);
    expect(() => readTail(file, 10)).toThrow(/ENOENT/);
  });

  test.skipIf(!fs.existsSync('/proc/self/fd'))('a reader that stops early leaves no file open', () => {
    const file = fileWith(line(1) + line(2));
    const open = () => fs.readdirSync('/proc/self/fd').length;
    const before = open();
    for (let round = 0; round < 50; round++) {
      for (const _ of readForward(file)) break;
      for (const _ of readBackward(file)) break;
    }
    expect(open()).toBe(before);
  });

  test('a reported offset has a line number that an editor understands', () => {
    const file = fileWith('{"a":1}\n\nhello\n{"b":2}\n');
    expect([0, 8, 9, 15].map(offset => lineNumber(file, offset))).toEqual([1, 2, 3, 4]);
  });
});

describe('the end of a file', () => {
  const good = line(1) + line(2);
  const cut = '{"type":"message","message":{"role":"us';
  const rows: [string, string, { lines: number; bad?: number; torn?: string; unterminated?: boolean }][] = [
    ['nothing wrong', good, { lines: 2 }],
    ['an empty file', '', { lines: 0 }],
    ['a line cut off, without newline', good + cut, { lines: 2, torn: cut }],
    ['a line cut off, with a newline behind', `${good}${cut}\n`, { lines: 2, torn: `${cut}\n` }],
    ['a tail of NUL bytes', `${good}\0\0\0\0`, { lines: 2, torn: '\0\0\0\0' }],
    ['a line that ends in NUL bytes', `${good}{"type":"a"\0\0`, { lines: 2, torn: '{"type":"a"\0\0' }],
    ['a whole line with NUL bytes behind it', `${good}{"type":"a"}\0`, { lines: 2, torn: '{"type":"a"}\0' }],
    ['NUL bytes and a newline', `${good}\0\0\n`, { lines: 2, torn: '\0\0\n' }],
    ['several bad lines', `${good}\0\0\nhello\n${cut}`, { lines: 2, torn: `\0\0\nhello\n${cut}` }],
    ['several bad lines, all with newlines', `${good}[1]\nhello\n`, { lines: 2, torn: '[1]\nhello\n' }],
    ['a whole last line without its newline', good + line(3).trimEnd(), { lines: 3, unterminated: true }],
    [
      'bad lines, then a whole one without its newline',
      `${good}hello\n{"type":"a"}`,
      { lines: 3, bad: 1, unterminated: true },
    ],
    ['a bad line inside', `${line(1)}hello\n${line(2)}`, { lines: 2, bad: 1 }],
    ['bad lines inside and at the end', `${line(1)}hello\n${line(2)}${cut}`, { lines: 2, bad: 1, torn: cut }],
    ['a bad first line', `hello\n${good}`, { lines: 2, bad: 1 }],
    ['an empty line inside', `${line(1)}\n${line(2)}`, { lines: 2, bad: 1 }],
    ['nothing but a cut line', cut, { lines: 0, torn: cut }],
    ['nothing but NUL bytes', '\0'.repeat(5000), { lines: 0, torn: '\0'.repeat(5000) }],
    ['a character cut in half', `${good}{"type":"\u00c3`, { lines: 2, torn: '{"type":"\u00c3' }],
    [
      'a line that is whole to JSON but cut in the middle of its number',
      `${good}12`,
      { lines: 2, torn: '12' },
    ],
  ];

  test.each(rows)('%s: told by a reader, who changes nothing', (_, content, wanted) => {
    const file = fileWith(Buffer.from(content, 'latin1'));
    const before = snapshot(path.dirname(file));
    const tail = readTail(file, 0);
    const torn = wanted.torn ?? '';
    expect(tail.lines).toHaveLength(wanted.lines);
    expect(tail.bad).toHaveLength(wanted.bad ?? 0);
    expect(tail.torn).toEqual(torn ? { offset: content.length - torn.length, length: torn.length } : null);
    expect(tail.unterminated).toBe(wanted.unterminated ?? false);
    expect(tail.size).toBe(content.length);
    expect(snapshot(path.dirname(file))).toEqual(before);
  });

  test.each(rows)('%s: mended, the torn rest moved whole and nothing else touched', (_, content, wanted) => {
    const file = fileWith(Buffer.from(content, 'latin1'));
    const aside = `${file}.torn`;
    mendTail(file, readTail(file, 0), aside);
    const torn = wanted.torn ?? '';
    const kept = content.slice(0, content.length - torn.length);
    expect(fs.readFileSync(file, 'latin1')).toBe(wanted.unterminated ? `${kept}\n` : kept);
    expect(fs.existsSync(aside) ? fs.readFileSync(aside, 'latin1') : '').toBe(torn);
    if (torn) expect(modeOf(aside)).toBe('600');

    // What is appended now stands on a line of its own, and the old lines are still what they were.
    appendLines(file, [{ type: 'next' }]);
    const after = readTail(file, 0);
    expect(after.lines).toHaveLength(wanted.lines + 1);
    expect(after.lines.at(-1)!.value).toEqual({ type: 'next' });
    expect(after).toMatchObject({ torn: null, unterminated: false });
    expect(after.bad).toHaveLength(wanted.bad ?? 0);
  });

  test('whatever lies there: after mending every line is usable or listed, and no byte is lost', () => {
    const file = path.join(scratch(), 'any.jsonl');
    const aside = `${file}.torn`;
    const piece = fc.constantFrom(
      line(1),
      line(2, '€\u2028'),
      'hello\n',
      '\n',
      '\0',
      '{"a":',
      '{"type":"x"}',
      '12',
      '[]\n',
      '\r\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), pieces => {
        const content = Buffer.from(pieces.join(''));
        fs.writeFileSync(file, content);
        fs.rmSync(aside, { force: true });
        const tail = readTail(file, 0);
        mendTail(file, tail, aside);
        const moved = fs.existsSync(aside) ? fs.readFileSync(aside) : Buffer.alloc(0);
        const kept = fs.readFileSync(file).subarray(0, content.length - moved.length);
        expect(Buffer.concat([kept, moved]).equals(content)).toBe(true);
        const again = readTail(file, 0);
        expect(again).toMatchObject({ torn: null, unterminated: false, bad: tail.bad });
        expect(again.lines.map(({ value }) => value)).toEqual(tail.lines.map(({ value }) => value));
        appendLines(file, [{ type: 'next' }]);
        expect(readTail(file, 0).lines).toHaveLength(tail.lines.length + 1);
      }),
      { numRuns: 100 },
    );
  });

  test('bad lines inside are listed with their place and reason, and stay', () => {
    const file = fileWith(`${line(1)}hello\n${line(2)}\0\n${line(3)}`);
    const offset = line(1).length;
    expect(readTail(file, 0).bad).toEqual([
      { offset, reason: expect.stringMatching(/^not JSON: /) },
      { offset: offset + 6 + line(2).length, reason: 'NUL bytes' },
    ]);
  });

  test('each line comes with its borders', () => {
    const file = fileWith(`${line(1)}${line(2)}{"type":"a"}`);
    const size = line(1).length;
    expect(readTail(file, 0).lines.map(({ offset, end }) => [offset, end])).toEqual([
      [0, size],
      [size, 2 * size],
      [2 * size, 2 * size + 12],
    ]);
  });
});

describe('from an offset on', () => {
  const content = line(1) + line(2) + line(3);
  const size = line(1).length;

  test.each([
    ['the beginning', 0, [1, 2, 3]],
    ['before the beginning', -1, [1, 2, 3]],
    ['the start of a line', size, [2, 3]],
    ['the end', 3 * size, []],
    ['beyond the end (the file was cut by hand)', 3 * size + 500, []],
    ['inside the first line', 5, [1, 2, 3]],
    ['inside a line: from its start', size + 7, [2, 3]],
    ['the newline of a line: from its start', 2 * size - 1, [2, 3]],
  ])('%s', (_, from, numbers) => {
    const file = fileWith(content);
    const tail = readTail(file, from);
    expect(tail.lines.map(({ value }) => (value as { number?: number }).number)).toEqual(numbers);
    expect(tail.size).toBe(content.length);
    expect(tail.torn).toBeNull();
  });

  test('inside a torn line that reaches back over what was read before', () => {
    const file = fileWith(`${line(1)}{"type":"cut","text":"${'x'.repeat(10_000)}`);
    const tail = readTail(file, size + 9000);
    expect(tail.lines).toEqual([]);
    expect(tail.torn).toEqual({ offset: size, length: fs.statSync(file).size - size });
  });

  test('a file cut by hand inside a line: the rest of that line is torn, whatever offset is known', () => {
    const file = fileWith(content.slice(0, size + 10));
    for (const from of [0, size, size + 10, 3 * size]) {
      expect(readTail(file, from).torn).toEqual({ offset: size, length: 10 });
    }
  });

  test('a good last line that lost only its newline, known to its end', () => {
    const file = fileWith(content.trimEnd());
    expect(readTail(file, content.length)).toMatchObject({ unterminated: true, torn: null });
  });
});

describe('mending', () => {
  test('never overwrites what was put aside before; then nothing is cut off either', () => {
    const file = fileWith(`${line(1)}{"cut`);
    const aside = `${file}.torn`;
    fs.writeFileSync(aside, 'earlier');
    const before = snapshot(path.dirname(file));
    expect(() => mendTail(file, readTail(file, 0), aside)).toThrow(/EEXIST/);
    expect(snapshot(path.dirname(file))).toEqual(before);
  });

  test('that cannot write aside cuts nothing off', () => {
    const file = fileWith(`${line(1)}{"cut`);
    const content = fs.readFileSync(file, 'utf8');
    const aside = path.join(path.dirname(file), 'none', 'aside');
    expect(() => mendTail(file, readTail(file, 0), aside)).toThrow(/ENOENT/);
    expect(fs.readFileSync(file, 'utf8')).toBe(content);
  });

  test('a file in order is not touched', () => {
    const file = fileWith(line(1));
    fs.utimesSync(file, 1, 1);
    mendTail(file, readTail(file, 0), `${file}.torn`);
    expect(fs.statSync(file).mtimeMs).toBe(1000);
    expect(names(path.dirname(file))).toEqual(['lines.jsonl']);
  });

  test('a torn rest of several MB', () => {
    const rest = `{"type":"cut","text":"${'x'.repeat(3_000_000)}`;
    const file = fileWith(line(1) + rest);
    mendTail(file, readTail(file, line(1).length), `${file}.torn`);
    expect(fs.readFileSync(`${file}.torn`, 'utf8')).toBe(rest);
    expect(fs.readFileSync(file, 'utf8')).toBe(line(1));
  });
});
