/** What a job does when its time has come: an event for the main session, a turn of an agent, or a command. */

import fs from 'node:fs';
import { DEFAULTS } from '../config/defaults.ts';
import { secretsWithin } from '../config/secrets.ts';
import type { JobMark } from '../core/incoming.ts';
import type { IngestResult } from '../core/result.ts';
import { agentIds } from '../core/routing/binding.ts';
import { accountConfig, defaultAccount } from '../core/routing/channel.ts';
import { identityOf, type Message, normaliseMessage } from '../core/routing/message.ts';
import type { Route } from '../core/routing/route.ts';
import { cronKey, isGroupJid, mainSessionKey } from '../core/routing/session-key.ts';
import { callerHops } from '../core/routing/visibility.ts';
import type { RunEnding } from '../core/schedule/due.ts';
import { deliveryOf, type Job, type JobPayload } from '../core/schedule/job.ts';
import { jobPrompt, summaryOf } from '../core/schedule/job-report.ts';
import { maskValues } from '../core/secret.ts';
import type { Origin } from '../core/session/session.ts';
import { modelNamed } from '../core/session/trigger.ts';
import { tryLock } from '../store/lock.ts';
import { findMessageId } from '../store/message-ids.ts';
import { alreadySentTo } from '../store/outbox.ts';
import { dropWaiting, listWaiting } from '../store/pending.ts';
import { dropSystemEvents, listSystemEvents, putSystemEvent } from '../store/system-events.ts';
import { messageOutcome } from '../store/transcripts.ts';
import { type Desk, TurnInterrupted } from './desk.ts';
import { exec } from './exec.ts';
import { ingest } from './ingest.ts';
import { workspaceOf } from './judge.ts';
import type { Ending, Start } from './perform.ts';
import { lastRouteOf, putProactive, routeOfKey } from './push.ts';
import { requestStop, runningTurn } from './stop.ts';
import { workSession } from './turn.ts';
import { putWakingEvent } from './wake.ts';

/** How long a job stands in line for a session that somebody else uses, ms. */
const LINE = 6 * 3_600_000;
const EXEC_TIMEOUT_SECONDS = 600;
const EXEC_OUTPUT_BYTES = 1024 * 1024;
/** sysexits: a trouble that will pass. */
const TEMPORARY = 75;

export interface CarryOptions {
  /** why commands of the jobs file may not be run; null: they may */
  unsafe: string | null;
  /** whether an event for the next heartbeat would wait for one that does not come, or not now */
  needsWake(agentId: string): boolean;
}

/**
 * Carries out one start of a job.
 *
 * @throws TurnInterrupted when this process was told to end
 */
export async function carryOut(
  desk: Desk,
  job: Job,
  agentId: string,
  start: Start,
  options: CarryOptions,
): Promise<Ending> {
  if (!agentIds(desk.config).includes(agentId)) {
    const message = `agent ${JSON.stringify(agentId)} is not configured`;
    const hint = `claw cron edit ${job.id} --agent ID`;
    return { status: 'skipped', reason: 'agent-missing', error: { code: 'agent-missing', message, hint } };
  }
  const { payload } = job;
  const isExec = payload.kind === 'exec' || job.precheck !== undefined;
  if (isExec && options.unsafe !== null) {
    const error = { code: 'jobs-unsafe', message: options.unsafe, hint: 'claw doctor' };
    return { status: 'error', error };
  }
  let found = '';
  if (job.precheck !== undefined && !(start.isAgain && isBegun(desk, job, agentId, start))) {
    const checked = await precheck(desk, job, agentId, start);
    if ('status' in checked) return checked;
    found = checked.found;
  }
  switch (payload.kind) {
    case 'systemEvent':
      return putEvent(desk, job, payload.text, agentId, start, options);
    case 'agentTurn':
      return askAgent(desk, job, payload, agentId, start, found);
    case 'exec':
      return runCommand(desk, job, payload, agentId, start);
  }
}

/** Whether the start that died had come so far that its check was passed. */
function isBegun(desk: Desk, job: Job, agentId: string, { runId }: Start): boolean {
  const { payload } = job;
  if (payload.kind === 'systemEvent') {
    const key = mainSessionKey(agentId, desk.config.session);
    return listSystemEvents(desk.layout, agentId, key).events.some(({ id }) => id === runId);
  }
  if (payload.kind === 'exec') return false;
  const read = messageOf(desk, job, payload, agentId, runId, '');
  return read !== 'none' && read.normalised.ok && hitOf(desk, read.normalised.message) !== null;
}

