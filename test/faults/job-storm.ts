/**
 * A storm over a dozen jobs that are due every few seconds: ticks in any number, some of them killed, edits, runs by hand.
 * Then quiet, ticks until nothing is left, and the account: every instant of every job stands in exactly one record.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { SeenRecord } from '../../src/core/schedule/run-record.ts';
import { check } from './check.ts';
import { COMMAND, jobConfig, putJobs, runsOf } from './jobs.ts';
import { lines, names, Place, type Program, parse, stillLives } from './lab.ts';
import { between, type Random, random } from './random.ts';

export interface JobStormOptions {
  seconds: number;
  /** ticks at a time */
  timers: number;
  seed: number;
  /** share of the ticks that are killed */
  kill: number;
}

export interface JobStormReport {
  ticks: number;
  killed: number;
  edits: number;
  records: number;
  started: number;
  findings: string[];
}

const SECOND = 1000;
const MAX_TICKS = 20;

/** A dozen jobs: turns, events and commands, every 1 to 5 seconds. */
function jobs(anchorMs: number): object[] {
  return Array.from({ length: 12 }, (_, index) => {
    const schedule = { kind: 'every', everyMs: (1 + (index % 5)) * SECOND, anchorMs };
    const id = `j${index}`;
    const common = { id, schedule, disableAfter: 0, isolation: { postToMainMode: 'none' } };
    if (index % 3 === 0) return { ...common, message: `turn ${id}` };
    if (index % 3 === 1) return { ...common, command: [COMMAND] };
    return { ...common, text: `event ${id}`, wakeMode: 'now' };
  });
}

export async function jobStorm(program: Program, options: JobStormOptions): Promise<JobStormReport> {
  const place = Place.create(program, jobConfig({}, { env: { AGENT_SLEEP: '0.15' } }));
  const report: JobStormReport = { ticks: 0, killed: 0, edits: 0, records: 0, started: 0, findings: [] };
  const chance = random(options.seed);
  const anchorMs = Math.floor(Date.now() / SECOND) * SECOND;
  putJobs(place, jobs(anchorMs));
  const end = Date.now() + options.seconds * SECOND;
  try {
    const timer = async () => {
      while (Date.now() < end) {
        const run = place.start(['tick', '--json']);
        report.ticks++;
        const victim = chance() < options.kill;
        if (victim) {
          await Promise.race([run.done, pause(between(chance, 60, 900))]);
          if (!run.ended() && run.child.kill('SIGKILL')) report.killed++;
        }
        const ended = await run.done;
        if (ended.hung) report.findings.push('a tick hung');
        else if (ended.signal === null && ended.status !== 0)
          report.findings.push(`a tick: exit ${ended.status}, ${ended.stderr.slice(0, 300)}`);
        await pause(between(chance, 0, 700));
      }
    };
    const hand = async () => {
      while (Date.now() < end) {
        await pause(between(chance, 100, 900));
        const args = deed(chance);
        const ended = await place.run(args);
        report.edits++;
        if (ended.hung || ![0, 69, 75].includes(ended.status ?? -1))
          report.findings.push(`${args.join(' ')}: exit ${ended.status}, ${ended.stderr.slice(0, 300)}`);
      }
    };
    await Promise.all([hand(), ...Array.from({ length: options.timers }, timer)]);
    const asOf = await calm(place, report);
    account(place, asOf, report);
    if (process.env.CLAW_FAULTS_KEEP && report.findings.length > 0)
      report.findings.push(`its files: ${place.folder}`);
    return report;
  } finally {
    place.remove();
  }
}

/** Something that a person does; the times of the jobs stay. */
function deed(chance: Random): string[] {
  const index = between(chance, 0, 11);
  const id = `j${index}`;
  const what = chance();
  if (what < 0.3) return ['cron', 'run', id, '--force'];
  if (what < 0.5) return ['cron', 'run', id];
  if (what < 0.6) return ['cron', 'list'];
  return ['cron', 'edit', id, '--description', `changed ${Math.floor(chance() * 1e6)}`];
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

/** Ticks until nothing is left; returns when the last of them began. */
async function calm(place: Place, report: JobStormReport): Promise<number> {
  let begun = 0;
  for (let times = 1; times <= MAX_TICKS; times++) {
    begun = Date.now();
    const run = await place.run(['tick', '--json']);
    if (run.status !== 0)
      report.findings.push(`a tick after the storm: exit ${run.status}, ${run.stderr.slice(0, 300)}`);
    const left = names(place.path('claims')).length + names(place.path('events/main')).length;
    if (left === 0 && times > 1) return begun;
  }
  const left = [...names(place.path('claims')), ...names(place.path('events/main'))];
  report.findings.push(`${MAX_TICKS} ticks, and still left: ${left.join(', ')}`);
  return begun;
}

function account(place: Place, asOf: number, report: JobStormReport): void {
  const { findings } = report;
  findings.push(...check(place, { sent: [] }));
  const definitions: { id: string; schedule: { everyMs: number; anchorMs: number } }[] = parse(
    fs.readFileSync(place.path('cron/jobs.json'), 'utf8'),
  ).jobs;
  if (definitions.length !== 12) findings.push(`${definitions.length} of 12 jobs are left`);
  for (const { id, schedule } of definitions) {
    const { everyMs, anchorMs } = schedule;
    const { runs, all, bad } = runsOf(place, id);
    report.records += runs.length;
    if (bad.length > 0) findings.push(`${id}: ${bad.length} lines are torn`);
    const first = all.find((line): line is SeenRecord => line.action === 'seen');
    const seen = first?.from ?? Number.POSITIVE_INFINITY;
    const times = new Map<number, string[]>();
    for (const { dueAt, from, to, trigger, status, reason } of runs) {
      if (status === 'queued') findings.push(`${id}: ${dueAt ?? 'a run by hand'} still waits`);
      if (trigger === 'manual' || trigger === 'retry' || (dueAt === undefined && from === undefined))
        continue;
      for (let at = from ?? dueAt!; at <= (to ?? dueAt!); at += everyMs)
        times.set(at, [...(times.get(at) ?? []), `${status}${reason ? `:${reason}` : ''}`]);
    }
    const start = Math.max(anchorMs, anchorMs + Math.ceil((seen + 1 - anchorMs) / everyMs) * everyMs);
    for (let at = start; at <= asOf; at += everyMs) {
      const found = times.get(at) ?? [];
      if (found.length !== 1)
        findings.push(
          `${id}: ${new Date(at).toISOString()} stands in ${found.length} records: ${found.join(', ')}`,
        );
    }
    for (const at of times.keys())
      if ((at - anchorMs) % everyMs !== 0) findings.push(`${id}: ${at} is no instant of it`);
  }
  const commands = lines(path.join(place.audit, 'commands')).map(line => line.split(' '));
  report.started =
    commands.filter(([kind]) => kind === 'S').length + place.lives().filter(([kind]) => kind === 'S').length;
  for (const [kind, runId, id] of [...place.lives(), ...commands])
    if (kind === 'S' && stillLives(id!)) findings.push(`run ${runId} still lives`);
  for (const [kind, runId] of commands)
    if (kind === 'OVERLAP') findings.push(`two commands of one job at once (${runId})`);
}
