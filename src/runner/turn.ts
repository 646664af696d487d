/**
 * The one way a turn happens. A process that holds a session's lock works it in this order, and nowhere else:
 *
 *     stop what a dead owner left running · redo what its transcript says was done · finish its open turn
 *     · then batch by batch: plan · accept (durable) · run the agent · append the reply · hand it back · save the record
 *
 * The transcript is the truth. The record, the to-do files and the outbox are redone from it, so a process may die
 * between any two writes: the next one to hold the session finds what is beyond the record's `bytes` and goes on.
 */
import fs from 'node:fs';
import type { ConfigInput, RunnerConfig } from '../config/schema.ts';
import type { Context } from '../context.ts';
import { historyLimits, selectHistory } from '../core/context/history.ts';
import { ClawError } from '../core/errors.ts';
import type { Zone } from '../core/schedule/zone.ts';
import { type Origin, type ResetInfo, reduceRecord, type SessionRecord } from '../core/session/session.ts';
import {
  type AssistantEntry,
  type CommandEntry,
  type Entry,
  isAssistantEntry,
  isCommandEntry,
  isResetEntry,
  isTurnEndEntry,
  isTurnEntry,
  isUserEntry,
  type MessageIdentity,
  type ReplyVia,
  type TurnEndEntry,
  type TurnEntry,
  type UserEntry,
} from '../core/session/transcript.ts';
import {
  agentEntry,
  batchSize,
  bodyOf,
  type Incoming,
  planTurn,
  rotatedRecord,
  runnerName,
  type TranscriptState,
  type TurnPlan,
  tell,
} from '../core/turn.ts';
import type { HistoryMessage, TurnOutcome, TurnRequest } from '../core/turn-request.ts';
import type { Prepared } from '../store/json-file.ts';
import { appendLines, lineNumber, mendTail, readTail } from '../store/jsonl-file.ts';
import type { Layout } from '../store/layout.ts';
import { type Lock, newToken, tokenState } from '../store/lock.ts';
import { findMessageId, type IdHit, rememberMessageId } from '../store/message-ids.ts';
import { putOutbox } from '../store/outbox.ts';
import {
  clearTurn,
  dropFailed,
  dropWaiting,
  listWaiting,
  markTurn,
  offerReply,
  putFailed,
  putWaiting,
  syncPending,
  type Waiting,
} from '../store/pending.ts';
import { loadRecord, prepareRecord, removeRecord, saveRecord } from '../store/sessions.ts';
import {
  type MessageOutcome,
  messageAt,
  messageOutcome,
  newestFirst,
  prepareTranscript,
  removeTranscript,
  transcriptState,
} from '../store/transcripts.ts';
import { stopOrphans, stopRun } from './orphans.ts';

/** What a turn needs of its surroundings. */
export interface Desk {
  context: Context;
  layout: Layout;
  config: ConfigInput;
  zone: Zone;
  /** how long message ids are remembered, ms */
  idRetention: number;
  /** a line for stderr */
  warn(text: string): void;
}

/** A session that this process holds. */
export interface Seat {
  agentId: string;
  key: string;
  lock: Lock;
}

/** What the caller of `workSession` wants to know while it works. */
export interface Hooks {
  /**
   * A directly given message is answered (or recorded). False when the reply could not be handed over: it then goes
   * to the outbox. Called before the record is saved, so that a crash in between shows the reply again, never not.
   */
  onAnswered?(outcome: MessageOutcome, sessionId: string): Promise<boolean>;
  /** The direct message is durable: from here on nothing may invite the caller to send it again. */
  onAccepted?(sessionId: string): void;
  /** The direct message was accepted before; here is its first acceptance. */
  onDuplicate?(hit: IdHit): void;
  /** The direct message has to wait behind others and was queued under this stem. */
  onQueued?(stem: string): void;
  onDelta?(text: string): void;
  /** True when the caller has what it came for; then messages whose own process is alive are left to that process. */
  enough(): boolean;
  /** Aborted by SIGTERM and the like; `stopped` tells a person's Ctrl-C from the rest. */
  signal?: AbortSignal;
  stopped?(): boolean;
}

