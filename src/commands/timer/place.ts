/** Which claw, run by which Node, a timer is about: this one. */
import path from 'node:path';
import type { Context } from '../../context.ts';
import type { TimerPlace } from '../../runner/install-timer.ts';

/** The package is the folder around `dist/`, where the built program is, all links resolved. */
export function timerPlace(context: Context): TimerPlace {
  return { context, packageFolder: path.dirname(__dirname), node: process.execPath };
}
