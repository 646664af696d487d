/**
 * A session as its files have it, after whatever happened to its last owner. The transcript is the truth; the record, the
 * to-do files and the outbox are redone from the lines behind the record's `bytes`.
 */
import fs from 'node:fs';
import { ClawError } from '../core/errors.ts';
import { type ResetInfo, reduceRecord, type SessionRecord } from '../core/session/session.ts';
import {
  type Entry,
  isAssistantEntry,
  isCommandEntry,
  isMemoryFlushEntry,
  isResetEntry,
  isResumedEntry,
  isTurnEndEntry,
  isTurnEntry,
  isUserEntry,
  type ResetEntry,
  type TurnEntry,
  type UserEntry,
} from '../core/session/transcript.ts';
import { rotatedRecord } from '../core/turn.ts';
import { lineNumber, mendTail, readTail } from '../store/jsonl-file.ts';
import { newToken } from '../store/lock.ts';
import { loadRecord, saveRecord } from '../store/sessions.ts';
import { changeSettings } from '../store/settings.ts';
import { earlierUsers, transcriptState } from '../store/transcripts.ts';
import { remember } from './accept.ts';
import type { Desk, OpenTurn, Seat, State } from './desk.ts';
import { handOver, keepDropped, settleTurn, syncAndSave } from './hand-over.ts';
import { blankRecord, ownHeader, rebuildRecord, resumedEntry, resumeTranscript } from './rebuild.ts';

/**
 * The session as its files have it, mended: a torn tail is moved aside, a reset that was begun is completed, and the
 * record is brought up to the last settled line.
 */
export function recover(desk: Desk, seat: Seat): State {
  // Two transcripts that name each other as successors cannot come from claw alone; they must not hold it for ever.
  const followed = new Set<string>();
  for (;;) {
    const read = loadRecord(desk.layout, seat.agentId, seat.key);
    if (read.state === 'unreadable') {
      throw new ClawError(
        'data',
        'state-unreadable',
        `session ${seat.key} cannot be read: ${read.file}: ${read.reason}`,
        'claw doctor --fix',
      );
    }
    if (read.state === 'missing') return { record: null, transcript: 'missing', tail: [] };
    const { record } = read;
    const file = desk.layout.transcript(record.agentId, record.sessionId);
    if (transcriptState(desk.layout, record) === 'foreign') {
      desk.warn(
        `session ${seat.key}: ${file} belongs to another session and is left alone; a new session begins`,
      );
      return { record, transcript: 'foreign', tail: [] };
    }
    const tail = readMendedTail(desk, record);
    // Asked after mending: a torn first line leaves an empty file, which has no header yet.
    const transcript = transcriptState(desk.layout, record);
    if (transcript === 'missing') {
      desk.warn(`session ${seat.key}: its transcript ${file} is gone; a new session begins`);
      return { record, transcript, tail: [] };
    }
    if (transcript === 'not-started') {
      if (record.bytes > 0) desk.warn(`${file} is empty; the session begins again in it`);
      return { record: { ...record, bytes: 0, messageCount: 0 }, transcript, tail: [] };
    }
    const reset = pendingReset(tail);
    if (reset && !followed.has(record.sessionId)) {
      // The line that archives a transcript is the commit point of a reset: its owner died before the record followed.
      followed.add(record.sessionId);
      saveRecord(desk.layout, followReset(desk, record, reset), newToken(desk.context), { folder: true });
      continue;
    }
    return { record, transcript, tail };
  }
}

/** The `reset` line among these that ends the transcript; none where it was resumed behind it. */
function pendingReset(tail: State['tail']): ResetEntry | null {
  const last = tail.findLast(({ entry }) => isResetEntry(entry) || isResumedEntry(entry))?.entry;
  return last && isResetEntry(last) ? last : null;
}

/**
 * The record behind a `reset` line. Where it names a transcript that is there already, that one is gone on with: it was
 * resumed, or the record is older than its transcripts (put back from a copy).
 */
function followReset(desk: Desk, record: SessionRecord, reset: ResetEntry): SessionRecord {
  const { nextSessionId, reason, timestamp: at } = reset;
  const info: ResetInfo = { reason, at, previousSessionId: record.sessionId };
  const header = ownHeader(desk, record, nextSessionId);
  if (header === null) return rotatedRecord(record, nextSessionId, info);
  if (reason === 'resume') return resumeTranscript(desk, header, record, resumedEntry(at, record.sessionId));
  const rebuilt = rebuildRecord(
    desk.layout.transcript(record.agentId, nextSessionId),
    blankRecord(header),
    false,
  );
  return { ...rebuilt, createdAt: record.createdAt };
}

