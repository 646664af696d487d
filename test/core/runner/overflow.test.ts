import { expect, test } from 'vitest';
import { overflowOf } from '../../../src/core/runner/overflow.ts';
import type { TurnError, TurnOutcome } from '../../../src/core/turn-request.ts';

const failed = (message: string, code: TurnError['code'] = 'exit', output = ''): TurnOutcome => ({
  status: 'failed',
  error: { code, message },
  output,
  usage: null,
  durationMs: 1,
  warnings: [],
});

test.each([
  [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    8192,
  ],
  ['prompt is too long: 210003 tokens > 200000 maximum', 200_000],
  ['{"error":{"code":"context_length_exceeded"}}', null],
  ['input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000', null],
  ['the request exceeds the available context size (4096 tokens), try increasing it', 4096],
  ['The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).', 1_048_576],
  ['litellm.ContextWindowExceededError: too much', null],
  ['Your input exceeds the context window of this model.', null],
  ['413 {"type":"request_too_large"}', null],
  ['Error: Input is too long for requested model.', null],
  ['Please reduce the length of the messages.', null],
])('%s', (message, limit) => {
  expect(overflowOf(failed(message))).toEqual({ limit });
  expect(overflowOf(failed('exited with status 1', 'agent-error', message))).toEqual({ limit });
});

test.each([
  'rate limit: 30000 tokens per min (TPM); too many tokens',
  'command not found',
  'You have exceeded your current quota',
  'timed out',
])('something else: %s', message => {
  expect(overflowOf(failed(message))).toBeNull();
});

test('only a failure that an agent reports; and a prompt that was too long for a command line', () => {
  const text = 'prompt is too long';
  expect(overflowOf({ status: 'replied', text, usage: null, durationMs: 1, warnings: [] })).toBeNull();
  expect(overflowOf(failed(text, 'timeout'))).toBeNull();
  expect(overflowOf(failed('cannot take it', 'prompt-too-long'))).toEqual({ limit: null });
});

test('the signs of a runner have named it', () => {
  expect(overflowOf(failed('zu lang, mein Freund', 'context-overflow'))).toEqual({ limit: null });
  const told = 'zu lang; maximum context length is 8192 tokens';
  expect(overflowOf(failed(told, 'context-overflow'))).toEqual({ limit: 8192 });
  expect(overflowOf(failed('zu lang, mein Freund'))).toBeNull();
});
