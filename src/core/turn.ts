/**
 * What happens to accepted messages, as a plan. `planTurn` gets facts and returns everything that will be written
 * and done; `runner/turn.ts` carries it out, `claw route` prints the same verdicts.
 */
import type { ConfigInput } from '../config/schema.ts';
import { linkedPerson } from './routing/identity.ts';
import type { Message } from './routing/message.ts';
import { kindOfKey } from './routing/session-key.ts';
import type { Zone } from './schedule/zone.ts';
import { evaluateFreshness, type Freshness, resetType, resolveResetPolicy } from './session/reset.ts';
import type { Origin, ResetInfo, SessionRecord } from './session/session.ts';
import type { Entry, MessageIdentity, ReplyVia, ResetEntry, UserEntry } from './session/transcript.ts';
import { knownModels, matchTrigger, type TriggerMatch } from './session/trigger.ts';

/** A message with everything decided about it before its session was touched. */
export interface Incoming {
  agentId: string;
  /** session key */
  key: string;
  messageId: string;
  identity?: MessageIdentity;
  message: Message;
  /** epoch ms by claw's clock; freshness counts from it */
  acceptedAt: number;
  via: ReplyVia;
  /** false: kept as context, not answered (group chatter, `--no-run`) */
  respond: boolean;
  /** the sender may reset and change settings */
  owner: boolean;
  /** written by an agent: its text is never a command */
  fromAgent: boolean;
  /** how many agents stand between a person and it */
  hops?: number;
  /** lock token of the process that waits for the reply, when the message was queued */
  waiter?: string;
  /** stem of its file in `pending/`, when it was queued */
  queuedAs?: string;
}

/** What stands behind the session key now. */
export type TranscriptState = 'present' | 'not-started' | 'missing' | 'foreign';

export interface TurnFacts {
  config: ConfigInput;
  /** one command, or one or more messages of one origin and sender, in order of arrival; never empty */
  batch: Incoming[];
  record: SessionRecord | null;
  transcript: TranscriptState;
  /** ids to use, should they be needed */
  newSessionId: string;
  runId: string;
  /** epoch ms */
  now: number;
  zone: Zone;
}

export interface TurnPlan {
  /** run: start an agent; command: answered here; record: kept, not answered */
  action: 'run' | 'command' | 'record';
  /** last line for the old transcript; null when there is none to write to */
  resetEntry: ResetEntry | null;
  /** the record with which the message is accepted; to be saved first when the session id is new */
  record: SessionRecord;
  isNewTranscript: boolean;
  /** lines that accept the messages (and start the turn), written at once */
  entries: Entry[];
  /** what the agent is asked */
  body: string;
  /** the answer of a command */
  reply: string | null;
  isNewSession: boolean;
  reset: ResetInfo | null;
  notices: string[];
  model: string | undefined;
}

/** Verdict on the freshness of a session for a message accepted at `at`. */
export function judgeFreshness(
  config: ConfigInput,
  record: SessionRecord,
  message: Pick<Message, 'channel' | 'threadId'>,
  at: number,
  zone: Zone,
): Freshness {
  const type = resetType({ sessionKey: record.key, chatType: record.chatType, threadId: message.threadId });
  const policy = resolveResetPolicy({ session: config.session, type, channel: message.channel });
  return evaluateFreshness({
    policy,
    startedAt: record.startedAt,
    lastUserAt: record.lastUserAt,
    now: at,
    zone,
  });
}

/** The reset trigger a message is, if its sender may use commands at all. */
export function triggerOf(config: ConfigInput, incoming: Incoming): TriggerMatch | null {
  if (incoming.fromAgent || !incoming.respond) return null;
  return matchTrigger(incoming.message.text, {
    triggers: config.session?.resetTriggers,
    chatType: incoming.message.chatType,
    models: knownModels(config),
  });
}

