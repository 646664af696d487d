/**
 * Removes what the retention limits let go: archived transcripts, torn ends that were moved aside, and temporaries of dead
 * writers. First a plan, which `--dry-run` prints; then each of its files, and no other, if it still is what it was.
 */
import fs from 'node:fs';
import path from 'node:path';
import {
  hasLimits,
  planRemovals,
  type Removal,
  type RetentionFact,
  retentionLimits,
} from '../core/session/retention.ts';
import { listArchives, listDeadTemporaries, listTorn } from '../store/archives.ts';
import { encodeKey, restOfKey } from '../store/layout.ts';
import { holderOf, tokenState, tryLock } from '../store/lock.ts';
import { listPendingAgents, pendingOverview } from '../store/pending.ts';
import { listAgents, loadRecord } from '../store/sessions.ts';
import { closingReset } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';
import { stopOrphans } from './orphans.ts';

/** What a cleanup would remove. */
export interface CleanupPlan {
  /** false: no limit is configured, so that only temporaries of dead writers go */
  limited: boolean;
  removals: Removal[];
  /** transcripts that may be current, since the record of their key cannot be read; they stay */
  undecided: string[];
}

export interface CleanupReport {
  removed: Removal[];
  bytes: number;
  /** planned, but no longer what it was; or it could not be removed */
  skipped: { file: string; reason: string }[];
}

const DAY = 24 * 3_600_000;

/** What can go now. Reads only. */
export function planCleanup(desk: Desk): CleanupPlan {
  const { layout, context, config } = desk;
  const limits = retentionLimits(config);
  const facts: RetentionFact[] = [];
  const undecided: string[] = [];
  const agents = listAgents(layout);
  if (hasLimits(limits)) {
    for (const agentId of agents) {
      if (limits.archived !== undefined || limits.keep !== undefined) {
        const found = listArchives(layout, agentId);
        undecided.push(...found.undecided);
        const whyInUse = inUseBy(desk, agentId);
        for (const { key, sessionId, file, bytes, archivedAt } of found.archived) {
          const inUse = key === null ? null : whyInUse(key, sessionId);
          facts.push({ kind: 'archived', agentId, key, sessionId, file, bytes, at: archivedAt, inUse });
        }
      }
      if (limits.torn !== undefined) {
        for (const { file, bytes, modifiedAt } of listTorn(layout, agentId))
          facts.push({ kind: 'torn', agentId, file, bytes, at: modifiedAt });
      }
    }
  }
  for (const folder of draftFolders(desk, agents)) {
    for (const { file, bytes, modifiedAt } of listDeadTemporaries(folder, isDead(desk)))
      facts.push({ kind: 'temporary', agentId: null, file, bytes, at: modifiedAt });
  }
  const removals = planRemovals(facts, limits, context.now());
  return { limited: hasLimits(limits), removals, undecided };
}

/** Where writers leave temporaries: the small folders, and the places transcripts and records lie in. */
function draftFolders(desk: Desk, agents: string[]): string[] {
  const { layout } = desk;
  return [
    layout.outbox(),
    ...listPendingAgents(layout).map(agentId => layout.pending(agentId)),
    ...agents.flatMap(agentId => [layout.drafts(agentId), layout.sessions(agentId), layout.records(agentId)]),
  ];
}

function isDead(desk: Desk): (token: string) => boolean {
  return token => tokenState(desk.context, token) === 'dead';
}

/**
 * Why an archived transcript of a key has to stay; asked once per key, not once per transcript.
 *
 * @param isOurs the lock of the session is this process's own
 */
function inUseBy(
  desk: Desk,
  agentId: string,
  isOurs = false,
): (key: string, sessionId: string) => string | null {
  const { layout } = desk;
  const { turns, waiting } = pendingOverview(layout, agentId);
  const [marked, awaited] = [new Set(turns), new Set(waiting)];
  const asked = new Map<string, { reason: string | null; next: string | null }>();
  return (key, sessionId) => {
    let found = asked.get(key);
    if (found === undefined) {
      const encoded = encodeKey(restOfKey(key));
      const isLocked = !isOurs && holderOf(layout.lock(agentId, key)) !== null;
      const reason = isLocked
        ? 'its session is locked'
        : marked.has(encoded)
          ? 'its session has an unfinished turn'
          : awaited.has(encoded)
            ? 'messages wait for its session'
            : null;
      found = { reason, next: successor(desk, agentId, key) };
      asked.set(key, found);
    }
    return found.reason ?? (found.next === sessionId ? 'it is about to be resumed' : null);
  };
}

