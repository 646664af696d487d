/**
 * Transcripts as streams of lines, for commands that go through a whole one: one buffer is used again and again, and
 * lines are counted on the way, so that memory stays flat and a bad line can be named.
 */
import fs from 'node:fs';
import type { Entry } from '../core/session/transcript.ts';
import { parseLine } from './jsonl-file.ts';

const CHUNK = 256 * 1024;
const NEWLINE = 10;
/** Buffers that no stream uses now: a search opens thousands of files, one after the other. */
const free: Buffer[] = [];
/** A longer line is none that claw wrote; of it only the beginning is kept. */
const LONGEST_LINE = 64 * 1024 * 1024;
const KEPT_OF_LONGER = 64 * 1024;

/** One line. `bytes` are only good until the next line is asked for. */
export interface StreamedLine {
  /** from 1 */
  number: number;
  /** of its first byte */
  offset: number;
  /** behind it, its newline included */
  end: number;
  bytes: Buffer;
  terminated: boolean;
  /** the entry, or why there is none */
  entry: Entry | string;
}

export interface StreamOptions {
  /** a line's start; default 0 */
  from?: number;
  /** number of the line there; default 1 */
  number?: number;
  /** where to stop; default: the size now, so that what is appended meanwhile is left out */
  to?: number;
}

/** The lines of a transcript, oldest first. An unfinished last line that somebody is just writing is left out. */
export function* streamEntries(file: string, options: StreamOptions = {}): Generator<StreamedLine> {
  const fd = fs.openSync(file, 'r');
  const chunk = free.pop() ?? Buffer.allocUnsafeSlow(CHUNK);
  try {
    const to = options.to ?? fs.fstatSync(fd).size;
    let number = options.number ?? 1;
    let position = options.from ?? 0;
    let begun = position;
    let parts: Buffer[] = [];
    let kept = 0;

    const line = (last: Buffer, end: number, terminated: boolean): StreamedLine => {
      const length = end - begun - (terminated ? 1 : 0);
      const bytes = parts.length === 0 ? last : Buffer.concat([...parts, last]);
      const entry =
        length > LONGEST_LINE ? `a line of ${length} bytes, too long for an entry` : parseLine(bytes);
      const found = { number: number++, offset: begun, end, bytes, terminated, entry };
      parts = [];
      kept = 0;
      begun = end;
      return found;
    };

    while (position < to) {
      const read = fs.readSync(fd, chunk, 0, Math.min(CHUNK, to - position), position);
      if (read === 0) break;
      let start = 0;
      for (let stop = nextNewline(chunk, 0, read); stop >= 0; stop = nextNewline(chunk, start, read)) {
        yield line(chunk.subarray(start, stop), position + stop + 1, true);
        start = stop + 1;
      }
      if (start < read) {
        if (kept <= LONGEST_LINE) parts.push(Buffer.from(chunk.subarray(start, read)));
        else if (parts.length > 1)
          parts = [Buffer.concat(parts).subarray(0, KEPT_OF_LONGER)].map(each => Buffer.from(each));
        kept += read - start;
      }
      position += read;
    }
    if (begun < position) {
      const rest = line(Buffer.alloc(0), position, false);
      const isBeingWritten = typeof rest.entry === 'string' && fs.fstatSync(fd).size > position;
      if (!isBeingWritten) yield rest;
    }
  } finally {
    free.push(chunk);
    fs.closeSync(fd);
  }
}

/** The session key that the first line of a transcript names; null when it names none. */
export function transcriptKey(file: string): string | null {
  for (const { entry } of streamEntries(file)) {
    if (typeof entry === 'string' || entry.type !== 'session') return null;
    const key = (entry as { sessionKey?: unknown }).sessionKey;
    return typeof key === 'string' ? key : null;
  }
  return null;
}

function nextNewline(chunk: Buffer, from: number, to: number): number {
  const found = chunk.indexOf(NEWLINE, from);
  return found < to ? found : -1;
}