/** A session as it stands between two steps. */
interface State {
  record: SessionRecord | null;
  transcript: TranscriptState;
  /** lines behind the record's `bytes`, with offsets */
  tail: { offset: number; end: number; entry: Entry }[];
}

/** A turn whose agent is to be started: its messages, oldest first. */
interface OpenTurn {
  turn: TurnEntry;
  users: UserEntry[];
}

const MAX_ATTEMPTS = 2;

/** Thrown out of a run that was told to end; the turn stays open and the next holder starts it once more. */
export class TurnInterrupted extends Error {}

/**
 * Works a session until nothing is left that this process should do.
 *
 * @param direct a message to accept while the session is free; null to only work off what waits
 * @throws ClawError `state-unreadable` when the session's files cannot be used; nothing was accepted or changed
 */
export async function workSession(
  desk: Desk,
  seat: Seat,
  direct: Incoming | null,
  hooks: Hooks,
): Promise<void> {
  await stopOrphans(desk.context, seat.lock);
  let state = recover(desk, seat);
  state = await settleTail(desk, seat, state, hooks);
  if (direct) {
    const hit = findAccepted(desk, state, direct);
    if (hit) {
      const retried = await retryFailed(desk, seat, state, direct, hit, hooks);
      if (retried) state = retried;
      else hooks.onDuplicate?.(hit);
    } else if (olderWaits(desk, seat, direct)) {
      hooks.onQueued?.(putWaiting(desk.context, desk.layout, queueable(desk, direct, true)));
    } else {
      state = await takeBatch(desk, seat, state, [direct], hooks);
    }
  }
  for (;;) {
    const waiting = stillWaiting(desk, seat, state);
    if (waiting.length === 0 || (hooks.enough() && waiting.some(item => waiterLives(desk, item.incoming))))
      break;
    const incoming = waiting.map(item => ({ ...item.incoming, queuedAs: item.stem }));
    const mode = desk.config.messages?.queue?.mode === 'followup' ? 'followup' : 'collect';
    state = await takeBatch(
      desk,
      seat,
      state,
      incoming.slice(0, batchSize(desk.config, incoming, mode)),
      hooks,
    );
  }
  clearTurn(desk.layout, seat.agentId, seat.key);
}

/** A waiting message always has an identity, so that its own process can find what became of it. */
export function queueable(desk: Desk, incoming: Incoming, waits: boolean): Incoming {
  return {
    ...incoming,
    identity: incoming.identity ?? ['', '', '', '', incoming.messageId],
    ...(waits ? { waiter: newToken(desk.context) } : {}),
  };
}

/** Does a message wait that came before this one? It then goes first; one that came later must not overtake. */
function olderWaits(desk: Desk, seat: Seat, direct: Incoming): boolean {
  const { waiting } = listWaiting(desk.layout, seat.agentId, seat.key);
  return waiting.some(item => item.incoming.acceptedAt < direct.acceptedAt);
}

/** Does the process that brought this message still wait for it? Only a provably living one counts. */
function waiterLives(desk: Desk, incoming: Incoming): boolean {
  return incoming.waiter !== undefined && tokenState(desk.context, incoming.waiter) === 'alive';
}

// ---- recovery -------------------------------------------------------------------------------------------------

/**
 * The session as its files have it, mended: a torn tail is moved aside, a reset that was begun is completed, and the
 * record is brought up to the last settled line.
 */