/** The event waits for a turn of the main session; the record becomes `ok` when one that was told of it ended well. */
function putEvent(
  desk: Desk,
  job: Job,
  said: string,
  agentId: string,
  { runId, dueAt }: Start,
  options: CarryOptions,
): RunEnding {
  const text = said.trim();
  if (text === '') return { status: 'skipped', reason: 'empty-text' };
  const key = mainSessionKey(agentId, desk.config.session);
  const wakes = job.wakeMode === 'now' || options.needsWake(agentId);
  const place = { id: job.id, runId, agentId, ...(dueAt === undefined ? {} : { dueAt }) };
  const hops = hopsOf(desk, job);
  const event = {
    ...{ agentId, key, text, source: 'cron' as const, runId, job: place },
    ...(hops > 0 ? { hops } : {}),
  };
  if (wakes) putWakingEvent(desk, event, runId);
  else putSystemEvent(desk.context, desk.layout, event, runId);
  return { status: 'queued', sessionKey: key, summary: summaryOf(text) };
}

async function askAgent(
  desk: Desk,
  job: Job,
  payload: JobPayload & { kind: 'agentTurn' },
  agentId: string,
  start: Start,
  found: string,
): Promise<Ending> {
  const { runId } = start;
  const read = messageOf(desk, job, payload, agentId, runId, found);
  if (read === 'none') return NOBODY;
  const { key, target, normalised } = read;
  const isolated = job.sessionTarget === 'isolated';
  if (!normalised.ok)
    return { status: 'error', error: { code: 'usage', message: normalised.problems.join('; ') } };
  const { message } = normalised;
  const result = await resultOf(desk, job, payload, { agentId, key, isolated }, message, start);
  const { sessionId, usage } = result;
  const place = { sessionKey: key, ...(sessionId ? { sessionId } : {}), ...(usage ? { usage } : {}) };
  if (result.status === 'queued') {
    // Told to end, or the session is not to be had: whoever comes next finds the message where it stands.
    throw new TurnInterrupted();
  }
  if (result.status === 'failed') {
    const error = result.error ?? { code: 'failed', message: 'the agent failed' };
    if (error.code === 'interrupted') return { status: 'interrupted', error, ...place };
    const isLate = error.code === 'timeout' || error.code === 'idle-timeout';
    // What it printed is no answer and goes nowhere; who looks for the reason finds it in the record.
    const printed = endedTurnOf(desk, message)?.end.output?.trim();
    const kept = printed ? { output: summaryOf(printed) } : {};
    return { status: isLate ? 'timeout' : 'error', error, ...kept, ...place };
  }
  if (result.reason === 'stopped') return { status: 'cancelled', reason: 'stopped', ...place };
  const text = result.reply?.text.trim() ?? '';
  if (text === '') return { status: 'ok', reason: 'silent', ...place };
  const ending: Ending = { status: 'ok', summary: summaryOf(text), text, ...place };
  if (target === null) return ending;
  const run = endedTurnOf(desk, message)?.turn.runId;
  const itself =
    run === undefined
      ? null
      : alreadySentTo(desk.layout, run, { ...target, to: target.to ?? target.groupId ?? target.from ?? '' });
  if (itself !== null) {
    const delivery = { status: 'suppressed', reason: 'the agent sent to them itself', id: itself.id };
    return { ...ending, delivery };
  }
  return {
    ...ending,
    delivery: send(desk, runId, { agentId, key, sessionId: sessionId ?? '' }, target, text),
  };
}

/** The session in which a job has its agent asked. */
export function sessionOfTurn(job: Pick<Job, 'id' | 'sessionTarget'>, agentId: string): string {
  return job.sessionTarget === 'isolated' ? cronKey(agentId, job.id) : job.sessionTarget;
}

/** What the agent of a job is told, where, and who hears its answer; `none` where somebody should and nobody is known. */
function messageOf(
  desk: Desk,
  job: Job,
  payload: JobPayload & { kind: 'agentTurn' },
  agentId: string,
  id: string,
  found: string,
) {
  const target = targetOf(desk, job, agentId);
  if (target === 'none') return target;
  const key = sessionOfTurn(job, agentId);
  const text = jobPrompt(job, payload.message, found);
  const normalised = normaliseMessage({ ...target, text, sessionKey: key, id }, desk.config);
  return { key, target, normalised };
}

