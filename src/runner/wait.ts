/** Waiting for an answer: in line for a busy session, or behind the first delivery of the same message. */
import { outboxItem, type Place } from '../core/delivery/delivery.ts';
import type { Incoming } from '../core/incoming.ts';
import { asDuplicate, type IngestResult } from '../core/result.ts';
import { type MessageOutcome, queuedAs } from '../core/session/transcript.ts';
import { holderOf, tokenState, tryLock } from '../store/lock.ts';
import { findMessageId, type IdHit } from '../store/message-ids.ts';
import { putOutbox, settleOutbox } from '../store/outbox.ts';
import { claimReply, hasTurnMark, isOffered, isWaiting, listWaiting, readReply } from '../store/pending.ts';
import { messageOutcome } from '../store/transcripts.ts';
import { type Desk, TurnInterrupted } from './desk.ts';
import { queueable, workSession } from './turn.ts';

const FIRST_POLL = 10;
const LONGEST_POLL = 100;

/** What a process that waits for an answer carries along. */
export interface Line {
  desk: Desk;
  messageId: string;
  /** epoch ms */
  deadline: number;
  wait: boolean;
  signal?: AbortSignal;
  describe: Describe;
  later(reason: string, sessionId?: string | null): Answer;
}

export type Describe = (outcome: MessageOutcome, sessionId: string) => IngestResult;

/** A result, and what is to be done once it was printed (or could not be). */
export interface Answer {
  result: IngestResult;
  settle?(printed: boolean): void;
  /** to be called when it turns out later that nobody read it */
  unread?(): string | null;
}

/** Waits until the message queued under this stem is answered, working the session whenever it is free. */
export async function standInLine(line: Line, incoming: Incoming, stem: string): Promise<Answer> {
  try {
    return await fetchAnswer(line, incoming, stem);
  } catch (error) {
    // Accepted is accepted: trouble in looking at the answer is no failure of the message.
    return line.later(whyLater(error));
  }
}

async function fetchAnswer(line: Line, incoming: Incoming, stem: string): Promise<Answer> {
  const { desk, messageId, signal, describe, later } = line;
  const { layout, context } = desk;
  const { agentId, key } = incoming;
  const done = await poll(line, agentId, key, {
    finished: () => isOffered(layout, agentId, key, stem),
    enough: () => !isWaiting(layout, agentId, key, stem),
  });
  if (done !== 'finished') {
    if (signal?.aborted) return later('interrupted; the next tick answers it');
    return later(
      done === 'late' ? 'the session is busy; its holder or the next tick answers it' : done.reason,
    );
  }
  const drop = () => claimReply(layout, agentId, key, stem);
  const { identity } = queueable(desk, incoming, false);
  const hit = findMessageId(layout, identity!, context.now(), desk.idRetention);
  const outcome = hit && outcomeOf(desk, hit, messageId);
  if (!hit || !outcome) return later('answered, but its transcript is gone');
  const result = describe(outcome, hit.sessionId);
  if (queuedAs(outcome) !== stem)
    return { result: asDuplicate(result), settle: printed => settleRepetition(printed) };
  return {
    result,
    unread: () => putUnread(desk, hit, outcome),
    settle: printed => {
      // Printed first, removed second: a crash in between shows a reply twice rather than never.
      if (!printed) putUnread(desk, hit, outcome);
      drop();
    },
  };

  function settleRepetition(printed: boolean): void {
    if (printed) settleOutbox(layout, runIdOf(outcome!) ?? '');
    drop();
  }
}

/** The message was accepted before: waits for that acceptance's result and returns it; nothing is delivered again. */
export async function followFirst(line: Line, hit: IdHit): Promise<Answer> {
  try {
    return await fetchFirst(line, hit);
  } catch (error) {
    return line.later(whyLater(error), hit.sessionId);
  }
}

async function fetchFirst(line: Line, hit: IdHit): Promise<Answer> {
  const { desk, messageId, wait, later, describe } = line;
  const { layout } = desk;
  const isEnded = () => outcomeOf(desk, hit, messageId)?.state !== 'open';
  const unsettled = () => hasTurnMark(layout, hit.agentId, hit.key);
  if (wait && (!isEnded() || unsettled())) {
    // An ended turn may lack the last steps of its dead owner: they are done first, lest its reply goes out twice.
    const done = await poll(line, hit.agentId, hit.key, {
      finished: () => isEnded() && (!unsettled() || holderLives(desk, hit)),
      enough: () => true,
    });
    if (done !== 'finished' && !isEnded()) {
      return later(
        typeof done === 'object' ? done.reason : 'accepted before and not answered yet',
        hit.sessionId,
      );
    }
  }
  const outcome = outcomeOf(desk, hit, messageId);
  if (!outcome) {
    const gone = later('accepted before; its transcript is gone', hit.sessionId);
    return { result: { ...gone.result, status: 'duplicate' } };
  }
  if (outcome.state === 'open') return later('accepted before and not answered yet', hit.sessionId);
  return {
    result: asDuplicate(describe(outcome, hit.sessionId)),
    settle: printed => {
      if (!printed) return;
      settleOutbox(layout, runIdOf(outcome) ?? '');
      const stem = queuedAs(outcome);
      if (stem !== undefined && !waiterOfReplyLives(desk, hit, stem))
        claimReply(layout, hit.agentId, hit.key, stem);
    },
  };
}

