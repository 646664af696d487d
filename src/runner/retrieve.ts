/** Which notes of its memory an agent is given with a turn. */
import { PRIVATE_FILE } from '../core/memory/rule.ts';
import { searchTermsOf, termsOf } from '../core/search/word.ts';
import type { TurnEntry, UserEntry } from '../core/session/transcript.ts';
import { bodyOf } from '../core/turn.ts';
import type { MemoryNote } from '../core/turn-request.ts';
import { excerptOfNote, type MemorySearch, searchMemory } from '../store/memory-index.ts';
import { listSystemEvents } from '../store/system-events.ts';
import type { Desk, Seat } from './desk.ts';
import { workspaceOf } from './judge.ts';

/**
 * Most of one note that goes before a message, and of all of them, in characters. Less for a program that keeps its own
 * history: what is said to it stays there each time.
 */
const SIZES = { whole: { note: 800, all: 4000 }, short: { note: 300, all: 1200 } };
/** A piece shorter than this tells nothing. */
const LEAST = 80;

/** What a turn asks of its agent's memory: its messages and events, without what claw itself says in them. */
export async function questionOf(
  desk: Desk,
  seat: Seat,
  turn: TurnEntry,
  users: UserEntry[],
): Promise<string> {
  const texts: string[] = [];
  for (const user of users) {
    const text = bodyOf([user]);
    // Whoever has a heartbeat has loaded that already.
    const isBeat = user.job?.kind === 'heartbeat';
    texts.push(isBeat ? (await import('../core/schedule/heartbeat.ts')).ownWords(text) : text);
  }
  if (!turn.events?.length) return texts.join('\n');
  const { events } = listSystemEvents(desk.layout, seat.agentId, seat.key);
  const told = events.filter(({ id }) => turn.events!.includes(id));
  return [...texts, ...told.map(({ text }) => text)].join('\n');
}

/** The notes that fit a question best, each cut to what matters of it. Reads only. */
export function retrieveNotes(
  desk: Desk,
  agentId: string,
  question: string,
  { count, size }: { count: number; size: keyof typeof SIZES },
): MemoryNote[] {
  const terms = termsOf(question);
  if (terms.length === 0) return [];
  const { found, problems } = searchNotes(desk, agentId, {
    terms,
    limit: count,
    isQuestion: true,
    access: 'all',
  });
  for (const { name, reason } of problems) desk.warn(`notes of agent ${agentId}: ${name}: ${reason}`);
  const notes: MemoryNote[] = [];
  const most = SIZES[size];
  let left = most.all;
  for (const each of found) {
    const text = excerptOfNote(each, Math.min(most.note, left));
    left -= text.length;
    notes.push({ file: each.file, line: each.line, ...(each.day ? { day: each.day } : {}), text });
    if (left < LEAST) break;
  }
  return notes;
}

export interface NoteQuery {
  terms: readonly string[];
  limit: number;
  isQuestion: boolean;
  access: 'all' | 'not-private';
}

/** What a person, or an agent for itself, looks for. */
export function searchQuery(words: string, limit: number, access: NoteQuery['access']): NoteQuery {
  return { terms: searchTermsOf(words), limit, isQuestion: false, access };
}

/** Searches the notes of an agent, by its cache. */
export function searchNotes(desk: Desk, agentId: string, query: NoteQuery): MemorySearch {
  const { context, layout } = desk;
  const { access, ...rest } = query;
  const place = {
    workspace: workspaceOf(desk, agentId),
    cache: layout.memoryIndex(agentId),
    uid: context.uid,
    token: context.newId(),
    now: context.now(),
  };
  return searchMemory(place, { ...rest, uses: name => access === 'all' || name !== PRIVATE_FILE });
}
