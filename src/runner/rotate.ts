/**
 * What is asked of a whole conversation, by a person or by the clock: begin anew, or go on with an earlier one. Either way one line appended to
 * the current transcript is the moment it happens. What comes behind it is redone by `runner/recover` when this process
 * dies in between, and everything that needs room on the disk comes before it, as far as it can.
 */
import { ClawError } from '../core/errors.ts';
import { unknownSession } from '../core/routing/visibility.ts';
import type { ResetInfo, SessionRecord } from '../core/session/session.ts';
import type { HeaderEntry, ResetEntry } from '../core/session/transcript.ts';
import { rotatedRecord } from '../core/turn.ts';
import { appendLines } from '../store/jsonl-file.ts';
import { newToken } from '../store/lock.ts';
import { prepareRecord, saveRecord } from '../store/sessions.ts';
import { changeSettings } from '../store/settings.ts';
import { ioFailure } from './accept.ts';
import type { Desk, Seat, State } from './desk.ts';
import { holdSession, type SessionPlace, settleSession } from './hold.ts';
import { ownHeader, resumedEntry, resumeTranscript } from './rebuild.ts';
import { recover, settleTail } from './recover.ts';

export interface ResetOutcome {
  sessionKey: string;
  /** false: the session had not begun, there was nothing to reset */
  changed: boolean;
  previousSessionId: string | null;
  sessionId: string;
  /** the transcript that was archived; null where there was none */
  archivePath: string | null;
}

export interface ResumeOutcome {
  sessionKey: string;
  /** false: it was the current one already */
  changed: boolean;
  sessionId: string;
  previousSessionId: string | null;
  /** the transcript that was archived for it; null where the session had none */
  archivePath: string | null;
  messageCount: number;
}

/**
 * Begins a session anew on an operator's word. Settings survive as at every reset; the user is told with the next reply.
 *
 * @param options waitMs: how long to wait for a running turn; model: the model the new session starts with
 * @throws ClawError tempfail `session-busy`, usage `session-unknown`, data `state-unreadable`
 */
export function resetSession(
  desk: Desk,
  place: SessionPlace,
  options: { waitMs: number; model?: string },
): Promise<ResetOutcome> {
  return holdSession(desk, place, options.waitMs, async seat => {
    const state = await settleSession(desk, seat, 'the session was reset before it was answered');
    const { record } = state;
    if (!record) throw unknownSession(place.key);
    const at = desk.context.now();
    if (state.transcript === 'not-started') {
      await setModel(desk, record, options.model, at);
      return begunAnew(record);
    }
    const info: ResetInfo = { reason: 'operator', at, previousSessionId: record.sessionId };
    const next = rotatedRecord(record, desk.context.newId(), info);
    const archivePath = archive(desk, state, next, info);
    await setModel(desk, next, options.model, at);
    return {
      sessionKey: record.key,
      changed: true,
      previousSessionId: record.sessionId,
      sessionId: next.sessionId,
      archivePath,
    };
  });
}

/** A session without a first line is as new as a reset would make it. */
function begunAnew(record: SessionRecord): ResetOutcome {
  const { key, sessionId } = record;
  return { sessionKey: key, changed: false, previousSessionId: null, sessionId, archivePath: null };
}

/** `--model` of a reset is a setting of the new session. */
async function setModel(
  desk: Desk,
  record: SessionRecord,
  model: string | undefined,
  at: number,
): Promise<void> {
  if (model !== undefined) await changeSettings(desk.context, desk.layout, record, record, { model }, { at });
}

/**
 * Begins a session anew because its day is over, where that still holds under its lock. A session with an unfinished turn
 * is left as it is.
 *
 * @param judge when the day ended that a record belongs to, epoch ms; null: it has not
 * @returns null where there was nothing to reset (any more)
 * @throws ClawError tempfail `session-busy`, data `state-unreadable`
 */
