/** Checks of the OS timer. `status` looks at its files alone; `doctor` asks the system too. */
import type { Desk } from '../../runner/desk.ts';
import { inspectTimer, type TimerState } from '../../runner/install-timer.ts';
import { timerPlace } from '../timer/place.ts';
import { type Check, failure, fine, warning } from './check.ts';
import { tickAge } from './work.ts';

/** The timer as it stands in its files (or the crontab); with `ask`, what the system says of it too. */
export function lookAtTimer(desk: Desk, options: { ask: boolean }): Promise<TimerState> {
  return inspectTimer(timerPlace(desk.context), tickAge(desk)?.at ?? null, options);
}

/** A timer of another `$CLAW_HOME`, or none, is nobody's fault: whether ticks come is a check of its own. */
export function checkTimer(state: TimerState): Check[] {
  const where = state.files[0]?.path ?? null;
  if (!state.installed) return [fine('timer', 'no timer is installed (claw timer install)')];
  if (state.elsewhere) return [fine('timer', `the timer is for another store: ${state.facts?.home}`, where)];
  const checks = [
    ...state.problems.map(({ what, fix }) => failure('timer', what, where, fix)),
    ...state.drift.map(what => warning('timer', what, where, 'claw timer install')),
  ];
  return checks.length > 0 ? checks : [fine('timer', `a ${state.kind} timer is installed`, where)];
}
