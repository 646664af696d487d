/** A session as a person names it: by key in any spelling, or by session id. */

import fs from 'node:fs';
import { ClawError } from '../../core/errors.ts';
import { readNamedKey } from '../../core/routing/route.ts';
import { splitKey } from '../../core/routing/session-key.ts';
import { maySee, unknownSession, viewerOf } from '../../core/routing/visibility.ts';
import type { SessionRecord } from '../../core/session/session.ts';
import { SAFE_SESSION_ID } from '../../core/session/transcript.ts';
import type { Desk } from '../../runner/desk.ts';
import { eachRecord, listAgents, loadRecord } from '../../store/sessions.ts';
import { headerOf } from '../../store/transcripts.ts';

export interface FoundSession {
  agentId: string;
  sessionId: string;
  /** session key; null for a transcript whose header does not say */
  key: string | null;
  /** null when the id is that of an archived transcript */
  record: SessionRecord | null;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-/i;

/**
 * Finds a session. What looks like an id is first looked for as a transcript, then among the records; anything else is a
 * key first, and an id (of a transcript that came from elsewhere) where no session has that key.
 *
 * @throws ClawError usage `session-unknown`, data `state-unreadable`
 */
export function findSession(desk: Desk, name: string, agentId?: string): FoundSession {
  const viewer = viewerOf(desk.context.env);
  const found = findAny(desk, name, agentId);
  const { key, record } = found;
  const target = { agentId: found.agentId, key: key ?? '', spawnedBy: record?.spawnedBy };
  // The same words as for a session that does not exist: who may not see one shall not learn of it.
  if (!maySee(viewer, target, desk.config)) throw unknownSession(readNamedKey(name, desk.config, agentId));
  return found;
}

function findAny(desk: Desk, name: string, agentId?: string): FoundSession {
  const found = UUID.test(name) ? (byTranscript(desk, name) ?? byRecord(desk, name)) : null;
  if (found) return found;
  const key = readNamedKey(name, desk.config, agentId);
  const owner = splitKey(key)?.agentId ?? '';
  const read = loadRecord(desk.layout, owner, key);
  const isSeen = maySee(viewerOf(desk.context.env), { agentId: owner, key }, desk.config);
  if (read.state === 'unreadable' && !isSeen) throw unknownSession(key);
  if (read.state === 'unreadable')
    throw new ClawError('data', 'state-unreadable', `${read.file}: ${read.reason}`, 'claw doctor --fix');
  if (read.state === 'missing') {
    const imported = UUID.test(name) ? null : byTranscript(desk, name);
    if (imported) return imported;
    throw unknownSession(key);
  }
  return { agentId: owner, sessionId: read.record.sessionId, key, record: read.record };
}

/** The transcript of this id, and the record that points to it. Its header names the key, so one record is read. */
function byTranscript(desk: Desk, sessionId: string): FoundSession | null {
  if (!SAFE_SESSION_ID.test(sessionId)) return null;
  for (const agentId of listAgents(desk.layout)) {
    const file = desk.layout.transcript(agentId, sessionId);
    if (!fs.statSync(file, { throwIfNoEntry: false })?.isFile()) continue;
    const header = headerOf(file);
    const key = header?.id === sessionId && header.agentId === agentId ? header.sessionKey : null;
    if (key === null) return { agentId, sessionId, key, record: null, ...byRecord(desk, sessionId) };
    const read = loadRecord(desk.layout, agentId, key);
    const record = read.state === 'ok' && read.record.sessionId === sessionId ? read.record : null;
    return { agentId, sessionId, key, record };
  }
  return null;
}

/** A session without a transcript (it has not begun) is known by its record alone. */
function byRecord(desk: Desk, sessionId: string): FoundSession | null {
  for (const agentId of listAgents(desk.layout)) {
    for (const read of eachRecord(desk.layout, agentId)) {
      if (read.state === 'ok' && read.record.sessionId === sessionId)
        return { agentId, sessionId, key: read.record.key, record: read.record };
    }
  }
  return null;
}
