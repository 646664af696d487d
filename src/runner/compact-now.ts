/** Compaction on an operator's word. */
import { ClawError } from '../core/errors.ts';
import { unknownSession } from '../core/routing/visibility.ts';
import { newToken } from '../store/lock.ts';
import { clearTurn, markTurn } from '../store/pending.ts';
import { saveRecord } from '../store/sessions.ts';
import { compactBetweenTurns } from './compact-request.ts';
import { type Desk, TurnInterrupted } from './desk.ts';
import { holdSession, type SessionPlace } from './hold.ts';
import { recover } from './recover.ts';
import { workSession } from './turn.ts';

/** What an operator's compaction came to. */
export interface CompactionReport {
  sessionKey: string;
  sessionId: string;
  /** false: there was nothing to compact; `reason` says why */
  changed: boolean;
  reason: string | null;
  turnsRemoved: number;
  turnsKept: number;
  /** the agent's program did it, in the session that it keeps: no turn is left out of what claw would send */
  byProgram: boolean;
  /** estimates, but what a program says; null where nothing changed or it says nothing */
  tokensBefore: number | null;
  tokensAfter: number | null;
  summary: string | null;
}

/**
 * Compacts a session on an operator's word: what its last owner left open is finished first.
 *
 * @param options waitMs: how long to wait for a running turn
 * @throws ClawError tempfail `session-busy`; usage `session-unknown`; unavailable `compaction-failed`, after which nothing
 *   has changed
 */
export function compactNow(
  desk: Desk,
  place: SessionPlace,
  options: { waitMs: number; instructions: string; signal?: AbortSignal | undefined },
): Promise<CompactionReport> {
  const { instructions, signal } = options;
  return holdSession(desk, place, options.waitMs, async seat => {
    try {
      await workSession(desk, seat, null, { enough: () => true, ...(signal ? { signal } : {}) });
      const state = recover(desk, seat);
      const { record } = state;
      if (!record) throw unknownSession(place.key);
      // Whoever dies before the record is saved leaves one that lags: the mark brings the next tick to it.
      markTurn(desk.layout, seat.agentId, seat.key);
      const outcome = await compactBetweenTurns(desk, seat, state, { instructions, signal });
      if ('state' in outcome)
        saveRecord(desk.layout, outcome.state.record!, newToken(desk.context), { folder: false });
      clearTurn(desk.layout, seat.agentId, seat.key);
      const base = { sessionKey: record.key, sessionId: record.sessionId };
      if (outcome.status === 'compacted-within') {
        const { tokensBefore = null, tokensAfter = null } = outcome.entry;
        const counts = { turnsRemoved: 0, turnsKept: 0, byProgram: true, tokensBefore, tokensAfter };
        return { ...base, changed: true, reason: null, ...counts, summary: null };
      }
      if (outcome.status === 'compacted') {
        const { turns_removed, turnsKept, tokensBefore, tokensAfter, summary } = outcome.entry;
        const counts = {
          turnsRemoved: turns_removed,
          turnsKept,
          byProgram: false,
          tokensBefore,
          tokensAfter,
        };
        return { ...base, changed: true, reason: null, ...counts, summary: summary ?? null };
      }
      if (outcome.status === 'nothing') {
        const none = {
          ...{ turnsRemoved: 0, turnsKept: 0, byProgram: false },
          ...{ tokensBefore: null, tokensAfter: null, summary: null },
        };
        return { ...base, changed: false, reason: outcome.reason, ...none };
      }
      throw compactionFailed(place.key, outcome.status === 'failed' ? outcome.message : 'it was stopped');
    } catch (error) {
      if (error instanceof TurnInterrupted) throw compactionFailed(place.key, 'it was told to end');
      throw error;
    }
  });
}

function compactionFailed(key: string, why: string): ClawError {
  const hint = `claw sessions compact ${key}`;
  return new ClawError(
    'unavailable',
    'compaction-failed',
    `session ${key} could not be compacted, and is as it was: ${why}`,
    hint,
  );
}
