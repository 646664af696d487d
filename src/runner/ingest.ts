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
import { tryLock } from '../store/lock.ts';
import { findMessageId, type IdHit } from '../store/message-ids.ts';
import { settleOutbox } from '../store/outbox.ts';
import { claimReply, isWaiting, listWaiting, putWaiting } from '../store/pending.ts';
import { loadRecord } from '../store/sessions.ts';
import { type MessageOutcome, messageOutcome } from '../store/transcripts.ts';
import { type Desk, ioFailure, queueable, type Seat, TurnInterrupted, workSession } from './turn.ts';

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
  };
  const elapsed = () => context.now() - begun;
  const finish = (result: IngestResult): IngestResult => {
    options.print(result);
    return result;
  };
  const queued = (extra: Partial<IngestResult> = {}): IngestResult =>
    finish({ ...blank, status: 'queued', durationMs: elapsed(), ...extra });

  if (!route.access.allowed)
    return finish({ ...blank, status: 'denied', reason: route.access.reason, durationMs: elapsed() });

  const respond = route.activation.respond && !options.recordOnly;
  const incoming: Incoming = {
    agentId,
    key,
    messageId,
    ...(identity ? { identity } : {}),
    message,
    acceptedAt: begun,
    via: options.deliver ? 'both' : 'stdout',
    respond,
    owner: !options.fromAgent && isOwner(message, desk.config),
    fromAgent: options.fromAgent,
  };
  const deadline = begun + (options.waitMs ?? waitOf(desk, agentId));
  const hit = identity && findMessageId(layout, identity, begun, desk.idRetention);
  // Only a message whose agent failed is tried again when it comes again, and only by somebody who waits for it.
  if (hit && !(options.wait && isFailed(desk, hit, messageId))) return finish(await followFirst(hit));
  if (!options.wait && respond) {
    accepting(() => putWaiting(context, layout, queueable(desk, incoming, false)));
    return queued({ reason: 'accepted; whoever holds the session, or the next tick, answers it' });
  }

  let result: IngestResult | null = null;
  let accepted = false;
  let duplicate: IdHit | null = null;
  let stem: string | null = null;
  const lock = accepting(() => tryLock(context, layout.lock(agentId, key), key));
  if (!lock) {
    stem = accepting(() => putWaiting(context, layout, queueable(desk, incoming, true)));
    return finish(await standInLine(stem));
  }
  const seat: Seat = { agentId, key, lock };
  try {
    await workSession(desk, seat, incoming, {
      onAccepted: () => {
        accepted = true;
      },
      onAnswered: async (outcome, sessionId) => {
        accepted = true;
        result = resultOf(outcome, sessionId);
        return options.print(result);
      },
      onDuplicate: first => {
        duplicate = first;
      },
      onQueued: name => {
        stem = name;
      },
      enough: () =>
        result !== null || duplicate !== null || (stem !== null && !isWaiting(layout, agentId, key, stem)),
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.stopped ? { stopped: options.stopped } : {}),
      ...(options.onStart ? { onStart: options.onStart } : {}),
      ...(options.onDelta ? { onDelta: options.onDelta } : {}),
    });
  } catch (error) {
    if (error instanceof ClawError && error.code === 'state-unreadable' && !accepted && stem === null) {
      accepting(() => putWaiting(context, layout, queueable(desk, incoming, false)));
      desk.warn(error.message);
      return queued({ reason: `${error.message}; the message is kept and runs after: ${error.hint}` });
    }
    if (result !== null) desk.warn(`after the reply: ${(error as Error).message}`);
    else if (accepted || stem !== null) return queued({ reason: whyLater(error) });
    else throw ioFailure(error, 'the message was not accepted');
  } finally {
    lock.release();
  }
  if (duplicate) return finish(await followFirst(duplicate));
  if (result === null && stem !== null) return finish(await standInLine(stem));
  await answerLateArrivals();
  return result ?? queued();

  /** Waits until the message queued under this stem is answered, working the session whenever it is free. */
  async function standInLine(name: string): Promise<IngestResult> {
    for (let pause = FIRST_POLL; ; pause = Math.min(pause * 1.5, LONGEST_POLL)) {
      if (claimReply(layout, agentId, key, name)) {
        const first = findMessageId(
          layout,
          queueable(desk, incoming, false).identity!,
          context.now(),
          desk.idRetention,
        );
        const outcome = first && outcomeOf(desk, first, messageId);
        if (!first || !outcome)
          return {
            ...blank,
            status: 'queued',
            durationMs: elapsed(),
            reason: 'answered, but its transcript is gone',
          };
        const own =
          'user' in outcome
            ? outcome.user.queuedAs
            : outcome.state === 'command'
              ? outcome.command.queuedAs
              : undefined;
        return own === name
          ? resultOf(outcome, first.sessionId)
          : asDuplicate(resultOf(outcome, first.sessionId));
      }
      if (options.signal?.aborted) return later('interrupted; the next tick answers it');
      if (context.now() >= deadline)
        return later('the session is busy; its holder or the next tick answers it');
      const free = tryLock(context, layout.lock(agentId, key), key);
      if (free) {
        try {
          await workSession(desk, { agentId, key, lock: free }, null, {
            enough: () => !isWaiting(layout, agentId, key, name),
            ...(options.signal ? { signal: options.signal } : {}),
          });
        } catch (error) {
          return later(whyLater(error));
        } finally {
          free.release();
        }
        continue;
      }
      await new Promise(resolve => setTimeout(resolve, pause));
    }
  }

  function later(reason: string): IngestResult {
    return { ...blank, status: 'queued', durationMs: elapsed(), reason };
  }

  /** The message was accepted before: waits for that acceptance's result and returns it; nothing is delivered again. */
  async function followFirst(first: IdHit): Promise<IngestResult> {
    for (let pause = FIRST_POLL; ; pause = Math.min(pause * 1.5, LONGEST_POLL)) {
      const outcome = outcomeOf(desk, first, messageId);
      if (!outcome)
        return {
          ...blank,
          status: 'duplicate',
          sessionId: first.sessionId,
          durationMs: elapsed(),
          reason: 'accepted before; its transcript is gone',
        };
      if (outcome.state !== 'open') {
        const runId =
          outcome.state === 'ended'
            ? outcome.turn.runId
            : outcome.state === 'command'
              ? outcome.command.runId
              : null;
        if (runId) settleOutbox(layout, runId);
        return asDuplicate(resultOf(outcome, first.sessionId));
      }
      if (!options.wait || context.now() >= deadline || options.signal?.aborted) {
        return { ...later('accepted before and not answered yet'), sessionId: first.sessionId };
      }
      const free = tryLock(context, layout.lock(first.agentId, first.key), first.key);
      if (free) {
        try {
          const seatOfFirst = { agentId: first.agentId, key: first.key, lock: free };
          await workSession(desk, seatOfFirst, null, {
            enough: () => true,
            ...(options.signal ? { signal: options.signal } : {}),
          });
        } catch (error) {
          return { ...later(whyLater(error)), sessionId: first.sessionId };
        } finally {
          free.release();
        }
        if (outcomeOf(desk, first, messageId)?.state === 'open') {
          return { ...later('accepted before and not answered yet'), sessionId: first.sessionId };
        }
        continue;
      }
      await new Promise(resolve => setTimeout(resolve, pause));
    }
  }

  /** Between the last look at the queue and the release of the lock, a message nobody waits for may have come. */
  async function answerLateArrivals(): Promise<void> {
    while (
      !options.signal?.aborted &&
      listWaiting(layout, agentId, key).waiting.some(item => item.incoming.waiter === undefined)
    ) {
      const free = tryLock(context, layout.lock(agentId, key), key);
      if (!free) return;
      try {
        await workSession(desk, { agentId, key, lock: free }, null, {
          enough: () => true,
          ...(options.signal ? { signal: options.signal } : {}),
        });
        if (listWaiting(layout, agentId, key).waiting.length > 0) return;
      } catch (error) {
        desk.warn(`a later message of this session: ${whyLater(error)}`);
        return;
      } finally {
        free.release();
      }
    }
  }

  function resultOf(outcome: MessageOutcome, sessionId: string): IngestResult {
    const base = { ...blank, sessionId, durationMs: elapsed() };
    if (outcome.state === 'open') return { ...base, status: 'queued' };
    if (outcome.state === 'recorded') return { ...base, status: 'recorded' };
    if (outcome.state === 'command') {
      const { isNewSession, reset, notices, reply } = outcome.command;
      return {
        ...base,
        status: 'command',
        isNewSession,
        reset: shown(reset),
        notices,
        reply: { text: reply },
      };
    }
    const { turn, end, reply } = outcome;
    const answeredBy = turn.messageIds.at(-1)!;
    const told = { isNewSession: turn.isNewSession, reset: shown(turn.reset), notices: turn.notices };
    if (answeredBy !== messageId && end.status === 'replied') {
      return { ...base, status: 'queued', answeredBy, reason: 'answered together with a later message' };
    }
    const run = { ...base, ...told, usage: end.usage, durationMs: end.durationMs };
    if (end.status === 'replied')
      return { ...run, status: 'replied', reply: { text: reply?.message.content ?? '' } };
    if (end.status === 'silent') return { ...run, status: 'silent' };
    const error = end.error ?? { code: end.status, message: `the turn was ${end.status}` };
    return { ...run, status: 'failed', error };
  }
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

/** Runs what must be durable before a message counts as accepted; trouble with the disk becomes "try again". */
function accepting<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw ioFailure(error, 'the message was not accepted');
  }
}
