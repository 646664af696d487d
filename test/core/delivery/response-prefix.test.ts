import { describe, expect, test } from 'vitest';
import {
  applyResponsePrefix,
  fillPrefix,
  prefixValues,
  shortModel,
} from '../../../src/core/delivery/response-prefix.ts';

const config = (responsePrefix?: string) => ({
  messages: responsePrefix === undefined ? {} : { responsePrefix },
});

describe('the prefix of a reply', () => {
  test.each<[string | undefined, string, string]>([
    [undefined, 'hello', 'hello'],
    ['', 'hello', 'hello'],
    ['  ', 'hello', 'hello'],
    ['[bot]', 'hello', '[bot] hello'],
    ['[bot]', '[bot] hello', '[bot] hello'],
    ['[bot]', ' ', ' '],
    ['[{model}]', 'hello', '[m1] hello'],
    ['auto', 'hello', '[Claw] hello'],
  ])('%j before %j: %j', (prefix, text, sent) => {
    expect(applyResponsePrefix(text, config(prefix), { model: 'm1', identityName: 'Claw' })).toBe(sent);
  });

  test('"auto" is nothing where the agent has no name', () => {
    expect(applyResponsePrefix('hello', config('auto'), {})).toBe('hello');
  });

  test('values are not filled in again; what is not known stays to be seen', () => {
    expect(fillPrefix('{model} {THINK} {nope} {constructor} {', { model: '{provider}' })).toBe(
      '{provider} {THINK} {nope} {constructor} {',
    );
  });

  test('what a turn knows', () => {
    const agents = { list: [{ id: 'Work', identity: { name: ' Sam ' } }] };
    const turn = { model: 'openrouter/anthropic/claude-opus-4-5-20251101', thinkingLevel: 'low' };
    expect(
      fillPrefix(
        '{identity.name} {identityName} {provider} {model} {modelFull} {think}',
        prefixValues({ agents }, 'work', turn),
      ),
    ).toBe(`Sam Sam openrouter/anthropic claude-opus-4-5 ${turn.model} low`);
    expect(prefixValues({}, 'main', { model: 'opus' })).toEqual({ model: 'opus', modelFull: 'opus' });
  });

  test.each([
    ['openai/gpt-5.2', 'gpt-5.2'],
    ['claude-3-5-sonnet-latest', 'claude-3-5-sonnet'],
    ['model-1234567', 'model-1234567'],
    ['opus', 'opus'],
  ])('%s is called %s', (model, short) => {
    expect(shortModel(model)).toBe(short);
  });
});
