/**
 * One heartbeat of an agent. Where nothing waits to be told, its agent runs beside the conversation: it is given the
 * history, and the session's files stay as they are, unless it finds something; then question, turn and answer are
 * written in one step, and the ordinary way of a reply begins behind it. Where system events wait, it is a turn of the
 * session like any other, because what the agent was told of must stand in its transcript before it is forgotten.
 */
import fs from 'node:fs';
import path from 'node:path';
import { runnerName } from '../core/agent.ts';
import { applyResponsePrefix, prefixValues } from '../core/delivery/response-prefix.ts';
import { ClawError } from '../core/errors.ts';
import type { Incoming } from '../core/incoming.ts';
import { HEARTBEAT_TOKEN } from '../core/runner/silence.ts';
import { RUNNER_DEFAULTS } from '../core/runner/verdict.ts';
import {
  beatSessions,
  EVENTS_BESIDE,
  type Heartbeat,
  heartbeatJob,
  heartbeatOf,
  isActive,
  isEffectivelyEmpty,
  type Target,
  targetOf,
  toldLately,
  visibilityOf,
  wakePrompt,
} from '../core/schedule/heartbeat.ts';
import type { RunRecord, RunTrigger } from '../core/schedule/run-record.ts';
import type { SystemEvent } from '../core/schedule/system-event.ts';
import type { Origin, SessionRecord } from '../core/session/session.ts';
import {
  type AssistantEntry,
  isTurnEntry,
  isUserEntry,
  type MessageOutcome,
  type TurnEndEntry,
  type Usage,
} from '../core/session/transcript.ts';
import { holderOf, tokenState, tryLock } from '../store/lock.ts';
import { clearTurn } from '../store/pending.ts';
import { readRuns } from '../store/runs.ts';
import { loadRecord } from '../store/sessions.ts';
import { loadSettings } from '../store/settings.ts';
import { EVENTS_PER_TURN, listSystemEvents } from '../store/system-events.ts';
import { accept } from './accept.ts';
import { planWithAlerts } from './carry.ts';
import { converse } from './converse.ts';
import { type Desk, type Seat, TurnInterrupted } from './desk.ts';
import { settleTurn, syncAndSave } from './hand-over.ts';
import { sendVerdict, settingsOf, workspaceOf } from './judge.ts';
import { putProactive, whyNotThere } from './push.ts';
import { recollect } from './recollect.ts';
import { recover } from './recover.ts';
import { endingOf } from './run.ts';
import { workOwn, workSession } from './turn.ts';

export type BeatTrigger = Extract<RunTrigger, 'schedule' | 'manual' | 'wake'>;

/** Why no agent was asked. */
export type SkipReason =
  | 'disabled'
  | 'quiet-hours'
  | 'requests-in-flight'
  | 'empty-heartbeat-file'
  | 'no-events'
  | 'backing-off';

/** What a beat, or a wake, came to. */
export interface BeatOutcome {
  /** `ran`: the agent was asked and answered, whatever became of it */
  status: 'ran' | 'skipped' | 'failed';
  /** `skipped`: not asked, or what it had to tell goes to nobody; `reason` says why */
  event?: 'ok-token' | 'ok-empty' | 'sent' | 'skipped';
  /** a `SkipReason`, or `duplicate`, `alerts-disabled`, `send-denied`, `no-target`, `target-none` */
  reason?: string;
  /** what the agent had to tell */
  text?: string;
  /** hash of that, where it now stands in the session: it is not told again for a day */
  said?: string;
  runId: string;
  agentId: string;
  sessionKey: string;
  sessionId?: string;
  usage?: Usage;
  model?: string;
  durationMs: number;
  delivery?: NonNullable<RunRecord['delivery']>;
  error?: { code: string; message: string; hint?: string };
}

export interface BeatOptions {
  trigger: BeatTrigger;
  /** id of the run, as its record will name it; default: a new one */
  runId?: string;
  signal?: AbortSignal | undefined;
}

