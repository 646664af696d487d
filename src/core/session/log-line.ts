/** A transcript line as what happened, in words: for `claw logs`. */

import type { NativeUse } from '../runner/native.ts';
import { senderOf } from './saying.ts';
import type { Origin, ResetInfo } from './session.ts';
import {
  type Entry,
  isAssistantEntry,
  isCommandEntry,
  isCompactEntry,
  isMemoryFlushEntry,
  isNativeCompactEntry,
  isResetEntry,
  isSpoken,
  isTurnEndEntry,
  isTurnEntry,
  isUserEntry,
} from './transcript.ts';

/** `what` in one word, `text` in one or more lines. */
export interface LoggedEvent {
  /** epoch ms; null where the line has no usable time */
  at: number | null;
  what:
    | 'begin'
    | 'in'
    | 'kept'
    | 'turn'
    | 'out'
    | 'end'
    | 'command'
    | 'reset'
    | 'compact'
    | 'memory'
    | 'tool'
    | 'entry';
  text: string;
  /** something went wrong */
  failed: boolean;
}

/** What one line of a transcript says. Lines of unknown types are told as their type and their fields. */
export function eventOf(entry: Entry): LoggedEvent {
  const { timestamp } = entry as { timestamp?: unknown };
  const at = typeof timestamp === 'number' && Number.isFinite(timestamp) ? timestamp : null;
  try {
    return { at, failed: false, ...tell(entry) };
  } catch {
    // A field that is of another kind than it should be, and cannot even become a text.
    const { type, timestamp: _, ...rest } = entry as Record<string, unknown>;
    return { at, failed: false, what: 'entry', text: `${JSON.stringify(type)} ${JSON.stringify(rest)}` };
  }
}

type Told = Pick<LoggedEvent, 'what' | 'text'> & { failed?: boolean };

function tell(entry: Entry): Told {
  if (isUserEntry(entry)) {
    const { content } = entry.message;
    const text = `${senderOf(entry) ?? sender(entry.origin, entry.hops)}: ${content}${entry.attachments ? `\n(${entry.attachments.length} attached)` : ''}`;
    return { what: entry.recorded ? 'kept' : 'in', text };
  }
  if (isAssistantEntry(entry)) return { what: 'out', text: entry.message.content };
  if (isSpoken(entry))
    return { what: entry.message.role === 'user' ? 'in' : 'out', text: entry.message.content };
  if (isTurnEntry(entry)) {
    const parts = [
      `run ${entry.runId}`,
      `runner ${entry.runner}${entry.model ? ` (${entry.model})` : ''}`,
      `attempt ${entry.attempt ?? 1}`,
      plural(entry.messageIds.length, 'message'),
      ...resetPart(entry.reset),
    ];
    return { what: 'turn', text: parts.join(', ') };
  }
  if (isTurnEndEntry(entry)) {
    const { status, usage, durationMs, error } = entry;
    const parts = [
      status as string,
      ...(Number.isFinite(durationMs) ? [`${(durationMs / 1000).toFixed(1)} s`] : []),
      ...(usage
        ? [`${usage.inputTokens} + ${usage.outputTokens} tokens${usage.estimated ? ' (estimated)' : ''}`]
        : []),
      ...nativePart(entry.native),
    ];
    const why = error ? `\n${error.code}: ${error.message}` : '';
    return {
      what: 'end',
      text: `${parts.join(', ')}${why}`,
      failed: !['replied', 'silent'].includes(status),
    };
  }
  if (isCommandEntry(entry)) {
    const reset = resetPart(entry.reset).map(part => ` (${part})`);
    return {
      what: 'command',
      text: `${sender(entry.origin)}: ${entry.text}${reset.join('')}\n→ ${entry.reply}`,
    };
  }
  if (isResetEntry(entry))
    return { what: 'reset', text: `${entry.reason}; goes on as ${entry.nextSessionId}` };
  if (isCompactEntry(entry)) {
    const { reason, turns_removed: removed, tokensBefore, tokensAfter } = entry;
    const size = tokensAfter === undefined ? '' : `, about ${tokensBefore} -> ${tokensAfter} tokens`;
    return { what: 'compact', text: `${reason}: ${plural(Number(removed) || 0, 'turn')} removed${size}` };
  }
  if (isNativeCompactEntry(entry)) {
    const { reason, tokensBefore, tokensAfter } = entry;
    const from = tokensBefore === undefined ? '' : `, ${tokensBefore} -> ${tokensAfter ?? '?'} tokens`;
    return { what: 'compact', text: `${reason}: by the agent's program${from}` };
  }
  if (isMemoryFlushEntry(entry)) {
    const { result, error, file } = entry;
    const more = error ? `: ${error.message}` : file ? ` in ${file}` : '';
    return { what: 'memory', text: `${result}${more}`, failed: result === 'failed' };
  }
  const { type, timestamp: _, ...rest } = entry as Record<string, unknown>;
  if (type === 'session') {
    const { id, sessionKey, previousSessionId, reset } = rest as Record<string, string> & {
      reset?: ResetInfo;
    };
    const before = previousSessionId ? `, before: ${previousSessionId}` : '';
    return {
      what: 'begin',
      text: `${sessionKey ?? 'a session'} as ${id}${before}${resetPart(reset ?? null)
        .map(part => `, ${part}`)
        .join('')}`,
    };
  }
  if (typeof type === 'string' && type.startsWith('tool')) {
    const { name, ...more } = rest;
    return { what: 'tool', text: `${typeof name === 'string' ? `${name} ` : ''}${JSON.stringify(more)}` };
  }
  return { what: 'entry', text: `${String(type)} ${JSON.stringify(rest)}` };
}

/** What became of the session that the agent's program keeps, where that is worth a word. */
function nativePart(native: NativeUse | undefined): string[] {
  if (native?.how !== 'seeded') return [];
  const { reason, previousId } = native;
  return [`the agent's own session begins anew (${reason}${previousId ? `, before: ${previousId}` : ''})`];
}

function resetPart(reset: ResetInfo | null | undefined): string[] {
  return reset ? [`reset: ${reset.reason}`] : [];
}

/** "Alice (telegram)", "42 (telegram, group -100)", "you" for the local user. */
function sender(origin: Partial<Origin>, hops = 0): string {
  const { channel, from, fromName, groupId, groupName } = origin;
  if (channel === 'cli' && from === undefined) return hops > 0 ? 'an agent' : 'you';
  const where = [channel, ...(groupId ? [`group ${groupName ?? groupId}`] : [])].filter(Boolean).join(', ');
  return `${fromName ?? from ?? 'somebody'}${where ? ` (${where})` : ''}`;
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
