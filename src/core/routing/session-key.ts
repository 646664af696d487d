/**
 * Session keys: `agent:<agentId>:<rest>`, the one place that builds, reads and corrects them.
 *
 *     <mainKey>                           every DM under dmScope main
 *     dm:<peer>                           DM, per-peer; and a linked person in every scope but main
 *     <channel>:dm:<peer>                 DM, per-channel-peer
 *     <channel>:<account>:dm:<peer>       DM, per-account-channel-peer
 *     <channel>:group:<id>  <channel>:channel:<id>
 *     …:topic:<id>  …:thread:<id>         a forum topic, a thread of any of the above
 *     cron:<jobId>  subagent:<uuid>  global
 *
 * Structural parts are lower case; ids keep their bytes, colons included, because folding them merges people
 * (openclaw#75670). Keys are read from the left. Only where an id itself spells a thread mark (`a:thread:b`) is the
 * colon before the word written `%3A`: else such an id would be in the session of another chat's thread.
 */
import { MAIN_AGENT, normaliseChannel, slug } from './slug.ts';

export type DmScope = 'main' | 'per-peer' | 'per-channel-peer' | 'per-account-channel-peer';

/** The settings under `session` in the config that decide about keys. */
export interface KeyScope {
  scope?: 'per-sender' | 'global' | undefined;
  dmScope?: DmScope | undefined;
  mainKey?: string | undefined;
}

/** What a key stands for, threads aside. `rest` of `other` is the text as it is. */
export type KeyChat =
  | { kind: 'main' }
  | { kind: 'global' }
  | { kind: 'dm'; peer: string; channel?: string; accountId?: string }
  | { kind: 'group' | 'channel'; channel: string; id: string }
  | { kind: 'cron'; jobId: string }
  | { kind: 'subagent'; id: string }
  | { kind: 'other'; rest: string };

export interface KeyThread {
  kind: 'topic' | 'thread';
  id: string;
}

/** A key taken apart. `threads` goes from the outside in: a thread inside a topic has two. */
export interface KeyParts {
  agentId: string;
  chat: KeyChat;
  threads: KeyThread[];
}

/** Where a message was said, in the words of keys. `person` is the name of an identity link that matched. */
export interface Conversation {
  kind: 'dm' | 'group' | 'channel';
  channel: string;
  accountId: string;
  peerId?: string | undefined;
  person?: string | undefined;
  threadId?: string | undefined;
}

export type KeyKind = KeyChat['kind'] | 'thread';

/** Channels whose groups have forum topics; everywhere else the parts of a chat are threads. */
const FORUM_CHANNELS: ReadonlySet<string> = new Set(['telegram']);

const DEFAULT_MAIN_KEY = 'main';

/** The `mainKey` of the config as it stands in keys. */
function mainKeyOf(session: KeyScope): string {
  return slug(session.mainKey ?? '') || DEFAULT_MAIN_KEY;
}

/** The key of an agent's main session; under `scope: global` the one key of that agent. */
export function mainSessionKey(agentId: string, session: KeyScope = {}): string {
  return `agent:${agentId}:${session.scope === 'global' ? 'global' : mainKeyOf(session)}`;
}

/**
 * The key of the session a message belongs to. A DM without a peer is the main session in every scope: it comes from
 * the local user, or from a surface that has only one. Under dmScope main a thread id is not qualified by its chat,
 * since all DMs are one chat there. An unlinked peer under `per-peer` whose id equals the name of an identity link has
 * that link's key: with `per-peer` an id is believed to mean the same person on every channel.
 */
export function conversationKey(agentId: string, at: Conversation, session: KeyScope = {}): string {
  if (session.scope === 'global') return mainSessionKey(agentId, session);
  const threads: KeyThread[] = [];
  if (at.threadId !== undefined) {
    const forum = at.kind !== 'dm' && FORUM_CHANNELS.has(at.channel);
    threads.push({ kind: forum ? 'topic' : 'thread', id: at.threadId });
  }
  return buildKey({ agentId, chat: chatOfConversation(at, session.dmScope ?? 'main'), threads }, session);
}

