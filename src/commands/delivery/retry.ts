import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { deliver } from '../../runner/deliver.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { chosenRows } from './list.ts';

export class DeliveryRetryCommand extends ClawCommand {
  static override paths = [['delivery', 'retry']];
  static override usage = Command.Usage({
    description:
      'Send replies now that have not gone out, also those that had failed for good. What of a long reply has arrived is not sent again.',
    examples: [
      ['One reply', 'claw delivery retry 3f0c…'],
      ['Everything that is left', 'claw delivery retry all'],
    ],
  });

  id = Option.String({ name: 'delivery-id' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'delivery retry');
    const desk = await openDesk(context);
    const chosen = new Set(chosenRows(desk, this.id).map(row => row.id));
    const { sent, waiting } = await deliver(desk, { only: item => chosen.has(item.id), force: true });
    if (this.json) printJson({ count: chosen.size, sent, waiting });
    else {
      for (const id of sent) printOut(`${id}  sent\n`);
      if (chosen.size === 0) printOut('Nothing waits to be delivered.\n');
    }
    for (const { id, reason } of waiting) this.warn(`${id} is not sent: ${reason}`);
    return waiting.length > 0 ? EXIT.unavailable : EXIT.ok;
  }
}