function readMendedTail(desk: Desk, record: SessionRecord): State['tail'] {
  const file = desk.layout.transcript(record.agentId, record.sessionId);
  if (!fs.existsSync(file)) return [];
  const tail = readTail(file, record.bytes);
  if (tail.size < record.bytes && !tail.torn && !tail.unterminated) {
    desk.warn(`${file} has ${tail.size} bytes where ${record.bytes} were known; it was cut from outside`);
  }
  for (const bad of tail.bad)
    desk.warn(`${file}:${lineNumber(file, bad.offset)}: ${bad.reason}; the line is left in place`);
  if (tail.torn || tail.unterminated) {
    const aside = desk.layout.torn(record.agentId, record.sessionId, desk.context.now());
    mendTail(file, tail, aside);
    if (tail.torn) desk.warn(`${file}: the last ${tail.torn.length} bytes were torn; moved to ${aside}`);
  }
  return tail.lines.map(line => ({ offset: line.offset, end: line.end, entry: line.value }));
}

/** What the lines behind a record's `bytes` leave to do. */
export interface Unsettled {
  state: State;
  /** turns that were begun and have no end */
  open: OpenTurn[];
  /** messages without a turn: the line that should begin it was torn off */
  orphans: UserEntry[];
}

/**
 * Finishes what the tail shows to be done: remembers its ids, hands over replies whose owner died before it could, and,
 * where nothing is open, saves the record up to the end of the tail.
 */
export async function settleTail(desk: Desk, seat: Seat, state: State): Promise<Unsettled> {
  const { record, tail } = state;
  if (!record || tail.length === 0) return { state, open: [], orphans: [] };
  const known = {
    ...state,
    record: tail.reduce((next, line) => reduceRecord(next, line.entry, line.end), record),
  };
  const entries = tail.map(line => line.entry);
  const users = entries.filter(isUserEntry);
  for (const { entry, offset } of tail) {
    if (!isUserEntry(entry) && !isCommandEntry(entry)) continue;
    remember(desk, known.record, entry, offset);
    if (entry.settings) {
      const options = { at: entry.timestamp, untilReset: isUserEntry(entry) && entry.untilReset === true };
      await changeSettings(desk.context, desk.layout, seat, record, entry.settings, options);
    }
    if (isUserEntry(entry) && entry.dropped) keepDropped(desk, seat, known.record, entry);
  }
  await redoNotes(desk, seat, entries);
  for (const command of entries.filter(isCommandEntry)) {
    handOver(desk, seat, known.record, { state: 'command', command }, new Set());
  }
  // The newest start of a run stands for it.
  const turns = [...new Map(entries.filter(isTurnEntry).map(turn => [turn.runId, turn])).values()];
  const endOf = (turn: TurnEntry) => entries.filter(isTurnEndEntry).find(end => end.runId === turn.runId);
  const usersOf = (turn: TurnEntry) => {
    const own = users.filter(user => turn.messageIds.includes(user.id));
    return own.length < turn.messageIds.length
      ? earlierUsers(desk.layout.transcript(seat.agentId, known.record.sessionId), turn)
      : own;
  };
  for (const turn of turns) {
    const end = endOf(turn);
    const reply = entries.filter(isAssistantEntry).find(entry => entry.runId === turn.runId) ?? null;
    if (end) settleTurn(desk, seat, known.record, { turn, users: usersOf(turn) }, end, reply, new Set());
  }

  const covered = new Set(turns.flatMap(turn => turn.messageIds));
  const orphans = users.filter(user => !user.recorded && !covered.has(user.id));
  const open = turns.filter(turn => !endOf(turn)).map(turn => ({ turn, users: usersOf(turn) }));
  if (open.length > 0 || orphans.length > 0) return { state: known, open, orphans };
  syncAndSave(desk, seat, known.record, false);
  return { state: { ...known, tail: [] }, open, orphans };
}

/** What an agent saved of its memory and its owner may not have written down: its line stands before the note. */
async function redoNotes(desk: Desk, seat: Seat, entries: Entry[]): Promise<void> {
  const last = entries.findLast(isMemoryFlushEntry);
  if (last?.result !== 'saved' || last.note === undefined) return;
  const { note, timestamp } = last;
  const { redoFlush } = await import('./remember.ts');
  try {
    await redoFlush(desk, seat.agentId, { note, timestamp });
  } catch (error) {
    desk.warn(`session ${seat.key}: memory could not be saved: ${(error as Error).message}`);
  }
}
