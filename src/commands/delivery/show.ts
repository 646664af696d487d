import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ago } from '../../core/display/age.ts';
import { EXIT } from '../../core/errors.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { isoTime, printable, printableLines } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { type DeliveryRow, deliveryRows, unknownDelivery } from './list.ts';

export class DeliveryShowCommand extends ClawCommand {
  static override paths = [['delivery', 'show']];
  static override usage = Command.Usage({
    description: 'One delivery: its text in full, where it goes, and every failure that is remembered.',
    examples: [['What does it say?', 'claw delivery show 3f0c…']],
  });

  id = Option.String({ name: 'delivery-id' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const row = deliveryRows(desk, { open: true, sent: true }).rows.find(({ id }) => id === this.id);
    if (row === undefined) throw unknownDelivery(this.id);
    if (this.json) printJson(row);
    else printOut(`${lines(row).map(printable).join('\n')}\n\n${printableLines(row.text)}\n`);
    return EXIT.ok;
  }
}

function lines(row: DeliveryRow): string[] {
  const sent = row.sentAt === undefined ? '' : `, ${isoTime(row.sentAt)}`;
  const parts = row.progress && row.state !== 'sent' ? [`parts sent   ${row.progress.parts}`] : [];
  return [
    `delivery     ${row.id}`,
    `state        ${row.state}${sent}${row.state === 'sent' ? '' : `: ${row.reason}`}`,
    `to           ${row.channel}:${row.to} (account ${row.origin.accountId})`,
    `session      ${row.sessionKey}`,
    `since        ${ago(row.ageMs)}`,
    ...parts,
    ...(row.failures > 0 ? [`failures     ${row.failures}`] : []),
    ...(row.nextAttemptAt === null ? [] : [`next try     ${row.nextAttemptAt}`]),
    ...row.attempts.map(({ at, error }) => `  ${isoTime(at)}  ${error}`),
  ];
}
