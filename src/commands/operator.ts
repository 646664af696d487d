/**
 * What only a person at a shell, or a timer, may do: one check for all of it. The configuration belongs to it, to read
 * as well: it says who may write, who owns the assistant, and what tokens its programs get.
 */
import type { Context } from '../context.ts';
import { ClawError } from '../core/errors.ts';

/** A person at a shell, or a timer: not what an agent calls from inside its run. */
export function isOperator(context: Context): boolean {
  return !context.env.CLAW_RUN_ID;
}

/**
 * Refuses whatever an agent calls from inside its run, which `CLAW_RUN_ID` gives away.
 *
 * @param what the command, e.g. `sessions reset`
 * @throws ClawError noPermission
 */
export function requireOperator(context: Context, what: string): void {
  if (isOperator(context)) return;
  throw new ClawError(
    'noPermission',
    'agent-not-permitted',
    `claw ${what} is not for agents (run ${context.env.CLAW_RUN_ID})`,
    `ask the user to call: claw ${what}`,
  );
}
