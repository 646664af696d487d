/**
 * What happens to accepted messages, as a plan. `planTurn` gets facts and returns everything that will be written
 * and done; `runner/turn.ts` carries it out, `claw route` prints the same verdicts.
 */
import type { ConfigInput } from '../config/schema.ts';
import { runnerName } from './agent.ts';
import { linkedPerson } from './routing/identity.ts';
import type { Message } from './routing/message.ts';
import { isSubagent, kindOfKey } from './routing/session-key.ts';
import type { SystemEvent } from './schedule/system-event.ts';
import type { Zone } from './schedule/zone.ts';
import { disabledDirectives, type ParsedText, parseDirectives } from './session/directive.ts';
import { evaluateFreshness, type Freshness, resetType, resolveResetPolicy } from './session/reset.ts';
import type { Origin, ResetInfo, SessionRecord } from './session/session.ts';
import {
  resolveSettings,
  type SettingsChange,
  type SettingValues,
  type StoredSettings,
  settingsInForce,
} from './session/settings.ts';
import type {
  CommandEntry,
  Entry,
  MessageIdentity,
  ReplyVia,
  ResetEntry,
  UserEntry,
} from './session/transcript.ts';
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
  /** a command that was answered while the session was busy: what it was answered and what it changed */
  answered?: CommandAnswer;
  /** too many messages waited: it is kept, not answered */
  dropped?: QueueDrop;
  /** written by another session (its key) or by the operator into this one; no message of the conversation's people */
  sentFrom?: string;
  /** session that is told of the answer by a system event */
  announceTo?: { agentId: string; key: string };
  /** settings for the session it begins */
  settings?: SettingValues;
}

/** What a message that is nothing but directives comes to. */
export interface CommandAnswer {
  reply: string;
  change: SettingsChange | null;
  /** of an answer given while the session was busy: the id of its line, and of its delivery */
  runId?: string;
}

export type QueueDrop = NonNullable<SettingValues['queueDrop']>;

/** What stands behind the session key now. */
export type TranscriptState = 'present' | 'not-started' | 'missing' | 'foreign';

export interface TurnFacts {
  config: ConfigInput;
  /** one command, or one or more messages of one origin and sender, in order of arrival; never empty */
  batch: Incoming[];
  record: SessionRecord | null;
  transcript: TranscriptState;
  /** settings the session key was given */
  stored: StoredSettings | null;
  /** the answer, where the batch is one command that is no reset */
  answer: CommandAnswer | null;
  /** first lines of messages that were left out before this batch */
  leftOut: string[];
  /** system events that wait for the session */
  events?: SystemEvent[];
  /** lines of another session that this one begins with */
  seed?: Entry[];
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
  /** what the batch changes in the session's settings */
  change: { settings: SettingsChange; untilReset: boolean } | null;
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
  if (!takesCommands(incoming)) return null;
  return matchTrigger(incoming.message.text, {
    triggers: config.session?.resetTriggers,
    chatType: incoming.message.chatType,
    // Naming a model sets it, which is the owner's.
    ...(incoming.owner ? { models: knownModels(config) } : {}),
    disabled: disabledDirectives(config),
  });
}

/** Only what a person wrote, to be answered, may be a command. */
function takesCommands(incoming: Incoming): boolean {
  return !incoming.fromAgent && incoming.respond && !incoming.dropped;
}

/** The directives in a message, behind its reset trigger if it has one; null where its text is only text. */
export function directivesOf(config: ConfigInput, incoming: Incoming): ParsedText | null {
  if (!takesCommands(incoming)) return null;
  const trigger = triggerOf(config, incoming);
  return parseDirectives(trigger ? trigger.remainder : incoming.message.text, {
    chatType: incoming.message.chatType,
    models: knownModels(config),
    owner: incoming.owner,
    disabled: disabledDirectives(config),
    hasAttachments: Boolean(incoming.message.attachments?.length),
  });
}

/** The directives of a message that is nothing but directives: it is answered, no agent is asked. */
export function commandOf(config: ConfigInput, incoming: Incoming): ParsedText | null {
  if (triggerOf(config, incoming)) return null;
  const parsed = directivesOf(config, incoming);
  return parsed?.alone && !incoming.message.attachments?.length ? parsed : null;
}

/**
 * A command that an owner types in a group is meant for the assistant, also where the message does not mention it:
 * `/activation` could never be undone otherwise.
 */
export function isOwnersCommand(config: ConfigInput, incoming: Incoming): boolean {
  return incoming.owner && isAnsweredHere(config, { ...incoming, respond: true });
}

/** Answered here, by a trigger or a command, without an agent. */
function isAnsweredHere(config: ConfigInput, incoming: Incoming): boolean {
  return triggerOf(config, incoming) !== null || commandOf(config, incoming) !== null;
}

