/** Compaction that somebody asks for, between two turns of a session that is held. */
import type { RunnerConfig } from '../config/schema.ts';
import { runnerName } from '../core/agent.ts';
import { tokenCount } from '../core/display/count.ts';
import { type CompactionOutcome, compactSession } from './compact.ts';
import type { Desk, Seat, State } from './desk.ts';
import { runnerOf, sendsHistory } from './resolve.ts';
import { askerBetweenTurns } from './run.ts';

/**
 * Compacts a session in which no turn is under way. `compacted`: one line was appended; else nothing has changed.
 *
 * @throws TurnInterrupted, ClawError `lease-lost`
 */
export async function compactBetweenTurns(
  desk: Desk,
  seat: Seat,
  state: State,
  options: { instructions: string; signal?: AbortSignal | undefined; stopped?(): boolean },
): Promise<CompactionOutcome> {
  const { record } = state;
  if (!record || state.transcript !== 'present') return { status: 'nothing', reason: 'nothing was said yet' };
  const runner = runnerName(desk.config, seat.agentId);
  const resolved = await runnerOf(desk.config, runner);
  if (!sendsHistory(resolved)) return compactElsewhere(runner, resolved);
  const runId = desk.context.newId();
  const attend = { stopped: options.stopped ?? (() => false), signal: options.signal };
  const order = {
    reason: 'manual' as const,
    instructions: options.instructions,
    runId,
    isOwn: () => false,
    group: record.chatType !== 'dm',
  };
  return compactSession(desk, seat, state, order, askerBetweenTurns(desk, seat, record, runId, attend));
}

/**
 * A runner that is not sent the conversation. One that keeps its own (`context: native`) has its own way to compact it:
 * this is where it would be asked to.
 */
function compactElsewhere(runner: string, resolved: RunnerConfig | undefined): CompactionOutcome {
  const reason =
    resolved?.context === 'native'
      ? `runner ${runner} keeps its own conversation and compacts it itself`
      : `runner ${runner} is not sent the conversation`;
  return { status: 'nothing', reason };
}

/** What who sent `/compact` is answered. */
export function compactionReply(outcome: CompactionOutcome): string {
  if (outcome.status === 'compacted') {
    const { turns_removed: removed, tokensBefore, tokensAfter } = outcome.entry;
    const turns = removed === 1 ? '1 turn' : `${removed} turns`;
    return `Compacted: ${turns}, ${tokenCount(tokensBefore)} -> ${tokenCount(tokensAfter)} tokens (estimated).`;
  }
  if (outcome.status === 'nothing') return `Nothing to compact: ${outcome.reason}.`;
  const why = outcome.status === 'failed' ? outcome.message : 'it was stopped';
  return `Could not compact: ${why}. Nothing was changed.`;
}
