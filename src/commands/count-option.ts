/** Whole numbers given as options. */
import { ClawError } from '../core/errors.ts';

/** A whole number above zero in digits; `60x`, `1e3`, `1.5`, `0` and `-1` are none. @throws ClawError usage */
export function countOption(name: string, value: string | undefined, command: string): number | undefined {
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : 0;
  if (number > 0 && Number.isSafeInteger(number)) return number;
  throw new ClawError(
    'usage',
    'usage',
    `${name} ${value}: expected a whole number above 0`,
    `claw ${command} --help`,
  );
}
