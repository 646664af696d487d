/** A session as a person names it: by key in any spelling, or by session id. */

import fs from 'node:fs';
import { ClawError } from '../../core/errors.ts';
import { readSessionKey } from '../../core/routing/route.ts';
import { splitKey } from '../../core/routing/session-key.ts';
import type { SessionRecord } from '../../core/session/session.ts';
import { SAFE_SESSION_ID } from '../../core/session/transcript.ts';
import type { Desk } from '../../runner/desk.ts';
import { listAgents, listRecords, loadRecord } from '../../store/sessions.ts';

export interface FoundSession {
  agentId: string;
  sessionId: string;
  /** null when the id is that of an archived transcript */
  record: SessionRecord | null;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-/i;

/**
 * Finds a session. What looks like an id is first looked for as a transcript, then among the records.
 *
 * @throws ClawError usage `session-unknown`, data `state-unreadable`
 */
export function findSession(desk: Desk, name: string, agentId?: string): FoundSession {
  const byId = UUID.test(name) ? findTranscript(desk, name) : null;
  if (byId !== null) return byId;
  const key = readSessionKey(name, desk.config, agentId);
  const owner = splitKey(key)?.agentId ?? '';
  const read = loadRecord(desk.layout, owner, key);
  if (read.state === 'unreadable')
    throw new ClawError('data', 'state-unreadable', `${read.file}: ${read.reason}`, 'claw doctor --fix');
  // Ids that an import kept need not look like ours.
  const imported = read.state === 'missing' ? findTranscript(desk, name) : null;
  if (imported !== null) return imported;
  if (read.state === 'missing')
    throw new ClawError(
      'usage',
      'session-unknown',
      `there is no session ${JSON.stringify(key)}`,
      'claw sessions list',
    );
  return { agentId: owner, sessionId: read.record.sessionId, record: read.record };
}

function findTranscript(desk: Desk, id: string): FoundSession | null {
  if (!SAFE_SESSION_ID.test(id)) return null;
  for (const agent of listAgents(desk.layout)) {
    if (!fs.existsSync(desk.layout.transcript(agent, id))) continue;
    const record = listRecords(desk.layout, agent).records.find(each => each.sessionId === id) ?? null;
    return { agentId: agent, sessionId: id, record };
  }
  return null;
}
