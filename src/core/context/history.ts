/** Which earlier messages of a session a stateless agent is given: the newest that fit. */
import type { ConfigInput } from '../../config/schema.ts';
import { agentCompaction, agentEntry, runnerName } from '../agent.ts';
import { accountConfig, defaultAccount } from '../routing/channel.ts';
import type { ChatType } from '../routing/message.ts';
import { type KeyParts, parseKey, splitKey } from '../routing/session-key.ts';
import { MAIN_AGENT } from '../routing/slug.ts';
import { PRESET_CONTEXT_TOKENS, presetOf } from '../runner/preset.ts';
import { type CompactEntry, type Entry, isCompactEntry, isSpoken } from '../session/transcript.ts';
import type { HistoryMessage } from '../turn-request.ts';

export interface HistoryLimits {
  /** user turns */
  turns: number;
  /** group messages that were not answered, between two that were */
  chatter: number;
  messages: number;
  /** of the texts alone */
  tokens: number;
  /** tokens of the texts and of what stands around each; absent: no limit */
  room?: number;
}

const CONTEXT_TOKENS = 200_000;
const TURNS = 50;
const CHATTER = 50;

/** Kept free for system prompt, tools and the answer where the config says nothing, in tokens, and most of a window. */
const RESERVE = 20_000;
const RESERVE_SHARE = 0.25;
/** Room beside the longest answer, in tokens. */
const BUFFER = 8000;
/** Whatever is asked for, some of the window is left for the conversation. */
const MOST_RESERVED = 0.9;

/** What stands around a message in a prompt (who, when), in tokens. */
const AROUND = 17;

/** Size of an agent's context window in tokens, and who says so: the agent, its runner, all agents, or the runner's preset. */
export function contextWindowOf(
  config: ConfigInput,
  agentId: string,
): { value: number; source: 'agent' | 'runner' | 'agents.defaults' | 'preset' | 'default' } {
  const ofAgent = agentEntry(config, agentId)?.contextTokens;
  if (ofAgent !== undefined) return { value: ofAgent, source: 'agent' };
  const name = runnerName(config, agentId);
  const runner = Object.hasOwn(config.runners ?? {}, name) ? config.runners![name] : undefined;
  if (runner?.contextTokens !== undefined) return { value: runner.contextTokens, source: 'runner' };
  const ofAll = config.agents?.defaults?.contextTokens;
  if (ofAll !== undefined) return { value: ofAll, source: 'agents.defaults' };
  const preset = presetOf(name, runner);
  const ofPreset = preset && PRESET_CONTEXT_TOKENS[preset];
  return ofPreset ? { value: ofPreset, source: 'preset' } : { value: CONTEXT_TOKENS, source: 'default' };
}

/** Size of an agent's context window in tokens. */
export function contextWindow(config: ConfigInput, agentId: string): number {
  return contextWindowOf(config, agentId).value;
}

/**
 * Part of an agent's window that history and message leave free, in tokens: for system prompt, tools and answer.
 * `compaction.reserveTokensFloor` is the least of it, `modelMaxOutputTokens` and a buffer raise it.
 */
export function contextReserve(config: ConfigInput, agentId: string): number {
  const window = contextWindow(config, agentId);
  const { reserveTokensFloor, modelMaxOutputTokens } = agentCompaction(config, agentId);
  const floor = reserveTokensFloor ?? Math.min(RESERVE, window * RESERVE_SHARE);
  const answer =
    modelMaxOutputTokens === undefined ? 0 : modelMaxOutputTokens + Math.min(BUFFER, window * 0.1);
  return Math.floor(Math.min(raisedReserve(answer, floor), window * MOST_RESERVED));
}

/** A reserve is raised to its floor, never lowered to it. */
export function raisedReserve(reserve: number, floor: number): number {
  return Math.max(reserve, floor);
}

/** Most that is sent of a conversation, its newest message included: window minus reserve, in tokens. */
export function contextBudget(config: ConfigInput, agentId: string): number {
  return contextWindow(config, agentId) - contextReserve(config, agentId);
}

