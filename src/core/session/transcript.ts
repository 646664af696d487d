/**
 * A transcript: one JSON object per line, append-only. A reader keeps and ignores types it does not know.
 * Which entries take part in the model's context is said at each type.
 */

import type { JobMark } from '../incoming.ts';
import type { Attachment } from '../routing/message.ts';
import type { NativeUse } from '../runner/native.ts';
import type { Origin, ResetInfo } from './session.ts';
import type { SettingsChange, SettingValues } from './settings.ts';

/** channel, account, chat (peer or group), thread, message id: what makes two deliveries the same message */
export type MessageIdentity = readonly [string, string, string, string, string];

export interface Usage {
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  contextTokens?: number;
  estimated?: boolean;
  /** US dollars, where the agent says what it cost */
  costUsd?: number;
}

/** What several runs have used together, but for the size of a context; null for none. */
export function sumOfUsage(all: readonly Usage[]): Usage | null {
  if (all.length === 0) return null;
  const sum = (count: (usage: Usage) => number) => all.reduce((total, usage) => total + count(usage), 0);
  return {
    inputTokens: sum(usage => usage.inputTokens),
    outputTokens: sum(usage => usage.outputTokens),
    totalTokens: sum(usage => usage.totalTokens),
    ...(all.some(usage => usage.estimated) ? { estimated: true } : {}),
    ...(all.some(usage => usage.costUsd !== undefined) ? { costUsd: sum(usage => usage.costUsd ?? 0) } : {}),
  };
}

/** First line. Not in context. */
export interface HeaderEntry {
  type: 'session';
  version: 1;
  id: string;
  sessionKey: string;
  agentId: string;
  timestamp: number;
  previousSessionId?: string;
  reset?: ResetInfo;
}

/** How the reply to a message is handed back; fixed when the message is accepted. */
export type ReplyVia = 'stdout' | 'sender' | 'both' | 'none';

/** What a person wrote. In context. */
export interface UserEntry {
  type: 'message';
  timestamp: number;
  /** the message id: the sender's own, else minted by claw */
  id: string;
  /** under which `ids/` knows it; absent when the sender gave no id and it never waited */
  identity?: MessageIdentity;
  /** stem of its file in `pending/`, when it had to wait for the session */
  queuedAs?: string;
  message: { role: 'user'; content: string };
  /** what the agent is asked, where that is not the whole text (a trigger was cut off) */
  body?: string;
  origin: Origin;
  via: ReplyVia;
  attachments?: Attachment[];
  /** kept as context, not answered */
  recorded?: true;
  /** too many messages waited: kept here, in no context, and in `inbox list` */
  dropped?: 'old' | 'new' | 'summarize';
  /** settings given inside the text, for this message */
  inline?: SettingValues;
  /** settings it gave to the session */
  settings?: SettingsChange;
  /** those end with the session */
  untilReset?: true;
  /** session key it was written from, or `operator` */
  sentFrom?: string;
  /** session that is told of the answer */
  announceTo?: { agentId: string; key: string };
  /** how many agents stand between a person and this message; absent: a person wrote it */
  hops?: number;
  /** the job or heartbeat that wrote it */
  job?: JobMark;
}

/** What the agent answered. In context. */
export interface AssistantEntry {
  type: 'message';
  timestamp: number;
  runId: string;
  message: { role: 'assistant'; content: string };
  /** said before it to the person, never to the model */
  prefix?: string;
  model?: string;
  /** nobody had asked: a heartbeat said it */
  job?: 'heartbeat';
}

/** A reply as a person reads it. */
export function replyText({ prefix, message }: AssistantEntry): string {
  return prefix ? `${prefix} ${message.content}` : message.content;
}

