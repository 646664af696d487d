/** A reply on its way out: what is sent, where to, and how it stands. */
import { DROPPED } from '../result.ts';
import type { Origin } from '../session/session.ts';
import { type MessageOutcome, replyText } from '../session/transcript.ts';
import { spoken } from '../turn.ts';

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
  createdAt: number;
  attempts: { at: number; error: string }[];
  sentAt?: number;
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
  return { ...reply, agentId, sessionKey: key, sessionId, state: 'waiting', attempts: [], ...why };
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
  const { user, turn, reply } = outcome;
  if (turn.messageIds.at(-1) !== user.id) return null;
  return {
    id: turn.runId,
    messageId: user.id,
    origin: user.origin,
    text: spoken(turn.notices, replyText(reply)),
  };
}
