/**
 * One message from acceptance to result. A free session takes it at once; for a busy one it is stored durably and the
 * process stands in line: whoever holds the session answers, and the reply is fetched here.
 */
import { DEFAULTS } from '../config/defaults.ts';
import { runnerName } from '../core/agent.ts';
import { ClawError } from '../core/errors.ts';
import { commandOf, type Incoming, isOwnersCommand, waitsItsTurn } from '../core/incoming.ts';
import { queueSettings } from '../core/queue.ts';
import { asDuplicate, type IngestResult, resultOf } from '../core/result.ts';
import { isOwner } from '../core/routing/access.ts';
import { identityOf, type Message } from '../core/routing/message.ts';
import type { Route } from '../core/routing/route.ts';
import { isSubagent } from '../core/routing/session-key.ts';
import { normaliseAgentId } from '../core/routing/slug.ts';
import { chainOf, maySend, viewerOf } from '../core/routing/visibility.ts';
import { dayOf, localTimeAt } from '../core/schedule/zone.ts';
import type { ParsedText } from '../core/session/directive.ts';
import type { MessageOutcome, ReplyVia, TurnEntry } from '../core/session/transcript.ts';
import { countOnce } from '../store/counts.ts';
import { holderOf, tokenState, tryLock } from '../store/lock.ts';
import { findMessageId, type IdHit } from '../store/message-ids.ts';
import { settleOutbox } from '../store/outbox.ts';
import { askToPair } from '../store/pairings.ts';
import { isWaiting, putWaiting } from '../store/pending.ts';
import { loadRecord } from '../store/sessions.ts';
import { ioFailure } from './accept.ts';
import { answerAside, answeredBefore, mayStop } from './aside.ts';
import type { Desk } from './desk.ts';
import { settingsOf } from './judge.ts';
import { requestStop, runningTurn } from './stop.ts';
import { queueable, workSession } from './turn.ts';
import {
  type Answer,
  answerLateArrivals,
  type Describe,
  followFirst,
  type Line,
  outcomeOf,
  putUnread,
  standInLine,
  whyLater,
} from './wait.ts';

/** Bytes that go into a pipe nobody reads: 64 KiB where pipes are as long as usual, less what stands around a reply. */
const PIPE_HOLDS = 48 * 1024;

