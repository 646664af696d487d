/** `cron enable` and `cron disable`: one switch. Returns at once, whatever runs. */
import { Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { viewerOf } from '../../core/routing/visibility.ts';
import { writtenJob } from '../../core/schedule/job.ts';
import { changeJobs } from '../../store/jobs.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printJson, printOut } from '../output.ts';
import { type Changed, mendedJob, printChanged, problemInOptions, switchedOn } from './change.ts';
import { requireRight } from './rights.ts';
import { findJob, maySeeJob } from './rows.ts';

export abstract class SwitchCommand extends ClawCommand {
  job = Option.String({ name: 'id' });
  protected abstract readonly on: boolean;

  override async run(context: Context): Promise<number> {
    const what = `cron ${this.on ? 'enable' : 'disable'}`;
    const desk = await openDesk(context, { log: what });
    const now = context.now();
    const changed = changeJobs<Changed>(desk, list => {
      const seen = list.jobs.filter(({ job }) => maySeeJob(desk, job));
      const found = findJob(seen, viewerOf(context.env) === null ? list.invalid : [], this.job);
      const { stored, read } = mendedJob(desk, found, { enabled: this.on });
      if (!read.ok)
        throw new ClawError('data', 'job-invalid', problemInOptions(read.problem), 'claw cron list');
      requireRight(desk, stored, read.job, { what: `${what} ${stored.id}` });
      const lines = this.on ? switchedOn(desk, stored) : [];
      if (stored.enabled === this.on)
        return {
          lines,
          result: { action: lines.length > 0 ? 'updated' : 'unchanged', job: read.job, unknown: [] },
        };
      const job = { ...read.job, updatedAtMs: now };
      return {
        put: [{ index: found.index, raw: writtenJob(job, found.raw) }],
        lines,
        result: { action: 'updated', job, unknown: [] },
      };
    });
    if (this.on) await printChanged(desk, changed, this.json, text => this.warn(text));
    else if (this.json) {
      const { action, job } = changed;
      printJson({
        action,
        id: job.id,
        job: { ...job, state: { nextRunAtMs: null } },
        next: [],
        warnings: [],
      });
    } else printOut(`${changed.action === 'unchanged' ? 'was disabled' : 'disabled'} ${changed.job.id}\n`);
    return EXIT.ok;
  }
}