/** Nothing but the trigger: no text behind it and no attachment with it. */
export function isBare(trigger: TriggerMatch, incoming: Pick<Incoming, 'message'>): boolean {
  return trigger.remainder.trim() === '' && !incoming.message.attachments?.length;
}

/** May this sender reset the session? */
export function mayUseTrigger(config: ConfigInput, incoming: Pick<Incoming, 'owner'>): boolean {
  return config.session?.resetBy !== 'owner' || incoming.owner;
}

/**
 * A second person in a private session that is shared by its scope: what one says the other may be told. Null where the
 * newcomer is the one who spoke before, or where either is the operator's own shell.
 */
export function newPersonNotice(
  config: ConfigInput,
  record: SessionRecord | null,
  incoming: Incoming,
): string | null {
  const kind = kindOfKey(incoming.key, config.session);
  if (kind !== 'main' && kind !== 'global') return null;
  const before = record?.lastRoute;
  const { channel, chatType, from } = incoming.message;
  if (before?.chatType !== 'dm' || chatType !== 'dm' || before.channel === 'cli' || channel === 'cli')
    return null;
  if (before.channel === channel && before.from === from) return null;
  const links = config.session?.identityLinks;
  const person = from === undefined ? undefined : linkedPerson(links, channel, from);
  if (
    person !== undefined &&
    before.from !== undefined &&
    linkedPerson(links, before.channel, before.from) === person
  )
    return null;
  return `${channel}:${from ?? '?'} shares session ${incoming.key} with ${before.channel}:${before.from ?? '?'}: each may be told what the other said; set session.dmScope, or identityLinks when they are one person`;
}

/**
 * How many of the waiting messages one turn takes: a command goes alone; `collect` takes the messages behind the
 * first that share its origin, sender and way back, up to the next command; `followup` takes one.
 */
export function batchSize(config: ConfigInput, waiting: Incoming[], mode: 'collect' | 'followup'): number {
  const first = waiting[0];
  if (!first || mode === 'followup' || !first.respond || triggerOf(config, first)) return 1;
  let size = 1;
  while (size < waiting.length) {
    const next = waiting[size]!;
    if (!next.respond || next.fromAgent !== first.fromAgent || originKey(next) !== originKey(first)) break;
    if (triggerOf(config, next)) break;
    size++;
  }
  return size;
}

function originKey({ message, via }: Incoming): string {
  const { channel, accountId, chatType, from, groupId, threadId, to } = message;
  return JSON.stringify([channel, accountId, chatType, from, groupId, threadId, to, via]);
}

/** Where a message came from, as kept in transcript and record. */
export function originOf(message: Message): Origin {
  const {
    channel,
    accountId,
    chatType,
    from,
    fromName,
    groupId,
    groupName,
    guildId,
    teamId,
    parentId,
    threadId,
    surface,
    to,
  } = message;
  return {
    channel,
    accountId,
    chatType,
    ...defined({ from, fromName, groupId, groupName, guildId, teamId, parentId, threadId, surface, to }),
  };
}

function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<T>;
}

