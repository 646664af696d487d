/**
 * An index over notes as one array of 32-bit words, so that a file of it is used as it was read: nothing is parsed and
 * nothing rebuilt, and a search in 10,000 notes costs reading a megabyte and a few lookups. Inverted lists with a sorted
 * dictionary; ranking is BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009) with k1 = 1.2 and
 * b = 0.7. A word matches exactly, by its beginning, or with a typing error; the best of these counts.
 *
 *     magic, checksum, bytes of `about`, notes, words, postings, bytes of the dictionary, words in all notes
 *     about (UTF-8 JSON) · 7 words for each note · ends of dictionary words · ends of their postings
 *     · postings (note << 8 | count) · dictionary (UTF-8, sorted by bytes)
 */
import { checksum } from '../search/signature.ts';
import { isUnspaced, wordsOf } from '../search/word.ts';
import type { Note } from './note.ts';

const MAGIC = 0x434d4e31;
const HEAD = 8;
const NOTE = 7;
/** of a note: number of its file, then `line`, `offset`, `length`, `headingOffset`, `headingLength`, words in it */
const COUNT = 6;
const MOST_NOTES = 1 << 24;

const K1 = 1.2;
const B = 0.7;
/** A note many times as long as others weighs no less than this many: a pasted book holds its words, too. */
const LONGEST = 8;
const PREFIX_WEIGHT = 0.6;
const FUZZY_WEIGHT = 0.3;
/** A word shorter than this has too many neighbours. */
const FUZZY_FROM = 6;
/** Dictionary words that one word of a query may stand for. */
const MOST_VARIANTS = 100;

/** Puts notes into an index. Files are numbered by the caller. */
export class NoteIndexBuilder {
  private readonly postings = new Map<string, number[]>();
  private readonly notes: number[] = [];
  private total = 0;

  get count(): number {
    return this.notes.length / NOTE;
  }

  add(file: number, note: Note): void {
    const id = this.count;
    if (id >= MOST_NOTES) return;
    const words = wordsOf(note.text);
    const { line, offset, length, headingOffset, headingLength } = note;
    this.notes.push(file, line, offset, length, headingOffset, headingLength, words.length);
    this.total += words.length;
    for (const word of words) this.post(word, id);
    // A single character is looked for as the beginning of a pair; the last one of a text begins none.
    for (const word of words) {
      if (!isUnspaced(word)) continue;
      const [, last] = [...word];
      if (last !== undefined) this.post(last, id);
    }
  }

  private post(word: string, id: number): void {
    const list = this.postings.get(word);
    if (list === undefined) {
      this.postings.set(word, [(id << 8) | 1]);
      return;
    }
    const end = list.length - 1;
    if (list[end]! >>> 8 !== id) list.push((id << 8) | 1);
    else if ((list[end]! & 0xff) < 0xff) list[end]!++;
  }

  /** @param about told back by `NoteIndex.about` */
  pack(about: unknown): NoteIndex {
    const encoder = new TextEncoder();
    const told = encoder.encode(JSON.stringify(about));
    const terms = [...this.postings].map(([word, list]) => ({ bytes: encoder.encode(word), list }));
    terms.sort((a, b) => compareBytes(a.bytes, b.bytes));
    const postings = terms.reduce((sum, { list }) => sum + list.length, 0);
    const dictionary = terms.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const words = new Uint32Array(
      HEAD + wordsFor(told.length) + this.notes.length + 2 * terms.length + postings + wordsFor(dictionary),
    );
    words.set([MAGIC, 0, told.length, this.count, terms.length, postings, dictionary, this.total]);
    const bytes = new Uint8Array(words.buffer);
    bytes.set(told, 4 * HEAD);
    const index = NoteIndex.over(words);
    words.set(this.notes, index.notesAt);
    let stringEnd = 0;
    let postingEnd = 0;
    for (let i = 0; i < terms.length; i++) {
      const { bytes: word, list } = terms[i]!;
      bytes.set(word, index.dictionaryAt + stringEnd);
      words.set(list, index.postingsAt + postingEnd);
      stringEnd += word.length;
      postingEnd += list.length;
      words[index.stringEndsAt + i] = stringEnd;
      words[index.postingEndsAt + i] = postingEnd;
    }
    words[1] = sampledSum(words);
    return index;
  }
}

