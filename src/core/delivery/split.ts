/** A long text in pieces that a service takes, cut where a reader would pause. */

/** How much one message may hold, and how its service counts. */
export interface Measure {
  most: number;
  /** the size of one code point, given as a string */
  sizeOf(character: string): number;
}

/** One piece of a text. */
export interface Part {
  text: string;
  /** where the next piece begins, in UTF-16 units of the whole text; its length where nothing is left */
  next: number;
}

/** UTF-16 units, as JavaScript counts. */
export function unitsOf(character: string): number {
  return character.length;
}

/** Bytes of a code point in UTF-8; a lone surrogate is sent as U+FFFD, three bytes. */
export function bytesOf(character: string): number {
  const code = character.codePointAt(0)!;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/** What an extended grapheme cluster may at most need to be seen whole behind the cut, UTF-16 units. */
const LOOK_AHEAD = 256;

/**
 * The piece of a text that begins at an offset: as much as fits, ended at a paragraph, else a line, else a word, as long
 * as at least half of the room is used; else at any of these; else between two graphemes (UAX #29), never inside a
 * surrogate pair. Blank lines and blanks around a cut are left out. The same text, offset and measure give the same piece.
 *
 * @returns null when nothing but blanks is left
 */
export function nextPart(text: string, from: number, measure: Measure): Part | null {
  if (from === 0 && endOfFit(text, measure) === text.length) return { text, next: text.length };
  const start = from + (/^(?:[^\S\n]*\n)*/.exec(text.slice(from))?.[0].length ?? 0);
  const rest = text.slice(start);
  if (rest.trim() === '') return null;
  const whole = rest.trimEnd();
  const end = endOfFit(whole, measure);
  if (end === whole.length) return { text: whole, next: text.length };
  const cut = breakBefore(whole, end);
  const gap = /^[^\S\n]*\n?/.exec(whole.slice(cut))?.[0].length ?? 0;
  return { text: whole.slice(0, cut).trimEnd(), next: start + cut + gap };
}

/** Code units of the longest beginning that fits; at least one code point, so that every call gets on. */
function endOfFit(text: string, { most, sizeOf }: Measure): number {
  let end = 0;
  let size = 0;
  for (const character of text) {
    size += sizeOf(character);
    if (size > most && end > 0) return end;
    end += character.length;
    if (size > most) return end;
  }
  return end;
}

function breakBefore(text: string, end: number): number {
  const places = [text.lastIndexOf('\n\n', end), text.lastIndexOf('\n', end), lastBlank(text, end)].map(at =>
    text.slice(0, Math.max(0, at)).trim() === '' ? 0 : at,
  );
  const good = places.find(at => at >= end / 2) ?? Math.max(...places);
  if (good > 0) return good;
  const cluster = new Intl.Segmenter().segment(text.slice(0, end + LOOK_AHEAD)).containing(end);
  return cluster && cluster.index > 0 ? cluster.index : end;
}

function lastBlank(text: string, end: number): number {
  for (let at = end; at > 0; at--) if (/\s/.test(text.charAt(at))) return at;
  return 0;
}
