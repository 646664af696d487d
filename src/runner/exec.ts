/**
 * Runs one program to whatever end it comes, and reports that end in one shape. It stands on node:child_process: what a
 * run needs (registration in the lease, the whole group, silence, those who hold the pipes) is its own, and a library
 * around that cost every message 9 ms.
 *
 * What has gone wrong elsewhere and decides the form here: children of the agent survived it and ate a core for hours
 * (openclaw #133062, #121049), so the whole process group is ended, and those that left the group; a background
 * process kept the pipe open and the run hung; a killed agent was taken for a successful one.
 */
import { isUtf8 } from 'node:buffer';
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { expandHome } from '../context.ts';
import { registrationPrefix, SHIM_NAME, SHIM_REFUSED, SHIM_SCRIPT } from '../core/runner/shim.ts';
import { type ExecOutcome, NOTHING_HAPPENED } from '../core/runner/verdict.ts';
import { endProgram, endRun } from './process-group.ts';

const STDERR_BYTES = 64 * 1024;
/** Where programs are looked for when the environment names no PATH. */
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/** 24.8 days; a longer timer would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

export interface ExecRequest {
  /** a name on the PATH of `env`, an absolute path, one that begins with `~/`, or one with a slash relative to `cwd` */
  command: string;
  args: readonly string[];
  /** the whole environment; must hold CLAW_RUN_ID=<runId> (or CLAW_JOB_RUN_ID), by which stray descendants are found */
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** written in full, then closed; an open file: it is read; null = stdin is /dev/null */
  stdin: string | { fd: number } | null;
  runId: string;
  /** the lock's token folder; when it vanishes the run is ended */
  leaseFolder: string;
  timeoutMs: number;
  /** longest time without a byte on stdout or stderr; 0 = no limit */
  idleTimeoutMs: number;
  /** between SIGTERM and SIGKILL */
  killGraceMs: number;
  /** end the program alone: what it started lives on (openclaw #102172); default false */
  keepChildren?: boolean;
  /** of stdout */
  maxOutputBytes: number;
  signal?: AbortSignal;
  /** decoded pieces of stdout as they come; a character is never split */
  onText?: (text: string) => void;
  /** epoch ms */
  now(): number;
  /** how long the pipes may stay open after the program has ended; default 2000 */
  pipeGraceMs?: number;
  /** how often the lease folder is looked at; default 1000 */
  leasePollMs?: number;
  /** how often its mtime is renewed; default 30000 */
  heartbeatMs?: number;
}

type Ending = 'timedOut' | 'idleTimedOut' | 'aborted' | 'tooMuchOutput' | 'leaseLost';

/**
 * Runs the program and waits until it is gone. Never throws for anything the program, the limits or the caller's
 * signal do. When it did not succeed, nothing of its process group, and on Linux nothing that carries its run id,
 * lives on, unless `keepChildren` is set; after success background processes are left alone.
 */
export async function exec(request: ExecRequest): Promise<ExecOutcome> {
  const startedAt = request.now();
  const finish = (part: Partial<ExecOutcome>): ExecOutcome => ({
    ...NOTHING_HAPPENED,
    ...part,
    durationMs: Math.max(0, request.now() - startedAt),
  });

  const found = findProgram(request.command, request.cwd, request.env.PATH);
  if ('message' in found) return finish({ spawnError: found });
  if (request.signal?.aborted) return finish({ aborted: true });
  const started = await start(request, found.file);
  if ('failure' in started) return finish({ spawnError: startFailure(found.file, started.failure) });
  const { child, pid } = started;
  // A signal that cannot be sent is told by an event too; what counts is who is left, and that is looked at.
  child.on('error', () => undefined);

  const endAll = () =>
    request.keepChildren
      ? endProgram(child, request.killGraceMs)
      : endRun(pid, request.runId, request.killGraceMs);
  let ending: Ending | null = null;
  let killing: Promise<void> | null = null;
  let succeeded = false;
  const end = (reason: Ending) => {
    if (killing !== null) return;
    // A program that has succeeded stays a success: what is stopped then is the wait for those who hold its output.
    if (!succeeded || reason === 'tooMuchOutput') ending = reason;
    killing = endAll();
  };
  const watches = startWatches(request, end);
  const stdout = collect(child.stdout!, request, watches.activity, () => end('tooMuchOutput'));
  const stderr = keepEnd(child.stderr!, STDERR_BYTES, watches.activity);
  if (typeof request.stdin === 'string') feed(child, request.stdin);

  const exit = await exitOf(child);
  watches.stopTimers();
  succeeded = exit.code === 0 && ending === null;
  if (!succeeded) await (killing ?? endAll());
  const outputHeldOpen = !(await settledWithin([stdout.ended, stderr.ended], request.pipeGraceMs ?? 2000));
  await watches.stop();
  if (killing !== null) await killing;
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();

  const registration = takeRegistration(request.leaseFolder, pid);
  // Lost between two looks: whoever owns the session now must not share it with what this run left behind.
  if (registration === 'no-folder' && succeeded) await endAll();
  const refused = exit.code === SHIM_REFUSED && registration === 'absent';
  const flags =
    registration === 'no-folder' ? { leaseLost: true } : ending === null ? {} : { [ending]: true };
  return finish({
    ...flags,
    exitCode: exit.code,
    signal: exit.signal,
    spawnError: refused
      ? { code: 'UNREGISTERED', message: `nothing can be written in ${request.leaseFolder}` }
      : shellFailure(exit.code, stderr.text(), request.command),
    outputHeldOpen,
    stdout: stdout.text(),
    stderr: stderr.text(),
    invalidUtf8: stdout.invalidUtf8(),
  });
}