/** A note of an index, found again. */
export type PlacedNote = Omit<Note, 'text' | 'day'> & { file: number };

interface Variant {
  word: string;
  weight: number;
}

/** An index as it lies in memory or in a file. */
export class NoteIndex {
  readonly notesAt: number;
  readonly stringEndsAt: number;
  readonly postingEndsAt: number;
  readonly postingsAt: number;
  /** in bytes */
  readonly dictionaryAt: number;
  private readonly bytes: Uint8Array;

  private constructor(readonly words: Uint32Array) {
    this.bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    this.notesAt = HEAD + wordsFor(words[2]!);
    this.stringEndsAt = this.notesAt + NOTE * this.count;
    this.postingEndsAt = this.stringEndsAt + this.termCount;
    this.postingsAt = this.postingEndsAt + this.termCount;
    this.dictionaryAt = 4 * (this.postingsAt + words[5]!);
  }

  /** Of words whose head is known to be right. */
  static over(words: Uint32Array): NoteIndex {
    return new NoteIndex(words);
  }

  /** Null where the words are no whole index. */
  static read(words: Uint32Array): NoteIndex | null {
    if (words.length < HEAD || words[0] !== MAGIC) return null;
    const [, sum, about, notes, terms, postings, dictionary] = words;
    const length = HEAD + wordsFor(about!) + NOTE * notes! + 2 * terms! + postings! + wordsFor(dictionary!);
    if (length !== words.length || sampledSum(words) !== sum) return null;
    return new NoteIndex(words);
  }

  /** notes in it */
  get count(): number {
    return this.words[3]!;
  }

  get termCount(): number {
    return this.words[4]!;
  }

  /** words of all its notes */
  get total(): number {
    return this.words[7]!;
  }

  about(): unknown {
    return JSON.parse(decode(this.bytes.subarray(4 * HEAD, 4 * HEAD + this.words[2]!)));
  }

  fileOf(note: number): number {
    return this.words[this.notesAt + NOTE * note]!;
  }

  lengthOf(note: number): number {
    return this.words[this.notesAt + NOTE * note + COUNT]!;
  }

  note(note: number): PlacedNote {
    const at = this.notesAt + NOTE * note;
    const [file, line, offset, length, headingOffset, headingLength] = this.words.subarray(at, at + NOTE);
    return {
      file: file!,
      line: line!,
      offset: offset!,
      length: length!,
      headingOffset: headingOffset!,
      headingLength: headingLength!,
    };
  }

  /** Postings of a dictionary word; none where it is not in the dictionary. */
  postingsOf(word: string): Uint32Array {
    const bytes = new TextEncoder().encode(word);
    const index = this.lowerBound(bytes);
    if (index === this.termCount || compareBytes(this.term(index), bytes) !== 0) return new Uint32Array(0);
    const start = index === 0 ? 0 : this.words[this.postingEndsAt + index - 1]!;
    const end = this.words[this.postingEndsAt + index]!;
    return this.words.subarray(this.postingsAt + start, this.postingsAt + end);
  }