/**
 * Has an agent's heart beat once, in the order: is it on, is it the hour, is the session free, is there anything to look
 * at; then the agent is asked. The caller holds the claim for the instant and writes the record (`beatRecord`). What is
 * to be sent stands in the outbox when it returns, under the id `delivery.id`; nothing has been sent yet.
 *
 * @throws TurnInterrupted when `signal` ended it; nothing was written then, or the turn is open and is started once more
 */
export async function beat(desk: Desk, agentId: string, options: BeatOptions): Promise<BeatOutcome> {
  const heartbeat = heartbeatOf(desk.config, agentId);
  return runBeat(desk, heartbeat, sessionOfBeat(desk, heartbeat), options);
}

/** The session a heartbeat runs in now: the one its `session` or `to` names where there is one, else the main session. */
export function sessionOfBeat(desk: Desk, heartbeat: Heartbeat): string {
  const keys = beatSessions(desk.config, heartbeat);
  const { agentId } = heartbeat;
  return keys.find(key => loadRecord(desk.layout, agentId, key).state !== 'missing') ?? keys.at(-1)!;
}

/** The state of an agent's HEARTBEAT.md; `unreadable` is asked about like one that has something to do. */
export function heartbeatFile(desk: Desk, agentId: string): { file: string; state: HeartbeatFileState } {
  const file = path.join(workspaceOf(desk, agentId), 'HEARTBEAT.md');
  try {
    return { file, state: isEffectivelyEmpty(fs.readFileSync(file, 'utf8')) ? 'empty' : 'present' };
  } catch (error) {
    const isMissing = ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
    return { file, state: isMissing ? 'missing' : 'unreadable' };
  }
}

export type HeartbeatFileState = 'present' | 'empty' | 'missing' | 'unreadable';

/** Where what a session's heartbeat, or a wake of it, has to tell would go. */
export function targetIn(desk: Desk, heartbeat: Heartbeat, key: string): Target {
  const { agentId } = heartbeat;
  const routeOf = (each: string) => {
    const read = loadRecord(desk.layout, agentId, each);
    return read.state === 'ok' ? read.record.lastRoute : undefined;
  };
  const keys = beatSessions(desk.config, heartbeat);
  // Another conversation's events are told there, and nowhere else.
  if (!keys.includes(key)) return targetOf(desk.config, { target: 'last' }, routeOf(key));
  return targetOf(desk.config, heartbeat, routeOf(key) ?? routeOf(keys.at(-1)!));
}

/** The same in a session of the caller's choice: a wake is of the session its event waits for. */
export async function runBeat(
  desk: Desk,
  heartbeat: Heartbeat,
  key: string,
  { trigger, runId = desk.context.newId(), signal }: BeatOptions,
): Promise<BeatOutcome> {
  const { context, layout } = desk;
  const { agentId } = heartbeat;
  const begun = context.now();
  const base = { runId, agentId, sessionKey: key };
  const elapsed = () => Math.max(0, context.now() - begun);
  const skip = (reason: SkipReason): BeatOutcome => ({
    ...base,
    status: 'skipped',
    event: 'skipped',
    reason,
    durationMs: elapsed(),
  });
  const events = () => waitingEvents(desk, agentId, key).length > 0;
  const idle = (): SkipReason | null => {
    if (events()) return null;
    if (trigger === 'wake') return 'no-events';
    return ['missing', 'empty'].includes(heartbeatFile(desk, agentId).state) ? 'empty-heartbeat-file' : null;
  };

  if (trigger !== 'wake' && heartbeat.off) return skip('disabled');
  if (trigger !== 'wake' && !isActive(heartbeat.activeHours, begun, desk.zone)) return skip('quiet-hours');
  const place = layout.lock(agentId, key);
  const holder = holderOf(place);
  if (holder !== null && tokenState(context, holder) === 'alive') return skip('requests-in-flight');
  // The usual case costs no lock.
  const reason = idle();
  if (reason !== null) return skip(reason);
  const lock = tryLock(context, place, key);
  if (lock === null) return skip('requests-in-flight');
  const seat: Seat = { agentId, key, lock };
  const hooks = { enough: () => true, ...(signal ? { signal } : {}) };
  try {
    // What was there first: an open turn, messages that wait. They may have told the events already.
    await workSession(desk, seat, null, hooks);
    const left = idle();
    if (left !== null) return skip(left);
    const asked: Asked = { desk, seat, heartbeat, trigger, runId, signal };
    const outcome = events() ? await tellWaiting(asked) : await askBeside(asked);
    // What came meanwhile; trouble with it is no trouble of this beat.
    await workSession(desk, seat, null, hooks).catch(error => {
      if (!(error instanceof TurnInterrupted)) desk.warn(`session ${key}: ${(error as Error).message}`);
    });
    return { ...base, ...outcome, durationMs: elapsed() };
  } catch (error) {
    if (error instanceof TurnInterrupted || !(error instanceof ClawError)) throw error;
    const { code, message, hint } = error;
    const told = { code, message, ...(hint ? { hint } : {}) };
    return { ...base, status: 'failed', error: told, durationMs: elapsed() };
  } finally {
    lock.release();
  }
}

