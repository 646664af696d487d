/**
 * The notes of an agent as files of its workspace: `MEMORY.md` and `memory/*.md`. Found, read, and added to at their
 * end; nothing here changes or removes a byte that is there. A link that leads out of the workspace is not followed:
 * what is behind it is not this agent's.
 */
import fs from 'node:fs';
import path from 'node:path';
import { dayIn, type Note, parseNotes } from '../core/memory/note.ts';
import { NOTES_FOLDER, PRIVATE_FILE } from '../core/memory/rule.ts';
import { makeFolder, syncFolder, undo, writeAll } from './json-file.ts';

/** Of a file that is larger, its end is read. */
const LARGEST_FILE = 16 * 1024 * 1024;
const NEWLINE = 10;

/** A file of notes as its folder shows it. */
export interface MemoryFile {
  /** `MEMORY.md`, or `memory/<name>` */
  name: string;
  path: string;
  stat: fs.Stats;
  /** the day it is named by */
  day?: string;
  /** epoch ms: noon of that day (UTC), else its last change */
  at: number;
}

/** Why a file, or a part of it, was not looked at. */
export interface MemoryProblem {
  /** `MEMORY.md`, `memory`, or `memory/<name>` */
  name: string;
  reason: string;
}

/** Whether there is anything that could hold a note. Two looks, for the turn of an agent that has none. */
export function hasMemory(workspace: string): boolean {
  return [PRIVATE_FILE, NOTES_FOLDER].some(name => {
    try {
      return fs.lstatSync(path.join(workspace, name), { throwIfNoEntry: false }) !== undefined;
    } catch {
      // Something is wrong there; whoever looks closer says what.
      return true;
    }
  });
}

/** The files of notes, the newest first, and what is there and cannot be used. */
export function listMemory(workspace: string): { files: MemoryFile[]; problems: MemoryProblem[] } {
  const files: MemoryFile[] = [];
  const problems: MemoryProblem[] = [];
  const take = (name: string) => {
    try {
      const stat = statInside(workspace, name);
      if (stat === null) return;
      const place = placeOf(workspace, name);
      if (!stat.isFile()) throw new Error('not a file');
      const day = name === PRIVATE_FILE ? undefined : dayIn(name.slice(NOTES_FOLDER.length + 1));
      const at = day === undefined ? stat.mtimeMs : Date.parse(`${day}T12:00:00Z`);
      files.push({ name, path: place, stat, at, ...(day === undefined ? {} : { day }) });
    } catch (error) {
      problems.push({ name, reason: reasonOf(error) });
    }
  };
  take(PRIVATE_FILE);
  try {
    if (statInside(workspace, NOTES_FOLDER) !== null) {
      const names = fs.readdirSync(path.join(workspace, NOTES_FOLDER));
      for (const name of names) if (name.endsWith('.md')) take(`${NOTES_FOLDER}/${name}`);
    }
  } catch (error) {
    problems.push({ name: NOTES_FOLDER, reason: reasonOf(error) });
  }
  files.sort((a, b) => b.at - a.at || (a.name < b.name ? 1 : -1));
  return { files, problems };
}

/** Joining paths with care costs more than the look at the file, for each of many. */
function placeOf(workspace: string, name: string): string {
  return `${workspace}/${name}`;
}

/** Null where there is nothing. @throws where it is a link that leads out of the workspace, or cannot be looked at */
function statInside(workspace: string, name: string): fs.Stats | null {
  const place = placeOf(workspace, name);
  try {
    const stat = fs.lstatSync(place, { throwIfNoEntry: false });
    if (stat === undefined) return null;
    if (!stat.isSymbolicLink()) return stat;
    if (!isInside(workspace, fs.realpathSync(place))) throw new LinkOut();
    return fs.statSync(place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return null;
    throw error;
  }
}

/** A link that is not followed. */
export class LinkOut extends Error {
  constructor() {
    super('a link out of the workspace');
  }
}

/** Whether a path without links lies in the folder. */
function isInside(workspace: string, real: string): boolean {
  return real.startsWith(`${fs.realpathSync(workspace)}${path.sep}`);
}

/** In few words, as it stands beside the name of the file. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

/** The notes of one file. `problem` says what of it was not read. */
export interface ReadNotes {
  notes: Note[];
  bytes: number;
  problem?: string;
}

/** Reads the notes of a file. A file with NUL bytes is no text and holds none. @throws what the file system says */
export function readNotes(file: MemoryFile): ReadNotes {
  const fd = fs.openSync(file.path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const { size } = fs.fstatSync(fd);
    const from = Math.max(0, size - LARGEST_FILE);
    const bytes = readRange(fd, from, size - from);
    if (bytes.includes(0)) return { notes: [], bytes: size, problem: 'not text (it holds NUL bytes)' };
    if (from === 0) return { notes: parseNotes(bytes), bytes: size };
    // What is left of the first line is none.
    const cut = bytes.indexOf(NEWLINE) + 1;
    const before = countLines(fd, from) + 1;
    const notes = parseNotes(bytes.subarray(cut)).map(note => ({
      ...note,
      line: note.line + before,
      offset: note.offset + from + cut,
      headingOffset: note.headingOffset + from + cut,
    }));
    return {
      notes,
      bytes: size,
      problem: `too large, only its last ${LARGEST_FILE / 1024 / 1024} MiB are read`,
    };
  } finally {
    fs.closeSync(fd);
  }
}

/** A note by its place in a file; null where there is none any more. @throws what the file system says */
export function readNote(
  file: string,
  { offset, length, headingOffset, headingLength }: Omit<Note, 'text' | 'line'>,
): Note | null {
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const heading = headingLength === 0 ? Buffer.alloc(0) : readRange(fd, headingOffset, headingLength);
    const note = Buffer.concat([heading, Buffer.from('\n'), readRange(fd, offset, length)]);
    return parseNotes(note)[0] ?? null;
  } finally {
    fs.closeSync(fd);
  }
}

