/** SIGKILL at the entry of a system call, of every one that changes something: nothing that Node does hides from it. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { transcriptTexts } from './check.ts';
import { AGENT, type Ended, type Fault, launch, lines, type Place, type Program, pooled } from './lab.ts';
import { judgeVictim, type Order, type Report, recover } from './points.ts';
import { type Scenario, stage } from './scenarios.ts';

/** System calls that change files or start processes. Those of other machines stand beside those of this one. */
const CALLS = [
  ...['rename', 'renameat', 'renameat2', 'link', 'linkat', 'unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir'],
  ...['fsync', 'fdatasync', 'ftruncate', 'write', 'writev', 'pwrite64', 'openat'],
  ...['clone', 'clone3', 'vfork', 'execve'],
];

export interface Point {
  call: string;
  n: number;
  /** only calls that name this file are counted */
  file?: string;
}

/** Why there is nothing to be done here, or null. */
export function whyNoStrace(): string | null {
  const order = [
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    'trace=write',
    '-e',
    'inject=write:signal=KILL:when=1',
  ];
  const trial = spawnSync('strace', [...order, 'echo', 'it was not killed'], { encoding: 'utf8' });
  if (trial.error) return `strace cannot be started: ${trial.error.message}`;
  if (trial.signal === 'SIGKILL') return null;
  return `strace cannot inject here: ${trial.stderr.trim() || `exit ${trial.status}`}`;
}

export function trace(
  place: Place,
  args: string[],
  calls: string[],
  options: string[],
): { done: Promise<Ended>; log: string } {
  const log = path.join(place.folder, 'strace');
  const order = [
    '-f',
    '-qq',
    '-o',
    log,
    '-e',
    `trace=${calls.map(call => `?${call}`).join(',')}`,
    ...options,
  ];
  const run = launch([...order, process.execPath, place.program.bin, ...args], place.env(), 'strace');
  return { done: run.done, log };
}

/** The points of a clean run: strace counts each call for each thread, and claw works in its first one. */
export async function pointsOf(
  template: Place,
  scenario: Pick<Scenario, 'name' | 'victim'>,
  started = ['/bin/sh', AGENT],
): Promise<Point[]> {
  const place = template.copy();
  try {
    const { done, log } = trace(place, scenario.victim, CALLS, []);
    const run = await done;
    if (run.status !== 0) throw new Error(`${scenario.name} fails under strace: ${run.stderr}`);
    const [first] = lines(log)[0]!.split(' ');
    const count = new Map<string, number>();
    const points: Point[] = [];
    for (const line of lines(log)) {
      const match = /^(\d+) +(\w+)\(/.exec(line);
      if (match?.[1] !== first) continue;
      const call = match![2]!;
      const n = (count.get(call) ?? 0) + 1;
      count.set(call, n);
      if (call === 'execve' || (call === 'openat' && !line.includes('O_CREAT'))) continue;
      points.push({ call, n });
    }
    // The start of the shell that is to become the agent, and that moment itself.
    for (const file of started) points.push({ call: 'execve', n: 1, file });
    return points;
  } finally {
    place.remove();
  }
}

/** Whether the process was killed at the point. */
export function wasStruck(log: string): boolean {
  return lines(log).some(line => line.includes('killed by SIGKILL'));
}

/** As `strikeEverywhere`, by system calls. */
export async function strikeSystemCalls(
  program: Program,
  scenario: Scenario,
  options: { every?: number; order?: Order } = {},
): Promise<Report> {
  const template = await stage(program, scenario);
  try {
    const only = process.env.CLAW_FAULTS_AT;
    const points = (await pointsOf(template, scenario)).filter((point, index) =>
      only ? only === `${point.call}:${point.n}` : index % (options.every ?? 1) === 0,
    );
    const before = transcriptTexts(template.home);
    const reports = await pooled(
      points,
      async ({ call, n, file }) => {
        const place = template.copy();
        try {
          const { done, log } = trace(
            place,
            scenario.victim,
            [call],
            ['-e', `inject=${call}:signal=KILL:when=${n}`, ...(file ? ['-P', file] : [])],
          );
          const run = await done;
          const fault: Fault = { mode: 'kill', at: n };
          const said = judgeVictim(run, scenario, fault);
          const problems = [
            ...said.problems,
            ...(await recover(place, scenario, {
              ...said,
              order: options.order ?? 'tick-first',
              before,
              fault,
            })),
          ];
          const last = lines(log).findLast(line => line.includes(`${call}(`)) ?? '';
          const kept = process.env.CLAW_FAULTS_KEEP ? ` (${place.folder})` : '';
          return {
            acknowledged: said.acknowledged,
            struck: wasStruck(log),
            finding: problems.length
              ? `at ${call}:${n}, ${last.slice(0, 200)}${kept}: ${problems.join('; ')}`
              : null,
          };
        } finally {
          place.remove();
        }
      },
      scenario.alone ? 1 : 3,
    );
    const findings = reports.flatMap(report => (report.finding === null ? [] : [report.finding]));
    // How often Node wakes its threads differs a little; most of the points must be met all the same.
    const missed = reports.filter(report => !report.struck).length;
    if (missed * 4 > points.length)
      findings.push(`only ${points.length - missed} of ${points.length} were struck`);
    return {
      points: points.length,
      acknowledged: reports.filter(report => report.acknowledged).length,
      findings,
    };
  } finally {
    template.remove();
  }
}
