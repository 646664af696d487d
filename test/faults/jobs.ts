/** Jobs: the tick that runs one is struck, the next tick comes, and then the account of the job must be right. */
import fs from 'node:fs';
import path from 'node:path';
import { finishedRuns, type ListedRun } from '../../src/core/schedule/run-listing.ts';
import type { RunLine } from '../../src/core/schedule/run-record.ts';
import { check } from './check.ts';
import {
  type Ended,
  lines,
  type Mode,
  names,
  Place,
  type Program,
  parse,
  pooled,
  stillLives,
} from './lab.ts';
import { type Report, type StrikeOptions, strikable, tick } from './points.ts';
import { config, message, succeed } from './scenarios.ts';
import { type Point, pointsOf, trace, wasStruck } from './strace.ts';

const MINUTE = 60_000;
const VICTIM = ['tick', '--json'];
export const COMMAND = path.join(import.meta.dirname, 'command.sh');

export interface JobScenario {
  name: string;
  /** the definition beside id and instant */
  job: object;
  /** how often what it says may be started in all */
  starts: number;
  /** statuses it may end with */
  statuses: string[];
  /** what is sent when it ends well */
  sent: RegExp;
}

const TO = { deliver: true, channel: 't', to: '1' };

export const agentTurn: JobScenario = {
  name: 'an isolated turn whose answer is delivered',
  job: { message: 'the news', ...TO },
  starts: 2,
  statuses: ['ok'],
  sent: /^answer to \[cron:j .*\] the news$/,
};

export const mainEvent: JobScenario = {
  name: 'an event that the main session is woken for',
  job: { text: 'time for tea', wakeMode: 'now' },
  starts: 2,
  statuses: ['ok'],
  sent: /^answer to .*time for tea/,
};

export const command: JobScenario = {
  name: 'a command whose output is delivered',
  job: { command: [COMMAND], ...TO },
  starts: 1,
  statuses: ['ok', 'interrupted'],
  sent: /^the command has run$/,
};

export const JOB_SCENARIOS = [agentTurn, mainEvent, command];

/** Agents as in the other tests, no heartbeats, and a channel that notes what it is given to send. */
export function jobConfig(rest: object = {}, runner: object = {}): object {
  const script = 'echo "$CLAW_DELIVERY_ID $(cat)" >> "$HOME/audit/sent"';
  return config(
    {
      channels: { t: { allowFrom: ['*'], send: { command: 'sh', args: ['-c', script] } } },
      agents: { defaults: { runner: 'agent', heartbeat: { every: '0m' } } },
      ...rest,
    },
    runner,
  );
}

/** Writes `cron/jobs.json` as if ten minutes ago. */
export function putJobs(place: Place, jobs: object[]): void {
  const file = place.path('cron/jobs.json');
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  fs.writeFileSync(file, JSON.stringify({ version: 1, jobs }), { mode: 0o600 });
  const then = new Date(Date.now() - 10 * MINUTE);
  fs.utimesSync(file, then, then);
}

async function stageJob(program: Program, { job }: JobScenario): Promise<{ template: Place; dueAt: number }> {
  const template = Place.create(program, jobConfig());
  await succeed(template, message('m0', 'first').args);
  const dueAt = Date.now() - MINUTE;
  putJobs(template, [{ id: 'j', at: new Date(dueAt).toISOString(), ...job }]);
  return { template, dueAt };
}

/** Strikes the tick at every file operation that a mode can strike. */
export async function strikeJob(
  program: Program,
  scenario: JobScenario,
  mode: Mode,
  options: StrikeOptions = {},
): Promise<Report> {
  const { template, dueAt } = await stageJob(program, scenario);
  try {
    const trial = template.copy();
    const clean = await trial.run(VICTIM, { mode: 'count', at: 0 });
    if (clean.status !== 0) throw new Error(`${scenario.name} fails without a fault: ${clean.stderr}`);
    const operations = trial.operations();
    trial.remove();
    const only = process.env.CLAW_FAULTS_AT;
    const points = strikable(operations, mode).filter((n, index) =>
      only ? n === Number(only) : index % (options.every ?? 1) === 0,
    );
    const findings = await pooled(points, async at => {
      const place = template.copy();
      try {
        const run = await place.run(VICTIM, { mode, at, ...(options.part ? { part: options.part } : {}) });
        const problems = await recoverJob(place, scenario, dueAt, run);
        const { name, what } = place.operations().find(({ n }) => n === at) ?? operations[at - 1]!;
        return finding(place, `${mode} at ${at}, ${name} ${what}`, problems);
      } finally {
        place.remove();
      }
    });
    return { points: points.length, acknowledged: points.length, findings: findings.flat() };
  } finally {
    template.remove();
  }
}

