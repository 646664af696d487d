/**
 * What a tick does: finish what dead owners left and answer what waits. It looks at what is pending, never at what
 * exists, so it costs the same with one session and with 100,000.
 */
import fs from 'node:fs';
import path from 'node:path';
import { ClawError } from '../core/errors.ts';
import type { Origin } from '../core/session/session.ts';
import type { Incoming } from '../core/turn.ts';
import { listNames, readJson, sweepTemporaries } from '../store/json-file.ts';
import { sweepLocks, tokenState, tryLock } from '../store/lock.ts';
import { expiredIdFolders, findMessageId } from '../store/message-ids.ts';
import { putOutbox } from '../store/outbox.ts';
import { listPendingAgents, pendingOverview } from '../store/pending.ts';
import { type MessageOutcome, messageOutcome } from '../store/transcripts.ts';
import { type DeliveryReport, deliver } from './deliver.ts';
import { type Desk, TurnInterrupted, workSession } from './turn.ts';

/** One session with something left to do, and what shows it. */
export interface PendingSession {
  agentId: string;
  key: string;
  evidence: 'turn' | 'waiting';
}

export interface TickReport {
  /** sessions worked to the end */
  worked: string[];
  /** sessions somebody living holds */
  busy: string[];
  /** sessions that could not be worked, and why */
  problems: { sessionKey: string; reason: string }[];
  delivery: DeliveryReport;
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
  const found = record.state === 'ok' ? (record.value as { key?: unknown }).key : undefined;
  if (typeof found === 'string') return found;
  for (const name of listNames(desk.layout.pending(agentId))) {
    if (!name.startsWith(`${encoded}.`) || !name.endsWith('.json')) continue;
    const waiting = readJson(path.join(desk.layout.pending(agentId), name));
    if (waiting.state === 'ok') return (waiting.value as Incoming).key;
  }
  return null;
}

/** Does everything that is pending, several sessions at a time. */
export async function tick(desk: Desk, options: { signal?: AbortSignal; max?: number }): Promise<TickReport> {
  const report: TickReport = { worked: [], busy: [], problems: [], delivery: { sent: [], waiting: [] } };
  const { sessions, stale } = planTick(desk);
  for (const { agentId, encoded } of stale) dropStale(desk, agentId, encoded);
  const queue = sessions.slice(0, options.max ?? sessions.length);
  const worker = async () => {
    for (let next = queue.shift(); next && !options.signal?.aborted; next = queue.shift())
      await work(desk, next, report, options.signal);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, worker));
  for (const agentId of listPendingAgents(desk.layout)) {
    collectOfferedReplies(desk, agentId);
    sweepTemporaries(desk.layout.pending(agentId), token => tokenState(desk.context, token) === 'dead');
    sweepTemporaries(desk.layout.records(agentId), token => tokenState(desk.context, token) === 'dead');
  }
  for (const agentId of listNames(path.join(desk.layout.home, 'locks')))
    sweepLocks(desk.context, desk.layout.locks(agentId));
  sweepTemporaries(desk.layout.outbox(), token => tokenState(desk.context, token) === 'dead');
  for (const folder of expiredIdFolders(desk.layout, desk.context.now(), desk.idRetention)) {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  report.delivery = await deliver(desk);
  return report;
}

async function work(
  desk: Desk,
  session: PendingSession,
  report: TickReport,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { agentId, key } = session;
  const lock = tryLock(desk.context, desk.layout.lock(agentId, key), key);
  if (!lock) {
    report.busy.push(key);
    return;
  }
  try {
    await workSession(desk, { agentId, key, lock }, null, {
      enough: () => true,
      ...(signal ? { signal } : {}),
    });
    report.worked.push(key);
  } catch (error) {
    if (error instanceof TurnInterrupted) return;
    const hint = error instanceof ClawError && error.hint ? ` (${error.hint})` : '';
    report.problems.push({ sessionKey: key, reason: `${(error as Error).message}${hint}` });
  } finally {
    lock.release();
  }
}

/** A marker without record and without message: its owner died before anything was accepted. */
function dropStale(desk: Desk, agentId: string, encoded: string): void {
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
    const read = readJson(file);
    if (read.state !== 'ok') continue;
    const incoming = read.value as Incoming;
    if (incoming.waiter && tokenState(context, incoming.waiter) === 'alive') continue;
    const hit =
      incoming.identity && findMessageId(layout, incoming.identity, context.now(), desk.idRetention);
    const outcome =
      hit && messageOutcome(layout.transcript(hit.agentId, hit.sessionId), hit.at, incoming.messageId);
    const answer = outcome && answerFor(outcome, incoming.messageId, stem);
    if (hit && answer) {
      putOutbox(context, layout, {
        id: answer.runId,
        agentId: hit.agentId,
        sessionKey: hit.key,
        sessionId: hit.sessionId,
        messageId: incoming.messageId,
        origin: answer.origin,
        text: answer.text,
        state: 'waiting',
        reason: 'its caller was gone before it could be handed over',
        callerGone: true,
        createdAt: context.now(),
        attempts: [],
      });
    }
    fs.rmSync(file, { force: true });
  }
}

/** The reply that belongs to this very acceptance of a message; null for a repetition, or when another message carries it. */
function answerFor(
  outcome: MessageOutcome,
  messageId: string,
  stem: string,
): { runId: string; origin: Origin; text: string } | null {
  if (outcome.state === 'command' && outcome.command.queuedAs === stem) {
    return { runId: outcome.command.runId, origin: outcome.command.origin, text: outcome.command.reply };
  }
  if (outcome.state !== 'ended' || !outcome.reply || outcome.user.queuedAs !== stem) return null;
  if (outcome.turn.messageIds.at(-1) !== messageId) return null;
  return { runId: outcome.turn.runId, origin: outcome.user.origin, text: outcome.reply.message.content };
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
