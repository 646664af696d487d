/** `--at TIME` of the commands that only read. */
import { ClawError } from '../core/errors.ts';
import { parseWhen } from '../core/schedule/duration.ts';
import type { Desk } from '../runner/desk.ts';

/** Epoch ms of an `--at` value; now when it was not given. @throws ClawError usage */
export function timeOption(at: string | undefined, desk: Desk): number {
  const now = desk.context.now();
  if (at === undefined) return now;
  const when = parseWhen(at, { now, zone: desk.zone });
  if (!when.ok)
    throw new ClawError(
      'usage',
      'usage',
      `--at ${at}: ${when.problem}`,
      'use ISO 8601, such as 2026-11-21T04:00, or a duration, such as +20m',
    );
  return when.at;
}
