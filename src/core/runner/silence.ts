/** Tokens by which an agent says that it has nothing to say, in the forms that models give them. */

/** What an agent prints after a heartbeat that found nothing. Anywhere else it is a slip. */
export const HEARTBEAT_TOKEN = 'HEARTBEAT_OK';

/** What models set a word in: `**NO_REPLY**`, "NO_REPLY", `<b>NO_REPLY</b>`. */
const MARK = '(?:</?[a-z][a-z0-9]{0,15}>|&nbsp;|[\\s*_~`"\'“”‘’«»()\\[\\]{}<>#•-])';
/** Nothing that says anything. */
const REST = '(?:</?[a-z][a-z0-9]{0,15}>|&nbsp;|[\\s\\p{P}<>~`^|+=])*';
/** What belongs to a token in front of a text: marks that close, and punctuation that ends something. */
const CLOSE = '(?:</[a-z][a-z0-9]{0,15}>|[*_~`"\'”’»)\\]}>]|[.!,:;](?=\\s|$))*';
/** A token ends where no letter, digit or underscore follows. */
const ENDS = '(?![\\p{L}\\p{M}\\p{N}_])';

/** Most characters that marks before a token at the end, and punctuation behind it, can have. */
const LONGEST_TRIM = 60;

/**
 * How far a text is looked through for a token that may begin there; more than a token and all its trimmings. The
 * expressions here are never let loose on more: over megabytes they run out of stack.
 */
export const LONGEST_TOKEN = 200;

/** Most tokens in a row that are cut off. A reply of nothing but tokens is no reason to work for minutes. */
const MOST_TOKENS = 5;

function matcher(source: string): RegExp {
  return new RegExp(`^${source}`, 'u');
}

function quote(token: string): string {
  return token.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** No sentence begins or ends with such a word by chance; `OK` or `HUSH` could. */
function isUnmistakable(token: string): boolean {
  return /^[A-Z0-9]+(?:_[A-Z0-9]+)+$/.test(token);
}

/**
 * Whether a reply means "say nothing": it is blank, or one of the tokens, emphasis, quotes and punctuation aside. A
 * token such as NO_REPLY, which can be no ordinary word, also silences what it begins ("NO_REPLY - nothing to add").
 */
export function isSilent(text: string, tokens: readonly string[]): boolean {
  const said = text.trim();
  return said === '' || tokens.some(token => said === token || means(said, token));
}

function means(text: string, token: string): boolean {
  const start = text.slice(0, LONGEST_TOKEN + 1);
  // Nearly every reply: making the expressions takes 2 ms.
  if (!start.includes(token)) return false;
  if (start.length <= LONGEST_TOKEN && matcher(`${MARK}*${quote(token)}${REST}$`).test(start)) return true;
  return isUnmistakable(token) && matcher(`${MARK}*${quote(token)}${ENDS}`).test(start);
}

/** Whether a text says nothing: it is short, and there is only punctuation in it. */
function isEmpty(text: string): boolean {
  return text.length <= LONGEST_TOKEN && matcher(`${REST}$`).test(text);
}

/** Where a token may stand at the end of a text to be cut off: anywhere, or only behind a whole sentence or line. */
type EndRule = 'anywhere' | 'alone';

/**
 * A text without a token that stands at its beginning or at its end. What is left keeps its own white space and is ''
 * when it holds nothing but punctuation.
 */
export function withoutToken(text: string, token: string, atEnd: EndRule): { text: string; found: boolean } {
  if (!text.includes(token)) return { text, found: false };
  const end = endWithout(text, token, atEnd);
  const kept = text.slice(0, end);
  const said = kept.trimStart();
  const start = matcher(`${MARK}*${quote(token)}${ENDS}${CLOSE}`).exec(said.slice(0, LONGEST_TOKEN));
  const found = end < text.length || start !== null;
  if (!found) return { text, found };
  const rest = start === null ? kept : said.slice(start[0].length).trimStart();
  return { text: isEmpty(rest) ? '' : rest, found };
}

/** Where the text ends when a token at its end is left out; its length where there is none. */
function endWithout(text: string, token: string, rule: EndRule): number {
  // Behind the token only punctuation may stand, so none but the last one can be at the end.
  const at = text.lastIndexOf(token);
  const behind = text.slice(at + token.length).trimEnd();
  if (at < 0 || behind.length > LONGEST_TRIM || !isEmpty(behind)) return text.length;
  let start = at;
  for (
    let mark = markBefore(text, start);
    mark > 0 && at - start < LONGEST_TRIM;
    mark = markBefore(text, start)
  ) {
    start -= mark;
  }
  const before = text.slice(0, start).trimEnd();
  if (before === '') return 0;
  const gap = text.slice(before.length, start);
  if (gap === '') return text.length;
  const isOver = /(?:[.!?…)\]"'”’»*_~`。！？]|\p{Extended_Pictographic}\ufe0f?)$/u.test(before);
  return rule === 'anywhere' || isOver || gap.includes('\n') ? before.length : text.length;
}

/** Length of the mark that opens right before a place in a text, 0 where there is none. */
function markBefore(text: string, place: number): number {
  const opening = /(?:<[a-z][a-z0-9]{0,15}>|[*_~`"'“‘«([{<])$/.exec(
    text.slice(Math.max(0, place - 20), place),
  );
  return opening?.[0].length ?? 0;
}

/**
 * What of a reply is said: null for silence, else the text without tokens at its edges. A token that silences does so
 * alone or in front; behind a text that was meant to be read it is cut off and the text stays. In "I printed NO_REPLY"
 * it is spoken about, and stays too.
 *
 * @param tokens the runner's silent tokens
 * @param heartbeat true keeps HEARTBEAT_OK, by which a heartbeat is judged
 */
export function replyOf(text: string, tokens: readonly string[], heartbeat = false): string | null {
  if (isSilent(text, tokens)) return null;
  let said = text;
  for (let round = 0; round < MOST_TOKENS; round++) {
    const before = said;
    for (const token of tokens.filter(isUnmistakable)) said = withoutToken(said, token, 'alone').text;
    if (!heartbeat) said = withoutToken(said, HEARTBEAT_TOKEN, 'anywhere').text;
    if (said === before) break;
  }
  return isSilent(said, tokens) ? null : said;
}

/**
 * Whether a text, of which more may come, begins with one of the tokens and what models set it in, or could yet. For
 * who shows a reply while it is printed; says yes too often rather than too rarely.
 */
export function mayBeginToken(text: string, tokens: readonly string[]): boolean {
  const start = text.slice(0, LONGEST_TOKEN).replace(/(?:<\/?[a-z0-9]{0,16}|&[a-z]{0,4})$/, '');
  const bare = start.replace(matcher(REST), '');
  return [...tokens, HEARTBEAT_TOKEN].some(token => {
    const word = token.replace(matcher(REST), '');
    return word.startsWith(bare) || bare.startsWith(word);
  });
}

/**
 * A heartbeat's reply: `ok` when it says that there is nothing to tell, which is HEARTBEAT_OK at an edge and beside it
 * no more than `ackMaxChars` characters (below 0 counts as 0). `text` is the reply without the token, '' when ok.
 */
export function judgeHeartbeat(
  reply: string,
  ackMaxChars: number,
): { ok: boolean; text: string; found: boolean } {
  const { text, found } = withoutToken(reply, HEARTBEAT_TOKEN, 'anywhere');
  const said = text.trim();
  const ok = said === '' || (found && said.length <= Math.max(0, ackMaxChars));
  return { ok, text: ok ? '' : said, found };
}
