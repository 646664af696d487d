import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { relative } from '../../core/display/age.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import {
  describeSchedule,
  instantsBetween,
  type Schedule,
  storedSchedule,
  warningsOf,
} from '../../core/schedule/schedule.ts';
import { tellLocalTime, type Zone } from '../../core/schedule/zone.ts';
import { ClawCommand } from '../base.ts';
import { countOption } from '../count-option.ts';
import { openDesk } from '../desk.ts';
import { isoTime, table } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { whenOption } from '../time-option.ts';
import { scheduleOption, zoneOption } from './schedule-option.ts';

const COUNT = 5;
const MOST = 10_000;

export class CronNextCommand extends ClawCommand {
  static override paths = [['cron', 'next']];
  static override usage = Command.Usage({
    description: 'When a schedule is due: a preview that needs no job.',
    examples: [
      ['Working days at seven', 'claw cron next --cron "0 7 * * 1-5" --tz Europe/Stockholm'],
      ['A grid', 'claw cron next --every 3h --anchor 2026-11-21T07:00 --count 3'],
      ['What a time means', 'claw cron next --at 2027-05-06T10:00 --tz America/Chicago'],
    ],
  });

  cron = Option.String('--cron', { description: 'five fields, or six with seconds in front' });
  every = Option.String('--every', { description: 'a duration, such as 90m' });
  anchor = Option.String('--anchor', { description: 'where the grid of --every begins; default: --from' });
  at = Option.String('--at', { description: 'one time, or a duration from --from' });
  tz = Option.String('--tz', { description: "IANA zone; default: the config's timezone, else the host's" });
  from = Option.String('--from', { description: 'instants after this time; default: now' });
  count = Option.String('--count', { description: `how many; default ${COUNT}, at most ${MOST}` });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const now = context.now();
    const zone = zoneOption(this.tz, desk.zone);
    const from = this.from === undefined ? now : whenOption('--from', this.from, { now, zone });
    const count = Math.min(countOption('--count', this.count, 'cron next') ?? COUNT, MOST);
    const schedule = scheduleOption(this, { now: from, zone });
    const found = instantsBetween(schedule, from, Number.POSITIVE_INFINITY, count, desk.zone);
    if (found.length === 0) throw neverFires(schedule, zone);
    const next = found.map(isoTime);
    if (this.json) printJson({ schedule: storedSchedule(schedule), next });
    else printOut(`${describeSchedule(schedule, zone)}\n${rows(found, zone, now)}`);
    for (const text of warningsOf(schedule)) this.warn(text);
    return EXIT.ok;
  }
}

function rows(instants: number[], zone: Zone, now: number): string {
  return table(
    ['LOCAL TIME', 'ZONE', 'UTC', 'WHEN'],
    instants.map(instant => [
      tellLocalTime(zone, instant),
      zone.name,
      (isoTime(instant) ?? '').replace(/(:00)?\.000Z$/, 'Z'),
      relative(instant - now),
    ]),
  );
}

function neverFires(schedule: Schedule, zone: Zone): ClawError {
  return new ClawError(
    'usage',
    'usage',
    `${describeSchedule(schedule, zone)}: it never fires after that time`,
    'give a later --at, or an earlier --from',
  );
}
