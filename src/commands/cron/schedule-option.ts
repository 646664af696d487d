/** A schedule as options say it: `--cron E [--tz Z]`, `--every D [--anchor TIME]` or `--at WHEN`. */
import { nearest } from '../../config/nearest.ts';
import { ClawError } from '../../core/errors.ts';
import { parseCron } from '../../core/schedule/cron-expression.ts';
import { parseDuration } from '../../core/schedule/duration.ts';
import type { Schedule } from '../../core/schedule/schedule.ts';
import { isKnownZone, type Zone, zoneFor } from '../../core/schedule/zone.ts';
import { whenOption } from '../time-option.ts';

/** The values of the options, as far as they were given. */
export interface ScheduleOptions {
  cron?: string | undefined;
  every?: string | undefined;
  anchor?: string | undefined;
  at?: string | undefined;
}

/**
 * @param now epoch ms: the start of durations, and the anchor of a grid that was given none
 * @param zone where times without an offset are, and the zone of an expression; its name is stored
 * @throws ClawError usage: none or several of them, or one that means nothing
 */
export function scheduleOption(
  options: ScheduleOptions,
  { now, zone }: { now: number; zone: Zone },
): Schedule {
  const { cron, every, anchor, at } = options;
  if ([cron, every, at].filter(each => each !== undefined).length !== 1)
    throw usage(
      'give one schedule: --cron EXPR, --every DURATION or --at WHEN',
      'claw cron next --cron "0 7 * * 1-5"',
    );
  if (anchor !== undefined && every === undefined)
    throw usage('--anchor is the start of --every', 'claw cron next --every 2h --anchor 2026-11-21T07:00');
  if (at !== undefined) return { kind: 'at', at: whenOption('--at', at, { now, zone }) };
  if (every !== undefined) {
    const everyMs = parseDuration(every);
    if (everyMs === null || everyMs < 1)
      throw usage(
        `--every ${every}: ${everyMs === 0 ? 'too short' : 'not a duration'}`,
        'one number with a unit (ms s m h d w), such as --every 90m',
      );
    const anchorMs = anchor === undefined ? now : whenOption('--anchor', anchor, { now, zone });
    return { kind: 'every', everyMs, anchorMs };
  }
  const read = parseCron(cron ?? '');
  if (!read.ok)
    throw usage(`--cron ${read.problem}`, 'minute hour day month weekday, such as --cron "0 7 * * 1-5"');
  return { kind: 'cron', expr: read.cron.text, tz: zone.name };
}

/**
 * The zone of `--tz`, its name spelled as the zone data spells it.
 *
 * @param host zone of claw's user, which holds when none was given
 * @throws ClawError usage, with the nearest name
 */
export function zoneOption(tz: string | undefined, host: Zone): Zone {
  if (tz === undefined) return host;
  const wanted = tz.trim();
  if (isKnownZone(wanted)) return zoneFor(spelled(wanted), host);
  const near = nearestZone(wanted);
  throw usage(
    `--tz ${tz}: no IANA time zone of that name is known here`,
    near === undefined ? 'such as --tz Europe/Stockholm, or --tz UTC' : `did you mean --tz ${near}?`,
  );
}

/** Intl takes a name in any case; what is stored should read as everywhere else. Listing all names costs 10 ms. */
function spelled(name: string): string {
  const isSpelled = name.split('/').every(part => /^[A-Z][a-z]/.test(part));
  return isSpelled ? name : (zoneNames().find(each => each.toLowerCase() === name.toLowerCase()) ?? name);
}

/** The closest name; people also give a city alone. */
function nearestZone(name: string): string | undefined {
  const names = zoneNames();
  const cities = names.map(each => each.slice(each.lastIndexOf('/') + 1));
  const city = nearest(name.replace(/\s+/g, '_'), cities);
  return nearest(name, names) ?? (city === undefined ? undefined : names[cities.indexOf(city)]);
}

function zoneNames(): string[] {
  return ['UTC', ...Intl.supportedValuesOf('timeZone')];
}

function usage(message: string, hint: string): ClawError {
  return new ClawError('usage', 'usage', message, hint);
}
