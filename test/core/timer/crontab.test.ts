import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandLength, cronLine, findBlock, putBlock, takeBlock } from '../../../src/core/timer/crontab.ts';
import { FACTS, hash } from './facts.ts';

const put = (table: string | null, facts = FACTS) => putBlock(table, facts, hash);
const take = (table: string) => takeBlock(table, findBlock(table, hash)!);

/** What cron(8) hands to the shell: an unescaped `%` is a newline, `\%` a `%`. */
function asCronReads(line: string): string {
  let command = '';
  let escaped = false;
  for (const char of line.slice('* * * * * '.length)) {
    if (escaped) command = char === '%' ? `${command.slice(0, -1)}%` : command + char;
    else command += char === '%' ? '\n' : char;
    escaped = !escaped && char === '\\';
  }
  return command;
}

describe('the line of a tick', () => {
  it.each([
    '/plain/node',
    '/with space/node',
    "/it's/node",
    '/"quoted"/node',
    '/100%/node',
    '/a\\%b/node',
    '/a\\\\%b/node',
    "/a'%'b/node",
    '/$HOME/`id`/node',
    '/ä/node',
  ])('a shell started by cron gets %s as it is', node => {
    const line = cronLine({ ...FACTS, node, config: `${node}.json` });
    expect(line).not.toContain('\n');
    // printf in the place of the program: the words as they arrive.
    const shown = asCronReads(line)
      .replace(/CLAW_HOME=\S+ /, '$&printf "%s\\n" ')
      .replace(' >/dev/null 2>&1', '');
    expect(execFileSync('/bin/sh', ['-c', shown], { encoding: 'utf8' })).toBe(
      `${node}\n${FACTS.script}\ntick\n--config\n${node}.json\n`,
    );
  });

  it('has a length in bytes', () => {
    const { length } = cronLine(FACTS);
    expect(commandLength(cronLine({ ...FACTS, home: '/home/ü/.claw' }))).toBe(length - 10 + 1 + 2);
  });
});

const MAKE_TABLES = fc.oneof(
  fc.constant(null),
  fc.string({ unit: fc.constantFrom('a', ' ', '\n', '#', '*', '%', '\r', '\t', 'ÿ', '\u0000') }),
  fc
    .array(fc.constantFrom('MAILTO=me', '# claw', '*/5 * * * * x', '', '# claw timer'), { maxLength: 6 })
    .map(l => l.join('\n')),
);

describe('the block in a table', () => {
  it('#41843 put and taken leaves every byte as it was', () => {
    fc.assert(
      fc.property(MAKE_TABLES, table => {
        const whole = put(table);
        expect(whole.startsWith(table ?? '')).toBe(true);
        expect(take(whole)).toBe(table);
      }),
    );
  });

  it('put twice is put once; other facts change only the block', () => {
    fc.assert(
      fc.property(MAKE_TABLES, fc.string(), (table, rest) => {
        const once = `${put(table)}${rest}`;
        expect(put(once)).toBe(once);
        const other = put(once, { ...FACTS, node: '/other/node' });
        expect(other).toContain('/other/node');
        expect(put(other)).toBe(once);
      }),
    );
  });

  it('taken when something was written behind it, leaves that on a line of its own', () => {
    expect(take(`${put('a')}b\n`)).toBe('a\nb\n');
    expect(take(`${put(null)}b\n`)).toBe('b\n');
  });

  it.each([
    ['a changed line', (text: string) => text.replace('* * * * *', '*/5 * * * *')],
    ['a line put in', (text: string) => text.replace('* * * * *', '# mine\n* * * * *')],
    ['its end removed', (text: string) => text.replace(/# claw timer \{.*\n/, '')],
  ])('%s makes it somebody else’s', (_, edit) => {
    expect(findBlock(`x\n${edit(put(null))}`, hash)).toMatchObject({ state: 'edited' });
    expect(findBlock(`x\n${put(null)}`, hash)).toMatchObject({ state: 'ours', facts: FACTS });
  });
});
