/** The estimate of tokens, held against a real tokenizer. */

import { encode as older } from 'gpt-tokenizer/encoding/cl100k_base';
import { encode as newer } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import { estimateTokens } from '../../../src/core/context/history.ts';

const lines = (count: number, line: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => line(at)).join('\n');
/** Digits that look thrown, always the same. */
const hex = (at: number, length: number) => {
  let seed = at * 2654435761 + 12345;
  let text = '';
  while (text.length < length) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    text += (seed >>> 8).toString(16);
  }
  return text.slice(0, length);
};

const TEXTS: Record<string, string> = {
  'a chat': 'ok thanks, see you at 10! Can you remind me of the gym tomorrow, and of the milk?',
  prose:
    'The committee could not agree on whether the bridge should be repaired or replaced, so the decision was put off until the autumn, when the new figures were expected.',
  shouting: 'THE SERVER IS DOWN AND NOBODY KNOWS WHY. PLEASE CALL ME BACK. '.repeat(3),
  Swedish: 'Kan du påminna mig om att vattna blommorna på fredag när jag kommer hem från jobbet?',
  German: 'Könntest du mir bitte die Zusammenfassung der gestrigen Besprechung über die Wärmepumpe schicken?',
  Russian: 'Напомни мне завтра в десять утра сходить в спортзал и пришли краткое содержание встречи.',
  Chinese: '请提醒我明天早上十点去健身房，然后帮我总结一下昨天的会议内容。',
  Japanese: '明日の朝十時にジムへ行くことを思い出させてください。それから昨日の会議を要約してください。',
  code: lines(20, at => `  const value${at} = items.find(item => item.id === ${at})?.name ?? 'none';`),
  JSON: JSON.stringify(
    Array.from({ length: 20 }, (_, at) => ({ id: at, name: `item ${at}`, tags: ['a', 'b'] })),
  ),
  'a log': lines(20, at => `2026-11-21T21:06:${10 + at}.123Z pid=${48213 + at} [ERROR] ENOENT /var/lib/x`),
  ids: lines(20, at => `${hex(at, 8)}-${hex(at + 50, 4)}-4c1d-9e2f-${hex(at + 99, 12)}`),
  numbers: lines(40, at => `${at},${(at * 37.13).toFixed(2)},2026-01-${(at % 28) + 1}`),
  HTML: lines(10, at => `<div class="a b"><a href="https://example.com/x?y=${at}&z=2">Click</a></div>`),
  base64: Buffer.from(hex(7, 900), 'hex').toString('base64'),
};

describe('the estimate is neither far too low nor far too high for', () => {
  test.each(Object.entries(TEXTS))('%s', (_, text) => {
    const real = newer(text).length;
    expect(estimateTokens(text) / real).toBeGreaterThan(0.75);
    expect(estimateTokens(text) / Math.max(real, older(text).length)).toBeLessThan(1.5);
  });
});
