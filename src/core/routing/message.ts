/** One inbound message in claw's own words: the envelope of `claw ingest`, normalised. */

import { ClawError } from '../errors.ts';
import type { MessageIdentity } from '../session/transcript.ts';
import { type Channels, defaultAccount } from './channel.ts';
import { isGroupJid } from './session-key.ts';
import {
  isChannelName,
  isReservedAccount,
  isReservedChannel,
  LONGEST_SLUG,
  normaliseChannel,
  slug,
} from './slug.ts';

export type ChatType = 'dm' | 'group' | 'channel' | 'thread';

export interface Attachment {
  path?: string;
  url?: string;
  type?: string;
  name?: string;
}

/** Ids are opaque and keep their bytes; `channel` and `chatType` are lower case, `accountId` is a slug. */
export interface Message {
  /** the sender's id of the message; with it a repeated delivery is recognised */
  id?: string;
  channel: string;
  accountId: string;
  chatType: ChatType;
  from?: string;
  fromName?: string;
  groupId?: string;
  groupName?: string;
  guildId?: string;
  teamId?: string;
  parentId?: string;
  threadId?: string;
  text: string;
  /** the sender's clock, epoch ms; never used for freshness */
  timestamp?: number;
  surface?: string;
  mentioned?: boolean;
  replyTo?: string;
  to?: string;
  attachments?: Attachment[];
  /** explicit agent or session, when the caller chose one */
  agentId?: string;
  sessionKey?: string;
}

/** A message as its sender wrote it: every field optional, names not yet folded, defaults not yet filled in. */
export type Envelope = Partial<Omit<Message, 'chatType'>> & { chatType?: string };

export type EnvelopeRead = { ok: true; envelope: Envelope } | { ok: false; problems: string[] };
export type MessageRead = { ok: true; message: Message } | { ok: false; problems: string[] };

/** What fills the gaps of an envelope; the config itself will do. */
export interface MessageDefaults {
  channels?: Channels | undefined;
}

const FIELDS = {
  id: 'id',
  channel: 'text',
  accountId: 'id',
  chatType: 'text',
  from: 'id',
  fromName: 'text',
  groupId: 'id',
  groupName: 'text',
  guildId: 'id',
  teamId: 'id',
  parentId: 'id',
  threadId: 'id',
  text: 'text',
  timestamp: 'time',
  surface: 'text',
  mentioned: 'flag',
  replyTo: 'id',
  to: 'id',
  attachments: 'attachments',
  agentId: 'text',
  sessionKey: 'text',
} as const satisfies Record<keyof Envelope, string>;

const ATTACHMENT_FIELDS = ['path', 'url', 'type', 'name'] as const;

type Report = (problem: string) => void;

/**
 * Reads a JSON value as an envelope, strictly: every unknown key and wrong type is in `problems`. `null` is the same
 * as absent. Ids may be numbers (Telegram's are) as long as JSON could carry them exactly. `timestamp` is 13-digit
 * epoch milliseconds or ISO 8601; without an offset it is in the host's zone. Written by hand: this is on the path of
 * every message, and loading a schema library costs more than the rest of it.
 */
export function parseEnvelope(value: unknown): EnvelopeRead {
  if (!isObject(value)) return { ok: false, problems: [`expected a JSON object, found ${typeName(value)}`] };
  const problems: string[] = [];
  const envelope: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const report: Report = problem => problems.push(`${key}: ${problem}`);
    if (!Object.hasOwn(FIELDS, key)) problems.push(unknownKey(key, Object.keys(FIELDS)));
    else if (field !== null && field !== undefined) {
      envelope[key] = readField(FIELDS[key as keyof Envelope], field, report);
    }
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, envelope: envelope as Envelope };
}

function readField(type: (typeof FIELDS)[keyof Envelope], value: unknown, report: Report): unknown {
  switch (type) {
    case 'text':
      if (typeof value === 'string') return value;
      break;
    case 'flag':
      if (typeof value === 'boolean') return value;
      report(`expected true or false, found ${typeName(value)}`);
      return undefined;
    case 'id':
      if (typeof value === 'string') return value;
      if (typeof value === 'number') return readNumericId(value, report);
      break;
    case 'time':
      return readTime(value, report);
    case 'attachments':
      return readAttachments(value, report);
  }
  report(`expected a string, found ${typeName(value)}`);
  return undefined;
}

