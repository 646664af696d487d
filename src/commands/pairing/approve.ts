import { Command } from 'clipanion';
import { printable } from '../format.ts';
import { PairingDecisionCommand, type PairingRow } from './decide.ts';
import { personOf } from './find.ts';

export class PairingApproveCommand extends PairingDecisionCommand {
  static override paths = [['pairing', 'approve']];
  static override usage = Command.Usage({
    description: 'Let a stranger in, by the code or as channel:id. Approving twice is approving once.',
    examples: [
      ['By code', 'claw pairing approve K7QWM2XP'],
      ['By id', 'claw pairing approve telegram:123456'],
    ],
  });

  protected override decision = 'approved' as const;

  protected override describe(row: PairingRow, changed: boolean): string {
    const wrote = row.text === null ? '' : `The first message, unanswered: ${printable(row.text)}\n`;
    return `${printable(personOf(row))} ${changed ? 'may write from now on' : 'was let in before'}.\n${wrote}`;
  }
}
