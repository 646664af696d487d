/** An agent as the config knows it: its entry, its runner, its model. */
import type { ConfigInput } from '../config/schema.ts';
import { normaliseAgentId } from './routing/slug.ts';

/** The config entry of an agent (a normalised id); undefined where it is not listed. */
export function agentEntry(config: Pick<ConfigInput, 'agents'>, agentId: string) {
  return config.agents?.list?.find(agent => normaliseAgentId(agent.id) === agentId);
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
