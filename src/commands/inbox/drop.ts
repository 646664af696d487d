import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { dropMessages } from '../../runner/retry.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printable } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { notInInbox } from './retry.ts';

export class InboxDropCommand extends ClawCommand {
  static override paths = [['inbox', 'drop']];
  static override usage = Command.Usage({
    description: 'Remove messages from the inbox without an answer, and print what they said.',
    examples: [['One message', 'claw inbox drop 42']],
  });

  id = Option.String({ name: 'message-id' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'inbox drop');
    const desk = await openDesk(context);
    const { dropped, kept } = dropMessages(desk, this.id);
    if (dropped.length === 0 && kept.length === 0 && this.id !== 'all') throw notInInbox(this.id);
    if (this.json) printJson({ count: dropped.length, dropped, kept: kept.map(each => each.messageId) });
    else {
      for (const { state, sessionKey, text } of dropped)
        printOut(`dropped (${state}, ${sessionKey}): ${printable(text)}\n`);
    }
    for (const { messageId, reason } of kept) this.warn(`message ${messageId} is left: ${reason}`);
    return kept.length > 0 ? EXIT.tempfail : EXIT.ok;
  }
}
