/** Whose memory it is, and for whom: the settings of an agent's memory, and the conversations that hear of it. */
import type { ConfigInput } from '../../config/schema.ts';
import { agentEntry } from '../agent.ts';
import { kindOfKey } from '../routing/session-key.ts';
import type { Viewer } from '../routing/visibility.ts';
import type { Origin } from '../session/session.ts';

/** The file of lasting notes: of the owner, for his private session alone. */
export const PRIVATE_FILE = 'MEMORY.md';

/** Folder of the other notes, one file for each day. */
export const NOTES_FOLDER = 'memory';

const RETRIEVE_COUNT = 5;

/** How an agent's memory is used; its own entry wins over the defaults of agents, and those over `memory`. */
export function memorySettings(
  config: Pick<ConfigInput, 'agents' | 'memory'>,
  agentId: string,
): { enabled: boolean; retrieveCount: number } {
  const own = agentEntry(config, agentId)?.memory;
  const { memory: shared } = config.agents?.defaults ?? {};
  return {
    enabled: own?.enabled ?? shared?.enabled ?? config.memory?.enabled ?? true,
    retrieveCount:
      own?.retrieveCount ?? shared?.retrieveCount ?? config.memory?.retrieveCount ?? RETRIEVE_COUNT,
  };
}

/**
 * Whether notes may be quoted. They are the agent's memory of its owner, so only in his private main session: a key
 * `agent:<id>:<name>` without further parts, and a direct message. A group or another person never hears them.
 */
export function mayQuoteNotes(request: { sessionKey: string; origin: Pick<Origin, 'chatType'> }): boolean {
  return request.origin.chatType === 'dm' && request.sessionKey.split(':').length === 3;
}

/** What a run of an agent may read of its agent's memory by calling claw. */
export type MemoryAccess = 'all' | 'not-private' | 'none';

/**
 * The same rule for what an agent asks for itself: everything in the private session, all but the private file in a
 * job of its own, nothing in a conversation with somebody else. `scope: global` has no private session: its one key is
 * that of groups, too.
 */
export function memoryAccess(
  viewer: Viewer | null,
  agentId: string,
  session: ConfigInput['session'],
): MemoryAccess {
  if (viewer === null) return 'all';
  if (viewer.agentId !== agentId) return 'none';
  if (viewer.key.split(':').length === 3 && session?.scope !== 'global') return 'all';
  return kindOfKey(viewer.key, session) === 'cron' ? 'not-private' : 'none';
}
