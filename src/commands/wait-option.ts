/** `--wait`: how long a command waits for somebody else. */
import { ClawError } from '../core/errors.ts';
import { parseDuration } from '../core/schedule/duration.ts';

/**
 * @param value seconds, or a duration with its unit
 * @param command for the hint, e.g. `claw ingest`
 * @returns ms; undefined where it was not given
 * @throws ClawError usage
 */
export function waitOption(value: string | undefined, command: string): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : parseDuration(value);
  if (ms !== null) return ms;
  throw new ClawError(
    'usage',
    'usage',
    `--wait ${value}: expected seconds or a duration such as 2m`,
    `${command} --help`,
  );
}
