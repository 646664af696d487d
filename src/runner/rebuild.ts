/** A session record made from its transcript, where the record is lost or an earlier transcript becomes current again. */
import fs from 'node:fs';
import { reduceRecord, type SessionRecord } from '../core/session/session.ts';
import {
  type HeaderEntry,
  isResetEntry,
  isResumedEntry,
  isUserEntry,
  type ResumedEntry,
} from '../core/session/transcript.ts';
import { appendLines, mendTail, parseLine, readForward, readTail } from '../store/jsonl-file.ts';
import { headerOf } from '../store/transcripts.ts';
import type { Desk } from './desk.ts';

const WINDOW = 64 * 1024;

/** The record of a transcript before its first line counts. */
export function blankRecord(header: HeaderEntry): SessionRecord {
  return {
    version: 1,
    key: header.sessionKey,
    agentId: header.agentId,
    sessionId: header.id,
    createdAt: header.timestamp,
    startedAt: header.timestamp,
    updatedAt: header.timestamp,
    bytes: 0,
    chatType: 'dm',
    channel: 'cli',
    messageCount: 0,
    ...(header.previousSessionId ? { previousSessionId: header.previousSessionId } : {}),
    ...(header.reset ? { untoldReset: header.reset } : {}),
  };
}

/**
 * A record by reducing a transcript from its first line; the file is streamed, never held.
 *
 * @param whole true: `bytes` lies behind the last line, nothing of the transcript is done again. False: it stops before
 *   the first turn that was not ended and before a `reset` line that no `resumed` line follows, so that the next holder
 *   of the session finds and finishes them
 */
export function rebuildRecord(file: string, blank: SessionRecord, whole: boolean): SessionRecord {
  let record = blank;
  let settled = record;
  let isOpen = false;
  let beforeReset: SessionRecord | null = null;
  for (const line of readForward(file)) {
    const value = parseLine(line.bytes);
    if (typeof value === 'string' || !line.terminated) continue;
    if (isResetEntry(value)) beforeReset = settled;
    else if (isResumedEntry(value)) beforeReset = null;
    record = reduceRecord(record, value, line.offset + line.bytes.length + 1);
    if (isUserEntry(value) && !value.recorded) isOpen = true;
    else if (value.type === 'turn_end') isOpen = false;
    if (!isOpen) settled = record;
  }
  const result = whole ? record : (beforeReset ?? settled);
  const { lastRoute } = result;
  return lastRoute ? { ...result, chatType: lastRoute.chatType, channel: lastRoute.channel } : result;
}

/** Is there a transcript of this session under this id, with a header to tell it by? */
export function ownHeader(
  desk: Desk,
  { agentId, key }: { agentId: string; key: string },
  sessionId: string,
): HeaderEntry | null {
  const header = headerOf(desk.layout.transcript(agentId, sessionId));
  if (header === null) return null;
  return header.id === sessionId && header.sessionKey === key && header.agentId === agentId ? header : null;
}

/** The line that a resume appends. `previousSessionId` is the transcript it archived, if it did. */
export function resumedEntry(at: number, previousSessionId: string | null): ResumedEntry {
  return { type: 'resumed', timestamp: at, ...(previousSessionId === null ? {} : { previousSessionId }) };
}

/**
 * Makes an archived transcript the one its record goes on in: its end is mended, the `resumed` line appended (once: the
 * same line standing there already is a resume that a dead owner began), and the record made from all of it. What
 * belongs to the key rather than to the conversation (settings, last route) comes from the record until now.
 *
 * Needs the session's lock; saves no record.
 */
export function resumeTranscript(
  desk: Desk,
  header: HeaderEntry,
  before: SessionRecord | null,
  resumed: ResumedEntry,
): SessionRecord {
  const file = desk.layout.transcript(header.agentId, header.id);
  mendEnd(desk, header, file);
  if (!isNoted(file, resumed)) appendLines(file, [resumed]);
  const record = rebuildRecord(file, blankRecord(header), true);
  if (before === null) return record;
  const { createdAt, chatType, channel, lastRoute, spawnedBy } = before;
  return {
    ...record,
    // The settings of the key are bound to it.
    createdAt,
    chatType,
    channel,
    ...(lastRoute ? { lastRoute } : {}),
    ...(spawnedBy ? { spawnedBy } : {}),
  };
}

/** Lines at the end of a transcript; from further back where the last piece holds no usable one. */
function readEnd(file: string): ReturnType<typeof readTail> {
  const { size } = fs.statSync(file);
  for (let window = WINDOW; ; window *= 4) {
    const from = Math.max(0, size - window);
    const tail = readTail(file, from);
    if (tail.lines.length > 0 || from === 0) return tail;
  }
}

function mendEnd(desk: Desk, header: HeaderEntry, file: string): void {
  const tail = readEnd(file);
  if (!tail.torn && !tail.unterminated) return;
  const aside = desk.layout.torn(header.agentId, header.id, desk.context.now());
  mendTail(file, tail, aside);
  if (tail.torn) desk.warn(`${file}: the last ${tail.torn.length} bytes were torn; moved to ${aside}`);
}

function isNoted(file: string, resumed: ResumedEntry): boolean {
  const last = readEnd(file).lines.at(-1)?.value;
  return (
    last !== undefined &&
    isResumedEntry(last) &&
    last.timestamp === resumed.timestamp &&
    last.previousSessionId === resumed.previousSessionId
  );
}
