/**
 * Small files that hold one JSON document, replaced whole. The order is the promise: unique temporary, every byte
 * written, fsync, rename, fsync of the folder. (write-file-atomic resolves after a short write and does not sync the
 * folder, so state does not go through it.)
 */
import fs from 'node:fs';
import path from 'node:path';

export type Read<T> =
  | { state: 'ok'; value: T }
  | { state: 'missing' }
  | { state: 'unreadable'; file: string; reason: string };

/** The document in a file. Unreadable is not empty: a broken file is reported, never taken for a missing one. */
export function readJson(file: string): Read<unknown> {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return { state: 'missing' };
    return { state: 'unreadable', file, reason: (error as Error).message };
  }
  if (text.length === 0) return { state: 'unreadable', file, reason: 'the file is empty (0 bytes)' };
  try {
    // Some editors begin a file with a byte order mark.
    return { state: 'ok', value: JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text) };
  } catch (error) {
    return { state: 'unreadable', file, reason: `not JSON: ${(error as Error).message}` };
  }
}

/**
 * The same for many small files one after the other: read into one buffer, each costs a third less.
 *
 * @param scratch what stands in it is overwritten
 */
export function readJsonInto(scratch: Buffer, file: string): Read<unknown> {
  try {
    const fd = fs.openSync(file, 'r');
    try {
      const length = fs.readSync(fd, scratch, 0, scratch.length, null);
      if (length < scratch.length)
        return { state: 'ok', value: JSON.parse(scratch.toString('utf8', 0, length)) };
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    // Missing, broken, or not read to its end at once: the way that takes its time tells which.
  }
  return readJson(file);
}

/** Writes all of `bytes`; a short write (disk nearly full, file size limit) is continued until it ends or throws. */
export function writeAll(fd: number, bytes: Buffer): void {
  let offset = 0;
  while (offset < bytes.length) offset += fs.writeSync(fd, bytes, offset, bytes.length - offset);
}

/**
 * Takes back what a failed step may have left. Where that fails too, nobody can say what stands on the disk; the error is
 * marked, so that nobody is told it does not.
 */
export function undo(error: unknown, step: () => void): void {
  try {
    step();
  } catch {
    if (typeof error === 'object' && error !== null) (error as { inDoubt?: boolean }).inDoubt = true;
  }
}

/** Makes the names in a folder durable. */
export function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** A folder (0700) and its parents; each new name is made durable in its parent. */
export function makeFolder(folder: string): void {
  if (fs.existsSync(folder)) return;
  makeFolder(path.dirname(folder));
  try {
    fs.mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  syncFolder(path.dirname(folder));
}

/** A file whose content is durable under a temporary name, so that giving it its real name needs no room. */
export interface Prepared {
  /** Renames it into place; `folder: true` makes the new name durable. */
  commit(options: { folder: boolean }): void;
  /** Removes the temporary. */
  abandon(): void;
}

/**
 * Writes the content of a file under a temporary name and makes it durable. On any error the temporary is removed.
 *
 * @param temporary a path on the same file system, its last part `.tmp-<token>` naming the writer, so that what a dead
 *   one leaves can be swept
 */
export function prepareFile(file: string, bytes: Buffer, temporary: string): Prepared {
  const abandon = () => fs.rmSync(temporary, { force: true });
  const fd = fs.openSync(temporary, 'wx', 0o600);
  try {
    try {
      writeAll(fd, bytes);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    abandon();
    throw error;
  }
  return {
    abandon,
    commit: ({ folder }) => {
      fs.renameSync(temporary, file);
      if (folder) syncFolder(path.dirname(file));
    },
  };
}

/** The bytes of a JSON document in a file. */
export function jsonBytes(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`, 'utf8');
}

/**
 * Replaces a file by one JSON document. When it returns, the content is durable; with `folder: true` the name is too.
 * On any error the temporary is removed and the old file stands.
 *
 * @param token names the writer
 */
export function putJson(file: string, value: unknown, token: string, options: { folder: boolean }): void {
  const prepared = prepareFile(file, jsonBytes(value), path.join(path.dirname(file), `.tmp-${token}`));
  try {
    prepared.commit(options);
  } catch (error) {
    prepared.abandon();
    throw error;
  }
}

/** Removes temporaries of dead writers. `isDead` gets the token behind `.tmp-`. */
export function sweepTemporaries(folder: string, isDead: (token: string) => boolean): void {
  for (const name of listNames(folder)) {
    if (name.startsWith('.tmp-') && isDead(name.slice(5)))
      fs.rmSync(path.join(folder, name), { force: true });
  }
}

/** Names in a folder; none when it does not exist. */
export function listNames(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
