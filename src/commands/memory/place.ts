/** Whose notes a `memory` command is about, and what of them its caller may know. */
import { ClawError } from '../../core/errors.ts';
import { type MemoryAccess, memoryAccess } from '../../core/memory/rule.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { configuredAgentId } from '../../core/routing/route.ts';
import { type Viewer, viewerOf } from '../../core/routing/visibility.ts';
import type { Desk } from '../../runner/desk.ts';
import type { MemoryProblem } from '../../store/memory-files.ts';

export interface MemoryOwner {
  agentId: string;
  /** null: a person at his terminal */
  viewer: Viewer | null;
  access: MemoryAccess;
}

/**
 * The agent that is named, else the one that asks, else the default agent.
 *
 * @throws ClawError usage where it is not configured; noPermission where an agent names another than itself
 */
export function ownerOf(desk: Desk, named: string | undefined): MemoryOwner {
  const { config, context } = desk;
  const viewer = viewerOf(context.env);
  const agentId =
    named !== undefined ? configuredAgentId(named, config) : (viewer?.agentId ?? defaultAgentId(config));
  if (viewer !== null && viewer.agentId !== agentId) {
    throw new ClawError(
      'noPermission',
      'other-agent',
      `an agent has no notes but its own (run ${context.env.CLAW_RUN_ID})`,
      'leave out --agent',
    );
  }
  return { agentId, viewer, access: memoryAccess(viewer, agentId, config.session) };
}

/** The same, for who wants to read. @throws ClawError noPermission in a conversation that hears of no notes */
export function readableBy(
  desk: Desk,
  named: string | undefined,
): { agentId: string; access: Exclude<MemoryAccess, 'none'> } {
  const { agentId, viewer, access } = ownerOf(desk, named);
  if (access !== 'none') return { agentId, access };
  throw new ClawError(
    'noPermission',
    'notes-are-private',
    `notes are the owner's: session ${JSON.stringify(viewer?.key)} does not hear of them`,
    'claw memory add works here',
  );
}

/** A line for each file, or part of one, that was not looked at. */
export function tellProblems(problems: readonly MemoryProblem[], warn: (text: string) => void): void {
  for (const { name, reason } of problems)
    warn(`${name}: ${reason}${reason.startsWith('too large') ? '' : '; not searched'}, left in place`);
}