/** The transcript a reset or resume of this key is on its way to, where its owner died before the record followed. */
function successor(desk: Desk, agentId: string, key: string): string | null {
  const read = loadRecord(desk.layout, agentId, key);
  if (read.state !== 'ok') return null;
  return closingReset(desk.layout.transcript(agentId, read.record.sessionId))?.nextSessionId ?? null;
}

/**
 * Removes the files of a plan. Each is looked at once more, a transcript under its session's lock: what is current again,
 * has changed or is in use stays, and so does everything behind an error of its own.
 */
export async function cleanUp(desk: Desk, plan: CleanupPlan): Promise<CleanupReport> {
  const report: CleanupReport = { removed: [], bytes: 0, skipped: [] };
  for (const removal of plan.removals) {
    let reason: string | null;
    try {
      reason =
        removal.sessionKey === null ? removeSideFile(desk, removal) : await removeArchived(desk, removal);
    } catch (error) {
      reason = (error as Error).message;
    }
    if (reason === null) {
      report.removed.push(removal);
      report.bytes += removal.bytes;
    } else report.skipped.push({ file: removal.file, reason });
  }
  return report;
}

/** @returns why it was left, null when it is gone by this process */
async function removeArchived(desk: Desk, removal: Removal): Promise<string | null> {
  const { file, bytes, agentId, sessionKey, sessionId } = removal;
  const { layout } = desk;
  if (agentId === null || sessionKey === null || sessionId === null) return 'it names no session';
  const folder = layout.lock(agentId, sessionKey);
  // Also a dead owner's: what he left running is ended by who takes the session over to work it.
  if (holderOf(folder) !== null) return 'its session is in use';
  const lock = tryLock(desk.context, folder, sessionKey);
  if (!lock) return 'its session is in use';
  try {
    await stopOrphans(desk.context, lock);
    const read = loadRecord(layout, agentId, sessionKey);
    if (read.state === 'unreadable') return `the record of its session cannot be read: ${read.reason}`;
    if (read.state === 'ok' && read.record.sessionId === sessionId) return 'it is current again';
    const why = inUseBy(desk, agentId, true)(sessionKey, sessionId);
    if (why !== null) return why;
    return removeUnchanged(file, bytes);
  } finally {
    lock.release();
  }
}

function removeSideFile(desk: Desk, { file, bytes, reason }: Removal): string | null {
  if (reason === 'temporary' && !isDead(desk)(path.basename(file).slice('.tmp-'.length)))
    return 'its writer lives';
  return removeUnchanged(file, bytes);
}

/** Transcripts only grow: one of the same size is the one that was planned. */
function removeUnchanged(file: string, bytes: number): string | null {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (!stat) return 'it is gone already';
  if (stat.size !== bytes) return 'it has changed since it was planned';
  fs.unlinkSync(file);
  return null;
}

/**
 * A cleanup as part of a tick: where a limit is configured, and the last one was a day ago. Costs one look at a file.
 *
 * @returns null where nothing was to be done
 */
export async function cleanUpDaily(desk: Desk): Promise<CleanupReport | null> {
  const file = desk.layout.cleanupStamp();
  const now = desk.context.now();
  const stamp = fs.statSync(file, { throwIfNoEntry: false });
  // A stamp from the future (the clock went back) holds nothing up for longer than it would have.
  if (stamp && Math.abs(now - stamp.mtimeMs) < DAY) return null;
  const report = await cleanUp(desk, planCleanup(desk));
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  fs.closeSync(fs.openSync(file, 'a', 0o600));
  fs.utimesSync(file, new Date(now), new Date(now));
  return report;
}
