/** Text for people: ages, token counts, tables that fit the terminal. */

/** "3m", "2h", "5d": an age in ms, in its largest whole unit. */
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
export function tokens(used: number, window: number): string {
  return `${thousands(used)}/${thousands(window)} (${Math.round((used / window) * 100)}%)`;
}

function thousands(count: number): string {
  return count < 1000 ? String(count) : `${Math.round(count / 1000)}k`;
}

/** Rows in columns; the first column is cut when the terminal is too narrow. Control characters are shown, not obeyed. */
export function table(
  head: string[],
  rows: string[][],
  width = process.stdout.columns ?? Number.POSITIVE_INFINITY,
): string {
  const cells = [head, ...rows].map(row => row.map(printable));
  const widths = head.map((_, column) => Math.max(...cells.map(row => [...row[column]!].length)));
  const rest = widths.slice(1).reduce((sum, each) => sum + each + 2, 0);
  widths[0] = Math.min(widths[0]!, Math.max(12, width - rest));
  return `${cells
    .map(row =>
      row
        .map((cell, column) => clip(cell, widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}\n`;
}

function clip(text: string, width: number): string {
  const chars = [...text];
  return chars.length > width
    ? `${chars.slice(0, width - 1).join('')}…`
    : text + ' '.repeat(width - chars.length);
}

/** Text from outside, fit for a terminal: no escape sequences, one line. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}

/** The same for a text of several lines, which stay lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