function readRange(fd: number, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const read = fs.readSync(fd, bytes, done, length - done, from + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.subarray(0, done);
}

/** Newlines before a byte of a file. */
function countLines(fd: number, end: number): number {
  const chunk = Buffer.alloc(256 * 1024);
  let lines = 0;
  for (let position = 0; position < end; ) {
    const read = fs.readSync(fd, chunk, 0, Math.min(chunk.length, end - position), position);
    if (read === 0) break;
    const part = chunk.subarray(0, read);
    for (let at = part.indexOf(NEWLINE); at >= 0; at = part.indexOf(NEWLINE, at + 1)) lines++;
    position += read;
  }
  return lines;
}

/** Where something was added. */
export interface Added {
  /** as in `MemoryFile` */
  name: string;
  path: string;
  /** its first line, from 1 */
  line: number;
}

/** How text is added. */
export interface Manner {
  /** a blank line is put between it and what stands before it */
  isApart?: boolean;
  /** it was begun before: what of it stands at the end of the file stays, and the rest comes behind it */
  isAgain?: boolean;
}

/** How far before the end of a file a note is looked for that was begun before, beside its own length. */
const NEAR_END = 64 * 1024;

/**
 * Adds text to the end of a file of notes, durably, in one write; the file, its folder and the workspace are made where
 * they are missing. A last line without its newline is ended first. Where it fails, nothing of it stays. The caller
 * holds the lock of this memory, so that the end it sees is the end it writes behind; a program that knows no lock and
 * appends at the same moment loses nothing either.
 *
 * @param name `MEMORY.md` or `memory/<name>`
 * @param text whole lines
 * @throws LinkOut; what the file system says
 */
export function appendMemory(
  workspace: string,
  name: string,
  text: string,
  { isApart, isAgain }: Manner = {},
): Added {
  makeFolder(workspace);
  if (name !== PRIVATE_FILE && statInside(workspace, NOTES_FOLDER) === null)
    makeFolder(path.join(workspace, NOTES_FOLDER));
  const place = path.join(workspace, name);
  const known = statInside(workspace, name);
  if (known !== null && !known.isFile()) throw new Error('not a file');
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  // Behind a link inside the workspace stands the file itself; one that was put there meanwhile is not followed.
  const real = path.join(fs.realpathSync(path.dirname(place)), path.basename(place));
  const target = known === null ? real : fs.realpathSync(place);
  if (!isInside(workspace, target)) throw new LinkOut();
  const fd = fs.openSync(target, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  let size = 0;
  try {
    size = fs.fstatSync(fd).size;
    const whole = Buffer.from(text, 'utf8');
    if (isAgain) size = dropNuls(fd, size, whole.length);
    const held = isAgain ? heldOf(fd, size, whole) : 0;
    const isEnded = held > 0 || size === 0 || readRange(fd, size - 1, 1)[0] === NEWLINE;
    const gap = `${isEnded ? '' : '\n'}${isApart && size > 0 && held === 0 ? '\n' : ''}`;
    const bytes = Buffer.concat([Buffer.from(gap), whole.subarray(held)]);
    try {
      writeAll(fd, bytes);
      fs.fdatasyncSync(fd);
      if (known === null) syncFolder(path.dirname(target));
    } catch (error) {
      undo(error, () => takeBack(fd, size, bytes));
      throw error;
    }
    return { name, path: place, line: countLines(fd, size) + gap.length + 1 };
  } catch (error) {
    if (known === null && size === 0) undo(error, () => removeEmpty(target));
    throw error;
  } finally {
    fs.closeSync(fd);
  }
}

/** A power cut can leave NUL bytes in the place of what was being written; they are no text. Returns the size without them. */
function dropNuls(fd: number, size: number, most: number): number {
  const end = readRange(fd, Math.max(0, size - most - 2), Math.min(size, most + 2));
  let nuls = 0;
  while (nuls < end.length && end[end.length - 1 - nuls] === 0) nuls++;
  if (nuls > 0) fs.ftruncateSync(fd, size - nuls);
  return size - nuls;
}

/** How much of a text a file holds: all of it, anywhere near its end, or the beginning that a death has left there. */
function heldOf(fd: number, size: number, text: Buffer): number {
  const length = Math.min(size, text.length + NEAR_END);
  const end = readRange(fd, size - length, length);
  if (end.includes(text)) return text.length;
  for (let part = Math.min(length, text.length - 1); part > 0; part--)
    if (end.subarray(length - part).equals(text.subarray(0, part))) return part;
  return 0;
}

/** Cuts off what was written, unless somebody has written behind it. */
function takeBack(fd: number, size: number, bytes: Buffer): void {
  const now = fs.fstatSync(fd).size;
  const written = readRange(fd, size, now - size);
  if (written.equals(bytes.subarray(0, written.length))) fs.ftruncateSync(fd, size);
}

function removeEmpty(file: string): void {
  if (fs.statSync(file).size === 0) fs.rmSync(file);
}
