import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ago, relative } from '../../core/display/age.ts';
import { EXIT } from '../../core/errors.ts';
import { configuredAgentId } from '../../core/routing/route.ts';
import type { JobGlance } from '../../core/schedule/glance.ts';
import { localTimes } from '../../core/schedule/zone.ts';
import { listOutbox } from '../../store/outbox.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { table, terminalWidth } from '../format.ts';
import { printJsonText, printOut } from '../output.ts';
import { timeOption } from '../time-option.ts';
import { documentText, type JobLine, notesOnKeys, readLines } from './rows.ts';

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
    const board = readLines(desk, now);
    const agentId = this.agent === undefined ? undefined : configuredAgentId(this.agent, desk.config);
    const lines = agentId === undefined ? board.lines : board.lines.filter(line => line.agentId === agentId);
    const invalid = agentId === undefined ? board.invalid : [];
    if (this.json) {
      const head = JSON.stringify({ file: board.file, enabled: desk.config.cron?.enabled !== false });
      const jobs = lines.map(documentText).join(',');
      printJsonText(`${head.slice(0, -1)},"jobs":[${jobs}],"invalid":${JSON.stringify(invalid)}}`);
    } else if (lines.length + invalid.length === 0) printOut('No jobs.\n');
    else {
      const dead = new Set(
        listOutbox(desk.layout).items.flatMap(({ id, state }) => (state === 'dead' ? id : [])),
      );
      const next = `NEXT (${desk.zone.name})`;
      const tell = localTimes(desk.zone);
      printOut(
        table(
          ['ID', 'NAME', 'SCHEDULE', next, 'LAST', 'TARGET', 'AGENT', 'STATE'],
          [
            ...lines.map(line => cells(line, now, tell, dead)),
            ...invalid.map(({ id, name, index, problem }) => [
              ...[id?.slice(0, 64) ?? `(number ${index + 1})`, name ?? '', '-', '-', '-', '-', '-'],
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
    for (const { said } of lines)
      if (said.unknown.length > 0) for (const text of notesOnKeys(said, said.unknown)) this.warn(text);
    const unsafe = lines.find(line => line.untrusted !== null)?.untrusted;
    if (unsafe) this.warn(`${unsafe}: commands of jobs are not run`);
    return EXIT.ok;
  }
}

function cells(
  { said, agentId, untrusted }: JobLine,
  now: number,
  tell: (instant: number) => string,
  dead: ReadonlySet<string>,
): string[] {
  const { id, name, schedule, next, last, sessionTarget, condition, failures } = said;
  const isDead = last?.sends !== undefined && dead.has(last.sends);
  return [
    ...[id, name, schedule],
    next === null ? '-' : `${tell(next)} (${relative(next - now)})`,
    lastInWords(isDead ? { ...last, how: `${last.how} (delivery dead)` } : last, now),
    ...[sessionTarget, agentId, stateInWords({ condition, failures, untrusted })],
  ];
}

/** How the newest run ended, and when. */
export function lastInWords(last: JobGlance['last'], now: number): string {
  return last === null ? '-' : `${last.how}, ${ago(now - last.at)}`;
}

export function stateInWords({
  condition,
  failures,
  untrusted,
}: Pick<JobGlance, 'condition' | 'failures'> & Pick<JobLine, 'untrusted'>): string {
  const inARow = failures > 0 && !/^(?:disabled$|over:)/.test(condition) ? ` (${failures} in a row)` : '';
  return `${condition}${inARow}${untrusted === null ? '' : ', command not trusted'}`;
}
