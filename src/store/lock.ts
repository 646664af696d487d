/**
 * The lock of one session, a folder that holds at most one folder named by its owner's token:
 *
 *     L/            absent or empty = free
 *     L/<token>/    held; inside: owner.json, and c-<pid>-<start> for each running agent
 *
 * Every step is one atomic system call. Taking renames a prepared folder onto L (refused while L is not empty);
 * taking over a dead owner renames its unique token to ours, so exactly one contender wins; releasing removes only
 * our own token. A late child of the old owner registers itself inside the old token's folder and fails, because
 * that path is gone. Source: the directory lock of git-like lockfiles, with the owner's identity in the name.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import { formatToken, judgeOwner, type OwnerState, parseToken } from '../core/lease.ts';
import { listNames, makeFolder, readJson } from './json-file.ts';

/** After so long without a heartbeat an owner that cannot be judged (other host or container) is given up, in ms. */
const UNKNOWN_OWNER_PATIENCE = 10 * 60_000;

export interface Lock {
  /** the token's folder; anything that must not happen after the lock is lost goes through a path inside it */
  folder: string;
  token: string;
  /** token of the dead owner this lock was taken from */
  takenFrom: string | null;
  held(): boolean;
  release(): void;
}

/** A fresh token of this process. */
export function newToken(context: Context): string {
  return formatToken(context.self, context.newId().slice(-12));
}

/** Whether the process a token names still lives. A name that is no token is unknown. */
export function tokenState(context: Context, token: string): OwnerState {
  const owner = parseToken(token);
  return owner ? judgeOwner(owner, context.self, pid => context.startTimeOf(pid)) : 'unknown';
}

/**
 * Takes the lock if it is free or its owner is dead; null when somebody living (or unknown) holds it.
 *
 * @param lockFolder L
 * @param sessionKey written into owner.json, for people
 */
