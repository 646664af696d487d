/**
 * What happens to accepted messages, as a plan. `planTurn` gets facts and returns everything that will be written
 * and done; `runner/turn.ts` carries it out, `claw route` prints the same verdicts.
 */
import type { ConfigInput } from '../config/schema.ts';
import { runnerName } from './agent.ts';
import {
  type CommandAnswer,
  defined,
  directivesOf,
  type Incoming,
  isBare,
  mayUseTrigger,
  triggerOf,
} from './incoming.ts';
import { greeting, NOTHING_TOLD, tell } from './notice.ts';
import type { Message } from './routing/message.ts';
import { isSubagent } from './routing/session-key.ts';
import type { SystemEvent } from './schedule/system-event.ts';
import type { Zone } from './schedule/zone.ts';
import { evaluateFreshness, type Freshness, resetType, resolveResetPolicy } from './session/reset.ts';
import type { ResetInfo, SessionRecord } from './session/session.ts';
import {
  ownSettings,
  runSettings,
  type SettingsChange,
  type SettingValues,
  type StoredSettings,
} from './session/settings.ts';
import type { Entry, ResetEntry, UserEntry } from './session/transcript.ts';
import { commandEntry, eventEntry, headerOf, userEntry } from './turn-entry.ts';

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
  const most = config.session?.maxTranscriptBytes;
  return evaluateFreshness({
    policy,
    startedAt: record.startedAt,
    lastUserAt: record.lastUserAt,
    now: at,
    zone,
    ...(most === undefined ? {} : { size: { bytes: record.bytes, most } }),
  });
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

  // Of a reset the person hears with his own next reply.
  const isPersons = first.respond && !first.dropped && !first.job;
  const { reset: told, notices } = isPersons ? tell(config, next) : NOTHING_TOLD;
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
  // A session of a job's own begins with what the config says, whatever its key was set to.
  const kept = first.job?.fresh ? {} : ownSettings(config, facts.stored, next);
  const own = { ...kept, ...change?.settings } as SettingValues;
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
  const given = batch.flatMap(incoming =>
    Object.entries(incoming.job?.settings ?? directivesOf(config, incoming)?.settings ?? {}),
  );
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

/** What a turn is told of the messages that were left out before it. */
function leftOutText(lines: string[]): string {
  const what = lines.length === 1 ? '1 earlier message was' : `${lines.length} earlier messages were`;
  return `[${what} left out because too many waited; in short:]\n${lines.map(line => `- ${line}`).join('\n')}`;
}

/** What an agent is asked; several messages of one turn are one text. */
export function bodyOf(users: UserEntry[]): string {
  return users.map(user => user.body ?? user.message.content).join('\n\n');
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
    if (first.job) return first.job.fresh ? 'cron' : null;
    if (triggered) return 'user';
    // Commands and chatter neither reset a session nor keep it alive.
    if (!first.respond || first.dropped || facts.answer) return null;
    return judgeFreshness(config, record!, first.message, first.acceptedAt, zone).reason;
  }
}

/** The record of a session that begins now, keeping what outlives a reset. */
export function newRecord(facts: TurnFacts, sessionId: string, reset?: ResetInfo): SessionRecord {
  const { record, batch } = facts;
  const { agentId, key, message, acceptedAt, job } = batch[0]!;
  if (record && reset) {
    const rotated = rotatedRecord(record, sessionId, reset);
    // Nobody is told that a job began its own session.
    if (job) delete rotated.untoldReset;
    return rotated;
  }
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
