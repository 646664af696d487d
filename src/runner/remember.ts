/** Notes added to an agent's memory: by a person, by the agent itself, by the turn before a compaction. */
import path from 'node:path';
import { ClawError } from '../core/errors.ts';
import { noteItem } from '../core/memory/note.ts';
import { NOTES_FOLDER, PRIVATE_FILE } from '../core/memory/rule.ts';
import { dayOf, localTimeAt } from '../core/schedule/zone.ts';
import { restOfKey } from '../store/layout.ts';
import { newToken, tryLock } from '../store/lock.ts';
import { type Added, appendMemory, LinkOut, type Manner } from '../store/memory-files.ts';
import { ioFailure } from './accept.ts';
import type { Desk } from './desk.ts';
import { workspaceOf } from './judge.ts';

/** How long an addition waits for one that is under way, ms. */
const PATIENCE = 5000;
const LOOK_EVERY = 10;

/** Where a note goes: the lasting notes, or those of the day in the user's zone. */
export type NoteTarget = 'MEMORY.md' | 'today';

/**
 * Adds one dated note.
 *
 * @param from key of the session it was taken in, where that is not the private one
 * @param now epoch ms
 * @throws ClawError usage, `memory-read-only`, or `not-accepted` where it could not be written; nothing of it stands then
 */
export async function addNote(
  desk: Desk,
  agentId: string,
  note: { text: string; to: NoteTarget; from?: string | undefined },
  now: number,
): Promise<Added> {
  const at = localTimeAt(desk.zone, now);
  const isDaily = note.to === 'today';
  const from = note.from === undefined ? undefined : restOfKey(note.from);
  const name = isDaily ? fileOfDay(desk, now) : PRIVATE_FILE;
  return append(desk, agentId, name, noteItem(note.text, at, isDaily, from), {});
}

/**
 * Keeps what an agent wrote down before its history is compacted: behind what stands in the file of the day, in the
 * user's zone at that instant, made where it is missing. Nothing that is there is changed, in this file or another.
 *
 * @param text Markdown; blank: nothing is written
 * @param now epoch ms
 * @param announce hears of it before the first byte is written
 * @returns where it stands; null where there was nothing to keep
 * @throws ClawError `not-accepted` where it could not be written; nothing of it stands then
 */
export async function appendFlush(
  desk: Desk,
  agentId: string,
  text: string,
  now: number,
  announce: (note: { path: string; text: string }) => void = () => undefined,
): Promise<Added | null> {
  const body = text.replaceAll('\0', '\ufffd').replace(/\r\n?/g, '\n').trim();
  if (body === '') return null;
  const name = fileOfDay(desk, now);
  announce({ path: path.join(workspaceOf(desk, agentId), name), text: body });
  return append(desk, agentId, name, `${body}\n`, { isApart: true });
}

/**
 * The same for a note whose writer died, from the line that announced it: what of it stands is left so, and what is missing
 * comes behind it. That it stands whole already is no error.
 *
 * @param flush its text as it was announced, and when
 */
export async function redoFlush(
  desk: Desk,
  agentId: string,
  flush: { note: string; timestamp: number },
): Promise<void> {
  const name = fileOfDay(desk, flush.timestamp);
  await append(desk, agentId, name, `${flush.note}\n`, { isApart: true, isAgain: true });
}

function fileOfDay(desk: Desk, now: number): string {
  return `${NOTES_FOLDER}/${dayOf(localTimeAt(desk.zone, now))}.md`;
}

async function append(
  desk: Desk,
  agentId: string,
  name: string,
  text: string,
  manner: Manner,
): Promise<Added> {
  const { context, layout } = desk;
  const place = layout.memoryLock(agentId);
  const workspace = workspaceOf(desk, agentId);
  try {
    for (let tries = 0; ; tries++) {
      const lock = tryLock(context, place, newToken(context));
      if (lock !== null) {
        try {
          return appendMemory(workspace, name, text, manner);
        } finally {
          lock.release();
        }
      }
      // Whoever holds it that long is stuck. One write behind the end loses nothing without the lock either.
      if (tries * LOOK_EVERY >= PATIENCE) return appendMemory(workspace, name, text, manner);
      await new Promise(resolve => setTimeout(resolve, LOOK_EVERY));
    }
  } catch (error) {
    throw refusal(error, workspace, name);
  }
}

function refusal(error: unknown, workspace: string, name: string): unknown {
  if (error instanceof LinkOut)
    return new ClawError(
      'noPermission',
      'memory-link',
      `${workspace}/${name} is, or lies behind, a link that leads out of the workspace; nothing was written`,
      'put the notes into the workspace, or set agents.list[].workspace',
    );
  const { message, code } = error as NodeJS.ErrnoException;
  if (
    message === 'not a file' ||
    code === 'EISDIR' ||
    code === 'ENOTDIR' ||
    code === 'ENXIO' ||
    code === 'ELOOP'
  )
    return new ClawError(
      'cannotCreate',
      'memory-not-a-file',
      `${workspace}/${name} cannot be written to: ${message}`,
      'claw memory list',
    );
  // Trying again helps nobody where claw may not write.
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new ClawError(
      'cannotCreate',
      'memory-read-only',
      `${workspace}/${name} cannot be written: ${message}; nothing was noted`,
      'make the workspace writable, or set agents.list[].workspace',
    );
  return ioFailure(error, 'the note was not written');
}
