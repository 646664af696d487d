/** What commands that change jobs share: merging, checking, and saying what came of it. */

import { relative } from '../../core/display/age.ts';
import { ClawError } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { defaultAccount } from '../../core/routing/channel.ts';
import { mainSessionKey } from '../../core/routing/session-key.ts';
import { toSchedule } from '../../core/schedule/due.ts';
import {
  agentOfJob,
  deliveryOf,
  type Job,
  type JobRead,
  patchJob,
  type UnknownKey,
} from '../../core/schedule/job.ts';
import type { RunLine } from '../../core/schedule/run-record.ts';
import { describeSchedule, instantsBetween, warningsOf } from '../../core/schedule/schedule.ts';
import { tellLocalTime, type Zone, zoneFor } from '../../core/schedule/zone.ts';
import { senderOf } from '../../runner/deliver.ts';
import type { Desk } from '../../runner/desk.ts';
import { JobCache } from '../../store/job-cache.ts';
import { jobSetting, type StoredJob, settledJob } from '../../store/jobs.ts';
import { loadRecord } from '../../store/sessions.ts';
import { tickAge } from '../checks/work.ts';
import { isoTime, printable } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { notesOnKeys } from './rows.ts';

const SHOWN = 3;

export interface Changed {
  action: 'added' | 'updated' | 'unchanged';
  job: Job;
  unknown: UnknownKey[];
}

/** A stored job with changes; anchor and zone that it was first seen with become part of it. */
export function mendedJob(
  desk: Desk,
  stored: StoredJob,
  changes: Readonly<Record<string, unknown>>,
): { stored: Job; read: JobRead } {
  const state = JobCache.open(desk).stateOf(stored.job.id);
  const job = settledJob(stored, state);
  return { stored: job, read: patchJob(stored.raw, job, changes, jobSetting(desk, desk.context.now())) };
}

/** What is appended to the past of a job that failures had switched off, so that it is on again. */
export function switchedOn(desk: Desk, job: Job): { jobId: string; lines: RunLine[] }[] {
  if (JobCache.open(desk).stateOf(job.id).disabled === null) return [];
  return [{ jobId: job.id, lines: [{ action: 'enabled', ts: desk.context.now(), jobId: job.id }] }];
}

/** What is wrong with a definition, in the words of the options. */
export function problemInOptions(problem: string): string {
  return problem
    .replace(
      /^it has no payload.*/,
      'it needs a payload: --message TEXT, --system-event TEXT or --exec COMMAND',
    )
    .replace(/^sessionTarget /, '--session: sessionTarget ');
}

/** @throws ClawError usage for a single instant that has passed and was not there before */
export function checkTime({ schedule }: Job, before: Job | null, now: number): void {
  if (schedule.kind !== 'at' || schedule.atMs > now) return;
  if (before?.schedule.kind === 'at' && before.schedule.atMs === schedule.atMs) return;
  throw new ClawError(
    'usage',
    'usage',
    `schedule: at ${isoTime(schedule.atMs)} that time has passed`,
    'a later time, or a duration such as --at 20m',
  );
}

/** Prints what became of a job: its id, the next instants, what one should know before one relies on it. */
export async function printChanged(
  desk: Desk,
  { action, job, unknown }: Changed,
  json: boolean,
  warn: (text: string) => void,
): Promise<void> {
  const now = desk.context.now();
  const schedule = toSchedule(job.schedule);
  const next = job.enabled ? instantsBetween(schedule, now, Number.POSITIVE_INFINITY, SHOWN, desk.zone) : [];
  const warnings = [...(await warningsOfJob(desk, job)), ...notesOnKeys(job, unknown)];
  if (json) {
    const state = { nextRunAtMs: next[0] ?? null };
    printJson({ action, id: job.id, job: { ...job, state }, next: next.map(isoTime), warnings });
  } else {
    const zone: Zone = job.schedule.kind === 'cron' ? zoneFor(job.schedule.tz, desk.zone) : desk.zone;
    printOut(
      [
        `${action} ${job.id}: ${printable(describeSchedule(schedule, zone))}${job.enabled ? '' : ' (disabled)'}`,
        ...next.map(at => `  next ${tellLocalTime(zone, at)} (${zone.name})  ${relative(at - now)}`),
        '',
      ].join('\n'),
    );
  }
  for (const text of warnings) warn(text);
}

/** What keeps a job from doing what its author may expect, one sentence each. */
async function warningsOfJob(desk: Desk, job: Job): Promise<string[]> {
  return [
    ...warningsOf(toSchedule(job.schedule)),
    ...warningsOfDelivery(desk, job),
    ...(desk.config.cron?.enabled === false
      ? ['cron.enabled is false in the configuration: no job runs']
      : []),
    ...(job.enabled ? await warningsOfTick(desk) : []),
  ];
}

function warningsOfDelivery(desk: Desk, job: Job): string[] {
  const { config } = desk;
  const delivery = deliveryOf(job.payload);
  if (delivery === null) return [];
  const agentId = agentOfJob(job, defaultAgentId(config));
  let { channel } = delivery;
  let account = delivery.accountId;
  if (channel === undefined || channel === 'last' || delivery.to === undefined) {
    const read = loadRecord(desk.layout, agentId, mainSessionKey(agentId, config.session));
    const route = read.state === 'ok' ? read.record.lastRoute : undefined;
    const named = channel !== undefined && channel !== 'last';
    if (route === undefined || (named && route.channel !== channel && delivery.to === undefined))
      return [
        `nobody has written to the main session of ${agentId} yet${named ? ` by ${channel}` : ''}: until then there is nowhere to deliver to; --channel and --to say it`,
      ];
    channel = named ? channel : route.channel;
    account ??= route.accountId;
  }
  const accountId = account ?? defaultAccount(config.channels, channel!);
  return senderOf(config, { channel: channel!, accountId, chatType: 'dm' })
    ? []
    : [
        `channel ${channel} has no sender (channels.${channel}.send): what the job says waits in claw delivery list`,
      ];
}

/** A job is only as good as what calls claw tick. */
async function warningsOfTick(desk: Desk): Promise<string[]> {
  const last = tickAge(desk);
  if (last !== null && !last.late) return [];
  const { lookAtTimer } = await import('../checks/timer.ts');
  const timer = await lookAtTimer(desk, { ask: false }).catch(() => null);
  if (timer?.installed && !timer.elsewhere)
    return last === null ? [] : ['a timer is installed, but no tick came for a while: claw timer status'];
  return [
    last === null
      ? 'nothing calls claw tick here, so no job will run: claw timer install'
      : 'claw tick has not been called for a while, so no job will run: claw timer install',
  ];
}
