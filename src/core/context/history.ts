/** Which earlier messages of a session a stateless agent is given: the newest that fit. */
import type { ConfigInput } from '../../config/schema.ts';
import { agentEntry } from '../agent.ts';
import { accountConfig, defaultAccount } from '../routing/channel.ts';
import type { ChatType } from '../routing/message.ts';
import { type KeyParts, parseKey, splitKey } from '../routing/session-key.ts';
import { MAIN_AGENT } from '../routing/slug.ts';
import { type Entry, isSpoken } from '../session/transcript.ts';
import type { HistoryMessage } from '../turn-request.ts';

export interface HistoryLimits {
  /** user turns */
  turns: number;
  /** group messages that were not answered, between two that were */
  chatter: number;
  messages: number;
  tokens: number;
}

const CONTEXT_TOKENS = 200_000;
const TURNS = 50;
const CHATTER = 50;

/** Share of the window kept free for system prompt, tools and the answer. */
const RESERVE = 0.25;

/** Size of an agent's context window in tokens. */
export function contextWindow(config: ConfigInput, agentId: string): number {
  return (
    agentEntry(config, agentId)?.contextTokens ?? config.agents?.defaults?.contextTokens ?? CONTEXT_TOKENS
  );
}

/** Roughly four characters a token: the usual rule of thumb; marked as an estimate wherever it is shown. */
export function estimateTokens(text: string): number {
  return Math.ceil(text.length / 4);
}

/** The chat that history is picked for. */
export interface HistoryChat {
  agentId: string;
  channel: string;
  chatType: ChatType;
  accountId?: string | undefined;
  /** the person who wrote the message that is answered */
  from?: string | undefined;
  sessionKey?: string | undefined;
}

/** Keys of a channel or account that limit history; 0 turns means no limit. */
interface ChannelLimits {
  dmHistoryLimit?: number | undefined;
  dms?: Record<string, { historyLimit?: number | undefined }> | undefined;
  /** group messages kept as context */
  historyLimit?: number | undefined;
}

function channelLimits(config: ConfigInput, channel: string, accountId: string): ChannelLimits {
  return accountConfig(config.channels, channel, accountId) as ChannelLimits;
}

/**
 * The limit of turns that the config sets for a private chat: for the person (`channels.<id>.dms.<peer>.historyLimit`),
 * the channel (`channels.<id>.dmHistoryLimit`, then `session.dmHistoryLimitByChannel`), undefined where neither is said.
 * The key says who and where, in any of its forms; what it leaves open, as that of the shared main session does, is
 * taken from the message. 0 means no limit.
 */
export function dmHistoryLimit(
  config: ConfigInput,
  chat: Partial<Pick<HistoryChat, 'channel' | 'accountId' | 'from' | 'sessionKey'>>,
): number | undefined {
  const { sessionKey, from } = chat;
  const key = sessionKey === undefined ? null : readKey(sessionKey, config);
  if (key !== null && !['main', 'global', 'dm', 'other'].includes(key.chat.kind)) return undefined;
  const dm = key?.chat.kind === 'dm' ? key.chat : undefined;
  const channel = dm?.channel ?? chat.channel;
  if (channel === undefined) return undefined;
  const accountId = dm?.accountId ?? chat.accountId ?? defaultAccount(config.channels, channel);
  const limits = channelLimits(config, channel, accountId);
  // A thread may be named with its person, and an id may look like one.
  const threads = key?.threads.map(({ kind, id }) => `:${kind}:${id}`).join('') ?? '';
  const people = [dm && threads !== '' ? dm.peer + threads : undefined, dm?.peer, from];
  for (const id of people) {
    const limit = id === undefined ? undefined : entryOf(limits.dms, id)?.historyLimit;
    if (limit !== undefined) return limit;
  }
  return limits.dmHistoryLimit ?? entryOf(config.session?.dmHistoryLimitByChannel, channel);
}

function readKey(sessionKey: string, config: ConfigInput): KeyParts | null {
  const key = splitKey(sessionKey) === null ? `agent:${MAIN_AGENT}:${sessionKey}` : sessionKey;
  return parseKey(key, config.session);
}