function recover(desk: Desk, seat: Seat): State {
  for (;;) {
    const read = loadRecord(desk.layout, seat.agentId, seat.key);
    if (read.state === 'unreadable') {
      throw new ClawError(
        'data',
        'state-unreadable',
        `session ${seat.key} cannot be read: ${read.file}: ${read.reason}`,
        'claw doctor --fix',
      );
    }
    if (read.state === 'missing') return { record: null, transcript: 'missing', tail: [] };
    const { record } = read;
    const file = desk.layout.transcript(record.agentId, record.sessionId);
    if (transcriptState(desk.layout, record) === 'foreign') {
      desk.warn(
        `session ${seat.key}: ${file} belongs to another session and is left alone; a new session begins`,
      );
      return { record, transcript: 'foreign', tail: [] };
    }
    const tail = readMendedTail(desk, record);
    // Asked after mending: a torn first line leaves an empty file, which has no header yet.
    const transcript = transcriptState(desk.layout, record);
    if (transcript === 'missing') {
      desk.warn(`session ${seat.key}: its transcript ${file} is gone; a new session begins`);
      return { record, transcript, tail: [] };
    }
    if (transcript === 'not-started') {
      if (record.bytes > 0) desk.warn(`${file} is empty; the session begins again in it`);
      return { record: { ...record, bytes: 0, messageCount: 0 }, transcript, tail: [] };
    }
    const reset = tail.findLast(line => isResetEntry(line.entry))?.entry;
    if (reset && isResetEntry(reset)) {
      // The line that archives a transcript is the commit point of a reset: its owner died before the record followed.
      const info: ResetInfo = {
        reason: reset.reason,
        at: reset.timestamp,
        previousSessionId: record.sessionId,
      };
      const keep = desk.config.session?.reset?.preserveSettings !== false;
      saveRecord(
        desk.layout,
        rotatedRecord(record, reset.nextSessionId, info, keep),
        newToken(desk.context),
        { folder: true },
      );
      continue;
    }
    return { record, transcript, tail };
  }
}

function readMendedTail(desk: Desk, record: SessionRecord): State['tail'] {
  const file = desk.layout.transcript(record.agentId, record.sessionId);
  if (!fs.existsSync(file)) return [];
  const tail = readTail(file, record.bytes);
  if (tail.size < record.bytes && !tail.torn && !tail.unterminated) {
    desk.warn(`${file} has ${tail.size} bytes where ${record.bytes} were known; it was cut from outside`);
  }
  for (const bad of tail.bad)
    desk.warn(`${file}:${lineNumber(file, bad.offset)}: ${bad.reason}; the line is left in place`);
  if (tail.torn || tail.unterminated) {
    const aside = desk.layout.torn(record.agentId, record.sessionId, desk.context.now());
    mendTail(file, tail, aside);
    if (tail.torn) desk.warn(`${file}: the last ${tail.torn.length} bytes were torn; moved to ${aside}`);
  }
  return tail.lines.map(line => ({ offset: line.offset, end: line.end, entry: line.value }));
}

/**
 * Finishes what the tail shows: hands over replies whose owner died before it could, starts an open turn once more
 * (or records it as interrupted), and saves the record up to the end of the tail.
 */
async function settleTail(desk: Desk, seat: Seat, state: State, hooks: Hooks): Promise<State> {
  const { record, tail } = state;
  if (!record || tail.length === 0) return state;
  const known = {
    ...state,
    record: tail.reduce((next, line) => reduceRecord(next, line.entry, line.end), record),
  };
  const users = tail.flatMap(line =>
    isUserEntry(line.entry) ? [{ user: line.entry, offset: line.offset }] : [],
  );
  const commands = tail.flatMap(line =>
    isCommandEntry(line.entry) ? [{ command: line.entry, offset: line.offset }] : [],
  );
  for (const { user, offset } of users) remember(desk, known.record, user, offset);
  for (const { command, offset } of commands) remember(desk, known.record, command, offset);

  for (const { command } of commands)
    handOver(desk, seat, known.record, command, command.reply, command.runId, true, new Set());
  const turns = new Map<string, TurnEntry>();
  for (const { entry } of tail) if (isTurnEntry(entry)) turns.set(entry.runId, entry);
  for (const turn of turns.values()) {
    const end = tail.find(line => isTurnEndEntry(line.entry) && line.entry.runId === turn.runId)?.entry;
    if (!end || !isTurnEndEntry(end)) continue;
    const reply = tail.find(line => isAssistantEntry(line.entry) && line.entry.runId === turn.runId)?.entry;
    const own = users.map(item => item.user).filter(user => turn.messageIds.includes(user.id));
    settleTurn(
      desk,
      seat,
      known.record,
      { turn, users: own },
      end,
      reply && isAssistantEntry(reply) ? reply : null,
      new Set(),
    );
  }

  const covered = new Set([...turns.values()].flatMap(turn => turn.messageIds));
  const orphans = users.map(item => item.user).filter(user => !user.recorded && !covered.has(user.id));
  const open = [...turns.values()].filter(
    turn => !tail.some(line => isTurnEndEntry(line.entry) && line.entry.runId === turn.runId),
  );
  if (open.length === 0 && orphans.length === 0) {
    syncAndSave(desk, seat, known.record, false);
    return { ...known, tail: [] };
  }
  let next: State = known;
  for (const turn of open)
    next = await resume(
      desk,
      seat,
      next,
      turn,
      users.map(item => item.user),
      hooks,
    );
  if (orphans.length > 0) next = await startAnew(desk, seat, next, orphans, null, hooks);
  return next;
}

