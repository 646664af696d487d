/** What several end-to-end tests need beside the harness: agents that can be watched, waiting without sleeping, snapshots. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { AGENTS, type Home, list, withRunner } from './claw.ts';

/** Looks every few ms until the condition holds; fails with its name when it never does. */
export async function until(what: string, condition: () => boolean, ms = 30_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${ms} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** Does this process live? One that has ended but that nobody has waited for (a zombie) does not. */
export function lives(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !['Z', 'X'].includes(stat.slice(stat.lastIndexOf(')') + 2).charAt(0));
  } catch {
    return false;
  }
}

/** Path of a program in `test/fixtures/agents`. */
export function program(name: string): string {
  return path.join(AGENTS, name);
}

/** One start of `gate.sh`. */
export interface NotedRun {
  runId: string;
  pid: number;
  sessionKey: string;
  prompt: string;
}

/** The folder in which `gate.sh` notes its runs; while it is closed they wait. */
export class Gate {
  readonly folder: string;

  constructor(home: Home, name = 'gate') {
    this.folder = path.join(home.folder, name);
    fs.mkdirSync(this.folder);
  }

  /** How a runner starts the agent of this gate. */
  runner(more: object = {}): object {
    return { command: program('gate.sh'), args: [this.folder], context: 'none', timeoutSeconds: 60, ...more };
  }

  close(): void {
    fs.writeFileSync(path.join(this.folder, 'closed'), '');
  }

  open(): void {
    fs.rmSync(path.join(this.folder, 'closed'), { force: true });
  }

  /** Runs so far, in the order of their starts. */
  runs(): NotedRun[] {
    return this.lines('runs').map(line => {
      const [runId = '', pid = '', ...key] = line.split(' ');
      const prompt = fs.readFileSync(path.join(this.folder, `prompt-${pid}`), 'utf8');
      return { runId, pid: Number(pid), sessionKey: key.join(' '), prompt };
    });
  }

  prompts(): string[] {
    return this.runs().map(run => run.prompt);
  }

  /** Runs that began while another one of their session lived. */
  overlaps(): string[] {
    return this.lines('overlaps');
  }

  /** Resolves when so many runs have begun. */
  async begun(count = 1): Promise<void> {
    await until(`${count} runs of the agent`, () => this.lines('runs').length >= count);
  }

  private lines(name: string): string[] {
    const file = path.join(this.folder, name);
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  }
}

/** Config, gate included, for an agent that is watched. */
export function gated(home: Home, rest: object = {}, runner: object = {}): Gate {
  const gate = new Gate(home);
  home.config(withRunner(gate.runner(runner), rest));
  return gate;
}

/** Texts that wait for a session or have failed, as `inbox list` shows them. */
export function inbox(home: Home): { state: string; text: string; sessionKey: string }[] {
  return home.run(['inbox', 'list', '--json']).json().messages;
}

/** Replies that nobody has got yet, as `delivery list` shows them. */
export function undelivered(home: Home): { text: string; messageId: string; sessionKey: string }[] {
  return home.run(['delivery', 'list', '--json']).json().deliveries;
}

/** The record files of an agent, by name. */
export function recordFiles(home: Home, agent = 'main'): string[] {
  const folder = home.path('agents', agent, 'sessions', 'records');
  return list(folder)
    .filter(name => name.endsWith('.json'))
    .sort()
    .map(name => path.join(folder, name));
}

/** The only record of an agent, or the one of this file name. */
export function recordFile(home: Home, name?: string, agent = 'main'): string {
  const files = recordFiles(home, agent);
  const found = name === undefined ? files : files.filter(file => path.basename(file) === `${name}.json`);
  if (found.length !== 1) throw new Error(`expected one record, found ${files.join(', ') || 'none'}`);
  return found[0]!;
}

export function readRecord(file: string): Record<string, unknown> {
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

/** Changes fields of a record file by hand. */
export function editRecord(file: string, fields: Record<string, unknown>): void {
  fs.writeFileSync(file, `${JSON.stringify({ ...readRecord(file), ...fields })}\n`);
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

/** As if the session had begun, and its last message come, this long ago. */
export function ageBy(file: string, ms: number): void {
  const then = Date.now() - ms;
  editRecord(file, { startedAt: then, lastUserAt: then, updatedAt: then });
}

export function transcriptFile(home: Home, sessionId: string, agent = 'main'): string {
  return home.path('agents', agent, 'sessions', `${sessionId}.jsonl`);
}

/** Every file and folder below a folder, with what would show that somebody wrote: mode, mtime, size, hash of the bytes. */
export function snapshot(folder: string, leaveOut: string[] = []): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (inner: string) => {
    const place = path.join(folder, inner);
    const stat = fs.lstatSync(place, { bigint: true });
    const about = [(Number(stat.mode) & 0o777).toString(8), String(stat.mtimeNs)];
    if (!stat.isDirectory())
      about.push(
        String(stat.size),
        createHash('sha256').update(fs.readFileSync(place)).digest('hex').slice(0, 16),
      );
    found[inner || '.'] = about.join(' ');
    if (!stat.isDirectory()) return;
    for (const name of fs.readdirSync(place)) {
      if (!leaveOut.includes(path.join(inner, name))) walk(path.join(inner, name));
    }
  };
  if (fs.existsSync(folder)) walk('');
  return found;
}

/** Files below a folder with size and hash, times aside: what must be the same after a refused write. */
export function contents(folder: string, leaveOut: string[] = []): Record<string, string> {
  const all = Object.entries(snapshot(folder, leaveOut)).map(
    ([name, about]) => [name, about.split(' ')] as const,
  );
  return Object.fromEntries(
    all.filter(([, about]) => about.length > 2).map(([name, about]) => [name, about.slice(2).join(' ')]),
  );
}

/** Mode bits of every file and folder below a folder. */
export function modes(folder: string): { file: string; mode: string; isFolder: boolean }[] {
  return fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(file => {
    const stat = fs.lstatSync(path.join(folder, file));
    return { file, mode: (stat.mode & 0o777).toString(8), isFolder: stat.isDirectory() };
  });
}

/** What tmpfs gives out at a time, bytes. */
export const PAGE = 4096;

/** Writes until not one more byte fits, then gives this many pages back. */
export function fillUp(ballast: string, pages: number): void {
  const fd = fs.openSync(ballast, 'a');
  try {
    for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 2)) {
      for (;;) {
        try {
          if (fs.writeSync(fd, Buffer.alloc(size)) === 0) break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          break;
        }
      }
    }
    fs.ftruncateSync(fd, fs.fstatSync(fd).size - pages * PAGE);
  } finally {
    fs.closeSync(fd);
  }
}
