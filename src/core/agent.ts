/** An agent as the config knows it: its entry, its runner, its model. */
import type { ConfigInput } from '../config/schema.ts';
import { normaliseAgentId } from './routing/slug.ts';

/** The config entry of an agent (a normalised id); undefined where it is not listed. */
export function agentEntry(config: Pick<ConfigInput, 'agents'>, agentId: string) {
  return config.agents?.list?.find(agent => normaliseAgentId(agent.id) === agentId);
}

/**
 * Variables that the configuration gives to an agent's program: what is said for all agents goes behind what is said for
 * the program, and that behind what is said for this agent.
 *
 * @param runner as resolved; undefined for recall
 */
export function agentEnvironment(
  config: Pick<ConfigInput, 'agents'>,
  agentId: string,
  runner: { env?: Record<string, string> | undefined } | undefined,
): Record<string, string> {
  return { ...config.agents?.defaults?.env, ...runner?.env, ...agentEntry(config, agentId)?.env };
}

/** What an agent's context is kept small by, key by key: its own, else that of all agents. */
export function agentCompaction(config: Pick<ConfigInput, 'agents'>, agentId: string): CompactionConfig {
  return { ...config.agents?.defaults?.compaction, ...defined(agentEntry(config, agentId)?.compaction) };
}

type CompactionConfig = NonNullable<
  NonNullable<NonNullable<ConfigInput['agents']>['defaults']>['compaction']
>;

function defined(block: CompactionConfig | undefined): CompactionConfig {
  return Object.fromEntries(Object.entries(block ?? {}).filter(([, value]) => value !== undefined));
}

/** Name of the runner that answers for an agent. */
export function runnerName(config: ConfigInput, agentId: string): string {
  return agentEntry(config, agentId)?.runner ?? config.agents?.defaults?.runner ?? 'recall';
}