/**
 * Which waiting messages are left out, because more wait than the session's queue holds. Commands are no load; they stay.
 *
 * @param waiting in order of arrival
 */
export function overflowOf(
  config: ConfigInput,
  waiting: readonly Incoming[],
  queue: { cap: number; drop: QueueDrop },
): Incoming[] {
  const load = waiting.filter(incoming => incoming.respond && !isAnsweredHere(config, incoming));
  const excess = load.length - queue.cap;
  if (excess <= 0) return [];
  return queue.drop === 'new' ? load.slice(-excess) : load.slice(0, excess);
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
 * first that share its origin, sender and way back (to a session too), up to the next command; `followup` takes one.
 */
export function batchSize(config: ConfigInput, waiting: Incoming[], mode: 'collect' | 'followup'): number {
  const first = waiting[0];
  if (!first || mode === 'followup' || !first.respond || isAnsweredHere(config, first)) return 1;
  let size = 1;
  while (size < waiting.length) {
    const next = waiting[size]!;
    if (!next.respond || next.fromAgent !== first.fromAgent || originKey(next) !== originKey(first)) break;
    if (isAnsweredHere(config, next)) break;
    size++;
  }
  return size;
}

function originKey({ message, via, sentFrom, announceTo }: Incoming): string {
  const { channel, accountId, chatType, from, groupId, threadId, to } = message;
  const session = [sentFrom, announceTo?.agentId, announceTo?.key];
  return JSON.stringify([channel, accountId, chatType, from, groupId, threadId, to, via, ...session]);
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
  const next: SessionRecord = fresh ?? newRecord(facts, sessionId, rotation?.reset);
  const inline = inlineSettings(config, batch);
  const change = changeOf(
    config,
    mayReset ? trigger.model : null,
    inline,
    facts.answer,
    first.settings,
    first.owner,
  );

  const { reset: told, notices } = first.respond && !first.dropped ? tell(config, next) : NOTHING_TOLD;
  const isNewSession = isNewTranscript && first.respond && !first.dropped;
  const base = { isNewSession, reset: told, notices };
  const header: Entry[] = isNewTranscript ? [headerOf(next), ...(facts.seed ?? [])] : [];
  const common = { resetEntry: rotation?.entry ?? null, record: next, isNewTranscript, ...base, change };

  if (!first.respond || first.dropped) {
    return {
      ...common,
      action: 'record',
      entries: [...header, ...batch.map(userEntry)],
      body: '',
      reply: null,
    };
  }
  const isCommand = trigger ? !mayReset || isBare(trigger, first) : facts.answer !== null;
  if (isCommand) {
    const reply = facts.answer
      ? facts.answer.reply
      : mayReset
        ? greeting(next, told, trigger?.model)
        : 'Only an owner can start a new session here.';
    const runId = facts.answer?.runId ?? facts.runId;
    const entry = commandEntry(first, { reply, change: change?.settings ?? null }, runId, base);
    return { ...common, action: 'command', entries: [...header, entry], body: '', reply };
  }
  const own = { ...ownSettings(config, facts.stored, next), ...change?.settings } as SettingValues;
  const turn = {
    type: 'turn' as const,
    timestamp: now,
    runId: facts.runId,
    attempt: 1,
    messageIds: batch.map(incoming => incoming.messageId),
    runner: runnerName(config, last.agentId),
    ...runSettings(config, last.agentId, own, inline),
    ...(facts.events?.length ? { events: facts.events.map(event => event.id) } : {}),
    ...base,
  };
  const users = batch.map(userEntry);
  batch.forEach((incoming, index) => {
    const text = directivesOf(config, incoming)?.body ?? incoming.message.text;
    if (text !== incoming.message.text) users[index]!.body = text;
  });
  if (facts.leftOut.length > 0)
    users[0]!.body = `${leftOutText(facts.leftOut)}\n\n${users[0]!.body ?? users[0]!.message.content}`;
  if (change)
    Object.assign(
      users[0]!,
      defined({ settings: change.settings, untilReset: change.untilReset || undefined }),
    );
  if (Object.keys(inline).length > 0) users[0]!.inline = inline;
  const events = (facts.events ?? []).map(eventEntry);
  return {
    ...common,
    action: 'run',
    entries: [...header, ...events, ...users, turn],
    body: bodyOf(users),
    reply: null,
  };
}

/** Settings given inside the texts of a batch; the last one wins. */
function inlineSettings(config: ConfigInput, batch: Incoming[]): SettingValues {
  const given = batch.flatMap(incoming => Object.entries(directivesOf(config, incoming)?.settings ?? {}));
  return Object.fromEntries(given.filter(([, value]) => value !== null)) as SettingValues;
}

/** What a batch changes in the session: by a command, by the model behind a trigger, or by directives that stick. */
function changeOf(
  config: ConfigInput,
  model: string | null,
  inline: SettingValues,
  answer: CommandAnswer | null,
  given: SettingValues | undefined,
  mayKeep: boolean,
): TurnPlan['change'] {
  if (answer) return answer.change ? { settings: answer.change, untilReset: false } : null;
  if (model !== null) return { settings: { model }, untilReset: false };
  if (given) return { settings: given, untilReset: false };
  // What stays is the owner's to say.
  const sticks = mayKeep && config.messages?.inlineDirectives === 'sticky' && Object.keys(inline).length > 0;
  return sticks ? { settings: inline, untilReset: true } : null;
}

/** The session's own settings that hold in a record's session. */
export function ownSettings(
  config: ConfigInput,
  stored: StoredSettings | null,
  record: Pick<SessionRecord, 'createdAt' | 'sessionId'>,
): SettingValues {
  return settingsInForce(stored, record, config.session?.reset?.preserveSettings !== false);
}

/** Settings that concern a run, as a turn's line keeps them: the model, and what else somebody set. */
export function runSettings(
  config: ConfigInput,
  agentId: string,
  own: SettingValues,
  inline: SettingValues = {},
): { model?: string; settings?: SettingValues } {
  const resolved = resolveSettings(config, agentId, own, inline);
  const set = RUN_SETTINGS.flatMap(name =>
    resolved[name].value === null ? [] : [[name, resolved[name].value]],
  );
  const { model, ...settings } = Object.fromEntries(set) as SettingValues;
  return defined({ model, settings: Object.keys(settings).length > 0 ? settings : undefined });
}

const RUN_SETTINGS = [
  'model',
  'thinkingLevel',
  'verboseLevel',
  'reasoningLevel',
  'elevated',
  'ttsMode',
] as const;

/** How the queue of a session is worked, by its own settings and the config. */
export function queueSettings(
  config: ConfigInput,
  agentId: string,
  own: SettingValues,
): { mode: 'collect' | 'followup' | 'interrupt'; debounceMs: number; cap: number; drop: QueueDrop } {
  const { queueMode, queueDebounceMs, queueCap, queueDrop } = resolveSettings(config, agentId, own);
  return {
    mode: queueMode.value as 'collect' | 'followup' | 'interrupt',
    debounceMs: Number(queueDebounceMs.value),
    cap: Number(queueCap.value),
    drop: queueDrop.value as QueueDrop,
  };
}

/** What a turn is told of the messages that were left out before it. */
function leftOutText(lines: string[]): string {
  const what = lines.length === 1 ? '1 earlier message was' : `${lines.length} earlier messages were`;
  return `[${what} left out because too many waited; in short:]\n${lines.map(line => `- ${line}`).join('\n')}`;
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
    // Commands and chatter neither reset a session nor keep it alive.
    if (!first.respond || first.dropped || facts.answer) return null;
    return judgeFreshness(config, record!, first.message, first.acceptedAt, zone).reason;
  }
}

