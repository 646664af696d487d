import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { uninstallTimer } from '../../runner/install-timer.ts';
import { ClawCommand } from '../base.ts';
import { printable } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';

export class TimerUninstallCommand extends ClawCommand {
  static override paths = [['timer', 'uninstall']];
  static override usage = Command.Usage({
    description:
      'Stop the timer and remove what claw timer install made, and nothing else: what was edited since is left. A tick that runs is left to end; messages wait in the inbox.',
    examples: [['No more ticks', 'claw timer uninstall']],
  });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'timer uninstall');
    const report = await uninstallTimer(context);
    if (this.json) printJson(report);
    else {
      printOut(
        report.removed.map(file => `removed    ${printable(file)}\n`).join('') ||
          'There is no timer that claw timer install made.\n',
      );
    }
    for (const file of report.left)
      this.warn(`${file} was not written by claw timer install, or was edited since: it is left`);
    for (const note of report.notes) this.warn(note);
    return report.left.length > 0 ? EXIT.attention : EXIT.ok;
  }
}
