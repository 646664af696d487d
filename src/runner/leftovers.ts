/**
 * What others left to be done: turns without an end, messages that wait, replies nobody fetched, locks and temporaries of
 * the dead. Found by what is pending, never by what exists, so it costs the same with one session and with 100,000.
 */
import fs from 'node:fs';
import path from 'node:path';
import { DEFAULT_DELIVERY_RETENTION, outboxItem } from '../core/delivery/delivery.ts';
import { ClawError } from '../core/errors.ts';
import { parseDuration } from '../core/schedule/duration.ts';
import { queuedAs } from '../core/session/transcript.ts';
import { listNames, readJson, sweepTemporaries } from '../store/json-file.ts';
import { decodeKey, encodeKey, type Layout, restOfKey } from '../store/layout.ts';
import { sweepLocks, tokenState, tryLock } from '../store/lock.ts';
import { expireLog, logFile } from '../store/log.ts';
import { expiredIdFolders, findMessageId } from '../store/message-ids.ts';
import { expireSent, putOutbox } from '../store/outbox.ts';
import {
  listPendingAgents,
  listWaitingFiles,
  listWakes,
  pendingOverview,
  readWaiting,
  type WakeMark,
} from '../store/pending.ts';
import { listAgents } from '../store/sessions.ts';
import { messageOutcome } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';
import { stopOrphans } from './orphans.ts';
import { workSession } from './turn.ts';

/** One session with something left to do, and what shows it. */
export interface PendingSession {
  agentId: string;
  key: string;
  evidence: 'turn' | 'waiting';
}

export interface PendingWork {
  sessions: PendingSession[];
  /** sessions with events that are to be told at once */
  wakes: { agentId: string; key: string }[];
  /** marks nobody knows the session of */
  stale: { agentId: string; encoded: string }[];
}

/** What is pending, by file names and one small read each; changes nothing. */
export function pendingWork(desk: Desk): PendingWork {
  const found: PendingWork = { sessions: [], wakes: [], stale: [] };
  for (const agentId of listPendingAgents(desk.layout)) {
    const { turns, waiting, wakes } = pendingOverview(desk.layout, agentId);
    for (const encoded of new Set([...turns, ...waiting])) {
      const key = keyOf(desk, agentId, encoded);
      if (key === null) found.stale.push({ agentId, encoded });
      else found.sessions.push({ agentId, key, evidence: turns.includes(encoded) ? 'turn' : 'waiting' });
    }
    if (wakes.length > 0)
      found.wakes.push(...listWakes(desk.layout, agentId).filter(mark => !isResting(desk, mark)));
  }
  return found;
}

/** After a failure a wake rests for a while. */
function isResting(desk: Desk, { notBefore }: WakeMark): boolean {
  const now = desk.context.now();
  return notBefore !== undefined && notBefore > now && notBefore - now <= LONGEST_REST;
}

/** The session key behind a file name: from the record, else from a message that waits. */
function keyOf(desk: Desk, agentId: string, encoded: string): string | null {
  const record = readJson(path.join(desk.layout.records(agentId), `${encoded}.json`));
  // Unreadable is not missing: what is pending stays so until the record is mended.
  if (record.state === 'unreadable') return `agent:${agentId}:${decodeKey(encoded)}`;
  const found = record.state === 'ok' ? (record.value as { key?: unknown } | null)?.key : undefined;
  if (typeof found === 'string' && encodeKey(restOfKey(found)) === encoded) return found;
  for (const file of listWaitingFiles(desk.layout, agentId)) {
    const waiting = readWaiting(file);
    if (waiting.state === 'ok' && encodeKey(restOfKey(waiting.value.key)) === encoded)
      return waiting.value.key;
  }
  return null;
}

const DAY = 24 * 3_600_000;
/** A rest that is longer comes from before the clock was set back. */
const LONGEST_REST = 3_600_000;

/**
 * Records of sent replies end with `retention.deliveries`, lines of the log with `retention.logs`. They are looked through
 * once a day: by the first tick, and by the first one of each day (UTC), which the stamp of the one before tells without
 * a file of its own.
 */
function expireRecords(desk: Desk): void {
  const now = desk.context.now();
  const last = fs.statSync(desk.layout.tickStamp(), { throwIfNoEntry: false });
  if (last && Math.floor(last.mtimeMs / DAY) === Math.floor(now / DAY)) return;
  const { deliveries = DEFAULT_DELIVERY_RETENTION, logs } = desk.config.retention ?? {};
  expireSent(desk.layout, now - parseDuration(deliveries)!);
  if (logs !== undefined) expireLog(logFile(desk.layout, desk.config), now - parseDuration(logs)!, now);
}

/**
 * Works one session to the end.
 *
 * @returns busy where somebody living holds it; why its turns failed, whose messages stand in the inbox
 */
export async function workPending(
  desk: Desk,
  { agentId, key }: Pick<PendingSession, 'agentId' | 'key'>,
  signal: AbortSignal,
): Promise<{ isBusy: boolean; failures: string[] }> {
  const failures: string[] = [];
  const lock = tryLock(desk.context, desk.layout.lock(agentId, key), key);
  if (!lock) return { isBusy: true, failures };
  try {
    await workSession(desk, { agentId, key, lock }, null, {
      enough: () => true,
      onEnd: ({ status, error }) => {
        if (status === 'failed') failures.push(error?.message ?? status);
      },
      signal,
    });
    return { isBusy: false, failures };
  } finally {
    lock.release();
  }
}