/** The record of a session that begins now, keeping what outlives a reset. */
export function newRecord(facts: TurnFacts, sessionId: string, reset?: ResetInfo): SessionRecord {
  const { record, batch } = facts;
  const { agentId, key, message, acceptedAt } = batch[0]!;
  if (record && reset) return rotatedRecord(record, sessionId, reset);
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
    ...(isSubagent(key) && batch[0]!.sentFrom ? { spawnedBy: batch[0]!.sentFrom } : {}),
    messageCount: 0,
  };
}

/** The record behind a reset: a new session id under the same key. */
export function rotatedRecord(record: SessionRecord, sessionId: string, reset: ResetInfo): SessionRecord {
  const { version, key, agentId, createdAt, chatType, channel, lastRoute, spawnedBy } = record;
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
    ...(spawnedBy ? { spawnedBy } : {}),
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

/** The line of a system event, in the transcript of the session that hears of it. */
export function eventEntry({ id, at, text, source, from, runId }: SystemEvent): Entry {
  return { type: 'system_event', timestamp: at, id, text, source, ...defined({ from, runId }) };
}

/** The line of a message that was answered without an agent. */
export function commandEntry(
  incoming: Incoming,
  { reply, change }: CommandAnswer,
  runId: string,
  told: Pick<CommandEntry, 'isNewSession' | 'reset' | 'notices'>,
): CommandEntry {
  const { message, messageId, acceptedAt, identity, queuedAs, via } = incoming;
  return {
    type: 'command',
    timestamp: acceptedAt,
    runId,
    id: messageId,
    ...defined({ identity, queuedAs }),
    text: message.text,
    origin: originOf(message),
    via,
    reply,
    ...(change ? { settings: change } : {}),
    ...told,
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
    ...(incoming.respond && !incoming.dropped ? {} : { recorded: true as const }),
    ...defined({ dropped: incoming.dropped }),
    ...(incoming.hops ? { hops: incoming.hops } : {}),
    ...defined({ sentFrom: incoming.sentFrom, announceTo: incoming.announceTo }),
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
