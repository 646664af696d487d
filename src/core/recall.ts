/**
 * The built-in recall: which earlier messages and notes speak of what was asked, and how that is told. It knows no
 * model: it is a text search that quotes, and says so.
 */
import type MiniSearch from 'minisearch';
import { localTimeAt, type Zone } from './schedule/zone.ts';
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
 * A notes file as passages: one per paragraph or list item, each with the heading above it.
 *
 * @param taken when the notes were taken: epoch ms, and the day where no more is known
 */
export function notePassages(name: string, markdown: string, taken: Pick<Passage, 'at' | 'day'>): Passage[] {
  const passages: Passage[] = [];
  let heading = '';
  let lines: string[] = [];
  const flush = () => {
    const text = lines.join(' ').trim();
    if (text !== '')
      passages.push({ who: name, ...taken, text: heading === '' ? text : `${heading}: ${text}` });
    lines = [];
  };
  for (const line of markdown.split(/\r?\n/)) {
    const title = /^#{1,6}\s+(.*)$/.exec(line);
    if (title || line.trim() === '' || /^\s*(?:[-*+]|\d+[.)])\s/.test(line)) flush();
    if (title) heading = title[1]!.trim();
    else lines.push(line.replace(/^\s*(?:[-*+]|\d+[.)])\s+/, '').trim());
  }
  flush();
  return passages;
}

/**
 * Whether notes may be quoted. They are the agent's memory of its owner, so only in his private main session: a key
 * `agent:<id>:<name>` without further parts, and a direct message. A group or another person never hears them.
 */
export function mayQuoteNotes(request: TurnRequest): boolean {
  return request.origin.chatType === 'dm' && request.sessionKey.split(':').length === 3;
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
  const terms = [...new Set(words(question))].filter(word => !STOP_WORDS.has(word)).slice(0, MOST_TERMS);
  if (terms.length === 0) return [];
  const candidates = likely(passages, terms);
  const index = new Search<{ id: number; text: string }>({
    fields: ['text'],
    tokenize: words,
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
              `- ${hit.passage.day ?? dateOf(hit.passage.at, zone)}, ${hit.passage.who}: "${quote(hit)}"`,
          ),
        ];
  if (!findings.complete)
    lines.push('', 'There is older text that was not searched: the history is too large.');
  if (findings.unreadable.length > 0)
    lines.push('', `Not searched, because unreadable: ${findings.unreadable.join(', ')}`);
  return [...lines, '', CONNECT_LINE].join('\n');
}

/**
 * The words of a text, lower case and without accents. Scripts that write without blanks yield pairs of neighbouring
 * characters, the usual stand-in for a dictionary.
 */
function words(text: string): string[] {
  const plain = text
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase();
  return (plain.match(/[\p{L}\p{N}\p{M}]+/gu) ?? []).flatMap(word =>
    UNSPACED.test(word) ? pairs(word) : [word.slice(0, LONGEST_WORD)],
  );
}

/** Longer ones are no words (a key, a pasted file); the tolerance for typing errors costs the square of their length. */
const LONGEST_WORD = 64;

/** Of a question; a pasted text of thousands of words asks nothing that more of them would tell. */
const MOST_TERMS = 64;

const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;

function pairs(word: string): string[] {
  const characters = [...word];
  if (characters.length === 1) return characters;
  return characters.slice(1).map((character, before) => characters[before]! + character);
}

/** All passages while they are few; else the newest of those that share the beginning of a word with the question. */
function likely(passages: readonly Passage[], terms: readonly string[]): readonly Passage[] {
  if (passages.length <= INDEXED_PASSAGES) return passages;
  const beginnings = terms.map(term => (term.length > 5 ? term.slice(0, -2) : term));
  return passages
    .filter(passage =>
      words(passage.text).some(word => beginnings.some(beginning => word.startsWith(beginning))),
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

/** The passage on one line, or the part of it around the first word that matched. */
function quote({ passage, words: matched }: Hit): string {
  const text = passage.text.trim().replace(/\s+/g, ' ');
  if (text.length <= QUOTE_CHARACTERS) return text;
  const lower = text.toLowerCase();
  const places = matched.map(word => lower.indexOf(word)).filter(place => place >= 0);
  const start = Math.max(0, Math.min(...places, text.length) - QUOTE_CHARACTERS / 3);
  const from = places.length === 0 ? 0 : Math.min(start, text.length - QUOTE_CHARACTERS);
  const part = text.slice(from, from + QUOTE_CHARACTERS).replace(/\p{Surrogate}/gu, '');
  return `${from > 0 ? '…' : ''}${part.trim()}${from + QUOTE_CHARACTERS < text.length ? '…' : ''}`;
}

/** Words of questions, not of answers: English, German, French, Spanish, without those that mean something in another. */
const STOP_WORDS = new Set(
  `a about again all also am an and any are as at be been but by can could did do does for from get give had has have he
  her hers him his how i if in into is it its know let like may me mean my of on or our please recall remember remind said
  say she should so some tell than that the their them then there these they this those to told too was we were what when
  where which who whom why will with would you your d ll m re s t ve
  aber als am an auch auf aus bei bin bist das dass dein dem den der des dir du ein eine einem einen einer er es fur
  gesagt habe haben hat hatte ich ihr im in ist ja kann kannst mein mich mir mit nach nicht noch oder sag sagen sie sind
  so uber um und uns unser vom von wann waren warum was weisst weißt welche welcher wenn wer wie wir wird wo zu zum zur
  ai au aux avec ce ces cet cette comment dans de des dit du elle en est et etait il ils je la le les leur lui ma
  mais me mes moi mon ne nous on ou par pas pour pourquoi quand que quel quelle qui quoi sa se ses sont sur ta te tes
  toi tu un une vos votre vous
  al como con cual cuando de del dije dijo donde el ella en era es esta este fue ha han he la las lo los me mi no nos o
  para pero por porque que quien se ser si sin sobre su sus te tu un una y yo`.split(/\s+/),
);
