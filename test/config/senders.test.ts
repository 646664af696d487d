import { describe, expect, test } from 'vitest';
import { secretsInConfig, withoutSecrets } from '../../src/config/secrets.ts';
import { validateConfig } from '../../src/config/validate.ts';

const problems = (send: unknown) =>
  validateConfig(JSON.stringify({ channels: { sms: { send } } })).problems.map(
    ({ path, message }) => `${path}: ${message}`,
  );

describe('the sender of a channel', () => {
  test.each([
    { command: 'x', args: ['{{To}}', '--account={{ AccountId }}'] },
    { file: '~/replies.jsonl' },
    { webhook: { url: 'https://example.org/x', headersEnv: { Authorization: 'A' }, secretEnv: 'S' } },
    { webhook: { urlEnv: 'HOOK' } },
    { telegram: { tokenEnv: 'T', apiUrl: 'http://127.0.0.1:8081', replyTo: true } },
    { slack: { tokenFile: '/run/token' } },
    { discord: { token: 'x' } },
    { discord: { webhookUrlFile: 'x' } },
    { ntfy: { topic: 'alerts', priority: 'high' } },
    'none',
  ])('%j is fine', send => {
    expect(problems(send)).toEqual([]);
  });

  test.each([
    [{ command: 'x', telegram: { token: 'x' } }, /send: has 2 kinds of sender \(command, telegram\)/],
    [{ whatsapp: {} }, /send.whatsapp: unknown key/],
    [{ telgram: { token: 'x' } }, /did you mean "telegram"/],
    [{}, /send: names no kind of sender; there are command, file, webhook/],
    [{ file: 'x', args: ['y'] }, /send.args: belongs to a command/],
    [{ command: 'x', args: ['{{Too}}'] }, /args\[0\]: there is no {{Too}}; did you mean "To"/],
    [{ telegram: {} }, /send.telegram: needs one of token, tokenEnv, tokenFile/],
    [{ telegram: { token: 'x', tokenEnv: 'Y' } }, /tokenEnv: stands beside token/],
    [{ discord: { token: 'x', webhookUrl: 'https://x.org' } }, /has token and webhookUrl; leave one/],
    [{ webhook: { url: 'http://example.org' } }, /webhook.url: expected https/],
    [{ webhook: { url: 'file:///etc/passwd' } }, /webhook.url: expected an https address/],
    [{ webhook: { url: 'https://me:pw@example.org' } }, /cannot hold a user name/],
    [{ slack: { token: 'x', apiUrl: 'http://localhost.example.org' } }, /slack.apiUrl: expected https/],
    [{ webhook: { url: 'https://x.org', headers: { 'Idempotency-Key': 'x' } } }, /cannot be set as a header/],
    [{ webhook: { url: 'https://x.org', headers: { 'X-A': 'a\nHost: b' } } }, /a header cannot hold/],
    [{ ntfy: { topic: 'a/b' } }, /ntfy.topic: expected letters/],
  ])('%j is refused in words', (send, message) => {
    const found = problems(send);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });

  test('of an account is checked too', () => {
    const config = { channels: { sms: { accounts: { a: { send: { telegram: {} } } } } } };
    expect(validateConfig(JSON.stringify(config)).problems).toMatchObject([
      { path: 'channels.sms.accounts.a.send.telegram' },
    ]);
  });
});

test('openclaw#12182: secrets of senders are told from the rest of their settings', () => {
  const config = {
    channels: {
      a: { send: { webhook: { url: 'https://x.org/1', headers: { K: '2' }, secret: '3', secretEnv: 'E' } } },
      b: { send: { telegram: { token: '4', apiUrl: 'https://y.org' } } },
      token: { accounts: { send: { send: { discord: { webhookUrl: '5' } } } }, allowFrom: ['token'] },
      c: { send: { command: 'x', env: { K: '6' } } },
    },
  };
  expect(secretsInConfig(config)).toEqual(['https://x.org/1', '2', '3', '4', '5', '6']);
  expect(withoutSecrets(config)).toEqual({
    channels: {
      a: { send: { webhook: { url: '(set)', headers: { K: '(set)' }, secret: '(set)', secretEnv: 'E' } } },
      b: { send: { telegram: { token: '(set)', apiUrl: 'https://y.org' } } },
      token: { accounts: { send: { send: { discord: { webhookUrl: '(set)' } } } }, allowFrom: ['token'] },
      c: { send: { command: 'x', env: { K: '(set)' } } },
    },
  });
});