/** Agents that may pass a message on before it is refused: two that answer each other must come to an end. */
const MAX_HOPS = 5;

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
  /** how many agents stand between a person and the message */
  hops: number;
  /** how the reply goes back; default: to stdout, and to the sender with `deliver` */
  via?: ReplyVia;
  /** what a session or the operator wrote into another session */
  sent?: Pick<Incoming, 'sentFrom' | 'announceTo' | 'settings' | 'job'>;
  signal?: AbortSignal;
  /** ended by a person's Ctrl-C, which also ends the turn */
  stopped?(): boolean;
  onStart?(turn: TurnEntry): void;
  onDelta?(text: string): void;
  /**
   * Prints the result; false when nobody reads it any more. Who prints later calls `unread` first:
   * it puts the reply into the outbox and gives the item's id, to be settled when it was read.
   */
  print(result: IngestResult, unread: () => string | null): boolean;
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
    status: 'queued' as const,
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

  checkedHops(desk, options.hops, 'answer it instead', 'this message');
  checkViewer(desk, route);
  if (!route.access.allowed) {
    const { reason } = route.access;
    const told = reason === 'pairing' ? beforeAcceptance(() => askToPair(desk, message)) : null;
    const reply = told && { text: told.text };
    return hand({ result: { ...blank, status: 'denied', reason, reply, durationMs: elapsed() } });
  }
  const incoming: Incoming = {
    agentId,
    key,
    messageId,
    ...(identity ? { identity } : {}),
    message,
    acceptedAt: begun,
    via: options.via ?? (options.deliver ? 'both' : 'stdout'),
    respond: route.activation.respond && !options.recordOnly,
    owner: !options.fromAgent && isOwner(message, desk.config),
    fromAgent: options.fromAgent,
    hops: options.hops,
    ...options.sent,
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

  if (!options.recordOnly && isOwnersCommand(desk.config, incoming)) incoming.respond = true;
  const command = commandOf(desk.config, incoming);
  // Answered at once, whatever runs.
  const aside = command && !waitsItsTurn(command) ? command : null;
  const isBusy = () => {
    const holder = holderOf(layout.lock(agentId, key));
    return holder !== null && tokenState(context, holder) !== 'dead';
  };

  const hit = identity && beforeAcceptance(() => findMessageId(layout, identity, begun, desk.idRetention));
  // Only a message whose agent failed is tried again when it comes again, and only by somebody who waits for it.
  const again = hit && options.wait && beforeAcceptance(() => isFailed(desk, hit, messageId));
  if (hit && !again) return hand(await followFirst(line, hit));
  beforeAcceptance(() => countAgainstDay(desk, agentId));
  if (aside && beforeAcceptance(isBusy)) return answerNow(aside);
  // An agent that writes into its own session, or into one that waits for its answer, would wait for itself.
  const wait = options.wait && !(options.fromAgent && chainOf(context.env).includes(key));
  if (!wait && incoming.respond) {
    beforeAcceptance(() => putWaiting(context, layout, queueable(desk, incoming, false)));
    if (!command) interruptFor(desk, incoming, isBusy);
    return hand(later('accepted; whoever holds the session, or the next tick, answers it'));
  }
  const lock = beforeAcceptance(() => tryLock(context, layout.lock(agentId, key), key));
  if (!lock && !wait) {
    beforeAcceptance(() => putWaiting(context, layout, queueable(desk, incoming, false)));
    return hand(later('accepted; whoever holds the session, or the next tick, keeps it'));
  }
  if (!lock && aside) return answerNow(aside);
  if (!lock) {
    const stem = beforeAcceptance(() => putWaiting(context, layout, queueable(desk, incoming, true)));
    if (incoming.respond && !command) interruptFor(desk, incoming, () => true);
    return hand(await standInLine(line, incoming, stem));
  }

  // What the work below came to, by its hooks.
  const seen: {
    result?: IngestResult;
    accepted?: boolean;
    first?: IdHit;
    stem?: string;
    ended?: boolean;
    /** prints a long reply once the session is free */
    handOver?: () => void;
  } = {};
  try {
    await workSession(desk, { agentId, key, lock }, incoming, {
      onAccepted: () => {
        seen.accepted = true;
      },
      onAnswered: async (outcome, sessionId) => {
        seen.result = describe(outcome, sessionId);
        seen.handOver = handOverLater(seen.result, outcome, sessionId);
        if (seen.handOver) return false;
        return options.print(seen.result, () => putUnread(desk, { agentId, key, sessionId }, outcome));
      },
      onDuplicate: first => {
        seen.first = first;
      },
      onQueued: stem => {
        seen.stem = stem;
      },
      ...(command?.command?.name === 'stop'
        ? {
            endsOpenTurn: users => {
              const ends = mayStop(incoming, users);
              seen.ended ||= ends;
              return ends;
            },
            hasEndedTurn: () => seen.ended === true,
          }
        : {}),
      leaves: () => seen.handOver !== undefined,
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
    seen.handOver?.();
  }
  if (seen.first) return hand(await followFirst(line, seen.first));
  if (!seen.result && seen.stem !== undefined) return hand(await standInLine(line, incoming, seen.stem));
  await answerLateArrivals(desk, agentId, key, options.signal);
  return seen.result ?? hand(later('accepted'));

  /**
   * A reply longer than a pipe holds is printed when the session is free: whoever reads it may take his time. Until then
   * it stands in the outbox, held by this process, so that nobody else sends it.
   *
   * @returns undefined where the reply is short, or has another way to go
   */
  function handOverLater(
    result: IngestResult,
    outcome: MessageOutcome,
    sessionId: string,
  ): (() => void) | undefined {
    const length = Buffer.byteLength(result.reply?.text ?? '');
    if (length <= PIPE_HOLDS || incoming.via !== 'stdout') return undefined;
    const item = putUnread(desk, { agentId, key, sessionId }, outcome);
    const held = item === null ? null : tryLock(context, layout.outboxLock(item), key);
    if (item === null || held === null) return undefined;
    return () => {
      if (options.print(result, () => item)) settleOutbox(layout, item);
      held.release();
    };
  }

  /** A command of a busy session does not wait for its turn. */
  async function answerNow(parsed: ParsedText): Promise<IngestResult> {
    const first = beforeAcceptance(() => answeredBefore(desk, incoming));
    if (first) return hand({ result: asDuplicate(describe(first, '')) });
    const aside = await answerAside(desk, incoming, parsed).catch(error => {
      throw ioFailure(error, 'the command was not carried out');
    });
    const sessionId = aside.sessionId ?? '';
    const result = { ...describe(aside.outcome, sessionId), sessionId: aside.sessionId };
    hand({
      result,
      settle: printed => aside.settle(printed),
      unread: () => putUnread(desk, { agentId, key, sessionId }, aside.outcome),
    });
    await answerLateArrivals(desk, agentId, key, options.signal);
    return result;
  }

  /** Prints an answer and then settles what depends on whether anybody read it. */
  function hand({ result, settle, unread }: Answer): IngestResult {
    const printed = options.print(result, () => unread?.() ?? null);
    try {
      settle?.(printed);
    } catch (error) {
      desk.warn(`after the result: ${(error as Error).message}`);
    }
    return result;
  }
}

/**
 * Where the queue says so, a new message ends the turn that runs; its own turn answers both. Not so what an agent writes:
 * it may not use `/stop` either, and in its own session it would end itself.
 */
function interruptFor(desk: Desk, incoming: Incoming, isBusy: () => boolean): void {
  const { agentId, key, messageId } = incoming;
  if (incoming.fromAgent) return;
  try {
    if (!isBusy()) return;
    const read = loadRecord(desk.layout, agentId, key);
    const own = settingsOf(desk, read.state === 'ok' ? read.record : null);
    if (queueSettings(desk.config, agentId, own).mode !== 'interrupt') return;
    const running = runningTurn(desk, agentId, key);
    if (running) requestStop(desk, { agentId, key }, running.turn.runId, { kind: 'interrupt', messageId });
  } catch (error) {
    // The message is accepted; it is answered behind the running turn then.
    desk.warn(`the running turn could not be interrupted: ${(error as Error).message}`);
  }
}

/**
 * An agent writes where `sessions send` would let it: through the message's identity it could otherwise read what is said
 * in any conversation.
 *
 * @throws ClawError noPermission, in the same words whether the session exists or not
 */
function checkViewer(desk: Desk, { agentId, sessionKey: key }: Route): void {
  const viewer = viewerOf(desk.context.env);
  if (viewer === null) return;
  const read = loadRecord(desk.layout, agentId, key);
  const spawnedBy = read.state === 'ok' ? read.record.spawnedBy : viewer.key;
  if (maySend(viewer, { agentId, key, spawnedBy: isSubagent(key) ? spawnedBy : undefined }, desk.config))
    return;
  throw new ClawError(
    'noPermission',
    'other-session',
    `an agent of session ${JSON.stringify(viewer.key)} may not write to session ${JSON.stringify(key)}`,
    'claw sessions list',
  );
}

/**
 * Counts what an agent writes to another one (`session.agentToAgent.maxPerDay`), by the day of the user's zone.
 *
 * @throws ClawError noPermission when the day is used up
 */
function countAgainstDay(desk: Desk, to: string): void {
  const most = desk.config.session?.agentToAgent?.maxPerDay;
  const viewer = viewerOf(desk.context.env);
  if (most === undefined || viewer === null || viewer.agentId === to) return;
  const date = dayOf(localTimeAt(desk.zone, desk.context.now()));
  const from = normaliseAgentId(viewer.agentId);
  if (countOnce(desk.layout, from, 'sends', { towards: to, day: date, most })) return;
  throw new ClawError(
    'noPermission',
    'too-many-sends',
    `agent ${from} has sent ${most} messages to agent ${to} on ${date}, which is all it may (session.agentToAgent.maxPerDay)`,
    'answer it instead, or send it tomorrow',
  );
}

/**
 * Steps from a person to something that agents pass on.
 *
 * @param hint what to do instead of passing it on once more
 * @throws ClawError noPermission `too-many-hops` beyond `session.agentToAgent.maxHops`
 */
export function checkedHops(desk: Desk, hops: number, hint: string, what = 'this'): number {
  const most = desk.config.session?.agentToAgent?.maxHops ?? MAX_HOPS;
  if (hops <= most) return hops;
  const message = `agents have passed ${what} on ${hops} times (at most ${most})`;
  throw new ClawError('noPermission', 'too-many-hops', message, hint);
}

/** Did it end in a failure, so that the same message coming again is tried again? */
function isFailed(desk: Desk, hit: IdHit, messageId: string): boolean {
  const outcome = outcomeOf(desk, hit, messageId);
  return outcome?.state === 'ended' && ['failed', 'interrupted'].includes(outcome.end.status);
}

function waitOf(desk: Desk, agentId: string): number {
  const runner = desk.config.runners?.[runnerName(desk.config, agentId)];
  return (
    1000 *
    (runner?.timeoutSeconds ?? desk.config.agents?.defaults?.timeoutSeconds ?? DEFAULTS.runner.timeoutSeconds)
  );
}

/** Runs a step before acceptance; trouble with the disk becomes "try again". */
function beforeAcceptance<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw ioFailure(error, 'the message was not accepted');
  }
}
