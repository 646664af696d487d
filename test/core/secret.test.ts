import { describe, expect, test } from 'vitest';
import {
  isSecretName,
  maskPieces,
  maskSecrets,
  maskValues,
  SecretVeil,
  secretsOf,
} from '../../src/core/secret.ts';

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

describe('a secret in pieces', () => {
  const secrets = ['hunter2hunter2', 'hunter2hunter2-and-more', 'ababababab', 'r2hunter2!!'];
  const text =
    'x hunter2hunter2 hunter2hunter2-and-mor hunter2hunter2-and-more ababababababab hunter2hunter2hunter2!! ab';

  test('however it is cut, what is shown is what the whole would be', () => {
    const whole = maskValues(text, secrets);
    expect(whole).toBe('x *** ***-and-mor *** ***abab ***hunter2!! ab');
    for (let first = 0; first < text.length; first++) {
      for (let second = first; second < text.length; second += 3) {
        const veil = new SecretVeil(secrets);
        const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)];
        const shown = pieces.map(piece => veil.push(piece));
        expect(shown.join('') + veil.end()).toBe(whole);
      }
    }
  });

  test('nothing of it is shown before it is whole, and all other text at once', () => {
    const veil = new SecretVeil(['secret-value']);
    expect(['a sec', 'ret', '-val', 'x', ' s', '!'].map(piece => veil.push(piece))).toEqual([
      'a ',
      '',
      '',
      'secret-valx',
      ' ',
      's!',
    ]);
  });

  test('cut off by force, its beginning goes; a letter or two may be any word', () => {
    expect(maskValues('key secret-v', ['secret-value'], true)).toBe('key ***');
    expect(maskValues('key secret-v', ['secret-value'])).toBe('key secret-v');
    expect(maskValues('keys', ['secret-value'], true)).toBe('keys');
  });

  test('of texts that are kept apart none keeps a part', () => {
    expect(maskPieces(['a sec', 'ret-va', 'lue b', 'secret-value', ''], ['secret-value'])).toEqual([
      'a ***',
      '',
      ' b',
      '***',
      '',
    ]);
    expect(maskPieces(['a', 'b'], [])).toEqual(['a', 'b']);
  });

  test('values that are too long for a regular expression are hidden like others, at each place the longest', () => {
    const long = Array.from({ length: 5 }, (_, at) => `${at}${'0123456789abcdef'.repeat(6250)}`);
    const secrets = [...long, long[0]!.slice(0, 40)];
    expect(maskValues(`a ${long[0]} b ${long[0]!.slice(0, 50)} c ${long[4]} d`, secrets)).toBe(
      'a *** b ***9abcdef012 c *** d'.replace('9abcdef012', long[0]!.slice(40, 50)),
    );
    expect(maskPieces([long[1]!.slice(0, 9), `${long[1]!.slice(9)}!`], secrets)).toEqual(['***', '!']);
  });

  test('many blanks behind a word that announces a token take no time', () => {
    const begun = performance.now();
    maskSecrets(`Bearer${' '.repeat(200_000)}x`, []);
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  test('a hundred long values and a megabyte take no time worth speaking of', () => {
    const many = Array.from({ length: 100 }, (_, i) => `${i}-${'k'.repeat(3000)}`);
    const begun = performance.now();
    const veil = new SecretVeil(many);
    for (let i = 0; i < 2000; i++) veil.push(`${i % 100}-${'k'.repeat(500)} `);
    expect(performance.now() - begun).toBeLessThan(3000);
  });
});

test.each([
  ['API_KEY', true],
  ['GH_PAT', true],
  ['SSHPASS', true],
  ['SESSION_COOKIE', true],
  ['SENTRY_DSN', true],
  ['npm_config__auth', true],
  ['CLAW_SESSION_KEY', false],
  ['SSH_AUTH_SOCK', false],
  ['GOOGLE_APPLICATION_CREDENTIALS_FILE', false],
  ['AUTHOR', false],
  ['PATH', false],
  ['BYPASS_CACHE', false],
])('%s names a secret: %s', (name, is) => {
  expect(isSecretName(name)).toBe(is);
});
