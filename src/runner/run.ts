/**
 * One run of an agent for an accepted turn: what it is given, how it is ended from outside, what its end leaves in the
 * transcript, and the reply on its way back. `runner/turn.ts` decides when.
 */
import fs from 'node:fs';
import type { RunnerConfig } from '../config/schema.ts';
import { expandHome } from '../context.ts';
import { agentEntry } from '../core/agent.ts';
import { historyLimits, selectHistory } from '../core/context/history.ts';
import { applyResponsePrefix, prefixValues } from '../core/delivery/response-prefix.ts';
import { ClawError } from '../core/errors.ts';
import type { JobMark } from '../core/incoming.ts';
import { memorySettings } from '../core/memory/rule.ts';
import { chainOf } from '../core/routing/visibility.ts';
import {
  type NativePlan,
  type NativeUse,
  planNative,
  replanNative,
  settleNative,
} from '../core/runner/native.ts';
import { tellEvents } from '../core/schedule/system-event.ts';
import { tellClockTime } from '../core/schedule/zone.ts';
import type { SessionRecord } from '../core/session/session.ts';
import {
  type AssistantEntry,
  type Entry,
  isSpoken,
  isTurnEndEntry,
  isUserEntry,
  type SendVerdict,
  type TurnEndEntry,
  type TurnEntry,
  type UserEntry,
} from '../core/session/transcript.ts';
import { bodyOf } from '../core/turn.ts';
import type { HistoryMessage, TurnOutcome, TurnRequest } from '../core/turn-request.ts';
import { lineNumber } from '../store/jsonl-file.ts';
import { listSystemEvents } from '../store/system-events.ts';
import { newestFirst } from '../store/transcripts.ts';
import { append } from './accept.ts';
import { type Desk, type Hooks, type OpenTurn, type Seat, type State, TurnInterrupted } from './desk.ts';
import { settleTurn, syncAndSave } from './hand-over.ts';
import { sendVerdict, settingsOf } from './judge.ts';
import { runnerOf } from './resolve.ts';
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
  if (direct !== null) hooks.onStart?.(turn);
  const { origin } = users.at(-1)!;
  const verdict = () => sendVerdict(desk, seat.key, origin, settingsOf(desk, record));
  // Where nothing may be sent, nothing is shown as it comes either.
  // A prefix stands before the whole; it is not known before the reply is.
  const streams =
    own !== undefined && verdict().decision === 'allow' && !desk.config.messages?.responsePrefix;
  const kind = users.at(-1)!.job?.kind;
  const run = await converse(desk, seat, record, open, {
    kind,
    // What a heartbeat thinks is no part of the conversation; what it says is told with the next message.
    ...(kind === 'heartbeat' ? { aside: true } : {}),
    stopped,
    signal: hooks.signal,
    onDelta: streams ? hooks.onDelta : undefined,
  });
  const { end, reply, steps } = endingOf(desk, seat.agentId, open, run, verdict());
  const next = append(desk, state, [...steps, ...(reply ? [reply] : []), end]).state;
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

/** How the agent of a turn ended, and who had it ended, where somebody had. */
export interface EndedRun {
  outcome: TurnOutcome;
  stop: StopRequest | null;
  /** how its own session was used, where its program keeps one; `outcome.usage` is then this run's share */
  native?: NativeUse;
}

interface RunOptions {
  /** of the job that asks, absent for a person */
  kind?: JobMark['kind'] | undefined;
  /** a person's Ctrl-C, which ends the turn */
  stopped?(): boolean;
  signal?: AbortSignal | undefined;
  onDelta?: Hooks['onDelta'];
}

/**
 * Runs the agent in its own session where its program keeps one: goes on with it, or begins one and tells it what was
 * said so far. A program that refuses to go on is asked once more, in a session that begins; the end says why.
 *
 * @param aside beside the conversation: in a session that is thrown away
 */
export async function converse(
  desk: Desk,
  seat: Seat,
  record: SessionRecord,
  open: OpenTurn,
  options: RunOptions & { aside?: true },
): Promise<EndedRun> {
  const { aside, ...rest } = options;
  const runner = await runnerOf(desk.config, open.turn.runner);
  const about = { record, open, runner, ...(aside ? { aside } : {}) };
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

/** The folder an agent works in. */
export function workspaceOf({ config, layout }: Desk, agentId: string): string {
  const workspace = agentEntry(config, agentId)?.workspace ?? config.agents?.defaults?.workspace;
  return workspace ? expandHome(workspace) : layout.workspace(agentId);
}

/**
 * What the agent of a turn is asked, with the history it is given. Reads only.
 *
 * @param about runner: as resolved, undefined for recall; plan: how the native session is used, where that is decided;
 *   aside: in one that is thrown away
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
  },
): TurnRequest {
  const { record, runner } = about;
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
  const timeoutSeconds =
    last.job?.timeoutSeconds ?? runner?.timeoutSeconds ?? agent?.timeoutSeconds ?? defaults?.timeoutSeconds;
  const transcript = layout.transcript(seat.agentId, record.sessionId);
  const own = new Set(users.map(user => user.id));
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
    body: tellEvents(events(), bodyOf(users), at => tellClockTime(desk.zone, at)),
    // Only what is sent is read: a runner that keeps (or wants) no history costs the same behind a long transcript.
    history: tellsHistory() ? history() : [],
    ...(notes?.length ? { notes } : {}),
    ...(native ? { native } : {}),
    ...(systemPrompt ? { systemPrompt } : {}),
    origin: last.origin,
    attachments: users.flatMap(user => user.attachments ?? []),
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
    ...(last.job?.kind === 'heartbeat' ? { heartbeat: { ackMaxChars: last.job.ackMaxChars ?? 0 } } : {}),
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

  /** Recall searches the transcript itself. */
  function tellsHistory(): boolean {
    return runner !== undefined && (native !== null || (runner.context ?? 'claw') === 'claw');
  }

  function spoken(): boolean {
    for (const entry of earlier(null)) if (isSpoken(entry)) return true;
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
    const limits = historyLimits(config, { ...last.origin, agentId: seat.agentId, sessionKey: seat.key });
    return selectHistory(earlier(native), limits, last.origin.chatType !== 'dm');
  }

  /** This turn's messages and events are told apart from what was said before. */
  function isOwn(entry: Entry): boolean {
    if (entry.type === 'system_event') return turn.events?.includes(String(entry.id)) === true;
    return isUserEntry(entry) && own.has(entry.id);
  }

  function* earlier(used: NativePlan | null): Generator<Entry> {
    // A heartbeat may be the first to speak in a session; it has no file before that.
    if (!fs.existsSync(transcript)) return;
    const onBad = (offset: number, reason: string) =>
      desk.warn(`${transcript}:${lineNumber(transcript, offset)}: ${reason}; the line is left in place`);
    for (const entry of newestFirst(transcript, onBad)) {
      // A native session that goes on knows everything up to its newest answer.
      if (used?.how === 'resumed' && isTurnEndEntry(entry) && entry.native?.id === used.id) return;
      if (!isOwn(entry)) yield entry;
    }
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
