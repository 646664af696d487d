/** An agent as the config knows it: its entry, its runner, its model. */
import type { ConfigInput } from '../config/schema.ts';

/** The config entry of an agent; ids are compared as they are normalised. */
export function agentEntry(config: ConfigInput, agentId: string) {
  return config.agents?.list?.find(agent => agent.id.trim().toLowerCase() === agentId);
}

/** Name of the runner that answers for an agent. */
export function runnerName(config: ConfigInput, agentId: string): string {
  return agentEntry(config, agentId)?.runner ?? config.agents?.defaults?.runner ?? 'recall';
}
