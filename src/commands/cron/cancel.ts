import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { cancel, taskOf } from '../../runner/run-now.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { endedBySignals } from '../heartbeat/run.ts';
import { printJson, printOut } from '../output.ts';
import { jobNamed } from './run.ts';

export class CronCancelCommand extends ClawCommand {
  static override paths = [['cron', 'cancel']];
  static override usage = Command.Usage({
    description:
      'End what runs of a job, and take back its further tries and events that still wait. Its schedule stays.',
    examples: [['A run that takes too long', 'claw cron cancel news']],
  });

  job = Option.String({ name: 'id' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { log: 'cron cancel' });
    const { id } = jobNamed(desk, this.job, 'cron cancel');
    const found = taskOf(desk, id);
    if (found === null)
      throw new ClawError('usage', 'job-unknown', `there is no job ${id}`, 'claw cron list');
    const done = await cancel(desk, found, endedBySignals().signal);
    const parts = [
      ...(done.ended ? ['its run has ended'] : []),
      ...(done.ending ? ['its run was told to end and has not yet'] : []),
      ...(done.retry ? ['it is not tried again'] : []),
      ...(done.events > 0 ? [`${done.events} of its events will not be told`] : []),
    ];
    if (this.json) printJson({ id, ...done });
    else printOut(`${id}: ${parts.join('; ') || 'nothing was under way'}\n`);
    return done.ending ? EXIT.tempfail : EXIT.ok;
  }
}
