/** One entry of another system's session store, in claw's words: settings, tokens, route, times. */
import type { ChatType } from '../routing/message.ts';
import { normaliseChannel, slug } from '../routing/slug.ts';
import type { TokenCounts } from '../session/session.ts';
import { type Fields, isFields, qualified, shown, timeOf } from './line.ts';

/** Settings of a session as claw names them; only what was understood. */
export interface ImportedSettings {
  model?: string;
  thinkingLevel?: string;
  verboseLevel?: string;
  reasoningLevel?: string;
  elevated?: string;
  sendPolicy?: 'allow' | 'deny';
  groupActivation?: 'mention' | 'always';
  ttsMode?: string;
  queueMode?: 'collect' | 'followup' | 'interrupt';
  queueDebounceMs?: number;
  queueCap?: number;
  queueDrop?: 'old' | 'new' | 'summarize';
  replyPolicy?: 'skip' | 'announce' | 'reply';
  label?: string;
}

/** Where the last reply of a session went. */
export interface ImportedRoute {
  channel: string;
  to?: string;
  accountId?: string;
  threadId?: string;
}

export interface ImportedEntry {
  sessionId?: string;
  /** name of the transcript, when the entry gave one; its folder is not believed */
  fileName?: string;
  /** epoch ms */
  updatedAt?: number;
  createdAt?: number;
  settings: ImportedSettings;
  /** settings that have no counterpart here, as `name value` */
  leftOut: string[];
  tokens?: TokenCounts;
  model?: string;
  chatType?: ChatType;
  channel?: string;
  groupName?: string;
  route?: ImportedRoute;
}

const THINKING = ['off', 'minimal', 'low', 'medium', 'high', 'xhigh'];

/** Reads an entry of `sessions.json` or of `session-metadata.json`. */
export function readEntry(value: Fields): ImportedEntry {
  const entry: ImportedEntry = { settings: {}, leftOut: [] };
  const sessionId = textOf(value.sessionId);
  if (sessionId !== undefined) entry.sessionId = sessionId;
  const fileName = textOf(value.sessionFile)?.split(/[\\/]/).at(-1);
  if (fileName) entry.fileName = fileName;
  const updatedAt = timeOf(value.updatedAt) ?? timeOf(value.lastActiveAt);
  if (updatedAt !== undefined) entry.updatedAt = updatedAt;
  const createdAt = timeOf(value.createdAt) ?? startOf(updatedAt, value.sessionAge);
  if (createdAt !== undefined) entry.createdAt = createdAt;
  readSettings(value, entry);
  readTokens(value, entry);
  readRoute(value, entry);
  const model = textOf(value.model);
  if (model !== undefined) entry.model = qualified(textOf(value.modelProvider), model);
  const chatType = chatTypeOf(value.chatType) ?? chatTypeOf(fields(value.origin).chatType);
  if (chatType !== undefined) entry.chatType = chatType;
  const groupName = textOf(value.subject) ?? textOf(value.groupChannel) ?? textOf(value.room);
  if (groupName !== undefined) entry.groupName = groupName;
  return entry;
}

/** `session-metadata.json` tells how long a session has lived, in ms. */
function startOf(updatedAt: number | undefined, age: unknown): number | undefined {
  return updatedAt !== undefined && typeof age === 'number' && age >= 0 && age < updatedAt
    ? updatedAt - age
    : undefined;
}

