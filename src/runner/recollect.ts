/**
 * Whether an agent is given notes of its memory with a turn, and which. Asked before the turn is written down, which
 * says where they stood; a search that fails costs the notes, never the turn.
 */
import { mayQuoteNotes, memorySettings } from '../core/memory/rule.ts';
import type { TurnEntry, UserEntry } from '../core/session/transcript.ts';
import type { MemoryNote } from '../core/turn-request.ts';
import { hasMemory } from '../store/memory-files.ts';
import type { Desk, Seat } from './desk.ts';
import { workspaceOf } from './judge.ts';
import { runnerOf } from './resolve.ts';

/**
 * The notes for a turn, which are also entered in `turn`. Costs two looks at the workspace where there are none.
 *
 * @param turn about to be written
 */
export async function recollect(
  desk: Desk,
  seat: Seat,
  turn: TurnEntry,
  users: UserEntry[],
): Promise<MemoryNote[]> {
  delete turn.notes;
  const { agentId } = seat;
  const { enabled, retrieveCount } = memorySettings(desk.config, agentId);
  // Recall searches by itself; it has no entry under `runners`.
  const runner = await runnerOf(desk.config, turn.runner);
  const context = runner === undefined ? 'none' : (runner.context ?? 'claw');
  if (!enabled || retrieveCount === 0 || context === 'none') return [];
  // What a program that keeps its own history is told once it may say to the next one who writes, and here that is a group.
  if (context === 'native' && desk.config.session?.scope === 'global') return [];
  const { origin } = users.at(-1)!;
  if (!mayQuoteNotes({ sessionKey: seat.key, origin })) return [];
  if (!hasMemory(workspaceOf(desk, agentId))) return [];
  try {
    const { questionOf, retrieveNotes } = await import('./retrieve.ts');
    const question = await questionOf(desk, seat, turn, users);
    const notes = retrieveNotes(desk, agentId, question, {
      count: retrieveCount,
      size: context === 'native' ? 'short' : 'whole',
    });
    if (notes.length > 0)
      turn.notes = notes.map(({ file, line, text }) => ({ file, line, characters: text.length }));
    return notes;
  } catch (error) {
    desk.warn(`notes of agent ${agentId} were not searched: ${(error as Error).message}`);
    return [];
  }
}
