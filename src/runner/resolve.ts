/** From the name of a runner to what is started. */
import type { ConfigInput, RunnerConfig } from '../config/schema.ts';
import { type PresetName, presetOf, withPreset } from '../core/runner/preset.ts';

/**
 * The runner of this name with its preset filled in; undefined where there is none (`recall` has none). Presets are
 * loaded only for a runner that is made of one.
 */
export async function runnerOf(config: ConfigInput, name: string): Promise<RunnerConfig | undefined> {
  const own = Object.hasOwn(config.runners ?? {}, name) ? config.runners![name] : undefined;
  const preset = name === 'recall' ? undefined : presetOf(name, own);
  if (preset === undefined) return own?.command === undefined ? undefined : { ...own, command: own.command };
  return withPreset(await presetNamed(preset), own);
}

/** A preset's description. */
export async function presetNamed(name: PresetName) {
  const { PRESETS } = await import('../core/runner/preset/table.ts');
  return PRESETS[name];
}

/** Does a runner's program keep a conversation in a session that claw can go on with? */
export function keepsSession(
  runner: RunnerConfig | undefined,
): runner is RunnerConfig & Required<Pick<RunnerConfig, 'resumeArgs'>> {
  return runner?.context === 'native' && runner.resumeArgs !== undefined;
}

/**
 * Is a runner sent the conversation? What claw compacts is what it sends. Recall searches the transcript itself.
 *
 * @param runner as resolved, undefined for recall
 */
export function sendsHistory(runner: RunnerConfig | undefined): boolean {
  return runner !== undefined && (runner.context ?? 'claw') === 'claw';
}
