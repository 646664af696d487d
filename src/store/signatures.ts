/**
 * By what a file is known to be unchanged: its stat data. One that changed just before it was looked at may change again
 * with the same data. Source: git's index and its racy entries (git, Documentation/technical/racy-git.txt); two seconds are
 * the coarsest time stamp in use (FAT).
 */
import type fs from 'node:fs';

const RACY = 2000;

/** With ctime, which nobody can set back: an older file copied over with its times is a change too. */
export function signatureOf({ dev, ino, size, mtimeNs, ctimeNs }: fs.BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/** When the file was last changed in any way, epoch ms. */
export function changedAt({ mtimeMs, ctimeMs }: fs.BigIntStats): number {
  return Math.max(Number(mtimeMs), Number(ctimeMs));
}

/** Whether a file that was last changed at one time and looked at at another (epoch ms) may change without being noticed. */
export function isRacy(changed: number, lookedAt: number): boolean {
  return changed > lookedAt - RACY;
}
