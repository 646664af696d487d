/** Printing: stdout carries results and nothing else, stderr the talk. */
import fs from 'node:fs';

/**
 * Writes all of a text to stdout at once. A full pipe is waited for; a closed one is no error of ours.
 *
 * @returns false when nobody reads any more
 */
export function printOut(text: string): boolean {
  return writeTo(1, text);
}

/** Writes to stderr. */
export function printError(text: string): void {
  writeTo(2, text);
}

function writeTo(fd: number, text: string): boolean {
  const bytes = Buffer.from(text, 'utf8');
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += fs.writeSync(fd, bytes, offset);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAGAIN') return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
  return true;
}

/** One JSON document, indented for a terminal, compact for a pipe. */
export function printJson(value: unknown): boolean {
  return printOut(`${JSON.stringify(value, null, fs.fstatSync(1).isCharacterDevice() ? 2 : 0)}\n`);
}
