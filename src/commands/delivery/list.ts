import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { viewerOf } from '../../core/routing/visibility.ts';
import { senderOf } from '../../runner/deliver.ts';
import { listOutbox } from '../../store/outbox.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { age, table } from '../format.ts';
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
    const outbox = listOutbox(desk.layout);
    const maySee = visibleTo(desk);
    // What does not say whose it is, an agent does not hear of.
    const unreadable = viewerOf(context.env) === null ? outbox.unreadable : [];
    const items = outbox.items.filter(item => maySee(item.agentId, item.sessionKey));
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
          ['TEXT', 'STATE', 'SESSION', 'AGE', 'WHY'],
          rows.map(row => [row.text, row.state, row.sessionKey, age(row.ageMs), row.reason]),
        ),
      );
    for (const { file, reason } of unreadable) this.warn(`${file}: ${reason}; it is left in place`);
    return unreadable.length > 0 ? EXIT.data : EXIT.ok;
  }
}
