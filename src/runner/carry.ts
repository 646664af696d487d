/**
 * What a session takes along when it begins anew by itself. A person who answers an alert that came overnight must find
 * the agent knowing of it, though the session it was told in has ended meanwhile.
 */
import fs from 'node:fs';
import { type Entry, isAssistantEntry, isCommandEntry, isUserEntry } from '../core/session/transcript.ts';
import { planTurn, type TurnFacts, type TurnPlan } from '../core/turn.ts';
import { newestFirst } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';

/** Most alerts that go along, and most lines that are looked through for them. */
const MOST = 20;
const LOOKED_AT = 500;

/** The plan of a batch; where its session follows one that ended by itself, what was told there last goes along. */
export function planWithAlerts(desk: Desk, facts: TurnFacts): TurnPlan {
  const plan = planTurn(facts);
  const ended = endedSession(facts, plan);
  if (facts.record === null || ended === null) return plan;
  const seed = unansweredAlerts(desk, facts.record.agentId, ended);
  return seed.length > 0 ? planTurn({ ...facts, seed }) : plan;
}

/** The session whose end, by the day, the quiet or its size, makes this the first batch of the next one; null where none did. */
function endedSession({ record, transcript }: TurnFacts, plan: TurnPlan): string | null {
  const bySelf = (reason: string | undefined) => ['daily', 'idle', 'size'].includes(reason ?? '');
  if (record !== null && bySelf(plan.resetEntry?.reason)) return record.sessionId;
  // Ended by a tick: its successor has a record, and no line yet.
  const isFollowed = transcript === 'not-started' && bySelf(record?.untoldReset?.reason);
  return isFollowed ? (record?.previousSessionId ?? null) : null;
}

/** What heartbeats have told since a person last wrote in a session, as lines for the one that follows it. */
function unansweredAlerts(desk: Desk, agentId: string, sessionId: string): Entry[] {
  const file = desk.layout.transcript(agentId, sessionId);
  if (!fs.existsSync(file)) return [];
  const alerts: Entry[] = [];
  let looked = 0;
  for (const entry of newestFirst(file, () => undefined)) {
    const isPersons = isCommandEntry(entry) || (isUserEntry(entry) && !entry.job && !entry.recorded);
    if (isPersons || alerts.length === MOST || ++looked > LOOKED_AT) break;
    if (isAssistantEntry(entry) && entry.job === 'heartbeat')
      alerts.unshift({ ...entry, seededFrom: sessionId });
  }
  return alerts;
}
