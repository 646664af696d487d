/** Text for people: tables that fit the terminal, colour where there is one, lengths of time. */
import fs from 'node:fs';
import { tokenUse } from '../core/display/count.ts';
import { clipToWidth, displayWidth, shareWidth } from '../core/display/width.ts';

/** "42s", "3m", "2h", "5d": a length of time in ms, in its largest whole unit. For an age see `ago`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** An instant (epoch ms) in ISO 8601, UTC; null for a number that is none, whoever wrote it. */
export function isoTime(ms: number): string | null {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : null;
}

/** "154k/200k (77%)". */
export const tokens = tokenUse;

const STYLES = { good: 32, doubtful: 33, bad: 31, quiet: 2, strong: 1 } as const;

export type Style = keyof typeof STYLES;
export type Paint = (style: Style, text: string) => string;

/** Whether stdout is a terminal. Only a device can be one; loading node:tty for every pipe costs 3 ms. */
function isTerminal(): boolean {
  try {
    if (!fs.fstatSync(1).isCharacterDevice()) return false;
  } catch {
    return false;
  }
  return (require('node:tty') as typeof import('node:tty')).isatty(1);
}

/** Colours for stdout: on a terminal that can show them, and nowhere where NO_COLOR (https://no-color.org) is set. */
export function painter(env: Record<string, string | undefined>, terminal = isTerminal()): Paint {
  const colours = terminal && !env.NO_COLOR && env.TERM !== 'dumb';
  return colours ? (style, text) => `\u001b[${STYLES[style]}m${text}\u001b[0m` : (_style, text) => text;
}

/** Columns of the terminal behind stdout; no end where it is none. */
export function terminalWidth(): number {
  return (isTerminal() ? process.stdout.columns : 0) || Number.POSITIVE_INFINITY;
}

/** No column is made narrower than this to fit the terminal. */
const NARROWEST = 12;

/** Into a pipe nothing is cut but text that somebody wrote: the columns behind it have to stay in sight. */
const LONGEST_TEXT = 120;

/** What is special about the columns of these heads. */
export interface Columns {
  /** never cut: what people copy */
  whole?: string[];
  /** give way before the others, and are left out in this order where even that does not help */
  giving?: string[];
  /** free text */
  text?: string[];
}

/**
 * Rows in columns; where they are wider than the terminal the widest are cut. Control characters are shown, not obeyed.
 *
 * @param width columns of the terminal
 */
export function table(
  head: string[],
  rows: string[][],
  width = terminalWidth(),
  columns: Columns = {},
): string {
  // Nearly all rows are of characters that need no second look; a thousand rows ask once each.
  const isPlain: boolean[] = [];
  const widths = head.map(() => 0);
  const cells = [head, ...rows].map((row, index) => {
    const plain = PLAIN.test(row.join(''));
    const shown = plain ? row : row.map(printable);
    isPlain[index] = plain;
    for (let column = 0; column < widths.length; column++) {
      const width = plain ? shown[column]!.length : displayWidth(shown[column]!);
      if (width > widths[column]!) widths[column] = width;
    }
    return shown;
  });
  head.forEach((name, column) => {
    if (columns.text?.includes(name)) widths[column] = Math.min(widths[column]!, LONGEST_TEXT);
  });
  const isWhole = (column: number) => columns.whole?.includes(head[column]!) ?? false;
  const least = (column: number) =>
    isWhole(column) ? widths[column]! : Math.min(widths[column]!, NARROWEST);
  const sum = (of: number[], size: (column: number) => number) =>
    of.reduce((total, column) => total + size(column), 2 * Math.max(0, of.length - 1));
  const giving = (columns.giving ?? []).map(name => head.indexOf(name)).filter(column => column >= 0);
  let shown = head.map((_, column) => column);
  for (const column of giving) {
    if (sum(shown, least) > width) shown = shown.filter(each => each !== column);
  }
  const shrink = (some: number[]) => {
    const excess = sum(shown, column => widths[column]!) - width;
    const sizes = some.map(column => widths[column]!);
    const room = sizes.reduce((total, size) => total + size, 0) - excess;
    shareWidth(sizes, room, NARROWEST).forEach((size, index) => {
      widths[some[index]!] = size;
    });
  };
  shrink(shown.filter(column => giving.includes(column)));
  shrink(shown.filter(column => !giving.includes(column) && !isWhole(column)));
  return `${cells
    .map((row, index) =>
      shown
        .map(column => {
          const cell = row[column]!;
          const width = widths[column]!;
          return isPlain[index] && cell.length <= width
            ? cell.padEnd(width)
            : fill(clipToWidth(cell, width), width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}\n`;
}

/** Printable ASCII. */
const PLAIN = /^[\u0020-\u007e]*$/;

function fill(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)));
}

/** Text from outside, fit for a terminal: no escape sequences, no change of direction (CVE-2021-42574), one line. */
export function printable(text: string): string {
  return text
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}

/** The same for a text of several lines, which stay lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
