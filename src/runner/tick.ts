/**
 * What a tick does: finish what dead owners left and answer what waits. It looks at what is pending, never at what
 * exists, so it costs the same with one session and with 100,000.
 */
import fs from 'node:fs';
import path from 'node:path';
import { DEFAULT_DELIVERY_RETENTION, outboxItem } from '../core/delivery/delivery.ts';
import { ClawError } from '../core/errors.ts';
import { parseDuration } from '../core/schedule/duration.ts';
import { queuedAs } from '../core/session/transcript.ts';
import { listNames, readJson, sweepTemporaries } from '../store/json-file.ts';
import { decodeKey, encodeKey, restOfKey } from '../store/layout.ts';
import { sweepLocks, tokenState, tryLock } from '../store/lock.ts';
import { expireLog, logFile } from '../store/log.ts';
import { expiredIdFolders, findMessageId } from '../store/message-ids.ts';
import { expireSent, putOutbox } from '../store/outbox.ts';
import { listPendingAgents, listWaitingFiles, pendingOverview, readWaiting } from '../store/pending.ts';
import { listAgents } from '../store/sessions.ts';
import { messageOutcome } from '../store/transcripts.ts';
import type { CleanupReport } from './clean.ts';
import { type DeliveryReport, deliver } from './deliver.ts';
import { type Desk, TurnInterrupted } from './desk.ts';
import { stopOrphans } from './orphans.ts';
import { planDailyResets, resetDaily, type SweepReport } from './sweep.ts';
import { workSession } from './turn.ts';

/** One session with something left to do, and what shows it. */
export interface PendingSession {
  agentId: string;
  key: string;
  evidence: 'turn' | 'waiting';
}

export interface TickReport {
  /** sessions worked to the end */
  worked: string[];
  /** turns whose agent failed meanwhile; their messages stand in the inbox */
  failed: { sessionKey: string; reason: string }[];
  /** sessions somebody living holds */
  busy: string[];
  /** sessions that could not be worked, and why */
  problems: { sessionKey: string; reason: string }[];
  /** sessions whose day was over, and those that were in use then */
  resets: SweepReport;
  delivery: DeliveryReport;
  /** what retention removed; null where none is set, or it was looked at less than a day ago */
  cleanup: CleanupReport | null;
}

const AT_ONCE = 4;

