import { describe, expect, test } from 'vitest';
import { maskSecrets, secretsOf } from '../../src/core/secret.ts';

describe('a text without its secrets', () => {
  test.each([
    ['key sk-abcdefghijklmnopqrst refused', 'key *** refused'],
    ['sk-ant-api03-abcdefghijklmnop_qr', '***'],
    ['ghp_abcdefghijklmnopqrstuvwxyz0123456789', '***'],
    ['xoxb-1234567890-abcdef', '***'],
    ['AKIAIOSFODNN7EXAMPLE', '***'],
    ['bot 123456789:ABCdefGHIjklMNOpqrSTUvwxYZ012345678', 'bot ***'],
    ['Authorization: Bearer abcdef123456', 'Authorization: Bearer ***'],
    ['a task-list of risk-factors', 'a task-list of risk-factors'],
    ['session 5b36e9b5-a869-45e1-adf6-3798ba9ae3ee', 'session 5b36e9b5-a869-45e1-adf6-3798ba9ae3ee'],
  ])('%s', (text, masked) => {
    expect(maskSecrets(text, [])).toBe(masked);
  });

  test('known values go too, the longer one first; short ones stay', () => {
    expect(maskSecrets('hunter2hunter2 hunter2h 1', ['hunter2h', 'hunter2hunter2', '1'])).toBe('*** *** 1');
  });

  test('the environment names its own', () => {
    const env = { OPENAI_API_KEY: 'a', GH_TOKEN: 'b', DB_PASSWORD: 'c', PATH: '/bin', HOME: undefined };
    expect(secretsOf(env)).toEqual(['a', 'b', 'c']);
  });
});
