/**
 * A transcript: one JSON object per line, append-only. A reader keeps and ignores types it does not know.
 * Which entries take part in the model's context is said at each type.
 */

import type { Attachment } from '../routing/message.ts';
import type { Origin, ResetInfo } from './session.ts';

/** channel, account, chat (peer or group), thread, message id: what makes two deliveries the same message */
export type MessageIdentity = readonly [string, string, string, string, string];

export interface Usage {
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  contextTokens?: number;
  estimated?: boolean;
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
}

/** What the agent answered. In context. */
export interface AssistantEntry {
  type: 'message';
  timestamp: number;
  runId: string;
  message: { role: 'assistant'; content: string };
  model?: string;
}

/** A start of an agent: written before it runs. Not in context. */
export interface TurnEntry {
  type: 'turn';
  timestamp: number;
  runId: string;
  /** 1, or 2 when the first start died with its owner */
  attempt: number;
  messageIds: string[];
  runner: string;
  model?: string;
  isNewSession: boolean;
  reset: ResetInfo | null;
  notices: string[];
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

export type KnownEntry =
  | HeaderEntry
  | UserEntry
  | AssistantEntry
  | TurnEntry
  | TurnEndEntry
  | CommandEntry
  | ResetEntry;

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

export function isUserEntry(entry: Entry): entry is UserEntry {
  return entry.type === 'message' && (entry as UserEntry).message?.role === 'user';
}

export function isAssistantEntry(entry: Entry): entry is AssistantEntry {
  return entry.type === 'message' && (entry as AssistantEntry).message?.role === 'assistant';
}

export function isTurnEntry(entry: Entry): entry is TurnEntry {
  return entry.type === 'turn' && Array.isArray((entry as TurnEntry).messageIds);
}

export function isTurnEndEntry(entry: Entry): entry is TurnEndEntry {
  return entry.type === 'turn_end';
}

export function isCommandEntry(entry: Entry): entry is CommandEntry {
  return entry.type === 'command';
}

export function isResetEntry(entry: Entry): entry is ResetEntry {
  return entry.type === 'reset';
}
