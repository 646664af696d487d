/** What `pairing approve` and `pairing deny` share: whom they mean, the decision, and what is said of it. */
import { Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { decidePairing } from '../../store/pairings.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printJson, printOut } from '../output.ts';
import { findPairing } from './find.ts';

export type PairingRow = ReturnType<typeof findPairing>;

export abstract class PairingDecisionCommand extends ClawCommand {
  who = Option.String({ name: 'code-or-channel:id' });
  channel = Option.String('--channel', { description: 'only somebody of this channel' });
  account = Option.String('--account', { description: 'only somebody who wrote to this account' });

  protected abstract decision: 'approved' | 'denied';

  /** @param changed false: it had been decided so before */
  protected abstract describe(row: PairingRow, changed: boolean): string;

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const row = findPairing(desk, this.who, { channel: this.channel, account: this.account });
    const changed = decidePairing(context, desk.layout, row, this.decision);
    const { channel, accountId, id, name, text } = row;
    if (this.json) printJson({ decision: this.decision, changed, channel, accountId, id, name, text });
    else printOut(this.describe(row, changed));
    return EXIT.ok;
  }
}
