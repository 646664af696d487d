/** The session record: the one small file that says which transcript a session key means now. */

import { contextTokens, isQuestion, messageTokens, summaryMessage } from '../context/history.ts';
import type { ChatType, Message } from '../routing/message.ts';
import { isInternalChannel } from '../routing/slug.ts';
import { type NativeSession, nativeAfter, nativeGivenUp } from '../runner/native.ts';
import {
  type Entry,
  isAssistantEntry,
  isCommandEntry,
  isCompactEntry,
  isMemoryFlushEntry,
  isNativeCompactEntry,
  isResumedEntry,
  isTurnEndEntry,
  isUserEntry,
  type MemoryFlushEntry,
  type Usage,
} from './transcript.ts';

/** Where a message came from; a reply goes back there. */
export type Origin = Pick<
  Message,
  | 'channel'
  | 'accountId'
  | 'chatType'
  | 'from'
  | 'fromName'
  | 'groupId'
  | 'groupName'
  | 'guildId'
  | 'teamId'
  | 'parentId'
  | 'threadId'
  | 'surface'
  | 'to'
>;

/** Tokens of the session: sums over its turns, and the size of the newest context. */
export interface TokenCounts {
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  contextTokens?: number;
  /** true where claw estimated because the runner did not report */
  estimated?: boolean;
}

/** How full the context is: of everything since the newest compaction, whatever limits of history send of it. */
export interface ContextCount {
  /** estimated size with summary, what was kept, and what stands around each message */
  tokens: number;
  /** what the runner itself counted for its last turn, and `tokens` behind that turn */
  reported?: { tokens: number; at: number };
  /** turns that are sent verbatim */
  turns: number;
  /** compactions of this transcript */
  compactions: number;
  /** offset behind the line of the newest one */
  compactedAt?: number;
  /** the newest saving of memory, and how many compactions there had been: it happens once between two */
  flush?: Pick<MemoryFlushEntry, 'result' | 'tokens' | 'threshold'> & { at: number; compactions: number };
  /** `tokens` when it was last said that the context is full and was not compacted */
  uncompacted?: number;
}

/** Why and when a session began anew, or went on in an earlier transcript. `previousSessionId` is the archived one. */
export interface ResetInfo {
  reason: 'daily' | 'idle' | 'size' | 'user' | 'missing' | 'operator' | 'resume' | 'cron';
  /** epoch ms */
  at: number;
  previousSessionId: string;
}

/** All times are epoch ms by claw's clock. */
export interface SessionRecord {
  version: 1;
  key: string;
  agentId: string;
  sessionId: string;
  /** when the key was first seen */
  createdAt: number;
  /** when this session id began */
  startedAt: number;
  /** last message of a real user; absent until there is one */
  lastUserAt?: number;
  updatedAt: number;
  /** transcript bytes whose effects this record already holds; what lies beyond is redone after a crash */
  bytes: number;
  chatType: ChatType;
  channel: string;
  lastRoute?: Origin;
  tokens?: TokenCounts;
  /** absent: made before claw counted, or by another tool; then it is counted when it is needed */
  context?: ContextCount;
  /** model of the last turn */
  model?: string;
  /** user and assistant messages in this transcript */
  messageCount: number;
  previousSessionId?: string;
  /** key of the session whose turn began this sub-agent's */
  spawnedBy?: string;
  /** a reset the user has not been told of yet */
  untoldReset?: ResetInfo;
  /** the session that the agent's program keeps of this conversation */
  native?: NativeSession;
}

/**
 * The record after one more transcript line. The same reduction serves a running turn and the redo after a crash,
 * so a record is always what its transcript says up to `bytes`.
 *
 * @param end offset behind the line
 */
export function reduceRecord(record: SessionRecord, entry: Entry, end: number): SessionRecord {
  const next: SessionRecord = { ...record, bytes: end };
  const context = reduceContext(record.context, entry, end);
  if (context) next.context = context;
  if (isUserEntry(entry)) {
    next.messageCount++;
    // A heartbeat does not show a session as used.
    if (entry.job?.kind === 'heartbeat') return next;
    next.updatedAt = Math.max(next.updatedAt, entry.timestamp);
    // Chatter that is kept as context, and what another session wrote, are no message of a real user.
    if (entry.recorded || entry.hops || entry.sentFrom || entry.job) return next;
    next.lastUserAt = Math.max(next.lastUserAt ?? 0, entry.timestamp);
    // From inside nothing leads back out: the place where somebody really wrote stays known (openclaw#55271).
    const before = record.lastRoute;
    const staysKnown =
      before && isInternalChannel(entry.origin.channel) && !isInternalChannel(before.channel);
    next.lastRoute = staysKnown ? before : named(entry.origin, before);
  } else if (isAssistantEntry(entry)) {
    next.messageCount++;
    // Neither as used, nor as one of the model that heartbeats have.
    if (entry.job === 'heartbeat') return next;
    next.updatedAt = Math.max(next.updatedAt, entry.timestamp);
    if (entry.model) next.model = entry.model;
  } else if (isTurnEndEntry(entry)) {
    const { status, usage, unasked } = entry;
    // What ran beside the conversation is no size of it.
    const isAside = entry.native?.how === 'aside';
    if (usage) next.tokens = isAside ? addCost(record.tokens, usage) : addUsage(record.tokens, usage);
    const native = nativeAfter(record.native, status, entry.native);
    if (native) next.native = native;
    else delete next.native;
    if (!unasked && (status === 'replied' || status === 'silent')) delete next.untoldReset;
  } else if (isCommandEntry(entry)) {
    next.updatedAt = Math.max(next.updatedAt, entry.timestamp);
    delete next.untoldReset;
  } else if (isCompactEntry(entry) || isNativeCompactEntry(entry) || isMemoryFlushEntry(entry)) {
    if (entry.usage) next.tokens = addCost(record.tokens, entry.usage);
    if (!isCompactEntry(entry) && entry.native) {
      // Where only the note could not be written, the run had ended well: its id is there, and what it counted counts.
      const isFailed =
        isMemoryFlushEntry(entry) && entry.result === 'failed' && entry.native.id === undefined;
      const native = nativeAfter(record.native, isFailed ? 'failed' : 'replied', entry.native);
      if (native) next.native = native;
      else delete next.native;
    }
    if (isCompactEntry(entry) && entry.reseeds && record.native)
      next.native = nativeGivenUp(record.native, entry.reason);
    // What a listing shows is what would be sent now.
    if (!isMemoryFlushEntry(entry) && next.tokens && Number.isFinite(entry.tokensAfter))
      next.tokens = {
        ...next.tokens,
        contextTokens: entry.tokensAfter!,
        ...(isCompactEntry(entry) ? { estimated: true } : {}),
      };
  } else if (isResumedEntry(entry)) {
    // A person asked for this conversation again: as good as a message, or the next one would find it stale.
    const { timestamp: at, previousSessionId } = entry;
    next.lastUserAt = Math.max(next.lastUserAt ?? 0, at);
    next.updatedAt = Math.max(next.updatedAt, at);
    delete next.untoldReset;
    if (previousSessionId !== undefined) {
      next.previousSessionId = previousSessionId;
      next.untoldReset = { reason: 'resume', at, previousSessionId };
    }
  }
  return next;
}