function chatOfConversation(at: Conversation, dmScope: DmScope): KeyChat {
  const { channel, accountId } = at;
  if (at.kind !== 'dm') return { kind: at.kind, channel, id: at.peerId ?? '' };
  if (dmScope === 'main') return { kind: 'main' };
  if (at.person !== undefined) return { kind: 'dm', peer: at.person };
  if (at.peerId === undefined) return { kind: 'main' };
  const peer = at.peerId;
  if (dmScope === 'per-peer') return { kind: 'dm', peer };
  if (dmScope === 'per-channel-peer') return { kind: 'dm', channel, peer };
  return { kind: 'dm', channel, accountId, peer };
}

/** The key of the isolated session of a cron job. */
export function cronKey(agentId: string, jobId: string): string {
  return buildKey({ agentId, chat: { kind: 'cron', jobId }, threads: [] });
}

/** The key of a sub-agent's session. */
export function subagentKey(agentId: string, id: string): string {
  return buildKey({ agentId, chat: { kind: 'subagent', id }, threads: [] });
}

/** The key of a thread below a session; the key itself where the thread id is blank. */
export function threadKey(base: string, threadId: string, kind: KeyThread['kind'] = 'thread'): string {
  return threadId.trim() === '' ? base : `${base}:${kind}:${escapeId(threadId)}`;
}

/** The inverse of `parseKey`. Channel, account and agent id must be normalised, ids must not be empty. */
export function buildKey(parts: KeyParts, session: KeyScope = {}): string {
  const base = `agent:${parts.agentId}:${restOf(parts.chat, session)}`;
  return parts.threads.reduce((key, thread) => threadKey(key, thread.id, thread.kind), base);
}

function restOf(chat: KeyChat, session: KeyScope): string {
  switch (chat.kind) {
    case 'main':
      return mainKeyOf(session);
    case 'global':
      return 'global';
    case 'dm': {
      const head = [chat.channel, chat.accountId, 'dm'].filter(part => part !== undefined);
      return `${head.join(':')}:${escapeId(chat.peer)}`;
    }
    case 'group':
    case 'channel':
      return `${chat.channel}:${chat.kind}:${escapeId(chat.id)}`;
    case 'cron':
      return `cron:${chat.jobId}`;
    case 'subagent':
      return `subagent:${chat.id}`;
    case 'other':
      return chat.rest;
  }
}

/**
 * The agent and the rest of a key, or null when it is not an agent's key. The agent id becomes part of a path, so a
 * key whose agent id is not a slug (`agent:../x:main`) is none.
 */
export function splitKey(key: string): { agentId: string; rest: string } | null {
  const match = /^agent:([^:]+):(.+)$/is.exec(key);
  if (match === null) return null;
  const agentId = match[1]!.toLowerCase();
  return slug(agentId) === agentId ? { agentId, rest: match[2]! } : null;
}

/** A key taken apart from the left, or null when it is not an agent's key. Expects the canonical spelling. */
export function parseKey(key: string, session: KeyScope = {}): KeyParts | null {
  const split = splitKey(key);
  if (split === null) return null;
  return { agentId: split.agentId, ...parseRest(split.rest, mainKeyOf(session)) };
}