/**
 * Finds the file that a command means, as `execvp` would with this PATH. Looked up before the start, so that a missing
 * program is told apart from a program that exits with 127 itself. Empty and relative parts of PATH are passed over:
 * they mean the workspace, where agents write.
 *
 * @returns the absolute path, or why there is none
 */
export function findProgram(
  command: string,
  cwd: string,
  searchPath: string = DEFAULT_PATH,
): { file: string } | { code: string; message: string } {
  if (command.includes('/')) {
    const file = path.resolve(cwd, expandHome(command));
    const problem = programProblem(file);
    return problem === null ? { file } : { ...problem, message: `"${file}" ${problem.message}` };
  }
  for (const folder of searchPath.split(':').filter(part => path.isAbsolute(part))) {
    const file = path.join(folder, command);
    if (programProblem(file) === null) return { file };
  }
  return { code: 'ENOENT', message: `there is no program "${command}" on PATH` };
}

function programProblem(file: string): { code: string; message: string } | null {
  try {
    if (!fs.statSync(file).isFile()) return { code: 'EACCES', message: 'is not a file' };
    fs.accessSync(file, fs.constants.X_OK);
    return null;
  } catch (error) {
    const code = errorCode(error);
    if (isAbsence(error)) return { code: 'ENOENT', message: 'does not exist' };
    return { code, message: code === 'EACCES' ? 'is not executable' : `cannot be read (${code})` };
  }
}

/** Starts the shim. Node throws some failures (E2BIG) and tells others by an event (ENOENT of the folder, EAGAIN). */
async function start(
  request: ExecRequest,
  file: string,
): Promise<{ child: ChildProcess; pid: number } | { failure: unknown }> {
  let child: ChildProcess;
  try {
    child = spawn('/bin/sh', ['-c', SHIM_SCRIPT, SHIM_NAME, request.leaseFolder, file, ...request.args], {
      cwd: request.cwd,
      env: { ...request.env },
      detached: true,
      stdio: [stdinOf(request), 'pipe', 'pipe'],
    });
  } catch (failure) {
    return { failure };
  }
  if (child.pid !== undefined) return { child, pid: child.pid };
  return { failure: await new Promise(resolve => child.once('error', resolve)) };
}

function stdinOf({ stdin }: ExecRequest): 'ignore' | 'pipe' | number {
  return stdin === null ? 'ignore' : typeof stdin === 'string' ? 'pipe' : stdin.fd;
}

/** The system's own message quotes the command line, and with it the message of a user; only the code is taken. */
function startFailure(file: string, cause: unknown): { code: string; message: string } {
  const code = errorCode(cause);
  const reason =
    code === 'E2BIG'
      ? 'arguments and environment are larger than the system allows'
      : `the system said ${code}`;
  return { code, message: `"${file}": ${reason}` };
}

/** The shell could not become the program, e.g. because the interpreter in its first line is missing. */
function shellFailure(code: number | null, stderr: string, command: string): ExecOutcome['spawnError'] {
  if ((code !== 126 && code !== 127) || !stderr.startsWith(`${SHIM_NAME}:`)) return null;
  const reason = stderr.split('\n', 1)[0]!.slice(0, 300);
  return { code: code === 127 ? 'ENOENT' : 'EACCES', message: `"${command}" cannot be executed (${reason})` };
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? 'UNKNOWN';
}

function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errorCode(error));
}

/** The event, not the pipes: those may be held open by others. */
function exitOf(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise(resolve => child.once('exit', (code, signal) => resolve({ code, signal })));
}

/** A program may ignore its input and end (EPIPE, ECONNRESET): its right, not an error of the run. */
function feed(child: ChildProcess, text: string): void {
  child.stdin?.on('error', () => {});
  child.stdin?.end(text, 'utf8');
}

interface Collected {
  ended: Promise<void>;
  text(): string;
}

