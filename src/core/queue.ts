/** How the messages that wait for a session become turns: which go together, which are one too many. */
import type { ConfigInput } from '../config/schema.ts';
import { type Incoming, isAnsweredHere, type QueueDrop } from './incoming.ts';
import { resolveSettings, type SettingValues } from './session/settings.ts';

/**
 * Which waiting messages are left out, because more wait than the session's queue holds. Commands are no load; they stay.
 *
 * @param waiting in order of arrival
 */
export function overflowOf(
  config: ConfigInput,
  waiting: readonly Incoming[],
  queue: { cap: number; drop: QueueDrop },
): Incoming[] {
  const load = waiting.filter(incoming => incoming.respond && !isAnsweredHere(config, incoming));
  const excess = load.length - queue.cap;
  if (excess <= 0) return [];
  return queue.drop === 'new' ? load.slice(-excess) : load.slice(0, excess);
}

/**
 * How many of the waiting messages one turn takes: a command goes alone; `collect` takes the messages behind the
 * first that share its origin, sender and way back (to a session too), up to the next command; `followup` takes one.
 */
export function batchSize(config: ConfigInput, waiting: Incoming[], mode: 'collect' | 'followup'): number {
  const first = waiting[0];
  if (!first || mode === 'followup' || !first.respond || first.job || isAnsweredHere(config, first)) return 1;
  let size = 1;
  while (size < waiting.length) {
    const next = waiting[size]!;
    if (!next.respond || next.job || next.fromAgent !== first.fromAgent) break;
    if (originKey(next) !== originKey(first)) break;
    if (isAnsweredHere(config, next)) break;
    size++;
  }
  return size;
}

function originKey({ message, via, sentFrom, announceTo }: Incoming): string {
  const { channel, accountId, chatType, from, groupId, threadId, to } = message;
  const session = [sentFrom, announceTo?.agentId, announceTo?.key];
  return JSON.stringify([channel, accountId, chatType, from, groupId, threadId, to, via, ...session]);
}

/** How the queue of a session is worked, by its own settings and the config. */
export function queueSettings(
  config: ConfigInput,
  agentId: string,
  own: SettingValues,
): { mode: 'collect' | 'followup' | 'interrupt'; debounceMs: number; cap: number; drop: QueueDrop } {
  const { queueMode, queueDebounceMs, queueCap, queueDrop } = resolveSettings(config, agentId, own);
  return {
    mode: queueMode.value as 'collect' | 'followup' | 'interrupt',
    debounceMs: Number(queueDebounceMs.value),
    cap: Number(queueCap.value),
    drop: queueDrop.value as QueueDrop,
  };
}
