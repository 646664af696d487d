/**
 * What a person looks for, and whether a text holds it: substrings, compared after folding away case, accents, widths
 * and white space. There is no pattern language, so nothing in a query can be one.
 */

/** Every term must stand in one and the same message. */
export interface Query {
  /** folded; never empty */
  terms: readonly string[];
}

/** A part of a message on one line, and where in it the terms stand: `[start, end)` in UTF-16 units. */
export interface Snippet {
  text: string;
  marks: [number, number][];
}

/**
 * Reads a query: words, and phrases in double quotes (straight or curly), which keep their blanks. A quote that is never
 * closed goes on to the end.
 *
 * @returns null when nothing is left to look for
 */
export function parseQuery(text: string): Query | null {
  const terms: string[] = [];
  for (const [, phrase, word] of text.matchAll(/["“”„]([^"“”„]*)["“”„]?|([^\s"“”„]+)/g)) {
    const term = fold(phrase ?? word ?? '').trim();
    if (term !== '' && !terms.includes(term)) terms.push(term);
  }
  return terms.length > 0 ? { terms } : null;
}

/** Whether a folded text holds every term. */
export function matches(query: Query, folded: string): boolean {
  return query.terms.every(term => folded.includes(term));
}

/**
 * Marks that only decorate a letter (Latin, Cyrillic, Hebrew, Arabic), and characters nobody sees: joiners, direction
 * marks, variation selectors, soft hyphens. Vowel signs of Indic scripts and the voicing marks of kana make another
 * letter, and stay.
 */
const DECORATION =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: the marks themselves are meant, wherever they stand
  /[\u00ad\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u2069\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\ufeff]/g;

/** Letters that Unicode does not decompose, and that people type without their stroke. */
const PLAIN: Readonly<Record<string, string>> = {
  ß: 'ss',
  ς: 'σ',
  ı: 'i',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  æ: 'ae',
  œ: 'oe',
};
const UNPLAIN = /[ßςıøłđðþæœ]/g;

/** Runs of white space that are more than one blank. */
const BLANKS = / *[^\S ]\s*| {2,}/g;

/**
 * A text as it is compared: compatibility forms (full width, ligatures) made plain, decoration removed, lower case,
 * white space as single blanks. Text without a match in a dictionary of any kind stays as it is, so every script works.
 */
export function fold(text: string): string {
  // Most text of most people is ASCII, where normalising finds nothing to do, slowly.
  if (/^[\x00-\x7f]*$/.test(text)) return text.toLowerCase().replace(BLANKS, ' ');
  return text
    .normalize('NFKD')
    .replace(DECORATION, '')
    .toLowerCase()
    .replace(UNPLAIN, letter => PLAIN[letter] ?? letter)
    .normalize('NFC')
    .replace(BLANKS, ' ');
}

const SNIPPET_CHARACTERS = 180;
const BEFORE_MATCH = 60;
/** Longer texts are looked through in pieces of this many characters, so that a pasted book costs no book of memory. */
const PIECE = 32_768;
/** Terms that cross the border of two pieces are found when no longer than this. */
const OVERLAP = 1024;

/** The part of a text around the first term in it, with every term in that part marked. */
export function snippetOf(text: string, query: Query): Snippet {
  for (let start = 0; start < text.length; start += PIECE) {
    const piece = text.slice(start, start + PIECE + OVERLAP);
    const folded = fold(piece);
    if (!query.terms.some(term => folded.includes(term))) continue;
    const { line, marks } = markTerms(piece, query.terms);
    if (marks.length > 0) return cut(line, marks, start > 0, start + PIECE + OVERLAP < text.length);
  }
  const { line } = markTerms(text.slice(0, SNIPPET_CHARACTERS * 4), []);
  return cut(line, [], false, text.length > SNIPPET_CHARACTERS * 4);
}

/** A text on one line, and the places of all terms in it. Folded letter by letter, to know where each one went. */
function markTerms(piece: string, terms: readonly string[]): { line: string; marks: [number, number][] } {
  let line = '';
  let folded = '';
  const starts: number[] = [];
  const ends: number[] = [];
  for (const [letter] of piece.normalize('NFC').matchAll(/\P{M}\p{M}*|\p{M}+/gsu)) {
    const isBlank = /^\s/.test(letter);
    if (isBlank && line.endsWith(' ')) continue;
    const start = line.length;
    line += isBlank ? ' ' : letter;
    const plain = isBlank ? ' ' : fold(letter);
    folded += plain;
    for (let unit = 0; unit < plain.length; unit++) {
      starts.push(start);
      ends.push(line.length);
    }
  }
  const marks: [number, number][] = [];
  for (const term of terms) {
    for (let at = folded.indexOf(term); at >= 0; at = folded.indexOf(term, at + term.length))
      marks.push([starts[at]!, ends[at + term.length - 1]!]);
  }
  return { line, marks: merged(marks) };
}

function merged(marks: [number, number][]): [number, number][] {
  const apart: [number, number][] = [];
  for (const [start, end] of marks.sort((a, b) => a[0] - b[0])) {
    const last = apart.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else apart.push([start, end]);
  }
  return apart;
}

function cut(line: string, marks: [number, number][], before: boolean, after: boolean): Snippet {
  const first = marks[0]?.[0] ?? 0;
  const from = atCharacter(
    line,
    Math.max(0, Math.min(first - BEFORE_MATCH, line.length - SNIPPET_CHARACTERS)),
  );
  const to = atCharacter(line, Math.min(line.length, from + SNIPPET_CHARACTERS));
  const lead = from > 0 || before ? '…' : '';
  return {
    text: `${lead}${line.slice(from, to)}${to < line.length || after ? '…' : ''}`,
    marks: marks
      .filter(([start]) => start >= from && start < to)
      .map(([start, end]) => [start - from + lead.length, Math.min(end, to) - from + lead.length]),
  };
}

/** The same place, or one before it, so that no surrogate pair is torn. */
function atCharacter(text: string, place: number): number {
  const isLow = (text.charCodeAt(place) & 0xfc00) === 0xdc00;
  return place > 0 && isLow ? place - 1 : place;
}
