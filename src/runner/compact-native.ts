/** A session that an agent's program keeps, compacted by the program itself because somebody asked. */
import type { RunnerConfig } from '../config/schema.ts';
import type { NativeUse } from '../core/runner/native.ts';
import type { NativeCompactEntry } from '../core/session/transcript.ts';
import { append } from './accept.ts';
import { type Ask, type CompactionOutcome, QUESTION_SECONDS } from './compact.ts';
import type { Desk, State } from './desk.ts';

/** A compaction that somebody asked for: as claw's own, or the program did it in the session that it keeps. */
export type RequestedCompaction =
  | CompactionOutcome
  | { status: 'compacted-within'; state: State; entry: NativeCompactEntry };

/**
 * Sends the program its own word for it. `compacted-within`: one line was appended, which says how many tokens there were,
 * and takes nothing away of what claw would send. Null: there is no session of the program to go on with, so that claw has
 * to compact what it has.
 *
 * @param ask asks within the program's own session
 * @throws TurnInterrupted, ClawError `lease-lost`
 */
export async function compactWithin(
  desk: Desk,
  state: State,
  order: { runner: RunnerConfig; runId: string; instructions: string },
  ask: Ask,
): Promise<RequestedCompaction | null> {
  const record = state.record!;
  const { compactPrompt, pick } = order.runner;
  // Programs know their command only where the prompt begins with it.
  const body = `${compactPrompt} ${order.instructions}`.trim();
  const run = await ask(record, { body, history: false, timeoutSeconds: QUESTION_SECONDS, isCommand: true });
  if (run.stop) return { status: 'stopped', run };
  const { outcome, native } = run;
  if (native?.how !== 'resumed') return null;
  if (outcome.status === 'failed') {
    const { code, message } = outcome.error;
    if (code === 'unknown-session') return null;
    // It has no reply to that, which is no failure here.
    if (code !== 'empty') return { status: 'failed', code, message };
  }
  const { compacted } = outcome;
  if (pick?.compactedFrom !== undefined && !compacted) {
    const said = outcome.status === 'replied' ? outcome.text.trim().replace(/\.$/, '') : '';
    return { status: 'nothing', reason: said.slice(0, 300) || 'the program did not say that it compacted' };
  }
  // A run without a reply counts as failed and stores nothing: what it counted is in the counters of the next.
  const { id, counted } = record.native!;
  const now = order.runner.onOtherSession === 'follow' ? (outcome.nativeId ?? id) : id;
  const use: NativeUse = { ...native, id: now, ...(counted && now === id ? { counted } : {}) };
  const entry: NativeCompactEntry = {
    type: 'compact',
    timestamp: desk.context.now(),
    reason: 'manual',
    byProgram: true,
    turns_removed: 0,
    ...(compacted ? { tokensBefore: compacted.from } : {}),
    ...(compacted?.to != null ? { tokensAfter: compacted.to } : {}),
    native: native.id === undefined ? use : native,
    runId: order.runId,
    ...(outcome.usage && !outcome.usage.estimated ? { usage: outcome.usage } : {}),
  };
  return { status: 'compacted-within', state: append(desk, state, [entry]).state, entry };
}
