/**
 * When a context is compacted, what of it is kept, and in which pieces the rest is summarised. Sizes are tokens, as
 * estimated unless a runner counted them. The rules for pieces are those of a system of this kind
 * (openclaw `src/agents/compaction.ts`), as its conformance vectors have them.
 */
import type { ConfigInput } from '../../config/schema.ts';
import { agentCompaction } from '../agent.ts';
import { memorySettings } from '../memory/rule.ts';
import type { ContextCount } from '../session/session.ts';
import type { CompactEntry, Entry } from '../session/transcript.ts';
import type { HistoryMessage } from '../turn-request.ts';
import {
  contextBudget,
  contextWindow,
  historyMessage,
  isQuestion,
  messageTokens,
  nameOf,
  sinceCompaction,
  summaryMessage,
} from './history.ts';

const KEEP_TURNS = 10;
const SUMMARY_TOKENS = 4000;
const FLUSH_BEFORE = 4000;
/** Of the window that a piece takes, usually and at least, and what estimates may be short by. */
const CHUNK_SHARE = 0.4;
const LEAST_CHUNK_SHARE = 0.15;
const MARGIN = 1.2;
/** Most pieces that are summarised; what is older is left out. */
const MOST_CHUNKS = 12;
/** What is kept verbatim takes at most this share of the room, or the next compaction would be due a few turns later. */
const KEPT_SHARE = 0.5;
/** The newest turn alone may take more, and so may all that is kept together with the turn under way. */
const NEWEST_SHARE = 0.75;
/** Least share of the room that is worth a summary nobody asked for. */
const WORTH = 0.1;
/** By how much of the room the context grows before a compaction that failed is tried again. */
const STEP = 0.25;

export interface CompactionSettings {
  mode: 'auto' | 'manual' | 'prune';
  keepRecentTurns: number;
  summaryMaxTokens: number;
  adaptiveChunking: boolean;
  /** wanted size of a piece; undefined: follows the window */
  chunkSizeTarget: number | undefined;
  window: number;
  /** window minus reserve: what the conversation may take */
  budget: number;
  /** size at which memory is saved, with what is asked; null: it is not */
  flush: { threshold: number; prompt?: string; systemPrompt?: string } | null;
}

/** What holds for an agent. */
export function compactionSettings(config: ConfigInput, agentId: string): CompactionSettings {
  const own = agentCompaction(config, agentId);
  const budget = contextBudget(config, agentId);
  const mode = own.mode ?? 'auto';
  const { enabled, softThresholdTokens, prompt, systemPrompt } = own.memoryFlush ?? {};
  const before = softThresholdTokens ?? Math.min(FLUSH_BEFORE, Math.floor(budget / 5));
  const flushes = mode === 'auto' && enabled !== false && memorySettings(config, agentId).enabled;
  return {
    mode,
    keepRecentTurns: own.keepRecentTurns ?? KEEP_TURNS,
    summaryMaxTokens: own.summaryMaxTokens ?? SUMMARY_TOKENS,
    adaptiveChunking: own.adaptiveChunking ?? true,
    chunkSizeTarget: own.chunkSizeTarget,
    window: contextWindow(config, agentId),
    budget,
    flush: flushes
      ? {
          threshold: budget - before,
          ...(prompt ? { prompt } : {}),
          ...(systemPrompt ? { systemPrompt } : {}),
        }
      : null,
  };
}

/**
 * Size of the context now. What a runner counted for its last turn counts where it is more than the estimate, and what came
 * since is added. A count beyond the window cannot be the size of a context: it is a sum over several calls.
 */
export function contextSize(count: Pick<ContextCount, 'tokens' | 'reported'>, window: number): number {
  const { reported, tokens } = count;
  if (reported === undefined || reported.tokens > window) return tokens;
  return Math.max(tokens, reported.tokens + Math.max(0, tokens - reported.at));
}

export interface FlushVerdict {
  due: boolean;
  /** why it is not */
  reason: 'off' | 'window-too-small' | 'below-threshold' | 'saved-before' | null;
  tokens: number;
  threshold: number | null;
}

/**
 * Whether memory is to be saved: the context has reached the threshold, and it was not saved since the newest compaction.
 * Never saved is not the same as saved when there had been no compaction (openclaw#47143).
 */