function parseRest(rest: string, mainKey: string): Omit<KeyParts, 'agentId'> {
  if (rest === mainKey) return { chat: { kind: 'main' }, threads: [] };
  if (rest.startsWith(`${mainKey}:`)) {
    const [id, threads] = splitThreads(rest.slice(mainKey.length));
    if (id === '') return { chat: { kind: 'main' }, threads };
  }
  if (rest === 'global') return { chat: { kind: 'global' }, threads: [] };

  const segments = rest.split(':');
  const [first = '', second = '', third = ''] = segments;
  const tail = (count: number) => splitThreads(segments.slice(count).join(':'));
  if (first === 'cron' && second !== '') {
    return { chat: { kind: 'cron', jobId: rest.slice('cron:'.length) }, threads: [] };
  }
  if (first === 'subagent' && second !== '') {
    return { chat: { kind: 'subagent', id: rest.slice('subagent:'.length) }, threads: [] };
  }
  if (first === 'dm') {
    const [peer, threads] = tail(1);
    if (peer !== '') return { chat: { kind: 'dm', peer }, threads };
  } else if (first !== '' && (second === 'dm' || second === 'group' || second === 'channel')) {
    const [id, threads] = tail(2);
    if (id !== '' && second === 'dm') return { chat: { kind: 'dm', channel: first, peer: id }, threads };
    if (id !== '' && second !== 'dm') return { chat: { kind: second, channel: first, id }, threads };
  } else if (first !== '' && second !== '' && third === 'dm') {
    const [peer, threads] = tail(3);
    if (peer !== '') return { chat: { kind: 'dm', channel: first, accountId: second, peer }, threads };
  }
  const [, threads, base] = splitThreads(rest);
  return { chat: { kind: 'other', rest: base }, threads };
}

/** What stands before the first thread mark (unescaped, and as it was), and the threads behind it. */
function splitThreads(text: string): [id: string, threads: KeyThread[], raw: string] {
  const [raw = '', ...pieces] = text.split(/:(thread|topic):(?=.)/s);
  const threads: KeyThread[] = [];
  for (let at = 0; at < pieces.length; at += 2) {
    threads.push({ kind: pieces[at] as KeyThread['kind'], id: unescapeId(pieces[at + 1] ?? '') });
  }
  return [unescapeId(raw), threads, raw];
}

// An escape raises a colon, written `:` `%3A` `%253A` …, by one level wherever it stands before a mark's word; the
// text between is untouched, so each id has one spelling and each spelling one id.
const BEFORE_MARK = /(?::|%(?:25)*3A)(?=(?:thread|topic)(?::|%(?:25)*3A|$))/g;
const ESCAPED = /%((?:25)*)3A(?=(?:thread|topic)(?::|%(?:25)*3A|$))/g;

function escapeId(id: string): string {
  return id.replace(BEFORE_MARK, colon => (colon === ':' ? '%3A' : `%25${colon.slice(1)}`));
}

function unescapeId(text: string): string {
  return text.replace(ESCAPED, (_, levels: string) => (levels === '' ? ':' : `%${levels.slice(2)}3A`));
}

/** What reading a key from a person or a file needs to know of the config. */
export interface KeyContext {
  /** agent of a key that names none */
  agentId: string;
  session?: KeyScope | undefined;
  /** whether an account (a slug) of a channel is configured */
  hasAccount?: ((channel: string, accountId: string) => boolean) | undefined;
}

/**
 * The one spelling of a key that a person typed or an older store held; null when it cannot be a key. Understood
 * besides keys: nothing or `main` (the main session), `group:<jid>`, `<jid>@g.us`, `<channel>:group:<id>`,
 * `cron:<jobId>`, `:direct:` for `:dm:`, and `<channel>:dm:<account>:<id>` where that account is configured. The last
 * is not read under dmScope `per-channel-peer`, where it is how a peer id with a colon is spelled. Keys that claw
 * built come back unchanged.
 */
export function canonicaliseKey(input: string, context: KeyContext): string | null {
  // Ids may end in a blank, so only what stands before the key is trimmed.
  const typed = input.trimStart();
  if (/[\u0000-\u001f\u007f]|\p{Surrogate}/u.test(typed)) return null;
  const split = splitKey(typed);
  if (split === null && /^agent:/i.test(typed)) return null;
  const { agentId, rest } = split ?? { agentId: context.agentId, rest: typed };
  const session = context.session ?? {};
  const parts = parseRest(canonicalRest(rest, context), mainKeyOf(session));
  if (parts.chat.kind === 'main' && session.scope === 'global') return mainSessionKey(agentId, session);
  return buildKey({ agentId, ...parts }, session);
}

