/**
 * One message from acceptance to result. A free session takes it at once; for a busy one it is stored durably and the
 * process stands in line: whoever holds the session answers, and the reply is fetched here.
 */
import { DEFAULTS } from '../config/defaults.ts';
import { ClawError } from '../core/errors.ts';
import { isOwner } from '../core/routing/access.ts';
import type { Message } from '../core/routing/message.ts';
import type { Route } from '../core/routing/route.ts';
import type { ResetInfo } from '../core/session/session.ts';
import type { MessageIdentity, TurnEntry, Usage } from '../core/session/transcript.ts';
import { type Incoming, runnerName } from '../core/turn.ts';
import { holderOf, tokenState, tryLock } from '../store/lock.ts';
import { findMessageId, type IdHit } from '../store/message-ids.ts';
import { putOutbox, settleOutbox } from '../store/outbox.ts';
import {
  claimReply,
  hasTurnMark,
  isOffered,
  isWaiting,
  listWaiting,
  putWaiting,
  readReply,
} from '../store/pending.ts';
import { loadRecord } from '../store/sessions.ts';
import { type MessageOutcome, messageOutcome } from '../store/transcripts.ts';
import { ioFailure } from './accept.ts';
import type { Desk } from './desk.ts';
import { queueable, TurnInterrupted, workSession } from './turn.ts';

export type IngestStatus =
  | 'replied'
  | 'silent'
  | 'command'
  | 'recorded'
  | 'queued'
  | 'duplicate'
  | 'denied'
  | 'failed';

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
  error?: { code: string; message: string; hint?: string };
}

export interface IngestOptions {
  /** false: accept, do not wait for an answer */
  wait: boolean;
  /** how long to stand in line for a busy session, ms; default: the runner's timeout */
  waitMs?: number;
  /** keep it as context only */
  recordOnly: boolean;
  /** send the reply through the channel's sender too */
  deliver: boolean;
  fromAgent: boolean;
  signal?: AbortSignal;
  /** ended by a person's Ctrl-C, which also ends the turn */
  stopped?(): boolean;
  onStart?(turn: TurnEntry): void;
  onDelta?(text: string): void;
  /** Prints the result; false when nobody reads it any more. */
  print(result: IngestResult): boolean;
}

const FIRST_POLL = 10;
const LONGEST_POLL = 100;

/** What makes two deliveries the same message; undefined where the sender gave no id. */
export function identityOf(message: Message): MessageIdentity | undefined {
  if (message.id === undefined) return undefined;
  const chat = message.groupId ?? message.from ?? '';
  return [message.channel, message.accountId, chat, message.threadId ?? '', message.id];
}

/**
 * Takes one message and prints its result through `options.print`.
 *
 * @returns the result that was printed
 * @throws ClawError before anything was accepted (usage, data, tempfail …); never after
 */
