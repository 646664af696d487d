/** A message on its way into a session, and what its text is: a reset trigger, a command, or words for the agent. */
import type { ConfigInput } from '../config/schema.ts';
import type { Message } from './routing/message.ts';
import { disabledDirectives, type ParsedText, parseDirectives } from './session/directive.ts';
import type { Origin } from './session/session.ts';
import type { SettingsChange, SettingValues } from './session/settings.ts';
import type { MessageIdentity, ReplyVia } from './session/transcript.ts';
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
  /** written by a job or a heartbeat: nobody wrote it, and no person's session is reset for it */
  job?: JobMark;
}

/** What a message that a schedule wrote has beside its text. */
export interface JobMark {
  kind: 'cron' | 'heartbeat';
  /** the job's id, or the agent's whose heartbeat it is */
  id: string;
  /** the run of the job, as its run records name it */
  runId: string;
  /** it begins a session of its own: what its key held before is archived */
  fresh?: true;
  /** settings of this turn alone */
  settings?: SettingValues;
  /** limit of this turn, before that of runner and agent */
  timeoutSeconds?: number;
  /** of a heartbeat: most text beside HEARTBEAT_OK that is no alert, characters */
  ackMaxChars?: number;
  /** nobody will get what it says, and why */
  unheard?: { status: 'no-target' | 'dead'; reason: string };
}

/** What a message that is nothing but directives comes to. */
export interface CommandAnswer {
  reply: string;
  change: SettingsChange | null;
  /** of an answer given while the session was busy: the id of its line, and of its delivery */
  runId?: string;
}

export type QueueDrop = NonNullable<SettingValues['queueDrop']>;

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

/** A command that works on the conversation, and so is answered behind what came before it, not beside a running turn. */
export function waitsItsTurn({ command }: ParsedText): boolean {
  return command?.name === 'compact';
}

/**
 * A command that an owner types in a group is meant for the assistant, also where the message does not mention it:
 * `/activation` could never be undone otherwise.
 */
export function isOwnersCommand(config: ConfigInput, incoming: Incoming): boolean {
  return incoming.owner && isAnsweredHere(config, { ...incoming, respond: true });
}

/** Answered here, by a trigger or a command, without an agent. */
export function isAnsweredHere(config: ConfigInput, incoming: Incoming): boolean {
  return triggerOf(config, incoming) !== null || commandOf(config, incoming) !== null;
}

/** Nothing but the trigger: no text behind it and no attachment with it. */
export function isBare(trigger: TriggerMatch, incoming: Pick<Incoming, 'message'>): boolean {
  return trigger.remainder.trim() === '' && !incoming.message.attachments?.length;
}

/** May this sender reset the session? */
export function mayUseTrigger(config: ConfigInput, incoming: Pick<Incoming, 'owner'>): boolean {
  return config.session?.resetBy !== 'owner' || incoming.owner;
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

export function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<T>;
}
