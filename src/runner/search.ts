/** A search through transcripts: which can hold the text, then, newest first, which do, as far as anybody asked. */

import { parseKey } from '../core/routing/session-key.ts';
import { fold, matches, type Query, type Snippet, snippetOf } from '../core/search/query.ts';
import { gramsOf } from '../core/search/signature.ts';
import { type Saying, sayingOf } from '../core/session/saying.ts';
import { type Candidate, findCandidates, type Problem } from '../store/search-index.ts';
import { loadRecord } from '../store/sessions.ts';
import { streamEntries } from '../store/transcript-lines.ts';
import type { Desk } from './desk.ts';

export interface SearchRequest {
  query: Query;
  agentIds: readonly string[];
  /** only this session, its archived transcripts included */
  sessionKey?: string;
  /** only what came in over, or answered, this channel */
  channel?: string;
  role?: 'user' | 'assistant';
  /** epoch ms */
  since?: number;
  /** the newest so many */
  limit: number;
  /** what the caller may see; a transcript that names no session is asked about with an empty key */
  maySee(agentId: string, sessionKey: string): boolean;
}

/** A message that holds what was looked for. */
export interface SearchResult {
  agentId: string;
  /** null when the transcript does not say */
  sessionKey: string | null;
  sessionId: string;
  /** false: an archived transcript */
  current: boolean;
  at: string | null;
  role: Saying['role'];
  from: string | null;
  channel: string | null;
  snippet: string;
  /** where the terms stand in the snippet, `[start, end)` in UTF-16 units */
  marks: Snippet['marks'];
  transcript: string;
  /** in the transcript, from 1 */
  line: number;
}

interface Match extends Omit<SearchResult, 'at' | 'current' | 'snippet' | 'marks'> {
  at: number | null;
  part: Snippet | (() => Snippet);
}

/** Characters of a message that may be kept until it is known whether it is shown. */
const KEPT_TEXT = 16_384;

/**
 * The newest messages that hold every term, newest first. Reads a transcript only when it may hold them and none of the
 * results so far is sure to be newer than all of it.
 *
 * @returns hasMore: there are, or may be, older ones beyond the limit
 */
export function searchSessions(
  desk: Desk,
  request: SearchRequest,
): { results: SearchResult[]; hasMore: boolean; problems: Problem[] } {
  const { layout, context } = desk;
  const problems: Problem[] = [];
  const candidates: Candidate[] = [];
  const grams = gramsOf(request.query.terms);
  for (const agentId of request.agentIds) {
    const found = findCandidates(layout, agentId, grams, {
      uid: context.uid,
      token: context.newId(),
      now: context.now(),
      wants: (_, key) => isWanted(request, agentId, key),
    });
    problems.push(...found.problems);
    for (const candidate of found.candidates) candidates.push(candidate);
  }
  const newest = new Newest(request.limit);
  for (const candidate of candidates.sort((a, b) => compare(timeOf(b.newest), timeOf(a.newest)))) {
    if (request.since !== undefined && timeOf(candidate.newest) < request.since) break;
    if (newest.isPast(timeOf(candidate.newest))) {
      newest.hasMore = true;
      break;
    }
    try {
      searchTranscript(request, candidate, newest);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      if (code !== 'ENOENT') problems.push({ file: candidate.file, line: null, reason: message });
    }
  }
  return {
    results: newest.sorted().map(({ at, part, ...match }) => {
      const { text, marks } = typeof part === 'function' ? part() : part;
      return {
        ...match,
        current: isCurrent(desk, match.agentId, match.sessionKey, match.sessionId),
        at: at === null ? null : new Date(at).toISOString(),
        snippet: text,
        marks,
      };
    }),
    hasMore: newest.hasMore,
    problems,
  };
}

function isWanted(request: SearchRequest, agentId: string, sessionKey: string | null): boolean {
  if (request.sessionKey !== undefined && sessionKey !== request.sessionKey) return false;
  return request.maySee(agentId, sessionKey ?? '');
}

/** The matches of one transcript, to `newest`. */
function searchTranscript(request: SearchRequest, candidate: Candidate, newest: Newest): void {
  const { agentId, sessionId, sessionKey, file } = candidate;
  // A reply tells no channel; it went where the message before it came from.
  let channel: string | null = sessionKey === null ? null : channelOfKey(sessionKey);
  for (const { entry, number } of streamEntries(file)) {
    if (typeof entry === 'string') continue;
    const saying = sayingOf(entry);
    if (saying === null) continue;
    channel = saying.channel ?? channel;
    if (request.channel !== undefined && channel !== request.channel) continue;
    if (request.since !== undefined && timeOf(saying.at) < request.since) continue;
    const text = searched(saying, request.role);
    if (text === null || !matches(request.query, fold(text))) continue;
    if (!newest.takes(saying.at)) continue;
    const { role, from, at } = saying;
    // Cutting the part out costs more than finding it, and most matches are soon pushed out by newer ones.
    const part =
      text.length > KEPT_TEXT ? snippetOf(text, request.query) : () => snippetOf(text, request.query);
    const place = { agentId, sessionKey, sessionId, transcript: file, line: number };
    newest.put({ ...place, at, role, from, channel, part });
  }
}

/** Of a command what a person wrote; what claw answered him only where replies are asked for. */
function searched({ role, text, reply }: Saying, wanted: SearchRequest['role']): string | null {
  if (role === 'command') return wanted === 'assistant' ? reply : text;
  return wanted === undefined || wanted === role ? text : null;
}

function channelOfKey(key: string): string | null {
  const chat = parseKey(key)?.chat;
  return chat && 'channel' in chat ? (chat.channel ?? null) : null;
}

function isCurrent(desk: Desk, agentId: string, sessionKey: string | null, sessionId: string): boolean {
  if (sessionKey === null) return false;
  const read = loadRecord(desk.layout, agentId, sessionKey);
  return read.state === 'ok' && read.record.sessionId === sessionId;
}

function timeOf(at: number | null): number {
  return at ?? Number.NEGATIVE_INFINITY;
}

/** The newest matches seen so far, never many more than asked for. */
class Newest {
  hasMore = false;
  private kept: Match[] = [];
  /** of the oldest that still counts, once there are enough */
  private oldest = Number.NEGATIVE_INFINITY;
  private isFull = false;

  constructor(private readonly limit: number) {}

  /** Whether nothing of this time or older can count any more. */
  isPast(time: number): boolean {
    if (this.limit === 0) return true;
    if (!this.isFull && this.kept.length >= this.limit) this.trim();
    return this.isFull && time < this.oldest;
  }

  /** Whether a match of this time counts, as things stand. */
  takes(at: number | null): boolean {
    const counts = this.limit > 0 && !(this.isFull && timeOf(at) < this.oldest);
    if (!counts) this.hasMore = true;
    return counts;
  }

  put(match: Match): void {
    this.kept.push(match);
    if (this.kept.length >= 2 * this.limit) this.trim();
  }

  sorted(): Match[] {
    this.trim();
    return this.kept;
  }

  private trim(): void {
    this.kept.sort((a, b) => compare(timeOf(b.at), timeOf(a.at)) || b.line - a.line);
    if (this.kept.length > this.limit) {
      this.hasMore = true;
      this.kept.length = this.limit;
    }
    if (this.limit > 0 && this.kept.length === this.limit) {
      this.isFull = true;
      this.oldest = timeOf(this.kept.at(-1)!.at);
    }
  }
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
