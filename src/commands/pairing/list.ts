import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ago, relative } from '../../core/display/age.ts';
import { EXIT } from '../../core/errors.ts';
import { listPairings, type PairingRow } from '../../store/pairings.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { table } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { refuseAgents } from './find.ts';

export class PairingListCommand extends ClawCommand {
  static override paths = [['pairing', 'list']];
  static override usage = Command.Usage({
    description:
      'Strangers who wait to be let in, with their codes and what they wrote; --all: those decided about too.',
    examples: [
      ['Who waits?', 'claw pairing list'],
      ['Everybody who was let in', 'claw pairing list --all'],
    ],
  });

  all = Option.Boolean('--all', false, { description: 'those who were approved or denied too' });
  channel = Option.String('--channel', { description: 'only this channel' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'pairing list');
    const desk = await openDesk(context, { anyConfig: true });
    refuseAgents(desk);
    const now = context.now();
    const { rows, problems } = listPairings(desk.layout, now);
    const channel = this.channel?.trim().toLowerCase();
    const shown = rows.filter(
      row =>
        (this.all || row.state === 'waiting' || row.state === 'expired') &&
        (channel === undefined || row.channel === channel),
    );
    if (this.json) {
      const pairings = shown.map(row => ({
        ...row,
        since: new Date(row.since).toISOString(),
        expiresAt: row.expiresAt === null ? null : new Date(row.expiresAt).toISOString(),
      }));
      printJson({ count: pairings.length, pairings });
    } else if (shown.length === 0) printOut('Nobody waits to be let in.\n');
    else {
      printOut(
        table(
          ['CODE', 'WHO', 'NAME', 'STATE', 'SINCE', 'WROTE'],
          shown.map(row => [
            row.code ?? '-',
            who(row),
            row.name ?? '-',
            stateOf(row, now),
            ago(now - row.since),
            row.text ?? '',
          ]),
        ),
      );
      if (shown.some(row => row.state === 'waiting'))
        printOut(
          '\nclaw pairing approve CODE lets somebody in, claw pairing deny CODE keeps somebody out in silence.\n',
        );
    }
    for (const { file, reason } of problems) this.warn(`${file}: ${reason}; it is left in place`);
    return problems.length > 0 ? EXIT.data : EXIT.ok;
  }
}

function who({ channel, id, accountId }: PairingRow): string {
  return `${channel}:${id}${accountId === 'default' ? '' : ` (account ${accountId})`}`;
}

function stateOf(row: PairingRow, now: number): string {
  return row.state === 'waiting' ? `ends ${relative(row.expiresAt! - now)}` : row.state;
}
