import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import type { Removal } from '../../core/session/retention.ts';
import { type CleanupReport, cleanUp, planCleanup } from '../../runner/clean.ts';
import { ClawCommand } from '../base.ts';
import { count } from '../checks/check.ts';
import { openDesk } from '../desk.ts';
import { age, table } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';

export class SessionsCleanupCommand extends ClawCommand {
  static override paths = [['sessions', 'cleanup']];
  static override usage = Command.Usage({
    description:
      'Remove archived transcripts beyond session.retention, old torn ends, and temporaries of dead processes. Current sessions are never touched; without session.retention no transcript is.',
    examples: [['What would go', 'claw sessions cleanup --dry-run']],
  });

  dryRun = Option.Boolean('--dry-run', false, { description: 'print the files, remove nothing' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'sessions cleanup');
    const desk = await openDesk(context);
    const plan = planCleanup(desk);
    const bytes = plan.removals.reduce((sum, removal) => sum + removal.bytes, 0);
    const report: CleanupReport = this.dryRun
      ? { removed: plan.removals, bytes, skipped: [] }
      : await cleanUp(desk, plan);
    if (this.json)
      printJson({
        dryRun: this.dryRun,
        limited: plan.limited,
        count: report.removed.length,
        bytes: report.bytes,
        files: report.removed,
        skipped: report.skipped,
      });
    else if (report.removed.length > 0)
      printOut(
        `${table(['FILE', 'WHY', 'AGE', 'BYTES'], report.removed.map(cells))}\n${this.dryRun ? 'would remove' : 'removed'} ${count(report.removed.length, 'file')}, ${report.bytes} bytes\n`,
      );
    else
      printOut(plan.limited ? 'Nothing to remove.\n' : 'Nothing to remove; session.retention is not set.\n');
    for (const file of plan.undecided)
      this.warn(
        `${file}: it may be current, the record of its key cannot be read; it stays (claw doctor --fix)`,
      );
    for (const { file, reason } of report.skipped) this.warn(`${file}: ${reason}; it stays`);
    return EXIT.ok;
  }
}

function cells({ file, reason, ageMs, bytes }: Removal): string[] {
  return [file, reason, age(ageMs), String(bytes)];
}