export function judgeFlush(
  count: Pick<ContextCount, 'compactions' | 'flush'>,
  tokens: number,
  threshold: number | null,
): FlushVerdict {
  const not = (reason: FlushVerdict['reason']): FlushVerdict => ({ due: false, reason, tokens, threshold });
  if (threshold === null) return not('off');
  if (threshold <= 0) return not('window-too-small');
  if (tokens < threshold) return not('below-threshold');
  if (count.flush !== undefined && count.flush.compactions === count.compactions) return not('saved-before');
  return { due: true, reason: null, tokens, threshold };
}

/** How it stands with the room before a turn; `count` holds the turn's own message already. */
export interface RoomVerdict {
  tokens: number;
  flush: boolean;
  /** full: to be compacted; told: it is full, that was said, and it has not grown much since */
  room: 'enough' | 'full' | 'told';
}

/** Whether memory has to be saved, and the context compacted, before a turn. Pure and quick: asked at every turn. */
export function judgeRoom(count: ContextCount, settings: CompactionSettings): RoomVerdict {
  const { window, budget, flush } = settings;
  const tokens = contextSize(count, window);
  const isFull = tokens > budget;
  const wasTold = count.uncompacted !== undefined && tokens < count.uncompacted + budget * STEP;
  return {
    tokens,
    flush: !(isFull && wasTold) && judgeFlush(count, tokens, flush?.threshold ?? null).due,
    room: !isFull ? 'enough' : wasTold ? 'told' : 'full',
  };
}

/**
 * The same where the agent's program keeps the conversation, and compacts it by itself: only memory is claw's to save. What
 * counts is what the program reported.
 */
export function judgeKeptRoom(count: ContextCount, settings: CompactionSettings): RoomVerdict {
  const { window, flush } = settings;
  const { reported } = count;
  const isSize = reported !== undefined && reported.tokens <= window;
  const tokens = isSize ? reported.tokens + Math.max(0, count.tokens - reported.at) : 0;
  return { tokens, flush: judgeFlush(count, tokens, flush?.threshold ?? null).due, room: 'enough' };
}

/** A message of the context with its size. */
export interface Piece {
  message: HistoryMessage;
  tokens: number;
}

export interface CompactionPlan {
  /** what will no longer be sent verbatim, oldest first */
  removed: Piece[];
  removedTokens: number;
  /** turns that begin in `removed` */
  removedTurns: number;
  /** older than `removed`, and not even read */
  isCut: boolean;
  /** first entry that is kept */
  keptFrom: { id: string; at: number } | null;
  keptTurns: number;
  keptTokens: number;
  /** the newest compaction until now */
  previous: CompactEntry | null;
}

/**
 * Divides a context: the newest whole turns, as many as are wanted and have their room, are kept; all before them is to be
 * summarised. The messages of the turn under way (`isOwn`) are kept whatever they are.
 *
 * @param read most that is read of what is to be summarised
 */
export function planCompaction(
  newestFirst: Iterable<Entry>,
  {
    turns,
    budget,
    read,
    group,
    isOwn,
  }: { turns: number; budget: number; read: number; group: boolean; isOwn(entry: Entry): boolean },
): CompactionPlan {
  const plan: CompactionPlan = {
    removed: [],
    removedTokens: 0,
    removedTurns: 0,
    isCut: false,
    keptFrom: null,
    keptTurns: 0,
    keptTokens: 0,
    previous: null,
  };
  let keeps = true;
  let ownTokens = 0;
  // Newest first, until it is known which side they belong to.
  let turn: Piece[] = [];
  let turnTokens = 0;
  const remove = (piece: Piece) => {
    plan.removed.push(piece);
    plan.removedTokens += piece.tokens;
  };
  const found = (compact: CompactEntry) => {
    plan.previous = compact;
  };
  for (const entry of sinceCompaction(newestFirst, found)) {
    const message = historyMessage(entry, group);
    if (message === null) continue;
    const piece = { message, tokens: messageTokens(message.content) };
    const name = nameOf(entry);
    if (isOwn(entry)) {
      plan.keptTokens += piece.tokens;
      ownTokens += piece.tokens;
      if (name !== undefined) plan.keptFrom = { id: name, at: message.timestamp };
      continue;
    }
    if (!keeps) {
      if (plan.removedTokens + piece.tokens > read && plan.removed.length > 0) {
        plan.isCut = true;
        break;
      }
      remove(piece);
      if (isQuestion(entry)) plan.removedTurns++;
      continue;
    }
    turn.push(piece);
    turnTokens += piece.tokens;
    if (!isQuestion(entry) || name === undefined) continue;
    const before = plan.keptTokens - ownTokens + turnTokens;
    const fits =
      before + ownTokens <= budget * NEWEST_SHARE && (plan.keptTurns === 0 || before <= budget * KEPT_SHARE);
    if (plan.keptTurns < turns && fits) {
      plan.keptTurns++;
      plan.keptTokens += turnTokens;
      plan.keptFrom = { id: name, at: message.timestamp };
    } else {
      keeps = false;
      turn.forEach(remove);
      plan.removedTurns++;
    }
    turn = [];
    turnTokens = 0;
  }
  turn.forEach(remove);
  plan.removed.reverse();
  return plan;
}