interface Asked {
  desk: Desk;
  seat: Seat;
  heartbeat: Heartbeat;
  trigger: BeatTrigger;
  runId: string;
  signal: AbortSignal | undefined;
}

type Answered = Omit<BeatOutcome, 'runId' | 'agentId' | 'sessionKey' | 'durationMs'>;

/** Events that wait for a session, as many as one turn is told. */
function waitingEvents(desk: Desk, agentId: string, key: string): SystemEvent[] {
  return listSystemEvents(desk.layout, agentId, key).events.slice(0, EVENTS_PER_TURN);
}

/** The message a beat stands for. Its answer goes to the target where `told`, else to nobody. */
function incomingOf(
  { desk, seat, heartbeat, trigger, runId }: Asked,
  text: string,
  target: Target,
  told: boolean,
): Incoming {
  const { agentId, key } = seat;
  const read = loadRecord(desk.layout, agentId, key);
  const origin: Origin = target.origin ??
    (read.state === 'ok' ? read.record.lastRoute : undefined) ?? {
      channel: 'cli',
      accountId: 'default',
      chatType: 'dm',
    };
  const hops = Math.max(0, ...waitingEvents(desk, agentId, key).map(event => event.hops ?? 0));
  const unheard = unheardAt(desk, seat, target, told);
  return {
    agentId,
    key,
    messageId: runId,
    message: { ...origin, text },
    acceptedAt: desk.context.now(),
    via: target.origin !== null && told ? 'sender' : 'none',
    respond: true,
    owner: false,
    fromAgent: true,
    ...(hops > 0 ? { hops } : {}),
    job: {
      kind: 'heartbeat',
      id: agentId,
      runId,
      // A wake was never told of the token; behind a text it is a slip.
      ackMaxChars: trigger === 'wake' ? 0 : heartbeat.ackMaxChars,
      ...(heartbeat.model && trigger !== 'wake' ? { settings: { model: heartbeat.model } } : {}),
      ...(unheard === null ? {} : { unheard }),
    },
  };
}

/** Why nobody gets what is said there, where that is known now; null where it goes out. */
export function unheardAt(
  desk: Desk,
  { agentId, key }: Pick<Seat, 'agentId' | 'key'>,
  target: Target,
  told = true,
): NonNullable<NonNullable<Incoming['job']>['unheard']> | null {
  const { origin } = target;
  if (origin === null) return { status: 'no-target', reason: target.reason };
  if (!told) return { status: 'no-target', reason: 'alerts-disabled' };
  const why = whyNotThere(desk, { agentId, sessionKey: key, origin });
  return why === null ? null : { status: 'dead', reason: why };
}

