/** `--at TIME` of the commands that only read, and other options that are a `WHEN`. */
import { ClawError } from '../core/errors.ts';
import { parseWhen } from '../core/schedule/duration.ts';
import { localTimeAt, type Zone } from '../core/schedule/zone.ts';
import type { Desk } from '../runner/desk.ts';

/** Epoch ms of an `--at` value; now when it was not given. @throws ClawError usage */
export function timeOption(at: string | undefined, desk: Desk): number {
  const now = desk.context.now();
  return at === undefined ? now : whenOption('--at', at, { now, zone: desk.zone });
}

/**
 * Epoch ms of an option that is a `WHEN`.
 *
 * @param now epoch ms, the start of durations
 * @param zone where times without an offset are
 * @throws ClawError usage
 */
export function whenOption(name: string, value: string, { now, zone }: { now: number; zone: Zone }): number {
  const when = parseWhen(value, { now, zone });
  if (!when.ok)
    throw new ClawError(
      'usage',
      'usage',
      `${name} ${value}: ${when.problem}`,
      `use ISO 8601, such as ${tomorrowAt18(now, zone)}, or a duration, such as 20m`,
    );
  return when.at;
}

function tomorrowAt18(now: number, zone: Zone): string {
  const { year, month, day } = localTimeAt(zone, now + 24 * 3_600_000);
  const two = (number: number) => String(number).padStart(2, '0');
  return `${year}-${two(month)}-${two(day)}T18:00`;
}