/** A start of an agent: written before it runs. Not in context. */
export interface TurnEntry {
  type: 'turn';
  timestamp: number;
  runId: string;
  /** number of this start of the turn, from 1 */
  attempt: number;
  /** how many of the starts before this one claw itself followed up, after a failure; the others died with their owner */
  again?: number;
  /** how the start failed on which this one follows, and which model had it */
  after?: { code: string; model?: string };
  /** models that the turn had before, where it has fallen back on this one */
  tried?: string[];
  messageIds: string[];
  runner: string;
  model?: string;
  /** settings the run is started with, as they hold at its start */
  settings?: SettingValues;
  /** ids of the system events it is told; they are done when it has ended well */
  events?: string[];
  /** notes of its memory that the agent is given: where they stood, and how many characters went along */
  notes?: { file: string; line: number; characters: number }[];
  isNewSession: boolean;
  reset: ResetInfo | null;
  notices: string[];
}

/** How many starts of a turn died with their owner, or may yet: this one and those that nobody saw end. */
export function unseenStarts({ attempt, again = 0 }: Pick<TurnEntry, 'attempt' | 'again'>): number {
  return attempt - again;
}

/** Whether a reply may go out, and which rule says so. */
export interface SendVerdict {
  decision: 'allow' | 'deny';
  rule: string;
}

export type TurnStatus = 'replied' | 'silent' | 'failed' | 'interrupted' | 'stopped';

/** How a start ended. Not in context. */
export interface TurnEndEntry {
  type: 'turn_end';
  timestamp: number;
  runId: string;
  status: TurnStatus;
  usage: Usage | null;
  durationMs: number;
  error?: { code: string; message: string; hint?: string };
  /** what a failed agent printed, clipped */
  output?: string;
  /** the message that interrupted it and whose turn answers both */
  answeredBy?: string;
  /** absent: it may go out */
  delivery?: SendVerdict;
  /** a heartbeat said HEARTBEAT_OK */
  acknowledged?: true;
  /** the turn of a job or heartbeat: a reset that the person has not heard of stays untold */
  unasked?: true;
  /** what became known only after the turn had begun, for people */
  notices?: string[];
  /** the context was due to be compacted before this turn, and was not: size at which that was said, in tokens */
  uncompacted?: { tokens: number; code: string; message: string };
  /** how the agent's own session was used, where its program keeps one */
  native?: NativeUse;
}

/** A message that was a command and was answered without an agent. Not in context. */
export interface CommandEntry {
  type: 'command';
  timestamp: number;
  runId: string;
  id: string;
  identity?: MessageIdentity;
  queuedAs?: string;
  text: string;
  origin: Origin;
  via: ReplyVia;
  reply: string;
  /** settings it gave to the session */
  settings?: SettingsChange;
  isNewSession: boolean;
  reset: ResetInfo | null;
  notices: string[];
}

/** Last line of an archived transcript: why it ended and which one follows. Not in context. */
export interface ResetEntry {
  type: 'reset';
  timestamp: number;
  reason: ResetInfo['reason'];
  nextSessionId: string;
}

/** An archived transcript became the current one of its key again; a `reset` line before it counts no more. Not in context. */
export interface ResumedEntry {
  type: 'resumed';
  timestamp: number;
  /** the transcript that was current until then, where there was one */
  previousSessionId?: string;
}

/**
 * The context was compacted: of what stands before this line an agent is given the summary, and verbatim what begins with
 * `keptFrom`. Appending it is the compaction; nothing else is written. In context: `summary`, as the oldest message.
 */
export interface CompactEntry {
  type: 'compact';
  timestamp: number;
  /** auto: before a turn that would not have fit; overflow: the agent said that it was too much; prune: no summary wanted */
  reason: 'auto' | 'overflow' | 'manual' | 'prune' | (string & {});
  /** turns that are no longer sent verbatim because of it */
  turns_removed: number;
  /** absent: what was removed is only left out */
  summary?: string;
  /** id (of a reply: run id) and time of the first entry that is kept verbatim; absent: none before this line is */
  keptFrom?: string;
  keptFromAt?: number;
  /** turns that are kept verbatim */
  turnsKept: number;
  /** estimated size of the context before and after, in tokens */
  tokensBefore: number;
  tokensAfter: number;
  /** turns among the removed ones that are not even in the summary */
  turnsUnread?: number;
  /** the agent's program gives its own session up for this: the next run begins one with what is left */
  reseeds?: true;
  runId?: string;
  /** what the summary cost */
  usage?: Usage;
}

