/**
 * The built-in recall: which earlier messages and notes speak of what was asked, and how that is told. It knows no
 * model: it is a text search that quotes, and says so.
 */
import type MiniSearch from 'minisearch';
import { excerptOf } from './memory/excerpt.ts';
import { localTimeAt, type Zone } from './schedule/zone.ts';
import { termsOf, wordsOf } from './search/word.ts';
import {
  type AssistantEntry,
  type Entry,
  isTurnEntry,
  roleOf,
  type UserEntry,
} from './session/transcript.ts';
import type { TurnRequest } from './turn-request.ts';

/** Something that can be quoted. */
export interface Passage {
  /** name of the speaker, or of the notes file */
  who: string;
  /** epoch ms */
  at: number;
  /** `YYYY-MM-DD` where only the day is known */
  day?: string;
  text: string;
}

export interface Hit {
  passage: Passage;
  /** the words of the passage that matched, lower case */
  words: string[];
}

export interface RecallFindings {
  hits: Hit[];
  /** false when older text was left out because of its size */
  complete: boolean;
  /** whether notes were looked at, too */
  notes: boolean;
  /** files that could not be read, with the reason */
  unreadable: string[];
}

const QUOTES = 3;
const QUOTE_CHARACTERS = 300;
/** An index of more passages takes seconds and hundreds of megabytes; beyond it only likely ones are indexed. */
const INDEXED_PASSAGES = 2000;
/** A hit this much weaker than the best one is noise. */
const SHARE_OF_BEST = 0.3;

/** Last line of every reply; by it older replies of recall are known even when the start of their run is not at hand. */
export const CONNECT_LINE =
  'To connect a real agent: `claw init` shows which agent CLIs are installed; then set agents.defaults.runner.';

/**
 * What of a conversation may be quoted: messages of people and of agents. Left out are the messages of the present
 * turn and their like (nobody asks to be told his own question) and what recall itself has answered before.
 *
 * @param newestFirst entries of this session and of its archived transcripts
 */
export function conversationPassages(newestFirst: readonly Entry[], request: TurnRequest): Passage[] {
  const turns = newestFirst.filter(isTurnEntry);
  const current = new Set(
    turns.filter(turn => turn.runId === request.runId).flatMap(turn => turn.messageIds),
  );
  const recalled = new Set(turns.filter(turn => turn.runner === 'recall').map(turn => turn.runId));
  const asked = sameness(request.body);
  const passages: Passage[] = [];
  for (const entry of newestFirst) {
    const role = roleOf(entry);
    if (role === 'user') {
      const user = entry as UserEntry;
      const text = textOf(user.message.content);
      if (user.job?.kind === 'heartbeat') continue;
      if (current.has(user.id) || sameness(text) === asked) continue;
      passages.push({ who: speaker(user, request), at: user.timestamp, text });
    } else if (role === 'assistant') {
      const assistant = entry as AssistantEntry;
      const text = textOf(assistant.message.content);
      if (recalled.has(assistant.runId) || text.trimEnd().endsWith(CONNECT_LINE)) continue;
      passages.push({ who: 'assistant', at: assistant.timestamp, text });
    }
  }
  return passages.filter(passage => passage.text.trim() !== '' && Number.isFinite(passage.at));
}

/**
 * The passages that answer a question best, best first, at most three. Words match exactly, by their beginning or with
 * a typing error; words that every question has are ignored.
 *
 * @param Search the class of minisearch, loaded by the caller only when somebody asks
 */
export function rankPassages(
  Search: typeof MiniSearch,
  passages: readonly Passage[],
  question: string,
): Hit[] {
  const terms = termsOf(question);
  if (terms.length === 0) return [];
  const candidates = likely(passages, terms);
  const index = new Search<{ id: number; text: string }>({
    fields: ['text'],
    tokenize: wordsOf,
    processTerm: word => word,
  });
  index.addAll(candidates.map(({ text }, id) => ({ id, text })));
  const found = index.search(terms.join(' '), {
    prefix: word => word.length >= 4,
    fuzzy: word => (word.length >= 6 ? 0.2 : false),
    weights: { prefix: 0.6, fuzzy: 0.3 },
    // An earlier question holds the same words as this one, but not the answer.
    boostDocument: id => (/[?？]\s*$/.test(candidates[id as number]!.text) ? 0.5 : 1),
  });
  const hits: Hit[] = [];
  const told = new Set<string>();
  for (const { id, score, terms: matched } of found) {
    const passage = candidates[id as number]!;
    if (hits.length === QUOTES || score < found[0]!.score * SHARE_OF_BEST) break;
    if (told.has(sameness(passage.text))) continue;
    told.add(sameness(passage.text));
    hits.push({ passage, words: matched });
  }
  return hits;
}

/** The reply: what was found, or plainly that nothing was, and how to get a real agent. */
export function recallReply(findings: RecallFindings, zone: Zone): string {
  const where = findings.notes
    ? "this session's earlier messages and its notes"
    : "this session's earlier messages";
  const lines =
    findings.hits.length === 0
      ? [`Your message is recorded. There is nothing about it in ${where} (a text search, no model).`]
      : [
          `This is what ${where} say about it (a text search, no model):`,
          '',
          ...findings.hits.map(
            hit =>
              `- ${hit.passage.day ?? dateOf(hit.passage.at, zone)}, ${hit.passage.who}: "${excerptOf(hit.passage.text, hit.words, QUOTE_CHARACTERS)}"`,
          ),
        ];
  if (!findings.complete)
    lines.push('', 'There is older text that was not searched: the history is too large.');
  if (findings.unreadable.length > 0)
    lines.push('', `Not searched, because unreadable: ${findings.unreadable.join(', ')}`);
  return [...lines, '', CONNECT_LINE].join('\n');
}

/** All passages while they are few; else the newest of those that share the beginning of a word with the question. */
function likely(passages: readonly Passage[], terms: readonly string[]): readonly Passage[] {
  if (passages.length <= INDEXED_PASSAGES) return passages;
  const beginnings = terms.map(term => (term.length > 5 ? term.slice(0, -2) : term));
  return passages
    .filter(passage =>
      wordsOf(passage.text).some(word => beginnings.some(beginning => word.startsWith(beginning))),
    )
    .slice(0, INDEXED_PASSAGES);
}

/** Imported transcripts hold content as a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const parts: unknown[] = content;
  return parts
    .map(part => (typeof part === 'object' && part !== null && 'text' in part ? part.text : ''))
    .filter(text => typeof text === 'string' && text !== '')
    .join('\n');
}

function speaker(entry: UserEntry, request: TurnRequest): string {
  const { from, fromName, channel } = entry.origin ?? {};
  const same = channel === request.origin.channel && from === request.origin.from;
  if (same && (from !== undefined || request.origin.chatType === 'dm')) return 'you';
  return fromName ?? from ?? 'user';
}

function sameness(text: string): string {
  return text.trim().replace(/\s+/g, ' ').toLowerCase();
}

/** `2026-03-01 14:05` on the clocks of the zone. */
function dateOf(at: number, zone: Zone): string {
  const { year, month, day, hour, minute } = localTimeAt(zone, at);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}`;
}