  /**
   * Dictionary words that a word of a query may stand for, besides itself.
   *
   * @param mayErr whether it may hold a typing error; a number never does, it is another one
   */
  variantsOf(word: string, prefixFrom: number, mayErr: boolean): Variant[] {
    const variants: Variant[] = [];
    const encoder = new TextEncoder();
    if (mayBegin(word, prefixFrom)) {
      const bytes = encoder.encode(word);
      for (let i = this.lowerBound(bytes); i < this.termCount && variants.length < MOST_VARIANTS; i++) {
        const term = this.term(i);
        if (!startsWith(term, bytes)) break;
        if (term.length === bytes.length) continue;
        const found = decode(term);
        const weight = isUnspaced(word) ? 1 : (PREFIX_WEIGHT * word.length) / found.length;
        variants.push({ word: found, weight });
      }
    }
    if (isUnspaced(word)) return variants;
    // The singular of a plural, for a start; what is no word is not in the dictionary.
    if (word.length >= 4) variants.push({ word: word.slice(0, -1), weight: FUZZY_WEIGHT });
    if (!mayErr || word.length < FUZZY_FROM || /\d/.test(word)) return variants;
    // The first letter is rarely wrong, and with it the rest of the dictionary need not be looked at.
    const [first] = word;
    const beginning = encoder.encode(first);
    const letters = encoder.encode(word);
    // In bytes, of which some letters have several; what is left then is compared by letters.
    const isAscii = letters.length === word.length;
    const most = Math.min(2, Math.round(0.2 * word.length));
    const mostBytes = isAscii ? most : 3 * most;
    for (let i = this.lowerBound(beginning); i < this.termCount; i++) {
      const term = this.term(i);
      if (!startsWith(term, beginning)) break;
      if (Math.abs(term.length - letters.length) > mostBytes) continue;
      if (editDistance(letters, term, mostBytes) > mostBytes) continue;
      const found = decode(term);
      const distance = editDistance(charCodes(word), charCodes(found), most);
      if (distance > 0 && distance <= most)
        variants.push({ word: found, weight: FUZZY_WEIGHT * (1 - distance / word.length) });
    }
    return variants;
  }

  private term(index: number): Uint8Array {
    const start = index === 0 ? 0 : this.words[this.stringEndsAt + index - 1]!;
    const end = this.words[this.stringEndsAt + index]!;
    return this.bytes.subarray(this.dictionaryAt + start, this.dictionaryAt + end);
  }

