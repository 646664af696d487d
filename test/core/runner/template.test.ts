import { describe, expect, test } from 'vitest';
import {
  fillArguments,
  fillTemplate,
  templateValues,
  usesTemplate,
} from '../../../src/core/runner/template.ts';
import { turnRequest } from './turn-request.ts';

describe('filling in arguments', () => {
  const values = templateValues(
    turnRequest({
      model: 'opus',
      thinkingLevel: 'high',
      isNewSession: true,
      origin: { channel: 'telegram', accountId: 'a', chatType: 'dm', from: '42', surface: 'phone' },
    }),
    'the prompt',
    { PromptFile: '/tmp/p/prompt.txt' },
  );

  test.each([
    ['{{Body}}', 'the prompt'],
    ['--id={{SessionId}}/{{SessionKey}}', '--id=session-1/agent:main:main'],
    ['{{AgentId}} {{Model}} {{ThinkingLevel}}', 'main opus high'],
    ['@{{PromptFile}}', '@/tmp/p/prompt.txt'],
    ['{{Workspace}} {{IsNewSession}} {{RunId}}', '/workspace true run-1'],
    ['{{Channel}} {{Surface}} {{From}}', 'telegram phone 42'],
    ['{{ Body }} {Body} {{{Body}}} {{Bo dy}}', 'the prompt {Body} {the prompt} {{Bo dy}}'],
    ['[{{Nonsense}}{{body}}]', '[]'],
    ['[{{constructor}}{{__proto__}}]', '[]'],
    ['', ''],
  ])('%s becomes %s', (text, filled) => {
    expect(fillTemplate(text, values)).toBe(filled);
  });

  test('a value that is not known becomes nothing', () => {
    const bare = templateValues(
      turnRequest({ origin: { channel: 'cli', accountId: 'a', chatType: 'dm' } }),
      'x',
    );
    expect(fillTemplate('[{{Model}}{{ThinkingLevel}}{{Surface}}{{From}}{{PromptFile}}]', bare)).toBe('[]');
  });

  test('what a message holds is never filled in again, nor read as a replacement pattern', () => {
    const hostile = templateValues(turnRequest(), "{{SessionKey}} $& $1 $'");
    expect(fillTemplate('a {{Body}} b', hostile)).toBe("a {{SessionKey}} $& $1 $' b");
  });

  test('NUL, which no argument can hold, does not stop the start', () => {
    expect(fillTemplate('{{Body}}', { Body: 'a\0b' })).toBe('a\ufffdb');
  });

  test('knows whether a name is used', () => {
    expect(usesTemplate(['-p', 'x{{Body}}'], 'Body')).toBe(true);
    expect(usesTemplate(['-p', 'x{{ Body }}'], 'Body')).toBe(true);
    expect(usesTemplate(['-p', '{{PromptFile}} {{Body'], 'Body')).toBe(false);
  });
});

describe('arguments that go together', () => {
  test.each([
    [{ Model: 'opus' }, ['-p', '--model', 'opus']],
    [{ Model: '' }, ['-p']],
    [{}, ['-p']],
  ])('with %j', (given, args) => {
    expect(fillArguments(['-p', ['--model', '{{Model}}']], given)).toEqual(args);
  });

  test('without a placeholder stay, and a lone argument stays though it is empty', () => {
    expect(fillArguments([['-a', 'b'], '{{Model}}'], {})).toEqual(['-a', 'b', '']);
    expect(usesTemplate([['--model', '{{Model}}']], 'Model')).toBe(true);
  });
});
