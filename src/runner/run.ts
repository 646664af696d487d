/**
 * One run of an agent for an accepted turn: what it is given, how it is ended from outside, what its end leaves in the
 * transcript, and the reply on its way back. `runner/turn.ts` decides when.
 */
import type { RunnerConfig } from '../config/schema.ts';
import { agentEntry, runnerName } from '../core/agent.ts';
import { compactionSettings, judgeRoom } from '../core/context/compaction.ts';
import { messageTokens } from '../core/context/history.ts';
import { applyResponsePrefix, prefixValues } from '../core/delivery/response-prefix.ts';
import { ClawError } from '../core/errors.ts';
import { mayQuoteNotes, memorySettings } from '../core/memory/rule.ts';
import { chainOf } from '../core/routing/visibility.ts';
import type { TurnOrigin } from '../core/runner/environment.ts';
import {
  type NativePlan,
  type NativeUse,
  planNative,
  replanNative,
  settleNative,
} from '../core/runner/native.ts';
import { tellEvents } from '../core/schedule/system-event.ts';
import { tellClockTime } from '../core/schedule/zone.ts';
import type { Origin, SessionRecord } from '../core/session/session.ts';
import { runSettings } from '../core/session/settings.ts';
import {
  type AssistantEntry,
  type Entry,
  isSpoken,
  isUserEntry,
  type SendVerdict,
  type TurnEndEntry,
  type TurnEntry,
  type UserEntry,
} from '../core/session/transcript.ts';
import { bodyOf } from '../core/turn.ts';
import type { HistoryMessage, TurnOutcome, TurnRequest } from '../core/turn-request.ts';
import { listSystemEvents } from '../store/system-events.ts';
import { append } from './accept.ts';
import { assembleHistory, countContext, entriesOf } from './assemble.ts';
import type { Ask, Question, Room } from './compact.ts';
import { type Desk, type Hooks, type OpenTurn, type Seat, type State, TurnInterrupted } from './desk.ts';
import { settleTurn, syncAndSave } from './hand-over.ts';
import { sendVerdict, settingsOf, workspaceOf } from './judge.ts';
import { runnerOf, sendsHistory } from './resolve.ts';
import { type StopRequest, watchForStop } from './stop.ts';

