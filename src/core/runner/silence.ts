/** Tokens by which an agent says that it has nothing to say, in the forms that models give them. */

/** What an agent prints after a heartbeat that found nothing. Anywhere else it is a slip. */
export const HEARTBEAT_TOKEN = 'HEARTBEAT_OK';

/** Marks that models set a word in: `**NO_REPLY**`, "NO_REPLY", `<NO_REPLY>`. */
const MARKS = '[\\s*_~`"\'“”‘’«»()\\[\\]{}<>]';
const BEFORE = `${MARKS}*`;
/** Nothing but marks and punctuation. */
const AFTER = '[\\s\\p{P}\\p{S}]*';
/** A token ends where no letter, digit or underscore follows; marks of emphasis may. */
const ENDS = '(?![\\p{L}\\p{M}\\p{N}_]|-[\\p{L}\\p{N}_])';

/** No sentence begins or ends with such a word by chance; `OK` or `HUSH` could. */
function isUnmistakable(token: string): boolean {
  return /^[A-Z0-9]+(?:_[A-Z0-9]+)+$/.test(token);
}

function quote(token: string): string {
  return token.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/**
 * Whether a reply means "say nothing": it is blank, or one of the tokens, emphasis, quotes and punctuation aside. A
 * token such as NO_REPLY, which can be no ordinary word, also silences what it begins ("NO_REPLY - nothing to add").
 */
export function isSilent(text: string, tokens: readonly string[]): boolean {
  if (text.trim() === '') return true;
  return tokens.some(token => {
    if (text.trim() === token) return true;
    const whole = new RegExp(`^${BEFORE}${quote(token)}${AFTER}$`, 'u');
    return whole.test(text) || (isUnmistakable(token) && begins(token).test(text));
  });
}

function begins(token: string): RegExp {
  return new RegExp(`^${BEFORE}${quote(token)}${ENDS}`, 'u');
}

/** @returns where a token at the end begins, with what stands before it on its line's end; -1 where there is none */
function endOf(text: string, token: string): number {
  // The last one only: whatever stands behind it must be punctuation, so an earlier one cannot be at the end.
  const at = text.lastIndexOf(token);
  if (at < 0 || !new RegExp(`^${AFTER}$`, 'u').test(text.slice(at + token.length))) return -1;
  let start = at;
  while (start > 0 && /[*_~`"'“‘«([{<]/.test(text[start - 1]!)) start -= 1;
  const before = text.slice(0, start).trimEnd();
  const standsAlone = before.length < start && (/[.!?…:;,)\]"'”’»*_`~。！？]$/.test(before) || text.slice(before.length, start).includes('\n'));
  return standsAlone || before === '' ? before.length : -1;
}

/**
 * A text without a token that stands at its beginning, or by itself at its end: behind the end of a sentence or on a
 * line of its own. "I printed NO_REPLY" stays: there the token is spoken about.
 *
 * @returns the rest, trimmed where something was cut off, and whether that was so
 */
export function withoutToken(text: string, token: string): { text: string; found: boolean } {
  let rest = text;
  const end = endOf(rest, token);
  if (end >= 0) rest = rest.slice(0, end);
  const start = new RegExp(`^${BEFORE}${quote(token)}${ENDS}(?:[*_~\`"'”’»)\\]}>]|[.!,:;](?=\\s|$))*\\s*`, 'u').exec(rest);
  if (start !== null) rest = rest.slice(start[0].length);
  return { text: rest, found: end >= 0 || start !== null };
}

/**
 * What of a reply is said: null for silence, else the text without stray tokens at its edges. A token that silences
 * does so only alone or in front; behind a text that was meant to be read it is cut off and the text stays.
 *
 * @param tokens the runner's silent tokens
 * @param heartbeat true keeps HEARTBEAT_OK, which a heartbeat is judged by
 */
export function spokenReply(text: string, tokens: readonly string[], heartbeat = false): string | null {
  if (isSilent(text, tokens)) return null;
  const stray = tokens.filter(isUnmistakable);
  if (!heartbeat) stray.push(HEARTBEAT_TOKEN);
  const rest = stray.reduce((said, token) => withoutToken(said, token).text, text);
  return isSilent(rest, tokens) ? null : rest;
}

/**
 * Whether a heartbeat's reply says that there is nothing to tell: it holds HEARTBEAT_OK at an edge, and the text
 * beside it is no longer than `ackMaxChars`. `text` is what is left to deliver when it is not so (openclaw #16974).
 */
export function judgeHeartbeatReply(text: string, ackMaxChars: number): { ok: boolean; text: string } {
  const { text: rest, found } = withoutToken(text, HEARTBEAT_TOKEN);
  const said = rest.trim();
  return { ok: said === '' || (found && said.length <= ackMaxChars), text: said };
}
