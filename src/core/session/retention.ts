/**
 * What may be removed after a time. Pure: facts about files in, the exact list of files out, so that what a dry run shows
 * is what the real run does (openclaw#83124: a plan that was printed and never carried out).
 */
import type { ConfigInput } from '../../config/schema.ts';
import { parseDuration } from '../schedule/duration.ts';

/** Limits, each on its own; an absent one removes nothing. */
export interface RetentionLimits {
  /** age of the oldest archived transcript, ms, counted from when it was archived */
  archived?: number;
  /** most archived transcripts per session key */
  keep?: number;
  /** age of the oldest torn end that was moved aside, ms */
  torn?: number;
}

export interface ArchivedFact {
  kind: 'archived';
  agentId: string;
  /** null where the header does not say: then it is never removed */
  key: string | null;
  sessionId: string;
  file: string;
  bytes: number;
  /** when it was archived, epoch ms */
  at: number;
  /** why it has to stay whatever its age: its session is being worked, a resume of it is under way */
  inUse: string | null;
}

export interface SideFact {
  kind: 'torn' | 'temporary';
  agentId: string | null;
  file: string;
  bytes: number;
  /** epoch ms */
  at: number;
}

export type RetentionFact = ArchivedFact | SideFact;

/** One file to be removed. */
export interface Removal {
  file: string;
  bytes: number;
  /** archived: older than the limit; keep: more of its key than are kept; torn: old; temporary: its writer is dead */
  reason: 'archived' | 'keep' | 'torn' | 'temporary';
  ageMs: number;
  agentId: string | null;
  sessionKey: string | null;
  sessionId: string | null;
}

/**
 * The limits a config sets. A limit of zero or less would say "remove everything", which nobody means by it
 * (openclaw#119945); it counts as not set.
 */
export function retentionLimits(config: ConfigInput): RetentionLimits {
  const set = (config.session?.retention ?? {}) as Record<string, unknown>;
  const limits: RetentionLimits = {};
  const archived = durationOf(set.archived);
  const torn = durationOf(set.torn);
  if (archived !== undefined) limits.archived = archived;
  if (torn !== undefined) limits.torn = torn;
  if (typeof set.keep === 'number' && Number.isInteger(set.keep) && set.keep > 0) limits.keep = set.keep;
  return limits;
}

function durationOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? parseDuration(value) : null;
  return ms !== null && ms > 0 ? ms : undefined;
}

/** Is there anything that a limit could apply to? */
export function hasLimits(limits: RetentionLimits): boolean {
  return limits.archived !== undefined || limits.keep !== undefined || limits.torn !== undefined;
}

/**
 * The files that go: archived transcripts beyond either limit (age alone decides, size never does: openclaw#98980), old
 * torn ends, and what dead writers left. Oldest first, so that a run that is cut short has removed the oldest.
 *
 * @param now epoch ms; what lies in the future (the clock went back) has no age and stays
 */
export function planRemovals(facts: RetentionFact[], limits: RetentionLimits, now: number): Removal[] {
  const surplus = beyondKept(facts, limits.keep);
  const removals: Removal[] = [];
  for (const fact of facts) {
    const reason = reasonToRemove(fact);
    if (reason === null) continue;
    const { file, bytes, agentId } = fact;
    const [sessionKey, sessionId] = fact.kind === 'archived' ? [fact.key, fact.sessionId] : [null, null];
    removals.push({ file, bytes, reason, ageMs: Math.max(0, now - fact.at), agentId, sessionKey, sessionId });
  }
  return removals.sort((a, b) => b.ageMs - a.ageMs || (a.file < b.file ? -1 : 1));

  function reasonToRemove(fact: RetentionFact): Removal['reason'] | null {
    if (fact.kind === 'temporary') return 'temporary';
    const limit = fact.kind === 'torn' ? limits.torn : limits.archived;
    if (fact.kind === 'archived' && (fact.key === null || fact.inUse !== null)) return null;
    if (limit !== undefined && now - fact.at > limit) return fact.kind;
    return surplus.has(fact) ? 'keep' : null;
  }
}

/** Archived transcripts behind the newest `keep` of their key. One in use takes a place, but is not removed. */
function beyondKept(facts: RetentionFact[], keep: number | undefined): Set<RetentionFact> {
  const surplus = new Set<RetentionFact>();
  if (keep === undefined) return surplus;
  const byKey = new Map<string, ArchivedFact[]>();
  for (const fact of facts) {
    if (fact.kind !== 'archived' || fact.key === null) continue;
    const place = JSON.stringify([fact.agentId, fact.key]);
    const group = byKey.get(place);
    if (group) group.push(fact);
    else byKey.set(place, [fact]);
  }
  for (const group of byKey.values()) {
    group.sort((a, b) => b.at - a.at || (a.sessionId < b.sessionId ? 1 : -1));
    for (const fact of group.slice(keep)) surplus.add(fact);
  }
  return surplus;
}