export function tryLock(context: Context, lockFolder: string, sessionKey: string): Lock | null {
  const token = newToken(context);
  const held = holders(lockFolder);
  if (held.length > 0) {
    for (const name of held) {
      if (!mayTakeOver(context, path.join(lockFolder, name), name)) continue;
      try {
        fs.renameSync(path.join(lockFolder, name), path.join(lockFolder, token));
        return hold(context, lockFolder, token, name, sessionKey);
      } catch (error) {
        // ENOENT: another contender won this very token.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    return null;
  }
  // A stray file holds nothing, but would keep the folder from being replaced. A folder stays: a later claw may name its
  // tokens in another way.
  for (const name of listNames(lockFolder)) {
    const stray = path.join(lockFolder, name);
    if (!fs.statSync(stray, { throwIfNoEntry: false })?.isDirectory()) fs.rmSync(stray, { force: true });
  }
  const parent = path.dirname(lockFolder);
  makeFolder(parent);
  const attempt = path.join(parent, `.try-${token}`);
  fs.mkdirSync(attempt, { mode: 0o700 });
  fs.mkdirSync(path.join(attempt, token), { mode: 0o700 });
  try {
    fs.renameSync(attempt, lockFolder);
  } catch (error) {
    fs.rmSync(attempt, { recursive: true, force: true });
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return null;
    throw error;
  }
  return hold(context, lockFolder, token, null, sessionKey);
}

/** Ages are read on the file system's own clock, so a wrong clock here cannot make a living owner look old. */
function mayTakeOver(context: Context, folder: string, token: string): boolean {
  const state = tokenState(context, token);
  if (state !== 'unknown') return state === 'dead';
  const probe = path.join(path.dirname(path.dirname(folder)), `.try-${newToken(context)}`);
  try {
    const heartbeat = fs.statSync(folder).mtimeMs;
    fs.mkdirSync(probe, { mode: 0o700 });
    return fs.statSync(probe).mtimeMs - heartbeat > UNKNOWN_OWNER_PATIENCE;
  } catch {
    // Gone meanwhile, or nothing can be written here: not ours to take.
    return false;
  } finally {
    fs.rmSync(probe, { recursive: true, force: true });
  }
}

function hold(
  context: Context,
  lockFolder: string,
  token: string,
  takenFrom: string | null,
  sessionKey: string,
): Lock {
  const folder = path.join(lockFolder, token);
  const { pid, startTime } = context.self;
  const owner = { sessionKey, pid, startTime, hostname: context.hostname, token, since: context.now() };
  try {
    fs.writeFileSync(
      path.join(folder, 'owner.json'),
      `${JSON.stringify(owner)}
`,
      { mode: 0o600 },
    );
  } catch {
    // It informs people; the lock is the folder's name. A full disk must not decide who holds a session.
  }
  return {
    folder,
    token,
    takenFrom,
    held: () => fs.existsSync(folder),
    release: () => {
      try {
        fs.rmSync(folder, { recursive: true, force: true });
        fs.rmdirSync(lockFolder);
      } catch {
        // The next one has it already, or the disk is in trouble. A lock that stays ends with its owner: this process.
      }
    },
  };
}

/** Shows that the owner of a lock still works, for who cannot judge it by its process. Nothing depends on one beat. */
export function renewLock({ folder }: Lock): void {
  const file = path.join(folder, `heartbeat-${process.pid}`);
  try {
    fs.writeFileSync(file, '', { mode: 0o600 });
    fs.rmSync(file, { force: true });
  } catch {
    // The lock is lost, or the disk is in trouble: the next step that matters will say so.
  }
}

/** Names in a lock that are tokens; what else somebody left there holds nothing. */
function holders(lockFolder: string): string[] {
  return listNames(lockFolder).filter(name => parseToken(name) !== null);
}

/** Token of the present holder, or null. Reads only. */
export function holderOf(lockFolder: string): string | null {
  return holders(lockFolder)[0] ?? null;
}

/** Who holds a lock, as far as its record says; the record informs, the holder is the token. */
export interface LockHolder {
  token: string;
  state: OwnerState;
  pid: number | null;
  hostname: string | null;
  /** epoch ms */
  since: number | null;
}

/** The present holder with what its owner record tells of it; null when the lock is free. Reads only. */
export function describeHolder(context: Context, lockFolder: string): LockHolder | null {
  const token = holderOf(lockFolder);
  if (token === null) return null;
  const read = readJson(path.join(lockFolder, token, 'owner.json'));
  // A lock that was taken over carries the record of the new owner, unless the disk was full.
  const owner = (read.state === 'ok' ? (read.value ?? {}) : {}) as Record<string, unknown>;
  return {
    token,
    state: tokenState(context, token),
    pid: parseToken(token)?.pid ?? null,
    hostname: typeof owner.hostname === 'string' ? owner.hostname : null,
    since: typeof owner.since === 'number' ? owner.since : null,
  };
}

/**
 * Removes what dead contenders left beside the locks in a folder: prepared folders, and empty locks.
 *
 * @returns locks whose owner is dead, to be taken and released by who can end what that owner left running
 */
export function sweepLocks(context: Context, folder: string): string[] {
  const dead: string[] = [];
  for (const name of listNames(folder)) {
    const place = path.join(folder, name);
    if (name.startsWith('.try-')) {
      if (tokenState(context, name.slice(5)) === 'dead') fs.rmSync(place, { recursive: true, force: true });
      continue;
    }
    if (!fs.statSync(place, { throwIfNoEntry: false })?.isDirectory()) continue;
    const holder = holderOf(place);
    if (holder !== null && tokenState(context, holder) === 'dead') dead.push(place);
    else if (holder === null) removeEmpty(place);
  }
  return dead;
}

function removeEmpty(folder: string): void {
  try {
    fs.rmdirSync(folder);
  } catch {
    // Taken meanwhile: only an empty folder can be removed this way.
  }
}
