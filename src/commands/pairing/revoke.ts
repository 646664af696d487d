import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { defaultAccount } from '../../core/routing/channel.ts';
import { normaliseChannel, slug } from '../../core/routing/slug.ts';
import { forgetPairing, listPairings } from '../../store/pairings.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printable } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { refuseAgents } from './find.ts';

export class PairingRevokeCommand extends ClawCommand {
  static override paths = [['pairing', 'revoke']];
  static override usage = Command.Usage({
    description:
      'Forget what was decided about somebody, for every account: the next message asks for a code again.',
    examples: [['Somebody who was let in', 'claw pairing revoke telegram:123456']],
  });

  who = Option.String({ name: 'channel:id' });
  account = Option.String('--account', { description: 'for this account only' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    refuseAgents(desk);
    const colon = this.who.indexOf(':');
    if (colon < 1)
      throw new ClawError('usage', 'usage', `${this.who}: expected channel:id`, 'claw pairing list --all');
    const channel = normaliseChannel(this.who.slice(0, colon));
    const id = this.who.slice(colon + 1);
    const accounts = this.account
      ? [slug(this.account)]
      : [
          defaultAccount(desk.config.channels, channel),
          ...listPairings(desk.layout, context.now())
            .rows.filter(row => row.channel === channel && row.id === id)
            .map(row => row.accountId),
        ];
    const revoked = [...new Set(accounts)].filter(accountId =>
      forgetPairing(context, desk.layout, { channel, accountId, id }),
    );
    if (this.json) printJson({ channel, id, accounts: revoked, changed: revoked.length > 0 });
    else
      printOut(
        `${printable(`${channel}:${id}`)} ${revoked.length > 0 ? 'is forgotten' : 'was not known'}; the next message asks anew.\n`,
      );
    return EXIT.ok;
  }
}
