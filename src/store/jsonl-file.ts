/**
 * Files of one JSON object per line, append-only. Lines end at `\n` and nowhere else (U+2028 is text). Readers never
 * hold a whole file; they go forward in chunks, or backward from the end.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Entry } from '../core/session/transcript.ts';
import { syncFolder, undo, writeAll } from './json-file.ts';

const CHUNK = 256 * 1024;
const NEWLINE = 10;

export interface Line {
  /** byte offset of the line's first byte */
  offset: number;
  /** the bytes without the newline */
  bytes: Buffer;
}

export interface ParsedLine {
  offset: number;
  /** offset behind the newline */
  end: number;
  value: Entry;
}

/** A line that is no JSON object. */
export interface BadLine {
  offset: number;
  reason: string;
}

/** What lies at the end of a file from some offset on. `torn` is the unusable rest, if any. */
export interface Tail {
  lines: ParsedLine[];
  bad: BadLine[];
  size: number;
  torn: { offset: number; length: number } | null;
  /** the last line is whole but lacks its newline */
  unterminated: boolean;
}

/**
 * Appends objects with one write on an O_APPEND descriptor and makes them durable (fdatasync; a new file's folder is
 * synced too). On any error the file is cut back to its old size, so that no half line stays; a new file is removed.
 *
 * @returns the offset of each line's first byte, and the one behind the last line
 */
export function appendLines(file: string, values: object[]): { offsets: number[]; end: number } {
  const lines = values.map(lineBytes);
  const fd = fs.openSync(file, 'a', 0o600);
  let start = 0;
  try {
    start = fs.fstatSync(fd).size;
    try {
      writeAll(fd, lines.length === 1 ? lines[0]! : Buffer.concat(lines));
      fs.fdatasyncSync(fd);
      if (start === 0) syncFolder(path.dirname(file));
    } catch (error) {
      undo(error, () => fs.ftruncateSync(fd, start));
      throw error;
    }
  } catch (error) {
    if (start === 0) undo(error, () => fs.rmSync(file, { force: true }));
    throw error;
  } finally {
    fs.closeSync(fd);
  }
  return placeLines(lines, start);
}

