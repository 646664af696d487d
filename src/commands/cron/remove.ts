import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { viewerOf } from '../../core/routing/visibility.ts';
import { agentOfJob } from '../../core/schedule/job.ts';
import { withdrawEvents } from '../../runner/run-now.ts';
import { JobCache } from '../../store/job-cache.ts';
import { changeJobs } from '../../store/jobs.ts';
import { ClawCommand } from '../base.ts';
import { count } from '../checks/check.ts';
import { openDesk } from '../desk.ts';
import { printJson, printOut } from '../output.ts';
import { requireRight } from './rights.ts';
import { findJob, maySeeJob } from './rows.ts';

export class CronRemoveCommand extends ClawCommand {
  static override paths = [['cron', 'remove']];
  static override usage = Command.Usage({
    description: 'Remove a job; the records of its runs stay (claw cron runs ID).',
    examples: [['By id', 'claw cron remove news']],
  });

  job = Option.String({ name: 'id' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { log: 'cron remove' });
    const isPerson = viewerOf(context.env) === null;
    const removed = changeJobs<{ id: string; name: string | null; agentId: string | null }>(desk, list => {
      // What cannot be used can be removed all the same, if it can be named without doubt.
      const broken = list.invalid.filter(({ id }) => id !== null && id === this.job.trim());
      const usable = list.jobs.some(({ job }) => job.id === this.job.trim());
      if (isPerson && broken.length > 0 && !usable) {
        if (broken.length > 1)
          throw new ClawError(
            'usage',
            'job-ambiguous',
            `${broken.length} jobs have the id ${this.job.trim()}`,
            `remove one of them in ${list.file}`,
          );
        const [{ index, id, name }] = broken as [(typeof broken)[0]];
        return { remove: [index], result: { id: id!, name, agentId: null } };
      }
      const seen = list.jobs.filter(({ job }) => maySeeJob(desk, job));
      const { job, index } = findJob(seen, isPerson ? list.invalid : [], this.job);
      requireRight(desk, job, null, { what: `cron remove ${job.id}` });
      const agentId = agentOfJob(job, defaultAgentId(desk.config));
      return { remove: [index], result: { id: job.id, name: job.name, agentId } };
    });
    const { id, name, agentId } = removed;
    const state = JobCache.open(desk).stateOf(id);
    const events = agentId === null ? 0 : withdrawEvents(desk, { id, agentId, state });
    if (this.json) printJson({ removed: true, id, name, events });
    else
      printOut(
        `removed ${id}${events === 0 ? '' : `; ${count(events, 'reminder')} of it that waited will not be told`}\n`,
      );
    return EXIT.ok;
  }
}
