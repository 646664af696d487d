/**
 * Mends what only a person may ask for: a session record that cannot be read. It is moved aside, never deleted, and a
 * new one is made from the newest transcript of the same key; where there is none, the next message begins anew.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { SessionRecord } from '../core/session/session.ts';
import {
  type HeaderEntry,
  isResetEntry,
  isResumedEntry,
  type ResetEntry,
} from '../core/session/transcript.ts';
import { listNames } from '../store/json-file.ts';
import { parseLine, readForward } from '../store/jsonl-file.ts';
import { encodeKey, restOfKey } from '../store/layout.ts';
import { newToken, tryLock } from '../store/lock.ts';
import { listAgents, listRecords, saveRecord } from '../store/sessions.ts';
import { listUnreadableSettings, loadSettings } from '../store/settings.ts';
import { headerOf } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';
import { blankRecord, rebuildRecord, resumedEntry, resumeTranscript } from './rebuild.ts';

export interface UnreadableRecord {
  agentId: string;
  file: string;
  reason: string;
}

export interface Repair {
  file: string;
  /** where the unreadable file is now; null when the session is in use, so that nothing was touched */
  movedTo: string | null;
  /** session key of the record that was made anew; null when no transcript of that key was found */
  rebuilt: string | null;
}

/** Records that cannot be read, of all agents. */
export function findUnreadableRecords(desk: Desk): UnreadableRecord[] {
  return listAgents(desk.layout).flatMap(agentId =>
    listRecords(desk.layout, agentId).problems.map(({ file, reason }) => ({ agentId, file, reason })),
  );
}

/** Settings files that cannot be read, of all agents. */
export function findUnreadableSettings(desk: Desk): UnreadableRecord[] {
  return listAgents(desk.layout).flatMap(agentId =>
    listUnreadableSettings(desk.layout, agentId).map(({ file, reason }) => ({ agentId, file, reason })),
  );
}

/** Moves an unreadable settings file aside: the session goes on with the settings of its agent. */
export function repairSettings(desk: Desk, { file }: UnreadableRecord): Repair {
  const movedTo = `${file}.unreadable-${desk.context.now()}`;
  fs.renameSync(file, movedTo);
  return { file, movedTo, rebuilt: null };
}

/** Moves one unreadable record aside and makes it anew from its transcript, under the session's lock. */
export function repairRecord(desk: Desk, { agentId, file }: UnreadableRecord): Repair {
  const encoded = path.basename(file, '.json');
  const lock = tryLock(desk.context, path.join(desk.layout.locks(agentId), encoded), encoded);
  if (!lock) return { file, movedTo: null, rebuilt: null };
  try {
    const made = recordFromTranscripts(desk, agentId, encoded);
    const record = made && { ...made, createdAt: knownSince(desk, made) ?? made.createdAt };
    const movedTo = `${file}.unreadable-${desk.context.now()}`;
    fs.renameSync(file, movedTo);
    if (record) saveRecord(desk.layout, record, newToken(desk.context), { folder: true });
    return { file, movedTo, rebuilt: record?.key ?? null };
  } finally {
    lock.release();
  }
}

/** When the key was first seen, by its settings: they hold for the session they were given to. */
function knownSince(desk: Desk, { agentId, key }: SessionRecord): number | null {
  try {
    return loadSettings(desk.layout, agentId, key)?.createdAt ?? null;
  } catch {
    // Unreadable themselves: they are mended on their own.
    return null;
  }
}

/** A transcript as a candidate for being the current one of its key. */
interface Candidate {
  header: HeaderEntry;
  file: string;
  /** epoch ms: when it last became current, by its header or by a `resumed` line */
  since: number;
  /** the line it was archived by, unless it was resumed behind it */
  closed: ResetEntry | null;
}

/**
 * The record that the transcripts of a key imply: that of the one which became current last and was not archived. Where
 * all are archived, the last reset says which one follows; if that one is there, it was about to be resumed.
 */
function recordFromTranscripts(desk: Desk, agentId: string, encoded: string): SessionRecord | null {
  const candidates: Candidate[] = [];
  for (const name of listNames(desk.layout.sessions(agentId))) {
    if (!name.endsWith('.jsonl')) continue;
    const file = path.join(desk.layout.sessions(agentId), name);
    const header = headerOf(file);
    const isOwn = header?.agentId === agentId && `${header.id}.jsonl` === name;
    if (!isOwn || encodeKey(restOfKey(header.sessionKey)) !== encoded) continue;
    candidates.push({ header, file, ...standingOf(header, file) });
  }
  candidates.sort((a, b) => b.since - a.since);
  const current = candidates.find(candidate => candidate.closed === null);
  if (current) return rebuildRecord(current.file, blankRecord(current.header), false);

  const last = candidates.toSorted((a, b) => b.closed!.timestamp - a.closed!.timestamp)[0];
  const next = candidates.find(({ header }) => header.id === last?.closed?.nextSessionId);
  if (!last || !next || last.closed?.reason !== 'resume') return null;
  const resumed = resumedEntry(last.closed.timestamp, last.header.id);
  return resumeTranscript(desk, next.header, null, resumed);
}

/** The end of a transcript that nothing followed. */
const ENDED: ResetEntry = { type: 'reset', timestamp: 0, reason: 'missing', nextSessionId: '' };

function standingOf(header: HeaderEntry, file: string): Pick<Candidate, 'since' | 'closed'> {
  let since = header.timestamp;
  let closed: ResetEntry | null = null;
  for (const line of readForward(file)) {
    const value = parseLine(line.bytes);
    if (typeof value === 'string') continue;
    // That of an import names no follower; the transcript has ended all the same.
    if (value.type === 'reset')
      closed = isResetEntry(value) ? value : { ...ENDED, timestamp: header.timestamp };
    else if (isResumedEntry(value)) {
      closed = null;
      since = Math.max(since, value.timestamp);
    }
  }
  return { since, closed };
}
