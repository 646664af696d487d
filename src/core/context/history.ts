/** Which earlier messages of a session a stateless agent is given: the newest that fit. */
import type { ConfigInput } from '../../config/schema.ts';
import { agentEntry } from '../agent.ts';
import type { ChatType } from '../routing/message.ts';
import { type Entry, isSpoken } from '../session/transcript.ts';
import type { HistoryMessage } from '../turn-request.ts';

export interface HistoryLimits {
  /** user turns */
  turns: number;
  messages: number;
  tokens: number;
}

const CONTEXT_TOKENS = 200_000;

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

/** Limits for one chat: `dmHistoryLimit` (per channel) turns, `maxMessages`, `maxTokens` and the window minus reserve. */
export function historyLimits(
  config: ConfigInput,
  chat: { channel: string; chatType: ChatType; agentId: string },
): HistoryLimits {
  const { session } = config;
  const perChannel = session?.dmHistoryLimitByChannel?.[chat.channel];
  const turns =
    chat.chatType === 'dm' ? (perChannel ?? session?.dmHistoryLimit ?? 50) : (session?.dmHistoryLimit ?? 50);
  const window = contextWindow(config, chat.agentId);
  return {
    turns,
    messages: session?.maxMessages ?? Number.POSITIVE_INFINITY,
    tokens: Math.min(session?.maxTokens ?? Number.POSITIVE_INFINITY, Math.floor(window * (1 - RESERVE))),
  };
}

/**
 * Picks history from entries given newest first, and stops asking for more as soon as a limit is reached, so the cost
 * follows what is sent, not what is stored.
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
  if (limits.turns <= 0) return [];
  for (const entry of newestFirst) {
    const message = historyMessage(entry, group);
    if (!message) continue;
    tokens += estimateTokens(message.content);
    if (chosen.length >= limits.messages || tokens > limits.tokens) break;
    chosen.push(message);
    // A turn is kept from its question on: nothing older than the oldest question comes along.
    if (message.role === 'user' && !(entry as { recorded?: true }).recorded && ++turns >= limits.turns) break;
  }
  return chosen.reverse();
}

function historyMessage(entry: Entry, group: boolean): HistoryMessage | null {
  if (!isSpoken(entry)) return null;
  const { message, timestamp, origin } = entry;
  const name = group && message.role === 'user' ? origin?.fromName || origin?.from : undefined;
  return { role: message.role, content: name ? `${name}: ${message.content}` : message.content, timestamp };
}
