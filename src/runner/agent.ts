/** Runs the agent of one turn: what it is given, how it is started, what its end means. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { RunnerConfig } from '../config/schema.ts';
import { DeltaGate } from '../core/runner/delta.ts';
import { runnerEnvironment, type TurnOrigin } from '../core/runner/environment.ts';
import { eventOf } from '../core/runner/output.ts';
import { promptDocument, promptText, withoutExpansions } from '../core/runner/prompt.ts';
import {
  type ArgumentTemplate,
  fillArguments,
  type RunFiles,
  templateValues,
  usesTemplate,
} from '../core/runner/template.ts';
import { judge, RUNNER_DEFAULTS } from '../core/runner/verdict.ts';
import { maskPieces, SecretVeil, secretsOf } from '../core/secret.ts';
import type { AgentStep, TurnOutcome, TurnRequest } from '../core/turn-request.ts';
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
  /** secrets of the configuration that are not in this agent's environment, but in files and variables it can reach */
  secrets?: readonly string[];
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

  const template = argumentsOf(request, runner);
  let folder: string | null = null;
  try {
    // Sync on purpose: waking libuv's thread pool for it would cost more than the call.
    fs.mkdirSync(request.workspace, { recursive: true, mode: 0o700 });
    const asked = FILES.filter(name => usesTemplate(template, name));
    if (asked.length > 0) folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-prompt-'));
    const prompt = promptOf(request, runner, template);
    const files = folder === null ? {} : writeFiles(folder, asked, { prompt, system: request.systemPrompt });
    const args = fillArguments(template, templateValues(request, prompt, files));
    if (args.some(arg => Buffer.byteLength(arg) > ARGUMENT_BYTES)) {
      const hint = 'leave {{Body}} out of its args, so that the prompt goes by stdin, or use {{PromptFile}}';
      return refuse(
        'prompt-too-long',
        `cannot take a prompt of ${Buffer.byteLength(prompt)} bytes as an argument`,
        hint,
      );
    }
    const elsewhere = usesTemplate(template, 'Body') || usesTemplate(template, 'PromptFile');
    const input = { prompt, stdin: elsewhere ? null : prompt, usageFile: files.UsageFile };
    return await run(request, runner, args, input, options);
  } catch (error) {
    const problem = prepareProblem(error);
    if (problem === null) throw error;
    return refuse(
      'spawn',
      `could not be prepared: ${problem}`,
      `is there room, and may claw write to ${request.workspace}?`,
    );
  } finally {
    if (folder !== null) fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The arguments for what the run is to its native session: going on with it, beside it, or beginning one. */
function argumentsOf({ native }: TurnRequest, runner: RunnerConfig): readonly ArgumentTemplate[] {
  const { args = [], resumeArgs = args, asideArgs = args } = runner;
  if (native?.how === 'resumed') return resumeArgs;
  return native?.how === 'aside' ? asideArgs : args;
}

/** What the program is given to read; the system text stands in front where it has no other place and is not known yet. */
function promptOf(request: TurnRequest, runner: RunnerConfig, template: readonly ArgumentTemplate[]): string {
  if (runner.input === 'json') return promptDocument(request, runner.context);
  const whole = promptText(request, runner.context);
  const prompt = request.isCommand ? whole : withoutExpansions(whole, runner.expands);
  const { systemPrompt, native } = request;
  const hasPlace = (['SystemPrompt', 'SystemPromptFile', 'SystemPromptJson'] as const).some(name =>
    usesTemplate(template, name),
  );
  return systemPrompt === undefined || hasPlace || native?.how === 'resumed'
    ? prompt
    : `${systemPrompt}\n\n${prompt}`;
}

const FILES = ['PromptFile', 'SystemPromptFile', 'UsageFile'] as const;

/** Files of one run, for nobody else's eyes. What the program writes needs only a name. */
function writeFiles(
  folder: string,
  names: readonly (typeof FILES)[number][],
  texts: { prompt: string; system: string | undefined },
): RunFiles {
  const write = (name: string, text: string) => {
    const file = path.join(folder, name);
    fs.writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
    return file;
  };
  return {
    ...(names.includes('PromptFile') ? { PromptFile: write('prompt.txt', texts.prompt) } : {}),
    ...(names.includes('SystemPromptFile') && texts.system !== undefined
      ? { SystemPromptFile: write('system.txt', texts.system) }
      : {}),
    ...(names.includes('UsageFile') ? { UsageFile: path.join(folder, 'usage.json') } : {}),
  };
}

async function run(
  request: TurnRequest,
  runner: RunnerConfig,
  args: string[],
  input: { prompt: string; stdin: string | null; usageFile: string | undefined },
  options: AgentOptions,
): Promise<TurnOutcome> {
  const limit = (name: 'timeoutSeconds' | 'idleTimeoutSeconds' | 'killGraceSeconds' | 'maxOutputBytes') =>
    runner[name] ?? RUNNER_DEFAULTS[name];
  // Of a name that both set, either value may be met. What claw itself was started with is a file away (/proc).
  const secretsInReply = [
    ...[request.env, runner.env ?? {}, options.baseEnv].flatMap(secretsOf),
    ...(options.secrets ?? []),
  ];
  const secrets = [...Object.values(request.env), ...Object.values(runner.env ?? {}), ...secretsInReply];
  const watch = watchOutput(request, runner, secretsInReply);
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
    keepChildren: runner.keepChildren ?? false,
    maxOutputBytes: limit('maxOutputBytes'),
    signal: request.signal,
    onText: watch.push,
    now: options.now,
  });
  const { runnerName, heartbeat } = request;
  const usageDocument = input.usageFile === undefined ? undefined : readIfThere(input.usageFile);
  const about = {
    runnerName,
    runner,
    prompt: input.prompt,
    secrets,
    secretsInReply,
    heartbeat,
    usageDocument,
  };
  const outcome = judge(ended, about);
  if (outcome.status === 'failed' && outcome.error.code === 'auth')
    outcome.error = {
      ...outcome.error,
      hint: loginHint(outcome.error.hint, request, runner, options.baseEnv),
    };
  if (outcome.status === 'replied') watch.end(outcome.text);
  outcome.warnings.push(...watch.warnings);
  const steps = watch.steps();
  if (steps.length > 0) outcome.steps = steps;
  return outcome;
}

