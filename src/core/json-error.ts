/** Where a text stops being JSON. The engine's own messages say it in some versions, in others they do not. */

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const PLAIN = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/**
 * The place of the first mistake, and what it may be: `line 3, column 5; comments …`.
 *
 * @param text no JSON (RFC 8259)
 */
export function whereNotJson(text: string): string {
  const at = mistakeAt(text);
  const before = text.slice(0, at).split('\n');
  const place = `line ${before.length}, column ${before.at(-1)!.length + 1}`;
  if (/^(?:\/\/|\/\*|#)/.test(text.slice(at, at + 2)))
    return `${place}: this file is plain JSON, which has no comments`;
  if (/^[\]}]/.test(text.slice(at)) && /,\s*$/.test(text.slice(0, at)))
    return `${place}: a comma with nothing behind it`;
  return place;
}

/** Offset of the first character that no JSON goes on with. A stack of brackets instead of recursion: depth costs nothing. */
function mistakeAt(text: string): number {
  const open: ('{' | '[')[] = [];
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return false;
    at += found[0].length;
    return true;
  };
  let wants: 'value' | 'first' | 'key' | 'next' = 'value';
  for (;;) {
    take(SPACE);
    const sign = text[at];
    if (wants === 'next') {
      const within = open.at(-1);
      if (within === undefined) return at;
      if (sign === (within === '{' ? '}' : ']')) open.pop();
      else if (sign === ',') wants = within === '{' ? 'key' : 'value';
      else return at;
      at++;
    } else if (wants !== 'value' && open.at(-1) === '{') {
      if (wants === 'first' && sign === '}') {
        open.pop();
        at++;
        wants = 'next';
        continue;
      }
      if (!take(STRING)) return at;
      take(SPACE);
      if (text[at] !== ':') return at;
      at++;
      wants = 'value';
    } else if (wants === 'first' && sign === ']') {
      open.pop();
      at++;
      wants = 'next';
    } else if (sign === '{' || sign === '[') {
      open.push(sign);
      at++;
      wants = 'first';
    } else if (take(STRING) || take(PLAIN)) wants = 'next';
    else return at;
  }
}