/** An id is compared byte for byte first; where nobody has it, case aside: people write addresses as they like. */
function entryOf<T>(people: Record<string, T> | undefined, id: string): T | undefined {
  if (people === undefined) return undefined;
  if (Object.hasOwn(people, id)) return people[id];
  const name = Object.keys(people).find(candidate => candidate.toLowerCase() === id.toLowerCase());
  return name === undefined ? undefined : people[name];
}

/** How many unanswered group messages are context: of the channel, else `messages.groupChat.historyLimit`, else 50. */
export function chatterLimit(config: ConfigInput, chat: Pick<HistoryChat, 'channel' | 'accountId'>): number {
  const accountId = chat.accountId ?? defaultAccount(config.channels, chat.channel);
  const ofAll = config.messages?.groupChat as { historyLimit?: number | undefined } | undefined;
  return channelLimits(config, chat.channel, accountId).historyLimit ?? ofAll?.historyLimit ?? CHATTER;
}

/**
 * Limits for one chat: turns (see `dmHistoryLimit`; else `session.dmHistoryLimit`, else 50), chatter, `maxMessages`,
 * `maxTokens` and the window minus reserve.
 */
export function historyLimits(config: ConfigInput, chat: HistoryChat): HistoryLimits {
  const { session } = config;
  // A thread does not say what it hangs from; its key does.
  const mayBeDm = chat.chatType === 'dm' || (chat.chatType === 'thread' && chat.sessionKey !== undefined);
  const ofChat = mayBeDm ? dmHistoryLimit(config, chat) : undefined;
  const turns = ofChat ?? session?.dmHistoryLimit ?? TURNS;
  const window = contextWindow(config, chat.agentId);
  return {
    turns: turns > 0 ? turns : Number.POSITIVE_INFINITY,
    chatter: chatterLimit(config, chat),
    messages: session?.maxMessages ?? Number.POSITIVE_INFINITY,
    tokens: Math.min(session?.maxTokens ?? Number.POSITIVE_INFINITY, Math.floor(window * (1 - RESERVE))),
  };
}

/** Most lines of chatter that are passed over. A group may talk for weeks before it asks; what lies behind is not sought. */
const LONGEST_PASS = 2000;

/**
 * Picks history from entries given newest first, and stops asking for more as soon as a limit is reached, so the cost
 * follows what is sent, not what is stored. Of the chatter between two answered messages only the newest
 * `limits.chatter` is taken.
 *
 * @returns oldest first
 */
export function selectHistory(
  newestFirst: Iterable<Entry>,
  limits: HistoryLimits,
  group: boolean,
): HistoryMessage[] {
  const chosen: HistoryMessage[] = [];
  let turns = 0;
  let tokens = 0;
  let chatter = 0;
  let passed = 0;
  if (limits.turns <= 0) return [];
  for (const entry of newestFirst) {
    const message = historyMessage(entry, group);
    if (!message) continue;
    const recorded = message.role === 'user' && (entry as { recorded?: true }).recorded === true;
    chatter = recorded ? chatter + 1 : 0;
    if (chatter > limits.chatter) {
      if (++passed > LONGEST_PASS) break;
      continue;
    }
    tokens += estimateTokens(message.content);
    if (chosen.length >= limits.messages || tokens > limits.tokens) break;
    chosen.push(message);
    // A turn is kept from its question on: nothing older than the oldest question comes along.
    const isQuestion = message.role === 'user' && !recorded && entry.type !== 'system_event';
    if (isQuestion && ++turns >= limits.turns) break;
  }
  return chosen.reverse();
}

function historyMessage(entry: Entry, group: boolean): HistoryMessage | null {
  // What a session was told of stays known to it, marked as what it was.
  if (entry.type === 'system_event' && typeof entry.text === 'string') {
    return { role: 'user', content: `System: ${entry.text}`, timestamp: Number(entry.timestamp) || 0 };
  }
  // What a heartbeat asks is nobody's word in the conversation; what it had to tell is.
  if ((entry as { job?: { kind?: unknown } }).job?.kind === 'heartbeat') return null;
  // Left out because too many waited: left out here too.
  if (!isSpoken(entry) || 'dropped' in entry) return null;
  const { message, timestamp, origin } = entry;
  const name = group && message.role === 'user' ? origin?.fromName || origin?.from : undefined;
  return { role: message.role, content: name ? `${name}: ${message.content}` : message.content, timestamp };
}
