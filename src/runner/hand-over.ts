/** Hands answered messages back: to the process that waits, to the outbox, or to nobody, and saves the record behind it. */
import { outboxItem } from '../core/delivery/delivery.ts';
import type { Incoming } from '../core/incoming.ts';
import { DROPPED } from '../core/result.ts';
import { isSubagent } from '../core/routing/session-key.ts';
import type { RunLine, RunRecord } from '../core/schedule/run-record.ts';
import { isUnheard, whyUnheard } from '../core/schedule/unheard.ts';
import type { SessionRecord } from '../core/session/session.ts';
import type {
  AssistantEntry,
  MessageOutcome,
  TurnEndEntry,
  TurnEntry,
  UserEntry,
} from '../core/session/transcript.ts';
import { newToken, tokenState } from '../store/lock.ts';
import { findMessageId } from '../store/message-ids.ts';
import { putOutbox } from '../store/outbox.ts';
import {
  dropFailed,
  dropWaiting,
  listWaiting,
  offerReply,
  putFailed,
  syncPending,
} from '../store/pending.ts';
import { appendRuns, readRuns } from '../store/runs.ts';
import { saveRecord } from '../store/sessions.ts';
import { dropSystemEvents, listSystemEvents, putSystemEvent } from '../store/system-events.ts';
import type { Desk, OpenTurn, Seat } from './desk.ts';

/** Does the process that brought this message still wait for it? Only a provably living one counts. */
export function waiterLives(desk: Desk, incoming: Incoming): boolean {
  return incoming.waiter !== undefined && tokenState(desk.context, incoming.waiter) === 'alive';
}

/** Hands back the messages of an ended turn; the reply belongs to the last of them. `printed` reached its caller. */
export function settleTurn(
  desk: Desk,
  seat: Seat,
  record: SessionRecord,
  { turn, users }: OpenTurn,
  end: TurnEndEntry,
  reply: AssistantEntry | null,
  printed: Set<string>,
): void {
  const { layout, context } = desk;
  if (end.status === 'failed' || end.status === 'interrupted') {
    const last = users.at(-1);
    // A job's run is tried again by the job's own rules, not by hand.
    if (last && !last.job) {
      const hit = last.identity && findMessageId(layout, last.identity, context.now(), desk.idRetention);
      putFailed(context, layout, {
        agentId: seat.agentId,
        key: seat.key,
        sessionId: record.sessionId,
        runId: turn.runId,
        at: hit?.at ?? -1,
        messageIds: turn.messageIds,
        users,
        text: users.map(user => user.message.content).join('\n\n'),
        status: end.status,
        error: end.error ?? { code: end.status, message: end.status },
        failedAt: end.timestamp,
      });
      dropFailed(layout, seat.agentId, seat.key, turn.messageIds, turn.runId);
    }
  } else {
    dropFailed(layout, seat.agentId, seat.key, turn.messageIds);
  }
  // An event is done when a turn that was told of it ended well; until then it waits.
  if (turn.events && (end.status === 'replied' || end.status === 'silent')) {
    accountForJobs(desk, seat, record, { turn, users }, end);
    dropSystemEvents(layout, seat.agentId, seat.key, turn.events);
  }
  for (const user of users) handOver(desk, seat, record, { state: 'ended', user, turn, end, reply }, printed);
}

/** Jobs whose events a turn was told have done what they are for. Before the events go, so that none is forgotten. */
function accountForJobs(
  { context, layout, warn }: Desk,
  { agentId, key }: Seat,
  { sessionId }: SessionRecord,
  { turn, users }: OpenTurn,
  end: TurnEndEntry,
): void {
  const delivery = deliveryOf(turn, users, end);
  for (const { id, job, at } of listSystemEvents(layout, agentId, key).events) {
    if (job === undefined || !turn.events?.includes(id)) continue;
    const isKnown = (line: RunLine) =>
      line.action === 'finished' && line.runId === job.runId && line.status === 'ok';
    if (readRuns(layout, job.id).lines.some(isKnown)) continue;
    const place = { agentId, sessionKey: key, sessionId };
    const times = { startedAt: turn.timestamp, durationMs: end.durationMs };
    const due = job.dueAt === undefined ? {} : { dueAt: job.dueAt, lateMs: Math.max(0, at - job.dueAt) };
    const trigger = job.dueAt === undefined ? 'manual' : 'schedule';
    appendRuns(context, layout, job.id, [
      {
        ...{ action: 'finished', ts: end.timestamp, jobId: job.id, runId: job.runId, status: 'ok', trigger },
        ...due,
        ...times,
        ...place,
        ...(delivery === null ? {} : { delivery }),
      },
    ]);
    if (delivery !== null && isUnheard(delivery)) warn(`job ${job.id}: told nobody: ${whyUnheard(delivery)}`);
  }
}

/** What becomes of the answer to a turn that was begun for events; null where somebody had asked, or nothing was said. */
function deliveryOf(
  { runId }: TurnEntry,
  users: readonly UserEntry[],
  end: TurnEndEntry,
): NonNullable<RunRecord['delivery']> | null {
  const user = users.at(-1);
  if (end.status !== 'replied' || user?.job?.kind !== 'heartbeat') return null;
  if (user.job.unheard?.status === 'no-target') return user.job.unheard;
  const { channel, to, groupId, from } = user.origin;
  const place = { channel, to: to ?? groupId ?? from ?? '' };
  if (end.delivery?.decision === 'deny') return { status: 'denied', reason: end.delivery.rule, ...place };
  return { status: 'queued', ...user.job.unheard, id: runId, ...place };
}

