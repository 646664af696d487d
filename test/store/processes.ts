/** Real processes over the real sources: `worker.ts`, bundled once per test file, started as often as a test likes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';
import type { Actions } from './worker.ts';

type Name = keyof Actions;
type Input<Action extends Name> = Parameters<Actions[Action]>[0];
type Answer<Action extends Name> = Awaited<ReturnType<Actions[Action]>>;

export interface Options {
  /** largest file the process may write, in KiB: the write beyond it comes out short, the next one fails */
  fileLimitKiB?: number;
  /** a user id to run as */
  uid?: number;
  env?: Record<string, string>;
  /** a shell line before the worker; `$0 "$@"` starts it */
  shell?: string;
}

/** A worker that runs beside the test. */
export interface Running<Action extends Name> {
  child: ChildProcess;
  /** resolves when it has said that it stands ready; it goes on at `go` */
  ready: Promise<void>;
  go(): void;
  /** its answer; rejects when it ended without one */
  answer: Promise<Answer<Action>>;
}

/** Bundles the worker before the tests of a file, and removes it (and what still runs) after them. */
export function useWorkers() {
  let folder = '';
  let bundle = '';
  const children = new Set<ChildProcess>();
  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-worker-'));
    // Another user has to be able to start it.
    fs.chmodSync(folder, 0o755);
    bundle = path.join(folder, 'worker.cjs');
    await build({
      entryPoints: [path.join(import.meta.dirname, 'worker.ts')],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20.19',
      logLevel: 'warning',
    });
    fs.chmodSync(bundle, 0o644);
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const commandOf = (action: Name, input: unknown, options: Options): [string, string[]] => {
    const program = [process.execPath, bundle, action, JSON.stringify(input)];
    const lines = [
      // A POSIX shell (bash too, when it is called sh) counts blocks of 512 bytes.
      options.fileLimitKiB === undefined ? '' : `ulimit -f ${options.fileLimitKiB * 2}`,
      options.shell ?? 'exec "$0" "$@"',
    ];
    return ['/bin/sh', ['-c', lines.filter(line => line !== '').join('; '), ...program]];
  };
  const envOf = (options: Options) => ({ PATH: process.env.PATH ?? '', HOME: folder, ...options.env });

  /** Runs one action to its end. */
  function run<Action extends Name>(
    action: Action,
    input: Input<Action>,
    options: Options = {},
  ): Answer<Action> {
    const [command, args] = commandOf(action, input, options);
    const ended = spawnSync(command, args, {
      env: envOf(options),
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    });
    if (ended.status !== 0)
      throw new Error(`${action} ended with ${ended.status ?? ended.signal}: ${ended.stderr}`);
    return JSON.parse(ended.stdout) as Answer<Action>;
  }

  /** Starts one action beside the test. */
  function start<Action extends Name>(
    action: Action,
    input: Input<Action>,
    options: Options = {},
  ): Running<Action> {
    const [command, args] = commandOf(action, input, options);
    const child = spawn(command, args, { env: envOf(options), stdio: ['pipe', 'pipe', 'pipe'] });
    children.add(child);
    child.stdin.on('error', () => undefined);
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8');
    child.stderr.setEncoding('utf8').on('data', text => {
      err += text;
    });
    const ready = new Promise<void>((resolve, reject) => {
      child.stdout.on('data', text => {
        out += text;
        if (out.startsWith('ready\n')) resolve();
      });
      child.on('close', () => reject(new Error(`${action} never got ready: ${err}`)));
    });
    const answer = new Promise<Answer<Action>>((resolve, reject) => {
      child.on('close', (status, signal) => {
        children.delete(child);
        const text = out.replace(/^ready\n/, '');
        if (status === 0 && text !== '') resolve(JSON.parse(text) as Answer<Action>);
        else reject(new Error(`${action} ended with ${status ?? signal}: ${err}`));
      });
    });
    // Whoever waits for one of them sees the failure; the other must not count as unhandled.
    ready.catch(() => undefined);
    answer.catch(() => undefined);
    return { child, ready, go: () => child.stdin.end('go\n'), answer };
  }

  /** Starts several and lets them go at the same moment. */
  async function together<Action extends Name>(
    action: Action,
    inputs: Input<Action>[],
    options: Options = {},
  ): Promise<Answer<Action>[]> {
    const running = inputs.map(input => start(action, input, options));
    await Promise.all(running.map(each => each.ready));
    for (const each of running) each.go();
    return Promise.all(running.map(each => each.answer));
  }

  return { run, start, together };
}

/** May this process mount a file system of its own, out of everybody's sight? Then a full disk can be had. */
export const canMount =
  spawnSync('unshare', ['-m', 'sh', '-c', 'mount -t tmpfs -o size=64k none /mnt'], { stdio: 'ignore' })
    .status === 0;
