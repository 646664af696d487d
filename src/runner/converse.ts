/**
 * What is said to an agent and how it is heard: a turn, or a question beside the conversation. Which of its program's own
 * sessions is used, what goes along, who ends it from outside. Writes nothing into the session.
 */
import type { RunnerConfig } from '../config/schema.ts';
import { secretsWithin } from '../config/secrets.ts';
import { agentEntry, agentEnvironment, runnerName } from '../core/agent.ts';
import { messageTokens } from '../core/context/history.ts';
import { ClawError } from '../core/errors.ts';
import { memorySettings } from '../core/memory/rule.ts';
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
  type Entry,
  isSpoken,
  isUserEntry,
  type TurnEntry,
  type UserEntry,
  unseenStarts,
} from '../core/session/transcript.ts';
import { bodyOf } from '../core/turn.ts';
import type { HistoryMessage, TurnOutcome, TurnRequest } from '../core/turn-request.ts';
import { listSystemEvents } from '../store/system-events.ts';
import { assembleHistory, entriesOf } from './assemble.ts';
import type { Ask, Question } from './compact.ts';
import { type Desk, type Hooks, type OpenTurn, type Seat, TurnInterrupted } from './desk.ts';
import { settingsOf, workspaceOf } from './judge.ts';
import { keepsSession, runnerOf, sendsHistory } from './resolve.ts';
import { type StopRequest, watchForStop } from './stop.ts';

/** Who may end what an agent is asked: a person's Ctrl-C, and claw when it is told to end. */
export type Attendance = { stopped(): boolean; signal?: AbortSignal | undefined };

/** What of a transcript belongs to a turn under way. */
export function ownOf({ turn, users }: OpenTurn) {
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
 *
 * @param options within: in the session that its program keeps of the conversation, not in one that is thrown away
 */
export function askerOf(
  desk: Desk,
  seat: Seat,
  { turn, users }: OpenTurn,
  attend: Attendance,
  { within = false }: { within?: boolean } = {},
): Ask {
  return async (record, question) => {
    const kind = 'system' as const;
    const options = { ...attend, kind, ...(within ? {} : { aside: true as const }), question };
    const { outcome, stop, native } = await converse(desk, seat, record, { turn, users }, options);
    // Where it was stopped, its end is that of the turn, which did nothing yet.
    const { steps: _, ...bare } = outcome;
    return { outcome: bare, stop, ...(within && native ? { native } : {}) };
  };
}

/** The same for a session in which no turn is under way. */
export function askerBetweenTurns(
  desk: Desk,
  seat: Seat,
  record: SessionRecord,
  runId: string,
  attend: Attendance,
  options: { within?: boolean } = {},
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
  return askerOf(desk, seat, { turn, users: [user] }, attend, options);
}

/** How the agent of a turn ended, and who had it ended, where somebody had. */
export interface EndedRun {
  outcome: TurnOutcome;
  stop: StopRequest | null;
  /** how its own session was used, where its program keeps one; `outcome.usage` is then this run's share */
  native?: NativeUse;
}

interface RunOptions {
  /** how the native session is used, where that is already known */
  plan?: NativePlan;
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
  const { aside, question, plan: known, ...rest } = options;
  const runner = await runnerOf(desk.config, open.turn.runner);
  const about = { record, open, runner, ...(aside ? { aside } : {}), ...(question ? { question } : {}) };
  const request = requestOf(desk, seat, { ...about, ...(known ? { plan: known } : {}) });
  if (question?.isCommand && request.native?.how !== 'resumed')
    return { outcome: notAsked(request), stop: null };
  const run = await superviseAgent(desk, seat, request, rest);
  const { outcome } = run;
  if (question?.isCommand) return settled(desk, request, run);
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

/** A command of the program, for which there is no session that knows what it is about. */
function notAsked({ runnerName }: TurnRequest): TurnOutcome {
  const error = {
    code: 'unknown-session' as const,
    message: `runner "${runnerName}" has no session to go on with`,
  };
  return { status: 'failed', error, output: '', usage: null, durationMs: 0, warnings: [] };
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
        secrets: secretsWithin(desk.config, desk.context.env),
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
export function requestOf(
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
  const body = question?.body ?? tellEvents(events(), saidBy(), at => tellClockTime(desk.zone, at));
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
    ...(question?.isCommand ? { isCommand: true } : {}),
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
    env: {
      ...agentEnvironment(config, seat.agentId, runner),
      CLAW_HOPS: String(hopsOf(users) + 1),
      ...chain(),
    },
    workspace,
    transcript,
    leaseFolder: seat.lock.folder,
    ...(last.job?.kind === 'heartbeat' && !question
      ? { heartbeat: { ackMaxChars: last.job.ackMaxChars ?? 0 } }
      : {}),
  };

  function nativePlan(): NativePlan | null {
    // Without a way to go on with a session of claw's choice, the program finds its own by what its arguments say.
    if (!keepsSession(runner)) return null;
    if (about.plan) return about.plan;
    const freshId = desk.context.newId();
    if (about.aside) return { how: 'aside', id: freshId };
    const { runner: runnerName, model } = turn;
    const died = unseenStarts(turn) > 1;
    const facts = { known: record.native, runnerName, runner, workspace, model, died, freshId };
    return planNative({ ...facts, hasHistory: spoken() });
  }

  /** Where several people write, who wrote it stands before it, as in the history; a filter gets the message alone. */
  function saidBy(): string {
    const said = bodyOf(users);
    const { chatType, fromName, from } = last.origin;
    const isText = runner !== undefined && runner.context !== 'none' && runner.input !== 'json';
    const name = isText && chatType !== 'dm' && !last.job ? fromName || from : undefined;
    return name ? `${name}: ${said}` : said;
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