/** A beat with events: a durable turn of the session, by the one way turns happen. */
async function tellWaiting(asked: Asked): Promise<Answered> {
  const { desk, seat, heartbeat, trigger, signal } = asked;
  const target = targetIn(desk, heartbeat, seat.key);
  // Whoever queued an event meant it to be heard; how loud heartbeats are is another question.
  const told = trigger === 'wake' || isShown(desk, target, 'showAlerts');
  const prompt =
    trigger === 'wake'
      ? wakePrompt(silentToken(desk, seat.agentId))
      : `${heartbeat.prompt}\n\n${EVENTS_BESIDE}`;
  const seen: { outcome?: Extract<MessageOutcome, { state: 'ended' }>; sessionId?: string } = {};
  await workOwn(desk, seat, incomingOf(asked, prompt, target, told), {
    enough: () => true,
    onAnswered: async (outcome, sessionId) => {
      if (outcome.state === 'ended') Object.assign(seen, { outcome, sessionId });
      return false;
    },
    ...(signal ? { signal } : {}),
  });
  const { outcome, sessionId } = seen;
  if (!outcome || sessionId === undefined) throw new Error('a turn ended and nobody was told how');
  const { end, reply, turn } = outcome;
  return {
    ...answerOf(asked, end, reply, target, told, turn.runId),
    sessionId,
    ...(turn.model ? { model: turn.model } : {}),
  };
}

/** A beat without events: nothing is written unless there is something to tell. */
async function askBeside(asked: Asked): Promise<Answered> {
  const { desk, seat, heartbeat, runId, signal } = asked;
  const { config, context, layout } = desk;
  const { agentId, key } = seat;
  const state = recover(desk, seat);
  const target = targetIn(desk, heartbeat, key);
  const incoming = incomingOf(asked, heartbeat.prompt, target, true);
  const plan = planWithAlerts(desk, {
    config,
    batch: [incoming],
    record: state.record,
    transcript: state.transcript,
    stored: loadSettings(layout, agentId, key),
    answer: null,
    leftOut: [],
    newSessionId: context.newId(),
    runId,
    now: context.now(),
    zone: desk.zone,
  });
  const users = plan.entries.filter(isUserEntry);
  const turn = plan.entries.find(isTurnEntry)!;
  const open = { turn, users, notes: await recollect(desk, seat, turn, users) };
  // An agent that keeps its own history is asked in a throw-away one: what it says there must not stand in the user's.
  const run = await converse(desk, seat, plan.record, open, { kind: 'heartbeat', signal, aside: true });
  const verdict = sendVerdict(desk, key, users.at(-1)!.origin, settingsOf(desk, plan.record));
  const { end, reply, steps } = endingOf(desk, agentId, open, run, verdict);
  const known = state.record ? { sessionId: state.record.sessionId } : {};
  const model = turn.model ? { model: turn.model } : {};
  if (reply === null) return { ...answerOf(asked, end, reply, target, true, runId), ...known, ...model };

  const text = reply.message.content;
  const said = await hashOf(text);
  const usage = end.usage ? { usage: end.usage } : {};
  const quiet = { status: 'ran', event: 'skipped', text, ...known, ...model, ...usage } as const;
  if (toldLately(readRuns(layout, heartbeatJob(agentId)).lines, context.now()).has(said))
    return { ...quiet, reason: 'duplicate' };
  if (!isShown(desk, target, 'showAlerts')) return { ...quiet, reason: 'alerts-disabled' };
  const whole = { ...plan, entries: [...plan.entries, ...steps, reply, end] };
  const { record } = accept(desk, seat, state, whole, undefined) as { record: SessionRecord };
  settleTurn(desk, seat, record, open, end, reply, new Set());
  syncAndSave(desk, seat, record, false);
  clearTurn(layout, agentId, key);
  const answer = answerOf(asked, end, reply, target, true, runId);
  return { ...answer, said, sessionId: record.sessionId, ...model };
}