  /** The first dictionary word that does not stand before `bytes`. */
  private lowerBound(bytes: Uint8Array): number {
    let low = 0;
    let high = this.termCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.term(middle), bytes) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A note that fits, in the index it stands in. */
export interface NoteHit {
  index: NoteIndex;
  note: number;
  score: number;
  /** dictionary words that matched */
  words: string[];
}

export interface RankOptions {
  /** whether the notes of a file of an index count */
  uses(index: NoteIndex, file: number): boolean;
  /** letters from which on a word of the query matches as a beginning */
  prefixFrom: number;
  /** words that more than half of the notes hold are passed over; for questions, where they are chance */
  salient: boolean;
}

/**
 * Notes of several indexes that hold any of the terms, in no order. Each is ranked as if there were one index.
 *
 * @param terms folded, as `termsOf` gives them
 */
export function rankNotes(
  indexes: readonly NoteIndex[],
  terms: readonly string[],
  options: RankOptions,
): NoteHit[] {
  const counted = indexes.map(index => count(index, options));
  const notes = counted.reduce((sum, { notes: each }) => sum + each, 0);
  if (notes === 0) return [];
  const average = counted.reduce((sum, { total }) => sum + total, 0) / notes || 1;
  const hits = indexes.map(() => new Map<number, NoteHit & { terms: number; best: number; term: number }>());
  terms.forEach((term, number) => {
    for (const { word, weight } of variantsIn(indexes, term, options.prefixFrom)) {
      const lists = indexes.map(index => index.postingsOf(word));
      const holders = lists.reduce((sum, list) => sum + list.length, 0);
      if (holders === 0 || (options.salient && notes >= 10 && holders > notes / 2)) continue;
      const idf = Math.log(1 + (Math.max(0, notes - holders) + 0.5) / (holders + 0.5));
      lists.forEach((list, which) => {
        const index = indexes[which]!;
        const { uses } = counted[which]!;
        for (const posting of list) {
          const note = posting >>> 8;
          if (!uses(index.fileOf(note))) continue;
          const often = posting & 0xff;
          const length = Math.min(LONGEST, index.lengthOf(note) / average);
          const score = (weight * idf * often * (K1 + 1)) / (often + K1 * (1 - B + B * length));
          let hit = hits[which]!.get(note);
          if (hit === undefined) {
            hit = { index, note, score: 0, words: [], terms: 0, best: 0, term: -1 };
            hits[which]!.set(note, hit);
          }
          if (hit.term !== number) {
            hit.term = number;
            hit.best = 0;
            hit.terms++;
          }
          hit.words.push(word);
          // The best variant of a term counts, not their sum.
          if (score > hit.best) {
            hit.score += score - hit.best;
            hit.best = score;
          }
        }
      });
    }
  });
  return hits
    .flatMap(each => [...each.values()])
    .map(({ index, note, score, words, terms: held }) => ({
      index,
      note,
      // More of the words together mean more than one of them often.
      score: score * (0.5 + (0.5 * held) / terms.length),
      words,
    }));
}

/** Notes and words of the files that count. */
function count(index: NoteIndex, { uses }: RankOptions) {
  const known = new Map<number, boolean>();
  const cached = (file: number) => {
    const told = known.get(file);
    if (told !== undefined) return told;
    const is = uses(index, file);
    known.set(file, is);
    return is;
  };
  let notes = 0;
  let total = 0;
  for (let note = 0; note < index.count; note++) {
    if (!cached(index.fileOf(note))) continue;
    notes++;
    total += index.lengthOf(note);
  }
  return { notes, total, uses: cached };
}

/** A term and what it may stand for in any of the indexes, each once, with its best weight. */
function variantsIn(indexes: readonly NoteIndex[], term: string, prefixFrom: number): Variant[] {
  const best = new Map([[term, 1]]);
  const isKnown = indexes.some(index => index.postingsOf(term).length > 0);
  for (const index of indexes) {
    for (const { word, weight } of index.variantsOf(term, prefixFrom, !isKnown))
      best.set(word, Math.max(best.get(word) ?? 0, weight));
  }
  return [...best].map(([word, weight]) => ({ word, weight }));
}

const HANGUL = /^\p{Script=Hangul}/u;

/** Whether a word of a query may match as the beginning of another. */
function mayBegin(word: string, prefixFrom: number): boolean {
  if (isUnspaced(word)) return [...word].length === 1;
  // Particles hang on Korean words, which are short.
  return word.length >= (HANGUL.test(word) ? 2 : prefixFrom);
}

/** Levenshtein distance, or more than `most` where it is more. */
function editDistance(a: ArrayLike<number>, b: ArrayLike<number>, most: number): number {
  for (let j = 0; j <= b.length; j++) ROW[j] = j;
  for (let i = 1; i <= a.length; i++) {
    let before = ROW[0]!;
    ROW[0] = i;
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const replaced = before + (a[i - 1] === b[j - 1] ? 0 : 1);
      before = ROW[j]!;
      const distance = Math.min(replaced, before + 1, ROW[j - 1]! + 1);
      ROW[j] = distance;
      if (distance < least) least = distance;
    }
    if (least > most) return most + 1;
  }
  return ROW[b.length]!;
}

/** One row of the table, over and over; no word is as long. */
const ROW = new Uint16Array(512);

function charCodes(word: string): number[] {
  return Array.from({ length: word.length }, (_, i) => word.charCodeAt(i));
}

function startsWith(bytes: Uint8Array, beginning: Uint8Array): boolean {
  if (bytes.length < beginning.length) return false;
  for (let i = 0; i < beginning.length; i++) if (bytes[i] !== beginning[i]) return false;
  return true;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

const decoder = new TextDecoder();

function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/**
 * Over every 64th word: what a power cut leaves out are whole pages, of which each holds 16 of them, and summing all of
 * a megabyte would cost a fresh process more than the search.
 */
function sampledSum(words: Uint32Array): number {
  const sample = new Uint32Array(Math.ceil(words.length / SAMPLED) + HEAD);
  sample.set(words.subarray(2, HEAD));
  for (let from = HEAD, to = HEAD; from < words.length; from += SAMPLED, to++) sample[to] = words[from]!;
  return checksum(sample);
}

const SAMPLED = 64;

function wordsFor(bytes: number): number {
  return Math.ceil(bytes / 4);
}
