/**
 * The one way a turn happens. A process that holds a session's lock works it in this order, and nowhere else:
 *
 *     stop what a dead owner left running · redo what its transcript says was done · finish its open turn
 *     · then batch by batch: plan · accept (durable) · run the agent · append the reply · hand it back · save the record
 *
 * The transcript is the truth. The record, the to-do files and the outbox are redone from it, so a process may die
 * between any two writes: the next one to hold the session finds what is beyond the record's `bytes` and goes on.
 */
import { runnerName } from '../core/agent.ts';
import { ClawError } from '../core/errors.ts';
import { commandOf, type Incoming, triggerOf, waitsItsTurn } from '../core/incoming.ts';
import { newPersonNotice, tell } from '../core/notice.ts';
import { batchSize, overflowOf, queueSettings } from '../core/queue.ts';
import type { SystemEvent } from '../core/schedule/system-event.ts';
import { runSettings } from '../core/session/settings.ts';
import {
  type AssistantEntry,
  isAssistantEntry,
  isCommandEntry,
  isTurnEntry,
  isUserEntry,
  type MessageOutcome,
  type TurnEndEntry,
  type TurnEntry,
  type UserEntry,
  unseenStarts,
} from '../core/session/transcript.ts';
import type { TurnFacts, TurnPlan } from '../core/turn.ts';
import { eventEntry } from '../core/turn-entry.ts';
import { newToken } from '../store/lock.ts';
import { findMessageId, type IdHit } from '../store/message-ids.ts';
import {
  clearTurn,
  dropWaiting,
  type FailedMessage,
  isFailureKept,
  listWaiting,
  markTurn,
  offerReply,
  putWaiting,
  type Waiting,
} from '../store/pending.ts';
import { changeSettings, loadSettings } from '../store/settings.ts';
import { EVENTS_PER_TURN, listSystemEvents } from '../store/system-events.ts';
import { messageOutcome } from '../store/transcripts.ts';
import { accept, append, findAccepted } from './accept.ts';
import { answerCommand } from './answer.ts';
import { planWithAlerts } from './carry.ts';
import { type Desk, type Hooks, type OpenTurn, type Seat, type State, TurnInterrupted } from './desk.ts';
import { handOver, keepDropped, settleTurn, syncAndSave, waiterLives } from './hand-over.ts';
import { settingsOf } from './judge.ts';
import { stopOrphans, stopRun } from './orphans.ts';
import { recollect } from './recollect.ts';
import { recover, settleTail, type Unsettled } from './recover.ts';
import { runTurn } from './run.ts';
import { threadRoot } from './thread.ts';

const MAX_ATTEMPTS = 2;

/** How often who waits for quiet looks at what has come, ms. */
const LOOK_EVERY = 100;

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
  let state = await finishOpen(desk, seat, await settleTail(desk, seat, recover(desk, seat)), hooks);
  if (direct) {
    const hit = findAccepted(desk, state, direct);
    if (hit) {
      const failure = failureOf(desk, direct, hit);
      // Failed in a session that has ended since: it begins anew in this one. Else it is tried again where it stands.
      if (!failure) hooks.onDuplicate?.(hit);
      else if (hit.sessionId !== state.record?.sessionId)
        state = await takeBatch(desk, seat, state, [direct], hooks);
      else state = await retry(desk, seat, state, failure, hooks);
    } else if (mustWait(desk, seat, direct) || mayGrow(desk, state, direct)) {
      hooks.onQueued?.(putWaiting(desk.context, desk.layout, queueable(desk, direct, true)));
    } else {
      state = await takeBatch(desk, seat, state, [direct], hooks);
    }
  }
  while (!hooks.leaves?.()) {
    const waiting = stillWaiting(desk, seat, state);
    if (waiting.length === 0 || (hooks.enough() && waiting.some(item => waiterLives(desk, item.incoming))))
      break;
    const queue = queueOf(desk, seat, state);
    const incoming = waiting.map(item => ({ ...item.incoming, queuedAs: item.stem }));
    // What was answered while the session was busy only has to be written down; it must not divide what waits.
    const done = incoming.find(each => each.answered);
    if (done) {
      state = await takeBatch(desk, seat, state, [done], hooks);
      continue;
    }
    const rest = quietFor(desk, incoming, queue);
    if (rest > 0 && !hooks.signal?.aborted) {
      // Looks again and again: what arrives meanwhile may fill the queue.
      await pause(Math.min(rest, LOOK_EVERY), hooks.signal);
      continue;
    }
    const excess = overflowOf(desk.config, incoming, queue);
    for (const each of excess)
      state = await takeBatch(desk, seat, state, [{ ...each, dropped: queue.drop }], hooks);
    const kept = incoming.filter(each => !excess.includes(each));
    const mode = queue.mode === 'followup' ? 'followup' : 'collect';
    const batch = kept.slice(0, batchSize(desk.config, kept, mode));
    const leftOut = queue.drop === 'summarize' ? excess.map(each => preview(each.message.text)) : [];
    state = await takeBatch(desk, seat, state, batch, hooks, leftOut);
  }
  clearTurn(desk.layout, seat.agentId, seat.key);
}