/** Starts an interrupted turn once more; a second interruption is recorded and ends it. */
async function resume(
  desk: Desk,
  seat: Seat,
  state: State,
  turn: TurnEntry,
  tailUsers: UserEntry[],
  hooks: Hooks,
): Promise<State> {
  const users = tailUsers.filter(user => turn.messageIds.includes(user.id));
  const reply = state.tail
    .map(line => line.entry)
    .find(entry => isAssistantEntry(entry) && entry.runId === turn.runId);
  if (reply && isAssistantEntry(reply)) {
    // Answered; only the line that says so was torn off.
    return conclude(desk, seat, state, { turn, users }, endOf(desk, turn, 'replied'), reply);
  }
  await stopRun(turn.runId);
  if (turn.attempt < MAX_ATTEMPTS && users.length > 0) {
    const again: TurnEntry = { ...turn, attempt: turn.attempt + 1, timestamp: desk.context.now() };
    return runTurn(desk, seat, append(desk, state, [again]).state, { turn: again, users }, hooks);
  }
  const error = {
    code: 'interrupted',
    message: `the process that ran it ended ${turn.attempt} times`,
    hint: 'send the message again',
  };
  return conclude(desk, seat, state, { turn, users }, { ...endOf(desk, turn, 'interrupted'), error }, null);
}

function endOf(desk: Desk, turn: TurnEntry, status: TurnEndEntry['status']): TurnEndEntry {
  const timestamp = desk.context.now();
  return {
    type: 'turn_end',
    timestamp,
    runId: turn.runId,
    status,
    usage: null,
    durationMs: timestamp - turn.timestamp,
  };
}

/** Writes the end of a turn that its owner could not write, and hands back its messages. */
function conclude(
  desk: Desk,
  seat: Seat,
  state: State,
  open: OpenTurn,
  end: TurnEndEntry,
  reply: AssistantEntry | null,
): State {
  const next = append(desk, state, [end]).state;
  settleTurn(desk, seat, next.record!, open, end, reply, new Set());
  syncAndSave(
    desk,
    seat,
    next.record!,
    open.users.some(user => user.queuedAs),
  );
  return { ...next, tail: [] };
}

/** Writes a start for messages that stand in the transcript without one, and runs it. */
async function startAnew(
  desk: Desk,
  seat: Seat,
  state: State,
  users: UserEntry[],
  direct: string | null,
  hooks: Hooks,
): Promise<State> {
  const turn: TurnEntry = {
    type: 'turn',
    timestamp: desk.context.now(),
    runId: desk.context.newId(),
    attempt: 1,
    messageIds: users.map(user => user.id),
    runner: runnerName(desk.config, seat.agentId),
    ...(state.record!.settings.model ? { model: state.record!.settings.model } : {}),
    // Its header among the unsettled lines: these are the first words of the session.
    isNewSession: state.tail.some(line => line.entry.type === 'session'),
    ...tell(desk.config, state.record!),
  };
  const next = append(desk, state, [turn]).state;
  return runTurn(desk, seat, next, { turn, users }, hooks, direct);
}

