/**
 * claw's own log: one JSON object per line, for what commands that write had to warn of. Best effort: nothing depends on a
 * line being there, so it is not synced, and no trouble with it is anybody's failure.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { ConfigInput } from '../config/schema.ts';
import { expandHome } from '../context.ts';
import { makeFolder } from './json-file.ts';
import { lineBytes, parseLine, readBackward, readForward } from './jsonl-file.ts';
import type { Layout } from './layout.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export const LOG_LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug'];

/** `logging.file` (a relative one is below `$CLAW_HOME`), else `logs/claw.jsonl`. */
export function logFile(layout: Layout, config: Pick<ConfigInput, 'logging'>): string {
  const { file } = config.logging ?? {};
  return file === undefined ? layout.log() : path.resolve(layout.home, expandHome(file));
}

/** One line of the log. */
export interface LogLine {
  /** ISO 8601 */
  at: string;
  level: LogLevel;
  command: string;
  message: string;
  sessionKey?: string;
}

/** Beyond this the log becomes `.1`, and the `.1` before is gone. */
const LARGEST = 5 * 1024 * 1024;
/** A text is written once in this time: a broken config under a timer must not fill the disk (openclaw#29745, #31148). */
const ONCE_IN = 60 * 60_000;
/** How far back a repetition is looked for. */
const LOOK_BACK = 256 * 1024;
const LONGEST_MESSAGE = 8000;
/** What is left of a nearly full disk is for messages. */
const ROOM_LEFT_ALONE = 1024 * 1024;
/** A rotation takes no time; a mark so old is that of a dead process. */
const ROTATION_PATIENCE = 60_000;

/**
 * Appends a line with one write, unless the same was written within the hour.
 *
 * @returns whether it was written
 */
export function appendLog(file: string, line: LogLine): boolean {
  try {
    const whole = { ...line, message: line.message.slice(0, LONGEST_MESSAGE) };
    if (wasWritten(file, whole)) return false;
    if (isNearlyFull(path.dirname(file))) return false;
    makeFolder(path.dirname(file));
    rotate(file, Date.parse(line.at), () => sizeOf(file) > LARGEST);
    const bytes = lineBytes(whole);
    const fd = fs.openSync(file, 'a', 0o600);
    try {
      // A disk that is nearly full takes half a line; the newline keeps the next one whole.
      if (fs.writeSync(fd, bytes) < bytes.length) fs.writeSync(fd, '\n');
    } finally {
      fs.closeSync(fd);
    }
    return true;
  } catch {
    return false;
  }
}

function sizeOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function isNearlyFull(folder: string): boolean {
  const there = fs.existsSync(folder) ? folder : path.dirname(folder);
  if (!fs.existsSync(there)) return false;
  const { bavail, bsize } = fs.statfsSync(there);
  return bavail * bsize < ROOM_LEFT_ALONE;
}

function wasWritten(file: string, line: LogLine): boolean {
  const size = sizeOf(file);
  if (size === 0) return false;
  const now = Date.parse(line.at);
  for (const { offset, bytes } of readBackward(file)) {
    if (size - offset > LOOK_BACK) return false;
    const before = readLogLine(bytes);
    if (before === null) continue;
    const elapsed = now - Date.parse(before.at);
    // A line from the future (a clock set back) says nothing about this hour.
    if (elapsed > ONCE_IN) return false;
    if (elapsed >= 0 && before.message === line.message && before.command === line.command) return true;
  }
  return false;
}

/** Two processes at once must not rotate twice, or the second would replace a full `.1` by an empty one. */
function rotate(file: string, now: number, isDue: () => boolean): boolean {
  if (!isDue()) return false;
  const mark = `${file}.rotating`;
  try {
    fs.mkdirSync(mark, { mode: 0o700 });
  } catch {
    const since = fs.statSync(mark, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && now - since > ROTATION_PATIENCE) fs.rmdirSync(mark);
    return false;
  }
  try {
    // Somebody may have done it before this process had the mark.
    if (!isDue()) return false;
    fs.renameSync(file, `${file}.1`);
    return true;
  } finally {
    fs.rmdirSync(mark);
  }
}

/**
 * Lets go of log lines written before a time (epoch ms), a whole file at a time: the file before the last rotation goes
 * when its last line is older, and the current one is rotated when its first line is. A line stays at most twice as long.
 *
 * @returns whether anything was removed or rotated
 */
export function expireLog(file: string, before: number, now: number): boolean {
  const old = `${file}.1`;
  const last = fs.statSync(old, { throwIfNoEntry: false });
  const isGone = last !== undefined && last.mtimeMs < before;
  if (isGone) fs.rmSync(old, { force: true });
  const isDue = () => {
    const first = fs.existsSync(file) ? firstTime(file) : null;
    return first !== null && first < before;
  };
  // All that stands in the file before was written before the first line of this one, and goes with it.
  const isRotated = rotate(file, now, isDue);
  return isGone || isRotated;
}

/** When the first usable line of a log was written, epoch ms; null where there is none. */
function firstTime(file: string): number | null {
  for (const { bytes } of readForward(file)) {
    const line = readLogLine(bytes);
    if (line !== null) return Date.parse(line.at);
  }
  return null;
}

/** A line of the log; null for what is none. */
export function readLogLine(bytes: Buffer): LogLine | null {
  const value = parseLine(bytes);
  if (typeof value === 'string') return null;
  const { at, level, command, message } = value as unknown as Partial<LogLine>;
  const usable =
    typeof at === 'string' &&
    Number.isFinite(Date.parse(at)) &&
    typeof command === 'string' &&
    typeof message === 'string' &&
    LOG_LEVELS.includes(level as LogLevel);
  return usable ? (value as unknown as LogLine) : null;
}

/** The newest wanted lines of the log, oldest first; from the file before the last rotation too where that is needed. */
export function lastLogLines(
  file: string,
  count: number,
  isWanted: (line: LogLine) => boolean = () => true,
): LogLine[] {
  const lines: LogLine[] = [];
  for (const each of [file, `${file}.1`]) {
    if (lines.length >= count || !fs.existsSync(each)) continue;
    for (const { bytes } of readBackward(each)) {
      const line = readLogLine(bytes);
      if (line !== null && isWanted(line)) lines.push(line);
      if (lines.length >= count) break;
    }
  }
  return lines.reverse();
}
