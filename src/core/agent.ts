/** An agent as the config knows it: its entry, its runner, its model. */
import type { ConfigInput } from '../config/schema.ts';
import { normaliseAgentId } from './routing/slug.ts';

/** The config entry of an agent (a normalised id); undefined where it is not listed. */
export function agentEntry(config: Pick<ConfigInput, 'agents'>, agentId: string) {
  return config.agents?.list?.find(agent => normaliseAgentId(agent.id) === agentId);
}

/** Name of the runner that answers for an agent. */
export function runnerName(config: ConfigInput, agentId: string): string {
  return agentEntry(config, agentId)?.runner ?? config.agents?.defaults?.runner ?? 'recall';
}