export interface Trouble {
  /** a session key, or what was being looked at */
  what: string;
  reason: string;
}

/** Puts away what dead owners left, whatever of it can be put away. Each step's trouble stops no other. */
export async function putAway(desk: Desk): Promise<Trouble[]> {
  const troubles: Trouble[] = [];
  const attempt = async (what: string, step: () => unknown) => {
    try {
      await step();
    } catch (error) {
      troubles.push({ what, reason: explain(error) });
    }
  };
  await attempt('pending', async () => {
    for (const { agentId, encoded } of pendingWork(desk).stale)
      await attempt(encoded, () => troubles.push(...dropStale(desk, agentId, encoded)));
  });
  await attempt('pending', () => {
    for (const agentId of listPendingAgents(desk.layout)) collectOfferedReplies(desk, agentId);
  });
  await attempt('locks', () => releaseDeadLocks(desk));
  await attempt('temporaries', () => sweep(desk));
  await attempt('ids', () => {
    for (const folder of expiredIdFolders(desk.layout, desk.context.now(), desk.idRetention)) {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
  await attempt('retention', () => expireRecords(desk));
  return troubles;
}

/** An error in words, with what helps. */
export function explain(error: unknown): string {
  const hint = error instanceof ClawError && error.hint ? ` (${error.hint})` : '';
  return `${(error as Error).message}${hint}`;
}

/** Locks of dead owners that had nothing pending: what they left running is ended, and the lock goes. */
async function releaseDeadLocks(desk: Desk): Promise<void> {
  const root = path.join(desk.layout.home, 'locks');
  for (const agentId of listNames(root)) {
    if (!fs.statSync(path.join(root, agentId), { throwIfNoEntry: false })?.isDirectory()) continue;
    for (const place of sweepLocks(desk.context, path.join(root, agentId))) {
      const lock = tryLock(desk.context, place, path.basename(place));
      if (!lock) continue;
      try {
        await stopOrphans(desk.context, lock);
      } finally {
        lock.release();
      }
    }
  }
}

/** The small folders where temporaries are made that nobody but a tick (or `doctor`) removes. */
export function temporaryFolders(layout: Layout): string[] {
  const eventRoot = path.dirname(layout.events('x'));
  return [
    layout.outbox(),
    layout.claims(),
    path.dirname(layout.sweepStamp()),
    ...listNames(eventRoot).map(agentId => path.join(eventRoot, agentId)),
    ...listPendingAgents(layout).map(agentId => layout.pending(agentId)),
    ...listAgents(layout).map(agentId => layout.drafts(agentId)),
  ];
}

/** Temporaries of dead writers. */
function sweep({ context, layout }: Desk): void {
  for (const folder of temporaryFolders(layout))
    sweepTemporaries(folder, token => tokenState(context, token) === 'dead');
}

/** A marker without record and without message: its owner died before anything was accepted. */
function dropStale(desk: Desk, agentId: string, encoded: string): Trouble[] {
  const troubles: Trouble[] = [];
  for (const file of listWaitingFiles(desk.layout, agentId)) {
    const read = readWaiting(file);
    if (!path.basename(file).startsWith(`${encoded}.`) || read.state !== 'unreadable') continue;
    troubles.push({ what: encoded, reason: `${file}: ${read.reason}; it is left in place` });
  }
  const lock = tryLock(desk.context, path.join(desk.layout.locks(agentId), encoded), encoded);
  if (!lock) return troubles;
  try {
    if (keyOf(desk, agentId, encoded) === null)
      fs.rmSync(path.join(desk.layout.pending(agentId), `${encoded}.turn`), { force: true });
  } finally {
    lock.release();
  }
  return troubles;
}

/** Replies offered to a process that is gone: they go to the outbox. */
function collectOfferedReplies(desk: Desk, agentId: string): void {
  const { layout, context } = desk;
  for (const { encoded, stem } of pendingOverview(layout, agentId).replies) {
    const file = path.join(layout.pending(agentId), `${encoded}.${stem}.reply`);
    const read = readWaiting(file);
    if (read.state === 'unreadable') desk.warn(`${file}: ${read.reason}; it is left in place`);
    if (read.state !== 'ok') continue;
    const incoming = read.value;
    if (incoming.waiter && tokenState(context, incoming.waiter) === 'alive') continue;
    // Claimed and gone between the reading and the judging: it has its reply.
    if (!fs.existsSync(file)) continue;
    const hit =
      incoming.identity && findMessageId(layout, incoming.identity, context.now(), desk.idRetention);
    const outcome =
      hit && messageOutcome(layout.transcript(hit.agentId, hit.sessionId), hit.at, incoming.messageId);
    const own = outcome && outcome.state !== 'open' && queuedAs(outcome) === stem;
    const why = {
      reason: 'nobody waited for it when it came',
      callerGone: true,
      createdAt: context.now(),
    };
    const item = hit && own ? outboxItem(hit, outcome, why) : null;
    if (item) putOutbox(context, layout, item);
    fs.rmSync(file, { force: true });
  }
}
