import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ago, relative } from '../../core/display/age.ts';
import { EXIT } from '../../core/errors.ts';
import { toSchedule } from '../../core/schedule/due.ts';
import { conditionOf, endOf } from '../../core/schedule/glance.ts';
import type { Job } from '../../core/schedule/job.ts';
import { rulesOf } from '../../core/schedule/rule.ts';
import { describeSchedule, instantsBetween } from '../../core/schedule/schedule.ts';
import { tellLocalTime, zoneFor } from '../../core/schedule/zone.ts';
import { fateOf } from '../../runner/deliver.ts';
import type { Desk } from '../../runner/desk.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { age, isoTime, printable, printableLines } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { timeOption } from '../time-option.ts';
import { lastInWords, stateInWords } from './list.ts';
import {
  documentOf,
  fateInWords,
  findJob,
  type JobRow,
  notesOnKeys,
  readBoard,
  sessionKeyOfJob,
} from './rows.ts';

const SHOWN = 3;

export class CronShowCommand extends ClawCommand {
  static override paths = [['cron', 'show']];
  static override usage = Command.Usage({
    description: 'One job: its definition, what holds for it, its state, the next three instants.',
    examples: [['By id', 'claw cron show news']],
  });

  job = Option.String({ name: 'id' });
  at = Option.String('--at', { description: 'as it would look at this time' });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const now = timeOption(this.at, desk);
    const { rows, invalid, list } = readBoard(desk, now);
    const row = findJob(rows, invalid, this.job);
    const schedule = toSchedule(row.job.schedule);
    const from = Math.max(now, (row.outlook.next ?? now) - 1);
    const isOver = row.outlook.idle !== null;
    const next = isOver ? [] : instantsBetween(schedule, from, Number.POSITIVE_INFINITY, SHOWN, desk.zone);
    const { key } = sessionKeyOfJob(desk, row.job);
    const rules = rulesOf(row.job, desk.config.cron);
    if (this.json) {
      const finite = Object.fromEntries(
        Object.entries(rules).map(([name, value]) => [
          name,
          value === Number.POSITIVE_INFINITY ? null : value,
        ]),
      );
      printJson({
        ...documentOf(row),
        file: list.file,
        sessionKey: key,
        rules: finite,
        upcoming: next.map(isoTime),
      });
    } else printOut(describe(desk, row, { next, now, key, rules }));
    for (const text of notesOnKeys(row.job, row.stored.unknown)) this.warn(text);
    return EXIT.ok;
  }
}

function describe(
  desk: Desk,
  row: JobRow,
  { next, now, key, rules }: { next: number[]; now: number; key: string; rules: ReturnType<typeof rulesOf> },
): string {
  const { job, state } = row;
  const zone = job.schedule.kind === 'cron' ? zoneFor(job.schedule.tz, desk.zone) : desk.zone;
  const when = (instant: number) => `${tellLocalTime(zone, instant)} (${zone.name})`;
  const { last, disabled, retry } = state;
  const lines: [string, string | undefined][] = [
    ['id', job.id],
    ['name', job.name],
    ['note', job.description],
    ['schedule', describeSchedule(toSchedule(job.schedule), zone)],
    [
      'state',
      stateInWords({
        condition: conditionOf(row),
        failures: state.failures,
        untrusted: row.untrusted,
      }),
    ],
    ['why', disabled === null ? undefined : `${disabled.reason}; claw cron enable ${job.id}`],
    ['session', `${job.sessionTarget === key ? '' : `${job.sessionTarget}, `}${key}`],
    ['wake', job.wakeMode],
    ...payloadLines(job),
    ...ruleLines(rules, job),
    ['precheck', job.precheck],
    ['last', last === null ? undefined : lastInWords(endOf(last), now)],
    ['delivery', last?.delivery === undefined ? undefined : fateInWords(fateOf(desk, last.delivery))],
    ['error', last?.error?.message],
    ['retry', retry === null ? undefined : `${when(retry.at)}, attempt ${retry.attempt}`],
    [
      'due',
      row.outlook.late
        ? `${when(row.outlook.next!)}, ${ago(now - row.outlook.next!)}, not run yet`
        : undefined,
    ],
    ...next.map((instant): [string, string] => ['next', `${when(instant)}  ${relative(instant - now)}`]),
  ];
  return lines
    .filter((line): line is [string, string] => line[1] !== undefined)
    .map(
      ([head, text]) => `${head.padEnd(10)}${printableLines(text).replaceAll('\n', `\n${' '.repeat(10)}`)}\n`,
    )
    .join('');
}

/** How late an instant may be where nothing is said of it. */
const GRACES = { skip: '2m', once: 'half the period, 2m to 12h', all: '12h' } as const;

/** The rules in force, wherever they come from. */
function ruleLines(
  rules: ReturnType<typeof rulesOf>,
  { schedule }: Pick<Job, 'schedule'>,
): [string, string | undefined][] {
  const { graceMs, retries, disableAfter, alertAfter, alertCooldownMs, runsPerDay, tokensPerDay } = rules;
  const isLimit = (number: number) => Number.isFinite(number);
  const budget = [
    ...(isLimit(runsPerDay) ? [`${runsPerDay} runs`] : []),
    ...(isLimit(tokensPerDay) ? [`${tokensPerDay} tokens`] : []),
  ];
  const usual = schedule.kind === 'at' ? 'however late' : `grace ${GRACES[rules.catchUp]}`;
  const times = (number: number) => (number === 1 ? '1 failure' : `${number} failures in a row`);
  const again = alertCooldownMs === null ? '' : `, again every ${age(alertCooldownMs)}`;
  return [
    ['missed', `catch-up ${rules.catchUp}, ${graceMs === null ? usual : `grace ${age(graceMs)}`}`],
    ['retries', `${retries}${retries === 0 ? '' : `, the first after ${age(rules.retryDelayMs)}`}`],
    ['alert', isLimit(alertAfter) ? `after ${times(alertAfter)}${again}` : 'never'],
    ['gives up', disableAfter === 0 ? 'never by failures' : `after ${times(disableAfter)}`],
    ['budget', budget.length === 0 ? undefined : `${budget.join(', ')} a day`],
  ];
}

function payloadLines({ payload, deleteAfterRun }: Job): [string, string | undefined][] {
  const once: [string, string | undefined] = [
    'after',
    deleteAfterRun ? 'removed when it has succeeded' : undefined,
  ];
  if (payload.kind === 'systemEvent') return [['event', payload.text], once];
  const { deliver, channel, to } = payload;
  const delivery =
    deliver === true || (deliver === undefined && to !== undefined)
      ? `${channel ?? 'last'}${to === undefined ? '' : `:${to}`}`
      : 'no';
  const seconds = payload.timeoutSeconds === undefined ? undefined : `${payload.timeoutSeconds}s`;
  const what: [string, string] =
    payload.kind === 'exec'
      ? ['command', payload.command.map(shown).join(' ')]
      : ['message', payload.message];
  return [
    what,
    ...(payload.kind === 'exec'
      ? []
      : ([
          ['model', payload.model],
          ['thinking', payload.thinking],
        ] as [string, string | undefined][])),
    ['timeout', seconds],
    ['deliver', delivery],
    once,
  ];
}

function shown(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? printable(word) : JSON.stringify(word);
}
