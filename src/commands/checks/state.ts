/** Checks of what lies below `$CLAW_HOME`: modes, records, and what dead processes left. `fix` mends what it can. */
import fs from 'node:fs';
import path from 'node:path';
import type { SessionRecord } from '../../core/session/session.ts';
import type { Desk } from '../../runner/desk.ts';
import { temporaryFolders } from '../../runner/leftovers.ts';
import {
  findUnreadableRecords,
  findUnreadableSettings,
  repairRecord,
  repairSettings,
} from '../../runner/repair.ts';
import { listNames, sweepTemporaries } from '../../store/json-file.ts';
import { holderOf, tokenState } from '../../store/lock.ts';
import { listAgents } from '../../store/sessions.ts';
import { type Check, count, failure, fine, mended, warning } from './check.ts';

/** Clocks of two machines may differ by so much. */
const CLOCK_TOLERANCE = 5 * 60_000;

/** The folder itself. */
export function checkHome(desk: Desk): Check[] {
  const { home } = desk.layout;
  const stat = fs.statSync(home, { throwIfNoEntry: false });
  if (!stat) return [fine('home', 'there is no state yet; the first message makes it', home)];
  if (!stat.isDirectory())
    return [failure('home', 'it is not a folder', home, 'move it away, or set CLAW_HOME')];
  const { uid } = desk.context;
  if (uid !== undefined && uid !== 0 && stat.uid !== uid)
    return [failure('home', `it belongs to user ${stat.uid}, not to you`, home, `chown -R ${uid} ${home}`)];
  try {
    fs.accessSync(home, fs.constants.W_OK);
    return [];
  } catch {
    return [failure('home', 'it cannot be written to; no message is accepted', home, `chmod u+rwx ${home}`)];
  }
}

export function checkRecords(desk: Desk, fix: boolean): Check[] {
  const unreadable = findUnreadableRecords(desk);
  if (unreadable.length === 0) return [fine('records', 'every session record can be read')];
  return unreadable.map(record => {
    const { file, reason } = record;
    if (!fix) return failure('records', `cannot be read: ${reason}`, file, 'claw doctor --fix');
    const { movedTo, rebuilt } = repairRecord(desk, record);
    if (movedTo === null)
      return failure('records', 'its session is in use', file, 'claw doctor --fix, when the turn has ended');
    const outcome = rebuilt
      ? `${rebuilt} goes on with its transcript`
      : 'no transcript of it is open; the next message begins anew';
    return mended('records', `moved to ${path.basename(movedTo)}; ${outcome}`, file);
  });
}

export function checkSettings(desk: Desk, fix: boolean): Check[] {
  const unreadable = findUnreadableSettings(desk);
  if (unreadable.length === 0) return [fine('settings', 'the settings of every session can be read')];
  return unreadable.map(settings => {
    const { file, reason } = settings;
    if (!fix) return failure('settings', `cannot be read: ${reason}`, file, 'claw doctor --fix');
    const movedTo = path.basename(repairSettings(desk, settings).movedTo!);
    return mended('settings', `moved to ${movedTo}; the session goes on with those of its agent`, file);
  });
}

/** State is for its owner alone: an older umask or a copy may have left it readable by others. */
export function checkModes(desk: Desk, fix: boolean): Check[] {
  const { home } = desk.layout;
  const loose: string[] = [];
  if (!fs.statSync(home, { throwIfNoEntry: false })?.isDirectory()) return [];
  const names = ['.', ...(fs.readdirSync(home, { recursive: true }) as string[])];
  for (const name of names) {
    // What agents write is theirs; locks come and go, inside folders nobody else can enter.
    const [top, , third] = name.split(path.sep);
    if (top === 'locks' || (top === 'agents' && third === 'workspace')) continue;
    const file = path.join(home, name);
    const stat = fs.lstatSync(file, { throwIfNoEntry: false });
    if (!stat || stat.isSymbolicLink() || (stat.mode & 0o077) === 0) continue;
    loose.push(file);
    if (fix) fs.chmodSync(file, stat.isDirectory() ? 0o700 : 0o600);
  }
  if (loose.length === 0) return [fine('modes', 'files can be read by you alone', home)];
  const what = `${count(loose.length, 'file or folder', 'files and folders')} could be read by others`;
  return [
    fix
      ? mended('modes', `${what}; now by you alone`, loose[0]!)
      : failure('modes', what, loose[0]!, 'claw doctor --fix'),
  ];
}

/** What was moved aside and is kept for a person to look at. */
export function checkAside(desk: Desk): Check[] {
  const files = listAgents(desk.layout).flatMap(agentId =>
    [desk.layout.sessions(agentId), desk.layout.records(agentId)].flatMap(folder =>
      listNames(folder)
        .filter(name => /\.(torn|unreadable)-\d+$/.test(name))
        .map(name => path.join(folder, name)),
    ),
  );
  if (files.length === 0) return [];
  const what = `${count(files.length, 'broken piece')} of earlier accidents kept aside; delete what you do not need`;
  return [fine('aside', what, files[0]!)];
}

/** Temporaries whose writer is dead. A tick takes them away. */
export function checkTemporaries(desk: Desk, fix: boolean): Check[] {
  const { layout, context } = desk;
  const folders = temporaryFolders(layout);
  const isDead = (token: string) => tokenState(context, token) === 'dead';
  const stale = folders.flatMap(folder =>
    listNames(folder)
      .filter(name => name.startsWith('.tmp-') && isDead(name.slice(5)))
      .map(name => path.join(folder, name)),
  );
  if (stale.length === 0) return [fine('temporaries', 'no dead process left a half-written file')];
  const what = `${count(stale.length, 'half-written file')} of dead processes`;
  if (!fix) return [warning('temporaries', what, stale[0]!, 'claw tick (or claw doctor --fix)')];
  for (const folder of folders) sweepTemporaries(folder, isDead);
  return [mended('temporaries', `${what}: removed`, stale[0]!)];
}

/** Sessions whose owner is dead: the next message or tick takes them over, ending what he left running. */
export function checkLocks(desk: Desk): Check[] {
  const root = path.join(desk.layout.home, 'locks');
  const dead = listNames(root).flatMap(agentId => {
    const folder = path.join(root, agentId);
    if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
    return listNames(folder)
      .map(name => path.join(folder, name))
      .filter(place => {
        if (!fs.statSync(place, { throwIfNoEntry: false })?.isDirectory()) return false;
        const holder = holderOf(place);
        return holder !== null && tokenState(desk.context, holder) === 'dead';
      });
  });
  if (dead.length === 0) return [fine('locks', 'no session is held by a dead process')];
  return [warning('locks', `${count(dead.length, 'session')} held by dead processes`, dead[0]!, 'claw tick')];
}

/** Records from the future: the clock was ahead, or is behind now. Resets by time are then off. */
export function checkClock(desk: Desk, records: SessionRecord[]): Check[] {
  const now = desk.context.now();
  const ahead = records.filter(record => record.updatedAt - now > CLOCK_TOLERANCE);
  if (ahead.length === 0) return [fine('clock', 'no session is from the future')];
  const newest = ahead.reduce((a, b) => (a.updatedAt > b.updatedAt ? a : b));
  return [
    warning(
      'clock',
      `${count(ahead.length, 'session')} from the future, up to ${new Date(newest.updatedAt).toISOString()}; it is ${new Date(now).toISOString()} here`,
      newest.key,
      'set the clock (timedatectl set-ntp true)',
    ),
  ];
}