export async function ingest(
  desk: Desk,
  route: Route,
  message: Message,
  options: IngestOptions,
): Promise<IngestResult> {
  const { context, layout } = desk;
  const begun = context.now();
  const identity = identityOf(message);
  const messageId = message.id ?? context.newId();
  const { agentId, sessionKey: key } = route;
  const elapsed = () => context.now() - begun;
  const blank = {
    status: 'queued' as IngestStatus,
    messageId,
    agentId,
    sessionKey: key,
    sessionId: null,
    isNewSession: false,
    reset: null,
    notices: [],
    reply: null,
    usage: null,
    durationMs: 0,
  };
  const describe: Describe = (outcome, sessionId) =>
    resultOf({ ...blank, durationMs: elapsed(), sessionId }, outcome);
  const later = (reason: string, sessionId: string | null = null): Answer => ({
    result: { ...blank, sessionId, durationMs: elapsed(), reason },
  });

  if (!route.access.allowed) {
    return hand({
      result: { ...blank, status: 'denied', reason: route.access.reason, durationMs: elapsed() },
    });
  }
  const incoming: Incoming = {
    agentId,
    key,
    messageId,
    ...(identity ? { identity } : {}),
    message,
    acceptedAt: begun,
    via: options.deliver ? 'both' : 'stdout',
    respond: route.activation.respond && !options.recordOnly,
    owner: !options.fromAgent && isOwner(message, desk.config),
    fromAgent: options.fromAgent,
  };
  const line: Line = {
    desk,
    messageId,
    deadline: begun + (options.waitMs ?? waitOf(desk, agentId)),
    wait: options.wait,
    ...(options.signal ? { signal: options.signal } : {}),
    describe,
    later,
  };

  const hit = identity && beforeAcceptance(() => findMessageId(layout, identity, begun, desk.idRetention));
  // Only a message whose agent failed is tried again when it comes again, and only by somebody who waits for it.
  const again = hit && options.wait && beforeAcceptance(() => isFailed(desk, hit, messageId));
  if (hit && !again) return hand(await followFirst(line, hit));
  if (!options.wait && incoming.respond) {
    beforeAcceptance(() => putWaiting(context, layout, queueable(desk, incoming, false)));
    return hand(later('accepted; whoever holds the session, or the next tick, answers it'));
  }
  const lock = beforeAcceptance(() => tryLock(context, layout.lock(agentId, key), key));
  if (!lock) {
    const stem = beforeAcceptance(() => putWaiting(context, layout, queueable(desk, incoming, true)));
    return hand(await standInLine(line, incoming, stem));
  }

  // What the work below came to, by its hooks.
  const seen: { result?: IngestResult; accepted?: boolean; first?: IdHit; stem?: string } = {};
  try {
    await workSession(desk, { agentId, key, lock }, incoming, {
      onAccepted: () => {
        seen.accepted = true;
      },
      onAnswered: async (outcome, sessionId) => {
        seen.result = describe(outcome, sessionId);
        return options.print(seen.result);
      },
      onDuplicate: first => {
        seen.first = first;
      },
      onQueued: stem => {
        seen.stem = stem;
      },
      enough: () =>
        Boolean(seen.result ?? seen.first) ||
        (seen.stem !== undefined && !isWaiting(layout, agentId, key, seen.stem)),
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.stopped ? { stopped: options.stopped } : {}),
      ...(options.onStart ? { onStart: options.onStart } : {}),
      ...(options.onDelta ? { onDelta: options.onDelta } : {}),
    });
  } catch (error) {
    if (seen.result) desk.warn(`after the reply: ${(error as Error).message}`);
    else if (seen.accepted || seen.stem !== undefined) return hand(later(whyLater(error)));
    else if (error instanceof ClawError && error.code === 'state-unreadable') {
      beforeAcceptance(() => putWaiting(context, layout, queueable(desk, incoming, false)));
      desk.warn(error.message);
      return hand(later(`${error.message}; the message is kept and runs after: ${error.hint}`));
    } else throw ioFailure(error, 'the message was not accepted');
  } finally {
    lock.release();
  }
  if (seen.first) return hand(await followFirst(line, seen.first));
  if (!seen.result && seen.stem !== undefined) return hand(await standInLine(line, incoming, seen.stem));
  await answerLateArrivals(desk, agentId, key, options.signal);
  return seen.result ?? hand(later('accepted'));

  /** Prints an answer and then settles what depends on whether anybody read it. */
  function hand({ result, settle }: Answer): IngestResult {
    const printed = options.print(result);
    try {
      settle?.(printed);
    } catch (error) {
      desk.warn(`after the result: ${(error as Error).message}`);
    }
    return result;
  }
}

/** What a process that waits for an answer carries along. */
interface Line {
  desk: Desk;
  messageId: string;
  /** epoch ms */
  deadline: number;
  wait: boolean;
  signal?: AbortSignal;
  describe: Describe;
  later(reason: string, sessionId?: string | null): Answer;
}

type Describe = (outcome: MessageOutcome, sessionId: string) => IngestResult;

/** A result, and what is to be done once it was printed (or could not be). */
interface Answer {
  result: IngestResult;
  settle?(printed: boolean): void;
}

/** Waits until the message queued under this stem is answered, working the session whenever it is free. */
async function standInLine(line: Line, incoming: Incoming, stem: string): Promise<Answer> {
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
  if (!hit || !outcome) return { ...later('answered, but its transcript is gone'), settle: drop };
  const result = describe(outcome, hit.sessionId);
  if (queuedAs(outcome) !== stem)
    return { result: asDuplicate(result), settle: printed => settleRepetition(printed) };
  return {
    result,
    settle: printed => {
      // Printed first, removed second: a crash in between shows a reply twice rather than never.
      if (!printed) putUnread(desk, hit, outcome, 'its caller had closed the pipe');
      drop();
    },
  };

  function settleRepetition(printed: boolean): void {
    if (printed) settleOutbox(layout, runIdOf(outcome!) ?? '');
    drop();
  }
}

