/** Times for people, relative to now. Rules: nearest whole unit, `hours` up to 47, then days; a unit that rounds full rolls over. */

const MINUTE = 60_000;

/**
 * How long ago something was: `just now` below 30 s (and for what a clock set back puts into the future), then `1m ago`,
 * `47h ago`, `2d ago`.
 *
 * @param ms age in ms
 */
export function ago(ms: number): string {
  const minutes = Math.round(ms / MINUTE);
  if (!(minutes >= 1)) return 'just now';
  if (minutes < 60) return `${minutes}m ago`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours}h ago` : `${Math.round(hours / 24)}d ago`;
}

/**
 * A time before or after now: `in <1m`, `in 2m`, `in 1h`, `<1m ago`, `2d ago`.
 *
 * @param deltaMs the time minus now, in ms
 */
export function relative(deltaMs: number): string {
  const size = magnitude(Math.abs(deltaMs));
  return deltaMs >= 0 ? `in ${size}` : `${size} ago`;
}

function magnitude(ms: number): string {
  if (ms < MINUTE) return '<1m';
  const minutes = Math.round(ms / MINUTE);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.round(minutes / 60);
  return hours < 24 ? `${hours}h` : `${Math.round(hours / 24)}d`;
}
