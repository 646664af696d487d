/** What follows on a start of an agent that failed: another model (`modelFallbacks`), or nothing. */
import type { ConfigInput, RunnerConfig } from '../../config/schema.ts';
import { agentEntry } from '../agent.ts';
import type { TurnEntry } from '../session/transcript.ts';
import type { TurnError } from '../turn-request.ts';
import { usesTemplate } from './template.ts';

/** Failures that no other model would mend: the program did not start, or was ended from outside. */
const NOT_THE_MODEL: readonly TurnError['code'][] = ['spawn', 'prompt-too-long', 'aborted', 'lease-lost'];

/** Models that an agent falls back on, in order; its own list, else that of all agents. */
export function modelFallbacks(config: Pick<ConfigInput, 'agents'>, agentId: string): readonly string[] {
  return agentEntry(config, agentId)?.modelFallbacks ?? config.agents?.defaults?.modelFallbacks ?? [];
}

/**
 * The start that follows on one that failed, with the next model of the list that the turn has not had; null where there
 * is none, where the failure is not one of the model, or where the runner is not told a model at all.
 *
 * @param now epoch ms
 */
export function fallbackStart(
  fallbacks: readonly string[],
  runner: RunnerConfig | undefined,
  turn: TurnEntry,
  code: TurnError['code'],
  now: number,
): TurnEntry | null {
  if (runner === undefined || NOT_THE_MODEL.includes(code) || !isToldModel(runner)) return null;
  const tried = [...(turn.tried ?? []), ...(turn.model ? [turn.model] : [])];
  const model = fallbacks.find(each => !tried.includes(each));
  return model === undefined ? null : { ...followOn(turn, code, now), model, tried };
}

/** A further start of a turn by the process that saw the one before it fail. */
export function followOn(turn: TurnEntry, code: TurnError['code'], now: number): TurnEntry {
  return {
    ...turn,
    timestamp: now,
    attempt: turn.attempt + 1,
    again: (turn.again ?? 0) + 1,
    after: { code, ...(turn.model ? { model: turn.model } : {}) },
  };
}

function isToldModel({ input, args = [], resumeArgs = args }: RunnerConfig): boolean {
  return input === 'json' || usesTemplate(args, 'Model') || usesTemplate(resumeArgs, 'Model');
}
