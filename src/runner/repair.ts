/**
 * Mends what only a person may ask for: a session record that cannot be read. It is moved aside, never deleted, and a
 * new one is made from the newest transcript of the same key; where there is none, the next message begins anew.
 */
import fs from 'node:fs';
import path from 'node:path';
import { reduceRecord, type SessionRecord } from '../core/session/session.ts';
import { type HeaderEntry, isUserEntry, SAFE_SESSION_ID } from '../core/session/transcript.ts';
import { listNames } from '../store/json-file.ts';
import { parseLine, readForward } from '../store/jsonl-file.ts';
import { encodeKey, restOfKey } from '../store/layout.ts';
import { newToken, tryLock } from '../store/lock.ts';
import { listAgents, listRecords, saveRecord } from '../store/sessions.ts';
import type { Desk } from './desk.ts';

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

/** Moves one unreadable record aside and makes it anew from its transcript, under the session's lock. */
export function repairRecord(desk: Desk, { agentId, file }: UnreadableRecord): Repair {
  const encoded = path.basename(file, '.json');
  const lock = tryLock(desk.context, path.join(desk.layout.locks(agentId), encoded), encoded);
  if (!lock) return { file, movedTo: null, rebuilt: null };
  try {
    const record = recordFromTranscripts(desk, agentId, encoded);
    const movedTo = `${file}.unreadable-${desk.context.now()}`;
    fs.renameSync(file, movedTo);
    if (record) saveRecord(desk.layout, record, newToken(desk.context), { folder: true });
    return { file, movedTo, rebuilt: record?.key ?? null };
  } finally {
    lock.release();
  }
}

/** The record that the newest transcript of a key implies; an archived one counts only where no other is left. */
function recordFromTranscripts(desk: Desk, agentId: string, encoded: string): SessionRecord | null {
  const candidates: { header: HeaderEntry; file: string; archived: boolean }[] = [];
  for (const name of listNames(desk.layout.sessions(agentId))) {
    if (!name.endsWith('.jsonl')) continue;
    const file = path.join(desk.layout.sessions(agentId), name);
    const header = headerOf(file);
    if (!header || `${header.id}.jsonl` !== name || encodeKey(restOfKey(header.sessionKey)) !== encoded)
      continue;
    candidates.push({ header, file, archived: isArchived(file) });
  }
  candidates.sort(
    (a, b) => Number(a.archived) - Number(b.archived) || b.header.timestamp - a.header.timestamp,
  );
  const newest = candidates[0];
  return newest && !newest.archived ? rebuild(newest.header, newest.file) : null;
}

function headerOf(file: string): HeaderEntry | null {
  for (const line of readForward(file)) {
    const value = parseLine(line.bytes);
    if (typeof value === 'string' || value.type !== 'session') return null;
    const header = value as HeaderEntry;
    const usable = typeof header.sessionKey === 'string' && SAFE_SESSION_ID.test(String(header.id));
    return usable && typeof header.timestamp === 'number' ? header : null;
  }
  return null;
}

function isArchived(file: string): boolean {
  let archived = false;
  for (const line of readForward(file)) {
    const value = parseLine(line.bytes);
    if (typeof value !== 'string') archived = value.type === 'reset';
  }
  return archived;
}

/**
 * A record by reducing its transcript from the first line. `bytes` stops before the first turn that was not ended, so
 * that the next holder of the session finds and finishes it.
 */
function rebuild(header: HeaderEntry, file: string): SessionRecord {
  let record: SessionRecord = {
    version: 1,
    key: header.sessionKey,
    agentId: header.agentId,
    sessionId: header.id,
    createdAt: header.timestamp,
    startedAt: header.timestamp,
    updatedAt: header.timestamp,
    bytes: 0,
    chatType: 'dm',
    channel: 'cli',
    messageCount: 0,
    ...(header.previousSessionId ? { previousSessionId: header.previousSessionId } : {}),
    ...(header.reset ? { untoldReset: header.reset } : {}),
  };
  let settled = record;
  let open = false;
  for (const line of readForward(file)) {
    const value = parseLine(line.bytes);
    if (typeof value === 'string' || !line.terminated) continue;
    record = reduceRecord(record, value, line.offset + line.bytes.length + 1);
    if (isUserEntry(value) && !value.recorded) open = true;
    else if (value.type === 'turn_end') open = false;
    if (!open) settled = record;
  }
  const { lastRoute } = settled;
  return lastRoute ? { ...settled, chatType: lastRoute.chatType, channel: lastRoute.channel } : settled;
}
