/** Compaction that somebody asks for, between two turns of a session that is held. */
import { runnerName } from '../core/agent.ts';
import { tokenCount } from '../core/display/count.ts';
import { compactSession } from './compact.ts';
import { compactWithin, type RequestedCompaction } from './compact-native.ts';
import { askerBetweenTurns } from './converse.ts';
import type { Desk, Seat, State } from './desk.ts';
import { keepsSession, runnerOf, sendsHistory } from './resolve.ts';

/**
 * Compacts a session in which no turn is under way: by the agent's program where that keeps it and has a word for it, else
 * by claw. `compacted`, `compacted-within`: one line was appended; else nothing has changed.
 *
 * @throws TurnInterrupted, ClawError `lease-lost`
 */
export async function compactBetweenTurns(
  desk: Desk,
  seat: Seat,
  state: State,
  options: { instructions: string; signal?: AbortSignal | undefined; stopped?(): boolean },
): Promise<RequestedCompaction> {
  const { record } = state;
  if (!record || state.transcript !== 'present') return { status: 'nothing', reason: 'nothing was said yet' };
  const runner = runnerName(desk.config, seat.agentId);
  const resolved = await runnerOf(desk.config, runner);
  const keeps = keepsSession(resolved);
  if (!keeps && !sendsHistory(resolved))
    return { status: 'nothing', reason: `runner ${runner} is not sent the conversation` };
  const runId = desk.context.newId();
  const attend = { stopped: options.stopped ?? (() => false), signal: options.signal };
  const { instructions } = options;
  const asker = (how: { within?: boolean }) => askerBetweenTurns(desk, seat, record, runId, attend, how);
  if (keeps && resolved?.compactPrompt !== undefined) {
    const order = { runner: resolved, runId, instructions };
    const outcome = await compactWithin(desk, state, order, asker({ within: true }));
    if (outcome !== null) return outcome;
  }
  const order = {
    reason: 'manual' as const,
    instructions,
    runId,
    isOwn: () => false,
    group: record.chatType !== 'dm',
    // The next turn begins a session with what is left.
    reseeds: keeps,
  };
  return compactSession(desk, seat, state, order, asker({}));
}

/** What who sent `/compact` is answered. */
export function compactionReply(outcome: RequestedCompaction): string {
  if (outcome.status === 'compacted') {
    const { turns_removed: removed, tokensBefore, tokensAfter } = outcome.entry;
    const turns = removed === 1 ? '1 turn' : `${removed} turns`;
    return `Compacted: ${turns}, ${tokenCount(tokensBefore)} -> ${tokenCount(tokensAfter)} tokens (estimated).`;
  }
  if (outcome.status === 'compacted-within') {
    const { tokensBefore, tokensAfter } = outcome.entry;
    const from = tokensBefore === undefined ? '' : `: ${tokenCount(tokensBefore)}`;
    const to = from === '' || tokensAfter === undefined ? '' : ` -> ${tokenCount(tokensAfter)}`;
    return `Compacted by the agent's program${from}${to}${from === '' ? '' : ' tokens'}.`;
  }
  if (outcome.status === 'nothing') return `Nothing to compact: ${outcome.reason}.`;
  const why = outcome.status === 'failed' ? outcome.message : 'it was stopped';
  return `Could not compact: ${why}. Nothing was changed.`;
}
