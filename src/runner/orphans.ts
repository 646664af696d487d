/**
 * Agents that outlived the process that started them. A killed claw leaves its agent running; whoever takes the
 * session over ends that agent before it does anything else, so that one session never has two.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import { listNames } from '../store/json-file.ts';
import type { Lock } from '../store/lock.ts';

const REGISTRATION = /^c-(\d+)-(.+)$/;

/** Ends every agent registered in a taken-over lock (its whole process group), waits until it is gone, and forgets it. */
export async function stopOrphans(context: Context, lock: Lock): Promise<void> {
  for (const name of listNames(lock.folder)) {
    const match = REGISTRATION.exec(name);
    if (!match) continue;
    await stopGroup(context, Number(match[1]), startTime => startTime === match[2]);
    fs.rmSync(path.join(lock.folder, name), { force: true });
  }
}

/**
 * Ends what carries a run's id in its environment but left the agent's process group (a grandchild that called
 * setsid). Linux only: elsewhere other processes' environments cannot be read.
 */
export async function stopRun(context: Context, runId: string): Promise<void> {
  for (const pid of processesOfRun(runId)) {
    const startTime = context.startTimeOf(pid);
    if (startTime !== null) await stopGroup(context, pid, current => current === startTime);
  }
}

/** Pids whose environment has `CLAW_RUN_ID=<runId>`; this process is never among them. */
export function processesOfRun(runId: string): number[] {
  const needle = `\0CLAW_RUN_ID=${runId}\0`;
  return listNames('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(name => {
      try {
        return `\0${fs.readFileSync(`/proc/${name}/environ`, 'latin1')}\0`.includes(needle);
      } catch {
        // Gone, or another user's: not ours to end.
        return false;
      }
    })
    .map(Number);
}

async function stopGroup(
  context: Context,
  pid: number,
  isSame: (startTime: string) => boolean,
): Promise<void> {
  for (;;) {
    const startTime = context.startTimeOf(pid);
    if (startTime === null || !isSame(startTime)) return;
    if (!kill(-pid)) kill(pid);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

function kill(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
