import { describe, expect, test } from 'vitest';
import { isSilent, judgeHeartbeat, replyOf } from '../../../src/core/runner/silence.ts';

const TOKENS = ['NO_REPLY'];

describe('silence', () => {
  test.each([
    ...[
      'NO_REPLY',
      ' NO_REPLY\n',
      'NO_REPLY.',
      '**NO_REPLY**',
      '`NO_REPLY`',
      '"NO_REPLY"',
      '(NO_REPLY)',
      '“NO_REPLY”',
    ],
    ...[
      '__NO_REPLY__',
      '<b>NO_REPLY</b>',
      '- NO_REPLY',
      'NO_REPLY…',
      'NO_REPLY\n\nnothing to add',
      'NO_REPLY: no',
      '',
    ],
  ])('%j', text => {
    expect(replyOf(text, TOKENS)).toBeNull();
  });

  test.each([
    'no_reply',
    'NO_REPLYING',
    'NO_REPLY_1',
    'XNO_REPLY',
    'NO REPLY',
    'I printed NO_REPLY',
    'a NO_REPLY b',
  ])('is not %j, which is said as it is', text => {
    expect(replyOf(text, TOKENS)).toBe(text);
  });

  test.each([
    ['All done. NO_REPLY.', 'All done.'],
    ['All done.\n\n**NO_REPLY**\n', 'All done.'],
    ['- one\n- two\nNO_REPLY', '- one\n- two'],
    ['Done 🎉 NO_REPLY', 'Done 🎉'],
    ['Done.\nNO_REPLY\nHEARTBEAT_OK', 'Done.'],
  ])('takes no text with it: of %j %j is said', (text, said) => {
    expect(replyOf(text, TOKENS)).toBe(said);
  });

  test('by a token that is an ordinary word is the whole reply only', () => {
    expect(isSilent('**OK!**', ['OK'])).toBe(true);
    expect(replyOf('OK, I will.', ['OK'])).toBe('OK, I will.');
    expect(replyOf('I will. OK', ['OK'])).toBe('I will. OK');
    expect(isSilent('...', ['...'])).toBe(true);
  });

  test.each(['*', '(', '.', '<b>', '&nbsp;', ' *', '\n', 'NO_REPLY ', 'HEARTBEAT_OK '])(
    'is judged in a moment over megabytes of %j',
    part => {
      const much = part.repeat(16_000_000 / part.length);
      const started = performance.now();
      for (const text of [much, `${much}x`, `x${much}`, `HEARTBEAT_OK ${much}x`, `NO_REPLY${much}`]) {
        replyOf(text, TOKENS);
        judgeHeartbeat(text, 300);
      }
      expect(performance.now() - started).toBeLessThan(10_000);
    },
  );
});

describe('HEARTBEAT_OK in an ordinary reply', () => {
  test.each<[string, string | null]>([
    ['HEARTBEAT_OK', null],
    ['HEARTBEAT_OK hello', 'hello'],
    ['hello HEARTBEAT_OK', 'hello'],
    ['<code>HEARTBEAT_OK</code> all good', 'all good'],
    ['HEARTBEAT_OK\n\n- a\n- b', '- a\n- b'],
    ['**HEARTBEAT_OK**: all good', 'all good'],
    ['HEARTBEAT_OK. **Note**', '**Note**'],
    ['a HEARTBEAT_OK b', 'a HEARTBEAT_OK b'],
    ['HEARTBEAT_OKAY', 'HEARTBEAT_OKAY'],
    ['heartbeat_ok', 'heartbeat_ok'],
  ])('%j: %j is said', (text, said) => {
    expect(replyOf(text, TOKENS)).toBe(said);
  });
});

/** H03: openclaw #16974, #17646, #17726, #72217, #66154, #143278. */
describe('H03: a heartbeat that found nothing reaches nobody', () => {
  const long = 'A'.repeat(301);

  test.each([
    ...[
      'HEARTBEAT_OK',
      '**HEARTBEAT_OK**',
      '`HEARTBEAT_OK`',
      '<b>HEARTBEAT_OK</b>',
      'HEARTBEAT_OK.',
      'HEARTBEAT_OK!!',
    ],
    ...[
      '(HEARTBEAT_OK)',
      '🦞 HEARTBEAT_OK',
      'ALERT HEARTBEAT_OK',
      'All quiet.\n\nHEARTBEAT_OK',
      'HEARTBEAT_OK all quiet',
    ],
    `${'A'.repeat(300)} HEARTBEAT_OK`,
    '',
  ])('%j', text => {
    expect(judgeHeartbeat(text, 300)).toMatchObject({ ok: true, text: '' });
  });

  test.each([
    [`${long} HEARTBEAT_OK`, long],
    [`HEARTBEAT_OK\n${long}`, long],
    [`${long}\n\n**HEARTBEAT_OK**`, long],
    [long, long],
    ['The door is open', 'The door is open'],
    ['a HEARTBEAT_OK b', 'a HEARTBEAT_OK b'],
    ['heartbeat_ok', 'heartbeat_ok'],
  ])('%j is told, as %j', (text, told) => {
    expect(judgeHeartbeat(text, 300)).toMatchObject({ ok: false, text: told });
  });

  test.each([0, -5])('with %i characters allowed, the token alone is still nothing', most => {
    expect(judgeHeartbeat('HEARTBEAT_OK', most).ok).toBe(true);
    expect(judgeHeartbeat('x HEARTBEAT_OK', most)).toEqual({ ok: false, text: 'x', found: true });
  });
});