/** Kinds of ASCII characters, of which tokens do not mix two: a capital and what follows it are of one. */
const SPACE = 0;
const SMALL = 1;
const CAPITAL = 2;
const DIGIT = 3;
const SIGN = 4;
const OTHER = 5;
const KINDS = Uint8Array.from({ length: 128 }, (_, code) => {
  if (code >= 97 && code <= 122) return SMALL;
  if (code >= 65 && code <= 90) return CAPITAL;
  if (code >= 48 && code <= 57) return DIGIT;
  return [9, 10, 13, 32].includes(code) ? SPACE : SIGN;
});
/** Most characters of a kind in one token, as vocabularies of today have them. */
const LONGEST = [8, 8, 4, 3, 2];

/**
 * An estimate, and marked as one wherever it is shown: the larger of two. Four ASCII characters a token, the usual rule of
 * thumb, which falls short of numbers, ids and logs by up to four times; and the pieces that such a text is cut into. Two
 * characters a token in other alphabets, one in Chinese, Japanese, Korean and of half an emoji. A test holds it against a
 * real tokenizer, which takes 100 ms and more to load: too much for every message.
 */
export function estimateTokens(text: string): number {
  // In quarters of a token.
  let characters = 0;
  let pieces = 0;
  let kind = OTHER;
  let run = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) {
      const size = code < 0x2e80 ? 2 : 4;
      characters += size;
      pieces += size;
      kind = OTHER;
      continue;
    }
    characters++;
    const next = KINDS[code]!;
    run = next === kind || (next === SMALL && kind === CAPITAL && run === 1) ? run + 1 : 1;
    kind = next;
    // A line of dots or dashes is few tokens.
    if (kind === SIGN && code === text.charCodeAt(at - 1)) run = 1;
    else if (kind === SPACE) {
      // One blank belongs to the word behind it.
      if (run === 2) pieces += 4;
      else if (run === 1 && code !== 32) pieces += 2;
    } else if ((run - 1) % LONGEST[kind]! === 0) pieces += 4;
  }
  return Math.ceil(Math.max(characters, pieces) / 4);
}

/** Size of a message in a prompt, with what stands around it. */
export function messageTokens(content: string): number {
  return estimateTokens(content) + AROUND;
}

