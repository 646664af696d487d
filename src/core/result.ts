/** The result document of one message (contract of `claw ingest`), and how it follows from what the transcript says. */
import type { ResetInfo } from './session/session.ts';
import { type MessageOutcome, replyText, type SendVerdict, type Usage } from './session/transcript.ts';

export type IngestStatus =
  | 'replied'
  | 'silent'
  | 'command'
  | 'recorded'
  | 'queued'
  | 'duplicate'
  | 'denied'
  | 'failed';

/** What `--deliver` came to by the time the result was printed. */
export interface DeliveryResult {
  decision: 'allow';
  /** delivery id */
  id: string;
  /** `waiting` is tried again by ticks, `dead` only by hand */
  status: 'sent' | 'waiting' | 'dead';
  /** why it is not sent; null when it is */
  reason: string | null;
}

/** The result document of contract §3.1. */
export interface IngestResult {
  status: IngestStatus;
  messageId: string;
  agentId: string;
  sessionKey: string;
  sessionId: string | null;
  isNewSession: boolean;
  reset: { reason: string; at: string; previousSessionId: string } | null;
  notices: string[];
  reply: { text: string } | null;
  usage: Usage | null;
  durationMs: number;
  /** for `queued` and `denied`: why */
  reason?: string;
  /** for `queued`: the message of the same turn that carries the reply */
  answeredBy?: string;
  /** where replies may not go out: the rule that says so; with `--deliver`: what became of the delivery */
  delivery?: SendVerdict | DeliveryResult;
  error?: { code: string; message: string; hint?: string };
}

/** Said to who brought a message that was one too many. */
export const DROPPED = 'too many messages were waiting (/queue cap); its text is kept, see claw inbox list';

/** The result document of an outcome; `base` holds what does not depend on it. */
export function resultOf(base: IngestResult, outcome: MessageOutcome): IngestResult {
  if (outcome.state === 'open') return base;
  if (outcome.state === 'recorded') {
    const { dropped } = outcome.user;
    return { ...base, status: 'recorded', ...(dropped ? { reason: DROPPED } : {}) };
  }
  if (outcome.state === 'command') {
    const { isNewSession, reset, notices, reply } = outcome.command;
    return { ...base, status: 'command', isNewSession, reset: shown(reset), notices, reply: { text: reply } };
  }
  const { user, turn, end, reply } = outcome;
  const answeredBy = turn.messageIds.at(-1)!;
  if (answeredBy !== user.id && end.status === 'replied') {
    return { ...base, answeredBy, reason: 'answered together with a later message' };
  }
  // Ended by a later message, which is answered for both.
  if (end.answeredBy !== undefined)
    return { ...base, answeredBy: end.answeredBy, reason: 'interrupted by a later message' };
  const { isNewSession, reset } = turn;
  const notices = [...turn.notices, ...(end.notices ?? [])];
  const run = {
    ...base,
    isNewSession,
    reset: shown(reset),
    notices,
    usage: end.usage,
    durationMs: end.durationMs,
    ...(end.delivery ? { delivery: end.delivery } : {}),
  };
  if (end.status === 'replied')
    return { ...run, status: 'replied', reply: { text: reply ? replyText(reply) : '' } };
  if (end.status === 'silent') return { ...run, status: 'silent' };
  // Ended by a person: no failure, and nothing to be tried again.
  if (end.status === 'stopped') return { ...run, status: 'silent', reason: 'stopped' };
  return {
    ...run,
    status: 'failed',
    error: end.error ?? { code: end.status, message: `the turn was ${end.status}` },
  };
}

/** A failure stays a failure for every caller that asked; all else is told as a repetition of the first. */
export function asDuplicate(result: IngestResult): IngestResult {
  return result.status === 'failed' || result.status === 'queued'
    ? result
    : { ...result, status: 'duplicate' };
}

function shown(reset: ResetInfo | null): IngestResult['reset'] {
  return reset
    ? {
        reason: reset.reason,
        at: new Date(reset.at).toISOString(),
        previousSessionId: reset.previousSessionId,
      }
    : null;
}
