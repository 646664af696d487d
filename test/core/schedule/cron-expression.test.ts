import { describe, expect, test } from 'vitest';
import {
  hasAlternativeDays,
  nextDay,
  nextSecond,
  parseCron,
} from '../../../src/core/schedule/cron-expression.ts';

function parsed(expr: string) {
  const read = parseCron(expr);
  if (!read.ok) throw new Error(read.problem);
  return read.cron;
}

/** The days an expression names from 2026-01-01 on, as `MM-DD`. */
function days(expr: string, count: number): string {
  const found: string[] = [];
  let day = nextDay(parsed(expr), Date.UTC(2026, 0, 1));
  while (day !== null && found.length < count) {
    found.push(new Date(day).toISOString().slice(5, 10));
    day = nextDay(parsed(expr), day + 86_400_000);
  }
  return found.join(' ');
}

describe('the values of a field', () => {
  test.each([
    ['5', [5]],
    ['*/20', [0, 20, 40]],
    ['50/4', [50, 54, 58]],
    ['10-20/5', [10, 15, 20]],
    ['30,10-12,11', [10, 11, 12, 30]],
    ['*/60', [0]],
    ['05', [5]],
    ['7-7', [7]],
  ])('%s', (minute, values) => {
    expect(parsed(`${minute} * * * *`).minutes).toEqual(values);
  });

  test('six fields begin with seconds, five fire at second 0', () => {
    expect(parsed('*/15 1 2 * * *')).toMatchObject({ seconds: [0, 15, 30, 45], minutes: [1], hours: [2] });
    expect(parsed('1 2 * * *')).toMatchObject({ seconds: [0], minutes: [1], hours: [2] });
  });

  test('months by name', () => {
    expect(parsed('0 0 1 JAN,jun-Aug *').months).toEqual([1, 6, 7, 8]);
  });

  test.each([
    ['* * * * *', true],
    ['0 */2 * * *', true],
    ['0 *,5 * * *', true],
    ['0 0-23 * * *', false],
    ['* 5 * * *', false],
    ['0 0/2 * * *', false],
  ])('%s goes by the clock on the wall: %s', (expr, anyHour) => {
    expect(parsed(expr).anyHour).toBe(anyHour);
  });
});

describe('the days an expression names', () => {
  test.each([
    // 2026-01-01 is a Thursday
    ['0 0 * * 7', '01-04 01-11'],
    ['0 0 * * 0', '01-04 01-11'],
    ['0 0 * * SUN', '01-04 01-11'],
    ['0 0 * * 5-7', '01-02 01-03 01-04 01-09'],
    ['0 0 * * FRI-SUN', '01-02 01-03 01-04 01-09'],
    ['0 0 * * sun-tue', '01-04 01-05 01-06 01-11'],
    ['0 0 * * 1/2', '01-02 01-05 01-07 01-09'],
    ['0 0 * * */7', '01-04 01-11'],
    // talex-touch/tuff#772, #64968: both set means either one
    ['0 9 15 * 1', '01-05 01-12 01-15 01-19'],
    ['0 9 ? * 1', '01-05 01-12'],
    ['0 9 15 * ?', '01-15 02-15'],
    ['0 0 */10 * 1', '01-01 01-05 01-11 01-12'],
    ['0 0 L * *', '01-31 02-28 03-31 04-30'],
    ['0 0 1,l * *', '01-01 01-31 02-01 02-28'],
    ['0 0 * * 5L', '01-30 02-27 03-27 04-24'],
    ['0 0 * * friL', '01-30 02-27 03-27 04-24'],
    ['0 0 * * 7L', '01-25 02-22'],
    ['0 0 * * MON#2', '01-12 02-09 03-09'],
    ['0 0 * * 5#5', '01-30 05-29 07-31'],
    ['0 0 * * 1#1,3#1', '01-05 01-07 02-02 02-04'],
    ['@weekly', '01-04 01-11'],
    ['@Monthly', '01-01 02-01'],
    ['@annually', '01-01 01-01'],
  ])('%s: %s', (expr, expected) => {
    expect(days(expr, expected.split(' ').length)).toBe(expected);
  });

  test('29 February skips 2100, and a fifth Friday of February waits for its leap year', () => {
    const next = (expr: string, from: number) =>
      new Date(nextDay(parsed(expr), from) ?? 0).toISOString().slice(0, 10);
    expect(next('0 0 29 2 *', Date.UTC(2096, 2, 1))).toBe('2104-02-29');
    expect(next('0 0 * 2 5#5', Date.UTC(2026, 0, 1))).toBe('2036-02-29');
  });

  test('both days set is told apart from one', () => {
    expect(hasAlternativeDays(parsed('0 9 15 * 1'))).toBe(true);
    expect(hasAlternativeDays(parsed('0 9 ? * 1'))).toBe(false);
    expect(hasAlternativeDays(parsed('0 9 15 * *'))).toBe(false);
  });
});