/** What an entry adds to the context an agent is given; 0 where it is not in it. */
export function contextTokens(entry: Entry): number {
  const message = historyMessage(entry, true);
  return message === null ? 0 : messageTokens(message.content);
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
 *
 * @param incoming size of the message that is to be answered, which needs its room too, in tokens
 */
export function historyLimits(config: ConfigInput, chat: HistoryChat, incoming = 0): HistoryLimits {
  const { session } = config;
  // A thread does not say what it hangs from; its key does.
  const mayBeDm = chat.chatType === 'dm' || (chat.chatType === 'thread' && chat.sessionKey !== undefined);
  const ofChat = mayBeDm ? dmHistoryLimit(config, chat) : undefined;
  const turns = ofChat ?? session?.dmHistoryLimit ?? TURNS;
  const budget = contextBudget(config, chat.agentId) - incoming;
  return {
    turns: turns > 0 ? turns : Number.POSITIVE_INFINITY,
    chatter: chatterLimit(config, chat),
    messages: session?.maxMessages ?? Number.POSITIVE_INFINITY,
    tokens: Math.min(session?.maxTokens ?? Number.POSITIVE_INFINITY, Math.max(0, budget)),
    room: Math.max(0, budget),
  };
}

/** Most lines of chatter that are passed over. A group may talk for weeks before it asks; what lies behind is not sought. */
const LONGEST_PASS = 2000;

/**
 * Entries that are still sent verbatim, newest first: those behind the newest compaction, and those before it that it
 * kept. Of an older compaction among them nothing counts any more. Reads no further than that.
 *
 * @param found called with the newest compaction, when it is met
 */
export function* sinceCompaction(
  newestFirst: Iterable<Entry>,
  found: (compact: CompactEntry) => void = () => undefined,
): Generator<Entry> {
  let compact: CompactEntry | null = null;
  for (const entry of newestFirst) {
    if (compact === null && isCompactEntry(entry)) {
      compact = entry;
      found(entry);
      if (compact.keptFrom === undefined) return;
      continue;
    }
    yield entry;
    if (compact !== null && isFirstKept(entry, compact)) return;
  }
}

/** A message id may come again; not at the same time. */
function isFirstKept(entry: Entry, { keptFrom, keptFromAt }: CompactEntry): boolean {
  const { timestamp } = entry as { timestamp?: unknown };
  return nameOf(entry) === keptFrom && (keptFromAt === undefined || timestamp === keptFromAt);
}

/** What `keptFrom` names an entry by; undefined where it has no name. */
export function nameOf(entry: Entry): string | undefined {
  const { id, runId } = entry as { id?: unknown; runId?: unknown };
  if (typeof id === 'string') return id;
  return typeof runId === 'string' ? runId : undefined;
}

/** What a compaction left of the conversation before it, as the oldest message; null where it left nothing. */
export function summaryMessage({ summary, timestamp }: CompactEntry): HistoryMessage | null {
  if (summary === undefined || summary.trim() === '') return null;
  const until = new Date(timestamp).toISOString();
  return {
    role: 'user',
    content: `[Summary of this conversation before the messages that follow, made ${until}:]\n${summary}`,
    timestamp,
    isSummary: true,
  };
}

/**
 * Picks history from entries given newest first, and stops asking for more as soon as a limit is reached, so the cost
 * follows what is sent, not what is stored. Of the chatter between two answered messages only the newest
 * `limits.chatter` is taken. What was compacted comes along as its summary, whichever limit is reached before it.
 *
 * @param compact the newest compaction, where it is known: its summary has its room before anything else
 * @param isOwn an entry of the turn itself: it is passed over here, and no sooner, for a compaction may keep nothing before it
 * @returns oldest first
 */
export function selectHistory(
  newestFirst: Iterable<Entry>,
  limits: HistoryLimits,
  group: boolean,
  compact: CompactEntry | null = null,
  isOwn: (entry: Entry) => boolean = () => false,
): HistoryMessage[] {
  const chosen: HistoryMessage[] = [];
  let turns = 0;
  let summary = compact && summaryMessage(compact);
  let tokens = 0;
  let room = limits.room ?? Number.POSITIVE_INFINITY;
  let chatter = 0;
  let passed = 0;
  if (limits.turns <= 0) return [];
  const take = ({ content }: HistoryMessage) => {
    tokens += estimateTokens(content);
    room -= messageTokens(content);
  };
  const met = (found: CompactEntry) => {
    if (compact === null) summary = summaryMessage(found);
    if (compact === null && summary) take(summary);
  };
  if (summary && messageTokens(summary.content) > room) summary = null;
  if (summary) take(summary);
  for (const entry of sinceCompaction(newestFirst, met)) {
    const message = historyMessage(entry, group);
    if (!message || isOwn(entry)) continue;
    const recorded = message.role === 'user' && (entry as { recorded?: true }).recorded === true;
    chatter = recorded ? chatter + 1 : 0;
    if (chatter > limits.chatter) {
      if (++passed > LONGEST_PASS) break;
      continue;
    }
    take(message);
    if (chosen.length >= limits.messages || tokens > limits.tokens || room < 0) break;
    chosen.push(message);
    // A turn is kept from its question on: nothing older than the oldest question comes along.
    if (isQuestion(entry) && ++turns >= limits.turns) break;
  }
  return (summary ? [...chosen, summary] : chosen).reverse();
}

/** Does a turn begin with this entry: did somebody ask something that is to be answered? */
export function isQuestion(entry: Entry): boolean {
  if (!isSpoken(entry) || entry.message.role !== 'user' || entry.recorded === true) return false;
  return (entry as { job?: { kind?: unknown } }).job?.kind !== 'heartbeat' && !('dropped' in entry);
}

/** An entry as an agent is given it; null where it is in no context. */
export function historyMessage(entry: Entry, group: boolean): HistoryMessage | null {
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