/** The same at system calls. */
export async function strikeJobCalls(
  program: Program,
  scenario: JobScenario,
  options: { every?: number } = {},
): Promise<Report> {
  const { template, dueAt } = await stageJob(program, scenario);
  try {
    const only = process.env.CLAW_FAULTS_AT;
    const victim = { name: scenario.name, victim: VICTIM };
    // An agent or command that is killed itself has failed, which is another matter.
    const points = (await pointsOf(template, victim, [])).filter((point: Point, index: number) =>
      only ? only === `${point.call}:${point.n}` : index % (options.every ?? 1) === 0,
    );
    const reports = await pooled(points, async ({ call, n, file }) => {
      const place = template.copy();
      try {
        const strike = ['-e', `inject=${call}:signal=KILL:when=${n}`, ...(file ? ['-P', file] : [])];
        const { done, log } = trace(place, VICTIM, [call], strike);
        const run = await done;
        const struck = wasStruck(log);
        const problems = await recoverJob(place, scenario, dueAt, run);
        return { struck, findings: finding(place, `at ${call}:${n}`, problems) };
      } finally {
        place.remove();
      }
    });
    const findings = reports.flatMap(report => report.findings);
    const missed = reports.filter(({ struck }) => !struck).length;
    if (missed * 4 > points.length)
      findings.push(`only ${points.length - missed} of ${points.length} were struck`);
    return { points: points.length, acknowledged: points.length, findings };
  } finally {
    template.remove();
  }
}

function finding(place: Place, where: string, problems: string[]): string[] {
  const kept = process.env.CLAW_FAULTS_KEEP ? ` (${place.folder})` : '';
  return problems.length > 0 ? [`${where}${kept}: ${problems.join('; ')}`] : [];
}

/** A tick, and one more that must find nothing; then everything that does not hold. */
async function recoverJob(
  place: Place,
  scenario: JobScenario,
  dueAt: number,
  victim: Ended,
): Promise<string[]> {
  const problems: string[] = [];
  if (victim.hung) problems.push('it hung');
  if (victim.signal === null && victim.status !== 0)
    problems.push(`the victim ended with ${victim.status}: ${victim.stderr.slice(0, 300)}`);
  await tick(place, problems);
  problems.push(...checkJob(place, scenario, dueAt).map(problem => `after the tick: ${problem}`));
  const before = sentBy(place).length;
  await tick(place, problems);
  if (sentBy(place).length !== before) problems.push('a second tick sent it once more');
  problems.push(
    ...checkJob(place, scenario, dueAt)
      .filter(problem => !problems.includes(`after the tick: ${problem}`))
      .map(problem => `after two ticks: ${problem}`),
  );
  return problems;
}

/** What a job's file of runs comes to, and lines of it that are none. */
export function runsOf(place: Place, id: string): { runs: ListedRun[]; all: RunLine[]; bad: string[] } {
  const texts = lines(place.path('cron/runs', `${id}.jsonl`));
  const values = texts.map(text => parse(text) as RunLine | undefined);
  return {
    all: values.filter(value => value !== undefined),
    runs: finishedRuns(
      values.filter(value => value !== undefined),
      [],
      id,
    ),
    bad: texts.filter((_, index) => values[index] === undefined),
  };
}

function sentBy(place: Place): { key: string; text: string }[] {
  return lines(path.join(place.audit, 'sent')).map(line => {
    const space = line.indexOf(' ');
    return { key: line.slice(0, space), text: line.slice(space + 1) };
  });
}

function checkJob(place: Place, scenario: JobScenario, dueAt: number): string[] {
  const problems = check(place, { sent: [{ id: 'm0', due: true }] });
  const { runs } = runsOf(place, 'j');
  const [run] = runs;
  if (runs.length !== 1 || run?.dueAt !== dueAt)
    problems.push(
      `its instant stands in ${runs.length} records: ${runs.map(each => each.status).join(', ')}`,
    );
  else if (!scenario.statuses.includes(run.status))
    problems.push(`it ended ${run.status} ${run.reason ?? ''} ${JSON.stringify(run.error ?? '')}`);
  const left = names(place.path('claims'));
  if (left.length > 0) problems.push(`left in claims: ${left.join(', ')}`);
  const commands = lines(path.join(place.audit, 'commands')).map(line => line.split(' '));
  const started =
    scenario === command
      ? commands.filter(([kind]) => kind === 'S')
      : place.lives().filter(([kind, runId]) => kind === 'S' && runId !== firstRun(place));
  if (started.length > scenario.starts) problems.push(`it was started ${started.length} times`);
  for (const [, runId, id] of [...place.lives(), ...commands].filter(([kind]) => kind === 'S'))
    if (stillLives(id!)) problems.push(`run ${runId} still lives (${id})`);
  // Somebody is told, once, that a command was cut off and is not begun again.
  const all = sentBy(place);
  const alerts = all.filter(({ key }) => key.startsWith('alert-'));
  const sent = all.filter(({ key }) => !key.startsWith('alert-'));
  if (new Set(alerts.map(({ key }) => key)).size > 1 || (run?.status === 'ok' && alerts.length > 0))
    problems.push(`alerts: ${JSON.stringify(alerts)}`);
  if (run?.status === 'ok' && sent.length === 0) problems.push('nothing was sent');
  if (sent.length > 2) problems.push(`it was sent ${sent.length} times`);
  if (new Set(sent.map(({ key }) => key)).size > 1) problems.push('it was sent with different keys');
  for (const { text } of sent) if (!scenario.sent.test(text)) problems.push(`sent: ${text}`);
  const events = names(place.path('events/main')).filter(name => !name.startsWith('.'));
  // What the main session hears of it waits for its next turn; of a command it hears nothing.
  const expected = scenario === agentTurn ? 1 : 0;
  if (events.length !== expected) problems.push(`${events.length} events wait`);
  return problems;
}

/** The run that answered the message before. */
function firstRun(place: Place): string | undefined {
  return place.lives()[0]?.[1];
}