const NOBODY: RunEnding = {
  status: 'error',
  error: {
    code: 'no-target',
    message:
      'there is nobody to deliver to: the job names no recipient, and nobody has written to the main session',
    hint: 'claw cron edit ID --channel CHANNEL --to RECIPIENT',
  },
  delivery: { status: 'no-target' },
};

/** Runs the turn, or finds what came of it when its claw died before it could write that down. */
async function resultOf(
  desk: Desk,
  job: Job,
  payload: JobPayload & { kind: 'agentTurn' },
  { agentId, key, isolated }: { agentId: string; key: string; isolated: boolean },
  message: Message,
  start: Start,
): Promise<IngestResult> {
  const { runId, signal } = start;
  const settings = {
    ...(payload.model ? { model: modelNamed(desk.config, payload.model) } : {}),
    ...(payload.thinking ? { thinkingLevel: payload.thinking } : {}),
  } as NonNullable<JobMark['settings']>;
  const timeoutSeconds = payload.timeoutSeconds;
  const mark = {
    kind: 'cron' as const,
    id: job.id,
    runId,
    ...(isolated ? { fresh: true as const } : {}),
    ...(Object.keys(settings).length > 0 ? { settings } : {}),
    ...(timeoutSeconds ? { timeoutSeconds } : {}),
  };
  const known = start.isAgain ? endedBefore(desk, message, agentId, key) : null;
  if (known !== null) return known;
  let result: IngestResult | undefined;
  const returned = await ingest(desk, routeTo(desk, agentId, key, message), message, {
    wait: true,
    waitMs: LINE,
    recordOnly: false,
    deliver: false,
    fromAgent: true,
    hops: hopsOf(desk, job),
    via: 'none',
    sent: { sentFrom: `cron:${job.id}`, job: mark },
    signal,
    stopped: start.cancelled,
    print: each => {
      result = each;
      return true;
    },
  });
  return result ?? returned;
}

/** What a start that died had begun or put in line, a turn or an event, is not gone on with. */
export async function giveUp(desk: Desk, job: Job, agentId: string, runId: string): Promise<void> {
  const { context, layout } = desk;
  if (job.payload.kind === 'systemEvent')
    return dropSystemEvents(layout, agentId, mainSessionKey(agentId, desk.config.session), [runId]);
  if (job.payload.kind === 'exec') return;
  const key = sessionOfTurn(job, agentId);
  const isOwn = (users: readonly { id: string }[]) => users.some(({ id }) => id === runId);
  for (const { incoming, stem } of listWaiting(layout, agentId, key).waiting)
    if (incoming.messageId === runId) dropWaiting(layout, agentId, key, stem);
  const lock = tryLock(context, layout.lock(agentId, key), key);
  if (lock === null) {
    // Somebody goes on with it already, or the session is in use for other things.
    const running = runningTurn(desk, agentId, key);
    if (running !== null && isOwn(running.users))
      requestStop(desk, { agentId, key }, running.turn.runId, { kind: 'stop', messageId: runId });
    return;
  }
  try {
    const seat = { agentId, key, lock };
    await workSession(desk, seat, null, { enough: () => true, leaves: () => true, endsOpenTurn: isOwn });
  } finally {
    lock.release();
  }
}

/** A failure is a result too: the message is not tried again here, that is the job's to decide. */
function endedBefore(desk: Desk, message: Message, agentId: string, key: string): IngestResult | null {
  const hit = hitOf(desk, message);
  const outcome =
    hit && messageOutcome(desk.layout.transcript(hit.agentId, hit.sessionId), hit.at, message.id!);
  if (outcome?.state !== 'ended' || !['failed', 'interrupted'].includes(outcome.end.status)) return null;
  const { end } = outcome;
  return {
    ...{ status: 'failed', messageId: message.id!, agentId, sessionKey: key, sessionId: hit!.sessionId },
    ...{ isNewSession: false, reset: null, notices: [], reply: null, usage: end.usage },
    durationMs: end.durationMs,
    error: end.error ?? { code: end.status, message: `the turn was ${end.status}` },
  };
}

