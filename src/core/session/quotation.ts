/**
 * Where in a text a command could begin. What somebody quotes or shows as code is not said to us: fenced blocks, inline
 * code, `>` lines and phrases in quotation marks are passed over. One pass, linear in the text.
 */

/** Quotation marks by the one that opens; a phrase ends on its line. */
const CLOSING: ReadonlyMap<string, readonly string[]> = new Map([
  ['"', ['"']],
  ["'", ["'"]],
  ['“', ['”']],
  ['„', ['“', '”']],
  ['‘', ['’']],
  ['«', ['»']],
  ['‹', ['›']],
  ['「', ['」']],
  ['『', ['』']],
]);

/**
 * What counts as blank, for a character class: also marks of direction and zero width, which right-to-left keyboards and
 * copying put around words.
 */
export const BLANKS = '\\s\\u200b\\u200e\\u200f\\u2060\\u2066-\\u2069';
const BLANK = new RegExp(`[${BLANKS}]`);
const VISIBLE = new RegExp(`[^${BLANKS}]`);

/** Whether a text holds nothing anybody could see. */
export function isBlank(text: string): boolean {
  return !VISIBLE.test(text);
}

/** Whether there is blank space, or no character at all, at an offset. */
export function isBlankAt(text: string, offset: number): boolean {
  const char = text[offset];
  return char === undefined || BLANK.test(char);
}

/** The same, but line breaks are not. */
export function isGapAt(text: string, offset: number): boolean {
  const char = text[offset];
  return char !== undefined && char !== '\n' && char !== '\r' && BLANK.test(char);
}

/** Offsets of every `/` that stands at the beginning or behind blank space, outside quotations and code. */
export function commandPlaces(text: string): number[] {
  const places: number[] = [];
  if (!text.includes('/')) return places;
  const find = finder(text);
  let lineEnd = -1;
  /** openers that nothing on this line closes; asked once, so that a line of them costs one search */
  let unclosed = new Set<string>();

  for (let at = 0; at < text.length; ) {
    if (at > lineEnd) {
      lineEnd = Math.min(find('\n', at), text.length);
      unclosed = new Set();
    }
    if (text[at] === '/' && isBlankAt(text, at - 1)) places.push(at);
    at = behindQuotation(at) ?? at + 1;
  }
  return places;

  /** The end of what begins here and is not said to us; undefined: nothing begins here. */
  function behindQuotation(at: number): number | undefined {
    const char = text[at]!;
    if (char === '>') return startsLine(text, at) ? lineEnd + 1 : undefined;
    if (char === '~') return startsLine(text, at) ? behindFence(at) : undefined;
    if (char === '`') return behindCode(at);
    const closing = CLOSING.get(char);
    if (closing === undefined || unclosed.has(char) || !opensPhrase(text, at)) return undefined;
    for (const closer of closing) {
      for (let end = find(closer, at + 1); end < lineEnd; end = find(closer, end + 1)) {
        if (closesPhrase(text, end)) return end + 1;
      }
    }
    unclosed.add(char);
    return undefined;
  }

  function behindFence(at: number): number | undefined {
    const length = runLength(text, at);
    if (length < 3) return undefined;
    const close = text.indexOf(`\n${'~'.repeat(length)}`, at);
    return close === -1 ? text.length : close + 1 + runLength(text, close + 1);
  }

  /** Three backticks or more reach over lines, as chat programs show them; fewer are closed on their line. */
  function behindCode(at: number): number {
    const length = runLength(text, at);
    const behind = at + length;
    const fence = '`'.repeat(length);
    if (length >= 3) {
      const close = text.indexOf(fence, behind);
      if (close !== -1) return close + runLength(text, close);
      return startsLine(text, at) ? text.length : behind;
    }
    if (unclosed.has(fence)) return behind;
    for (let run = find('`', behind); run < lineEnd; ) {
      const end = run + runLength(text, run);
      if (end - run === length) return end;
      run = find('`', end);
    }
    unclosed.add(fence);
    return behind;
  }
}

/** Finds a character from an offset on, Infinity where there is none; what was found once is not looked for again. */
function finder(text: string): (char: string, from: number) => number {
  const found = new Map<string, { from: number; at: number }>();
  return (char, from) => {
    const known = found.get(char);
    if (known && from >= known.from && from <= known.at) return known.at;
    const at = text.indexOf(char, from);
    const answer = at === -1 ? Number.POSITIVE_INFINITY : at;
    found.set(char, { from, at: answer });
    return answer;
  };
}

/** How often the character at an offset is repeated there. */
function runLength(text: string, at: number): number {
  let end = at + 1;
  while (text[end] === text[at]) end++;
  return end - at;
}

/** First on its line but for an indentation of at most three. */
function startsLine(text: string, at: number): boolean {
  for (let before = at - 1; before >= at - 4; before--) {
    if (before < 0 || text[before] === '\n') return true;
    if (!isBlankAt(text, before)) return false;
  }
  return false;
}

/** `5" wide` and `dogs'` open nothing. */
function opensPhrase(text: string, at: number): boolean {
  const before = text[at - 1];
  return (before === undefined || BLANK.test(before) || '([{'.includes(before)) && !isBlankAt(text, at + 1);
}

/** An apostrophe inside a word closes nothing. */
function closesPhrase(text: string, at: number): boolean {
  return !"'’".includes(text[at]!) || !/[\p{L}\p{N}]/u.test(text[at + 1] ?? ' ');
}
