/** How the saving of memory stands in a session (openclaw#41356: it never came, and nothing said why). */
import { compactionSettings, judgeFlush, judgeKeptRoom, judgeRoom } from '../../core/context/compaction.ts';
import { mayQuoteNotes } from '../../core/memory/rule.ts';
import type { SessionRecord } from '../../core/session/session.ts';
import type { MemoryFlushEntry } from '../../core/session/transcript.ts';
import { countContext } from '../../runner/assemble.ts';
import type { Desk } from '../../runner/desk.ts';
import { isoTime } from '../format.ts';

/** How saving memory stands, for people and scripts. */
export interface FlushReport {
  /** ISO; null: never in this session id */
  lastAt: string | null;
  result: MemoryFlushEntry['result'] | null;
  /** size of the context now */
  tokens: number;
  /** null: it is off */
  threshold: number | null;
  due: boolean;
  /** why it is not due; null when it is */
  reason: string | null;
}

/**
 * See `FlushReport`. Reads only, and the transcript only where the record has no count.
 *
 * @param runner keeps: its program has a session of its own, and tells how full that is; sends: it is sent the conversation
 */
export function reportFlush(
  desk: Desk,
  record: SessionRecord,
  runner: { keeps: boolean; sends: boolean },
): FlushReport {
  const settings = compactionSettings(desk.config, record.agentId);
  const count = countContext(desk, record, settings.window * 2);
  const { tokens } = runner.keeps ? judgeKeptRoom(count, settings) : judgeRoom(count, settings);
  const verdict = judgeFlush(count, tokens, settings.flush?.threshold ?? null);
  const last = { lastAt: count.flush ? isoTime(count.flush.at) : null, result: count.flush?.result ?? null };
  if (!runner.sends && !runner.keeps) {
    return { ...last, tokens, threshold: null, due: false, reason: 'runner-needs-no-history' };
  }
  const origin = record.lastRoute ?? { chatType: record.chatType };
  if (!mayQuoteNotes({ sessionKey: record.key, origin }))
    return { ...last, tokens, threshold: null, due: false, reason: 'not-private' };
  const off = settings.mode === 'auto' ? 'off' : `compaction-${settings.mode}`;
  const reason = verdict.reason === 'off' ? off : verdict.reason;
  return { ...last, tokens, threshold: verdict.threshold, due: verdict.due, reason };
}