/** A message that was one too many stands in `inbox list` with its text. */
export function keepDropped(desk: Desk, seat: Seat, record: SessionRecord, user: UserEntry): void {
  const { layout, context } = desk;
  const hit = user.identity && findMessageId(layout, user.identity, context.now(), desk.idRetention);
  putFailed(context, layout, {
    agentId: seat.agentId,
    key: seat.key,
    sessionId: record.sessionId,
    runId: droppedId(user),
    at: hit?.at ?? -1,
    messageIds: [user.id],
    users: [user],
    text: user.message.content,
    status: 'dropped',
    error: { code: 'queue-full', message: DROPPED, hint: `claw inbox retry ${user.id}` },
    failedAt: user.timestamp,
  });
}

/**
 * Hands one answered message back: to the process that waits for it, to the channel's sender by way of the outbox, or,
 * when its caller is gone, to the outbox where `delivery list` shows it. What was handed over before stays so.
 */
export function handOver(
  desk: Desk,
  seat: Seat,
  record: SessionRecord,
  outcome: Exclude<MessageOutcome, { state: 'open' }>,
  printed: Set<string>,
): void {
  const { layout } = desk;
  const { agentId, key } = seat;
  const message = outcome.state === 'command' ? outcome.command : outcome.user;
  const { waiting, unreadable } = message.queuedAs ? listWaiting(layout, agentId, key) : NOTHING_WAITS;
  const item = waiting.find(each => each.stem === message.queuedAs);
  const waits = item !== undefined && waiterLives(desk, item.incoming);
  // Whoever brought an unreadable file cannot be told any more; the file stays for a person to look at.
  const isUnreadable = unreadable.some(({ file }) => file.endsWith(`.${message.queuedAs}.json`));
  const callerGone = message.queuedAs
    ? (item !== undefined && !waits) || isUnreadable
    : !printed.has(message.id);

  if (outcome.state === 'ended' && outcome.user.announceTo)
    announce(desk, seat, outcome, outcome.user.announceTo);
  if (outcome.state === 'recorded' && outcome.user.dropped && outcome.user.announceTo)
    announceDropped(desk, seat, outcome.user, outcome.user.announceTo);
  const toSender = message.via === 'sender' || message.via === 'both';
  if (message.via !== 'none' && (toSender || callerGone)) {
    const reason = toSender ? 'not sent yet' : 'nobody waited for it when it came';
    const why = { reason, callerGone: !toSender, createdAt: desk.context.now() };
    const reply = outboxItem({ agentId, key, sessionId: record.sessionId }, outcome, why);
    if (reply) putOutbox(desk.context, layout, reply);
  }
  if (waits) offerReply(layout, agentId, key, item.stem);
  else if (item) dropWaiting(layout, agentId, key, item.stem);
}

/** Most of an answer that a system event carries, characters; the whole stands in its session. */
const ANNOUNCED = 4000;

/** The session that asked is told of the answer, or of the failure, as an event that waits for its next turn. */
function announce(
  desk: Desk,
  seat: Seat,
  { user, turn, end, reply }: Extract<MessageOutcome, { state: 'ended' }>,
  to: { agentId: string; key: string },
): void {
  if (turn.messageIds.at(-1) !== user.id) return;
  const text = reply?.message.content ?? '';
  const more = text.length > ANNOUNCED ? ` … (the whole: claw sessions history ${seat.key})` : '';
  const what =
    end.status === 'replied'
      ? `answered: ${text.slice(0, ANNOUNCED)}${more}`
      : `ended without an answer (${end.error?.message ?? end.status})`;
  const source = isSubagent(seat.key) ? 'subagent' : 'session';
  const event = {
    ...to,
    text: `Session ${seat.key} ${what}`,
    source,
    runId: turn.runId,
    from: seat.key,
  } as const;
  putSystemEvent(desk.context, desk.layout, event, turn.runId);
}

function announceDropped(
  desk: Desk,
  { key }: Seat,
  user: UserEntry,
  to: { agentId: string; key: string },
): void {
  const source = isSubagent(key) ? 'subagent' : 'session';
  const event = { ...to, text: `Session ${key} did not answer: ${DROPPED}`, source, from: key } as const;
  putSystemEvent(desk.context, desk.layout, event, droppedId(user));
}

/** The same however often it is redone: named after the message, not after a new id. */
function droppedId({ queuedAs = '' }: UserEntry): string {
  return queuedAs.padStart(36, '0').slice(-36);
}

const NOTHING_WAITS: ReturnType<typeof listWaiting> = { waiting: [], unreadable: [] };

/**
 * Saves the record. Removals in `pending/` must be durable before it: otherwise a power cut could bring a message back
 * that the record no longer knows to be answered.
 */
export function syncAndSave(desk: Desk, seat: Seat, record: SessionRecord, queued: boolean): void {
  if (queued) syncPending(desk.layout, seat.agentId);
  saveRecord(desk.layout, record, newToken(desk.context), { folder: false });
}
