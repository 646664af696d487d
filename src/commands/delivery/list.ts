import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { failuresOf, nextAttempt, type OutboxItem, recipientOf } from '../../core/delivery/delivery.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { maySee, viewerOf } from '../../core/routing/visibility.ts';
import { senderOf } from '../../runner/deliver.ts';
import type { Desk } from '../../runner/desk.ts';
import { listOutbox, listSent } from '../../store/outbox.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { age, isoTime, table, terminalWidth } from '../format.ts';
import { printJson, printOut } from '../output.ts';

/** A delivery as it is shown. */
export interface DeliveryRow extends Omit<OutboxItem, 'state'> {
  state: 'waiting' | 'dead' | 'sent';
  channel: string;
  to: string;
  ageMs: number;
  /** how often a sender was asked in vain */
  failures: number;
  /** when it is tried again, ISO 8601; null where it is not, or at the next tick */
  nextAttemptAt: string | null;
  lastError: string | null;
}

export class DeliveryListCommand extends ClawCommand {
  static override paths = [['delivery', 'list']];
  static override usage = Command.Usage({
    description: 'Replies that have not gone out: waiting for their sender, failed, or without one.',
    examples: [
      ['What was not delivered', 'claw delivery list'],
      ['What went out', 'claw delivery list --sent'],
    ],
  });

  all = Option.Boolean('--all', false, { description: 'also what was sent' });
  sent = Option.Boolean('--sent', false, { description: 'only what was sent' });
  dead = Option.Boolean('--dead', false, { description: 'only what is not tried again by itself' });

  override async run(context: Context): Promise<number> {
    if ([this.all, this.sent, this.dead].filter(Boolean).length > 1)
      throw new ClawError(
        'usage',
        'options-conflict',
        '--all, --sent and --dead exclude each other',
        'claw delivery list --help',
      );
    const desk = await openDesk(context, { anyConfig: true });
    const { rows, unreadable } = deliveryRows(desk, {
      open: !this.sent,
      sent: this.all || this.sent,
    });
    const shown = this.dead ? rows.filter(row => row.state === 'dead') : rows;
    if (this.json) printJson({ count: shown.length, deliveries: shown });
    else if (shown.length === 0)
      printOut(this.sent ? 'Nothing was sent.\n' : this.dead ? 'Nothing has failed.\n' : NOTHING);
    else
      printOut(
        table(
          ['ID', 'TEXT', 'STATE', 'TO', 'AGE', 'TRIES', 'NEXT', 'WHY'],
          shown.map(row => cells(row, context.now())),
          terminalWidth(),
          { whole: ['ID'], giving: ['WHY', 'TO'], text: ['TEXT'] },
        ),
      );
    for (const { file, reason } of unreadable) this.warn(`${file}: ${reason}; it is left in place`);
    return unreadable.length > 0 ? EXIT.data : EXIT.ok;
  }
}

const NOTHING = 'Nothing waits to be delivered.\n';

function cells(row: DeliveryRow, now: number): string[] {
  const tries = row.failures + (row.state === 'sent' ? 1 : 0);
  const next = row.nextAttemptAt === null ? '' : `in ${age(Date.parse(row.nextAttemptAt) - now)}`;
  const why = row.state === 'sent' ? '' : row.reason;
  const to = `${row.channel}:${row.to}`;
  return [row.id, row.text, row.state, to, age(row.ageMs), String(tries), next, why];
}

/**
 * Deliveries, oldest first; an agent is shown what belongs to sessions it may see. Reads only.
 *
 * @param which `open`: what is not sent yet; `sent`: what was
 */
export function deliveryRows(
  desk: Desk,
  which: { open: boolean; sent: boolean },
): { rows: DeliveryRow[]; unreadable: { file: string; reason: string }[] } {
  const viewer = viewerOf(desk.context.env);
  const isSeen = ({ agentId, sessionKey: key }: OutboxItem) => maySee(viewer, { agentId, key }, desk.config);
  const open = which.open ? listOutbox(desk.layout) : { items: [], unreadable: [] };
  const sent = which.sent ? listSent(desk.layout) : { items: [], unreadable: [] };
  return {
    rows: [
      ...sent.items.filter(isSeen).map(item => rowOf(desk, item, true)),
      ...open.items.filter(isSeen).map(item => rowOf(desk, item, false)),
    ],
    unreadable: viewer === null ? [...open.unreadable, ...sent.unreadable] : [],
  };
}

function rowOf(desk: Desk, item: OutboxItem, isSent: boolean): DeliveryRow {
  const { origin } = item;
  const now = desk.context.now();
  const hasSender = isSent || senderOf(desk.config, origin) !== null;
  const next = !isSent && item.state === 'waiting' && hasSender ? nextAttempt(item) : 0;
  return {
    ...item,
    state: isSent ? 'sent' : item.state,
    channel: origin.channel,
    to: recipientOf(item),
    ageMs: Math.max(0, now - item.createdAt),
    failures: failuresOf(item),
    nextAttemptAt: next > now ? isoTime(next) : null,
    lastError: item.attempts.at(-1)?.error ?? null,
    reason: hasSender
      ? item.reason
      : `${item.reason}; channel ${origin.channel} has no sender: claw delivery show ${item.id}`,
  };
}

/** @returns the rows that an id, or `all`, means among what is not sent yet; an id that is none of them is an error */
export function chosenRows(desk: Desk, id: string): DeliveryRow[] {
  const { rows } = deliveryRows(desk, { open: true, sent: id !== 'all' });
  const found = rows.filter(row => id === 'all' || row.id === id);
  if (found.length === 0 && id !== 'all') throw unknownDelivery(id);
  if (found.some(row => row.state === 'sent'))
    throw new ClawError(
      'usage',
      'delivery-sent',
      `delivery ${id} was sent already`,
      `claw delivery show ${id}`,
    );
  return found;
}

export function unknownDelivery(id: string): ClawError {
  return new ClawError(
    'usage',
    'delivery-unknown',
    `there is no delivery ${JSON.stringify(id)}`,
    'claw delivery list --all',
  );
}