test('the next second of a day', () => {
  const cron = parsed('10,40 15,45 6,18 * * *');
  const at = (text: string) => {
    const [hour = 0, minute = 0, second = 0] = text.split(':').map(Number);
    return hour * 3600 + minute * 60 + second;
  };
  expect(nextSecond(cron, -1)).toBe(at('6:15:10'));
  expect(nextSecond(cron, at('6:15:10'))).toBe(at('6:15:10'));
  expect(nextSecond(cron, at('6:15:11'))).toBe(at('6:15:40'));
  expect(nextSecond(cron, at('6:15:41'))).toBe(at('6:45:10'));
  expect(nextSecond(cron, at('6:45:41'))).toBe(at('18:15:10'));
  expect(nextSecond(cron, at('18:45:41'))).toBeNull();
  expect(nextSecond(cron, 86_400)).toBeNull();
});

describe('refused, with the field and what it may be', () => {
  test.each([
    ['', /empty.*expected 5/],
    ['   ', /empty/],
    // the library takes these three for "every minute" and the like
    ['* * *', /3 fields; expected 5/],
    ['*', /1 field; expected 5/],
    ['* * * * * * *', /7 fields/],
    ['nonsense', /1 field/],
    ['60 * * * *', /minute "60": expected 0-59/],
    ['-1 * * * *', /minute "-1": expected/],
    ['* 24 * * *', /hour "24": expected 0-23/],
    ['* * 0 * *', /day of month "0": expected 1-31/],
    ['* * 32 * *', /day of month "32"/],
    ['* * * 0 *', /month "0": expected 1-12/],
    ['* * * 13 *', /month "13"/],
    ['* * * * 8', /day of week "8": expected 0-7/],
    ['* * * * MO', /day of week "MO"/],
    ['* * * foo *', /month "foo"/],
    ['61 * * * * *', /second "61"/],
    ['0 22-2 * * *', /hour "22-2".*22-23,0-2/],
    ['0 0 * * SAT-MON', /day of week "SAT-MON".*upwards/],
    ['*/0 * * * *', /minute "\*\/0": a step/],
    ['*/ * * * *', /a step/],
    ['*/x * * * *', /a step/],
    ['*/90 * * * *', /longer than the field.*--every/],
    ['1,,2 * * * *', /minute "1,,2": a list has an empty place/],
    ['1, * * * *', /empty place/],
    ['1-2-3 * * * *', /minute "1-2-3"/],
    ['1--3 * * * *', /minute/],
    ['*5 * * * *', /minute "\*5"/],
    ['*-5 * * * *', /minute/],
    ['1.5 * * * *', /minute "1.5"/],
    ['1e1 * * * *', /minute "1e1"/],
    ['0x5 * * * *', /minute/],
    ['5/10/2 * * * *', /minute/],
    ['? * * * *', /minute "\?"/],
    ['H * * * *', /minute "H"/],
    ['0 L * * *', /hour "L"/],
    ['0 0 LW * *', /day of month "LW"/],
    ['0 0 15W * *', /day of month "15W"/],
    ['0 0 L-3 * *', /day of month "L-3"/],
    ['0 0 * * L', /day of week "L"/],
    ['0 0 * * 5#0', /no such week/],
    ['0 0 * * 5#6', /no such week/],
    ['0 0 * * 8L', /day of week "8L"/],
    ['0 0 * * fooL', /day of week "fooL"/],
    ['1 2 3 4 5\u0000', /day of week/],
    ['@reboot', /@daily/],
    ['@', /nickname/],
    ['@toString', /nickname/],
    ['0 0 31 2 *', /never fires/],
    ['0 0 30 feb *', /never fires/],
    ['0 0 31 4,6,9,11 *', /never fires/],
    ['0 0 31 2 ?', /never fires/],
  ])('%j', (expr, problem) => {
    const read = parseCron(expr);
    expect(read.ok ? 'accepted' : read.problem).toMatch(problem);
  });

  test('garbage of any kind is a problem, never an exception', () => {
    for (const field of [
      'constructor',
      '__proto__',
      '١',
      'é',
      '5#',
      '#5',
      'L',
      '//',
      '-',
      ',',
      '*'.repeat(1000),
    ])
      for (let place = 0; place < 5; place++) {
        const fields = ['0', '0', '1', '1', '0'];
        fields[place] = field;
        const read = parseCron(fields.join(' '));
        expect(read.ok, fields.join(' ')).toBe(field === 'L' && place === 2);
      }
  });
});
