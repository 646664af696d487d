/** A session as a person names it: by key in any spelling, or by session id. */

import fs from 'node:fs';
import { ClawError } from '../../core/errors.ts';
import { readNamedKey } from '../../core/routing/route.ts';
import { splitKey } from '../../core/routing/session-key.ts';
import { maySee, unknownSession, viewerOf } from '../../core/routing/visibility.ts';
import type { SessionRecord } from '../../core/session/session.ts';
import { SAFE_SESSION_ID } from '../../core/session/transcript.ts';
import type { Desk } from '../../runner/desk.ts';
import { listNames } from '../../store/json-file.ts';
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

/** Such as the eight characters that `/status` shows. */
const ID_PREFIX = /^[0-9a-f]{6,}[0-9a-f-]*$/i;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-/i;

/**
 * Finds a session. What looks like an id is first looked for as a transcript, then among the records; anything else is a
 * key first, and an id (of a transcript that came from elsewhere) where no session has that key.
 *
 * @param options exact: no beginnings of ids and no keys of other agents, for commands that change something
 * @throws ClawError usage `session-unknown`, data `state-unreadable`
 */
export function findSession(
  desk: Desk,
  name: string,
  agentId?: string,
  options: { exact?: boolean } = {},
): FoundSession {
  const viewer = viewerOf(desk.context.env);
  const found = findAny(desk, name, agentId, options.exact === true);
  const { key, record } = found;
  const target = { agentId: found.agentId, key: key ?? '', spawnedBy: record?.spawnedBy };
  // The same words as for a session that does not exist: who may not see one shall not learn of it.
  if (!maySee(viewer, target, desk.config)) throw unknownSession(readNamedKey(name, desk.config, agentId));
  return found;
}

function findAny(desk: Desk, name: string, agentId: string | undefined, exact: boolean): FoundSession {
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
    // What is changed or deleted must be named whole.
    const found = exact
      ? null
      : (byPrefix(desk, name) ?? (agentId === undefined ? ofOtherAgent(desk, name) : null));
    if (found) return found;
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

/** The one session whose id begins so, among those the caller may see. @throws ClawError usage when several do */
function byPrefix(desk: Desk, name: string): FoundSession | null {
  if (!ID_PREFIX.test(name)) return null;
  const prefix = name.toLowerCase();
  const viewer = viewerOf(desk.context.env);
  const ids = new Set<string>();
  for (const agentId of listAgents(desk.layout)) {
    for (const file of listNames(desk.layout.sessions(agentId)))
      if (file.startsWith(prefix) && file.endsWith('.jsonl')) ids.add(file.slice(0, -'.jsonl'.length));
    for (const read of eachRecord(desk.layout, agentId))
      if (read.state === 'ok' && read.record.sessionId.startsWith(prefix)) ids.add(read.record.sessionId);
  }
  const found = [...ids].flatMap(id => {
    const each = byTranscript(desk, id) ?? byRecord(desk, id);
    const target = each && { agentId: each.agentId, key: each.key ?? '', spawnedBy: each.record?.spawnedBy };
    return target && maySee(viewer, target, desk.config) ? [each!] : [];
  });
  if (found.length > 1) {
    const which = found.map(each => `${each.sessionId} (${each.key ?? 'no key'})`).join(', ');
    throw new ClawError(
      'usage',
      'session-ambiguous',
      `${name} begins several ids: ${which}`,
      'give more of it',
    );
  }
  return found[0] ?? null;
}

/** A key without its agent, where exactly one agent has it and the caller may see it. */
function ofOtherAgent(desk: Desk, name: string): FoundSession | null {
  if (/^agent:/i.test(name.trim())) return null;
  const viewer = viewerOf(desk.context.env);
  const found = listAgents(desk.layout).flatMap((agentId): FoundSession[] => {
    const key = readNamedKey(name, desk.config, agentId);
    const read = splitKey(key)?.agentId === agentId ? loadRecord(desk.layout, agentId, key) : null;
    if (read?.state !== 'ok' || !maySee(viewer, read.record, desk.config)) return [];
    return [{ agentId, sessionId: read.record.sessionId, key, record: read.record }];
  });
  return found.length === 1 ? found[0]! : null;
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