/** The plan for one batch. Pure: the same facts give the same plan. */
export function planTurn(facts: TurnFacts): TurnPlan {
  const { batch, config, record, now } = facts;
  const first = batch[0]!;
  const last = batch.at(-1)!;
  const trigger = triggerOf(config, first);
  const mayReset = trigger !== null && mayUseTrigger(config, first);
  const rotation = planRotation(facts, mayReset);
  const fresh = rotation
    ? null
    : facts.transcript === 'present' || facts.transcript === 'not-started'
      ? record
      : null;
  const isNewTranscript = fresh === null || facts.transcript === 'not-started';

  const sessionId = fresh?.sessionId ?? facts.newSessionId;
  let next: SessionRecord = fresh ?? newRecord(facts, sessionId, rotation?.reset);
  if (mayReset && trigger.model) next = { ...next, settings: { ...next.settings, model: trigger.model } };

  const { reset: told, notices } = first.respond ? tell(config, next) : NOTHING_TOLD;
  const model = next.settings.model ?? agentModel(config, first.agentId);
  const isNewSession = isNewTranscript && first.respond;
  const base = { isNewSession, reset: told, notices };
  const header: Entry[] = isNewTranscript ? [headerOf(next)] : [];
  const common = { resetEntry: rotation?.entry ?? null, record: next, isNewTranscript, ...base, model };

  if (!first.respond) {
    return {
      ...common,
      action: 'record',
      entries: [...header, ...batch.map(userEntry)],
      body: '',
      reply: null,
    };
  }
  if (trigger && (!mayReset || isBare(trigger, first))) {
    const reply = mayReset
      ? greeting(next, told, trigger.model)
      : 'Only an owner can start a new session here.';
    const entry = {
      type: 'command' as const,
      timestamp: first.acceptedAt,
      runId: facts.runId,
      id: first.messageId,
      ...defined({ identity: first.identity, queuedAs: first.queuedAs }),
      text: first.message.text,
      origin: originOf(first.message),
      via: first.via,
      reply,
      ...base,
    };
    return { ...common, action: 'command', entries: [...header, entry], body: '', reply };
  }
  const turn = {
    type: 'turn' as const,
    timestamp: now,
    runId: facts.runId,
    attempt: 1,
    messageIds: batch.map(incoming => incoming.messageId),
    runner: runnerName(config, last.agentId),
    ...defined({ model }),
    ...base,
  };
  const users = batch.map(userEntry);
  if (trigger) users[0]!.body = trigger.remainder;
  return { ...common, action: 'run', entries: [...header, ...users, turn], body: bodyOf(users), reply: null };
}

/** What an agent is asked; several messages of one turn are one text. */
export function bodyOf(users: UserEntry[]): string {
  return users.map(user => user.body ?? user.message.content).join('\n\n');
}

const NOTHING_TOLD: { reset: ResetInfo | null; notices: string[] } = { reset: null, notices: [] };

/** What the next answer tells of a reset that the user has not heard of yet. */
export function tell(
  config: ConfigInput,
  record: SessionRecord,
): { reset: ResetInfo | null; notices: string[] } {
  const reset = record.untoldReset;
  if (!reset) return NOTHING_TOLD;
  const silent = reset.reason === 'user' || config.session?.reset?.notifyUser === false;
  return { reset, notices: silent ? [] : [resetNotice(reset)] };
}

/** Does this message end the session it meets? With the line that archives it, and the reason. */
function planRotation(
  facts: TurnFacts,
  triggered: boolean,
): { reset: ResetInfo; entry: ResetEntry | null } | null {
  const { record, batch, config, zone } = facts;
  if (!record) return null;
  const first = batch[0]!;
  const reason = rotationReason();
  if (!reason) return null;
  const reset: ResetInfo = { reason, at: first.acceptedAt, previousSessionId: record.sessionId };
  const archived = facts.transcript === 'present';
  return {
    reset,
    entry: archived
      ? { type: 'reset', timestamp: facts.now, reason, nextSessionId: facts.newSessionId }
      : null,
  };

  function rotationReason(): ResetInfo['reason'] | null {
    if (facts.transcript === 'missing' || facts.transcript === 'foreign') return 'missing';
    // A session that never got its first line has nothing to reset.
    if (facts.transcript === 'not-started') return null;
    if (triggered) return 'user';
    if (!first.respond) return null;
    return judgeFreshness(config, record!, first.message, first.acceptedAt, zone).reason;
  }
}

/** The record of a session that begins now, keeping what outlives a reset. */
export function newRecord(facts: TurnFacts, sessionId: string, reset?: ResetInfo): SessionRecord {
  const { record, batch, config } = facts;
  const { agentId, key, message, acceptedAt } = batch[0]!;
  if (record && reset)
    return rotatedRecord(record, sessionId, reset, config.session?.reset?.preserveSettings !== false);
  return {
    version: 1,
    key,
    agentId,
    sessionId,
    createdAt: acceptedAt,
    startedAt: acceptedAt,
    updatedAt: acceptedAt,
    bytes: 0,
    chatType: message.chatType,
    channel: message.channel,
    settings: {},
    messageCount: 0,
  };
}