/** Runs the agent of an accepted turn, appends how it ended, hands the reply back and saves the record. */
export async function runTurn(
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
  const { origin } = users.at(-1)!;
  const verdict = () => sendVerdict(desk, seat.key, origin, settingsOf(desk, record));
  // Where nothing may be sent, nothing is shown as it comes either.
  // A prefix stands before the whole; it is not known before the reply is.
  const streams =
    own !== undefined && verdict().decision === 'allow' && !desk.config.messages?.responsePrefix;
  const attend = { stopped, signal: hooks.signal };
  const runner = await runnerOf(desk.config, turn.runner);
  // Counted once where no count was kept, and from here on with each line.
  const counted = record.context ? state : countedState(desk, state, runner);
  const room = await roomFor(desk, seat, counted, { open, runner, attend });
  if (direct !== null) hooks.onStart?.({ ...turn, notices: [...turn.notices, ...(room?.notices ?? [])] });
  const kind = users.at(-1)!.job?.kind;
  const start = (from: State) =>
    converse(desk, seat, from.record!, open, {
      ...attend,
      kind,
      // What a heartbeat thinks is no part of the conversation; what it says is told with the next message.
      ...(kind === 'heartbeat' ? { aside: true } : {}),
      onDelta: streams ? hooks.onDelta : undefined,
    });
  let current = room?.state ?? counted;
  let run = room?.stopped ?? (await start(current));
  const smaller = room?.compacted
    ? null
    : await afterOverflow(desk, seat, current, run, { open, runner, attend });
  if (smaller !== null) {
    current = smaller.state;
    run = smaller.stopped ?? (await start(current));
  }
  const ending = endingOf(desk, seat.agentId, open, run, verdict());
  const { reply, steps } = ending;
  const end: TurnEndEntry = {
    ...ending.end,
    ...(room && room.notices.length > 0 ? { notices: room.notices } : {}),
    ...(room?.uncompacted ? { uncompacted: room.uncompacted } : {}),
  };
  const next = append(desk, current, [...steps, ...(reply ? [reply] : []), end]).state;
  hooks.onEnd?.(end);
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

/** A session of an earlier claw, or of another tool, whose record does not say how full its context is. */
function countedState(desk: Desk, state: State, runner: RunnerConfig | undefined): State {
  const record = state.record!;
  if (!sendsHistory(runner)) return state;
  const enough = 2 * compactionSettings(desk.config, record.agentId).window;
  return { ...state, record: { ...record, context: countContext(desk, record, enough) } };
}

type Attendance = { stopped(): boolean; signal?: AbortSignal | undefined };

/** A turn under way: its runner as resolved, undefined for recall, and who may end it. */
interface Underway {
  open: OpenTurn;
  runner: RunnerConfig | undefined;
  attend: Attendance;
}

/**
 * Room for a turn whose agent is sent the conversation: memory saved and context compacted, where it is time. Null where
 * nothing is due, which is nearly always, and costs nothing. A turn that is started once more is not held up by it again:
 * it may have been what its first owner died of (openclaw#14772).
 */
async function roomFor(
  desk: Desk,
  seat: Seat,
  state: State,
  { open, runner, attend }: Underway,
): Promise<Room | null> {
  const { turn, users } = open;
  const record = state.record!;
  if (!sendsHistory(runner) || turn.attempt > 1 || users.at(-1)!.job?.kind === 'heartbeat') return null;
  const settings = compactionSettings(desk.config, seat.agentId);
  const verdict = judgeRoom(countContext(desk, record, settings.window * 2), settings);
  // Notes are of the agent's owner: what is said elsewhere does not go among them.
  const savesMemory = mayQuoteNotes({ sessionKey: seat.key, origin: users.at(-1)!.origin });
  if (!(verdict.flush && savesMemory) && verdict.room !== 'full') return null;
  const { makeRoom, silentTokenOf } = await import('./compact.ts');
  const { appendFlush } = await import('./remember.ts');
  return makeRoom(desk, seat, state, ownOf(open), {
    ask: askerOf(desk, seat, open, attend),
    appendFlush,
    savesMemory,
    silentToken: silentTokenOf(runner),
  });
}

/**
 * Where the agent failed because it was given more than it can read: the context compacted to less than it was given, and
 * the line of a second start. Null where that is not the trouble, or cannot be helped.
 */
async function afterOverflow(
  desk: Desk,
  seat: Seat,
  state: State,
  run: EndedRun,
  { open, runner, attend }: Underway,
): Promise<{ state: State; stopped: EndedRun | null } | null> {
  const { turn } = open;
  if (run.outcome.status !== 'failed' || !sendsHistory(runner)) return null;
  const { overflowOf } = await import('../core/runner/overflow.ts');
  const overflow = overflowOf(run.outcome);
  if (overflow === null) return null;
  const { mode } = compactionSettings(desk.config, seat.agentId);
  const hint =
    '/compact summarises the conversation; agents.defaults.contextTokens should be what the model can read';
  run.outcome = { ...run.outcome, error: { ...run.outcome.error, hint } };
  if (mode === 'manual') return null;
  const { body, history } = requestOf(desk, seat, { record: state.record!, open, runner });
  const sent = [body, ...history.map(({ content }) => content)].reduce(
    (sum, text) => sum + messageTokens(text),
    0,
  );
  const { compactSession } = await import('./compact.ts');
  const limit = Math.min(sent / 2, (overflow.limit ?? Number.POSITIVE_INFINITY) * 0.7);
  const order = { ...ownOf(open), reason: 'overflow' as const, instructions: '', limit };
  const outcome = await compactSession(desk, seat, state, order, askerOf(desk, seat, open, attend));
  if (outcome.status === 'stopped') return { state, stopped: outcome.run };
  if (outcome.status !== 'compacted') {
    const why = outcome.status === 'failed' ? outcome.message : outcome.reason;
    desk.warn(`session ${seat.key} was too long for its agent and could not be compacted: ${why}`);
    return null;
  }
  const again: TurnEntry = { ...turn, attempt: turn.attempt + 1, timestamp: desk.context.now() };
  return { state: append(desk, outcome.state, [again]).state, stopped: null };
}

/** What of a transcript belongs to a turn under way. */
function ownOf({ turn, users }: OpenTurn) {
  const own = new Set(users.map(user => user.id));
  return {
    runId: turn.runId,
    group: users.at(-1)!.origin.chatType !== 'dm',
    isOwn: (entry: Entry) =>
      entry.type === 'system_event'
        ? turn.events?.includes(String(entry.id)) === true
        : isUserEntry(entry) && own.has(entry.id),
  };
}

/**
 * How the agent of a turn is asked something beside the conversation: with the same settings, and nothing of it written.
 * Whoever ends the turn ends that too.
 */
function askerOf(desk: Desk, seat: Seat, { turn, users }: OpenTurn, attend: Attendance): Ask {
  return async (record, question) => {
    const options = { ...attend, kind: 'system', aside: true, question } as const;
    const { outcome, stop } = await converse(desk, seat, record, { turn, users }, options);
    // Where it was stopped, its end is that of the turn, which did nothing yet.
    const { steps: _, ...bare } = outcome;
    return { outcome: bare, stop };
  };
}

/** The same for a session in which no turn is under way. */
export function askerBetweenTurns(
  desk: Desk,
  seat: Seat,
  record: SessionRecord,
  runId: string,
  attend: Attendance,
): Ask {
  const { agentId } = seat;
  const timestamp = desk.context.now();
  const origin: Origin = record.lastRoute ?? {
    channel: record.channel,
    accountId: 'default',
    chatType: record.chatType,
  };
  const user: UserEntry = {
    type: 'message',
    timestamp,
    id: runId,
    message: { role: 'user', content: '' },
    origin,
    via: 'none',
  };
  const turn: TurnEntry = {
    type: 'turn',
    timestamp,
    runId,
    attempt: 1,
    messageIds: [runId],
    runner: runnerName(desk.config, agentId),
    ...runSettings(desk.config, agentId, settingsOf(desk, record), {}),
    isNewSession: false,
    reset: null,
    notices: [],
  };
  return askerOf(desk, seat, { turn, users: [user] }, attend);
}

/** How the agent of a turn ended, and who had it ended, where somebody had. */
export interface EndedRun {
  outcome: TurnOutcome;
  stop: StopRequest | null;
  /** how its own session was used, where its program keeps one; `outcome.usage` is then this run's share */
  native?: NativeUse;
}

interface RunOptions {
  /** who asks, absent for a person */
  kind?: TurnOrigin | undefined;
  /** a person's Ctrl-C, which ends the turn */
  stopped?(): boolean;
  signal?: AbortSignal | undefined;
  onDelta?: Hooks['onDelta'];
}

/**
 * Runs the agent in its own session where its program keeps one: goes on with it, or begins one and tells it what was
 * said so far. A program that refuses to go on is asked once more, in a session that begins; the end says why.
 *
 * @param options aside: beside the conversation, in a session that is thrown away; question: asked in place of the message
 */
export async function converse(
  desk: Desk,
  seat: Seat,
  record: SessionRecord,
  open: OpenTurn,
  options: RunOptions & { aside?: true; question?: Question },
): Promise<EndedRun> {
  const { aside, question, ...rest } = options;
  const runner = await runnerOf(desk.config, open.turn.runner);
  const about = { record, open, runner, ...(aside ? { aside } : {}), ...(question ? { question } : {}) };
  const request = requestOf(desk, seat, about);
  const run = await superviseAgent(desk, seat, request, rest);
  const { outcome } = run;
  if (request.native === undefined || outcome.status !== 'failed' || run.stop !== null)
    return settled(desk, request, run);
  const plan = replanNative(request.native, outcome.error.code, desk.context.newId());
  if (plan === null) return settled(desk, request, run);
  desk.warn(
    `session ${seat.key}: ${request.runnerName} did not go on with its session ${request.native.id} (${plan.reason}); it begins a new one and is told the history`,
  );
  const again = requestOf(desk, seat, { ...about, plan });
  return settled(desk, again, await superviseAgent(desk, seat, again, rest));
}

/** The end of a run over a native session, with what is left of that. */
function settled(desk: Desk, request: TurnRequest, run: EndedRun): EndedRun {
  const { native, runner, runnerName, workspace, model } = request;
  if (native === undefined || runner === undefined) return run;
  const { outcome } = run;
  const { use, usage, follows } = settleNative(
    native,
    { runnerName, runner, workspace, model },
    {
      ended: outcome.status === 'failed' ? 'failed' : 'well',
      reported: outcome.nativeId,
      usage: outcome.usage,
    },
  );
  if (!follows) {
    desk.warn(
      `runner "${runnerName}" was to go on with its session ${native.id} and answered from ${outcome.nativeId}; the next turn tells it the history`,
    );
  }
  return { ...run, outcome: { ...outcome, usage }, native: use };
}

/**
 * Starts the agent of a request and attends it to its end; it can be stopped from outside meanwhile. Writes nothing into
 * the session.
 *
 * @throws TurnInterrupted when it was told to end by `signal` alone; ClawError `lease-lost` when the session is another's
 */
async function superviseAgent(
  desk: Desk,
  seat: Seat,
  request: TurnRequest,
  options: RunOptions,
): Promise<EndedRun> {
  const { signal, onDelta } = options;
  const { runAgent } = await import('./agent.ts');
  const control = new AbortController();
  const abort = () => control.abort();
  signal?.addEventListener('abort', abort, { once: true });
  let asked: StopRequest | null = null;
  const endWatch = watchForStop(seat.lock, request.runId, found => {
    asked = found;
    control.abort();
  });
  let outcome: TurnOutcome;
  try {
    if (signal?.aborted) control.abort();
    outcome = await runAgent(
      { ...request, signal: control.signal, ...(onDelta ? { onDelta } : {}) },
      {
        baseEnv: desk.context.env,
        origin: options.kind ?? 'user',
        home: desk.context.home,
        configFile: desk.context.configFile,
        now: desk.context.now,
        ...(request.runnerName === 'recall' ? recallOptions(desk, request.agentId) : {}),
      },
    );
  } finally {
    endWatch();
    signal?.removeEventListener('abort', abort);
  }
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
  if (aborted && !asked && !options.stopped?.()) throw new TurnInterrupted();
  return { outcome, stop: aborted ? (asked ?? { kind: 'stop', messageId: '' }) : null };
}

/** What the built-in runner needs to know of the desk. */
function recallOptions({ config, context, layout, zone }: Desk, agentId: string) {
  const memory = memorySettings(config, agentId).enabled
    ? { cache: layout.memoryIndex(agentId), uid: context.uid, token: context.newId() }
    : null;
  return { zone: zone.name, memory };
}

/**
 * What the agent of a turn is asked, with the history it is given. Reads only.
 *
 * @param about runner: as resolved, undefined for recall; plan: how the native session is used, where that is decided;
 *   aside: in one that is thrown away; question: asked in place of the message, without what came along with that
 */
function requestOf(
  desk: Desk,
  seat: Seat,
  about: {
    record: SessionRecord;
    open: OpenTurn;
    runner: RunnerConfig | undefined;
    plan?: NativePlan;
    aside?: true;
    question?: Question;
  },
): TurnRequest {
  const { record, runner, question } = about;
  const { turn, users, notes } = about.open;
  const { config, layout } = desk;
  const last = users.at(-1)!;
  const agent = agentEntry(config, seat.agentId);
  const defaults = config.agents?.defaults;
  if (turn.runner !== 'recall' && !runner) {
    throw new ClawError(
      'config',
      'runner-unknown',
      `runner ${JSON.stringify(turn.runner)} is not configured`,
      'claw config show',
    );
  }
  const patience =
    last.job?.timeoutSeconds ?? runner?.timeoutSeconds ?? agent?.timeoutSeconds ?? defaults?.timeoutSeconds;
  const timeoutSeconds = question
    ? Math.min(question.timeoutSeconds, patience || question.timeoutSeconds)
    : patience;
  const transcript = layout.transcript(seat.agentId, record.sessionId);
  const { isOwn } = ownOf(about.open);
  const body = question?.body ?? tellEvents(events(), bodyOf(users), at => tellClockTime(desk.zone, at));
  const thinkingLevel = turn.settings?.thinkingLevel;
  const workspace = workspaceOf(desk, seat.agentId);
  const systemPrompt = agent?.systemPrompt ?? defaults?.systemPrompt;
  const native = nativePlan();
  const isThrownAway = about.aside === true && runner?.context === 'native' && native === null;
  return {
    runId: turn.runId,
    agentId: seat.agentId,
    sessionKey: seat.key,
    // Where the program finds its session by claw's id, another id is another session.
    ...(isThrownAway ? { sessionId: desk.context.newId() } : { sessionId: record.sessionId }),
    body,
    // Only what is sent is read: a runner that keeps (or wants) no history costs the same behind a long transcript.
    history: tellsHistory() ? history() : [],
    ...(notes?.length ? { notes } : {}),
    ...(native ? { native } : {}),
    ...(systemPrompt ? { systemPrompt } : {}),
    origin: last.origin,
    attachments: question ? [] : users.flatMap(user => user.attachments ?? []),
    isNewSession: turn.isNewSession || isThrownAway,
    ...(turn.model ? { model: turn.model } : {}),
    ...(thinkingLevel ? { thinkingLevel } : {}),
    ...(turn.settings ? { settings: turn.settings } : {}),
    runnerName: turn.runner,
    ...(runner ? { runner: { ...runner, ...(timeoutSeconds ? { timeoutSeconds } : {}) } } : {}),
    env: { ...defaults?.env, ...agent?.env, CLAW_HOPS: String(hopsOf(users) + 1), ...chain() },
    workspace,
    transcript,
    leaseFolder: seat.lock.folder,
    ...(last.job?.kind === 'heartbeat' && !question
      ? { heartbeat: { ackMaxChars: last.job.ackMaxChars ?? 0 } }
      : {}),
  };

  function nativePlan(): NativePlan | null {
    // Without a way to go on with a session of claw's choice, the program finds its own by what its arguments say.
    if (runner?.context !== 'native' || runner.resumeArgs === undefined) return null;
    if (about.plan) return about.plan;
    const freshId = desk.context.newId();
    if (about.aside) return { how: 'aside', id: freshId };
    const { runner: runnerName, attempt, model } = turn;
    const facts = { known: record.native, runnerName, runner, workspace, model, attempt, freshId };
    return planNative({ ...facts, hasHistory: spoken() });
  }

  function tellsHistory(): boolean {
    return question?.history !== false && (native !== null || sendsHistory(runner));
  }

  function spoken(): boolean {
    for (const entry of entriesOf(desk, transcript, { isOwn, isQuiet: true }))
      if (isSpoken(entry)) return true;
    return false;
  }

  /** Who waits for this turn, so that no agent further down waits for one of them. */
  function chain(): Record<string, string> {
    const keys = chainOf(desk.context.env);
    return keys.length > 0 ? { CLAW_CHAIN: JSON.stringify(keys) } : {};
  }

  function events() {
    if (!turn.events?.length) return [];
    const waiting = listSystemEvents(layout, seat.agentId, seat.key).events;
    return waiting.filter(event => turn.events!.includes(event.id));
  }

  function history(): HistoryMessage[] {
    const chat = { ...last.origin, agentId: seat.agentId, sessionKey: seat.key };
    const beside = (notes ?? []).reduce((sum, note) => sum + messageTokens(note.text), 0);
    return assembleHistory(desk, record, chat, {
      incoming: messageTokens(body) + beside,
      isOwn,
      ...(native?.how === 'resumed' ? { knownTo: native.id } : {}),
    });
  }
}

/** How many agents stand between a person and these messages. */
function hopsOf(users: UserEntry[]): number {
  return Math.max(...users.map(user => user.hops ?? 0));
}

/** What is said before a reply to the person, never to the model. */
function prefixOf(desk: Desk, agentId: string, turn: TurnEntry, text: string): { prefix?: string } {
  if (!desk.config.messages?.responsePrefix) return {};
  const thinkingLevel = turn.settings?.thinkingLevel;
  const values = prefixValues(desk.config, agentId, { model: turn.model, thinkingLevel });
  const whole = applyResponsePrefix(text, desk.config, values);
  return whole === text ? {} : { prefix: whole.slice(0, whole.length - text.length - 1) };
}

/**
 * The transcript lines that end a run.
 *
 * @param delivery whether its reply may go out
 */
export function endingOf(
  desk: Desk,
  agentId: string,
  { turn, users }: OpenTurn,
  { outcome, stop, native }: EndedRun,
  delivery: SendVerdict,
): { end: TurnEndEntry; reply: AssistantEntry | null; steps: Entry[] } {
  const { job } = users.at(-1)!;
  const timestamp = desk.context.now();
  const end: TurnEndEntry = {
    type: 'turn_end',
    timestamp,
    runId: turn.runId,
    status: stop ? 'stopped' : outcome.status,
    usage: outcome.usage,
    durationMs: Math.round(outcome.durationMs),
    ...(outcome.status === 'failed'
      ? { error: outcome.error, ...(outcome.output ? { output: outcome.output.slice(0, 4000) } : {}) }
      : {}),
    ...(stop?.kind === 'interrupt' ? { answeredBy: stop.messageId } : {}),
    ...(outcome.status === 'silent' && outcome.acknowledged ? { acknowledged: true } : {}),
    ...(delivery.decision === 'deny' ? { delivery } : {}),
    ...(job ? { unasked: true } : {}),
    ...(native ? { native } : {}),
  };
  const { runId } = turn;
  const steps = (outcome.steps ?? []).map(({ type, text }): Entry => {
    return type === 'tool_call' ? { type, timestamp, runId, name: text } : { type, timestamp, runId, text };
  });
  if (outcome.status !== 'replied') return { end, reply: null, steps };
  const message = { role: 'assistant' as const, content: outcome.text };
  return {
    end,
    steps,
    reply: {
      type: 'message',
      timestamp,
      runId: turn.runId,
      message,
      ...prefixOf(desk, agentId, turn, outcome.text),
      ...(turn.model ? { model: turn.model } : {}),
      ...(job?.kind === 'heartbeat' ? { job: job.kind } : {}),
    },
  };
}