/** What the end of a run says of the beat. */
function answerOf(
  { desk, heartbeat, seat, trigger, runId }: Asked,
  end: TurnEndEntry,
  reply: AssistantEntry | null,
  target: Target,
  told: boolean,
  outboxId: string,
): Answered {
  const usage = end.usage ? { usage: end.usage } : {};
  if (end.status === 'silent') {
    if (end.acknowledged && trigger !== 'wake' && target.origin !== null && isShown(desk, target, 'showOk')) {
      const delivery = putToken(desk, heartbeat, seat, target.origin, runId);
      return { status: 'ran', event: 'ok-token', ...usage, ...(delivery ? { delivery } : {}) };
    }
    return { status: 'ran', event: end.acknowledged ? 'ok-token' : 'ok-empty', ...usage };
  }
  if (reply === null) {
    const error = end.error ?? { code: end.status, message: `the run was ${end.status}` };
    return { status: 'failed', error, ...usage };
  }
  const text = reply.message.content;
  const kept = { status: 'ran', event: 'skipped', text, ...usage } as const;
  if (target.origin === null)
    return { ...kept, reason: target.reason, delivery: { status: 'none', reason: target.reason } };
  const { channel, to, groupId, from } = target.origin;
  const place = { channel, to: to ?? groupId ?? from ?? '' };
  if (!told)
    return {
      ...kept,
      reason: 'alerts-disabled',
      delivery: { status: 'none', reason: 'alerts-disabled', ...place },
    };
  if (end.delivery?.decision === 'deny')
    return {
      ...kept,
      reason: 'send-denied',
      delivery: { status: 'denied', reason: end.delivery.rule, ...place },
    };
  return { ...kept, event: 'sent', delivery: { status: 'queued', id: outboxId, ...place } };
}

/** HEARTBEAT_OK itself goes out; it stands in no transcript. */
function putToken(
  desk: Desk,
  { agentId }: Heartbeat,
  { key }: Seat,
  origin: Origin,
  runId: string,
): BeatOutcome['delivery'] {
  const read = loadRecord(desk.layout, agentId, key);
  const sessionId = read.state === 'ok' ? read.record.sessionId : '';
  const text = applyResponsePrefix(HEARTBEAT_TOKEN, desk.config, prefixValues(desk.config, agentId, {}));
  const pushed = putProactive(desk, { id: runId, agentId, sessionKey: key, sessionId, origin, text });
  if (pushed.decision === 'denied') return { status: 'denied', reason: pushed.rule };
  return { status: 'queued', id: runId, channel: origin.channel };
}

function isShown(desk: Desk, { origin }: Target, what: 'showOk' | 'showAlerts'): boolean {
  return origin === null || visibilityOf(desk.config, origin.channel, origin.accountId)[what];
}

/** How the agent's runner is told to say nothing. */
function silentToken({ config }: Desk, agentId: string): string {
  const runner = config.runners?.[runnerName(config, agentId)];
  return runner?.silentTokens?.[0] ?? RUNNER_DEFAULTS.silentTokens[0];
}

/** Names a text, so that a run record need not hold it. */
async function hashOf(text: string): Promise<string> {
  const { createHash } = await import('node:crypto');
  return createHash('sha256').update(text.trim(), 'utf8').digest('hex').slice(0, 32);
}

const STATUS = { ran: 'ok', skipped: 'skipped', failed: 'error' } as const;
const SUMMARY = 500;

/**
 * The line that records a beat.
 *
 * @param about trigger, and the instant (epoch ms) where it was one of the schedule
 */
export function beatRecord(
  desk: Desk,
  outcome: BeatOutcome,
  about: Pick<RunRecord, 'trigger' | 'dueAt' | 'lateMs' | 'attempt'>,
): RunRecord {
  const { status, event, reason, text, said, runId, agentId, sessionKey, sessionId, usage, model } = outcome;
  const { durationMs, delivery, error } = outcome;
  const ts = desk.context.now();
  return {
    action: 'finished',
    ts,
    jobId: heartbeatJob(agentId),
    runId,
    status: error && /timeout$/.test(error.code) ? 'timeout' : STATUS[status],
    ...about,
    ...(status === 'skipped' ? {} : { startedAt: ts - durationMs, durationMs }),
    agentId,
    sessionKey,
    ...(event ? { event } : {}),
    ...(reason ? { reason } : {}),
    ...(error ? { error } : {}),
    ...(text ? { summary: text.slice(0, SUMMARY) } : {}),
    ...(sessionId ? { sessionId } : {}),
    ...(model ? { model } : {}),
    ...(usage ? { usage } : {}),
    ...(delivery ? { delivery } : {}),
    ...(said ? { said } : {}),
  };
}