// ---- accepting ------------------------------------------------------------------------------------------------

/** The first acceptance of a message with the same identity, in this session's tail or anywhere. */
function findAccepted(desk: Desk, state: State, incoming: Incoming): IdHit | null {
  if (!incoming.identity) return null;
  const wanted = JSON.stringify(incoming.identity);
  for (const { entry, offset } of state.tail) {
    if (
      (isUserEntry(entry) || isCommandEntry(entry)) &&
      entry.identity &&
      JSON.stringify(entry.identity) === wanted
    ) {
      const { agentId, key, sessionId } = state.record!;
      return { agentId, key, sessionId, at: offset, time: entry.timestamp };
    }
  }
  return findMessageId(desk.layout, incoming.identity, desk.context.now(), desk.idRetention);
}

/** Waiting messages that are not in the transcript yet. What is there already is handed over and removed. */
function stillWaiting(desk: Desk, seat: Seat, state: State): Waiting[] {
  const { waiting, unreadable } = listWaiting(desk.layout, seat.agentId, seat.key);
  for (const { file, reason } of unreadable) desk.warn(`${file}: ${reason}; the message is left in place`);
  const left: Waiting[] = [];
  const seen = new Set<string>();
  for (const item of waiting) {
    const identity = JSON.stringify(item.incoming.identity);
    if (!findAccepted(desk, state, item.incoming)) {
      // A repetition waits on until the first is accepted; then it is handed that one's result.
      if (!seen.has(identity)) left.push(item);
      seen.add(identity);
    } else if (waiterLives(desk, item.incoming)) offerReply(desk.layout, seat.agentId, seat.key, item.stem);
    else dropWaiting(desk.layout, seat.agentId, seat.key, item.stem);
  }
  return left;
}

/** Plans one batch and carries the plan out. */
async function takeBatch(
  desk: Desk,
  seat: Seat,
  state: State,
  batch: Incoming[],
  hooks: Hooks,
): Promise<State> {
  const { context } = desk;
  const plan = planTurn({
    config: desk.config,
    batch,
    record: state.record,
    transcript: state.transcript,
    newSessionId: context.newId(),
    runId: context.newId(),
    now: context.now(),
    zone: desk.zone,
  });
  const direct = batch.length === 1 && !batch[0]!.queuedAs ? batch[0]!.messageId : null;
  const accepted = accept(desk, seat, state, plan, direct === null ? undefined : hooks.onAccepted);
  const users = plan.entries.filter(isUserEntry);
  const turn = plan.entries.find(isTurnEntry);
  if (turn) return runTurn(desk, seat, accepted, { turn, users }, hooks, direct);

  const command = plan.entries.find(isCommandEntry);
  const record = accepted.record!;
  const printed = new Set<string>();
  if (direct) {
    const outcome: MessageOutcome = command
      ? { state: 'command', command }
      : { state: 'recorded', user: users[0]! };
    if (await hooks.onAnswered?.(outcome, record.sessionId)) printed.add(direct);
  }
  if (command) handOver(desk, seat, record, command, command.reply, command.runId, true, printed);
  for (const user of users) handOver(desk, seat, record, user, null, '', false, printed);
  syncAndSave(
    desk,
    seat,
    record,
    batch.some(incoming => incoming.queuedAs),
  );
  return { ...accepted, tail: [] };
}

/**
 * Makes a batch durable, marker first. In a session that goes on, one append accepts it. Where a session begins (or is
 * reset), everything that needs room on the disk is written before anything is changed; then come the line that archives
 * the old transcript, the record and the new transcript, each by a step that needs none. The last step of either way is
 * the moment of acceptance: before it nothing is promised, and what was prepared is taken back.
 */
