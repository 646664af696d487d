/** What commands that change jobs share: merging, checking, and saying what came of it. */

import { relative } from '../../core/display/age.ts';
import { ClawError } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { mainSessionKey } from '../../core/routing/session-key.ts';
import { toSchedule } from '../../core/schedule/due.ts';
import { heartbeatJob, heartbeatOf, nextBeat } from '../../core/schedule/heartbeat.ts';
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
import { whyUnheard } from '../../core/schedule/unheard.ts';
import { tellLocalTime, type Zone, zoneFor } from '../../core/schedule/zone.ts';
import type { Origin } from '../../core/session/session.ts';
import { targetIn, unheardAt } from '../../runner/beat.ts';
import { targetOf } from '../../runner/carry-out.ts';
import { senderOf } from '../../runner/deliver.ts';
import type { Desk } from '../../runner/desk.ts';
import { whyNotThere } from '../../runner/push.ts';
import { JobCache } from '../../store/job-cache.ts';
import { jobSetting, type StoredJob, settledJob } from '../../store/jobs.ts';
import { readRuns } from '../../store/runs.ts';
import { loadRecord } from '../../store/sessions.ts';
import { tickAge } from '../checks/work.ts';
import { isoTime, printable } from '../format.ts';
import { printJson, printOut } from '../output.ts';
import { notesOnKeys, sessionKeyOfJob } from './rows.ts';

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
  const told = next[0] === undefined ? null : toldAt(desk, job, next[0]);
  if (json) {
    const state = { nextRunAtMs: next[0] ?? null };
    const toldBy = told === null ? {} : { toldBy: isoTime(told) };
    printJson({ action, id: job.id, job: { ...job, state }, next: next.map(isoTime), ...toldBy, warnings });
  } else {
    const zone: Zone = job.schedule.kind === 'cron' ? zoneFor(job.schedule.tz, desk.zone) : desk.zone;
    printOut(
      [
        `${action} ${job.id}: ${printable(describeSchedule(schedule, zone))}${job.enabled ? '' : ' (disabled)'}`,
        ...next.map(at => `  next ${tellLocalTime(zone, at)} (${zone.name})  ${relative(at - now)}`),
        ...(told === null
          ? []
          : [
              `  told with the next message, or by the heartbeat of ${tellLocalTime(desk.zone, told)} (--wake now: at once)`,
            ]),
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
    ...warningsOfSession(desk, job),
    ...warningsOfDelivery(desk, job),
    ...(desk.config.cron?.enabled === false
      ? ['cron.enabled is false in the configuration: no job runs']
      : []),
    ...(job.enabled ? await warningsOfTick(desk) : []),
  ];
}

function warningsOfSession(desk: Desk, job: Job): string[] {
  if (job.sessionTarget === 'main' || job.sessionTarget === 'isolated') return [];
  const { agentId, key } = sessionKeyOfJob(desk, job);
  return loadRecord(desk.layout, agentId, key).state === 'missing'
    ? [`there is no session ${key} yet; the first run begins it (claw sessions lists those there are)`]
    : [];
}

/** Who gets what it says, by the rules that hold when it runs: nobody, somebody the channel keeps out, or nobody sends it. */
function warningsOfDelivery(desk: Desk, job: Job): string[] {
  const { config } = desk;
  const agentId = agentOfJob(job, defaultAgentId(config));
  if (job.payload.kind === 'systemEvent') return warningsOfEvent(desk, agentId);
  const delivery = deliveryOf(job.payload);
  if (delivery === null) return [];
  const target = targetOf(desk, job, agentId);
  if (target === null || target === 'none') {
    const { channel } = delivery;
    const by = channel === undefined || channel === 'last' ? '' : ` by ${channel}`;
    const then =
      target === null
        ? 'it runs, and delivers nothing (--best-effort-deliver)'
        : 'its runs fail; --channel and --to say it';
    return [
      `there is nobody to deliver to: the job names no recipient, and nobody has written to the main session of ${agentId}${by} from a channel; until then ${then}`,
    ];
  }
  return warningsOfPlace(desk, { agentId, sessionKey: sessionKeyOfJob(desk, job).key, origin: target });
}

function warningsOfPlace(
  desk: Desk,
  place: { agentId: string; sessionKey: string; origin: Origin },
): string[] {
  const { channel } = place.origin;
  const why = whyNotThere(desk, place);
  if (why !== null)
    return [`what the job says will not be sent: ${why}; it is kept as dead in claw delivery list`];
  return senderOf(desk.config, place.origin)
    ? []
    : [
        `channel ${channel} has no sender (channels.${channel}.send): what the job says waits in claw delivery list`,
      ];
}

/** Whether what the agent says when it is told of an event would reach anybody now. */
function warningsOfEvent(desk: Desk, agentId: string): string[] {
  const { config } = desk;
  const key = mainSessionKey(agentId, config.session);
  const target = targetIn(desk, heartbeatOf(config, agentId), key);
  const unheard = unheardAt(desk, { agentId, key }, target);
  if (unheard?.status === 'no-target')
    return [
      `as it stands nobody would hear what the agent says of it: ${whyUnheard(unheard)}; write to it from a channel, or: ${waysToTell(desk, agentId)}`,
    ];
  return target.origin === null
    ? []
    : warningsOfPlace(desk, { agentId, sessionKey: key, origin: target.origin });
}

/** The commands that say who is told; what else is set there stays. */
function waysToTell({ config }: Desk, agentId: string): string {
  const agents = config.agents?.list ?? [];
  const index = agents.findIndex(({ id, heartbeat }) => id === agentId && heartbeat !== undefined);
  const place = index < 0 ? 'agents.defaults.heartbeat' : `agents.list[${index}].heartbeat`;
  const isSet = index >= 0 || config.agents?.defaults?.heartbeat !== undefined;
  const [channel = 'CHANNEL'] = Object.keys(config.channels ?? {});
  return isSet
    ? `claw config set ${place}.target ${channel} && claw config set ${place}.to RECIPIENT`
    : `claw config set ${place} '{target: "${channel}", to: "RECIPIENT"}'`;
}

/** When an event that is due at an instant is told at the latest, epoch ms; null where a tick tells it at once, or nobody knows. */
function toldAt(desk: Desk, job: Job, due: number): number | null {
  if (job.payload.kind !== 'systemEvent' || job.wakeMode === 'now') return null;
  const agentId = agentOfJob(job, defaultAgentId(desk.config));
  const heartbeat = heartbeatOf(desk.config, agentId);
  const { lines } = readRuns(desk.layout, heartbeatJob(agentId));
  const beat = nextBeat(heartbeat, lines, due, desk.zone);
  if (beat !== null || heartbeat.off !== null || heartbeat.everyMs === null) return beat;
  // The first tick sets the grid.
  return heartbeat.activeHours === null ? due + heartbeat.everyMs : null;
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
