/** The conversation of a session as its agent is given it, or as it is divided when it is compacted. Reads only. */
import fs from 'node:fs';
import { type HistoryChat, historyLimits, selectHistory, sinceCompaction } from '../core/context/history.ts';
import { type ContextCount, reduceRecord, type SessionRecord } from '../core/session/session.ts';
import {
  type CompactEntry,
  type Entry,
  isCompactEntry,
  isMemoryFlushEntry,
  isNativeCompactEntry,
  isTurnEndEntry,
  isTurnEntry,
  isUserEntry,
} from '../core/session/transcript.ts';
import type { HistoryMessage } from '../core/turn-request.ts';
import { lineNumber, parseLine, readBackward } from '../store/jsonl-file.ts';
import { newestFirst } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';

/**
 * Earlier messages for a turn: what limits and window leave, behind the summary of what was compacted.
 *
 * @param options incoming: size of the message that is to be answered, in tokens; isOwn: an entry of the turn itself;
 *   knownTo: a session of the agent's program that goes on, and knows everything up to its newest answer
 */
export function assembleHistory(
  desk: Desk,
  record: SessionRecord,
  chat: HistoryChat,
  { incoming, isOwn, ...reading }: { incoming: number } & Reading,
): HistoryMessage[] {
  const file = desk.layout.transcript(record.agentId, record.sessionId);
  const limits = historyLimits(desk.config, chat, incoming);
  const entries = entriesOf(desk, file, reading);
  const compact =
    reading.knownTo === undefined
      ? newestCompaction(file, record)
      : compactionSince(desk, file, record, reading.knownTo);
  return selectHistory(entries, limits, chat.chatType !== 'dm', compact, isOwn);
}

/** Which entries are passed over, and whether bad lines go unsaid. */
interface Reading {
  isOwn?(entry: Entry): boolean;
  knownTo?: string;
  isQuiet?: boolean;
}

/** Entries newest first, but for those of a turn; none where the file is not there (a heartbeat may be the first to speak). */
export function* entriesOf(
  desk: Desk,
  file: string,
  { isOwn, knownTo, isQuiet }: Reading = {},
): Generator<Entry> {
  if (!fs.existsSync(file)) return;
  const onBad = (offset: number, reason: string) => {
    if (isQuiet) return;
    desk.warn(`${file}:${lineNumber(file, offset)}: ${reason}; the line is left in place`);
  };
  const knows = knownTo === undefined ? () => 'no' : whatIsKnownTo(knownTo);
  for (const entry of newestFirst(file, onBad)) {
    const verdict = knows(entry);
    if (verdict === 'all') return;
    if (verdict === 'no' && !isOwn?.(entry)) yield entry;
  }
}

/**
 * What a session of the agent's program knows, asked for each entry, newest first: `all`, of this entry and those before it.
 * It may have got its id, or have begun, where it was asked to save memory or to compact, beside a turn.
 */
function whatIsKnownTo(id: string): (entry: Entry) => 'no' | 'this' | 'all' {
  let isRenamed = false;
  let begunIn: string | undefined;
  let own: Set<string> | null = null;
  return entry => {
    if (begunIn !== undefined) {
      // All was told there but the message of that turn, which was to follow.
      if (isTurnEntry(entry) && entry.runId === begunIn) own ??= new Set(entry.messageIds);
      const isOwn = isUserEntry(entry) && own?.delete(entry.id) === true;
      if (isOwn) return 'no';
      return own?.size === 0 ? 'all' : 'this';
    }
    const isTurn = isTurnEndEntry(entry);
    if (!isTurn && !isMemoryFlushEntry(entry) && !isNativeCompactEntry(entry)) return 'no';
    const { native, runId } = entry;
    if (native?.id === undefined || (native.id !== id && !isRenamed)) return 'no';
    if (isTurn) return 'all';
    if (native.how === 'resumed') isRenamed = true;
    else begunIn = runId;
    return 'no';
  };
}

/** The newest compaction of a transcript by its place, however far behind it the transcript has grown; null: not known. */
function newestCompaction(file: string, record: SessionRecord): CompactEntry | null {
  const at = record.context?.compactedAt;
  if (at === undefined || !fs.existsSync(file)) return null;
  for (const line of readBackward(file, at)) {
    const entry = parseLine(line.bytes);
    return typeof entry !== 'string' && isCompactEntry(entry) ? entry : null;
  }
  return null;
}

/** The newest compaction, where a session of the agent's program has not answered since. */
function compactionSince(
  desk: Desk,
  file: string,
  record: SessionRecord,
  knownTo: string,
): CompactEntry | null {
  if (record.context?.compactedAt === undefined) return null;
  for (const entry of entriesOf(desk, file, { knownTo, isQuiet: true }))
    if (isCompactEntry(entry)) return entry;
  return null;
}

/**
 * The count of a record that has none, from its transcript: of all that is still sent verbatim, or as much of it as
 * passes `enough` tokens.
 */
export function countContext(desk: Desk, record: SessionRecord, enough: number): ContextCount {
  if (record.context) return record.context;
  const file = desk.layout.transcript(record.agentId, record.sessionId);
  const compacts: CompactEntry[] = [];
  const entries: Entry[] = [];
  const blank: SessionRecord = { ...record, context: { tokens: 0, turns: 0, compactions: 0 } };
  let counted = blank;
  for (const entry of sinceCompaction(entriesOf(desk, file, { isQuiet: true }), met => compacts.push(met))) {
    if (isCompactEntry(entry)) continue;
    counted = reduceRecord(counted, entry, 0);
    entries.push(entry);
    if (counted.context!.tokens > enough) break;
  }
  const { tokens, turns } = counted.context!;
  const summary = compacts[0] ? reduceRecord(blank, compacts[0], 0).context!.tokens : 0;
  return { tokens: tokens + summary, turns, compactions: compacts.length };
}
