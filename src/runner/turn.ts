/**
 * The one way a turn happens. A process that holds a session's lock works it in this order, and nowhere else:
 *
 *     stop what a dead owner left running · redo what its transcript says was done · finish its open turn
 *     · then batch by batch: plan · accept (durable) · run the agent · append the reply · hand it back · save the record
 *
 * The transcript is the truth. The record, the to-do files and the outbox are redone from it, so a process may die
 * between any two writes: the next one to hold the session finds what is beyond the record's `bytes` and goes on.
 */
import type { RunnerConfig } from '../config/schema.ts';
import { historyLimits, selectHistory } from '../core/context/history.ts';
import { ClawError } from '../core/errors.ts';
import { agentEntry } from '../core/routing/binding.ts';
import type { SessionRecord } from '../core/session/session.ts';
import {
  type AssistantEntry,
  type Entry,
  isAssistantEntry,
  isCommandEntry,
  isTurnEntry,
  isUserEntry,
  type MessageOutcome,
  type TurnEndEntry,
  type TurnEntry,
  type UserEntry,
} from '../core/session/transcript.ts';
import {
  batchSize,
  bodyOf,
  type Incoming,
  newPersonNotice,
  planTurn,
  runnerName,
  tell,
} from '../core/turn.ts';
import type { HistoryMessage, TurnOutcome, TurnRequest } from '../core/turn-request.ts';
import { lineNumber } from '../store/jsonl-file.ts';
import { newToken } from '../store/lock.ts';
import type { IdHit } from '../store/message-ids.ts';
import {
  clearTurn,
  dropWaiting,
  listWaiting,
  markTurn,
  offerReply,
  putWaiting,
  type Waiting,
} from '../store/pending.ts';
import { messageOutcome, newestFirst } from '../store/transcripts.ts';
import { accept, append, findAccepted } from './accept.ts';
import type { Desk, OpenTurn, Seat, State } from './desk.ts';
import { handOver, settleTurn, syncAndSave, waiterLives } from './hand-over.ts';
import { stopOrphans, stopRun } from './orphans.ts';
import { recover, settleTail, type Unsettled } from './recover.ts';

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
  /** The agent of the direct message is about to be started. */
  onStart?(turn: TurnEntry): void;
  onDelta?: ((text: string) => void) | undefined;
  /** True when the caller has what it came for; then messages whose own process is alive are left to that process. */
  enough(): boolean;
  /** Aborted by SIGTERM and the like; `stopped` tells a person's Ctrl-C from the rest. */
  signal?: AbortSignal;
  stopped?(): boolean;
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
  let state = await finishOpen(desk, seat, settleTail(desk, seat, recover(desk, seat)), hooks);
  if (direct) {
    const hit = findAccepted(desk, state, direct);
    if (hit) {
      const failure = failureOf(desk, direct, hit);
      // Failed in a session that has ended since: it begins anew in this one. Else it is tried again where it stands.
      if (!failure) hooks.onDuplicate?.(hit);
      else if (hit.sessionId !== state.record?.sessionId)
        state = await takeBatch(desk, seat, state, [direct], hooks);
      else state = await retry(desk, seat, state, failure, hooks);
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
  // One from the future was accepted before the clock was set back.
  const later = desk.context.now() + 60_000;
  return waiting.some(
    ({ incoming }) => incoming.acceptedAt < direct.acceptedAt || incoming.acceptedAt > later,
  );
}

/** Runs what its owner left open; behind this the record holds everything the transcript says. */
async function finishOpen(desk: Desk, seat: Seat, left: Unsettled, hooks: Hooks): Promise<State> {
  let { state } = left;
  for (const open of left.open) state = await resume(desk, seat, state, open, hooks);
  return left.orphans.length > 0 ? startAnew(desk, seat, state, left.orphans, null, hooks) : state;
}

/** Starts an interrupted turn once more; a second interruption is recorded and ends it. */
async function resume(
  desk: Desk,
  seat: Seat,
  state: State,
  { turn, users }: OpenTurn,
  hooks: Hooks,
): Promise<State> {
  const reply = state.tail
    .map(line => line.entry)
    .find(entry => isAssistantEntry(entry) && entry.runId === turn.runId);
  if (reply && isAssistantEntry(reply)) {
    // Answered; only the line that says so was torn off.
    return conclude(desk, seat, state, { turn, users }, endOf(desk, turn, 'replied'), reply);
  }
  await stopRun(turn.runId);
  // Told to end meanwhile: the second start is not spent on a run that would not begin.
  if (hooks.signal?.aborted) throw new TurnInterrupted();
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
  const newPerson = newPersonNotice(desk.config, state.record, batch[0]!);
  if (newPerson) desk.warn(newPerson);
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
  if (command) handOver(desk, seat, record, { state: 'command', command }, printed);
  for (const user of users) handOver(desk, seat, record, { state: 'recorded', user }, printed);
  syncAndSave(
    desk,
    seat,
    record,
    batch.some(incoming => incoming.queuedAs),
  );
  return { ...accepted, tail: [] };
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
  // A person's Ctrl-C and what is streamed concern the caller's own message, never one that merely waited here.
  const own = users.find(user => user.id === direct);
  const stopped = () => own !== undefined && hooks.stopped?.() === true;
  if (hooks.signal?.aborted && !stopped()) throw new TurnInterrupted();
  if (direct !== null) hooks.onStart?.(turn);
  const { runAgent } = await import('./agent.ts');
  const outcome = await runAgent(
    requestOf(desk, seat, record, open, own ? hooks : { ...hooks, onDelta: undefined }),
    {
      baseEnv: desk.context.env,
      origin: 'user',
      home: desk.context.home,
      configFile: desk.context.configFile,
      now: desk.context.now,
      ...(open.turn.runner === 'recall' ? { zone: desk.zone.name } : {}),
    },
  );
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
  if (aborted && !stopped()) throw new TurnInterrupted();

  const { end, reply } = endingOf(desk, turn, outcome, aborted);
  const next = append(desk, state, reply ? [reply, end] : [end]).state;
  const printed = new Set<string>();
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
    env: { ...defaults?.env, ...agent?.env, CLAW_HOPS: String(hopsOf(users) + 1) },
    workspace: workspace ? expandWorkspace(desk, workspace) : layout.workspace(seat.agentId),
    transcript,
    leaseFolder: seat.lock.folder,
    ...(hooks.signal ? { signal: hooks.signal } : {}),
    ...(hooks.onDelta ? { onDelta: hooks.onDelta } : {}),
  };

  function history(): HistoryMessage[] {
    const limits = historyLimits(config, { ...last.origin, agentId: seat.agentId, sessionKey: seat.key });
    return selectHistory(earlier(), limits, last.origin.chatType !== 'dm');
  }

  function* earlier(): Generator<Entry> {
    const onBad = (offset: number, reason: string) =>
      desk.warn(`${transcript}:${lineNumber(transcript, offset)}: ${reason}; the line is left in place`);
    for (const entry of newestFirst(transcript, onBad))
      if (!isUserEntry(entry) || !own.has(entry.id)) yield entry;
  }
}

/** How many agents stand between a person and these messages. */
function hopsOf(users: UserEntry[]): number {
  return Math.max(...users.map(user => user.hops ?? 0));
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

/**
 * The user line of a message whose agent failed, when it comes again to be tried again; null when it is a plain
 * repetition. Failed while this process stood in line for the same message: it asked for the first run, not for another.
 */
function failureOf(desk: Desk, direct: Incoming, hit: IdHit): UserEntry | null {
  const file = desk.layout.transcript(hit.agentId, hit.sessionId);
  const outcome = messageOutcome(file, hit.at, direct.messageId);
  if (outcome?.state !== 'ended' || outcome.end.timestamp >= direct.acceptedAt) return null;
  return ['failed', 'interrupted', 'stopped'].includes(outcome.end.status) ? outcome.user : null;
}

/** Starts the agent once more for a message that stands in this session's transcript, without a second line for it. */
function retry(desk: Desk, seat: Seat, state: State, user: UserEntry, hooks: Hooks): Promise<State> {
  markTurn(desk.layout, seat.agentId, seat.key);
  const { queuedAs: _queuedAs, ...plain } = user;
  return startAnew(desk, seat, state, [plain], user.id, hooks);
}