/** A key that stands in the shell and not in the configuration is the usual reason, and not seen from outside. */
function loginHint(
  hint: string | undefined,
  { env }: TurnRequest,
  runner: RunnerConfig,
  base: AgentOptions['baseEnv'],
): string {
  const names = hint?.match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g) ?? [];
  const held = names.filter(
    name => base[name] && env[name] === undefined && runner.env?.[name] === undefined,
  );
  return held.length === 0
    ? (hint ?? '')
    : `${hint} (${held.join(' and ')} of this shell is not passed on: agents get what the configuration gives them)`;
}

function readIfThere(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    // A program that failed has not written it; its usage is then not known.
    return undefined;
  }
}

/** Most steps of a run that are recorded, and most characters of each: a transcript is no log of everything. */
const MOST_STEPS = 200;
const STEP_CHARACTERS = 2000;

/**
 * Looks on while the program prints: what of the reply can be shown already, and what it does on its way. A listener
 * that fails (a closed terminal) ends the streaming, not the run: the reply must still reach the transcript.
 */
function watchOutput(request: TurnRequest, runner: RunnerConfig, secrets: readonly string[]) {
  const warnings: string[] = [];
  const steps: AgentStep[] = [];
  const tokens = runner.silentTokens ?? RUNNER_DEFAULTS.silentTokens;
  const { pick = {}, output = 'text' } = runner;
  const isText = output === 'text';
  let { onDelta } =
    isText || (output === 'jsonl' && pick.delta !== undefined) ? request : { onDelta: undefined };
  // What is shown is masked as it comes, since a value may come in pieces.
  const veil = new SecretVeil(secrets);
  let gate = new DeltaGate(tokens);
  // Of the message that is printed now.
  let shown = '';
  const tell = (text: string) => {
    if (text === '' || onDelta === undefined) return;
    shown += text;
    try {
      onDelta(text);
    } catch (error) {
      onDelta = undefined;
      warnings.push(`the reply could not be shown while it came: ${(error as Error).message}`);
    }
  };
  const note = (type: AgentStep['type'], text: string | null) => {
    if (text?.trim() && steps.length < MOST_STEPS) steps.push({ type, text });
  };
  const look = (line: string) => {
    const { delta, toolCall, thinking } = eventOf(line, pick);
    note('thinking', thinking);
    note('tool_call', toolCall);
    if (delta !== null) tell(gate.push(veil.push(delta)));
    if (toolCall !== null) {
      const last = veil.end();
      if (shown === '' && last === '') return;
      tell(gate.push(last));
      // What was said before a tool is called is no part of the reply; what comes next begins anew.
      tell('\n\n');
      gate = new DeltaGate(tokens);
      shown = '';
    }
  };
  let rest = '';
  const lines = (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const line of parts) look(line);
  };
  const hasEvents =
    output === 'jsonl' && [pick.delta, pick.toolCall, pick.thinking].some(place => place !== undefined);
  const push = isText ? (text: string) => tell(gate.push(veil.push(text))) : lines;
  return {
    warnings,
    /** Thoughts come in pieces, too; what is recorded is cut only when all of it is masked. */
    steps: (): AgentStep[] => {
      const masked = maskPieces(
        steps.map(({ text }) => text),
        secrets,
      );
      return steps.flatMap(({ type }, index) => {
        const text = masked[index]!.slice(0, STEP_CHARACTERS);
        return text.trim() === '' ? [] : [{ type, text }];
      });
    },
    push: (isText ? onDelta !== undefined : hasEvents) ? push : undefined,
    end: (reply: string) => {
      if (shown === '' || reply.startsWith(shown)) tell(gate.end(reply));
      else tell(`\n\n${reply}`);
    },
  };
}

/** Errors of the file system before the start; null for anything that is a mistake of claw itself. */
function prepareProblem(error: unknown): string | null {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code !== undefined && syscall !== undefined ? `${syscall} failed with ${code}` : null;
}