/** What is pending, by file names and one small read each; changes nothing. */
export function planTick(desk: Desk): {
  sessions: PendingSession[];
  stale: { agentId: string; encoded: string }[];
} {
  const sessions: PendingSession[] = [];
  const stale: { agentId: string; encoded: string }[] = [];
  for (const agentId of listPendingAgents(desk.layout)) {
    const { turns, waiting } = pendingOverview(desk.layout, agentId);
    for (const encoded of new Set([...turns, ...waiting])) {
      const key = keyOf(desk, agentId, encoded);
      if (key === null) stale.push({ agentId, encoded });
      else sessions.push({ agentId, key, evidence: turns.includes(encoded) ? 'turn' : 'waiting' });
    }
  }
  return { sessions, stale };
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

/** Does everything that is pending, several sessions at a time. One part's trouble stops no other. */
export async function tick(desk: Desk, options: { signal?: AbortSignal; max?: number }): Promise<TickReport> {
  const report: TickReport = {
    worked: [],
    failed: [],
    busy: [],
    problems: [],
    resets: { reset: [], left: [], more: 0 },
    delivery: { sent: [], waiting: [] },
    cleanup: null,
  };
  const attempt = async (what: string, step: () => unknown) => {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof TurnInterrupted))
        report.problems.push({ sessionKey: what, reason: explain(error) });
    }
  };
  await attempt('pending', async () => {
    const { sessions, stale } = planTick(desk);
    for (const { agentId, encoded } of stale)
      await attempt(encoded, () => dropStale(desk, agentId, encoded, report));
    const queue = sessions.slice(0, options.max ?? sessions.length);
    const worker = async () => {
      for (let next = queue.shift(); next && !options.signal?.aborted; next = queue.shift()) {
        const session = next;
        await attempt(session.key, () => work(desk, session, report, options.signal));
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, worker));
  });
  await attempt('resets', async () => {
    if (!options.signal?.aborted)
      report.resets = await resetDaily(desk, planDailyResets(desk), options.signal);
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
  await attempt('outbox', async () => {
    report.delivery = await deliver(desk, options.signal ? { signal: options.signal } : {});
  });
  await attempt('retention', () => expireRecords(desk));
  if (desk.config.session?.retention !== undefined && !options.signal?.aborted) {
    await attempt('retention', async () => {
      const { cleanUpDaily } = await import('./clean.ts');
      report.cleanup = await cleanUpDaily(desk);
    });
  }
  return report;
}

const DAY = 24 * 3_600_000;

/**
 * Records of sent replies end with `retention.deliveries`, lines of the log with `retention.logs`. They are looked through
 * once a day: by the first tick, and by the first one of each day (UTC), which the stamp of the one before tells without a
 * file of its own.
 */
function expireRecords(desk: Desk): void {
  const now = desk.context.now();
  const last = fs.statSync(desk.layout.tickStamp(), { throwIfNoEntry: false });
  if (last && Math.floor(last.mtimeMs / DAY) === Math.floor(now / DAY)) return;
  const { deliveries = DEFAULT_DELIVERY_RETENTION, logs } = desk.config.retention ?? {};
  expireSent(desk.layout, now - parseDuration(deliveries)!);
  if (logs !== undefined) expireLog(logFile(desk.layout, desk.config), now - parseDuration(logs)!, now);
}

function explain(error: unknown): string {
  const hint = error instanceof ClawError && error.hint ? ` (${error.hint})` : '';
  return `${(error as Error).message}${hint}`;
}

async function work(
  desk: Desk,
  { agentId, key }: PendingSession,
  report: TickReport,
  signal: AbortSignal | undefined,
): Promise<void> {
  const lock = tryLock(desk.context, desk.layout.lock(agentId, key), key);
  if (!lock) {
    report.busy.push(key);
    return;
  }
  try {
    await workSession(desk, { agentId, key, lock }, null, {
      enough: () => true,
      onEnd: ({ status, error }) => {
        if (status === 'failed') report.failed.push({ sessionKey: key, reason: error?.message ?? status });
      },
      ...(signal ? { signal } : {}),
    });
    report.worked.push(key);
  } finally {
    lock.release();
  }
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

/** Temporaries of dead writers, in the small folders where they are made. */
function sweep(desk: Desk): void {
  const agents = listAgents(desk.layout);
  const folders = [
    desk.layout.outbox(),
    ...listPendingAgents(desk.layout).map(agentId => desk.layout.pending(agentId)),
    ...agents.map(agentId => desk.layout.drafts(agentId)),
  ];
  for (const folder of folders) sweepTemporaries(folder, token => tokenState(desk.context, token) === 'dead');
}

/** A marker without record and without message: its owner died before anything was accepted. */
function dropStale(desk: Desk, agentId: string, encoded: string, report: TickReport): void {
  for (const file of listWaitingFiles(desk.layout, agentId)) {
    const read = readWaiting(file);
    if (!path.basename(file).startsWith(`${encoded}.`) || read.state !== 'unreadable') continue;
    report.problems.push({ sessionKey: encoded, reason: `${file}: ${read.reason}; it is left in place` });
  }
  const lock = tryLock(desk.context, path.join(desk.layout.locks(agentId), encoded), encoded);
  if (!lock) return;
  try {
    if (keyOf(desk, agentId, encoded) === null)
      fs.rmSync(path.join(desk.layout.pending(agentId), `${encoded}.turn`), { force: true });
  } finally {
    lock.release();
  }
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
      reason: 'its caller was gone before it could be handed over',
      callerGone: true,
      createdAt: context.now(),
    };
    const item = hit && own ? outboxItem(hit, outcome, why) : null;
    if (item) putOutbox(context, layout, item);
    fs.rmSync(file, { force: true });
  }
}

/** Leaves the tick's time stamp: an empty file whose mtime says when. Not synced. */
export function stampTick(desk: Desk): void {
  const file = desk.layout.tickStamp();
  const now = new Date(desk.context.now());
  try {
    fs.utimesSync(file, now, now);
  } catch {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.closeSync(fs.openSync(file, 'a', 0o600));
    fs.utimesSync(file, now, now);
  }
}