/**
 * Looks again and again whether something is finished, and works the session itself whenever it is free.
 *
 * @returns `late` when the deadline passed or a signal came, a reason when working the session failed
 */
async function poll(
  line: Line,
  agentId: string,
  key: string,
  look: { finished(): boolean; enough(): boolean },
): Promise<'finished' | 'late' | { reason: string }> {
  const { desk, deadline, signal } = line;
  for (let pause = FIRST_POLL; ; pause = Math.min(pause * 1.5, LONGEST_POLL)) {
    try {
      if (look.finished()) return 'finished';
      if (signal?.aborted || desk.context.now() >= deadline) return 'late';
      const lock = tryLock(desk.context, desk.layout.lock(agentId, key), key);
      if (lock) {
        try {
          await workSession(desk, { agentId, key, lock }, null, {
            enough: look.enough,
            ...(signal ? { signal } : {}),
          });
        } finally {
          lock.release();
        }
        if (look.finished()) return 'finished';
      }
    } catch (error) {
      return { reason: whyLater(error) };
    }
    await new Promise(resolve => setTimeout(resolve, pause));
  }
}

/** Between the last look at the queue and the release of the lock, a message nobody waits for may have come. */
export async function answerLateArrivals(
  desk: Desk,
  agentId: string,
  key: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { context, layout } = desk;
  const unattended = () =>
    listWaiting(layout, agentId, key).waiting.filter(item => item.incoming.waiter === undefined).length;
  try {
    for (
      let before = Number.POSITIVE_INFINITY, left = unattended();
      left > 0 && left < before && !signal?.aborted;
    ) {
      const lock = tryLock(context, layout.lock(agentId, key), key);
      if (!lock) return;
      try {
        await workSession(desk, { agentId, key, lock }, null, {
          enough: () => true,
          ...(signal ? { signal } : {}),
        });
      } finally {
        lock.release();
      }
      before = left;
      left = unattended();
    }
  } catch (error) {
    desk.warn(`a later message of this session: ${whyLater(error)}`);
  }
}

/**
 * A reply that nobody read: it waits where `delivery list` shows it, or for the channel's sender, who sends it also when
 * it was read after all where its message asked for that.
 *
 * @returns the item's id; null when there is no reply to keep
 */
export function putUnread(desk: Desk, place: Place, outcome: MessageOutcome): string | null {
  if (outcome.state === 'open') return null;
  const { via } = outcome.state === 'command' ? outcome.command : outcome.user;
  const toSender = via === 'sender' || via === 'both';
  const why = {
    reason: toSender ? 'not sent yet' : 'nobody read it: the pipe was closed',
    callerGone: !toSender,
    createdAt: desk.context.now(),
  };
  const item = outboxItem(place, outcome, why);
  if (item) putOutbox(desk.context, desk.layout, item);
  return item?.id ?? null;
}

function runIdOf(outcome: MessageOutcome): string | null {
  return outcome.state === 'ended'
    ? outcome.turn.runId
    : outcome.state === 'command'
      ? outcome.command.runId
      : null;
}

function holderLives(desk: Desk, hit: IdHit): boolean {
  const holder = holderOf(desk.layout.lock(hit.agentId, hit.key));
  return holder !== null && tokenState(desk.context, holder) !== 'dead';
}

function waiterOfReplyLives(desk: Desk, hit: IdHit, stem: string): boolean {
  const read = readReply(desk.layout, hit.agentId, hit.key, stem);
  return (
    read.state === 'ok' &&
    read.value.waiter !== undefined &&
    tokenState(desk.context, read.value.waiter) === 'alive'
  );
}

export function outcomeOf(desk: Desk, hit: IdHit, messageId: string): MessageOutcome | null {
  return messageOutcome(desk.layout.transcript(hit.agentId, hit.sessionId), hit.at, messageId);
}

export function whyLater(error: unknown): string {
  if (error instanceof TurnInterrupted) return 'interrupted before it was answered; the next tick answers it';
  return `${(error as Error).message}; the message is kept, the next tick answers it`;
}
