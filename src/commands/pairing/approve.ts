import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { decidePairing } from '../../store/pairings.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printable } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { findPairing, personOf } from './find.ts';

export class PairingApproveCommand extends ClawCommand {
  static override paths = [['pairing', 'approve']];
  static override usage = Command.Usage({
    description: 'Let a stranger in, by the code or as channel:id. Approving twice is approving once.',
    examples: [
      ['By code', 'claw pairing approve K7QWM2XP'],
      ['By id', 'claw pairing approve telegram:123456'],
    ],
  });

  who = Option.String({ name: 'code-or-channel:id' });
  channel = Option.String('--channel', { description: 'only somebody of this channel' });
  account = Option.String('--account', { description: 'only somebody who wrote to this account' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const row = findPairing(desk, this.who, { channel: this.channel, account: this.account });
    const changed = decidePairing(context, desk.layout, row, 'approved');
    const { channel, accountId, id, name, text } = row;
    if (this.json) printJson({ decision: 'approved', changed, channel, accountId, id, name, text });
    else printOut(describe());
    return EXIT.ok;

    function describe(): string {
      const wrote = text === null ? '' : `The first message, unanswered: ${printable(text)}\n`;
      return `${printable(personOf(row))} ${changed ? 'may write from now on' : 'was let in before'}.\n${wrote}`;
    }
  }
}