/** Keeps stdout up to the limit and decodes it; what is no UTF-8 becomes U+FFFD. */
function collect(
  stream: Readable,
  request: ExecRequest,
  activity: () => void,
  onTooMuch: () => void,
): Collected & { invalidUtf8(): boolean } {
  const chunks: Buffer[] = [];
  const decoder = new TextDecoder();
  const tell = (text: string) => {
    if (text !== '') request.onText?.(text);
  };
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    activity();
    const kept = chunk.subarray(0, request.maxOutputBytes - size);
    size += kept.length;
    if (kept.length > 0) chunks.push(kept);
    tell(decoder.decode(kept, { stream: true }));
    if (kept.length < chunk.length) onTooMuch();
  });
  const ended = endOf(stream).then(() => tell(decoder.decode()));
  const whole = () => Buffer.concat(chunks);
  return { ended, text: () => new TextDecoder().decode(whole()), invalidUtf8: () => !isUtf8(whole()) };
}

/** Keeps the last `bytes` of a stream: the end of stderr is where a program says why it gave up. */
function keepEnd(stream: Readable, bytes: number, activity: () => void): Collected {
  let kept: Buffer = Buffer.alloc(0);
  let isCut = false;
  stream.on('data', (chunk: Buffer) => {
    activity();
    const whole = Buffer.concat([kept, chunk]);
    isCut ||= whole.length > bytes;
    kept = whole.subarray(-bytes);
  });
  // The line that was cut may begin within a secret, which nobody would know any more.
  const text = () => new TextDecoder().decode(isCut ? kept.subarray(kept.indexOf(10) + 1) : kept);
  return { ended: endOf(stream), text };
}

function endOf(stream: Readable): Promise<void> {
  return new Promise(resolve => {
    stream.once('close', resolve);
    stream.on('error', () => resolve());
  });
}

async function settledWithin(promises: Promise<void>[], ms: number): Promise<boolean> {
  const timer = new AbortController();
  const all = Promise.all(promises).then(() => true);
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false);
  const settled = await Promise.race([all, late]);
  timer.abort();
  return settled;
}

interface Watches {
  /** a byte arrived */
  activity(): void;
  /** the program has ended: no time limit applies any longer */
  stopTimers(): void;
  /** resolves when nothing more will be written in the lease folder */
  stop(): Promise<void>;
}

/** Everything from outside that can end a run: both time limits, the caller's signal, the loss of the lease. */
function startWatches(request: ExecRequest, end: (reason: Ending) => void): Watches {
  const total = setTimeout(() => end('timedOut'), Math.min(request.timeoutMs, LONGEST_TIMER));
  const idle =
    request.idleTimeoutMs > 0
      ? setTimeout(() => end('idleTimedOut'), Math.min(request.idleTimeoutMs, LONGEST_TIMER))
      : undefined;
  const abort = () => end('aborted');
  request.signal?.addEventListener('abort', abort, { once: true });
  const lease = setInterval(() => {
    fs.promises.stat(request.leaseFolder).catch(error => {
      // Only absence is a loss; a disk that stutters is none.
      if (isAbsence(error)) end('leaseLost');
    });
  }, request.leasePollMs ?? 1000).unref();
  let beating = Promise.resolve();
  const heartbeat = setInterval(() => {
    beating = beat(request.leaseFolder);
  }, request.heartbeatMs ?? 30_000).unref();
  const stopTimers = () => {
    clearTimeout(total);
    clearTimeout(idle);
  };
  return {
    activity: () => idle?.refresh(),
    stopTimers,
    stop: () => {
      stopTimers();
      clearInterval(lease);
      clearInterval(heartbeat);
      request.signal?.removeEventListener('abort', abort);
      return beating;
    },
  };
}

/**
 * Renews the mtime of the lease folder by making and removing a file in it: the time is then the file system's own,
 * as are the times it is compared with, however wrong the clock here is. A beat that fails only costs the patience
 * others have with an owner they cannot judge; the look at the folder decides.
 */
async function beat(leaseFolder: string): Promise<void> {
  const file = path.join(leaseFolder, `heartbeat-${process.pid}`);
  try {
    await fs.promises.writeFile(file, '', { mode: 0o600 });
    await fs.promises.rm(file, { force: true });
  } catch {
    // See above: nothing depends on one beat.
  }
}

/**
 * Removes what the shim registered; the process it names is gone.
 *
 * @returns `absent`: it never registered; `no-folder`: the session was taken over
 */
function takeRegistration(leaseFolder: string, pid: number): 'removed' | 'absent' | 'no-folder' {
  try {
    const names = fs.readdirSync(leaseFolder).filter(name => name.startsWith(registrationPrefix(pid)));
    for (const name of names) fs.rmSync(path.join(leaseFolder, name), { force: true });
    return names.length > 0 ? 'removed' : 'absent';
  } catch (error) {
    // What cannot be removed goes with the folder when the session is released.
    return isAbsence(error) ? 'no-folder' : 'absent';
  }
}
