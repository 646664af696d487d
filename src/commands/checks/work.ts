/** Checks of what is left to do: the timer, messages, replies, strangers. `status` makes them too. */
import fs from 'node:fs';
import { ago } from '../../core/display/age.ts';
import type { Desk } from '../../runner/desk.ts';
import { listPairings } from '../../store/pairings.ts';
import { deliveryRows } from '../delivery/list.ts';
import { type InboxRow, inboxRows } from '../inbox/list.ts';
import { isOperator } from '../operator.ts';
import { type Check, count, fine, warning } from './check.ts';

/** A tick comes once a minute; what has waited for so long was forgotten by it. */
const LATE = 5 * 60_000;
const TIMER = 'claw timer install';

/** Age of the last tick in ms; null when there was none. */
export function tickAge(desk: Desk): { at: number; ageMs: number; late: boolean } | null {
  const stamp = fs.statSync(desk.layout.tickStamp(), { throwIfNoEntry: false });
  if (!stamp) return null;
  const at = Math.round(stamp.mtimeMs);
  const ageMs = Math.max(0, desk.context.now() - at);
  return { at, ageMs, late: ageMs > LATE };
}

/** Whether ticks come. Without a timer nothing is lost: what was left over waits for the next message or tick. */
export function checkTick(desk: Desk): Check {
  const where = desk.layout.tickStamp();
  const last = tickAge(desk);
  if (last === null) return warning('tick', 'claw tick has never run here', where, TIMER);
  const what = `the last tick was ${ago(last.ageMs)}`;
  return last.late
    ? warning('tick', `${what}; claw tick should run every minute`, where, `claw timer status; ${TIMER}`)
    : fine('tick', what, where);
}

export interface Work {
  waiting: InboxRow[];
  failed: InboxRow[];
  undelivered: number;
  strangers: number;
  /** files that cannot be read */
  problems: { file: string; reason: string }[];
  checks: Check[];
}

/** What waits, has failed or was not delivered, as far as the caller may see it; strangers are the operator's business. */
export function lookAtWork(desk: Desk): Work {
  const inbox = inboxRows(desk);
  const outbox = deliveryRows(desk, { open: true, sent: false });
  const pairings = isOperator(desk.context)
    ? listPairings(desk.layout, desk.context.now())
    : { rows: [], problems: [] };
  const waiting = inbox.rows.filter(row => row.state === 'waiting');
  const failed = inbox.rows.filter(row => row.state !== 'waiting');
  const forgotten = waiting.filter(row => row.ageMs > LATE);
  const strangers = pairings.rows.filter(row => row.state === 'waiting').length;
  const pending = desk.layout.pendingRoot();
  const problems = [...inbox.problems, ...outbox.unreadable, ...pairings.problems];
  return {
    waiting,
    failed,
    undelivered: outbox.rows.length,
    strangers,
    problems,
    checks: [
      forgotten.length === 0
        ? fine('waiting', 'no message was forgotten', pending)
        : warning(
            'waiting',
            `${count(forgotten.length, 'message')} waiting for more than 5 minutes, the oldest since ${forgotten[0]!.since}`,
            pending,
            'claw tick',
          ),
      failed.length === 0
        ? fine('inbox', 'no message has failed', pending)
        : warning(
            'inbox',
            `${count(failed.length, 'message')} whose agent failed`,
            pending,
            'claw inbox list',
          ),
      outbox.rows.length === 0
        ? fine('delivery', 'no reply is held up', desk.layout.outbox())
        : warning(
            'delivery',
            `${count(outbox.rows.length, 'reply', 'replies')} not delivered`,
            desk.layout.outbox(),
            'claw delivery list',
          ),
      strangers === 0
        ? fine('pairing', 'nobody waits to be let in', desk.layout.pairingRoot())
        : warning(
            'pairing',
            `${count(strangers, 'stranger')} waiting to be let in`,
            desk.layout.pairingRoot(),
            'claw pairing list',
          ),
      ...problems.map(({ file, reason }) =>
        warning(
          'unreadable',
          `cannot be read: ${reason}; it is left in place`,
          file,
          `look at it: less ${file}`,
        ),
      ),
    ],
  };
}
