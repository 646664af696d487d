/** Hands answered messages back: to the process that waits, to the outbox, or to nobody, and saves the record behind it. */
import type { Origin, SessionRecord } from '../core/session/session.ts';
import type { AssistantEntry, MessageIdentity, ReplyVia, TurnEndEntry } from '../core/session/transcript.ts';
import type { Incoming } from '../core/turn.ts';
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
import { saveRecord } from '../store/sessions.ts';
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
    if (last) {
      const hit = last.identity && findMessageId(layout, last.identity, context.now(), desk.idRetention);
      putFailed(context, layout, {
        agentId: seat.agentId,
        key: seat.key,
        sessionId: record.sessionId,
        runId: turn.runId,
        at: hit?.at ?? -1,
        messageIds: turn.messageIds,
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
  const last = turn.messageIds.at(-1);
  for (const user of users) {
    const isLast = user.id === last;
    handOver(
      desk,
      seat,
      record,
      user,
      isLast ? (reply?.message.content ?? null) : null,
      turn.runId,
      isLast,
      printed,
    );
  }
}

/**
 * Hands one answered message back: to the process that waits for it, to the channel's sender by way of the outbox, or,
 * when its caller is gone, to the outbox where `delivery list` shows it. What was handed over before stays so.
 */
export function handOver(
  desk: Desk,
  seat: Seat,
  record: SessionRecord,
  message: { id: string; queuedAs?: string; via: ReplyVia; origin: Origin; identity?: MessageIdentity },
  text: string | null,
  runId: string,
  isLast: boolean,
  printed: Set<string>,
): void {
  const { layout, context } = desk;
  let callerGone = false;
  if (message.queuedAs) {
    const { waiting: items, unreadable } = listWaiting(layout, seat.agentId, seat.key);
    // Whoever brought it cannot be told any more; the file stays for a person to look at.
    if (unreadable.some(({ file }) => file.endsWith(`.${message.queuedAs}.json`))) callerGone = true;
    const item = items.find(waiting => waiting.stem === message.queuedAs);
    if (item && waiterLives(desk, item.incoming)) offerReply(layout, seat.agentId, seat.key, item.stem);
    else if (item) {
      callerGone = true;
      putReply();
      dropWaiting(layout, seat.agentId, seat.key, item.stem);
    }
  } else if (!printed.has(message.id)) {
    callerGone = true;
  }
  putReply();

  function putReply(): void {
    const toSender = message.via === 'sender' || message.via === 'both';
    if (text === null || !isLast || message.via === 'none' || !(toSender || callerGone)) return;
    putOutbox(context, layout, {
      id: runId,
      agentId: seat.agentId,
      sessionKey: seat.key,
      sessionId: record.sessionId,
      messageId: message.id,
      origin: message.origin,
      text,
      state: 'waiting',
      reason: toSender ? 'not sent yet' : 'its caller was gone before it could be handed over',
      callerGone: !toSender,
      createdAt: context.now(),
      attempts: [],
    });
  }
}

/**
 * Saves the record. Removals in `pending/` must be durable before it: otherwise a power cut could bring a message back
 * that the record no longer knows to be answered.
 */
export function syncAndSave(desk: Desk, seat: Seat, record: SessionRecord, queued: boolean): void {
  if (queued) syncPending(desk.layout, seat.agentId);
  saveRecord(desk.layout, record, newToken(desk.context), { folder: false });
}
