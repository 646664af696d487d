/**
 * What a tick that found nothing to do leaves for the next one: until when nothing can be due, and by what to see that
 * nothing has changed. The next tick then reads this one file, not the config and all that could wait. It is a cache: not
 * synced, and harmless to remove.
 *
 * A file or folder is known by its stat data (`signatures.ts`). Where one changed just before it was looked at, nothing is
 * noted.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context, Place } from '../context.ts';
import { listNames, sweepTemporaries } from './json-file.ts';
import { Layout } from './layout.ts';
import { newToken, tokenState } from './lock.ts';
import { changedAt, isRacy, signatureOf } from './signatures.ts';

declare const CLAW_BUILD: string | undefined;

const DAY = 24 * 3_600_000;
const ZONE_LINK = '/etc/localtime';

/** How everything stood that a tick looks at, taken before it looked. */
export interface Sighting {
  /** epoch ms */
  at: number;
  host: string;
  /** path → stat data, or `missing` */
  signatures: Record<string, string>;
  /** nothing waits, nobody holds a lock, and nothing changed so recently that a further change might not show */
  isCalm: boolean;
}

interface Note extends Omit<Sighting, 'isCalm'> {
  place: string;
  nextDueAt: number | null;
  report: unknown;
}

/**
 * How things stand now. To be asked before the config and anything else is read, so that a change in between shows.
 *
 * @param more further paths whose change may mean work
 */
export function lookAround(place: Place, more: readonly string[] = []): Sighting {
  const { configFile, home } = place;
  const layout = new Layout(home);
  const sighting: Sighting = { at: place.now(), host: '', signatures: {}, isCalm: true };
  const look = (file: string) => {
    const { signature, changed } = statOf(file);
    sighting.signatures[file] = signature;
    if (isRacy(changed, sighting.at)) sighting.isCalm = false;
    return signature !== MISSING;
  };
  /** Its folders, the names in them; each looked at before it is listed. */
  const lookInto = (root: string, isLeft: (folder: string, name: string) => boolean) => {
    if (!look(root)) return;
    for (const each of listNames(root)) {
      const folder = path.join(root, each);
      if (!look(folder) || !fs.statSync(folder).isDirectory()) continue;
      if (listNames(folder).some(name => isLeft(folder, name))) sighting.isCalm = false;
    }
  };
  try {
    sighting.host = hostOf(place);
    for (const file of [configFile, layout.jobs(), layout.outbox(), ...more]) look(file);
    if (look(layout.claims()) && listNames(layout.claims()).some(name => !name.startsWith('.')))
      sighting.isCalm = false;
    // Where an owner dies no file changes, so whatever somebody has in hand has to be looked at again.
    lookInto(layout.pendingRoot(), (_, name) => !name.endsWith('.failed'));
    lookInto(layout.locksRoot(), (folder, name) => !isEmptyFolder(path.join(folder, name)));
  } catch {
    // What cannot be looked at may change unseen; the tick itself says what is wrong with it.
    sighting.isCalm = false;
  }
  return sighting;
}

/**
 * Notes that nothing is to be done, for `readIdleNote`. Nothing is noted where something is in hand, was changed just
 * before it was looked at, or is due by now; failure is no error.
 *
 * @param seen what `lookAround` saw before the facts were read
 * @param nextDueAt the first instant at which anything may be due, epoch ms; null: none is known
 * @param report the document of a tick that finds nothing new
 */
export function noteIdle(
  context: Context,
  { isCalm, ...seen }: Sighting,
  nextDueAt: number | null,
  report: unknown,
): void {
  if (!isCalm || (nextDueAt !== null && !(nextDueAt > context.now()))) return;
  const note: Note = { place: nameOf(context), ...seen, nextDueAt, report };
  const layout = new Layout(context.home);
  const draft = path.join(layout.cache(), `.tmp-${newToken(context)}`);
  try {
    if (!fs.existsSync(layout.cache())) fs.mkdirSync(layout.cache(), { mode: 0o700 });
    sweepTemporaries(layout.cache(), token => tokenState(context, token) === 'dead');
    fs.writeFileSync(draft, JSON.stringify(note), { mode: 0o600, flag: 'wx' });
    fs.renameSync(draft, layout.idleNote());
  } catch {
    // Without a note the next tick looks at everything.
    removeQuietly(draft);
  }
}

/** A temporary that cannot be removed now is swept when its writer is dead. */
function removeQuietly(file: string): void {
  try {
    fs.rmSync(file, { force: true });
  } catch {
    // As above.
  }
}

/**
 * Whether there still is nothing to do, by what the tick before noted. Where anything differs, cannot be read or cannot
 * be told, there may be. The first tick of a day (UTC) always has its daily chores.
 *
 * @returns the document to report; null where a whole tick has to look
 */
export function readIdleNote(place: Place): { report: unknown } | null {
  try {
    const layout = new Layout(place.home);
    const note = JSON.parse(fs.readFileSync(layout.idleNote(), 'utf8')) as Note;
    const now = place.now();
    if (note.place !== nameOf(place) || note.host !== hostOf(place)) return null;
    if (!(note.at <= now && (note.nextDueAt === null || now < note.nextDueAt))) return null;
    const last = fs.statSync(layout.tickStamp()).mtimeMs;
    if (!(last <= now && Math.floor(last / DAY) === Math.floor(now / DAY))) return null;
    for (const [file, signature] of Object.entries(note.signatures)) {
      if (statOf(file).signature !== signature) return null;
    }
    return { report: note.report };
  } catch {
    return null;
  }
}

/** Which state this is: a copied note must not speak for another home, nor for another config. */
function nameOf({ home, configFile, configExplicit }: Place): string {
  return JSON.stringify([home, configFile, configExplicit]);
}

/** What the instants of schedules depend on beside the files of claw: the program and its tables, the zone in force. */
function hostOf({ env }: Place): string {
  const { node, icu, tz } = process.versions;
  // Run from its sources it has no build to name.
  const build = typeof CLAW_BUILD === 'undefined' ? null : CLAW_BUILD;
  let zone: string | null = null;
  const link = fs.lstatSync(ZONE_LINK, { throwIfNoEntry: false, bigint: true });
  if (link) zone = link.isSymbolicLink() ? fs.readlinkSync(ZONE_LINK) : signatureOf(link);
  return JSON.stringify([build, node, icu, tz, env.TZ ?? null, zone]);
}

const MISSING = 'missing';

/** Stat data of what a path leads to, and when that last changed, epoch ms. @throws where it cannot be told */
function statOf(file: string): { signature: string; changed: number } {
  const stat = fs.statSync(file, { throwIfNoEntry: false, bigint: true });
  if (!stat) return { signature: MISSING, changed: Number.NEGATIVE_INFINITY };
  return { signature: signatureOf(stat), changed: changedAt(stat) };
}

function isEmptyFolder(folder: string): boolean {
  try {
    return fs.readdirSync(folder).length === 0;
  } catch (error) {
    // A stray file holds nothing; what has gone meanwhile neither.
    return ['ENOTDIR', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}