/** No count of compactions: what was saved belongs to a context that is gone. */
const NO_CYCLE = -1;

function reduceContext(
  before: ContextCount | undefined,
  entry: Entry,
  end: number,
): ContextCount | undefined {
  if (entry.type === 'session') return { tokens: 0, turns: 0, compactions: 0 };
  if (before === undefined) return undefined;
  if (isCompactEntry(entry)) {
    const { flush, compactions } = before;
    return {
      tokens: Number(entry.tokensAfter) || messageTokens(summaryMessage(entry)?.content ?? ''),
      turns: Number(entry.turnsKept) || 0,
      compactions: compactions + 1,
      compactedAt: end,
      ...(flush ? { flush } : {}),
    };
  }
  if (isNativeCompactEntry(entry)) {
    const { reported: _, ...rest } = before;
    const { tokensAfter } = entry;
    const size = Number.isFinite(tokensAfter)
      ? { reported: { tokens: tokensAfter!, at: before.tokens } }
      : {};
    return { ...rest, ...size, compactions: before.compactions + 1 };
  }
  if (isMemoryFlushEntry(entry)) {
    const { result, tokens, threshold, timestamp: at } = entry;
    return { ...before, flush: { at, result, tokens, threshold, compactions: before.compactions } };
  }
  if (isTurnEndEntry(entry)) {
    if (entry.native?.how === 'aside') return before;
    const { usage, uncompacted } = entry;
    const { reported: _, ...rest } = before;
    const tokens =
      usage && !usage.estimated ? (usage.contextTokens ?? usage.inputTokens + usage.outputTokens) : null;
    const { flush } = before;
    // Where the agent's program has compacted its own session, said or unsaid, memory is saved again when that fills up.
    const isNewCycle = entry.native && tokens !== null && flush && tokens < flush.tokens / 2;
    return {
      ...rest,
      ...(isNewCycle ? { flush: { ...flush, compactions: NO_CYCLE } } : {}),
      ...(tokens === null ? {} : { reported: { tokens, at: before.tokens } }),
      ...(uncompacted ? { uncompacted: uncompacted.tokens } : {}),
    };
  }
  const tokens = contextTokens(entry);
  if (tokens === 0) return before;
  return { ...before, tokens: before.tokens + tokens, turns: before.turns + (isQuestion(entry) ? 1 : 0) };
}

/** An origin with the names an earlier message of the same group, or of the same person, gave; not every message tells them. */
function named(origin: Origin, before: Origin | undefined): Origin {
  const { channel, groupId, from } = origin;
  if (before?.channel !== channel || before.accountId !== origin.accountId) return origin;
  const isSameGroup =
    groupId !== undefined && before.groupId === groupId && before.chatType === origin.chatType;
  const isSamePerson = from !== undefined && before.from === from;
  return {
    ...origin,
    ...(isSameGroup && !origin.groupName && before.groupName ? { groupName: before.groupName } : {}),
    ...(isSamePerson && !origin.fromName && before.fromName ? { fromName: before.fromName } : {}),
  };
}

function addUsage(tokens: TokenCounts | undefined, usage: Usage): TokenCounts {
  // A line may have been written by others, or by hand.
  const count = (value: unknown) => (Number.isFinite(value) ? (value as number) : 0);
  const [inputTokens, outputTokens] = [count(usage.inputTokens), count(usage.outputTokens)];
  return {
    inputTokens: count(tokens?.inputTokens) + inputTokens,
    outputTokens: count(tokens?.outputTokens) + outputTokens,
    totalTokens: count(tokens?.totalTokens) + count(usage.totalTokens),
    contextTokens: Number.isFinite(usage.contextTokens) ? usage.contextTokens! : inputTokens + outputTokens,
    ...(usage.estimated || tokens?.estimated ? { estimated: true } : {}),
  };
}

/** What was spent beside the conversation: in the sums, and no size of its context. */
function addCost(tokens: TokenCounts | undefined, usage: Usage): TokenCounts {
  const size = tokens?.contextTokens;
  const { contextTokens: _, ...sums } = addUsage(tokens, usage);
  return { ...sums, ...(size === undefined ? {} : { contextTokens: size }) };
}
