/**
 * What a session takes along when it begins anew by itself. A person who answers an alert that came overnight must find
 * the agent knowing of it, though the session it was told in has ended meanwhile.
 */
import type { SessionRecord } from '../core/session/session.ts';
import { type Entry, isAssistantEntry, isCommandEntry, isUserEntry } from '../core/session/transcript.ts';
import { newestFirst } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';

/** Most alerts that go along, and most lines that are looked through for them. */
const MOST = 20;
const LOOKED_AT = 500;

/** What heartbeats have told since a person last wrote in a session, as lines for the one that follows it. */
export function unansweredAlerts(desk: Desk, { agentId, sessionId }: SessionRecord): Entry[] {
  const alerts: Entry[] = [];
  let looked = 0;
  for (const entry of newestFirst(desk.layout.transcript(agentId, sessionId), () => undefined)) {
    const isPersons = isCommandEntry(entry) || (isUserEntry(entry) && !entry.job && !entry.recorded);
    if (isPersons || alerts.length === MOST || ++looked > LOOKED_AT) break;
    if (isAssistantEntry(entry) && entry.job === 'heartbeat')
      alerts.unshift({ ...entry, seededFrom: sessionId });
  }
  return alerts;
}
