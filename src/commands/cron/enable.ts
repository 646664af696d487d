import { Command } from 'clipanion';
import { SwitchCommand } from './switch.ts';

export class CronEnableCommand extends SwitchCommand {
  static override paths = [['cron', 'enable']];
  static override usage = Command.Usage({
    description:
      'Switch a job on, also one that failures had switched off. What passed meanwhile is not made up for.',
    examples: [['Again', 'claw cron enable news']],
  });
  protected readonly on = true;
}