/** How this session's queue is worked. */
function queueOf(desk: Desk, seat: Seat, state: State): ReturnType<typeof queueSettings> {
  return queueSettings(desk.config, seat.agentId, settingsOf(desk, state.record));
}

/** With a quiet time before turns, a message waits like the others, for those that may follow it. */
function mayGrow(desk: Desk, state: State, direct: Incoming): boolean {
  if (!direct.respond || triggerOf(desk.config, direct) || commandOf(desk.config, direct)) return false;
  const queue = queueSettings(desk.config, direct.agentId, settingsOf(desk, state.record));
  return queue.debounceMs > 0 && queue.mode !== 'followup';
}

/** How long it must still be quiet before what waits becomes a turn, ms. A full queue is not waited for. */
function quietFor(desk: Desk, incoming: Incoming[], queue: ReturnType<typeof queueSettings>): number {
  const first = incoming[0]!;
  const isLoad = first.respond && !triggerOf(desk.config, first) && !commandOf(desk.config, first);
  if (queue.debounceMs === 0 || queue.mode === 'followup' || !isLoad || incoming.length >= queue.cap)
    return 0;
  const now = desk.context.now();
  // One from the future, from before the clock was set back, is not waited for.
  const newest = Math.max(...incoming.map(each => (each.acceptedAt > now ? 0 : each.acceptedAt)));
  return newest + queue.debounceMs - now;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** The beginning of a text on one line. */
function preview(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}

/** A waiting message always has an identity, so that its own process can find what became of it. */
export function queueable(desk: Desk, incoming: Incoming, waits: boolean): Incoming {
  return {
    ...incoming,
    identity: incoming.identity ?? ['', '', '', '', incoming.messageId],
    ...(waits ? { waiter: newToken(desk.context) } : {}),
  };
}

/**
 * Does a message wait that came before this one? It then goes first; one that came later must not overtake. A command
 * waits for no turn, be it one that runs or one that is to come.
 */
function mustWait(desk: Desk, seat: Seat, direct: Incoming): boolean {
  const command = commandOf(desk.config, direct);
  if (command && !waitsItsTurn(command)) return false;
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
  if (hooks.endsOpenTurn?.(users)) {
    const error = { code: 'aborted', message: 'stopped by /stop' };
    return conclude(desk, seat, state, { turn, users }, { ...endOf(desk, turn, 'stopped'), error }, null);
  }
  // Told to end meanwhile: the second start is not spent on a run that would not begin.
  if (hooks.signal?.aborted) throw new TurnInterrupted();
  if (unseenStarts(turn) < MAX_ATTEMPTS && users.length > 0) {
    const again: TurnEntry = { ...turn, attempt: turn.attempt + 1, timestamp: desk.context.now() };
    const notes = await recollect(desk, seat, again, users);
    return runTurn(desk, seat, append(desk, state, [again]).state, { turn: again, users, notes }, hooks);
  }
  const error = {
    code: 'interrupted',
    message: `the process that ran it ended ${unseenStarts(turn)} times`,
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
  const events = eventsFor(desk, seat);
  const turn: TurnEntry = {
    type: 'turn',
    timestamp: desk.context.now(),
    runId: desk.context.newId(),
    attempt: 1,
    messageIds: users.map(user => user.id),
    runner: runnerName(desk.config, seat.agentId),
    ...runSettings(
      desk.config,
      seat.agentId,
      settingsOf(desk, state.record),
      Object.assign({}, ...users.map(user => user.inline ?? {})),
    ),
    ...(events.length > 0 ? { events: events.map(event => event.id) } : {}),
    // Its header among the unsettled lines: these are the first words of the session.
    isNewSession: state.tail.some(line => line.entry.type === 'session'),
    ...tell(desk.config, state.record!),
  };
  const told = new Set(state.tail.map(line => (line.entry as { id?: unknown }).id));
  const lines = events.filter(event => !told.has(event.id)).map(eventEntry);
  const notes = await recollect(desk, seat, turn, users);
  const next = append(desk, state, [...lines, turn]).state;
  return runTurn(desk, seat, next, { turn, users, notes }, hooks, direct);
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

/** System events that wait for this session; a turn tells them and, ended well, is done with them. */
function eventsFor(desk: Desk, seat: Seat): SystemEvent[] {
  const { events, unreadable } = listSystemEvents(desk.layout, seat.agentId, seat.key);
  for (const file of unreadable) desk.warn(`${file} cannot be read as a system event; it is left in place`);
  return events.slice(0, EVENTS_PER_TURN);
}

/** Plans one batch and carries the plan out. */
async function takeBatch(
  desk: Desk,
  seat: Seat,
  state: State,
  batch: Incoming[],
  hooks: Hooks,
  leftOut: string[] = [],
  asked: string | null = null,
): Promise<State> {
  const { context } = desk;
  const command = commandOf(desk.config, batch[0]!);
  const compaction =
    command?.command?.name === 'compact' && !batch[0]!.answered
      ? await compactFor(desk, seat, state, batch[0]!, command.command.instructions, hooks)
      : null;
  if (compaction) state = compaction.state;
  const answer =
    batch[0]!.answered ??
    (command
      ? await answerCommand(desk, batch[0]!, {
          record: state.record,
          parsed: command,
          stopped: hooks.hasEndedTurn?.() ? true : null,
          compacted: compaction?.told ?? null,
        })
      : null);
  const facts: TurnFacts = {
    config: desk.config,
    batch,
    record: state.record,
    transcript: state.transcript,
    stored: loadSettings(desk.layout, seat.agentId, seat.key),
    answer,
    leftOut,
    events: eventsFor(desk, seat),
    seed: state.record ? [] : threadRoot(desk, seat.agentId, batch[0]!.message),
    newSessionId: context.newId(),
    runId: context.newId(),
    now: context.now(),
    zone: desk.zone,
  };
  const plan = planWithAlerts(desk, facts);
  const newPerson = newPersonNotice(desk.config, state.record, batch[0]!);
  if (newPerson) desk.warn(newPerson);
  const direct = asked ?? (batch.length === 1 && !batch[0]!.queuedAs ? batch[0]!.messageId : null);
  const users = plan.entries.filter(isUserEntry).filter(isOwnEntry);
  const turn = plan.entries.find(isTurnEntry);
  const notes = turn ? await recollect(desk, seat, turn, users) : [];
  const accepted = accept(desk, seat, state, plan, direct === null ? undefined : hooks.onAccepted);
  if (plan.change) {
    const { settings, untilReset } = plan.change;
    const at = batch[0]!.acceptedAt;
    await changeSettings(context, desk.layout, seat, accepted.record!, settings, { at, untilReset });
  }
  if (turn) return runTurn(desk, seat, accepted, { turn, users, notes }, hooks, direct);
  return handBack(desk, seat, accepted, plan, direct, hooks);
}

/**
 * What `/compact` asks for. It comes before its message is accepted: whoever dies meanwhile leaves the session as it was,
 * and a message that has waited goes on waiting. The mark brings a tick to a record that its owner could not save any more.
 */
async function compactFor(
  desk: Desk,
  seat: Seat,
  state: State,
  incoming: Incoming,
  instructions: string,
  { signal, stopped }: Hooks,
): Promise<{ state: State; told: string }> {
  const { compactBetweenTurns, compactionReply } = await import('./compact-request.ts');
  markTurn(desk.layout, seat.agentId, seat.key);
  try {
    const outcome = await compactBetweenTurns(desk, seat, state, {
      instructions,
      signal,
      ...(stopped ? { stopped } : {}),
    });
    const told = compactionReply(outcome);
    if (!('state' in outcome)) return { state, told };
    // It stands, whether its message can be accepted or not.
    syncAndSave(desk, seat, outcome.state.record!, false);
    return { state: outcome.state, told };
  } catch (error) {
    if (!(error instanceof TurnInterrupted) || incoming.queuedAs) throw error;
    throw new ClawError(
      'tempfail',
      'not-accepted',
      'the message was not accepted: claw was told to end before the session was compacted',
      'send it again',
    );
  }
}

/** Not what a thread's session was begun with. */
function isOwnEntry(entry: UserEntry): boolean {
  return !('seededFrom' in entry);
}

/** Hands back what needed no agent: a command's answer, or that a message was kept. */
async function handBack(
  desk: Desk,
  seat: Seat,
  accepted: State,
  plan: TurnPlan,
  direct: string | null,
  hooks: Hooks,
): Promise<State> {
  const users = plan.entries.filter(isUserEntry).filter(isOwnEntry);
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
  for (const user of users) {
    if (user.dropped) keepDropped(desk, seat, record, user);
    handOver(desk, seat, record, { state: 'recorded', user }, printed);
  }
  const queued = Boolean(command?.queuedAs) || users.some(user => user.queuedAs);
  syncAndSave(desk, seat, record, queued);
  return { ...accepted, tail: [] };
}

/**
 * The user line of a message whose agent failed, when it comes again to be tried again; null when it is a plain
 * repetition. Failed while this process stood in line for the same message: it asked for the first run, not for another.
 */
function failureOf(desk: Desk, direct: Incoming, hit: IdHit): UserEntry | null {
  const file = desk.layout.transcript(hit.agentId, hit.sessionId);
  const outcome = messageOutcome(file, hit.at, direct.messageId);
  if (outcome?.state !== 'ended' || outcome.end.timestamp >= direct.acceptedAt) return null;
  // What a person has stopped stays so.
  return ['failed', 'interrupted'].includes(outcome.end.status) ? outcome.user : null;
}

/**
 * Tries failed messages again, or answers ones that were dropped: where they stand in the session that runs now, without
 * a second line; else as new messages of it. What another process did with them meanwhile is not done again.
 */
export async function workAgain(desk: Desk, seat: Seat, failed: FailedMessage, hooks: Hooks): Promise<void> {
  const state = await finishOpen(desk, seat, await settleTail(desk, seat, recover(desk, seat)), hooks);
  const users = failed.users.map(({ queuedAs: _queuedAs, ...user }) => user);
  const last = users.at(-1)!;
  if (!isFailureKept(desk.layout, failed)) {
    // Answered, failed again or dropped while this process waited for the session, or by what it finished just now.
    const hit =
      last.identity && findMessageId(desk.layout, last.identity, desk.context.now(), desk.idRetention);
    if (hit) hooks.onDuplicate?.(hit);
    return clearTurn(desk.layout, seat.agentId, seat.key);
  }
  if (failed.status !== 'dropped' && failed.sessionId === state.record?.sessionId) {
    markTurn(desk.layout, seat.agentId, seat.key);
    await startAnew(desk, seat, state, users, last.id, hooks);
  } else {
    const batch = users.map(user => incomingOf(desk, seat, user));
    await takeBatch(desk, seat, state, batch, hooks, [], last.id);
  }
  clearTurn(desk.layout, seat.agentId, seat.key);
}

/**
 * A turn for a message that nobody brought and nobody waits for, behind what was there before: it tells the events that
 * wait for the session.
 */
export async function workOwn(desk: Desk, seat: Seat, incoming: Incoming, hooks: Hooks): Promise<void> {
  const state = await finishOpen(desk, seat, await settleTail(desk, seat, recover(desk, seat)), hooks);
  await takeBatch(desk, seat, state, [incoming], hooks);
  clearTurn(desk.layout, seat.agentId, seat.key);
}

/** A message of the transcript as if it came now. */
function incomingOf(desk: Desk, seat: Seat, user: UserEntry): Incoming {
  const { id, identity, message, origin, via, attachments, hops, sentFrom, announceTo } = user;
  return {
    agentId: seat.agentId,
    key: seat.key,
    messageId: id,
    ...(identity ? { identity } : {}),
    message: { ...origin, text: message.content, ...(attachments ? { attachments } : {}) },
    acceptedAt: desk.context.now(),
    via,
    respond: true,
    owner: false,
    // It was text when it came; it is no command now.
    fromAgent: true,
    hops: hops ?? 0,
    ...(sentFrom ? { sentFrom } : {}),
    ...(announceTo ? { announceTo } : {}),
  };
}

/** Starts the agent once more for a message that stands in this session's transcript, without a second line for it. */
function retry(desk: Desk, seat: Seat, state: State, user: UserEntry, hooks: Hooks): Promise<State> {
  markTurn(desk.layout, seat.agentId, seat.key);
  const { queuedAs: _queuedAs, ...plain } = user;
  return startAnew(desk, seat, state, [plain], user.id, hooks);
}
