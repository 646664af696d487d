/**
 * How many columns of a terminal a text takes. Source: Unicode Standard Annex #11 (East Asian Width, classes W and F take
 * two columns) and UTS #51 (what is presented as an emoji takes two). Counted per grapheme, so that a family of four joined
 * emoji, a flag, or a letter with its accents is one thing. Ambiguous characters count as one column, as terminals outside
 * East Asian locales draw them.
 */

/** First and last code points of the blocks of class W or F; unassigned gaps inside them are wide by that annex's rule. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f], // Hangul Jamo, leading consonants
  [0x2e80, 0x303e], // CJK radicals … CJK punctuation
  [0x3041, 0x4dbf], // Kana … CJK extension A
  [0x4e00, 0xa4cf], // CJK ideographs, Yi
  [0xa960, 0xa97f], // Hangul Jamo extended A
  [0xac00, 0xd7a3], // Hangul syllables
  [0xf900, 0xfaff], // CJK compatibility ideographs
  [0xfe10, 0xfe19], // vertical forms
  [0xfe30, 0xfe6f], // CJK compatibility forms, small forms
  [0xff01, 0xff60], // fullwidth forms
  [0xffe0, 0xffe6], // fullwidth signs
  [0x16fe0, 0x18dff], // Tangut, Khitan
  [0x1aff0, 0x1b2ff], // Kana extensions, Nushu
  [0x1d300, 0x1d376], // Tai Xuan Jing symbols, counting rods
  [0x1f200, 0x1f265], // enclosed ideographs
  [0x20000, 0x3fffd], // CJK extensions B and later
];

const ASCII = /^[\u0020-\u007e]*$/;

/** Made when first needed: the classes of Unicode take 2 ms to look up. */
let classes: { invisible: RegExp; emoji: RegExp } | undefined;

function classesOfUnicode() {
  classes ??= {
    // marks, joiners and other characters that are drawn on top of others or not at all
    invisible: /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}\u115f\u1160\u3164\uffa0]*$/u,
    // drawn as an emoji by itself, by U+FE0F behind it, or as a flag
    emoji: /^(?:\p{Emoji_Presentation}|\p{Regional_Indicator}{2}|\p{Emoji}\ufe0f)/u,
  };
  return classes;
}

let segmenter: Intl.Segmenter | undefined;

/** A text as the things a person sees as one character each. */
export function graphemes(text: string): string[] {
  if (ASCII.test(text)) return [...text];
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  return Array.from(segmenter.segment(text), part => part.segment);
}

/** Columns that a text without control characters takes. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  return graphemes(text).reduce((sum, each) => sum + graphemeWidth(each), 0);
}

function graphemeWidth(grapheme: string): number {
  if (ASCII.test(grapheme)) return 1;
  const { invisible, emoji } = classesOfUnicode();
  if (invisible.test(grapheme)) return 0;
  if (emoji.test(grapheme)) return 2;
  const code = grapheme.codePointAt(0)!;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

/** A text cut to at most `width` columns, the last of them `…` where something was cut. No character is cut in half. */
export function clipToWidth(text: string, width: number): string {
  if (text.length <= width && ASCII.test(text)) return text;
  if (displayWidth(text) <= width) return text;
  let taken = '';
  let used = 0;
  for (const grapheme of graphemes(text)) {
    const next = graphemeWidth(grapheme);
    if (used + next > width - 1) break;
    taken += grapheme;
    used += next;
  }
  return `${taken}…`;
}

/**
 * Widths of columns that fit a line. Those wider than their fair share give way, the widest first and all of them down to
 * the same width, but none below `least`; narrower ones keep what they need.
 *
 * @param natural widest cell of each column
 * @param room columns of the terminal left for cells
 */
export function shareWidth(natural: readonly number[], room: number, least: number): number[] {
  const sorted = natural.toSorted((a, b) => a - b);
  let rest = room;
  for (const [index, width] of sorted.entries()) {
    const share = Math.floor(rest / (sorted.length - index));
    if (width > share) return natural.map(each => Math.min(each, Math.max(share, least)));
    rest -= width;
  }
  return [...natural];
}