/** An object as its line. */
export function lineBytes(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`, 'utf8');
}

/** Where lines stand that were written from `start` on. */
export function placeLines(lines: Buffer[], start: number): { offsets: number[]; end: number } {
  let end = start;
  const offsets = lines.map(line => {
    const offset = end;
    end += line.length;
    return offset;
  });
  return { offsets, end };
}

/** Parses one line; a string says why it is not a JSON object. */
export function parseLine(bytes: Buffer): Entry | string {
  if (bytes.length === 0) return 'an empty line';
  if (bytes.includes(0)) return 'NUL bytes';
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    return `not JSON: ${(error as Error).message}`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not a JSON object';
  return value as Entry;
}

/** Lines from `from` on, in chunks; the last one is yielded with `terminated: false` when it lacks its newline. */
export function* readForward(file: string, from = 0): Generator<Line & { terminated: boolean }> {
  const fd = fs.openSync(file, 'r');
  try {
    // Pieces of a line that is longer than a chunk, put together once: else a line of 100 MB would take minutes.
    let parts: Buffer[] = [];
    let offset = from;
    let position = from;
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const read = fs.readSync(fd, chunk, 0, CHUNK, position);
      if (read === 0) break;
      position += read;
      const data = chunk.subarray(0, read);
      let start = 0;
      for (let end = data.indexOf(NEWLINE, start); end >= 0; end = data.indexOf(NEWLINE, start)) {
        const bytes = joined(parts, data.subarray(start, end));
        parts = [];
        yield { offset, bytes, terminated: true };
        offset += bytes.length + 1;
        start = end + 1;
      }
      if (start < read) parts.push(data.subarray(start));
    }
    if (parts.length > 0) yield { offset, bytes: Buffer.concat(parts), terminated: false };
  } finally {
    fs.closeSync(fd);
  }
}

/** Lines before `end` (default: the end of the file), newest first. Reads only as far as it is asked to. */
export function* readBackward(file: string, end?: number): Generator<Line> {
  const fd = fs.openSync(file, 'r');
  try {
    let position = end ?? fs.fstatSync(fd).size;
    // Pieces of a line that is longer than a chunk, the last first.
    let parts: Buffer[] = [];
    while (position > 0) {
      const length = Math.min(CHUNK, position);
      const chunk = Buffer.allocUnsafe(length);
      position -= length;
      readFully(fd, chunk, position);
      let stop = length;
      for (
        let at = chunk.lastIndexOf(NEWLINE);
        at >= 0;
        at = at > 0 ? chunk.lastIndexOf(NEWLINE, at - 1) : -1
      ) {
        const bytes = joined([], chunk.subarray(at + 1, stop), parts);
        parts = [];
        if (bytes.length > 0) yield { offset: position + at + 1, bytes };
        stop = at;
      }
      if (stop > 0) parts.push(chunk.subarray(0, stop));
    }
    if (parts.length > 0) yield { offset: 0, bytes: Buffer.concat(parts.reverse()) };
  } finally {
    fs.closeSync(fd);
  }
}

/** A piece of a line with those before it, and those behind it, of which the last comes first. */
function joined(before: Buffer[], piece: Buffer, behind: Buffer[] = []): Buffer {
  return before.length + behind.length === 0
    ? piece
    : Buffer.concat([...before, piece, ...behind.toReversed()]);
}

function readFully(fd: number, into: Buffer, position: number): void {
  let done = 0;
  while (done < into.length) {
    const read = fs.readSync(fd, into, done, into.length - done, position + done);
    if (read === 0) break;
    done += read;
  }
}

/**
 * What a file holds from `from` on. `from` should be a line's start; when it is not (the file was edited or cut by
 * hand), reading begins at the line's start before it.
 *
 * Torn is what no reader can use at the very end: a last line without its newline that does not parse, and unusable
 * lines directly before it (a power cut can leave NUL bytes, then more). Unusable lines with a good one behind them
 * are interior: they are listed in `bad` and stay.
 */
export function readTail(file: string, from: number): Tail {
  const start = lineStart(file, from);
  const lines: ParsedLine[] = [];
  const bad: BadLine[] = [];
  let size = start;
  let unterminated = false;
  for (const line of readForward(file, start)) {
    const end = line.offset + line.bytes.length + (line.terminated ? 1 : 0);
    size = end;
    const value = parseLine(line.bytes);
    if (typeof value === 'string') bad.push({ offset: line.offset, reason: value });
    else {
      lines.push({ offset: line.offset, end, value });
      unterminated = !line.terminated;
    }
  }
  const goodEnd = lines.at(-1)?.end ?? start;
  const trailing = bad.filter(line => line.offset >= goodEnd);
  const torn =
    trailing.length > 0 ? { offset: trailing[0]!.offset, length: size - trailing[0]!.offset } : null;
  return {
    lines,
    bad: bad.filter(line => line.offset < goodEnd),
    size,
    torn,
    unterminated: unterminated && !torn,
  };
}

/** The start of the line that holds byte `from - 1`'s successor: `from` itself when a newline stands before it. */
function lineStart(file: string, from: number): number {
  if (from <= 0) return 0;
  const size = fs.statSync(file).size;
  const fd = fs.openSync(file, 'r');
  try {
    let position = Math.min(from, size);
    const chunk = Buffer.allocUnsafe(4096);
    while (position > 0) {
      const length = Math.min(chunk.length, position);
      fs.readSync(fd, chunk, 0, length, position - length);
      const newline = chunk.subarray(0, length).lastIndexOf(NEWLINE);
      if (newline >= 0) return position - length + newline + 1;
      position -= length;
    }
    return 0;
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Makes the end of a file fit to be appended to; only under the session's lock. A torn rest is first copied whole to
 * `aside` and made durable there, then cut off; a whole last line without its newline gets one.
 */
export function mendTail(file: string, tail: Tail, aside: string): void {
  if (tail.torn) {
    const { offset, length } = tail.torn;
    const bytes = Buffer.alloc(length);
    const fd = fs.openSync(file, 'r+');
    try {
      readFully(fd, bytes, offset);
      const copy = fs.openSync(aside, 'wx', 0o600);
      try {
        writeAll(copy, bytes);
        fs.fsyncSync(copy);
      } catch (error) {
        // A copy that is not whole would only mislead; the torn bytes are still where they were.
        fs.rmSync(aside, { force: true });
        throw error;
      } finally {
        fs.closeSync(copy);
      }
      syncFolder(path.dirname(aside));
      fs.ftruncateSync(fd, offset);
      fs.fdatasyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  } else if (tail.unterminated) {
    const fd = fs.openSync(file, fs.constants.O_WRONLY | fs.constants.O_APPEND);
    try {
      writeAll(fd, Buffer.from('\n'));
      fs.fdatasyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** Line number (from 1) of a byte offset; reads the file up to it, so only for reports. */
export function lineNumber(file: string, offset: number): number {
  let number = 0;
  for (const line of readForward(file)) {
    number++;
    if (line.offset >= offset) break;
  }
  return number;
}
