import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import type { OutboxItem } from '../../core/delivery/delivery.ts';
import { EXIT } from '../../core/errors.ts';
import { maySee, viewerOf } from '../../core/routing/visibility.ts';
import { senderOf } from '../../runner/deliver.ts';
import { listOutbox } from '../../store/outbox.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { age, table, terminalWidth } from '../format.ts';
import { printJson, printOut } from '../output.ts';

export class DeliveryListCommand extends ClawCommand {
  static override paths = [['delivery', 'list']];
  static override usage = Command.Usage({
    description: 'Replies that have not gone out: waiting for their sender, failed, or without one.',
    examples: [['What was not delivered', 'claw delivery list']],
  });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const listed = listOutbox(desk.layout);
    // An agent is shown what belongs to sessions it may see.
    const viewer = viewerOf(context.env);
    const isSeen = ({ agentId, sessionKey: key }: OutboxItem) =>
      maySee(viewer, { agentId, key }, desk.config);
    const unreadable = viewer === null ? listed.unreadable : [];
    const now = context.now();
    const rows = listed.items.filter(isSeen).map(item => ({
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
