import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { appendLog, expireLog, type LogLine, lastLogLines } from '../../src/store/log.ts';
import { modeOf, names, scratch } from './scratch.ts';

const NOON = Date.parse('2026-11-21T12:00:00Z');
const MINUTE = 60_000;

const line = (message: string, at = NOON, more: Partial<LogLine> = {}): LogLine => ({
  at: new Date(at).toISOString(),
  level: 'warn',
  command: 'tick',
  message,
  ...more,
});

function log() {
  const file = path.join(scratch(), 'logs', 'claw.jsonl');
  return {
    file,
    folder: path.dirname(file),
    messages: () => lastLogLines(file, 1000).map(each => each.message),
  };
}

describe('a line of the log', () => {
  test('is one JSON object, for its owner alone', () => {
    const { file, folder } = log();
    expect(appendLog(file, line('a\nb', NOON, { sessionKey: 'agent:main:main' }))).toBe(true);
    expect(fs.readFileSync(file, 'utf8').split('\n')).toHaveLength(2);
    expect(lastLogLines(file, 5)).toEqual([line('a\nb', NOON, { sessionKey: 'agent:main:main' })]);
    expect([modeOf(file), modeOf(folder)]).toEqual(['600', '700']);
  });

  test('is written once an hour, however many others come between', () => {
    const { file, messages } = log();
    appendLog(file, line('a'));
    appendLog(file, line('b', NOON + MINUTE));
    expect(appendLog(file, line('a', NOON + 59 * MINUTE))).toBe(false);
    expect(appendLog(file, line('a', NOON + 59 * MINUTE, { command: 'ingest' }))).toBe(true);
    expect(appendLog(file, line('a', NOON + 61 * MINUTE))).toBe(true);
    expect(messages()).toEqual(['a', 'b', 'a', 'a']);
  });

  test('is written though an equal one stands in the future: the clock was set back', () => {
    const { file } = log();
    appendLog(file, line('a', NOON + 100 * MINUTE));
    expect(appendLog(file, line('a'))).toBe(true);
  });

  test('stands whole behind a torn one, which readers pass over', () => {
    const { file, messages } = log();
    appendLog(file, line('a'));
    fs.appendFileSync(file, '{"at":"2026\n{"level":1}\n');
    appendLog(file, line('b'));
    expect(messages()).toEqual(['a', 'b']);
  });

  test('is cut when it is very long', () => {
    const { file } = log();
    appendLog(file, line('x'.repeat(100_000)));
    expect(fs.statSync(file).size).toBeLessThan(10_000);
  });

  test('that cannot be written is no failure', () => {
    const { file, folder } = log();
    fs.writeFileSync(folder, 'in the way');
    expect(appendLog(file, line('a'))).toBe(false);
  });
});

describe('a log of more than 5 MB', () => {
  function full() {
    const it = log();
    fs.mkdirSync(it.folder);
    const old = `${JSON.stringify(line('old', NOON - 24 * 60 * MINUTE))}\n`;
    fs.writeFileSync(it.file, old.repeat(Math.ceil((5 * 1024 * 1024 + 1) / old.length)));
    return it;
  }

  test('becomes .1; the newest lines are read from both', () => {
    const { file, folder } = full();
    appendLog(file, line('new'));
    expect(names(folder)).toEqual(['claw.jsonl', 'claw.jsonl.1']);
    expect(lastLogLines(file, 3).map(each => each.message)).toEqual(['old', 'old', 'new']);
    expect(fs.statSync(file).size).toBeLessThan(1000);
  });

  test('is not moved by a second process while the first one does', () => {
    const { file, folder } = full();
    fs.mkdirSync(`${file}.rotating`);
    const since = new Date(NOON - 1000);
    fs.utimesSync(`${file}.rotating`, since, since);
    expect(appendLog(file, line('new'))).toBe(true);
    expect(names(folder)).toEqual(['claw.jsonl', 'claw.jsonl.rotating']);
    // Its process died: the mark goes, and the next line moves the log.
    appendLog(file, line('later', NOON + 2 * MINUTE));
    appendLog(file, line('again', NOON + 2 * MINUTE));
    expect(names(folder)).toEqual(['claw.jsonl', 'claw.jsonl.1']);
  });
});

describe('a log of which old lines go', () => {
  const DAY = 24 * 60 * MINUTE;
  const at = (time: number) => new Date(time);

  test('is begun anew when its first line is older; the file before goes when its last one is', () => {
    const { file, folder, messages } = log();
    appendLog(file, line('first', NOON));
    appendLog(file, line('second', NOON + DAY));
    expect(expireLog(file, NOON - MINUTE, NOON + DAY)).toBe(false);
    expect(expireLog(file, NOON + MINUTE, NOON + 2 * DAY)).toBe(true);
    expect(names(folder)).toEqual(['claw.jsonl.1']);
    appendLog(file, line('third', NOON + 2 * DAY));
    fs.utimesSync(`${file}.1`, at(NOON + DAY), at(NOON + DAY));
    expect(expireLog(file, NOON + MINUTE, NOON + 2 * DAY)).toBe(false);
    expect(messages()).toEqual(['first', 'second', 'third']);
    expect(expireLog(file, NOON + DAY + MINUTE, NOON + 3 * DAY)).toBe(true);
    expect(messages()).toEqual(['third']);
  });

  test('is left alone where it is empty, missing, or nothing in it is a line', () => {
    const { file, folder } = log();
    expect(expireLog(file, NOON, NOON)).toBe(false);
    fs.mkdirSync(folder);
    fs.writeFileSync(file, 'no line\n');
    expect(expireLog(file, NOON, NOON)).toBe(false);
    expect(names(folder)).toEqual(['claw.jsonl']);
  });
});
