/** A file that a person asked for by name: written piece by piece, there whole or not at all. */
import fs from 'node:fs';
import path from 'node:path';
import { syncFolder, writeAll } from './json-file.ts';

/** A file under a temporary name beside its place, 0600, until it is complete. */
export class WrittenFile {
  private readonly temporary: string;
  private readonly fd: number;

  /**
   * @param token names the writer
   * @throws system errors; `EEXIST` when the file is there and may not be replaced
   */
  constructor(
    readonly file: string,
    token: string,
    private readonly replace: boolean,
  ) {
    const there = fs.lstatSync(file, { throwIfNoEntry: false });
    if (there && !replace) throw exists(file);
    if (there?.isDirectory()) throw Object.assign(new Error(`${file} is a folder`), { code: 'EISDIR' });
    // Replacing /dev/null, or a link to a device, would take it from everybody.
    const target = fs.statSync(file, { throwIfNoEntry: false });
    if (target && !target.isFile())
      throw Object.assign(new Error(`${file} is a pipe or a device`), { code: 'ENOTSUP' });
    this.temporary = path.join(path.dirname(file), `.tmp-${token}`);
    this.fd = fs.openSync(this.temporary, 'wx', 0o600);
  }

  write(bytes: Buffer): void {
    writeAll(this.fd, bytes);
  }

  /** Gives the file its name, durably. Of several writers of one name without leave to replace, one succeeds. */
  commit(): void {
    fs.fsyncSync(this.fd);
    fs.closeSync(this.fd);
    if (this.replace) fs.renameSync(this.temporary, this.file);
    else {
      try {
        fs.linkSync(this.temporary, this.file);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // A file system without links (FAT, some mounts): looking first is all that can be done.
        if (code === 'EEXIST' || fs.existsSync(this.file)) throw exists(this.file);
        fs.renameSync(this.temporary, this.file);
      }
      fs.rmSync(this.temporary, { force: true });
    }
    syncFolder(path.dirname(this.file));
  }

  /** Removes what was written so far; nothing else has changed. */
  abandon(): void {
    try {
      fs.closeSync(this.fd);
    } catch {
      // It is closed when only giving it its name failed.
    }
    fs.rmSync(this.temporary, { force: true });
  }
}

function exists(file: string): Error {
  return Object.assign(new Error(`${file} exists`), { code: 'EEXIST' });
}
