/**
 * Presets: how the agent command lines that people have are started and read. Each is a description and nothing else
 * (`preset/<name>.ts`), written in the keys of the config, so that any of them can be overridden by one; they are loaded
 * only for a runner that uses one. Their names are needed more often, and stand here.
 */
import type { RunnerConfig, RunnerInput } from '../../config/schema.ts';

export const PRESET_NAMES = [
  'claude',
  'codex',
  'gemini',
  'opencode',
  'copilot',
  'pi',
  'goose',
  'llm',
  'ollama',
  'aider',
  'cursor-agent',
  'amp',
] as const;

export type PresetName = (typeof PRESET_NAMES)[number];

/** What models can read where it is known and not 200,000 tokens; ollama cuts off what is longer without a word. */
export const PRESET_CONTEXT_TOKENS: Readonly<Partial<Record<PresetName, number>>> = {
  gemini: 1_048_576,
  ollama: 4096,
};

/** What an agent may do without being asked, which is all it can do where nobody is there to ask. */
export type Permissions = 'safe' | 'edit' | 'full';

export interface Preset {
  runner: RunnerInput & { command: string };
  /**
   * Arguments (put where `{{Permissions}}` stands alone in `args`) and environment for each degree of freedom.
   * safe: reads, and asks nobody; edit: changes files of its workspace; full: everything.
   */
  permissions: Record<Permissions, { args?: readonly string[]; env?: Readonly<Record<string, string>> }>;
  /** one command that installs it */
  install: string;
  /** what to do where it is not logged in */
  login: string;
}

/** Name of the preset that a runner is made of: its `preset`, or its own name where it says neither that nor a command. */
export function presetOf(name: string, own: RunnerInput | undefined): PresetName | undefined {
  if (own?.preset !== undefined) return own.preset;
  if (own?.command !== undefined) return undefined;
  return PRESET_NAMES.find(each => each === name);
}

/** The runner that a preset and what the config says beside it come to. */
export function withPreset({ runner, permissions, login }: Preset, own: RunnerInput = {}): RunnerConfig {
  const freedom = permissions[own.permissions ?? 'safe'];
  const merged = { ...runner, ...defined(own) };
  const fill = (args: RunnerInput['args']) =>
    args?.flatMap(arg => {
      if (arg === '{{Permissions}}') return [...(freedom.args ?? [])];
      return arg === '{{MoreArgs}}' ? (own.moreArgs ?? []) : [arg];
    });
  const env = { ...runner.env, ...freedom.env, ...own.env };
  const args = fill(merged.args);
  const resumeArgs = fill(merged.resumeArgs);
  const asideArgs = fill(merged.asideArgs);
  return {
    ...merged,
    command: merged.command!,
    ...(args ? { args } : {}),
    ...(resumeArgs ? { resumeArgs } : {}),
    ...(asideArgs ? { asideArgs } : {}),
    ...(Object.keys(env).length > 0 ? { env } : {}),
    ...(runner.pick || own.pick ? { pick: { ...runner.pick, ...defined(own.pick ?? {}) } } : {}),
    ...(runner.signs || own.signs ? { signs: { ...runner.signs, ...defined(own.signs ?? {}) } } : {}),
    login,
  };
}

function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Partial<T>;
}
