import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeText, detect, parseJson, readLines, tooLarge } from '../../src/commands/input.ts';
import { ClawError } from '../../src/core/errors.ts';

const text = (value: string) => [{ kind: 'text', text: value }];
const envelopes = (...values: unknown[]) => values.map(value => ({ kind: 'envelope', value }));

/** What stdin holds; a line that is no envelope is the code of its refusal. */
function detected(each: string): unknown[] {
  return detect(each).map(message => {
    try {
      return message();
    } catch (error) {
      return (error as ClawError).code;
    }
  });
}

describe('what stdin holds, where nobody said', () => {
  test.each([
    ['hello'],
    [''],
    ['  \n'],
    ['hello {"text":"x"}'],
    ['"text"'],
    ['null'],
    ['42'],
    ['{'],
    ['{text: "JSON5"}'],
    ['{ not json at all }'],
    ['{see below}'],
    ['[12:30] hello'],
    ['[x] done'],
    ['function f() {\n  return {"text": 1};\n}'],
  ])('%j is plain text, exactly as it is', each => {
    expect(detected(each)).toEqual(text(each));
  });

  test.each<[string, unknown[]]>([
    ['{"text":"hello"}', [{ text: 'hello' }]],
    [' \n {"text":"hello"} \n', [{ text: 'hello' }]],
    ['{\n  "text": "hello",\n  "from": "1"\n}', [{ text: 'hello', from: '1' }]],
    ['{"attachments":[{"path":"/a"}]}', [{ attachments: [{ path: '/a' }] }]],
    ['{"text":7,"frm":1}', [{ text: 7, frm: 1 }]],
    ['{"text":"a\\n{\\"text\\":\\"b\\"}"}', [{ text: 'a\n{"text":"b"}' }]],
    ['{"text":"a"}\n{"text":"b"}', [{ text: 'a' }, { text: 'b' }]],
    ['{"text":"a"}\r\n{"text":"b"}\r\n', [{ text: 'a' }, { text: 'b' }]],
    ['\n{"text":"a"}\n\n  \n{"text":"b"}\n\n', [{ text: 'a' }, { text: 'b' }]],
    ['{"text":"a\u2028b"}\n{"text":"c"}', [{ text: 'a\u2028b' }, { text: 'c' }]],
    ['{"text":null}', [{ text: null }]],
  ])('%j are messages', (each, values) => {
    expect(detected(each)).toEqual(envelopes(...values));
  });

  test.each([
    ['{}'],
    ['{"foo":1}'],
    ['{"txt":"x"}'],
    ['{"text":"cut off'],
    ['{"text":"a"} and more'],
    ['{"foo":1}\n{"text":"a"}'],
    ['{"foo":1}\n{"foo":2}'],
    ['[{"text":"a"}]'],
    ['["text"]'],
    ['[]'],
    ['{"__proto__":{"text":"x"}}'],
  ])('%j looks like messages and holds none: it is refused, and not taken for words', each => {
    expect(() => detect(each)).toThrow(expect.objectContaining({ exit: 'data', code: 'not-an-envelope' }));
  });

  test('one bad line does not stop the others', () => {
    const lines = ['{"text":"a"}', '{"text":"cut', 'hello', '{"foo":1}', '{"text":"b"}'];
    expect(detected(lines.join('\n'))).toEqual([
      ...envelopes({ text: 'a' }),
      'not-json',
      'not-json',
      // Whether it is a message is for who reads the envelope to say.
      ...envelopes({ foo: 1 }, { text: 'b' }),
    ]);
  });

  test('what one is, several are, in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ text: fc.string({ unit: 'binary' }) }), { minLength: 1 }), values => {
        const lines = values.map(value => JSON.stringify(value)).join('\n');
        expect(detected(lines)).toEqual(envelopes(...values));
      }),
    );
  });

  test('no text is lost, whatever it is: it is passed on as it is, or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), each => {
        if (/^\s*[{[]/.test(each)) return;
        expect(detected(each)).toEqual(text(each));
      }),
    );
  });
});

describe('bytes as text', () => {
  test.each<[string, Buffer | string, string]>([
    ['the newline that echo adds is dropped', 'hello\n', 'hello'],
    ['as Windows writes it too', 'hello\r\n', 'hello'],
    ['one newline only', 'hello\n\n', 'hello\n'],
    ['one that stands alone', '\n', ''],
    ['not the white space', '  hello \t\n', '  hello \t'],
    ['not a carriage return alone', 'hello\r', 'hello\r'],
    ['not the newlines inside', 'a\nb\r\nc', 'a\nb\r\nc'],
    ['the mark that editors of Windows begin a file with is dropped', '\ufeffhello', 'hello'],
    ['only at the beginning', 'a\ufeff', 'a\ufeff'],
    ['nothing stays nothing', '', ''],
    ['characters of every length', 'aä€😀\u2028', 'aä€😀\u2028'],
    ['a NUL stays', 'a\0b', 'a\0b'],
    ['invalid bytes are shown as such', Buffer.from([0x61, 0xff, 0x62]), 'a\ufffdb'],
    ['a character cut at the end too', Buffer.from([0x61, 0xe2, 0x82]), 'a\ufffd'],
    ['half a surrogate pair is no character', Buffer.from([0xed, 0xa0, 0x80]), '\ufffd\ufffd\ufffd'],
  ])('%s', (_, bytes, decoded) => {
    expect(decodeText(Buffer.from(bytes as string))).toBe(decoded);
  });
});

