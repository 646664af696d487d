import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { recipientOf } from '../../core/delivery/delivery.ts';
import { EXIT } from '../../core/errors.ts';
import { dropDeliveries } from '../../runner/deliver.ts';
import { listOutbox } from '../../store/outbox.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printable, printableLines } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { chosenRows } from './list.ts';

export class DeliveryDropCommand extends ClawCommand {
  static override paths = [['delivery', 'drop']];
  static override usage = Command.Usage({
    description: 'Take replies out of the outbox without sending them, and print what they said.',
    examples: [
      ['One reply', 'claw delivery drop 3f0c…'],
      ['All of them', 'claw delivery drop all'],
    ],
  });

  id = Option.String({ name: 'delivery-id' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'delivery drop');
    const desk = await openDesk(context);
    const chosen = new Set(chosenRows(desk, this.id).map(row => row.id));
    const items = listOutbox(desk.layout).items.filter(item => chosen.has(item.id));
    const { dropped, kept } = await dropDeliveries(desk, items);
    if (this.json) printJson({ count: dropped.length, dropped, kept });
    else {
      for (const item of dropped) {
        const where = printable(`${item.state}, ${item.origin.channel}:${recipientOf(item)}`);
        printOut(`dropped (${where}): ${printableLines(item.text)}\n`);
      }
    }
    for (const id of kept) this.warn(`delivery ${id} is left: it is being sent right now`);
    return kept.length > 0 ? EXIT.tempfail : EXIT.ok;
  }
}
