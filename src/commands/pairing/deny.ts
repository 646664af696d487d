import { Command } from 'clipanion';
import { printable } from '../format.ts';
import { PairingDecisionCommand, type PairingRow } from './decide.ts';
import { personOf } from './find.ts';

export class PairingDenyCommand extends PairingDecisionCommand {
  static override paths = [['pairing', 'deny']];
  static override usage = Command.Usage({
    description: 'Keep somebody out, in silence, until revoked; by code or as channel:id.',
    examples: [
      ['By code', 'claw pairing deny K7QWM2XP'],
      ['By id', 'claw pairing deny telegram:123456'],
    ],
  });

  protected override decision = 'denied' as const;

  protected override describe(row: PairingRow, changed: boolean): string {
    const { channel, id } = row;
    const what = changed ? 'hears nothing from now on' : 'was denied before';
    return `${printable(personOf(row))} ${what}; claw pairing revoke ${printable(`${channel}:${id}`)} forgets it.\n`;
  }
}