function readNumericId(value: number, report: Report): string | undefined {
  if (Number.isSafeInteger(value)) return String(value);
  // Discord's ids do not fit: JSON.parse has already rounded it, and the rounded one is somebody else's.
  report('the number is not exact; send the id as a string');
  return undefined;
}

function readTime(value: unknown, report: Report): number | undefined {
  const ms = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof ms === 'number') {
    if (Number.isInteger(ms) && ms >= 1e12 && ms < 1e13) return ms;
    report('expected epoch milliseconds (13 digits) or ISO 8601');
    return undefined;
  }
  const parsed = typeof ms === 'string' ? parseIsoTime(ms) : Number.NaN;
  if (!Number.isNaN(parsed)) return parsed;
  report('expected epoch milliseconds (13 digits) or ISO 8601 with date and time');
  return undefined;
}

/** NaN for what is no ISO 8601 date and time, and for days that do not exist: Date.parse moves Feb 30 into March. */
function parseIsoTime(text: string): number {
  const match = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (match === null) return Number.NaN;
  const [year, month, day] = match.slice(1, 4).map(Number) as [number, number, number];
  const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return day > lastDay ? Number.NaN : Date.parse(text);
}

function readAttachments(value: unknown, report: Report): Attachment[] | undefined {
  if (!Array.isArray(value)) {
    report(`expected a list, found ${typeName(value)}`);
    return undefined;
  }
  return value.map((item, at) => readAttachment(item, problem => report(`[${at}] ${problem}`)));
}

