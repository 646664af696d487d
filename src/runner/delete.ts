/**
 * Deletes what a person names. The record goes first: from then on the session does not exist, and what a dead process
 * left of its transcripts is an archive like any other, listed and deletable by its id.
 */
import fs from 'node:fs';
import path from 'node:path';
import { ClawError } from '../core/errors.ts';
import { unknownSession } from '../core/routing/visibility.ts';
import { listArchives, listTorn } from '../store/archives.ts';
import { syncFolder } from '../store/json-file.ts';
import { listWaiting } from '../store/pending.ts';
import { loadRecord, removeRecord } from '../store/sessions.ts';
import { removeSettings } from '../store/settings.ts';
import { headerOf } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';
import { holdSession, type SessionPlace, settleSession } from './hold.ts';

export interface DeletedFile {
  file: string;
  bytes: number;
}

export interface DeleteOutcome {
  sessionKey: string | null;
  /** the session that was current under the key; null where only archived transcripts went */
  sessionId: string | null;
  deleted: DeletedFile[];
  bytes: number;
  /** messages that wait for this key: their files stay, they begin a new session */
  waiting: number;
}

/**
 * Deletes a session: its record and its transcript, and with `archived` the archived transcripts of its key. Messages
 * stay known by their ids, so that one that comes again is still a repetition.
 *
 * @param options sessionId: the session meant, where it was named by its id; another one is left alone
 * @throws ClawError tempfail `session-busy` or `session-changed`, usage `session-unknown`, data `state-unreadable`
 */
export function deleteSession(
  desk: Desk,
  place: SessionPlace,
  options: { archived: boolean; waitMs: number; sessionId?: string },
): Promise<DeleteOutcome> {
  const { agentId, key } = place;
  return holdSession(desk, place, options.waitMs, async seat => {
    const { record } = await settleSession(desk, seat, 'the session was deleted before it was answered');
    if (options.sessionId !== undefined && record?.sessionId !== options.sessionId) {
      throw new ClawError(
        'tempfail',
        'session-changed',
        `${options.sessionId} is no longer the current session of ${key}`,
        `claw sessions delete ${options.sessionId}`,
      );
    }
    const archives = options.archived ? listArchives(desk.layout, agentId, key).archived : [];
    if (!record && archives.length === 0) {
      throw unknownSession(key);
    }
    const deleted: DeletedFile[] = [];
    if (record) {
      const file = desk.layout.record(agentId, key);
      deleted.push({ file, bytes: fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0 });
      removeRecord(desk.layout, agentId, key);
      removeSettings(desk.layout, agentId, key);
      // settings: a file of their own would go here
      syncFolder(path.dirname(file));
      // A file that another session's header is in stands there by some mistake; it is not this session's to delete.
      const transcript = desk.layout.transcript(agentId, record.sessionId);
      const header = headerOf(transcript);
      if (header === null || header.sessionKey === key)
        deleted.push(...removeTranscriptFiles(desk, agentId, record.sessionId));
    }
    for (const { sessionId } of archives) deleted.push(...removeTranscriptFiles(desk, agentId, sessionId));
    return {
      sessionKey: key,
      sessionId: record?.sessionId ?? null,
      deleted,
      bytes: deleted.reduce((sum, { bytes }) => sum + bytes, 0),
      waiting: listWaiting(desk.layout, agentId, key).waiting.length,
    };
  });
}

/**
 * Deletes one archived transcript, under the lock of the key it belongs to, so that nobody resumes it meanwhile.
 *
 * @param place of the session its header names; null where the header names none
 * @throws ClawError tempfail `session-busy` or `session-current`
 */
export async function deleteArchived(
  desk: Desk,
  agentId: string,
  place: SessionPlace | null,
  sessionId: string,
  waitMs: number,
): Promise<DeleteOutcome> {
  const remove = (): DeleteOutcome => {
    const deleted = removeTranscriptFiles(desk, agentId, sessionId);
    const bytes = deleted.reduce((sum, file) => sum + file.bytes, 0);
    return { sessionKey: place?.key ?? null, sessionId: null, deleted, bytes, waiting: 0 };
  };
  if (place === null) return remove();
  return holdSession(desk, place, waitMs, async () => {
    const read = loadRecord(desk.layout, place.agentId, place.key);
    if (read.state === 'unreadable') {
      throw new ClawError(
        'data',
        'state-unreadable',
        `whether ${sessionId} is current cannot be said: ${read.file}: ${read.reason}`,
        'claw doctor --fix',
      );
    }
    if (read.state === 'ok' && read.record.sessionId === sessionId) {
      throw new ClawError(
        'tempfail',
        'session-current',
        `${sessionId} has become the current session of ${place.key}`,
        `claw sessions delete ${place.key}`,
      );
    }
    return remove();
  });
}

/** A transcript and the torn ends that were moved aside from it. */
function removeTranscriptFiles(desk: Desk, agentId: string, sessionId: string): DeletedFile[] {
  const file = desk.layout.transcript(agentId, sessionId);
  const files = [file, ...listTorn(desk.layout, agentId, sessionId).map(torn => torn.file)];
  return files.flatMap(each => {
    const stat = fs.statSync(each, { throwIfNoEntry: false });
    if (!stat) return [];
    fs.unlinkSync(each);
    return [{ file: each, bytes: stat.size }];
  });
}