/** The record behind a reset: a new session id under the same key, with the settings (unless told otherwise). */
export function rotatedRecord(
  record: SessionRecord,
  sessionId: string,
  reset: ResetInfo,
  keepSettings: boolean,
): SessionRecord {
  const { version, key, agentId, createdAt, chatType, channel, lastRoute, settings } = record;
  return {
    version,
    key,
    agentId,
    sessionId,
    createdAt,
    startedAt: reset.at,
    updatedAt: reset.at,
    bytes: 0,
    chatType,
    channel,
    ...(lastRoute ? { lastRoute } : {}),
    settings: keepSettings ? settings : {},
    messageCount: 0,
    previousSessionId: record.sessionId,
    untoldReset: reset,
  };
}

function headerOf(record: SessionRecord): Entry {
  return {
    type: 'session',
    version: 1,
    id: record.sessionId,
    sessionKey: record.key,
    agentId: record.agentId,
    timestamp: record.startedAt,
    ...(record.previousSessionId ? { previousSessionId: record.previousSessionId } : {}),
    ...(record.untoldReset ? { reset: record.untoldReset } : {}),
  };
}

function userEntry(incoming: Incoming): UserEntry {
  return {
    type: 'message',
    timestamp: incoming.acceptedAt,
    id: incoming.messageId,
    ...defined({ identity: incoming.identity, queuedAs: incoming.queuedAs }),
    message: { role: 'user', content: incoming.message.text },
    origin: originOf(incoming.message),
    via: incoming.via,
    ...(incoming.message.attachments?.length ? { attachments: incoming.message.attachments } : {}),
    ...(incoming.respond ? {} : { recorded: true as const }),
    ...(incoming.hops ? { hops: incoming.hops } : {}),
  };
}

/** Notices and reply as one text, for who gets no document. */
export function spoken(notices: string[], reply: string): string {
  return [...notices.map(notice => `(${notice})`), reply].join('\n');
}

/** The sentence a user reads when a session was reset without being asked. */
export function resetNotice(reset: ResetInfo): string {
  const why = {
    daily: 'the daily reset time has passed',
    idle: 'it had been quiet for longer than the idle limit',
    missing: 'its transcript was gone',
    operator: 'it was reset from the command line',
    user: 'you asked for it',
    resume: '',
  }[reset.reason];
  const kept = ` The earlier conversation is kept (claw sessions history ${reset.previousSessionId}).`;
  if (reset.reason === 'resume') {
    return `An earlier conversation goes on here. The one until now is kept (claw sessions history ${reset.previousSessionId}).`;
  }
  return `New session: ${why}.${reset.reason === 'missing' ? '' : kept}`;
}

function greeting(record: SessionRecord, reset: ResetInfo | null, model: string | null | undefined): string {
  const kept =
    reset && reset.reason !== 'missing'
      ? ` The earlier conversation is kept (${reset.previousSessionId}).`
      : '';
  return `New session${model ? ` with ${model}` : ''}. What can I do for you?${record.previousSessionId ? kept : ''}`;
}

/** Name of the runner that answers for an agent. */
export function runnerName(config: ConfigInput, agentId: string): string {
  return agentEntry(config, agentId)?.runner ?? config.agents?.defaults?.runner ?? 'recall';
}

function agentModel(config: ConfigInput, agentId: string): string | undefined {
  return agentEntry(config, agentId)?.model ?? config.agents?.defaults?.model;
}

/** The config entry of an agent; ids are compared as they are normalised. */
export function agentEntry(config: ConfigInput, agentId: string) {
  return config.agents?.list?.find(agent => agent.id.trim().toLowerCase() === agentId);
}
