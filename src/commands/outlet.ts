/** Where a long result goes piece by piece: stdout, or a file that is there whole or not at all. */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import { ClawError } from '../core/errors.ts';
import { WrittenFile } from '../store/written-files.ts';

const BUFFER = 64 * 1024;

/** Writes pieces; each is copied or written before the next is asked for. */
export class Outlet {
  private readonly buffer = Buffer.allocUnsafe(BUFFER);
  private filled = 0;
  private open = true;

  private constructor(private readonly target: WrittenFile | null) {}

  static stdout(): Outlet {
    return new Outlet(null);
  }

  /** @throws ClawError usage `output-own`; cannotCreate: `output-exists`, `output-failed` */
  static file(name: string, context: Context, force: boolean): Outlet {
    const file = path.resolve(name);
    if (isWithin(path.dirname(file), context.home))
      throw new ClawError(
        'usage',
        'output-own',
        `${file} lies in claw's own state`,
        'choose a file outside $CLAW_HOME',
      );
    try {
      return new Outlet(new WrittenFile(file, context.newId(), force));
    } catch (error) {
      throw notCreated(file, error);
    }
  }

  /**
   * Writes one piece.
   *
   * @returns false when nobody reads any more
   * @throws ClawError io `output-failed`: the disk is full, or worse
   */
  write(piece: string | Uint8Array): boolean {
    const bytes = typeof piece === 'string' ? Buffer.from(piece, 'utf8') : piece;
    if (this.filled + bytes.length > BUFFER) this.flush();
    if (bytes.length > BUFFER) this.put(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    else {
      this.buffer.set(bytes, this.filled);
      this.filled += bytes.length;
    }
    return this.open;
  }

  /** All pieces, then the end. Stops asking for more when nobody reads any more. A file is removed again on any error. */
  writeAll(pieces: Iterable<string | Uint8Array>): void {
    try {
      for (const piece of pieces) if (!this.write(piece)) break;
      this.flush();
    } catch (error) {
      this.target?.abandon();
      throw error;
    }
    if (this.target === null) return;
    try {
      this.target.commit();
    } catch (error) {
      this.target.abandon();
      throw notCreated(this.target.file, error);
    }
  }

  private flush(): void {
    const { filled } = this;
    this.filled = 0;
    if (filled > 0) this.put(this.buffer.subarray(0, filled));
  }

  private put(bytes: Buffer): void {
    if (!this.open) return;
    try {
      if (this.target === null) this.open = toStdout(bytes);
      else this.target.write(bytes);
    } catch (error) {
      const where = this.target?.file ?? 'stdout';
      throw new ClawError(
        'io',
        'output-failed',
        `${where}: ${(error as Error).message}`,
        'look for room on the disk, then try again',
        { cause: error },
      );
    }
  }
}

/** Whether a folder is another one or lies in it, wherever links lead. */
function isWithin(folder: string, other: string): boolean {
  try {
    const [inner, outer] = [fs.realpathSync(folder), fs.realpathSync(other)];
    return inner === outer || inner.startsWith(outer + path.sep);
  } catch {
    // One of them is not there.
    return false;
  }
}

/** False when the reader is gone. A full pipe is waited for. */
function toStdout(bytes: Buffer): boolean {
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += fs.writeSync(1, bytes, offset);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE' || code === 'ECONNRESET') return false;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
  return true;
}

function notCreated(file: string, error: unknown): ClawError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST')
    return new ClawError(
      'cannotCreate',
      'output-exists',
      `${file} is there already`,
      'add --force to replace it',
    );
  return new ClawError('cannotCreate', 'output-failed', `${file}: ${message}`, 'choose another --output', {
    cause: error,
  });
}