function readSettings(value: Fields, entry: ImportedEntry): void {
  const { settings } = entry;
  const left = (name: string) => {
    if (value[name] !== undefined && value[name] !== null)
      entry.leftOut.push(`${name} ${shown(value[name])}`);
  };
  const word = <T extends string>(name: string, allowed: readonly T[], renamed: Record<string, T> = {}) => {
    const given = value[name];
    const text = (typeof given === 'boolean' ? (given ? 'on' : 'off') : (textOf(given) ?? '')).toLowerCase();
    const found = renamed[text] ?? allowed.find(each => each === text);
    if (found === undefined) left(name);
    return found;
  };
  const override = textOf(value.modelOverride);
  if (override !== undefined) settings.model = qualified(textOf(value.providerOverride), override);
  // In `session-metadata.json` the model of an entry is the setting; elsewhere it is what ran last.
  else if (value.sessionId === undefined && textOf(value.model) !== undefined)
    settings.model = textOf(value.model)!;
  set(settings, 'thinkingLevel', word('thinkingLevel', THINKING));
  set(settings, 'verboseLevel', word('verboseLevel', ['on', 'off'], { full: 'on' }));
  set(settings, 'reasoningLevel', word('reasoningLevel', ['on', 'off', 'stream']));
  const levels = ['on', 'off', 'ask', 'full'];
  set(settings, 'elevated', word('elevatedLevel', levels) ?? word('elevated', levels));
  const reply = ['skip', 'announce', 'reply'] as const;
  const policy = reply.find(each => each === value.sendPolicy);
  if (policy !== undefined) settings.replyPolicy = policy;
  else set(settings, 'sendPolicy', word('sendPolicy', ['allow', 'deny'], { on: 'allow', off: 'deny' }));
  set(settings, 'groupActivation', word('groupActivation', ['mention', 'always']));
  set(settings, 'ttsMode', word('ttsMode', ['off', 'always', 'inbound', 'tagged']));
  set(settings, 'queueMode', word('queueMode', ['collect', 'followup', 'interrupt']));
  set(settings, 'queueDrop', word('queueDrop', ['old', 'new', 'summarize']));
  for (const name of ['queueDebounceMs', 'queueCap'] as const) {
    const number = value[name];
    if (Number.isInteger(number) && (number as number) >= 0) settings[name] = number as number;
    else left(name);
  }
  set(settings, 'label', textOf(value.label) ?? textOf(value.displayName));
  for (const name of ['execHost', 'execSecurity', 'execAsk', 'execNode', 'permissionMode']) left(name);
}

/** In those stores `totalTokens` is the size of the newest context and `contextTokens` the model's window. */
function readTokens(value: Fields, entry: ImportedEntry): void {
  const count = (name: string) => {
    const number = value[name];
    return typeof number === 'number' && Number.isFinite(number) && number >= 0 ? number : undefined;
  };
  const input = count('inputTokens');
  const output = count('outputTokens');
  const total = count('totalTokens');
  if (input === undefined && output === undefined && total === undefined) return;
  const sum = (input ?? 0) + (output ?? 0);
  entry.tokens = {
    inputTokens: input ?? 0,
    outputTokens: output ?? 0,
    totalTokens: Math.max(total ?? 0, sum),
    contextTokens: total ?? sum,
  };
}

function readRoute(value: Fields, entry: ImportedEntry): void {
  const context = fields(value.deliveryContext);
  const origin = fields(value.origin);
  const channel = [value.lastChannel, value.lastProvider, context.channel, value.channel, value.surface]
    .concat([origin.provider, origin.surface])
    .map(each => normaliseChannel(textOf(each) ?? ''))
    .find(each => each !== '' && each !== 'none' && each !== 'unknown');
  if (channel === undefined) return;
  entry.channel = channel;
  const to = idOf(value.lastTo) ?? idOf(context.to);
  const accountId = slug(textOf(value.lastAccountId) ?? textOf(context.accountId) ?? '');
  const threadId = idOf(value.lastThreadId) ?? idOf(context.threadId);
  entry.route = {
    channel,
    ...(to === undefined ? {} : { to }),
    ...(accountId === '' ? {} : { accountId }),
    ...(threadId === undefined ? {} : { threadId }),
  };
}

function chatTypeOf(value: unknown): ChatType | undefined {
  switch (value) {
    case 'direct':
    case 'dm':
      return 'dm';
    case 'group':
    case 'thread':
    case 'channel':
      return value;
    case 'room':
      return 'channel';
  }
  return undefined;
}

function set<Name extends keyof ImportedSettings>(
  settings: ImportedSettings,
  name: Name,
  value: ImportedSettings[Name] | undefined,
): void {
  if (value !== undefined) settings[name] = value;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

function idOf(value: unknown): string | undefined {
  return typeof value === 'number' ? String(value) : textOf(value);
}

function fields(value: unknown): Fields {
  return isFields(value) ? value : {};
}
