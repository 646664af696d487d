/** One writer of the config file at a time: each reads, changes and replaces the whole of it. */
import type { Context } from '../context.ts';
import { ClawError } from '../core/errors.ts';
import { Layout } from './layout.ts';
import { tryLock } from './lock.ts';

/** Reading, checking and writing a config takes a fraction of a second. */
const PATIENCE = 10_000;

/**
 * Does a step while no other `claw` of this home changes the config. What an editor writes meanwhile is still seen by
 * comparing the text.
 *
 * @throws ClawError tempfail `config-busy` when another writer does not come to an end
 */
export async function withConfigLock<T>(context: Context, step: () => Promise<T>): Promise<T> {
  const place = new Layout(context.home).configLock();
  const giveUp = context.now() + PATIENCE;
  for (;;) {
    const lock = tryLock(context, place, 'config');
    if (lock) {
      try {
        return await step();
      } finally {
        lock.release();
      }
    }
    if (context.now() > giveUp) {
      const message = `${context.configFile} is being changed by another process`;
      throw new ClawError('tempfail', 'config-busy', message, 'try again');
    }
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}
