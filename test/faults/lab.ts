/** Real processes of the built claw in homes of their own, with a fault in one of them. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const REPOSITORY = path.resolve(import.meta.dirname, '../..');
export const HOOK = path.join(import.meta.dirname, 'hook.cjs');
export const AGENT = path.join(import.meta.dirname, 'agent.sh');

/** A process that takes longer hangs: none here has more to do than a second's work. */
const HUNG_AFTER_MS = 30_000;

export type Mode =
  | 'count'
  | 'kill'
  | 'short'
  | 'split'
  | 'EIO'
  | 'EIO-ever'
  | 'ENOSPC'
  | 'ENOSPC-ever'
  | 'read-EIO'
  | 'record';

export interface Fault {
  mode: Mode;
  /** number of the operation, from 1 */
  at: number;
  /** how much of a write gets through (`short`, `split`); default 0.5 */
  part?: number;
}

/** An operation as hook.cjs logs it. */
export interface Operation {
  n: number;
  name: string;
  kind: string;
  what: string;
}

/** A copy of the built program: somebody may build in the middle of a run. */
export class Program {
  private constructor(
    readonly folder: string,
    readonly bin: string,
  ) {}

  static async snapshot(): Promise<Program> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-faults-bin-'));
    const program = new Program(folder, path.join(folder, 'bin/claw.js'));
    for (let attempt = 1; ; attempt++) {
      try {
        for (const part of ['bin', 'dist']) {
          fs.rmSync(path.join(folder, part), { recursive: true, force: true });
          fs.cpSync(path.join(REPOSITORY, part), path.join(folder, part), { recursive: true });
        }
        const run = await launch([program.bin, '--version'], { PATH: process.env.PATH ?? '' }).done;
        if (run.status === 0 && fs.existsSync(path.join(folder, 'dist/claw.js.cache'))) return program;
        throw new Error(`the built claw does not run: ${run.stderr}`);
      } catch (error) {
        // A build is under way: it removes dist/ first and writes the code cache last.
        if (attempt === 20) throw error;
        await new Promise(resolve => setTimeout(resolve, 1000));
      }
    }
  }

  /**
   * A broken sister of this program.
   *
   * @param edits pieces of claw's packs in dist/ and what stands there instead; each must occur, so that a mutant that the
   *   program has outgrown is noticed
   */
  mutant(edits: [from: RegExp, to: string][]): Program {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-faults-mutant-'));
    for (const part of ['bin', 'dist'])
      fs.cpSync(path.join(this.folder, part), path.join(folder, part), { recursive: true });
    const packs = ['claw', 'turn', 'tick', 'look', 'far'].map(pack => path.join(folder, `dist/${pack}.js`));
    for (const [from, to] of edits) {
      const file = packs.find(pack => from.test(fs.readFileSync(pack, 'latin1')));
      if (file === undefined) throw new Error(`the program no longer holds ${from}`);
      fs.writeFileSync(file, fs.readFileSync(file, 'latin1').replace(from, to), 'latin1');
      // V8 knows a source by its length alone.
      fs.rmSync(`${file}.cache`, { force: true });
    }
    return new Program(folder, path.join(folder, 'bin/claw.js'));
  }

  remove(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  hung: boolean;
}

export interface Running {
  child: ChildProcess;
  ended(): boolean;
  done: Promise<Ended>;
}

/** Starts node (or, with `command`, another program) and collects what it prints. */
export function launch(args: string[], env: Record<string, string>, command = process.execPath): Running {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let ended = false;
  let hung = false;
  child.stdout.on('data', chunk => out.push(chunk));
  child.stderr.on('data', chunk => err.push(chunk));
  const timer = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, HUNG_AFTER_MS);
  const done = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, signal) => {
      ended = true;
      clearTimeout(timer);
      // An orphaned agent may hold the pipes open for long; what the process itself wrote is here by then.
      setImmediate(() => {
        for (const stream of [child.stdout, child.stderr]) {
          for (let rest = stream.read(); rest; rest = stream.read())
            (stream === child.stdout ? out : err).push(rest);
        }
        const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString('utf8');
        const finish = () => {
          child.stdout.destroy();
          child.stderr.destroy();
          resolve({ status, signal, stdout: text(out), stderr: text(err), hung });
        };
        const both = Promise.all([child.stdout, child.stderr].map(drained));
        void Promise.race([both, new Promise(later => setTimeout(later, 500).unref())]).then(finish);
      });
    });
  });
  return { child, ended: () => ended, done };
}