/** The message was accepted before: waits for that acceptance's result and returns it; nothing is delivered again. */
async function followFirst(line: Line, hit: IdHit): Promise<Answer> {
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
async function answerLateArrivals(
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

/** A reply that nobody read: it waits where `delivery list` shows it, or for the channel's sender. */
function putUnread(desk: Desk, hit: IdHit, outcome: MessageOutcome, reason: string): void {
  const text =
    outcome.state === 'ended'
      ? outcome.reply?.message.content
      : outcome.state === 'command'
        ? outcome.command.reply
        : undefined;
  const message =
    outcome.state === 'ended' ? outcome.user : outcome.state === 'command' ? outcome.command : null;
  const id = runIdOf(outcome);
  if (text === undefined || !message || !id) return;
  if (outcome.state === 'ended' && outcome.turn.messageIds.at(-1) !== message.id) return;
  putOutbox(desk.context, desk.layout, {
    id,
    agentId: hit.agentId,
    sessionKey: hit.key,
    sessionId: hit.sessionId,
    messageId: message.id,
    origin: message.origin,
    text,
    state: 'waiting',
    reason,
    callerGone: true,
    createdAt: desk.context.now(),
    attempts: [],
  });
}

function runIdOf(outcome: MessageOutcome): string | null {
  return outcome.state === 'ended'
    ? outcome.turn.runId
    : outcome.state === 'command'
      ? outcome.command.runId
      : null;
}

function queuedAs(outcome: MessageOutcome): string | undefined {
  return outcome.state === 'command'
    ? outcome.command.queuedAs
    : outcome.state === 'open'
      ? undefined
      : outcome.user.queuedAs;
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

/** The result document of an outcome; `base` holds what does not depend on it. */
function resultOf(base: IngestResult, outcome: MessageOutcome): IngestResult {
  if (outcome.state === 'open') return base;
  if (outcome.state === 'recorded') return { ...base, status: 'recorded' };
  if (outcome.state === 'command') {
    const { isNewSession, reset, notices, reply } = outcome.command;
    return { ...base, status: 'command', isNewSession, reset: shown(reset), notices, reply: { text: reply } };
  }
  const { user, turn, end, reply } = outcome;
  const answeredBy = turn.messageIds.at(-1)!;
  if (answeredBy !== user.id && end.status === 'replied') {
    return { ...base, answeredBy, reason: 'answered together with a later message' };
  }
  const { isNewSession, reset, notices } = turn;
  const run = {
    ...base,
    isNewSession,
    reset: shown(reset),
    notices,
    usage: end.usage,
    durationMs: end.durationMs,
  };
  if (end.status === 'replied')
    return { ...run, status: 'replied', reply: { text: reply?.message.content ?? '' } };
  if (end.status === 'silent') return { ...run, status: 'silent' };
  return {
    ...run,
    status: 'failed',
    error: end.error ?? { code: end.status, message: `the turn was ${end.status}` },
  };
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

/** A failure stays a failure for every caller that asked; all else is told as a repetition of the first. */
function asDuplicate(result: IngestResult): IngestResult {
  return result.status === 'failed' || result.status === 'queued'
    ? result
    : { ...result, status: 'duplicate' };
}

function outcomeOf(desk: Desk, hit: IdHit, messageId: string): MessageOutcome | null {
  return messageOutcome(desk.layout.transcript(hit.agentId, hit.sessionId), hit.at, messageId);
}

/** Did it end in a failure that the same message, coming again, may try again? Only while its session is current. */
function isFailed(desk: Desk, hit: IdHit, messageId: string): boolean {
  const outcome = outcomeOf(desk, hit, messageId);
  if (outcome?.state !== 'ended' || !['failed', 'interrupted', 'stopped'].includes(outcome.end.status))
    return false;
  const read = loadRecord(desk.layout, hit.agentId, hit.key);
  return read.state === 'ok' && read.record.sessionId === hit.sessionId;
}

function waitOf(desk: Desk, agentId: string): number {
  const runner = desk.config.runners?.[runnerName(desk.config, agentId)];
  return (
    1000 *
    (runner?.timeoutSeconds ?? desk.config.agents?.defaults?.timeoutSeconds ?? DEFAULTS.runner.timeoutSeconds)
  );
}

function whyLater(error: unknown): string {
  if (error instanceof TurnInterrupted) return 'interrupted before it was answered; the next tick answers it';
  return `${(error as Error).message}; the message is kept, the next tick answers it`;
}

/** Runs a step before acceptance; trouble with the disk becomes "try again". */
function beforeAcceptance<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw ioFailure(error, 'the message was not accepted');
  }
}