function canonicalRest(rest: string, context: KeyContext): string {
  const session = context.session ?? {};
  const segments = rest.split(':');
  const [first = '', second = '', third = ''] = segments.slice(0, 3).map(part => part.trim().toLowerCase());
  const tail = (count: number) => segments.slice(count).join(':');

  const isMain = first === '' || first === DEFAULT_MAIN_KEY || first === mainKeyOf(session);
  if (isMain && (segments.length === 1 || segments[1] === 'thread' || segments[1] === 'topic')) {
    return [mainKeyOf(session), ...segments.slice(1)].join(':');
  }
  if (segments.length === 1) return isGroupJid(rest) ? `whatsapp:group:${rest}` : first;
  if (first === 'cron' || first === 'subagent') return `${first}:${tail(1)}`;
  if (first === 'dm' || first === 'direct') return `dm:${tail(1)}`;
  // Only WhatsApp groups were ever keyed without their channel.
  if (first === 'group') return `whatsapp:group:${tail(1)}`;
  if (first === 'whatsapp' && segments.length === 2 && isGroupJid(rest)) return `whatsapp:group:${tail(1)}`;
  if (second === 'group' || second === 'channel') return `${first}:${second}:${tail(2)}`;
  if (second === 'dm' || second === 'direct') {
    const account = slug(third);
    const hasAccount = segments.length > 3 && account !== '' && context.hasAccount?.(first, account) === true;
    if (hasAccount && session.dmScope !== 'per-channel-peer') return `${first}:${account}:dm:${tail(3)}`;
    return `${first}:dm:${tail(2)}`;
  }
  if ((third === 'dm' || third === 'direct') && slug(second) !== '' && segments.length > 3) {
    return `${first}:${slug(second)}:dm:${tail(3)}`;
  }
  return rest;
}

/** Whether an id is that of a WhatsApp group; such ids never belong to a person. */
export function isGroupJid(id: string): boolean {
  return id.endsWith('@g.us');
}

/** The kind of session behind a key (with or without its agent); a topic counts as a thread. */
export function kindOfKey(key: string, session: KeyScope = {}): KeyKind {
  const { chat, threads } = parseRest(splitKey(key)?.rest ?? key, mainKeyOf(session));
  return threads.length > 0 ? 'thread' : chat.kind;
}

/** The key of the chat (or topic) that a thread hangs from, null for what is no thread. */
export function threadParent(key: string, session: KeyScope = {}): string | null {
  const split = splitKey(key);
  const parts = { agentId: MAIN_AGENT, ...split, ...parseRest(split?.rest ?? key, mainKeyOf(session)) };
  if (parts.threads.length === 0) return null;
  const parent = buildKey({ ...parts, threads: parts.threads.slice(0, -1) }, session);
  return split === null ? parent.slice(`agent:${MAIN_AGENT}:`.length) : parent;
}

/** Whether a key is that of a sub-agent. */
export function isSubagent(key: string): boolean {
  return kindOfKey(key) === 'subagent';
}

/** What is known of a group's name: `room` of a `space` (a Discord channel of a guild), or a `name`, else its id. */
export interface GroupNames {
  channel: string;
  id: string;
  name?: string | undefined;
  room?: string | undefined;
  space?: string | undefined;
}

/**
 * A short name for listings: `discord:friends#general`, `whatsapp:g-family-chat`. Letters of every script stay; the
 * id stands in where nothing has a letter. Not unique, so never a key.
 */
export function groupDisplayName(group: GroupNames): string {
  const room = group.room?.trim().replace(/^#/, '');
  const known = room ? `${group.space?.trim() ?? ''}#${room}` : group.name?.trim() || group.space?.trim();
  const label = displayLabel(known ?? '') || displayLabel(group.id) || 'group';
  const prefix = /^(?:g-|@)|#/.test(label) ? '' : 'g-';
  return `${normaliseChannel(group.channel) || 'group'}:${prefix}${label}`;
}

/** A name may be as long as a message; a listing has room for less, and the last step below is slow on long runs. */
const LONGEST_LABEL = 100;

function displayLabel(text: string): string {
  return text
    .slice(0, LONGEST_LABEL)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}#@._+-]+/gu, '-')
    .replace(/-{2,}/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '');
}
