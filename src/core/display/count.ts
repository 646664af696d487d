/** Counts of tokens for people. */

/** Thousands: `32k` from 10,000 on, below with one digit behind the point (`1.0k`, `0.0k`). */
export function kiloTokens(count: number): string {
  return count >= 10_000 ? `${Math.round(count / 1000)}k` : `${(count / 1000).toFixed(1)}k`;
}

/** A count that stands alone: exact below a thousand. */
export function tokenCount(count: number): string {
  return count < 1000 ? String(count) : kiloTokens(count);
}

/** Used of available: `154k/200k (77%)`. */
export function tokenUse(used: number, window: number): string {
  const percent = window > 0 ? ` (${Math.round((used / window) * 100)}%)` : '';
  return `${kiloTokens(used)}/${kiloTokens(window)}${percent}`;
}