function hitOf(desk: Desk, message: Message) {
  const identity = identityOf(message);
  return identity ? findMessageId(desk.layout, identity, desk.context.now(), desk.idRetention) : null;
}

/** The turn of a message, its run id as its agent knew it, and how it ended; null where none has ended. */
function endedTurnOf(desk: Desk, message: Message) {
  const hit = hitOf(desk, message);
  const outcome =
    hit && messageOutcome(desk.layout.transcript(hit.agentId, hit.sessionId), hit.at, message.id!);
  return outcome?.state === 'ended' ? outcome : null;
}

/** How many agents have passed on what a job says: those that made it, or the one that runs it now by hand. */
function hopsOf({ context }: Desk, job: Job): number {
  const own = callerHops(context.env);
  return Math.max(job.hops ?? 0, own);
}

/** A job goes where it says; who may write there is no question for what the operator has set up. */
function routeTo(desk: Desk, agentId: string, key: string, message: Message): Route {
  const { channel, accountId, chatType } = message;
  return {
    agentId,
    sessionKey: key,
    mainSessionKey: mainSessionKey(agentId, desk.config.session),
    matchedBy: 'sessionKey',
    channel,
    accountId,
    chatType,
    peerId: null,
    access: { allowed: true, reason: 'local-user' },
    activation: { mode: 'always', mentioned: false, respond: true },
  };
}

/**
 * To whom a run is delivered: null where to nobody, `none` where somebody is wanted and nobody is known.
 */
export function targetOf(
  desk: Desk,
  { payload, sessionTarget }: Pick<Job, 'payload' | 'sessionTarget'>,
  agentId: string,
): Origin | null | 'none' {
  const delivery = deliveryOf(payload);
  if (delivery === null) return null;
  const { channel, to, accountId, bestEffortDeliver } = delivery;
  // A job of a conversation answers there, not in the owner's private chat.
  const isOfSession = sessionTarget !== 'isolated' && sessionTarget !== 'main';
  const last = isOfSession ? routeOfKey(desk, agentId, sessionTarget) : lastRouteOf(desk, agentId);
  const nobody = bestEffortDeliver ? null : 'none';
  if (channel === undefined || channel === 'last') {
    if (last === null) return nobody;
    return to === undefined ? last : placeOf(desk, last.channel, to, accountId ?? last.accountId);
  }
  if (to !== undefined) return placeOf(desk, channel, to, accountId);
  return last !== null && last.channel === channel ? last : nobody;
}

/** A recipient as an origin: a group where the channel lists it as one. */
export function placeOf(desk: Desk, channel: string, to: string, account: string | undefined): Origin {
  const accountId = account ?? defaultAccount(desk.config.channels, channel);
  const groups = accountConfig(desk.config.channels, channel, accountId).groups ?? {};
  const isGroup = Object.hasOwn(groups, to) || isGroupJid(to);
  return {
    ...{ channel, accountId, to },
    ...(isGroup ? { chatType: 'group' as const, groupId: to } : { chatType: 'dm' as const, from: to }),
  };
}

function send(
  desk: Desk,
  id: string,
  { agentId, key, sessionId }: { agentId: string; key: string; sessionId: string },
  origin: Origin,
  text: string,
): NonNullable<RunEnding['delivery']> {
  const pushed = putProactive(desk, { id, agentId, sessionKey: key, sessionId, origin, text });
  const to = origin.to ?? origin.groupId ?? origin.from ?? '';
  const where = { channel: origin.channel, to };
  if (pushed.decision === 'denied') return { status: 'denied', reason: pushed.rule, ...where };
  if (pushed.decision === 'dead') {
    desk.warn(
      `what run ${id} (${key}) said is not sent: ${pushed.item.reason}; it is kept (claw delivery show ${id})`,
    );
    return { status: 'dead', reason: pushed.item.reason, id, ...where };
  }
  return { status: 'queued', id, ...where };
}

/** Asks the job's check: is there something to do? What it printed is for the agent. */
async function precheck(
  desk: Desk,
  job: Job,
  agentId: string,
  start: Start,
): Promise<Ending | { found: string }> {
  const ended = await execute(desk, job, ['sh', '-c', job.precheck!], agentId, start, EXEC_TIMEOUT_SECONDS);
  if (ended.exitCode === 0) return { found: ended.stdout };
  if (ended.exitCode === 1) return { status: 'skipped', reason: 'nothing-to-do' };
  return failureOf('the check before the run', ended);
}

