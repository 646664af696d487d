import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { viewerOf } from '../../core/routing/visibility.ts';
import { tellLocalTime } from '../../core/schedule/zone.ts';
import type { Desk } from '../../runner/desk.ts';
import { type RanNow, runNow, taskOf } from '../../runner/run-now.ts';
import { jobsOrThrow, loadJobs } from '../../store/jobs.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { isoTime, printableLines } from '../format.ts';
import { endedBySignals } from '../heartbeat/run.ts';
import { printJson, printOut } from '../output.ts';
import { requireRight } from './rights.ts';
import { fateInWords, findJob, maySeeJob } from './rows.ts';

export class CronRunCommand extends ClawCommand {
  static override paths = [['cron', 'run']];
  static override usage = Command.Usage({
    description: 'Run a job now and wait for its end. Its schedule stays as it is.',
    examples: [
      ['If it is due', 'claw cron run news'],
      ['Whatever its schedule says', 'claw cron run news --force'],
    ],
  });

  job = Option.String({ name: 'id' });
  force = Option.Boolean('--force', false, { description: 'also when it is not due, or disabled' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { log: 'cron run' });
    const { id } = jobNamed(desk, this.job, 'cron run');
    const found = taskOf(desk, id);
    if (found === null)
      throw new ClawError('usage', 'job-unknown', `there is no job ${id}`, 'claw cron list');
    const { signal } = endedBySignals();
    const done = await runNow(desk, found, { force: this.force, signal });
    if (this.json) printJson(documentOf(id, done));
    else printOut(`${printableLines(inWords(desk, id, done))}\n`);
    return statusOf(done);
  }
}

/** The job of a name that the caller may have to do with. */
export function jobNamed(desk: Desk, name: string, what: string): { id: string } {
  const list = jobsOrThrow(loadJobs(desk));
  const seen = list.jobs.filter(({ job }) => maySeeJob(desk, job));
  const isPerson = viewerOf(desk.context.env) === null;
  const { job } = findJob(seen, isPerson ? list.invalid : [], name);
  requireRight(desk, job, job, { what: `${what} ${job.id}` });
  return { id: job.id };
}

function documentOf(id: string, done: RanNow): object {
  if (!done.ran) {
    const { reason, why } = done;
    const next = done.next === null ? null : isoTime(done.next);
    return { id, ran: false, reason, ...(why === undefined ? {} : { why }), next };
  }
  const { record, sent, fate } = done;
  return { id, ran: true, run: record, sent, delivery: fate };
}

function inWords(desk: Desk, id: string, done: RanNow): string {
  if (!done.ran) {
    const force = `to run it all the same: claw cron run ${id} --force`;
    switch (done.reason) {
      case 'running':
        return `${id} is running already (claw cron cancel ${id})`;
      case 'left':
        return `${id} was interrupted; the next tick goes on with it`;
      case 'disabled':
        return `${id} is disabled (${done.why}): claw cron enable ${id}; ${force}`;
      case 'over':
        return `${id} is not due any more (claw cron runs ${id}); ${force}`;
      default:
        return `${id} is not due before ${tellLocalTime(desk.zone, done.next!)}; ${force}`;
    }
  }
  const { record, fate } = done;
  const { status, reason, summary, error } = record;
  const why = reason === undefined ? '' : ` (${reason})`;
  const where = fate === null ? '' : `\ndelivery: ${fateInWords(fate)}`;
  const told = status === 'queued' ? 'its event waits for a turn of the main session' : (summary ?? '');
  return `${id}  ${status}${why}${error ? `: ${error.message}` : told ? `\n${told}` : ''}${where}`;
}

function statusOf(done: RanNow): number {
  if (!done.ran) return done.reason === 'running' || done.reason === 'left' ? EXIT.tempfail : EXIT.ok;
  return ['error', 'timeout', 'interrupted'].includes(done.record.status) ? EXIT.unavailable : EXIT.ok;
}
