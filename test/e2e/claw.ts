/** The built `claw` in a home of its own: real processes, real files. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const BIN = path.resolve(import.meta.dirname, '../../bin/claw.js');
export const AGENTS = path.resolve(import.meta.dirname, '../fixtures/agents');

export interface Outcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** stdout as one JSON document; throws when it is none */
  json(): any;
  /** stdout as NDJSON */
  lines(): any[];
}

export interface RunOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
}

/** A `$CLAW_HOME` in a temporary folder, removed by `cleanUp`. */
export class Home {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-test-'));
  readonly dir = path.join(this.folder, 'claw');

  /** @param config written as claw.json; absent: no config file */
  constructor(config?: object) {
    fs.mkdirSync(this.dir, { mode: 0o700 });
    if (config) this.config(config);
  }

  config(config: object): void {
    fs.writeFileSync(path.join(this.dir, 'claw.json'), JSON.stringify(config), { mode: 0o600 });
  }

  env(extra: Record<string, string> = {}): Record<string, string> {
    return { PATH: process.env.PATH ?? '', HOME: this.folder, CLAW_HOME: this.dir, TZ: 'UTC', ...extra };
  }

  run(args: string[], options: RunOptions = {}): Outcome {
    const run = spawnSync(process.execPath, [BIN, ...args], {
      input: options.input ?? '',
      env: this.env(options.env),
      maxBuffer: 64 * 1024 * 1024,
    });
    return outcome(run.status, run.signal, run.stdout.toString('utf8'), run.stderr.toString('utf8'));
  }

  /** Starts claw and leaves it running; `done` resolves when it ends. */
  start(args: string[], options: RunOptions = {}): { child: ChildProcess; done: Promise<Outcome> } {
    const child = spawn(process.execPath, [BIN, ...args], {
      env: this.env(options.env),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', chunk => out.push(chunk));
    child.stderr.on('data', chunk => err.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const done = new Promise<Outcome>(resolve => {
      child.on('close', (status, signal) =>
        resolve(
          outcome(status, signal, Buffer.concat(out).toString('utf8'), Buffer.concat(err).toString('utf8')),
        ),
      );
    });
    return { child, done };
  }

  /** Every transcript line of an agent, by file name; a line that does not parse is given as a string. */
  transcripts(agent = 'main'): Map<string, any[]> {
    const folder = path.join(this.dir, 'agents', agent, 'sessions');
    const found = new Map<string, any[]>();
    for (const name of list(folder).filter(each => each.endsWith('.jsonl'))) {
      const lines = fs.readFileSync(path.join(folder, name), 'utf8').split('\n');
      found.set(
        name,
        lines.slice(0, -1).map(line => parse(line)),
      );
    }
    return found;
  }

  /** User entries over all transcripts of an agent. */
  users(agent = 'main'): any[] {
    return [...this.transcripts(agent).values()].flat().filter(entry => entry.message?.role === 'user');
  }

  replies(agent = 'main'): any[] {
    return [...this.transcripts(agent).values()].flat().filter(entry => entry.message?.role === 'assistant');
  }

  path(...parts: string[]): string {
    return path.join(this.dir, ...parts);
  }

  cleanUp(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

export function list(folder: string): string[] {
  return fs.existsSync(folder) ? fs.readdirSync(folder) : [];
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

function outcome(
  status: number | null,
  signal: NodeJS.Signals | null,
  stdout: string,
  stderr: string,
): Outcome {
  return {
    status,
    signal,
    stdout,
    stderr,
    json: () => JSON.parse(stdout),
    lines: () =>
      stdout
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line)),
  };
}

/** A config whose default agent runs one program of `test/fixtures/agents`, or any command. */
export function withRunner(runner: object, rest: object = {}): object {
  return {
    agents: { defaults: { runner: 'agent' } },
    runners: { agent: { context: 'none', ...runner } },
    ...rest,
  };
}