/** The agent's program compacted the session that it keeps itself. What claw would send is as it was. */
export interface NativeCompactEntry {
  type: 'compact';
  timestamp: number;
  /** manual: it was asked to; auto: it did so unasked, in a turn */
  reason: 'manual' | 'auto' | (string & {});
  byProgram: true;
  turns_removed: 0;
  /** size of its session before and after, in tokens, where it says so */
  tokensBefore?: number;
  tokensAfter?: number;
  /** how its session was used, where that was no turn */
  native?: NativeUse;
  runId?: string;
  usage?: Usage;
}

/** The agent was asked to save what must survive a compaction. Not in context. */
export interface MemoryFlushEntry {
  type: 'memory_flush';
  timestamp: number;
  runId?: string;
  /** `silent`: it had nothing to add to its memory, or saved it by itself; `saved`: what it said was appended to a note */
  result: 'silent' | 'saved' | 'failed';
  /** size of the context with the message that is to be answered, and where saving begins, in tokens */
  tokens: number;
  threshold: number;
  /** file it was appended to */
  file?: string;
  /** what was appended, once: from here it is done again where its writer died */
  note?: string;
  error?: { code: string; message: string };
  /** where it was asked in the session that its program keeps: how that was used */
  native?: NativeUse;
  usage?: Usage;
}

export type KnownEntry =
  | HeaderEntry
  | UserEntry
  | AssistantEntry
  | TurnEntry
  | TurnEndEntry
  | CommandEntry
  | ResetEntry
  | ResumedEntry
  | CompactEntry
  | NativeCompactEntry
  | MemoryFlushEntry;

/** Any line of a transcript; unknown types are kept. */
export type Entry = KnownEntry | { type: string; [key: string]: unknown };

/** How it stands with one message. */
export type MessageOutcome =
  | { state: 'open' }
  | { state: 'recorded'; user: UserEntry }
  | { state: 'command'; command: CommandEntry }
  | { state: 'ended'; user: UserEntry; turn: TurnEntry; end: TurnEndEntry; reply: AssistantEntry | null };

/** Stem of the file in `pending/` that a message waited in; undefined when it did not wait. */
export function queuedAs(outcome: MessageOutcome): string | undefined {
  if (outcome.state === 'open') return undefined;
  return outcome.state === 'command' ? outcome.command.queuedAs : outcome.user.queuedAs;
}

// A line is believed only when it is whole: another tool, or a person, may have written one that only looks like ours.

/** Session ids become file names, so only these are believed when read from a file. */
export const SAFE_SESSION_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

function isText(...values: unknown[]): boolean {
  return values.every(value => typeof value === 'string');
}

export function isUserEntry(entry: Entry): entry is UserEntry {
  const { id, message, origin, timestamp } = entry as Partial<UserEntry>;
  const isMessage = entry.type === 'message' && message?.role === 'user' && isText(message.content, id);
  return isMessage && typeof origin === 'object' && origin !== null && Number.isFinite(timestamp);
}

export function isAssistantEntry(entry: Entry): entry is AssistantEntry {
  const { runId, message, timestamp } = entry as Partial<AssistantEntry>;
  const isMessage =
    entry.type === 'message' && message?.role === 'assistant' && isText(message.content, runId);
  return isMessage && Number.isFinite(timestamp);
}

/** A message as any tool may have written it: enough to be read and quoted, not to be answered. */
export interface SpokenEntry {
  type: 'message';
  timestamp: number;
  message: { role: 'user' | 'assistant'; content: string };
  origin?: Partial<Origin>;
  recorded?: true;
}

