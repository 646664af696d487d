/** A reply on its way out: what is sent, where to, and how it stands. */

import { spoken } from '../notice.ts';
import { DROPPED } from '../result.ts';
import type { Origin } from '../session/session.ts';
import { type MessageOutcome, replyText } from '../session/transcript.ts';

export interface OutboxItem {
  /** the run's id: the sender's idempotency key */
  id: string;
  agentId: string;
  sessionKey: string;
  sessionId: string;
  messageId: string;
  /** where the message came from and the reply goes */
  origin: Origin;
  /** notices and reply, as the channel's user reads them */
  text: string;
  /** `waiting` is tried again; `dead` only by hand */
  state: 'waiting' | 'dead';
  /** why it is still here, for people */
  reason: string;
  /** true when the reply was meant for a caller on stdout that was gone */
  callerGone: boolean;
  /** nobody had just written: whether it may go there is asked again when it is sent */
  proactive?: true;
  /** the run (`CLAW_RUN_ID`) whose agent asked for it with `message send` */
  sentBy?: string;
  createdAt: number;
  /** the newest failures, oldest first */
  attempts: { at: number; error: string }[];
  /** how often it failed in all, where that is more than `attempts` holds */
  failures?: number;
  /** the service asked not to be called before, epoch ms */
  notBefore?: number;
  /** of a text that goes out in several messages: how many are out, and how far that is, in UTF-16 units of `text` */
  progress?: { parts: number; upTo: number };
  sentAt?: number;
}

/** How long records of sent replies are kept where the config says nothing. */
export const DEFAULT_DELIVERY_RETENTION = '30d';

/** Waiting times after a temporary failure, ms; the last one repeats (the first three as in openclaw#113700). */
const BACK_OFF = [5_000, 25_000, 120_000, 600_000, 3_600_000];
/** Failures that are kept; what is older than these says nothing new. */
const KEPT_ATTEMPTS = 20;

/** Where a delivery goes, as its channel names people and rooms; '' where nothing is known. */
export function recipientOf({ origin }: Pick<OutboxItem, 'origin'>): string {
  return origin.to ?? origin.groupId ?? origin.from ?? '';
}

/** How often a sender was asked in vain. */
export function failuresOf(item: OutboxItem): number {
  return Math.max(item.failures ?? 0, item.attempts.length);
}

/** When an item may be tried again, epoch ms: when its service said, else after a time that grows with each failure. */
export function nextAttempt(item: OutboxItem): number {
  const last = item.attempts.at(-1);
  if (!last) return 0;
  if (item.notBefore !== undefined) return Math.max(item.notBefore, last.at + BACK_OFF[0]!);
  return last.at + BACK_OFF[Math.min(failuresOf(item), BACK_OFF.length) - 1]!;
}

/**
 * The item after a failure.
 *
 * @param failure `later`: ms that the service asked to wait
 */
export function afterFailure(
  item: OutboxItem,
  failure: { outcome: 'temporary' | 'permanent'; reason: string; later?: number },
  now: number,
): OutboxItem {
  const { notBefore: _, ...rest } = item;
  return {
    ...rest,
    attempts: [...item.attempts, { at: now, error: failure.reason }].slice(-KEPT_ATTEMPTS),
    failures: failuresOf(item) + 1,
    state: failure.outcome === 'temporary' ? 'waiting' : 'dead',
    reason: failure.reason,
    ...(failure.later === undefined ? {} : { notBefore: now + failure.later }),
  };
}

/** The id of what an agent sends from inside its run: found again by the run, without reading what others sent. */
export function sendId(runId: string, fresh: string): string {
  return `${sendPrefix(runId)}${fresh.slice(-12)}`;
}

/** How the ids of everything begin that one run sent. */
export function sendPrefix(runId: string): string {
  return `${runId.replace(/[^\w-]/g, '_').slice(0, 64)}-s-`;
}

/** The idempotency key of one part: the delivery's id, and behind the first its number. */
export function keyOfPart(item: OutboxItem, part: number): string {
  return part === 0 ? item.id : `${item.id}-${part + 1}`;
}

/** The session a message was answered in. */
export interface Place {
  agentId: string;
  key: string;
  sessionId: string;
}

/**
 * The item that carries a message's reply; null where there is none: not answered yet, silence, a failure, or a message
 * whose turn's reply belongs to a later one.
 */
export function outboxItem(
  place: Place,
  outcome: MessageOutcome,
  why: Pick<OutboxItem, 'reason' | 'callerGone' | 'createdAt'>,
): OutboxItem | null {
  const reply = replyOf(outcome);
  if (!reply) return null;
  const { agentId, key, sessionId } = place;
  // What a schedule had said was not asked for by whom it goes to.
  const proactive = outcome.state === 'ended' && outcome.user.job ? { proactive: true as const } : {};
  return {
    ...reply,
    agentId,
    sessionKey: key,
    sessionId,
    state: 'waiting',
    attempts: [],
    ...proactive,
    ...why,
  };
}

function replyOf(outcome: MessageOutcome): Pick<OutboxItem, 'id' | 'messageId' | 'origin' | 'text'> | null {
  if (outcome.state === 'command') {
    const { runId, id, origin, notices, reply } = outcome.command;
    return { id: runId, messageId: id, origin, text: spoken(notices, reply) };
  }
  if (outcome.state === 'recorded' && outcome.user.dropped) {
    const { id, origin, queuedAs = '' } = outcome.user;
    return {
      id: queuedAs.padStart(36, '0').slice(-36),
      messageId: id,
      origin,
      text: `(Not answered: ${DROPPED}.)`,
    };
  }
  if (outcome.state !== 'ended' || !outcome.reply || outcome.end.delivery?.decision === 'deny') return null;
  const { user, turn, end, reply } = outcome;
  if (turn.messageIds.at(-1) !== user.id) return null;
  return {
    id: turn.runId,
    messageId: user.id,
    origin: user.origin,
    text: spoken([...turn.notices, ...(end.notices ?? [])], replyText(reply)),
  };
}
