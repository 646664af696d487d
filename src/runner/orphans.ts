/**
 * Agents that outlived the process that started them. A killed claw leaves its agent running; whoever takes the
 * session over ends that agent before it does anything else, so that one session never has two.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import { parseToken } from '../core/lease.ts';
import { listNames } from '../store/json-file.ts';
import type { Lock } from '../store/lock.ts';
import { endRun } from './process-group.ts';

const REGISTRATION = /^c-(\d+)-(.+)$/;

/** Ends every agent registered in a taken-over lock, its whole process group, waits until it is gone, and forgets it. */
export async function stopOrphans(context: Context, lock: Lock): Promise<void> {
  // Pids of another boot or pid namespace say nothing about the processes here.
  const owner = lock.takenFrom === null ? null : parseToken(lock.takenFrom);
  const { bootId, pidNamespace } = context.self;
  const sameHost = owner?.bootId === bootId && owner.pidNamespace === pidNamespace;
  for (const name of listNames(lock.folder)) {
    const match = REGISTRATION.exec(name);
    if (!match) continue;
    const pid = Number(match[1]);
    if (sameHost && mayBeGroup(context, pid, match[2]!)) await endRun(pid, null, 0);
    fs.rmSync(path.join(lock.folder, name), { force: true });
  }
}

/**
 * Is the process group of this number still the agent's? The number of a group is not given out again while anybody is
 * in it; so a leader that is gone may have left members, and a leader with another start time proves that none is left.
 */
function mayBeGroup(context: Context, pid: number, registeredStart: string): boolean {
  const startTime = context.startTimeOf(pid);
  return startTime === null || startTime === registeredStart || registeredStart === '0';
}

/** Ends whoever carries a run's id in its environment but left the agent's process group. Linux only. */
export async function stopRun(runId: string): Promise<void> {
  await endRun(null, runId, 0);
}