export function isSpoken(entry: Entry): entry is SpokenEntry & Entry {
  const { type, message, timestamp } = entry as Partial<SpokenEntry>;
  const hasRole = message?.role === 'user' || message?.role === 'assistant';
  return type === 'message' && hasRole && isText(message.content) && Number.isFinite(timestamp);
}

/** Who speaks in a line, whatever else of it is as expected; for quoting and showing only. */
export function roleOf(entry: Entry): 'user' | 'assistant' | null {
  const role =
    entry.type === 'message' ? (entry as Partial<UserEntry | AssistantEntry>).message?.role : undefined;
  return role === 'user' || role === 'assistant' ? role : null;
}

export function isTurnEntry(entry: Entry): entry is TurnEntry {
  const { runId, messageIds, runner, timestamp } = entry as Partial<TurnEntry>;
  return (
    entry.type === 'turn' && isText(runId, runner) && Array.isArray(messageIds) && Number.isFinite(timestamp)
  );
}

export function isTurnEndEntry(entry: Entry): entry is TurnEndEntry {
  const { runId, status, timestamp } = entry as Partial<TurnEndEntry>;
  return entry.type === 'turn_end' && isText(runId, status) && Number.isFinite(timestamp);
}

export function isCommandEntry(entry: Entry): entry is CommandEntry {
  const { id, runId, text, reply, origin, timestamp } = entry as Partial<CommandEntry>;
  const isCommand = entry.type === 'command' && isText(id, runId, text, reply);
  return isCommand && typeof origin === 'object' && origin !== null && Number.isFinite(timestamp);
}

export function isResetEntry(entry: Entry): entry is ResetEntry {
  const { nextSessionId, reason, timestamp } = entry as Partial<ResetEntry>;
  const isReset = entry.type === 'reset' && isText(nextSessionId, reason) && Number.isFinite(timestamp);
  return isReset && SAFE_SESSION_ID.test(nextSessionId as string);
}

export function isResumedEntry(entry: Entry): entry is ResumedEntry {
  const { timestamp, previousSessionId } = entry as Partial<ResumedEntry>;
  if (entry.type !== 'resumed' || !Number.isFinite(timestamp)) return false;
  return (
    previousSessionId === undefined ||
    (typeof previousSessionId === 'string' && SAFE_SESSION_ID.test(previousSessionId))
  );
}

/** The header of a transcript, if its first line is one and names a session that can be found by it. */
export function isHeaderEntry(entry: Entry): entry is HeaderEntry {
  const { id, sessionKey, timestamp } = entry as Partial<HeaderEntry>;
  const isHeader = entry.type === 'session' && isText(id, sessionKey) && Number.isFinite(timestamp);
  return isHeader && SAFE_SESSION_ID.test(id as string);
}

/**
 * A compaction that can be followed: it says what is kept, or what stands for the rest. Another tool's line that only notes
 * that there was one takes nothing away.
 */
export function isCompactEntry(entry: Entry): entry is CompactEntry {
  const { type, timestamp, summary, keptFrom } = entry as Partial<CompactEntry>;
  if (type !== 'compact' || !Number.isFinite(timestamp)) return false;
  return (typeof summary === 'string' && summary.trim() !== '') || typeof keptFrom === 'string';
}

/** Neither says what is kept nor what stands for the rest, so that it takes nothing away of what claw would send. */
export function isNativeCompactEntry(entry: Entry): entry is NativeCompactEntry {
  const { type, timestamp, byProgram } = entry as Partial<NativeCompactEntry>;
  return type === 'compact' && byProgram === true && Number.isFinite(timestamp) && !isCompactEntry(entry);
}

export function isMemoryFlushEntry(entry: Entry): entry is MemoryFlushEntry {
  const { type, timestamp, result } = entry as Partial<MemoryFlushEntry>;
  return type === 'memory_flush' && Number.isFinite(timestamp) && isText(result);
}
