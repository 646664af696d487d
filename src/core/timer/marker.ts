/**
 * The last line of everything that `claw timer install` writes: which paths went in, and a hash by which a hand that has
 * changed the file since is noticed. Such a file belongs to that hand from then on.
 */

/** What a timer runs, and with which environment. Paths are absolute. */
export interface TimerFacts {
  /** Node's binary */
  node: string;
  /** `bin/claw.js` of the package */
  script: string;
  /** `$CLAW_HOME` */
  home: string;
  /** config file, when one was asked for by name */
  config: string | null;
  /** the frozen PATH */
  path: string;
  /** `$TZ`, where the shell had one: days begin in the timer as they do for the messages */
  zone: string | null;
}

/** Comment signs of the format. */
export type CommentStyle = 'hash' | 'xml';

const SIGNS: Record<CommentStyle, [string, string]> = { hash: ['# ', ''], xml: ['<!-- ', ' -->'] };

/** SHA-256 of a text in UTF-8, hex. */
export type Sha256 = (text: string) => string;

/** `text` (ending in a newline) with its marker. */
export function sign(text: string, facts: TimerFacts, style: CommentStyle, sha256: Sha256): string {
  const [open, close] = SIGNS[style];
  const json = asciiJson(facts);
  return `${text}${open}claw timer ${json} sha256:${sha256(text + json)}${close}\n`;
}

const MARKER = /^(?:# |<!-- )claw timer (\{.*\}) sha256:([0-9a-f]{64})(?: -->)?$/;

/** Is this line a marker, whatever it marks? */
export function isMarker(line: string): boolean {
  return MARKER.test(line);
}

/**
 * Who wrote a text. `ours`: as it was signed; `edited`: signed, and changed since; `foreign`: never signed.
 * The facts are those of the marker, also of an edited text.
 */
export function readMarker(
  text: string,
  sha256: Sha256,
): { state: 'ours' | 'edited'; facts: TimerFacts } | { state: 'edited' | 'foreign'; facts: null } {
  const lines = text.split('\n');
  const index = lines.findLastIndex(isMarker);
  const [, json = '', hash] = index < 0 ? [] : (MARKER.exec(lines[index]!) ?? []);
  if (hash === undefined) return { state: 'foreign', facts: null };
  const facts = factsOf(json);
  if (facts === null) return { state: 'edited', facts };
  const body = lines
    .slice(0, index)
    .map(line => `${line}\n`)
    .join('');
  const whole = index === lines.length - 2 && lines.at(-1) === '';
  return { state: whole && sha256(body + json) === hash ? 'ours' : 'edited', facts };
}

function factsOf(json: string): TimerFacts | null {
  try {
    const facts = JSON.parse(json) as TimerFacts;
    const strings = [facts.node, facts.script, facts.home, facts.path];
    return strings.every(each => typeof each === 'string') ? facts : null;
  } catch {
    return null;
  }
}

/** ASCII alone, as crontab(1) has bytes and no encoding; never two hyphens in a row, which would end an XML comment. */
function asciiJson({ node, script, home, config, path, zone }: TimerFacts): string {
  return JSON.stringify({ node, script, home, config, path, zone })
    .replace(/[^\x20-\x7e]/g, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace(/--/g, '-\\u002d');
}
