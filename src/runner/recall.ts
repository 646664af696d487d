/**
 * The built-in runner: with no model at all it answers from what this session has already said, and from the notes in
 * the workspace. Reads the session's own transcript and those it was reset from, and no other session's.
 */
import fs from 'node:fs';
import path from 'node:path';
import { mayQuoteNotes } from '../core/memory/rule.ts';
import { conversationPassages, type Passage, rankPassages, recallReply } from '../core/recall.ts';
import { toldEvents } from '../core/schedule/system-event.ts';
import { isKnownZone } from '../core/schedule/zone.ts';
import { termsOf } from '../core/search/word.ts';
import type { Entry, HeaderEntry } from '../core/session/transcript.ts';
import { SAFE_SESSION_ID } from '../core/session/transcript.ts';
import type { TurnOutcome, TurnRequest } from '../core/turn-request.ts';
import { parseLine } from '../store/jsonl-file.ts';
import { type MemoryPlace, searchMemory } from '../store/memory-index.ts';

/** Most that is read of transcripts for one answer. */
const BUDGET = 16 * 1024 * 1024;
/** The best notes that are ranked beside what was said. */
const NOTES = 200;
/** A first line longer than this is no header of ours. */
const HEADER_BYTES = 64 * 1024;
const NEWLINE = 10;

export interface RecallOptions {
  /** IANA zone of the dates; default: the host's */
  zone?: string;
  /** where notes are searched; null: memory is off */
  memory?: MemoryCache | null;
  /** epoch ms */
  now(): number;
}

/** How the index of the notes is kept. */
export type MemoryCache = Pick<MemoryPlace, 'cache' | 'uid' | 'token'>;

const NO_CACHE: MemoryCache = { cache: null, uid: undefined, token: '' };

/** What was read so far, and what could not be. */
interface Reading {
  /** bytes that may still be read */
  budget: number;
  /** false once something older was left out */
  complete: boolean;
  /** `name (reason)` of files that are there and cannot be read */
  unreadable: string[];
}

/**
 * Answers a turn by quoting. Never throws for files that are missing (they hold nothing) or unreadable (the reply and a
 * warning name them). The only failure is `aborted`.
 */
export async function runRecall(request: TurnRequest, options: RecallOptions): Promise<TurnOutcome> {
  const startedAt = options.now();
  if (request.heartbeat !== undefined) return tellHeartbeat(request);
  const reading: Reading = { budget: BUDGET, complete: true, unreadable: [] };
  const notes = findNotes(request, options, reading);
  const entries = await readConversation(request, reading);
  const ended = () => ({
    usage: null,
    durationMs: Math.max(0, options.now() - startedAt),
    warnings: reading.unreadable.map(file => `cannot be read: ${file}`),
  });
  if (request.signal?.aborted) {
    const error = { code: 'aborted' as const, message: 'recall was stopped on request' };
    return { status: 'failed', error, output: '', ...ended() };
  }

  const { default: MiniSearch } = await import('minisearch');
  const passages = [...notes.passages, ...conversationPassages(entries, request)];
  const hits = rankPassages(MiniSearch, passages, request.body);
  const name = options.zone !== undefined && isKnownZone(options.zone) ? options.zone : hostZone();
  const text = recallReply({ ...reading, hits, notes: notes.count > 0 }, { name, isHost: false });
  request.onDelta?.(text);
  return { status: 'replied', text, ...ended() };
}

/** Without a model nothing can be looked after; but what has happened can be said as it stands. */
function tellHeartbeat({ body }: TurnRequest): TurnOutcome {
  const text = toldEvents(body).join('\n');
  const ended = { usage: null, durationMs: 0, warnings: [] };
  return text === ''
    ? { status: 'silent', acknowledged: true, ...ended }
    : { status: 'replied', text, ...ended };
}

function hostZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** Entries of the session, newest first, through the chain of its archived transcripts as far as the budget goes. */
async function readConversation(request: TurnRequest, reading: Reading): Promise<Entry[]> {
  const folder = path.dirname(request.transcript);
  const entries: Entry[] = [];
  const seen = new Set<string>();
  let file: string | null = request.transcript;
  let id = request.sessionId;
  while (file !== null && !request.signal?.aborted) {
    seen.add(id);
    const header = await readHeader(file, reading);
    // An archived file that says it belongs to another session is not this one's past, whatever points at it.
    if (file !== request.transcript && !belongs(header, id, request.sessionKey)) break;
    const bytes = await readEnd(file, reading.budget, reading);
    if (bytes === null) break;
    entries.push(...newestFirst(bytes));
    const previous = header?.previousSessionId;
    if (typeof previous !== 'string' || !SAFE_SESSION_ID.test(previous) || seen.has(previous)) break;
    if (reading.budget <= 0) {
      reading.complete = false;
      break;
    }
    id = previous;
    file = path.join(folder, `${previous}.jsonl`);
  }
  return entries;
}

function belongs(header: HeaderEntry | null, id: string, sessionKey: string): boolean {
  if (header === null || header.id !== id) return false;
  return header.sessionKey === undefined || header.sessionKey === sessionKey;
}

async function readHeader(file: string, reading: Reading): Promise<HeaderEntry | null> {
  const bytes = await readPart(file, reading, size => ({ start: 0, length: Math.min(size, HEADER_BYTES) }));
  const end = bytes === null ? -1 : bytes.indexOf(NEWLINE);
  if (bytes === null || end < 0) return null;
  const value = parseLine(bytes.subarray(0, end));
  return typeof value !== 'string' && value.type === 'session' ? (value as unknown as HeaderEntry) : null;
}

/** The last bytes of a file, from the beginning of a line on; null when there are none to be had. */
async function readEnd(file: string, most: number, reading: Reading): Promise<Buffer | null> {
  let cut = false;
  const bytes = await readPart(file, reading, size => {
    cut = size > most;
    return { start: Math.max(0, size - most), length: Math.min(size, most) };
  });
  if (bytes === null) return null;
  reading.budget -= bytes.length;
  if (!cut) return bytes;
  reading.complete = false;
  return bytes.subarray(bytes.indexOf(NEWLINE) + 1);
}

/** Reads a part of a regular file (reading a pipe would never end); null when it is missing, or, then noted, unreadable. */
async function readPart(
  file: string,
  reading: Reading,
  choose: (size: number) => { start: number; length: number },
): Promise<Buffer | null> {
  try {
    const stat = await fs.promises.stat(file);
    if (!stat.isFile()) {
      note('not a file', file, reading);
      return null;
    }
    const handle = await fs.promises.open(file, 'r');
    try {
      const { start, length } = choose(stat.size);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, start);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    noteError(error, file, reading);
    return null;
  }
}

/** Missing is empty; anything else is told, because unreadable is not empty. */
function noteError(error: unknown, file: string, reading: Reading): void {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  if (code !== 'ENOENT' && code !== 'ENOTDIR') note(code, file, reading);
}

function note(reason: string, file: string, reading: Reading): void {
  const problem = `${path.basename(file)} (${reason})`;
  if (!reading.unreadable.includes(problem)) reading.unreadable.push(problem);
}

/** Lines that are no entries are passed over; whoever shows or mends a transcript reports them. */
function newestFirst(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let end = bytes.length; end > 0; ) {
    const start = end < 2 ? 0 : bytes.lastIndexOf(NEWLINE, end - 2) + 1;
    const line = bytes.subarray(start, bytes[end - 1] === NEWLINE ? end - 1 : end);
    const value = parseLine(line);
    if (typeof value !== 'string' && typeof value.type === 'string') entries.push(value);
    end = start;
  }
  return entries;
}

/** Notes that hold any word of the question, to be ranked beside what was said; and how many there are. */
function findNotes(
  request: TurnRequest,
  { memory = NO_CACHE, now }: RecallOptions,
  reading: Reading,
): { passages: Passage[]; count: number } {
  if (memory === null || !mayQuoteNotes(request)) return { passages: [], count: 0 };
  const place = { ...memory, workspace: request.workspace, now: now() };
  const { found, notes, problems } = searchMemory(place, {
    terms: termsOf(request.body),
    limit: NOTES,
    uses: () => true,
    isQuestion: false,
  });
  for (const { name, reason } of problems) reading.unreadable.push(`${name} (${reason})`);
  const passages = found.map(({ file, at, day, text }) => ({
    who: file,
    at,
    ...(day === undefined ? {} : { day }),
    text,
  }));
  return { passages, count: notes };
}
