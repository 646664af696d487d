/** System events that wait for a turn of their session: `events/<agent>/<key>.<seq>-<id>.json`, one small file each. */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import type { SystemEvent } from '../core/schedule/system-event.ts';
import { listNames, makeFolder, putJson, readJson } from './json-file.ts';
import { encodeKey, type Layout, restOfKey } from './layout.ts';
import { newToken } from './lock.ts';

const EVENT = /^(.+)\.(\d{16}-[0-9a-f-]{36})\.json$/;

/** Most events one turn is told; the others wait for the next. */
export const EVENTS_PER_TURN = 50;

/**
 * Queues an event durably. The same text as the newest that waits is not queued again, nor an id that waits.
 *
 * @param id given where the same event may be queued once more after a crash
 * @returns the event's id; that of the one already there for a repetition
 */
export function putSystemEvent(
  context: Context,
  layout: Layout,
  event: Omit<SystemEvent, 'id' | 'at'>,
  id: string = context.newId(),
): string {
  const folder = layout.events(event.agentId);
  makeFolder(folder);
  const waiting = eventFiles(layout, event.agentId, event.key);
  if (waiting.some(({ file }) => file.endsWith(`-${id}.json`))) return id;
  const newest = waiting.at(-1);
  const read = newest && readEvent(newest.file);
  if (read && read.text === event.text && read.runId === event.runId) return read.id;
  // Never below one that waits: a clock set back does not reorder what happened.
  const sequence = Math.max(context.now(), newest ? newest.sequence + 1 : 0);
  const stem = `${String(sequence).padStart(16, '0')}-${id}`;
  const file = path.join(folder, `${encodeKey(restOfKey(event.key))}.${stem}.json`);
  putJson(file, { ...event, id, at: context.now() } satisfies SystemEvent, newToken(context), {
    folder: true,
  });
  return id;
}

/** How many events wait for sessions of an agent. */
export function countSystemEvents(layout: Layout, agentId: string): number {
  return listNames(layout.events(agentId)).filter(name => EVENT.test(name)).length;
}

interface EventFile {
  file: string;
  sequence: number;
}

function eventFiles(layout: Layout, agentId: string, key: string): EventFile[] {
  const encoded = encodeKey(restOfKey(key));
  return listNames(layout.events(agentId))
    .sort()
    .flatMap(name => {
      const match = EVENT.exec(name);
      if (match?.[1] !== encoded) return [];
      return [{ file: path.join(layout.events(agentId), name), sequence: Number(match[2]!.slice(0, 16)) }];
    });
}

function readEvent(file: string): SystemEvent | null {
  const read = readJson(file);
  const event = (read.state === 'ok' ? read.value : null) as Partial<SystemEvent> | null;
  if (typeof event?.id !== 'string' || typeof event.text !== 'string' || !Number.isFinite(event.at))
    return null;
  return event as SystemEvent;
}

/** Events that wait for a session, in the order they were queued, and files that cannot be read. */
export function listSystemEvents(
  layout: Layout,
  agentId: string,
  key: string,
): { events: SystemEvent[]; unreadable: string[] } {
  const events: SystemEvent[] = [];
  const unreadable: string[] = [];
  for (const { file } of eventFiles(layout, agentId, key)) {
    const event = readEvent(file);
    if (event) events.push(event);
    else if (fs.existsSync(file)) unreadable.push(file);
  }
  return { events, unreadable };
}

/** Removes events that a turn was told and that ended well. Not synced: one that comes back is told twice, never not. */
export function dropSystemEvents(layout: Layout, agentId: string, key: string, ids: readonly string[]): void {
  if (ids.length === 0) return;
  for (const { file } of eventFiles(layout, agentId, key)) {
    if (ids.some(id => file.endsWith(`-${id}.json`))) fs.rmSync(file, { force: true });
  }
}
