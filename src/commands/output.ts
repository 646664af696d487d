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

/**
 * Writes to stderr. Names and pieces of broken lines stand in errors: no escape sequence and no change of direction
 * (CVE-2021-42574) reaches the terminal.
 */
export function printError(text: string): void {
  writeTo(
    2,
    text.replace(
      /(?!^)\r|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
      ' ',
    ),
  );
}

function writeTo(fd: number, text: string): boolean {
  return writeBytes(fd, Buffer.from(text, 'utf8'));
}

function writeBytes(fd: number, bytes: Buffer): boolean {
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

/** The same for a document that is compact JSON already. */
export function printJsonText(text: string): boolean {
  return fs.fstatSync(1).isCharacterDevice() ? printJson(JSON.parse(text)) : printOut(`${text}\n`);
}

/** Rows that are put into one piece of text; a listing of 100,000 is never held as one string. */
const ROWS_AT_ONCE = 200;

/**
 * One JSON document that ends in a list, written piece by piece.
 *
 * @param head the fields before the list
 */
export function printJsonRows(head: object, name: string, rows: object[]): boolean {
  if (rows.length <= ROWS_AT_ONCE || fs.fstatSync(1).isCharacterDevice())
    return printJson({ ...head, [name]: rows });
  // One buffer for all pieces: a fresh one each would be 60 MB of garbage that nobody collects in time.
  const scratch = Buffer.allocUnsafeSlow(512 * 1024);
  const print = (text: string) =>
    3 * text.length > scratch.length
      ? printOut(text)
      : writeBytes(1, scratch.subarray(0, scratch.write(text, 'utf8')));
  if (!print(JSON.stringify({ ...head, [name]: [] }).slice(0, -2))) return false;
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
    const piece = JSON.stringify(rows.slice(from, from + ROWS_AT_ONCE)).slice(1, -1);
    if (!print(from === 0 ? piece : `,${piece}`)) return false;
  }
  return print(']}\n');
}