function readAttachment(value: unknown, report: Report): Attachment {
  const attachment: Attachment = {};
  if (!isObject(value)) {
    report(`expected an object, found ${typeName(value)}`);
    return attachment;
  }
  for (const [key, field] of Object.entries(value)) {
    const known = ATTACHMENT_FIELDS.find(name => name === key);
    if (known === undefined) report(unknownKey(key, ATTACHMENT_FIELDS));
    else if (typeof field === 'string') attachment[known] = field;
    else if (field !== null) report(`${key}: expected a string, found ${typeName(field)}`);
  }
  if (!value.path && !value.url) report('needs a path or a url');
  return attachment;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Longest key that is compared with the known ones; what is longer was never a slip of the hand. */
const LONGEST_KEY = 40;

function unknownKey(key: string, known: readonly string[]): string {
  if (key.length > LONGEST_KEY) return `unknown key ${JSON.stringify(`${key.slice(0, LONGEST_KEY)}…`)}`;
  const [first = '', ...others] = known;
  const nearest = others.reduce(
    (best, name) => (distance(key, name) < distance(key, best) ? name : best),
    first,
  );
  return `unknown key ${JSON.stringify(key)}; the nearest known one is "${nearest}"`;
}

/** Levenshtein distance between two names, case and `_ -` aside: `group_id` is `groupId`. */
function distance(left: string, right: string): number {
  const [a, b] = [left, right].map(name => name.toLowerCase().replace(/[_-]/g, '')) as [string, string];
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

const ID_FIELDS = [
  'id',
  'accountId',
  'from',
  'groupId',
  'guildId',
  'teamId',
  'parentId',
  'threadId',
  'replyTo',
  'to',
] as const satisfies (keyof Envelope)[];

const CHAT_TYPES: Readonly<Record<string, ChatType>> = {
  dm: 'dm',
  direct: 'dm',
  group: 'group',
  channel: 'channel',
  room: 'channel',
  thread: 'thread',
};

const LONGEST_ID = 1024;
/** A key holds up to three ids: peer, topic, thread. */
const LONGEST_SESSION_KEY = 4 * LONGEST_ID;

/**
 * Turns an envelope into a message: channel (default `cli`), account (default: that of the channel) and chat type
 * (default: `group` where a group is named, else `dm`) filled in and folded, ids kept byte for byte. Everything that
 * is wrong with it is in `problems`, each beginning with the field's name. In the text, CR LF and CR become LF.
 *
 * - A DM on channel `cli` without `from` is from the local user; `from` stays absent.
 * - A WhatsApp id ending in `@g.us` is a group wherever it stands, and names the channel where none is given.
 * - Telegram's `<chat>:topic:<topic>` in `groupId` is that topic of that chat: its ids are numbers.
 * - `chatType: thread` needs a `threadId`; its chat is `groupId`, else `parentId`, else the DM with `from`.
 */
export function normaliseMessage(envelope: Envelope, defaults: MessageDefaults = {}): MessageRead {
  const problems: string[] = [];
  for (const field of ID_FIELDS) checkId(field, envelope[field], LONGEST_ID, problems);
  checkId('agentId', envelope.agentId, LONGEST_ID, problems);
  checkId('sessionKey', envelope.sessionKey, LONGEST_SESSION_KEY, problems);
  if (isBlank(envelope.text ?? '') && (envelope.attachments ?? []).length === 0) {
    problems.push('text: blank, and there is no attachment');
  }

  const channel = readChannel(envelope, problems);
  const accountId = readAccount(envelope.accountId, channel, defaults, problems);
  const chat = readChat(envelope, channel, problems);
  if (problems.length > 0) return { ok: false, problems };
  const message: Message = {
    ...envelope,
    ...chat,
    channel,
    accountId,
    text: withNewlines(envelope.text ?? ''),
  };
  for (const key of Object.keys(message) as (keyof Message)[]) {
    if (message[key] === undefined) delete message[key];
  }
  return { ok: true, message };
}

/** Ends of lines as LF, however the sender's system writes them. A backslash and an n are text: `C:\\new` stays. */
function withNewlines(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

function isBlank(text: string): boolean {
  return text.trim() === '';
}

function checkId(field: string, id: string | undefined, longest: number, problems: string[]): void {
  if (id === undefined) return;
  if (isBlank(id)) problems.push(`${field}: blank; leave it out or give the id`);
  else if (id.length > longest) problems.push(`${field}: longer than ${longest} characters`);
  else if (/[\u0000-\u001f\u007f]/.test(id)) problems.push(`${field}: holds a control character`);
  else if (/\p{Surrogate}/u.test(id))
    problems.push(`${field}: not well-formed Unicode (half a surrogate pair)`);
}

function readChannel(envelope: Envelope, problems: string[]): string {
  if (envelope.channel === undefined) {
    return [envelope.from, envelope.groupId].some(id => id !== undefined && isGroupJid(id))
      ? 'whatsapp'
      : 'cli';
  }
  const channel = normaliseChannel(envelope.channel);
  if (channel === '') problems.push('channel: blank; leave it out or name it');
  else if (!isChannelName(channel)) {
    problems.push(
      'channel: expected up to 64 letters, digits and any of "_.+@-", beginning with a letter or digit',
    );
  } else if (isReservedChannel(channel)) {
    problems.push(`channel: "${channel}" is a word of session keys; give the channel another name`);
  }
  return channel;
}

function readAccount(
  raw: string | undefined,
  channel: string,
  defaults: MessageDefaults,
  problems: string[],
): string {
  if (raw === undefined) return defaultAccount(defaults.channels, channel);
  const accountId = slug(raw);
  // Folding these would hand the message to another account's session and its access rules.
  if (isBlank(raw)) return accountId;
  if (accountId === '') problems.push('accountId: has no letter a-z or digit');
  else if (raw.trim().length > LONGEST_SLUG)
    problems.push(`accountId: longer than ${LONGEST_SLUG} characters`);
  else if (isReservedAccount(accountId)) {
    problems.push(`accountId: "${accountId}" is a word of session keys; give the account another name`);
  }
  return accountId;
}

type MessageChat = Pick<Message, 'chatType' | 'from' | 'groupId' | 'threadId'>;

function readChat(envelope: Envelope, channel: string, problems: string[]): MessageChat {
  const chat = addressOf(envelope, channel);
  const given = readChatType(envelope.chatType, problems);
  const chatType =
    chat.groupJid && (given ?? 'dm') === 'dm' ? 'group' : (given ?? defaultChatType(chat, envelope));
  if ((chatType === 'group' || chatType === 'channel') && chat.groupId === undefined) {
    problems.push(`groupId: a message with chatType "${chatType}" needs one`);
  }
  if (chatType === 'thread' && chat.threadId === undefined) {
    problems.push('threadId: a message with chatType "thread" needs one');
  }
  return { chatType, from: chat.from, groupId: chat.groupId, threadId: chat.threadId };
}

type Address = Omit<MessageChat, 'chatType'> & { groupJid: boolean };

/** The ids of a chat, with those that channels spell in a way of their own put where they belong. */
function addressOf(envelope: Envelope, channel: string): Address {
  const { from, groupId, threadId } = envelope;
  if (channel === 'whatsapp') {
    const jid = [groupId, from].find(id => id !== undefined && isGroupJid(id));
    const person = from !== undefined && isGroupJid(from) ? undefined : from;
    if (jid !== undefined) return { from: person, groupId: groupId ?? jid, threadId, groupJid: true };
  }
  const topic =
    channel === 'telegram' && threadId === undefined && /^(-?\d+):topic:(\d+)$/.exec(groupId ?? '');
  if (topic) return { from, groupId: topic[1]!, threadId: topic[2]!, groupJid: false };
  return { from, groupId, threadId, groupJid: false };
}

function defaultChatType(chat: Address, envelope: Envelope): ChatType {
  if (chat.groupId !== undefined) return 'group';
  return chat.threadId !== undefined && envelope.parentId !== undefined ? 'thread' : 'dm';
}

function readChatType(raw: string | undefined, problems: string[]): ChatType | undefined {
  if (raw === undefined) return undefined;
  const name = raw.trim().toLowerCase();
  if (Object.hasOwn(CHAT_TYPES, name)) return CHAT_TYPES[name];
  problems.push(`chatType: expected dm, group, channel or thread, found ${JSON.stringify(raw.slice(0, 40))}`);
  return undefined;
}

/** The chat a message stands in, its thread aside. */
export type MessagePeer = { kind: 'dm'; id: string | undefined } | { kind: 'group' | 'channel'; id: string };

/**
 * Whom or what the message was said to: a person (undefined: nobody named) or a group. A message of chatType `thread`
 * does not say what its chat is; rooms of a guild or team are channels, everything else is a group.
 *
 * @throws ClawError `group-missing` for a group message without a group id, which `normaliseMessage` never returns
 */
export function peerOf(message: Message): MessagePeer {
  const { chatType, from, groupId, parentId } = message;
  if (chatType === 'dm') return { kind: 'dm', id: from };
  if (chatType === 'thread') {
    const id = groupId ?? parentId;
    if (id === undefined) return { kind: 'dm', id: from };
    const inRoom = message.guildId !== undefined || message.teamId !== undefined;
    return { kind: inRoom ? 'channel' : 'group', id };
  }
  if (groupId === undefined) {
    throw new ClawError('usage', 'group-missing', `a message with chatType "${chatType}" needs a group id`);
  }
  return { kind: chatType, id: groupId };
}

/** Whether the message is a private one from the person at this machine: channel `cli`, no sender named. */
export function isLocalUser(message: Message): boolean {
  return message.channel === 'cli' && message.from === undefined && peerOf(message).kind === 'dm';
}

/** The ids that a group's settings may stand under: its own, then that of the chat its thread hangs from. */
export function groupIdsOf(message: Message): string[] {
  return [message.groupId, message.parentId].filter(id => id !== undefined);
}

/** What makes two deliveries the same message; undefined where the sender gave no id. */
export function identityOf(message: Message): MessageIdentity | undefined {
  if (message.id === undefined) return undefined;
  const chat = message.groupId ?? message.from ?? '';
  return [message.channel, message.accountId, chat, message.threadId ?? '', message.id];
}
