/** Text for people: tables that fit the terminal, colour where there is one, lengths of time. */
import { isatty } from 'node:tty';
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

/** Colours for stdout: on a terminal that can show them, and nowhere where NO_COLOR (https://no-color.org) is set. */
export function painter(env: Record<string, string | undefined>, terminal = isatty(1)): Paint {
  const colours = terminal && !env.NO_COLOR && env.TERM !== 'dumb';
  return colours ? (style, text) => `\u001b[${STYLES[style]}m${text}\u001b[0m` : (_style, text) => text;
}

/** Columns of the terminal behind stdout; no end where it is none. */
export function terminalWidth(): number {
  return (isatty(1) ? process.stdout.columns : 0) || Number.POSITIVE_INFINITY;
}

/** No column is made narrower than this to fit the terminal. */
const NARROWEST = 12;

/** Rows in columns; where they are wider than the terminal the widest are cut. Control characters are shown, not obeyed. */
export function table(head: string[], rows: string[][], width = terminalWidth()): string {
  const cells = [head, ...rows].map(row => row.map(printable));
  const natural = head.map((_, column) =>
    cells.reduce((widest, row) => Math.max(widest, displayWidth(row[column]!)), 0),
  );
  const widths = shareWidth(natural, width - 2 * (head.length - 1), NARROWEST);
  return `${cells
    .map(row =>
      row
        .map((cell, column) => fill(clipToWidth(cell, widths[column]!), widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}\n`;
}

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