/** What a plan takes away, with the summary that was there. */
export function replacedTokens({ removedTokens, previous }: CompactionPlan): number {
  const summary = previous && summaryMessage(previous);
  return removedTokens + (summary ? messageTokens(summary.content) : 0);
}

/** Whether it takes away enough to be worth a summary that nobody asked for. */
export function isWorthwhile(plan: CompactionPlan, budget: number): boolean {
  return plan.removedTokens >= budget * WORTH;
}

/** Share of the window for a piece: smaller where messages are large, so that one more than expected still fits. */
export function chunkShare(tokens: readonly number[], window: number): number {
  if (tokens.length === 0) return CHUNK_SHARE;
  const average = (sum(tokens) / tokens.length) * MARGIN;
  const share = average / window;
  if (share <= 0.1) return CHUNK_SHARE;
  return Math.max(LEAST_CHUNK_SHARE, CHUNK_SHARE - Math.min(share * 2, CHUNK_SHARE - LEAST_CHUNK_SHARE));
}

/** Tokens of what is asked beside a piece. */
const QUESTION = 400;

/**
 * Size of the pieces that a summary is made from: all at once where that has its room, as what was sent until now has. Else
 * a share of the window, so that summary, question and what an estimate is short by fit beside it.
 *
 * @param tokens of what is to be summarised, the summary so far included
 * @returns size of a piece; read: how much is summarised at most
 */
export function chunkSize(
  settings: CompactionSettings,
  tokens: readonly number[],
  budget: number,
): { size: number; read: number } {
  const { adaptiveChunking, chunkSizeTarget, summaryMaxTokens } = settings;
  const whole = Math.max(100, budget - QUESTION);
  const most = Math.max(100, Math.floor((whole - Math.min(summaryMaxTokens, budget / 4)) / MARGIN));
  const window = Math.min(settings.window, budget * 1.5);
  const share = adaptiveChunking ? chunkShare(tokens, window) : CHUNK_SHARE;
  const piece = Math.min(chunkSizeTarget ?? (adaptiveChunking ? Math.floor(window * share) : most), most);
  const fits = chunkSizeTarget === undefined && tokens.length > 0 && sum(tokens) <= whole;
  return { size: fits ? whole : piece, read: piece * MOST_CHUNKS };
}

/** Indexes in pieces of at most `size`; one that is larger stands alone. */
export function chunksBySize(tokens: readonly number[], size: number): number[][] {
  const chunks: number[][] = [];
  let left = 0;
  tokens.forEach((count, index) => {
    if (chunks.length === 0 || count > left) {
      chunks.push([]);
      left = size;
    }
    chunks.at(-1)!.push(index);
    left -= count;
  });
  return chunks;
}

/** Indexes in at most `parts` pieces of about the same size. */
export function splitByShare(tokens: readonly number[], parts: number): number[][] {
  const most = Math.min(Math.max(1, Math.floor(parts)), Math.max(1, tokens.length));
  const target = sum(tokens) / most;
  const pieces: number[][] = [[]];
  let size = 0;
  tokens.forEach((count, index) => {
    if (pieces.length < most && pieces.at(-1)!.length > 0 && size + count > target) {
      pieces.push([]);
      size = 0;
    }
    pieces.at(-1)!.push(index);
    size += count;
  });
  return pieces;
}

/** Leaves out the oldest piece again and again until the rest is within `budget`; the newest stays. Indexes, oldest first. */
export function pruneToBudget(
  tokens: readonly number[],
  budget: number,
  parts = 2,
): { kept: number[]; dropped: number[]; droppedChunks: number } {
  let kept = tokens.map((_, index) => index);
  const dropped: number[] = [];
  let droppedChunks = 0;
  while (sum(kept.map(index => tokens[index]!)) > budget) {
    const pieces = splitByShare(
      kept.map(index => tokens[index]!),
      parts,
    );
    if (pieces.length <= 1) break;
    const first = pieces[0]!.length;
    dropped.push(...kept.slice(0, first));
    kept = kept.slice(first);
    droppedChunks++;
  }
  return { kept, dropped, droppedChunks };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
