/** Files of the OS timer: claw's templates in its package, and what stands in the folders of systemd and launchd. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { ClawError } from '../core/errors.ts';
import { readMarker, type TimerFacts } from '../core/timer/marker.ts';
import { makeFolder, prepareFile, syncFolder } from './json-file.ts';

/** SHA-256 of a text, hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** A file that install would write. */
export interface UnitFile {
  path: string;
  text: string;
}

export interface FoundUnit {
  path: string;
  /** ours: as install wrote it; edited: changed since; foreign: install never wrote it */
  state: 'missing' | 'ours' | 'edited' | 'foreign';
  text: string | null;
  /** of the marker; null where there is none */
  facts: TimerFacts | null;
  /** epoch ms; null when missing */
  modifiedAt: number | null;
}

/** Where a user's units are: `$XDG_CONFIG_HOME/systemd/user`, or below `~/.config`. */
export function systemdFolder(env: Record<string, string | undefined>, userHome: string): string {
  const config = env.XDG_CONFIG_HOME;
  // A relative one is to be ignored (XDG Base Directory Specification).
  const base = config && path.isAbsolute(config) ? config : path.join(userHome, '.config');
  return path.join(base, 'systemd', 'user');
}

/** @throws ClawError state-unreadable: an unreadable file is not a missing one */
export function findUnit(file: string): FoundUnit {
  try {
    const text = fs.readFileSync(file, 'utf8');
    const modifiedAt = fs.statSync(file).mtimeMs;
    return { path: file, text, modifiedAt, ...readMarker(text, sha256) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const dangling = fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink();
    if (code === 'ENOENT')
      return {
        path: file,
        state: dangling ? 'foreign' : 'missing',
        text: null,
        facts: null,
        modifiedAt: null,
      };
    throw new ClawError(
      'data',
      'state-unreadable',
      `${file} cannot be read: ${message}`,
      `look at it: ls -l ${file}`,
    );
  }
}

/** A template of the package, e.g. `systemd/claw-tick.service`. */
export function readTemplate(packageFolder: string, name: string): string {
  const file = path.join(packageFolder, name);
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new ClawError(
      'unavailable',
      'package-incomplete',
      `${file} cannot be read: ${(error as Error).message}`,
      'install claw again',
    );
  }
}

/**
 * Writes a unit durably, whole or not at all.
 *
 * @param token names the writer
 * @throws ClawError cannotCreate
 */
export function writeUnit({ path: file, text }: UnitFile, token: string): void {
  const folder = path.dirname(file);
  try {
    makeFolder(folder);
    const prepared = prepareFile(file, Buffer.from(text, 'utf8'), path.join(folder, `.tmp-${token}`));
    try {
      prepared.commit({ folder: true });
    } catch (error) {
      prepared.abandon();
      throw error;
    }
  } catch (error) {
    throw new ClawError(
      'cannotCreate',
      'cannot-create',
      `${file} cannot be written: ${(error as Error).message}`,
      `check the folder: ls -ld ${folder}`,
    );
  }
}

/**
 * Keeps what somebody else wrote under another name, which neither systemd nor launchd reads.
 *
 * @param now epoch ms
 * @returns the name: `<file>.bak-20261121T150550Z`
 */
export function setAside(file: string, now: number): string {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  let name = `${file}.bak-${stamp}`;
  for (let count = 2; fs.existsSync(name); count++) name = `${file}.bak-${stamp}-${count}`;
  fs.renameSync(file, name);
  return name;
}

/** Removes a unit; of its folder only what is left empty and is named after the unit (`….service.d`). */
export function removeUnit(file: string): void {
  const folder = path.dirname(file);
  fs.rmSync(file, { force: true });
  if (!fs.existsSync(folder)) return;
  if (folder.endsWith('.d') && fs.readdirSync(folder).length === 0) fs.rmdirSync(folder);
  else syncFolder(folder);
}

/** A folder with all links resolved; null when it is none. */
export function realFolder(folder: string): string | null {
  try {
    return fs.statSync(folder).isDirectory() ? fs.realpathSync(folder) : null;
  } catch {
    return null;
  }
}

/** A file with all links resolved; null when there is none. */
export function realFile(file: string): string | null {
  try {
    return fs.statSync(file).isFile() ? fs.realpathSync(file) : null;
  } catch {
    return null;
  }
}

/** Can this file be executed by this user? */
export function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
