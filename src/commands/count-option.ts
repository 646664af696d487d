/** Whole numbers given as options. */
import { ClawError } from '../core/errors.ts';

/** A whole number from `least` on in digits; `60x`, `1e3`, `1.5` and `-1` are none. @throws ClawError usage */
export function countOption(
  name: string,
  value: string | undefined,
  command: string,
  least: 0 | 1 = 1,
): number | undefined {
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : -1;
  if (number >= least && Number.isSafeInteger(number)) return number;
  throw new ClawError(
    'usage',
    'usage',
    `${name} ${value}: expected a whole number ${least === 0 ? 'from 0 on' : 'above 0'}`,
    `claw ${command} --help`,
  );
}