function accept(
  desk: Desk,
  seat: Seat,
  state: State,
  plan: TurnPlan,
  onAccepted: Hooks['onAccepted'],
): State {
  let written: ReturnType<typeof append>;
  const steps = { archived: false, named: false };
  try {
    if (plan.action !== 'record') markTurn(desk.layout, seat.agentId, seat.key);
    written = plan.isNewTranscript
      ? beginTranscript(desk, seat, state, plan, steps)
      : append(desk, { ...state, record: plan.record }, plan.entries);
  } catch (error) {
    try {
      // Once the old transcript is archived somebody has to finish the reset: the mark stays.
      if (!steps.archived) clearTurn(desk.layout, seat.agentId, seat.key);
    } catch (trouble) {
      desk.warn(`could not clean up after a failed acceptance: ${(trouble as Error).message}`);
    }
    throw ioFailure(error, 'the message was not accepted');
  }
  onAccepted?.(plan.record.sessionId);
  plan.entries.forEach((entry, index) => {
    if (isUserEntry(entry) || isCommandEntry(entry))
      remember(desk, plan.record, entry, written.offsets[index]!);
  });
  return { ...written.state, transcript: 'present', tail: [] };
}

/** See `accept`. A failure before the record is in place leaves everything as it was. */
function beginTranscript(
  desk: Desk,
  seat: Seat,
  state: State,
  plan: TurnPlan,
  steps: { archived: boolean; named: boolean },
): ReturnType<typeof append> {
  const { layout, context } = desk;
  const { record } = plan;
  const draft = prepareTranscript(layout, seat.agentId, record.sessionId, plan.entries, newToken(context));
  let newRecord: Prepared | null = null;
  try {
    const isNew = record.sessionId !== state.record?.sessionId;
    if (isNew) newRecord = prepareRecord(layout, record, newToken(context));
    if (plan.resetEntry && state.record) {
      appendLines(layout.transcript(seat.agentId, state.record.sessionId), [plan.resetEntry]);
      steps.archived = true;
    }
    newRecord?.commit({ folder: true });
    steps.named = true;
    draft.prepared.commit({ folder: true });
  } catch (error) {
    newRecord?.abandon();
    draft.prepared.abandon();
    // It may have its name though the folder could not be synced: a message that was refused must not stay.
    if (steps.named) removeTranscript(layout, seat.agentId, record.sessionId);
    if (!state.record) removeRecord(layout, seat.agentId, seat.key);
    throw error;
  }
  const reduced = plan.entries.reduce((next, entry) => reduceRecord(next, entry, draft.end), record);
  return { state: { ...state, record: reduced }, offsets: draft.offsets };
}

/** Trouble with the disk, told so that the caller tries again. */
export function ioFailure(error: unknown, what: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (
    error instanceof ClawError ||
    typeof code !== 'string' ||
    (error as NodeJS.ErrnoException).syscall === undefined
  ) {
    if (!(error instanceof Error) || !/^(ENOSPC|EIO|EDQUOT|EROFS|EFBIG|EMFILE)/.test(code ?? ''))
      return error;
  }
  const hint =
    code === 'ENOSPC' || code === 'EDQUOT' ? 'free some space, then send it again' : 'send it again';
  return new ClawError('tempfail', 'not-accepted', `${what}: ${(error as Error).message}`, hint, {
    cause: error,
  });
}

function append(desk: Desk, state: State, entries: Entry[]): { state: State; offsets: number[] } {
  const record = state.record!;
  const { offsets, end } = appendLines(desk.layout.transcript(record.agentId, record.sessionId), entries);
  const next = entries.reduce((reduced, entry) => reduceRecord(reduced, entry, end), record);
  return { state: { ...state, record: next }, offsets };
}

function remember(desk: Desk, record: SessionRecord, entry: UserEntry | CommandEntry, at: number): void {
  if (!entry.identity) return;
  const { agentId, key, sessionId } = record;
  if (findMessageId(desk.layout, entry.identity, desk.context.now(), desk.idRetention)) return;
  rememberMessageId(desk.layout, entry.identity, { agentId, key, sessionId, at, time: entry.timestamp });
}