describe('lines as they arrive', () => {
  /** The lines of a stream that comes in these pieces; an error is its code. */
  async function linesOf(pieces: (Buffer | string)[], limit = 1000): Promise<string[]> {
    const found: string[] = [];
    for await (const line of readLines(
      Readable.from(
        pieces.map(piece => Buffer.from(piece as string)),
        { objectMode: true },
      ),
      limit,
    )) {
      found.push(line instanceof ClawError ? line.code : line.toString('latin1'));
    }
    return found;
  }

  test.each<[string, string[], string[]]>([
    ['in one piece', ['a\nb\n'], ['a', 'b']],
    ['in pieces', ['a', 'b\nc', '', '\n', 'd\n'], ['ab', 'c', 'd']],
    ['byte by byte', [...'ab\nc\n'], ['ab', 'c']],
    ['the last without a newline', ['a\nb'], ['a', 'b']],
    ['none', [], []],
    ['nothing', ['', ''], []],
    ['empty ones', ['\n\na\n\n'], ['', '', 'a', '']],
    ['with carriage returns', ['a\r\nb\r\n'], ['a\r', 'b\r']],
  ])('%s', async (_, pieces, lines) => {
    expect(await linesOf(pieces)).toEqual(lines);
  });

  test.each<[string, string[], string[]]>([
    ['exactly as long as allowed', ['12345\n67890'], ['12345', '67890']],
    ['too long', ['123456\nok\n'], ['too-large', 'ok']],
    ['too long in pieces', ['123', '456\nok'], ['too-large', 'ok']],
    ['much too long, over many pieces', ['1234', '5678', '9', '', '0\nok\n'], ['too-large', 'ok']],
    ['too long at the end, without a newline', ['ok\n123456'], ['ok', 'too-large']],
    ['too long at the end, in pieces', ['ok\n', '123', '456', '789'], ['ok', 'too-large']],
    ['two of them', ['123456\n1234567\nok\n'], ['too-large', 'too-large', 'ok']],
    ['allowed, with one too long in the same piece', ['ok\n123456\nok'], ['ok', 'too-large', 'ok']],
    ['allowed, though together they are too long', ['123\n456\n789\n'], ['123', '456', '789']],
  ])('%s: the others are not hurt', async (_, pieces, lines) => {
    expect(await linesOf(pieces, 5)).toEqual(lines);
  });

  test('a character over the border of two pieces is whole', async () => {
    const bytes = Buffer.from('{"text":"€😀"}\n');
    for (let at = 0; at <= bytes.length; at++) {
      const [line] = await linesOf([bytes.subarray(0, at), bytes.subarray(at)]);
      expect(decodeText(Buffer.from(line!, 'latin1'))).toBe('{"text":"€😀"}');
    }
  });

  test('a line is there when its newline is, not when the stream ends', async () => {
    let asked = 0;
    const source = (async function* () {
      asked++;
      yield Buffer.from('first\nsec');
      asked++;
      yield Buffer.from('ond\n');
    })();
    const lines = readLines(source, 100);
    expect(String((await lines.next()).value)).toBe('first');
    expect(asked).toBe(1);
    expect(String((await lines.next()).value)).toBe('second');
  });

  test('however the stream is cut, the lines are the same', async () => {
    const piece = fc.oneof(fc.constant('\n'), fc.string({ maxLength: 6 }));
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async pieces => {
        const whole = Buffer.from(pieces.join(''));
        const expected = whole
          .toString('latin1')
          .split('\n')
          .map(line => (line.length > 8 ? 'too-large' : line));
        if (expected.at(-1) === '') expected.pop();
        expect(await linesOf(pieces, 8)).toEqual(expected);
        expect(await linesOf([whole], 8)).toEqual(expected);
      }),
    );
  });
});

describe('refusals', () => {
  test('of a text that is too long names the limit and the key that moves it', () => {
    expect(tooLarge(5)).toMatchObject({
      exit: 'data',
      code: 'too-large',
      message: expect.stringMatching(/5 bytes.*messages\.maxBytes/),
    });
  });

  test('of what should be JSON says where it is none', () => {
    expect(parseJson('{"text":"a"}')).toEqual({ kind: 'envelope', value: { text: 'a' } });
    expect(parseJson('[]')).toEqual({ kind: 'envelope', value: [] });
    for (const each of ['', 'hello', '{"text":']) {
      expect(() => parseJson(each)).toThrow(expect.objectContaining({ exit: 'data', code: 'not-json' }));
    }
  });
});
