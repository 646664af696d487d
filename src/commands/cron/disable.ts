import { Command } from 'clipanion';
import { SwitchCommand } from './switch.ts';

export class CronDisableCommand extends SwitchCommand {
  static override paths = [['cron', 'disable']];
  static override usage = Command.Usage({
    description: 'Switch a job off; a run under way ends as it would (claw cron cancel ends it).',
    examples: [['For now', 'claw cron disable news']],
  });
  protected readonly on = false;
}
