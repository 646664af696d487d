import { describe, expect, test } from 'vitest';
import { estimateUsage, type OutputPick, parseOutput } from '../../../src/core/runner/output.ts';

const lines = (...values: unknown[]) => values.map(value => `${JSON.stringify(value)}\n`).join('');

describe('text', () => {
  test.each([
    ['hello\n', 'hello'],
    ['hello\r\n\n\r\n', 'hello'],
    ['\n  two\n\nparts  \n', '\n  two\n\nparts  '],
    ['', null],
    [' \n\t\n', null],
  ])('%j is the reply %j', (stdout, text) => {
    expect(parseOutput('text', stdout)).toEqual({ text, error: null, usage: null, malformed: null });
  });

  test('megabytes of newlines cost no time to speak of', () => {
    const stdout = `${'\n'.repeat(4_000_000)}x`;
    expect(parseOutput('text', stdout).text).toBe(stdout);
  });
});

describe('json', () => {
  test.each<[string, unknown, OutputPick, string | null]>([
    ['the first usual key that holds a text', { message: 'm', response: 'r' }, {}, 'r'],
    ['an empty or odd value is passed over', { result: '', response: 7, reply: 'r\n' }, {}, 'r'],
    ['a path that was picked', { a: { b: [{ c: 'deep' }] }, text: 't' }, { text: 'a.b.0.c' }, 'deep'],
    ['only the path that was picked', { text: 't' }, { text: 'a.b' }, null],
    ['no path into what every object has', {}, { text: 'constructor.name' }, null],
    ['an array is a document too', [{ x: 'in it' }], { text: '0.x' }, 'in it'],
  ])('%s', (_, value, pick, text) => {
    expect(parseOutput('json', JSON.stringify(value, null, 2), pick)).toMatchObject({
      text,
      malformed: null,
    });
  });

  test.each<[string, unknown, OutputPick, string | null]>([
    [
      'is_error with the text as its reason',
      { is_error: true, result: 'credit too low' },
      {},
      'credit too low',
    ],
    ['an error text', { error: 'no route' }, {}, 'no route'],
    ['an error object', { error: { message: 'no key', code: 1 } }, {}, 'no key'],
    ['an error object of another form', { error: { status: 401 } }, {}, '{"status":401}'],
    ['a bare flag', { error: true }, {}, 'no details given'],
    ['a picked flag', { meta: { failed: 1 }, text: 't' }, { error: 'meta.failed' }, 't'],
    [
      'none: a picked flag that is not set, whatever else is called error',
      { error: 'none' },
      { error: 'bad' },
      null,
    ],
    ['none: flags that say so', { is_error: false, error: null, result: 'r' }, {}, null],
  ])('reports %s', (_, value, pick, error) => {
    expect(parseOutput('json', JSON.stringify(value), pick).error).toBe(error);
  });

  test('what is no document is malformed, what is nothing is empty', () => {
    expect(parseOutput('json', 'Welcome!\n{"result":"r"}').malformed).toMatch(/not print one JSON document/);
    expect(parseOutput('json', '{"result":"r"').malformed).not.toBeNull();
    expect(parseOutput('json', ' \n')).toEqual({ text: null, error: null, usage: null, malformed: null });
  });

  test('T05 openclaw#69846: a lone surrogate smuggled in by an escape becomes U+FFFD', () => {
    expect(parseOutput('json', '{"result":"a\\ud800b\\ud83d\\ude00"}').text).toBe('a\ufffdb😀');
  });

  test.each<[string, unknown, OutputPick, [number, number] | null]>([
    [
      'with the cached part of the prompt',
      {
        usage: {
          input_tokens: 2,
          cache_read_input_tokens: 5,
          cache_creation_input_tokens: 3,
          output_tokens: 4,
        },
      },
      {},
      [10, 4],
    ],
    ['in the words of another API', { usage: { prompt_tokens: 8, completion_tokens: 1 } }, {}, [8, 1]],
    [
      'at picked paths, and nothing else',
      { s: { in: 3, out: 2 }, usage: { input_tokens: 99, cache_read_input_tokens: 5 } },
      { inputTokens: 's.in', outputTokens: 's.out' },
      [3, 2],
    ],
    ['not from nonsense', { usage: { input_tokens: 'many', output_tokens: -1 } }, {}, null],
  ])('counts tokens %s', (_, value, pick, counts) => {
    const usage = counts && {
      inputTokens: counts[0],
      outputTokens: counts[1],
      totalTokens: counts[0] + counts[1],
    };
    expect(parseOutput('json', JSON.stringify(value), pick).usage).toEqual(usage);
  });
});

