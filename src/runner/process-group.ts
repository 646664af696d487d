/**
 * Ending everything that belongs to a run: its process group, and on Linux whoever left the group but still carries the
 * run's id in its environment.
 */
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const STEP_MS = 25;

/**
 * Ends everything that belongs to a run: SIGTERM, and after the grace SIGKILL to whoever is left. Resolves when nobody
 * is left, or when SIGKILL has been sent for two seconds in vain (a process inside a stuck system call).
 *
 * @param group the process group, which is the pid of the program claw started; null: only those with the run's id
 * @param runId null: only the group
 * @param graceMs 0: SIGKILL at once
 */
export async function endRun(group: number | null, runId: string | null, graceMs: number): Promise<void> {
  const members = () => membersOf(group, runId);
  if (graceMs > 0) {
    for (const member of members()) send(member, 'SIGTERM');
    if (await noneWithin(members, graceMs, () => {})) return;
  } else if (members().length === 0) return;
  await noneWithin(members, 2000, member => send(member, 'SIGKILL'));
}

/**
 * Ends a program and nothing that it started: SIGTERM, and after the grace SIGKILL. Resolves when it has ended, or when
 * SIGKILL has been sent for two seconds in vain.
 *
 * @param graceMs 0: SIGKILL at once
 */
export async function endProgram(child: ChildProcess, graceMs: number): Promise<void> {
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  for (const [signal, ms] of [
    ['SIGTERM', graceMs],
    ['SIGKILL', 2000],
  ] as const) {
    if (ms > 0 && !hasEnded()) child.kill(signal);
    for (let waited = 0; waited < ms && !hasEnded(); waited += STEP_MS) await delay(STEP_MS);
  }
}

/**
 * Looks every 25 ms until nobody is left, telling `each` of those that are. Only twice nobody counts: a process in the
 * middle of exec has no environment for a moment.
 */
async function noneWithin(
  members: () => number[],
  ms: number,
  each: (member: number) => void,
): Promise<boolean> {
  let none = 0;
  for (let waited = 0; waited <= ms; waited += STEP_MS) {
    const left = members();
    left.forEach(each);
    none = left.length === 0 ? none + 1 : 0;
    if (none === 2) return true;
    await delay(STEP_MS);
  }
  return false;
}

/**
 * The living processes of a run as targets for `kill`: the group as a whole (negative), then those that left it with
 * `setsid` but still carry the run id in their environment. Without /proc only the group can be asked.
 */
function membersOf(group: number | null, runId: string | null): number[] {
  if (process.platform !== 'linux') return group !== null && canSignal(-group) ? [-group] : [];
  // CLAW_RUN_ID of an agent, CLAW_JOB_RUN_ID of a command that a job runs.
  const mark = runId === null ? null : Buffer.from(`_RUN_ID=${runId}\0`);
  const targets = new Set<number>();
  for (const name of fs.readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const stat = readProc(`/proc/${name}/stat`).toString('latin1');
    // Behind the command name, which may hold anything: state, parent, group.
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (stat === '' || state === 'Z' || state === 'X') continue;
    if (group !== null && Number(pgrp) === group) targets.add(-group);
    else if (mark !== null && readProc(`/proc/${name}/environ`).includes(mark)) targets.add(pid);
  }
  return [...targets];
}

/** Empty when the process is gone or belongs to somebody else: then it is not ours to end either. */
function readProc(file: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return Buffer.alloc(0);
    throw error;
  }
}

function canSignal(target: number): boolean {
  try {
    process.kill(target, 0);
    return true;
  } catch {
    return false;
  }
}

/** ESRCH: it went by itself. EPERM: it changed its user; nothing claw may do about that. */
function send(target: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
