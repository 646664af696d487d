import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { finishedRuns, type ListedRun } from '../../core/schedule/run-listing.ts';
import { tellLocalTime } from '../../core/schedule/zone.ts';
import { fateOf } from '../../runner/deliver.ts';
import type { Desk } from '../../runner/desk.ts';
import { JobCache } from '../../store/job-cache.ts';
import { loadJobs } from '../../store/jobs.ts';
import { readRuns, runsFile } from '../../store/runs.ts';
import { ClawCommand } from '../base.ts';
import { countOption } from '../count-option.ts';
import { openDesk } from '../desk.ts';
import { age, printable, table, terminalWidth } from '../format.ts';
import { isOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { fateInWords, maySeeJob, unknownJob } from './rows.ts';

const USUAL = 50;
const MOST = 5000;

export class CronRunsCommand extends ClawCommand {
  static override paths = [['cron', 'runs']];
  static override usage = Command.Usage({
    description:
      'What became of the due instants of a job, oldest first: one line for each, or for a stretch of missed ones.',
    examples: [['The last ten', 'claw cron runs --id news --limit 10']],
  });

  named = Option.String({ name: 'id', required: false });
  id = Option.String('--id', { description: 'the job; or without the option' });
  limit = Option.String('--limit', { description: `the newest so many; default ${USUAL}, at most ${MOST}` });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const limit = countOption('--limit', this.limit, 'cron runs') ?? USUAL;
    if (limit > MOST) throw usage(`--limit ${limit}: at most ${MOST}`);
    if (this.id !== undefined && this.named !== undefined && this.id !== this.named)
      throw usage('two jobs are named; say one');
    const wanted = (this.id ?? this.named)?.trim();
    if (!wanted) throw usage('which job? --id ID is missing');
    const id = idNamed(desk, wanted);
    const { lines, imported, bad } = readRuns(desk.layout, id);
    const all = finishedRuns(lines, imported, id);
    const entries = all.slice(-limit);
    if (this.json) printJson({ id, file: runsFile(desk.layout, id), total: all.length, entries });
    else if (entries.length === 0) printOut(`No runs of ${id} yet.\n`);
    else printOut(rows(desk, entries));
    if (bad.length > 0) {
      const [first] = bad;
      this.warn(
        `${runsFile(desk.layout, id)}: ${bad.length} ${bad.length === 1 ? 'line is' : 'lines are'} not readable, the first at byte ${first!.offset} (${first!.reason}); left in place`,
      );
    }
    return EXIT.ok;
  }
}

/** A job, or one that is gone and has left its past. */
function idNamed(desk: Desk, wanted: string): string {
  const read = loadJobs(desk, JobCache.open(desk));
  const jobs = read.state === 'ok' ? read.jobs.map(({ job }) => job).filter(job => maySeeJob(desk, job)) : [];
  const found = jobs.find(job => job.id === wanted) ?? jobs.find(job => job.name === wanted);
  if (found) return found.id;
  const isName = /^(?:heartbeat:)?[A-Za-z0-9][A-Za-z0-9._-]*$/.test(wanted);
  if (isName && isOperator(desk.context) && fs.existsSync(runsFile(desk.layout, wanted))) return wanted;
  const isInvalid = read.state === 'ok' && read.invalid.some(({ id }) => id === wanted);
  if (isName && isOperator(desk.context) && isInvalid) return wanted;
  throw unknownJob(wanted, jobs);
}

function rows(desk: Desk, entries: ListedRun[]): string {
  return table(
    ['WHEN', 'STATUS', 'TOOK', 'LATE', 'WHAT'],
    entries.map(run => [
      tellLocalTime(desk.zone, run.startedAt ?? run.dueAt ?? run.from ?? run.ts),
      `${run.status}${run.reason === undefined ? '' : `:${run.reason}`}${run.imported ? ' (imported)' : ''}`,
      run.durationMs === undefined ? '-' : age(run.durationMs),
      run.lateMs === undefined ? '-' : age(run.lateMs),
      printable(what(desk, run)),
    ]),
    terminalWidth(),
    { whole: ['WHEN', 'STATUS'], text: ['WHAT'] },
  );
}

function what(desk: Desk, run: ListedRun): string {
  const parts = [
    ...(run.count === undefined || run.to === undefined
      ? []
      : [`${run.more ? 'at least ' : ''}${run.count} instants up to ${tellLocalTime(desk.zone, run.to)}`]),
    ...(run.trigger === undefined || run.trigger === 'schedule' ? [] : [run.trigger]),
    ...(run.attempt === undefined || run.attempt === 1 ? [] : [`attempt ${run.attempt}`]),
    ...(run.error === undefined ? [] : [typeof run.error === 'string' ? run.error : run.error.message]),
    ...fateOfRun(desk, run),
    ...(run.summary === undefined ? [] : [run.summary]),
    ...(run.output === undefined ? [] : [`it printed: ${run.output}`]),
  ];
  return parts.join(' · ');
}

/** What was to be sent and is not; that it was sent is no news. */
function fateOfRun(desk: Desk, { delivery, error }: ListedRun): string[] {
  if (delivery === undefined || (error !== undefined && delivery.status === 'no-target')) return [];
  const fate = fateOf(desk, delivery);
  return ['sent', 'queued', 'none'].includes(fate.status) ? [] : [`delivery ${fateInWords(fate)}`];
}

function usage(message: string): ClawError {
  return new ClawError('usage', 'usage', message, 'claw cron runs --help');
}