export function resetByDay(
  desk: Desk,
  place: SessionPlace,
  judge: (record: SessionRecord) => number | null,
): Promise<ResetOutcome | null> {
  return holdSession(desk, place, 0, async seat => {
    const { state, open, orphans } = await settleTail(desk, seat, recover(desk, seat));
    const { record } = state;
    if (!record || state.transcript !== 'present' || open.length > 0 || orphans.length > 0) return null;
    if (judge(record) === null) return null;
    const info: ResetInfo = { reason: 'daily', at: desk.context.now(), previousSessionId: record.sessionId };
    const next = rotatedRecord(record, desk.context.newId(), info);
    return {
      sessionKey: record.key,
      changed: true,
      previousSessionId: record.sessionId,
      sessionId: next.sessionId,
      archivePath: archive(desk, state, next, info),
    };
  });
}

/** The record is prepared, the old transcript gets its last line (the commit point), the record takes its name. */
function archive(desk: Desk, state: State, next: SessionRecord, info: ResetInfo): string | null {
  const { agentId, sessionId } = state.record!;
  const file = desk.layout.transcript(agentId, sessionId);
  const exists = state.transcript === 'present';
  try {
    const prepared = prepareRecord(desk.layout, next, newToken(desk.context));
    try {
      if (exists) appendLines(file, [resetLine(info, next.sessionId)]);
      prepared.commit({ folder: true });
    } catch (error) {
      prepared.abandon();
      throw error;
    }
  } catch (error) {
    throw ioFailure(error, 'the session was not reset');
  }
  return exists ? file : null;
}

function resetLine({ reason, at }: ResetInfo, nextSessionId: string): ResetEntry {
  return { type: 'reset', timestamp: at, reason, nextSessionId };
}

/**
 * Puts an archived transcript back under its key and archives the one that is current; it counts as a user's message.
 * The record is made from the transcript by streaming it.
 *
 * @param sessionId of a transcript in this agent's store, whose header names `place.key`
 * @throws ClawError tempfail `session-busy`, data `transcript-foreign` or `state-unreadable`
 */
export function resumeSession(
  desk: Desk,
  place: SessionPlace,
  sessionId: string,
  options: { waitMs: number },
): Promise<ResumeOutcome> {
  return holdSession(desk, place, options.waitMs, async seat => {
    const state = await settleSession(desk, seat, 'another session was resumed before it was answered');
    const { record } = state;
    if (record?.sessionId === sessionId) return unchanged(record);
    // Looked at again under the lock: it may have been deleted meanwhile.
    const header = ownHeader(desk, place, sessionId);
    if (header === null) {
      throw new ClawError(
        'data',
        'transcript-foreign',
        `${desk.layout.transcript(place.agentId, sessionId)} is gone, or its first line does not name ${place.key} as its session`,
        'claw sessions list --archived',
      );
    }
    try {
      return goOnWith(desk, seat, state, header);
    } catch (error) {
      throw ioFailure(
        error,
        'the session was not resumed, or only in part; then the next message completes it',
      );
    }
  });
}

/** Line into the old transcript (the commit point), line into the resumed one, record. */
function goOnWith(desk: Desk, seat: Seat, state: State, header: HeaderEntry): ResumeOutcome {
  const { record } = state;
  const at = desk.context.now();
  const old = record !== null && state.transcript === 'present' ? record : null;
  const archivePath = old ? desk.layout.transcript(seat.agentId, old.sessionId) : null;
  if (old && archivePath) {
    const info: ResetInfo = { reason: 'resume', at, previousSessionId: old.sessionId };
    appendLines(archivePath, [resetLine(info, header.id)]);
  }
  const next = resumeTranscript(desk, header, record, resumedEntry(at, old?.sessionId ?? null));
  saveRecord(desk.layout, next, newToken(desk.context), { folder: true });
  return {
    sessionKey: seat.key,
    changed: true,
    sessionId: header.id,
    previousSessionId: old?.sessionId ?? null,
    archivePath,
    messageCount: next.messageCount,
  };
}

function unchanged({ key, sessionId, messageCount }: SessionRecord): ResumeOutcome {
  return {
    sessionKey: key,
    changed: false,
    sessionId,
    previousSessionId: null,
    archivePath: null,
    messageCount,
  };
}
