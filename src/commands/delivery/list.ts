import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import type { OutboxItem } from '../../core/delivery/delivery.ts';
import { EXIT } from '../../core/errors.ts';
import { senderOf } from '../../runner/deliver.ts';
import type { Desk } from '../../runner/desk.ts';
import { listOutbox } from '../../store/outbox.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { age, table, terminalWidth } from '../format.ts';
import { isOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { visibleTo } from '../sessions/visible.ts';

export class DeliveryListCommand extends ClawCommand {
  static override paths = [['delivery', 'list']];
  static override usage = Command.Usage({
    description: 'Replies that have not gone out: waiting for their sender, failed, or without one.',
    examples: [['What was not delivered', 'claw delivery list']],
  });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const { items, unreadable } = visibleOutbox(desk);
    const now = context.now();
    const rows = items.map(item => ({
      ...item,
      ageMs: Math.max(0, now - item.createdAt),
      reason: senderOf(desk.config, item.origin)
        ? item.reason
        : `${item.reason}; channel ${item.origin.channel} has no sender`,
    }));
    if (this.json) printJson({ count: rows.length, deliveries: rows });
    else if (rows.length === 0) printOut('Nothing waits to be delivered.\n');
    else
      printOut(
        table(
          ['ID', 'TEXT', 'STATE', 'SESSION', 'AGE', 'WHY'],
          rows.map(row => [row.messageId, row.text, row.state, row.sessionKey, age(row.ageMs), row.reason]),
          terminalWidth(),
          { whole: ['ID'], giving: ['WHY', 'SESSION'], text: ['TEXT'] },
        ),
      );
    for (const { file, reason } of unreadable) this.warn(`${file}: ${reason}; it is left in place`);
    return unreadable.length > 0 ? EXIT.data : EXIT.ok;
  }
}

/** Replies that have not gone out, as far as the caller may see them, and files that cannot be read. */
export function visibleOutbox(desk: Desk): {
  items: OutboxItem[];
  unreadable: { file: string; reason: string }[];
} {
  const { items, unreadable } = listOutbox(desk.layout);
  const maySee = visibleTo(desk);
  return {
    items: items.filter(item => maySee(item.agentId, item.sessionKey)),
    unreadable: isOperator(desk.context) ? unreadable : [],
  };
}
