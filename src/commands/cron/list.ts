import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ago, relative } from '../../core/display/age.ts';
import { EXIT } from '../../core/errors.ts';
import { configuredAgentId } from '../../core/routing/route.ts';
import { toSchedule } from '../../core/schedule/due.ts';
import { describeSchedule } from '../../core/schedule/schedule.ts';
import { tellLocalTime } from '../../core/schedule/zone.ts';
import type { Desk } from '../../runner/desk.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { table, terminalWidth } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { timeOption } from '../time-option.ts';
import { conditionOf, documentOf, type JobRow, notesOnKeys, readBoard, sessionKeyOfJob } from './rows.ts';

export class CronListCommand extends ClawCommand {
  static override paths = [['cron', 'list']];
  static override usage = Command.Usage({
    description: 'All jobs: when each is due next, how its last run ended, what state it is in.',
    examples: [
      ['What is planned', 'claw cron list'],
      ['For a script', 'claw cron list --json'],
    ],
  });

  all = Option.Boolean('--all', false, { description: 'disabled ones too (they are always shown)' });
  agent = Option.String('--agent', { description: 'only jobs of this agent' });
  at = Option.String('--at', { description: 'as it would look at this time' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const now = timeOption(this.at, desk);
    const board = readBoard(desk, now);
    const agentId = this.agent === undefined ? undefined : configuredAgentId(this.agent, desk.config);
    const rows =
      agentId === undefined
        ? board.rows
        : board.rows.filter(({ job }) => sessionKeyOfJob(desk, job).agentId === agentId);
    const invalid = agentId === undefined ? board.invalid : [];
    if (this.json)
      printJson({
        file: board.list.file,
        enabled: desk.config.cron?.enabled !== false,
        jobs: rows.map(documentOf),
        invalid,
      });
    else if (rows.length + invalid.length === 0) printOut('No jobs.\n');
    else {
      const next = `NEXT (${desk.zone.name})`;
      printOut(
        table(
          ['ID', 'NAME', 'SCHEDULE', next, 'LAST', 'TARGET', 'AGENT', 'STATE'],
          [
            ...rows.map(row => cells(desk, row, now)),
            ...invalid.map(({ id, name, index, problem }) => [
              ...[id ?? `(number ${index + 1})`, name ?? '', '-', '-', '-', '-', '-'],
              `invalid: ${problem}`,
            ]),
          ],
          terminalWidth(),
          { whole: ['ID', next, 'STATE'], giving: ['AGENT', 'TARGET', 'NAME'], text: ['NAME', 'SCHEDULE'] },
        ),
      );
    }
    if (desk.config.cron?.enabled === false)
      this.warn('cron.enabled is false in the configuration: no job runs');
    for (const row of rows) for (const text of notesOnKeys(row.stored)) this.warn(text);
    const unsafe = rows.find(row => row.untrusted !== null)?.untrusted;
    if (unsafe) this.warn(`${unsafe}: commands of jobs are not run`);
    return EXIT.ok;
  }
}

function cells(desk: Desk, row: JobRow, now: number): string[] {
  const { job, outlook, state } = row;
  const schedule = toSchedule(job.schedule);
  const { next } = outlook;
  return [
    job.id,
    job.name,
    schedule.kind === 'at' ? 'once' : describeSchedule(schedule, desk.zone).replace(/^cron /, ''),
    next === null
      ? '-'
      : `${tellLocalTime(desk.zone, next).replace(/ [+-]\d\d:\d\d$/, '')} (${relative(next - now)})`,
    lastInWords(row, now),
    job.sessionTarget,
    sessionKeyOfJob(desk, job).agentId,
    stateInWords(row, state.failures),
  ];
}

/** How the newest run ended, and when. */
export function lastInWords({ state: { last } }: JobRow, now: number): string {
  if (last === null) return '-';
  const reason = last.reason === undefined ? '' : `:${last.reason}`;
  return `${last.status}${reason}, ${ago(now - (last.startedAt ?? last.ts))}`;
}

export function stateInWords(row: JobRow, failures: number): string {
  const condition = conditionOf(row);
  const untrusted = row.untrusted === null ? '' : ', command not trusted';
  return `${condition}${failures > 0 && condition !== 'disabled' ? ` (${failures} in a row)` : ''}${untrusted}`;
}
