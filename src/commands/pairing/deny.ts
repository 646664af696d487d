import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { decidePairing } from '../../store/pairings.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printable } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { findPairing, personOf } from './find.ts';

export class PairingDenyCommand extends ClawCommand {
  static override paths = [['pairing', 'deny']];
  static override usage = Command.Usage({
    description: 'Keep somebody out, in silence, until revoked; by code or as channel:id.',
    examples: [
      ['By code', 'claw pairing deny K7QWM2XP'],
      ['By id', 'claw pairing deny telegram:123456'],
    ],
  });

  who = Option.String({ name: 'code-or-channel:id' });
  channel = Option.String('--channel', { description: 'only somebody of this channel' });
  account = Option.String('--account', { description: 'only somebody who wrote to this account' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const row = findPairing(desk, this.who, { channel: this.channel, account: this.account });
    const changed = decidePairing(context, desk.layout, row, 'denied');
    const { channel, accountId, id, name, text } = row;
    if (this.json) printJson({ decision: 'denied', changed, channel, accountId, id, name, text });
    else printOut(describe());
    return EXIT.ok;

    function describe(): string {
      return `${printable(personOf(row))} ${changed ? 'hears nothing from now on' : 'was denied before'}; claw pairing revoke ${printable(`${channel}:${id}`)} forgets it.\n`;
    }
  }
}
