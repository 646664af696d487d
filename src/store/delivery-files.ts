/** Files that replies are written to, one line of JSON each: the sender for whoever reads files. */
import fs from 'node:fs';
import path from 'node:path';
import { syncFolder } from './json-file.ts';

/**
 * Appends a document as one line with one write, and makes it durable. A file that ends in the middle of a line (a full
 * disk) gets a line end first, so that only the torn line is lost to a reader, who meets its delivery again.
 *
 * @param file absolute; its folder must exist. Made with mode 0600
 * @throws Error of the file system, or that it is no regular file
 */
export function appendDelivery(file: string, document: object): void {
  const isNew = !fs.existsSync(file);
  const { O_APPEND, O_CREAT, O_RDWR, O_NONBLOCK } = fs.constants;
  const fd = fs.openSync(file, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK, 0o600);
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw new Error(`${file} is not a regular file`);
    const last = Buffer.alloc(1);
    const isTorn = stat.size > 0 && fs.readSync(fd, last, 0, 1, stat.size - 1) === 1 && last[0] !== 0x0a;
    const line = Buffer.from(`${isTorn ? '\n' : ''}${JSON.stringify(document)}\n`, 'utf8');
    const written = fs.writeSync(fd, line);
    if (written < line.length)
      throw new Error(`${file}: only ${written} of ${line.length} bytes were written`);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  if (isNew) syncFolder(path.dirname(file));
}
