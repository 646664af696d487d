/** Runs the agent of one turn: what it is given, how it is started, what its end means. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { RunnerConfig } from '../config/schema.ts';
import { DeltaGate } from '../core/runner/delta.ts';
import { runnerEnvironment, type TurnOrigin } from '../core/runner/environment.ts';
import { promptDocument, promptText } from '../core/runner/prompt.ts';
import { fillArguments, templateValues, usesTemplate } from '../core/runner/template.ts';
import { judge, RUNNER_DEFAULTS } from '../core/runner/verdict.ts';
import type { TurnOutcome, TurnRequest } from '../core/turn-request.ts';
import { exec } from './exec.ts';
import type { MemoryCache } from './recall.ts';

/** Linux refuses a single argument of 128 KiB; beyond this a prompt does not go on a command line. */
const ARGUMENT_BYTES = 100 * 1024;

export interface AgentOptions {
  /** environment of claw, of which the agent gets an allow-listed part */
  baseEnv: Readonly<Record<string, string | undefined>>;
  origin: TurnOrigin;
  /** $CLAW_HOME and the config file, handed on so that a nested `claw` finds the same state */
  home?: string;
  configFile?: string;
  /** IANA zone of dates in what the built-in recall answers; default: the host's */
  zone?: string;
  /** where that one looks for notes; null: its memory is off */
  memory?: MemoryCache | null;
  /** epoch ms */
  now(): number;
}

/**
 * Runs one turn and judges it. Never throws for anything the agent does or is: every end is a `TurnOutcome`, and no
 * error text holds a value of the environment. Without a runner the built-in recall answers.
 */
export async function runAgent(request: TurnRequest, options: AgentOptions): Promise<TurnOutcome> {
  const { runner } = request;
  if (runner === undefined) {
    const { runRecall } = await import('./recall.ts');
    return runRecall(request, options).catch(
      (error: Error): TurnOutcome => ({
        // A search that breaks is a failed turn, told and kept; thrown on, it would be started over and over.
        status: 'failed',
        error: {
          code: 'agent-error',
          message: `recall failed: ${error.message}`,
          hint: 'connect an agent: claw init',
        },
        output: '',
        usage: null,
        durationMs: 0,
        warnings: [],
      }),
    );
  }
  const startedAt = options.now();
  const refuse = (code: 'spawn' | 'prompt-too-long', problem: string, hint: string): TurnOutcome => ({
    status: 'failed',
    error: { code, message: `runner "${request.runnerName}" ${problem}`, hint },
    output: '',
    usage: null,
    durationMs: Math.max(0, options.now() - startedAt),
    warnings: [],
  });

  const prompt =
    runner.input === 'json' ? promptDocument(request, runner.context) : promptText(request, runner.context);
  const template = runner.args ?? [];
  let promptFolder: string | null = null;
  try {
    // Sync on purpose: waking libuv's thread pool for it would cost more than the call.
    fs.mkdirSync(request.workspace, { recursive: true, mode: 0o700 });
    if (usesTemplate(template, 'PromptFile')) {
      promptFolder = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'claw-prompt-'));
      await fs.promises.writeFile(promptIn(promptFolder), prompt, { mode: 0o600, flag: 'wx' });
    }
    const values = templateValues(
      request,
      prompt,
      promptFolder === null ? undefined : promptIn(promptFolder),
    );
    const args = fillArguments(template, values);
    if (args.some(arg => Buffer.byteLength(arg) > ARGUMENT_BYTES)) {
      const hint = 'leave {{Body}} out of its args, so that the prompt goes by stdin, or use {{PromptFile}}';
      return refuse(
        'prompt-too-long',
        `cannot take a prompt of ${Buffer.byteLength(prompt)} bytes as an argument`,
        hint,
      );
    }
    const elsewhere = usesTemplate(template, 'Body') || promptFolder !== null;
    return await run(request, runner, args, { prompt, stdin: elsewhere ? null : prompt }, options);
  } catch (error) {
    const problem = prepareProblem(error);
    if (problem === null) throw error;
    return refuse(
      'spawn',
      `could not be prepared: ${problem}`,
      `is there room, and may claw write to ${request.workspace}?`,
    );
  } finally {
    if (promptFolder !== null) await fs.promises.rm(promptFolder, { recursive: true, force: true });
  }
}

async function run(
  request: TurnRequest,
  runner: RunnerConfig,
  args: string[],
  input: { prompt: string; stdin: string | null },
  options: AgentOptions,
): Promise<TurnOutcome> {
  const limit = (name: 'timeoutSeconds' | 'idleTimeoutSeconds' | 'killGraceSeconds' | 'maxOutputBytes') =>
    runner[name] ?? RUNNER_DEFAULTS[name];
  const delta = deltaOf(request, runner);
  const ended = await exec({
    command: runner.command,
    args,
    env: runnerEnvironment({ base: options.baseEnv, request, ...options }),
    cwd: request.workspace,
    stdin: input.stdin,
    runId: request.runId,
    leaseFolder: request.leaseFolder,
    timeoutMs: limit('timeoutSeconds') * 1000,
    idleTimeoutMs: limit('idleTimeoutSeconds') * 1000,
    killGraceMs: limit('killGraceSeconds') * 1000,
    maxOutputBytes: limit('maxOutputBytes'),
    signal: request.signal,
    onText: delta.push,
    now: options.now,
  });
  const secrets = [...Object.values(request.env), ...Object.values(runner.env ?? {})];
  const { runnerName, heartbeat } = request;
  const outcome = judge(ended, { runnerName, runner, prompt: input.prompt, secrets, heartbeat });
  if (outcome.status === 'replied') delta.end(outcome.text);
  outcome.warnings.push(...delta.warnings);
  return outcome;
}

/**
 * Streaming, for plain text only: a document or an event cannot be shown by pieces. A listener that fails (a closed
 * terminal) ends the streaming, not the run: the reply must still reach the transcript.
 */
function deltaOf(request: TurnRequest, runner: RunnerConfig) {
  const warnings: string[] = [];
  const gate = new DeltaGate(runner.silentTokens ?? RUNNER_DEFAULTS.silentTokens);
  let { onDelta } =
    runner.output === undefined || runner.output === 'text' ? request : { onDelta: undefined };
  const tell = (text: string) => {
    if (text === '' || onDelta === undefined) return;
    try {
      onDelta(text);
    } catch (error) {
      onDelta = undefined;
      warnings.push(`the reply could not be shown while it came: ${(error as Error).message}`);
    }
  };
  return {
    warnings,
    push: onDelta === undefined ? undefined : (text: string) => tell(gate.push(text)),
    end: (reply: string) => tell(gate.end(reply)),
  };
}

function promptIn(folder: string): string {
  return path.join(folder, 'prompt.txt');
}

/** Errors of the file system before the start; null for anything that is a mistake of claw itself. */
function prepareProblem(error: unknown): string | null {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code !== undefined && syscall !== undefined ? `${syscall} failed with ${code}` : null;
}
