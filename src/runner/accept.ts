/** The moment from which a message is promised: what is written before it, and what is taken back when it fails. */
import { ClawError } from '../core/errors.ts';
import type { Incoming } from '../core/incoming.ts';
import { reduceRecord, type SessionRecord } from '../core/session/session.ts';
import {
  type CommandEntry,
  type Entry,
  isCommandEntry,
  isUserEntry,
  type UserEntry,
} from '../core/session/transcript.ts';
import type { TurnPlan } from '../core/turn.ts';
import { type Prepared, undo } from '../store/json-file.ts';
import { appendLines } from '../store/jsonl-file.ts';
import { newToken } from '../store/lock.ts';
import { findMessageId, type IdHit, rememberMessageId } from '../store/message-ids.ts';
import { clearTurn, markTurn } from '../store/pending.ts';
import { prepareRecord, removeRecord } from '../store/sessions.ts';
import { prepareTranscript, removeTranscript } from '../store/transcripts.ts';
import type { Desk, Seat, State } from './desk.ts';

/** The first acceptance of a message with the same identity, in this session's tail or anywhere. */
export function findAccepted(desk: Desk, state: State, incoming: Incoming): IdHit | null {
  if (!incoming.identity) return null;
  const wanted = JSON.stringify(incoming.identity);
  for (const { entry, offset } of state.tail) {
    if (
      (isUserEntry(entry) || isCommandEntry(entry)) &&
      entry.identity &&
      JSON.stringify(entry.identity) === wanted
    ) {
      const { agentId, key, sessionId } = state.record!;
      return { agentId, key, sessionId, at: offset, time: entry.timestamp };
    }
  }
  return findMessageId(desk.layout, incoming.identity, desk.context.now(), desk.idRetention);
}

/**
 * Makes a batch durable, marker first. In a session that goes on, one append accepts it. Where a session begins (or is
 * reset), everything that needs room on the disk is written before anything is changed; then come the line that archives
 * the old transcript, the record and the new transcript, each by a step that needs none. The last step of either way is
 * the moment of acceptance: before it nothing is promised, and what was prepared is taken back.
 */
export function accept(
  desk: Desk,
  seat: Seat,
  state: State,
  plan: TurnPlan,
  onAccepted: ((sessionId: string) => void) | undefined,
): State {
  let written: ReturnType<typeof append>;
  const steps = { archived: false, named: false };
  try {
    if (plan.action !== 'record') markTurn(desk.layout, seat.agentId, seat.key);
    written = plan.isNewTranscript
      ? beginTranscript(desk, seat, state, plan, steps)
      : append(desk, { ...state, record: plan.record }, plan.entries);
  } catch (error) {
    try {
      // Once the old transcript is archived somebody has to finish the reset: the mark stays.
      if (!steps.archived) clearTurn(desk.layout, seat.agentId, seat.key);
    } catch (trouble) {
      desk.warn(`could not clean up after a failed acceptance: ${(trouble as Error).message}`);
    }
    throw ioFailure(error, 'the message was not accepted');
  }
  onAccepted?.(plan.record.sessionId);
  plan.entries.forEach((entry, index) => {
    if (isUserEntry(entry) || isCommandEntry(entry))
      remember(desk, plan.record, entry, written.offsets[index]!);
  });
  return { ...written.state, transcript: 'present', tail: [] };
}

/** See `accept`. A failure before the record is in place leaves everything as it was. */
function beginTranscript(
  desk: Desk,
  seat: Seat,
  state: State,
  plan: TurnPlan,
  steps: { archived: boolean; named: boolean },
): ReturnType<typeof append> {
  const { layout, context } = desk;
  const { record } = plan;
  const draft = prepareTranscript(layout, seat.agentId, record.sessionId, plan.entries, newToken(context));
  let newRecord: Prepared | null = null;
  try {
    const isNew = record.sessionId !== state.record?.sessionId;
    if (isNew) newRecord = prepareRecord(layout, record, newToken(context));
    if (plan.resetEntry && state.record) {
      appendLines(layout.transcript(seat.agentId, state.record.sessionId), [plan.resetEntry]);
      steps.archived = true;
    }
    newRecord?.commit({ folder: true });
    steps.named = true;
    draft.prepared.commit({ folder: true });
  } catch (error) {
    undo(error, () => newRecord?.abandon());
    undo(error, () => draft.prepared.abandon());
    // It may have its name though the folder could not be synced: a message that was refused must not stay.
    if (steps.named) undo(error, () => removeTranscript(layout, seat.agentId, record.sessionId));
    if (!state.record) undo(error, () => removeRecord(layout, seat.agentId, seat.key));
    throw error;
  }
  const reduced = plan.entries.reduce((next, entry) => reduceRecord(next, entry, draft.end), record);
  return { state: { ...state, record: reduced }, offsets: draft.offsets };
}

/** Trouble with the disk, told so that the caller tries again. */
export function ioFailure(error: unknown, what: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (
    error instanceof ClawError ||
    typeof code !== 'string' ||
    (error as NodeJS.ErrnoException).syscall === undefined
  ) {
    if (!(error instanceof Error) || !/^(ENOSPC|EIO|EDQUOT|EROFS|EFBIG|EMFILE)/.test(code ?? ''))
      return error;
  }
  if ((error as { inDoubt?: boolean }).inDoubt) {
    const message = `whether the message stands cannot be said: ${(error as Error).message}`;
    return new ClawError('io', 'in-doubt', message, 'look at the disk, then: claw inbox list', {
      cause: error,
    });
  }
  if (code === 'EISDIR' || code === 'EXDEV') {
    return new ClawError('io', 'io', `${what}: ${(error as Error).message}`, 'claw doctor', { cause: error });
  }
  const hint =
    code === 'ENOSPC' || code === 'EDQUOT' ? 'free some space, then send it again' : 'send it again';
  return new ClawError('tempfail', 'not-accepted', `${what}: ${(error as Error).message}`, hint, {
    cause: error,
  });
}

export function append(desk: Desk, state: State, entries: Entry[]): { state: State; offsets: number[] } {
  const record = state.record!;
  const { offsets, end } = appendLines(desk.layout.transcript(record.agentId, record.sessionId), entries);
  const next = entries.reduce((reduced, entry) => reduceRecord(reduced, entry, end), record);
  return { state: { ...state, record: next }, offsets };
}

export function remember(
  desk: Desk,
  record: SessionRecord,
  entry: UserEntry | CommandEntry,
  at: number,
): void {
  if (!entry.identity) return;
  const { agentId, key, sessionId } = record;
  const known = findMessageId(desk.layout, entry.identity, desk.context.now(), desk.idRetention);
  if (known?.sessionId === sessionId) return;
  rememberMessageId(desk.layout, entry.identity, { agentId, key, sessionId, at, time: entry.timestamp });
}
