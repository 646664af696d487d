/**
 * Goes along with files that only grow: gives their new whole lines as they are appended. The system tells of changes where
 * it can (`fs.watch`); looking twice a second catches what it does not tell (network file systems, a file put in place of
 * another, too many watches).
 */
import fs from 'node:fs';
import { readForward } from '../store/jsonl-file.ts';

const LOOK_EVERY = 500;

export interface FollowOptions {
  file: string;
  /** read from this byte on */
  from: number;
  /** the file that `from` was measured in; another one that stands there by then is read from its beginning */
  inode?: number | undefined;
  /**
   * One whole line. Gives another file to go on with, from its beginning; `stop` ends; nothing: go on.
   */
  onLine(bytes: Buffer): { file: string } | 'stop' | undefined;
  signal: AbortSignal;
}

/** Resolves when the signal is aborted or `onLine` says stop. A file that is not there yet, or no more, is waited for. */
export function follow({ file: first, from, inode: known, onLine, signal }: FollowOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    let file = first;
    let position = from;
    let inode: number | null = known ?? null;
    let watched: number | null = null;
    let watcher: fs.FSWatcher | null = null;
    const timer = setInterval(look, LOOK_EVERY);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    else look();

    function end(): void {
      clearInterval(timer);
      watcher?.close();
      watcher = null;
      resolve();
    }

    function look(): void {
      try {
        while (readNew());
      } catch (error) {
        clearInterval(timer);
        watcher?.close();
        reject(error);
      }
    }

    /** @returns whether to look again at once: it goes on in another file */
    function readNew(): boolean {
      const stat = fs.statSync(file, { throwIfNoEntry: false });
      if (!stat) return false;
      if (stat.ino !== inode) {
        // Another file stands there now (the log was rotated): it is read from its beginning.
        if (inode !== null) position = 0;
        inode = stat.ino;
      }
      if (watched !== inode) watch(inode);
      // Cut by hand, or a torn tail was moved away: what follows is new.
      if (stat.size < position) position = stat.size;
      if (stat.size === position) return false;
      for (const line of readForward(file, position)) {
        if (!line.terminated) break;
        position = line.offset + line.bytes.length + 1;
        const next = onLine(line.bytes);
        if (next === 'stop') {
          end();
          return false;
        }
        if (next) {
          file = next.file;
          position = 0;
          inode = null;
          return true;
        }
      }
      return false;
    }

    function watch(ino: number): void {
      watched = ino;
      watcher?.close();
      try {
        watcher = fs.watch(file, look);
        watcher.on('error', () => watcher?.close());
      } catch {
        watcher = null;
      }
    }
  });
}
