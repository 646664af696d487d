/** A lease folder, a workspace and the rest of a start, in a temporary folder; and a look at the process table. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecRequest } from '../../src/runner/exec.ts';

const AGENTS = fileURLToPath(new URL('../fixtures/agents/', import.meta.url));

/** The path of a fixture program. */
export function agent(name: string): string {
  return path.join(AGENTS, name);
}

export interface Setting {
  folder: string;
  lease: string;
  workspace: string;
  remove(): void;
}

export function newSetting(): Setting {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-exec-'));
  const lease = path.join(folder, 'lease');
  const workspace = path.join(folder, 'workspace');
  fs.mkdirSync(lease);
  fs.mkdirSync(workspace);
  return { folder, lease, workspace, remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
}

/** A start of a fixture with short limits; every run has an id of its own. */
export function start(setting: Setting, command: string, part: Partial<ExecRequest> = {}): ExecRequest {
  const runId = randomUUID();
  return {
    command: agent(command),
    args: [],
    env: { PATH: process.env.PATH ?? '', CLAW_RUN_ID: runId },
    cwd: setting.workspace,
    stdin: '',
    runId,
    leaseFolder: setting.lease,
    timeoutMs: 60_000,
    idleTimeoutMs: 0,
    killGraceMs: 5000,
    maxOutputBytes: 16 * 1024 * 1024,
    now: () => performance.now(),
    ...part,
  };
}

/** Whether a process exists and is no zombie. */
export function lives(pid: number): boolean {
  try {
    const state = execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
    return !state.startsWith('Z');
  } catch {
    return false;
  }
}

/** Pids of the living members of a process group. */
export function groupMembers(group: number): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,pgid=,stat='], { encoding: 'utf8' });
  return table
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(([, pgid, state]) => Number(pgid) === group && !state!.startsWith('Z'))
    .map(([pid]) => Number(pid));
}