function drained(
  stream: NodeJS.ReadableStream & { readableEnded: boolean; destroyed?: boolean },
): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return Promise.resolve();
  return new Promise(resolve => stream.once('close', () => resolve()));
}

/** One `$CLAW_HOME` below a folder of its own: `claw/` the home, `audit/` the agents' log, `ops` the hook's. */
export class Place {
  readonly home: string;
  readonly audit: string;
  readonly operationLog: string;

  constructor(
    readonly program: Program,
    readonly folder: string,
  ) {
    this.home = path.join(folder, 'claw');
    this.audit = path.join(folder, 'audit');
    this.operationLog = path.join(folder, 'ops');
  }

  static create(program: Program, config: object | null): Place {
    const place = new Place(program, fs.mkdtempSync(path.join(os.tmpdir(), 'claw-faults-')));
    fs.mkdirSync(place.home, { mode: 0o700 });
    fs.mkdirSync(place.audit);
    if (config) fs.writeFileSync(path.join(place.home, 'claw.json'), JSON.stringify(config), { mode: 0o600 });
    return place;
  }

  /** The same files in another place. */
  copy(program = this.program): Place {
    const place = new Place(program, fs.mkdtempSync(path.join(os.tmpdir(), 'claw-faults-')));
    for (const part of ['claw', 'audit']) {
      const from = path.join(this.folder, part);
      if (fs.existsSync(from))
        fs.cpSync(from, path.join(place.folder, part), { recursive: true, preserveTimestamps: true });
    }
    return place;
  }

  env(extra: Record<string, string> = {}): Record<string, string> {
    return { PATH: process.env.PATH ?? '', HOME: this.folder, CLAW_HOME: this.home, TZ: 'UTC', ...extra };
  }

  start(args: string[], fault?: Fault): Running {
    const { bin } = this.program;
    if (!fault) return launch([bin, ...args], this.env());
    const order = JSON.stringify({ root: this.home, ...fault, log: this.operationLog });
    return launch(['-r', HOOK, bin, ...args], this.env({ CLAW_FAULT: order }));
  }

  run(args: string[], fault?: Fault): Promise<Ended> {
    return this.start(args, fault).done;
  }

  /** What the hooked process did, in order. */
  operations(): Operation[] {
    return lines(this.operationLog).map(line => JSON.parse(line) as Operation);
  }

  /** The agents' log: see agent.sh. */
  lives(): string[][] {
    return lines(path.join(this.audit, 'log')).map(line => line.split(' '));
  }

  hold(name = 'hold'): void {
    fs.writeFileSync(path.join(this.audit, name), '');
  }

  letGo(name = 'hold'): void {
    fs.rmSync(path.join(this.audit, name), { force: true });
  }

  path(...parts: string[]): string {
    return path.join(this.home, ...parts);
  }

  /** Ends agents that still live here, and removes everything, unless CLAW_FAULTS_KEEP is set. */
  remove(): void {
    for (const [kind, , id] of this.lives()) if (/^[SAM]$/.test(kind!)) endAgent(id!);
    if (!process.env.CLAW_FAULTS_KEEP) fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** SIGKILL to the group of an agent, if it is still that process. */
function endAgent(id: string): void {
  const [pid, start] = id.split('-');
  if (startTime(Number(pid)) !== start) return;
  try {
    process.kill(-Number(pid), 'SIGKILL');
  } catch {
    // It went by itself meanwhile.
  }
}

/** Whether a program of the audit log (`<pid>-<start time>`) still lives. */
export function stillLives(id: string): boolean {
  const [pid, start] = id.split('-');
  return startTime(Number(pid)) === start;
}

function startTime(pid: number): string | null {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

export function lines(file: string): string[] {
  if (!fs.existsSync(file)) return [];
  return fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
}

/** Waits until something can be seen, looking often; the limit only bounds a failure. */
export async function until(what: string, seen: () => boolean, limitMs = 15_000): Promise<void> {
  for (const end = Date.now() + limitMs; !seen(); ) {
    if (Date.now() > end) throw new Error(`in vain waited for: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

/** Runs the jobs, a few at a time. */
export async function pooled<T, R>(
  items: readonly T[],
  job: (item: T) => Promise<R>,
  atOnce = 3,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await job(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}

/** Names in a folder, sorted; none where it is not there. */
export function names(folder: string): string[] {
  try {
    return fs.readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** What a text says as JSON; undefined where it is none. */
export function parse(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