// ---- running --------------------------------------------------------------------------------------------------

/** Runs the agent of an accepted turn, appends how it ended, hands the reply back and saves the record. */
async function runTurn(
  desk: Desk,
  seat: Seat,
  state: State,
  open: OpenTurn,
  hooks: Hooks,
  direct: string | null = null,
): Promise<State> {
  const record = state.record!;
  const { turn, users } = open;
  if (hooks.signal?.aborted && !hooks.stopped?.()) throw new TurnInterrupted();
  const { runAgent } = await import('./agent.ts');
  const outcome = await runAgent(requestOf(desk, seat, record, open, hooks), {
    baseEnv: desk.context.env,
    origin: 'user',
    home: desk.context.home,
    configFile: desk.context.configFile,
    now: desk.context.now,
    ...(open.turn.runner === 'recall' ? { zone: desk.zone.name } : {}),
  });
  for (const warning of outcome.warnings) desk.warn(warning);
  if (!seat.lock.held()) {
    throw new ClawError(
      'tempfail',
      'lease-lost',
      `session ${seat.key} was taken over by another process; this run was stopped`,
      'claw tick',
    );
  }
  const aborted = outcome.status === 'failed' && outcome.error.code === 'aborted';
  if (aborted && !hooks.stopped?.()) throw new TurnInterrupted();

  const { end, reply } = endingOf(desk, turn, outcome, aborted);
  const next = append(desk, state, reply ? [reply, end] : [end]).state;
  const printed = new Set<string>();
  const own = users.find(user => user.id === direct);
  if (own && (await hooks.onAnswered?.({ state: 'ended', user: own, turn, end, reply }, record.sessionId)))
    printed.add(own.id);
  settleTurn(desk, seat, next.record!, open, end, reply, printed);
  syncAndSave(
    desk,
    seat,
    next.record!,
    users.some(user => user.queuedAs),
  );
  return { ...next, tail: [] };
}

function requestOf(
  desk: Desk,
  seat: Seat,
  record: SessionRecord,
  { turn, users }: OpenTurn,
  hooks: Hooks,
): TurnRequest {
  const { config, layout } = desk;
  const last = users.at(-1)!;
  const agent = agentEntry(config, seat.agentId);
  const defaults = config.agents?.defaults;
  const runner = turn.runner === 'recall' ? undefined : config.runners?.[turn.runner];
  if (turn.runner !== 'recall' && !runner) {
    throw new ClawError(
      'config',
      'runner-unknown',
      `runner ${JSON.stringify(turn.runner)} is not configured`,
      'claw config show',
    );
  }
  const timeoutSeconds = runner?.timeoutSeconds ?? agent?.timeoutSeconds ?? defaults?.timeoutSeconds;
  const transcript = layout.transcript(seat.agentId, record.sessionId);
  const own = new Set(users.map(user => user.id));
  const workspace = agent?.workspace ?? defaults?.workspace;
  const thinkingLevel = record.settings.thinkingLevel ?? agent?.thinkingLevel ?? defaults?.thinkingLevel;
  return {
    runId: turn.runId,
    agentId: seat.agentId,
    sessionKey: seat.key,
    sessionId: record.sessionId,
    body: bodyOf(users),
    // Only what is sent is read: a runner that keeps (or wants) no history costs the same behind a long transcript.
    history: sendsHistory(runner) ? history() : [],
    origin: last.origin,
    attachments: users.flatMap(user => user.attachments ?? []),
    isNewSession: turn.isNewSession,
    ...(turn.model ? { model: turn.model } : {}),
    ...(thinkingLevel ? { thinkingLevel } : {}),
    runnerName: turn.runner,
    ...(runner ? { runner: { ...runner, ...(timeoutSeconds ? { timeoutSeconds } : {}) } } : {}),
    env: { ...defaults?.env, ...agent?.env },
    workspace: workspace ? expandWorkspace(desk, workspace) : layout.workspace(seat.agentId),
    transcript,
    leaseFolder: seat.lock.folder,
    ...(hooks.signal ? { signal: hooks.signal } : {}),
    ...(hooks.onDelta ? { onDelta: hooks.onDelta } : {}),
  };

  function history(): HistoryMessage[] {
    const limits = historyLimits(config, { ...last.origin, agentId: seat.agentId });
    return selectHistory(earlier(), limits, last.origin.chatType !== 'dm');
  }

  function* earlier(): Generator<Entry> {
    const onBad = (offset: number, reason: string) =>
      desk.warn(`${transcript}:${lineNumber(transcript, offset)}: ${reason}; the line is left in place`);
    for (const entry of newestFirst(transcript, onBad))
      if (!isUserEntry(entry) || !own.has(entry.id)) yield entry;
  }
}

