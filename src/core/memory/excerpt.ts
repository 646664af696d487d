/** The part of a text that is quoted for the words in it. */
import { isUnspaced, wordsOf } from '../search/word.ts';

const LETTER = /[\p{L}\p{N}\p{M}]/u;
const WORDS = /[\p{L}\p{N}\p{M}]+/gu;

/**
 * A text on one line, or the part of it around the first of some words.
 *
 * @param words folded, as a search has matched them
 * @param characters most of them, besides the ellipses
 */
export function excerptOf(text: string, words: readonly string[], characters: number): string {
  const line = text.trim().replace(/\s+/g, ' ');
  if (line.length <= characters) return line;
  const place = placeIn(line, words);
  const start = Math.max(0, Math.min(place ?? 0, line.length) - characters / 3);
  const from = place === null ? 0 : Math.floor(Math.min(start, line.length - characters));
  const part = line.slice(from, from + characters).replace(/\p{Surrogate}/gu, '');
  return `${from > 0 ? '…' : ''}${part.trim()}${from + characters < line.length ? '…' : ''}`;
}

/** Where the first of the words stands: as it is, else under its accents and widths, else within another word. */
function placeIn(line: string, words: readonly string[]): number | null {
  const lower = line.toLowerCase();
  const first = (places: number[]) => {
    const found = places.filter(place => place >= 0);
    return found.length === 0 ? null : Math.min(...found);
  };
  return (
    first(words.map(word => wholeWordAt(lower, word))) ??
    foldedWordAt(line, new Set(words)) ??
    first(words.map(word => lower.indexOf(word)))
  );
}

function wholeWordAt(lower: string, word: string): number {
  if (isUnspaced(word)) return lower.indexOf(word);
  for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + 1)) {
    const [before, after] = [lower[at - 1] ?? '', lower[at + word.length] ?? ''];
    if (!LETTER.test(before) && !LETTER.test(after)) return at;
  }
  return -1;
}

function foldedWordAt(line: string, words: ReadonlySet<string>): number | null {
  for (const { 0: word, index } of line.matchAll(WORDS))
    if (wordsOf(word).some(each => words.has(each))) return index;
  return null;
}
