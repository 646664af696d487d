/**
 * A marked block in a user's crontab. Every other byte of the table stays where it is (openclaw #41843: a whole table was
 * overwritten). Tables are strings of bytes here (latin1): a crontab has no encoding.
 */
import { isMarker, readMarker, type Sha256, sign, type TimerFacts } from './marker.ts';
import { timerEnvironment } from './unit.ts';

const BEGIN =
  '# claw timer: the lines down to the next one that begins so are removed by: claw timer uninstall';
/** There was no newline at the end of the table before. */
const JOINED = ' (newline added before)';
/** There was no table before. */
const CREATED = ' (table made)';

/** cron's own limit on a command is 998 to 1000 bytes on common systems; longer ones are cut or refuse the table. */
export const LONGEST_COMMAND = 990;

/** One word for sh(1), as UTF-8 bytes. */
function shellWord(word: string): string {
  return /^[A-Za-z0-9_/.:@+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * The line of a tick: crontab(5) takes an unescaped `%` for a newline and drops the backslash before an escaped one; a
 * backslash that stands before a `%` by itself is kept from it by an end and a beginning of quotes.
 */
export function cronLine(facts: TimerFacts): string {
  const environment = timerEnvironment(facts).map(([name, value]) => `${name}=${shellWord(value)}`);
  const config = facts.config === null ? [] : ['--config', shellWord(facts.config)];
  const command = [...environment, shellWord(facts.node), shellWord(facts.script), 'tick', ...config];
  const escaped = command.join(' ').replace(/\\%/g, "\\''%").replace(/%/g, '\\%');
  return `* * * * * umask 077; ${escaped} >/dev/null 2>&1`;
}

/** Bytes of the command in a line of `cronLine`. */
export function commandLength(line: string): number {
  return new TextEncoder().encode(line).length - '* * * * * '.length;
}

export interface CronBlock {
  /** offsets in the table; the newline that was added before the block is not part of it */
  start: number;
  end: number;
  text: string;
  state: 'ours' | 'edited';
  facts: TimerFacts | null;
  joined: boolean;
  created: boolean;
}

/** The block in a table; null when there is none. A block whose end is missing counts as edited. */
export function findBlock(table: string, sha256: Sha256): CronBlock | null {
  const start = table.startsWith(BEGIN) ? 0 : table.indexOf(`\n${BEGIN}`) + 1;
  if (start === 0 && !table.startsWith(BEGIN)) return null;
  let end = start;
  let closed = false;
  while (end < table.length && !closed) {
    const next = table.indexOf('\n', end);
    const stop = next < 0 ? table.length : next + 1;
    closed = isMarker(table.slice(end, stop).replace(/\n$/, ''));
    end = stop;
  }
  const text = closed ? table.slice(start, end) : table.slice(start, table.indexOf('\n', start) + 1);
  const { state, facts } = readMarker(text, sha256);
  const first = text.split('\n', 1)[0]!;
  return {
    start,
    end: start + text.length,
    text,
    state: state === 'ours' ? 'ours' : 'edited',
    facts,
    joined: first.includes(JOINED),
    created: first.includes(CREATED),
  };
}

/**
 * The table with the block of these facts: in the place of the block that is there, else at the end.
 *
 * @param table null: the user has none
 */
export function putBlock(table: string | null, facts: TimerFacts, sha256: Sha256): string {
  const text = table ?? '';
  const found = findBlock(text, sha256);
  const joined = found ? found.joined : text !== '' && !text.endsWith('\n');
  const created = found ? found.created : table === null;
  const head = `${BEGIN}${joined ? JOINED : ''}${created ? CREATED : ''}`;
  const block = sign(`${head}\n${toBytes(cronLine(facts))}\n`, facts, 'hash', sha256);
  if (found) return text.slice(0, found.start) + block + text.slice(found.end);
  return `${text}${joined ? '\n' : ''}${block}`;
}

/**
 * The table as it would be had the block never been put; null: there was no table, and nothing else is in it now.
 * What was written behind the block keeps the newline before it.
 */
export function takeBlock(table: string, block: CronBlock): string | null {
  const after = table.slice(block.end);
  const before = table.slice(0, block.start);
  const rest = block.joined && after === '' ? before.replace(/\n$/, '') : before;
  return rest + after === '' && block.created ? null : rest + after;
}

/** UTF-8 as a string of bytes. */
function toBytes(text: string): string {
  return Array.from(new TextEncoder().encode(text), byte => String.fromCharCode(byte)).join('');
}