async function runCommand(
  desk: Desk,
  job: Job,
  payload: JobPayload & { kind: 'exec' },
  agentId: string,
  start: Start,
): Promise<Ending> {
  const target = targetOf(desk, job, agentId);
  if (target === 'none') return NOBODY;
  const timeout = payload.timeoutSeconds ?? EXEC_TIMEOUT_SECONDS;
  const ended = await execute(desk, job, payload.command, agentId, start, timeout);
  if (ended.exitCode !== 0) return { ...failureOf('the command', ended), ...said(ended.stdout) };
  const text = ended.stdout.trim();
  const ending: Ending = { status: 'ok', ...said(text) };
  if (target === null || text === '') return ending;
  const key = cronKey(agentId, job.id);
  return { ...ending, delivery: send(desk, start.runId, { agentId, key, sessionId: '' }, target, text) };
}

function said(text: string): Pick<Ending, 'summary' | 'text'> {
  return text.trim() === '' ? {} : { summary: summaryOf(text), text };
}

function failureOf(what: string, ended: Awaited<ReturnType<typeof exec>>): RunEnding {
  const last = ended.stderr.trim().split('\n').at(-1)?.slice(0, 500);
  const because = last ? `: ${last}` : '';
  if (ended.timedOut)
    return { status: 'timeout', error: { code: 'timeout', message: `${what} took too long` } };
  if (ended.spawnError)
    return { status: 'error', error: { code: 'spawn', message: `${what}: ${ended.spawnError.message}` } };
  const how = ended.signal ? `was ended by ${ended.signal}` : `ended with status ${ended.exitCode}`;
  return {
    status: 'error',
    error: { code: ended.signal ? 'signal' : 'exit', message: `${what} ${how}${because}` },
    ...(ended.exitCode === TEMPORARY ? { temporary: true as const } : {}),
  };
}

/** Runs a command of the operator's, registered in the job's lock, so that none outlives the claw that started it. */
async function execute(
  desk: Desk,
  job: Job,
  [command = '', ...args]: readonly string[],
  agentId: string,
  { runId, dueAt, lock, signal }: Start,
  timeoutSeconds: number,
): Promise<Awaited<ReturnType<typeof exec>>> {
  const { context, layout } = desk;
  const cwd = workspaceOf(desk, agentId);
  fs.mkdirSync(cwd, { recursive: true, mode: 0o700 });
  const ended = await exec({
    command,
    args,
    env: environment(desk, {
      CLAW_HOME: layout.home,
      CLAW_CONFIG: context.configFile,
      CLAW_JOB_ID: job.id,
      CLAW_JOB_NAME: job.name,
      CLAW_JOB_RUN_ID: runId,
      CLAW_AGENT_ID: agentId,
      ...(dueAt === undefined ? {} : { CLAW_DUE_AT: new Date(dueAt).toISOString() }),
    }),
    cwd,
    stdin: null,
    runId,
    leaseFolder: lock.folder,
    timeoutMs: timeoutSeconds * 1000,
    idleTimeoutMs: 0,
    killGraceMs: DEFAULTS.runner.killGraceSeconds * 1000,
    maxOutputBytes: EXEC_OUTPUT_BYTES,
    signal,
    now: context.now,
  });
  if (ended.aborted || ended.leaseLost) throw new TurnInterrupted();
  // It has all that the operator's shell has; what it prints goes into records, prompts and chats.
  const secrets = secretsWithin(desk.config, context.env);
  const isCut = ended.exitCode === null;
  return {
    ...ended,
    stdout: maskValues(ended.stdout, secrets, isCut),
    stderr: maskValues(ended.stderr, secrets, isCut),
  };
}

/** What a command of the operator's own finds: what he would have in a shell, without what belongs to a turn. */
function environment(desk: Desk, own: Record<string, string>): Record<string, string> {
  const kept = Object.entries(desk.context.env).filter(
    (each): each is [string, string] => each[1] !== undefined && !each[0].startsWith('CLAW_'),
  );
  return { ...Object.fromEntries(kept), ...own };
}