describe('jsonl', () => {
  test('the last line with a text wins; unknown and broken lines are passed over', () => {
    const stdout = `${lines({ type: 'init' }, { type: 'x', text: 'thinking' })}{"text": "cut of\nnull\n42\n[]\n\n${lines({ text: 'answer' }, { type: 'done', text: '' })}`;
    expect(parseOutput('jsonl', stdout)).toMatchObject({ text: 'answer', error: null, malformed: null });
  });

  test('U+2028 and U+2029 do not end a line, \\r at its end does no harm', () => {
    const text = 'one\u2028two\u2029three';
    expect(parseOutput('jsonl', `{"text":"${text}"}\r\n`).text).toBe(text);
  });

  test('a last line without its newline counts', () => {
    expect(parseOutput('jsonl', '{"text":"a"}\n{"text":"b"}').text).toBe('b');
  });

  test('an error after the last text is an error, one before it was overcome', () => {
    const failed = parseOutput('jsonl', lines({ text: 'partial' }, { type: 'error', message: 'overloaded' }));
    expect(failed).toMatchObject({ text: 'partial', error: 'overloaded' });
    const retried = parseOutput(
      'jsonl',
      lines({ type: 'error', message: 'reconnecting' }, { text: 'answer' }),
    );
    expect(retried).toMatchObject({ text: 'answer', error: null });
  });

  test('the text of a line that reports an error is no reply', () => {
    expect(parseOutput('jsonl', lines({ is_error: true, result: 'limit reached' }))).toMatchObject({
      text: null,
      error: 'limit reached',
    });
  });

  test('the events of a real agent, picked', () => {
    const stdout = lines(
      { type: 'thread.started', thread_id: 't' },
      { type: 'item.completed', item: { type: 'agent_message', text: 'pong' } },
      { type: 'turn.completed', usage: { input_tokens: 20, cached_input_tokens: 5, output_tokens: 3 } },
    );
    expect(parseOutput('jsonl', stdout, { text: 'item.text', error: 'error' })).toEqual({
      text: 'pong',
      error: null,
      usage: { inputTokens: 20, outputTokens: 3, totalTokens: 23 },
      malformed: null,
    });
  });
});

test('an estimate says that it is one', () => {
  expect(estimateUsage('a prompt', 'abc')).toEqual({
    inputTokens: 2,
    outputTokens: 1,
    totalTokens: 3,
    contextTokens: 3,
    estimated: true,
  });
});

describe('places in the output', () => {
  const pick = {
    text: { at: 'content.*.text', when: { type: 'end', role: 'assistant' } },
    sessionId: ['id', 'session'],
    inputTokens: ['usage.in', 'usage.cached'],
    outputTokens: 'models.*.out',
  };

  test('a condition, every key, several places', () => {
    const stdout = lines(
      { type: 'end', role: 'user', content: [{ text: 'mine' }] },
      {
        type: 'end',
        role: 'assistant',
        content: [{ text: 'a' }, { thinking: 'x' }, { text: 'b' }],
        session: 's1',
      },
      { usage: { in: 1, cached: 2 }, models: { m: { out: 3 }, n: { out: 4 } } },
    );
    expect(parseOutput('jsonl', stdout, pick)).toMatchObject({
      text: 'ab',
      sessionId: 's1',
      usage: { inputTokens: 3, outputTokens: 7 },
    });
  });

  test('tokens of steps are added up', () => {
    const stdout = lines({ usage: { in: 1 }, c: 0.5 }, { usage: { in: 2 }, c: 0.25 });
    const places = { inputTokens: 'usage.in', costUsd: 'c' };
    const steps = parseOutput('jsonl', stdout, places, { usage: 'steps' }).usage;
    expect(steps).toMatchObject({ inputTokens: 3, costUsd: 0.75 });
    expect(parseOutput('jsonl', stdout, places).usage).toMatchObject({ inputTokens: 2, costUsd: 0.25 });
  });

  test('pieces are one text until a tool is called', () => {
    const places = { text: { at: 'text' }, toolCall: 'tool', pieces: true };
    const before = [{ text: 'Let me ' }, { text: 'see.' }, { tool: 'read' }];
    const stdout = lines(...before, { text: 'It' }, { text: ' is\n' }, { text: 'so.\n' });
    expect(parseOutput('jsonl', stdout, places).text).toBe('It is\nso.');
  });

  test('Z04: an id that could be taken for an option is none', () => {
    for (const id of ['--dangerous', '-x', '', 'a b', 'x'.repeat(300)])
      expect(
        parseOutput('json', JSON.stringify({ text: 'x', id }), { sessionId: 'id' }).sessionId,
      ).toBeUndefined();
  });
});