/** Recall searches the transcript itself. */
function sendsHistory(runner: RunnerConfig | undefined): boolean {
  return runner !== undefined && (runner.context ?? 'claw') === 'claw';
}

function expandWorkspace(desk: Desk, workspace: string): string {
  const home = desk.context.env.HOME;
  if (workspace.startsWith('~/') && home) return `${home}${workspace.slice(1)}`;
  return workspace;
}

/** The transcript lines that end a run. */
function endingOf(
  desk: Desk,
  turn: TurnEntry,
  outcome: TurnOutcome,
  aborted: boolean,
): { end: TurnEndEntry; reply: AssistantEntry | null } {
  const timestamp = desk.context.now();
  const end: TurnEndEntry = {
    type: 'turn_end',
    timestamp,
    runId: turn.runId,
    status: aborted ? 'stopped' : outcome.status,
    usage: outcome.usage,
    durationMs: Math.round(outcome.durationMs),
    ...(outcome.status === 'failed'
      ? { error: outcome.error, ...(outcome.output ? { output: outcome.output.slice(0, 4000) } : {}) }
      : {}),
  };
  if (outcome.status !== 'replied') return { end, reply: null };
  const message = { role: 'assistant' as const, content: outcome.text };
  return {
    end,
    reply: {
      type: 'message',
      timestamp,
      runId: turn.runId,
      message,
      ...(turn.model ? { model: turn.model } : {}),
    },
  };
}

// ---- handing back ---------------------------------------------------------------------------------------------

/** Hands back the messages of an ended turn; the reply belongs to the last of them. `printed` reached its caller. */
function settleTurn(
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
function handOver(
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
function syncAndSave(desk: Desk, seat: Seat, record: SessionRecord, queued: boolean): void {
  if (queued) syncPending(desk.layout, seat.agentId);
  saveRecord(desk.layout, record, newToken(desk.context), { folder: false });
}

/**
 * The same message came again after its agent had failed: it is tried again, without a second line for it. Null when
 * it is not such a message (or its session has been reset since), and so a plain duplicate.
 */
async function retryFailed(
  desk: Desk,
  seat: Seat,
  state: State,
  direct: Incoming,
  hit: IdHit,
  hooks: Hooks,
): Promise<State | null> {
  if (!state.record || hit.sessionId !== state.record.sessionId || hit.key !== seat.key) return null;
  const file = desk.layout.transcript(hit.agentId, hit.sessionId);
  const outcome = messageOutcome(file, hit.at, direct.messageId);
  if (outcome?.state !== 'ended' || !['failed', 'interrupted', 'stopped'].includes(outcome.end.status))
    return null;
  // Failed while this process stood in line for the same message: it asked for the first run, not for another one.
  if (outcome.end.timestamp >= direct.acceptedAt) return null;
  const user = messageAt(file, hit.at, direct.messageId);
  if (!user || !isUserEntry(user)) return null;
  markTurn(desk.layout, seat.agentId, seat.key);
  const { queuedAs: _queuedAs, ...plain } = user;
  return startAnew(desk, seat, state, [plain], user.id, hooks);
}
