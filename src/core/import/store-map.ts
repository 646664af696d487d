/** What can still be read of a session store whose JSON ends too early: a write that a crash or a full disk cut off. */

/**
 * Members of the JSON object a text begins with, up to where it breaks off. Only whole members are given: an entry that
 * was being written is not guessed at.
 *
 * @returns key and value of each, in the order of the text
 */
export function salvageMembers(text: string): [key: string, value: unknown][] {
  const members: [string, unknown][] = [];
  let at = text.indexOf('{') + 1;
  if (at === 0) return members;
  for (;;) {
    const keyStart = skip(text, at, /[\s,]/);
    if (text[keyStart] !== '"') return members;
    const keyEnd = endOfValue(text, keyStart);
    if (keyEnd === null) return members;
    const colon = skip(text, keyEnd, /\s/);
    if (text[colon] !== ':') return members;
    const valueStart = skip(text, colon + 1, /\s/);
    const valueEnd = endOfValue(text, valueStart);
    if (valueEnd === null) return members;
    try {
      members.push([
        JSON.parse(text.slice(keyStart, keyEnd)) as string,
        JSON.parse(text.slice(valueStart, valueEnd)),
      ]);
    } catch {
      return members;
    }
    at = valueEnd;
  }
}

function skip(text: string, from: number, over: RegExp): number {
  let at = from;
  while (at < text.length && over.test(text[at]!)) at++;
  return at;
}

/** The offset behind a string, object or list; null when it does not end. (Entries of a store are never bare numbers.) */
function endOfValue(text: string, from: number): number | null {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      at++;
      while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
      if (at >= text.length) return null;
    } else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (depth === 0) return null;
    if (depth === 0) return at + 1;
    if (depth < 0) return null;
  }
  return null;
}
