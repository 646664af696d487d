/**
 * The judgement over a run: reply, silence or failure. Three things must agree before there is a reply: exit status 0,
 * no error reported in the output, and a text. Each alone has been taken for success elsewhere and was not.
 */
import type { RunnerConfig } from '../../config/schema.ts';
import { maskValues } from '../secret.ts';
import type { Usage } from '../session/transcript.ts';
import type { TurnError, TurnOutcome } from '../turn-request.ts';
import { estimateUsage, parseOutput, usageIn } from './output.ts';
import { HEARTBEAT_TOKEN, judgeHeartbeat, replyOf, withoutToken } from './silence.ts';

/** Every way a program can end, in one shape. At most one of the flags is true; a signal is never success. */
export interface ExecOutcome {
  /** null when it died by a signal or never started */
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  idleTimedOut: boolean;
  aborted: boolean;
  tooMuchOutput: boolean;
  /** the lease folder vanished before or during the run: another process owns the session now */
  leaseLost: boolean;
  /** a background process kept the output open after the program had ended */
  outputHeldOpen: boolean;
  /** it could not be started; `code` is an errno name, or UNREGISTERED */
  spawnError: { code: string; message: string } | null;
  stdout: string;
  /** the last 64 KiB */
  stderr: string;
  durationMs: number;
  /** stdout had bytes that are no UTF-8; they are U+FFFD now */
  invalidUtf8: boolean;
}

/** The end of a run of which nothing is known yet. */
export const NOTHING_HAPPENED: ExecOutcome = {
  exitCode: null,
  signal: null,
  timedOut: false,
  idleTimedOut: false,
  aborted: false,
  tooMuchOutput: false,
  leaseLost: false,
  outputHeldOpen: false,
  spawnError: null,
  stdout: '',
  stderr: '',
  durationMs: 0,
  invalidUtf8: false,
};

/** Limits of a run where the config says nothing. */
export const RUNNER_DEFAULTS = {
  timeoutSeconds: 600,
  idleTimeoutSeconds: 120,
  killGraceSeconds: 5,
  maxOutputBytes: 16 * 1024 * 1024,
  silentTokens: ['NO_REPLY'],
} as const;

const STDERR_CHARACTERS = 500;
/** How much of the end of its output is searched for signs. */
const SIGN_CHARACTERS = 4096;
/** What a failed run keeps of its output; the transcript is no place for megabytes that answer nobody. */
const FAILED_OUTPUT_CHARACTERS = 64 * 1024;

export interface VerdictInput {
  runnerName: string;
  runner: RunnerConfig;
  /** what the program was given, for the estimate of tokens */
  prompt: string;
  /** values of the configured environment and other secrets, which must not appear in an error (programs like to print the key that was refused) */
  secrets: readonly string[];
  /** those among them that are secret by their names or places, which must not appear in a reply either */
  secretsInReply?: readonly string[];
  /** what the program wrote into {{UsageFile}} */
  usageDocument?: string | undefined;
  /** the run is a heartbeat, and HEARTBEAT_OK is its answer where nothing needs attention */
  heartbeat?: { ackMaxChars: number } | undefined;
}

/** Judges a finished run. `failed` keeps what was printed as `output`; it is never a reply. */
export function judge(run: ExecOutcome, input: VerdictInput): TurnOutcome {
  const { output: kind, pick, usage: counting, costs } = input.runner;
  const rules = { ...(counting ? { usage: counting } : {}), ...(costs ? { costs } : {}) };
  const parsed = parseOutput(kind, run.stdout, pick, rules);
  if (input.usageDocument !== undefined)
    parsed.usage = usageIn(input.usageDocument, pick ?? {}) ?? parsed.usage;
  parsed.error ??= errorPosingAsReply(parsed.text, input.runner.signs?.failed);
  const failed = failureOf(run, input) ?? outputFailure(parsed, run, input);
  const error = failed && named(failed, parsed, run, input);
  const base = {
    durationMs: run.durationMs,
    warnings: warningsOf(run, input),
    ...(parsed.compacted ? { compacted: parsed.compacted } : {}),
    ...nativeIdOf(parsed.sessionId, input.secretsInReply ?? input.secrets),
  };
  if (error !== null) {
    // A program that was stopped may have been in the middle of a value.
    const output = clip(
      maskValues(parsed.text ?? run.stdout, input.secrets, run.exitCode === null),
      FAILED_OUTPUT_CHARACTERS,
    );
    return { status: 'failed', error, output, usage: parsed.usage, ...base };
  }
  // An agent may be talked into printing its environment: a secret goes neither into the transcript nor to a chat.
  const printed = maskValues(parsed.text ?? '', input.secretsInReply ?? []);
  const usage: Usage = parsed.usage ?? estimateUsage(input.prompt, printed);
  const tokens = input.runner.silentTokens ?? RUNNER_DEFAULTS.silentTokens;
  const text = replyOf(printed, tokens, input.heartbeat !== undefined);
  if (text === null) {
    const unsaid = [...tokens, HEARTBEAT_TOKEN]
      .reduce((rest, token) => withoutToken(rest, token, 'alone').text, printed)
      .trim();
    if (unsaid !== '') {
      const shown = clip(maskValues(unsaid, input.secrets), STDERR_CHARACTERS);
      base.warnings.push(
        `runner "${input.runnerName}" asked for silence and printed more, which is not sent: ${shown}`,
      );
    }
    return { status: 'silent', usage, ...base };
  }
  if (input.heartbeat === undefined) return { status: 'replied', text, usage, ...base };
  const verdict = judgeHeartbeat(text, input.heartbeat.ackMaxChars);
  return verdict.ok
    ? { status: 'silent', acknowledged: true, usage, ...base }
    : { status: 'replied', text: verdict.text, usage, ...base };
}

/** How the process itself failed; the loss of the session outranks everything, because its new owner decides now. */
function failureOf(run: ExecOutcome, input: VerdictInput): TurnError | null {
  const name = `runner "${input.runnerName}"`;
  const setting = `runners.${input.runnerName}`;
  const seconds = (key: 'timeoutSeconds' | 'idleTimeoutSeconds') => input.runner[key] ?? RUNNER_DEFAULTS[key];
  if (run.leaseLost) {
    return failure('lease-lost', `${name} was stopped: another process took over this session`, run, input);
  }
  if (run.spawnError !== null) {
    const hint = '`claw config show` shows how the runner is started; is the program installed and on PATH?';
    return { code: 'spawn', message: `${name} could not be started: ${run.spawnError.message}`, hint };
  }
  if (run.aborted) return failure('aborted', `${name} was stopped on request`, run, input);
  if (run.timedOut) {
    const message = `${name} did not finish within ${seconds('timeoutSeconds')} s and was stopped`;
    return failure('timeout', message, run, input, `raise ${setting}.timeoutSeconds if it needs longer`);
  }
  if (run.idleTimedOut) {
    const message = `${name} printed nothing for ${seconds('idleTimeoutSeconds')} s and was stopped`;
    const hint = `raise ${setting}.idleTimeoutSeconds (0 = no limit) if it thinks in silence`;
    return failure('idle-timeout', message, run, input, hint);
  }
  if (run.tooMuchOutput) {
    const limit = input.runner.maxOutputBytes ?? RUNNER_DEFAULTS.maxOutputBytes;
    const message = `${name} printed more than ${limit} bytes and was stopped`;
    return failure(
      'too-much-output',
      message,
      run,
      input,
      `raise ${setting}.maxOutputBytes if that is meant`,
    );
  }
  if (run.signal !== null) return failure('signal', `${name} was killed by ${run.signal}`, run, input);
  return null;
}

function outputFailure(
  parsed: ReturnType<typeof parseOutput>,
  run: ExecOutcome,
  input: VerdictInput,
): TurnError | null {
  const name = `runner "${input.runnerName}"`;
  const setting = `runners.${input.runnerName}`;
  const reported =
    parsed.error === null ? '' : `: ${clip(maskValues(parsed.error, input.secrets), STDERR_CHARACTERS)}`;
  if (run.exitCode !== 0) {
    const hint = 'run the command by hand in the workspace: `claw config show` shows how it is started';
    return failure('exit', `${name} exited with status ${run.exitCode}${reported}`, run, input, hint);
  }
  if (parsed.error !== null) {
    const hint = `if this is no failure, set ${setting}.pick.error, or ${setting}.signs.failed`;
    return failure('agent-error', `${name} reported an error${reported}`, run, input, hint);
  }
  if (parsed.malformed !== null) {
    const hint = `set ${setting}.output to what it prints: text, json or jsonl`;
    return failure('output', `${name} exited with status 0, but ${parsed.malformed}`, run, input, hint);
  }
  if (parsed.text !== null) return null;
  const said = run.stdout.trim() === '' ? 'printed nothing' : 'printed no reply';
  const hint =
    said === 'printed no reply' && input.runner.output !== undefined && input.runner.output !== 'text'
      ? `set ${setting}.pick.text to where the reply is in its output`
      : `an agent that has nothing to say prints ${input.runner.silentTokens?.[0] ?? RUNNER_DEFAULTS.silentTokens[0]}`;
  return failure('empty', `${name} exited with status 0, but ${said}`, run, input, hint);
}

/** An id that holds a secret is not kept; masked, it would be the id of nothing. */
function nativeIdOf(id: string | undefined, secrets: readonly string[]): { nativeId?: string } {
  return id === undefined || maskValues(id, secrets) !== id ? {} : { nativeId: id };
}

/** Some programs say what went wrong where their reply would be, and exit with 0: from the first such line on, else null. */
function errorPosingAsReply(text: string | null, beginnings: readonly string[] = []): string | null {
  if (text === null || beginnings.length === 0) return null;
  const lines = text.split('\n');
  const first = lines.findIndex(line => beginnings.some(beginning => line.startsWith(beginning)));
  return first < 0 ? null : lines.slice(first).join('\n').trim();
}

/** The same failure by the name of its cause, where the runner's signs tell it. Only what was printed is looked at. */
function named(
  error: TurnError,
  parsed: ReturnType<typeof parseOutput>,
  run: ExecOutcome,
  input: VerdictInput,
): TurnError {
  const { signs, login } = input.runner;
  if (signs === undefined || (error.code !== 'exit' && error.code !== 'agent-error')) return error;
  const said = `${parsed.error ?? ''}\n${run.stderr}\n${run.stdout.slice(-SIGN_CHARACTERS)}`;
  const text = said.toLowerCase();
  const shows = (sign: 'unknownSession' | 'contextOverflow' | 'auth') =>
    (signs[sign] ?? []).some(each =>
      typeof each === 'number' ? run.exitCode === each : text.includes(each.toLowerCase()),
    );
  if (shows('unknownSession')) {
    const hint = 'send the message again: the next run begins a new session and is told the history';
    return { code: 'unknown-session', message: error.message, hint };
  }
  if (shows('contextOverflow'))
    return {
      code: 'context-overflow',
      message: error.message,
      hint: 'begin anew with /new, or set a smaller session.dmHistoryLimit',
    };
  if (shows('auth')) {
    const hint = login ?? 'log in with the command by hand, or set its key in the env of this runner';
    return { code: 'auth', message: error.message, hint };
  }
  return error;
}

function failure(
  code: TurnError['code'],
  message: string,
  run: ExecOutcome,
  input: VerdictInput,
  hint?: string,
): TurnError {
  const stderr = lastOf(
    maskValues(withoutEscapes(run.stderr).trim(), input.secrets, run.exitCode === null),
    STDERR_CHARACTERS,
  );
  const whole = stderr === '' ? message : `${message}; it said: ${stderr}`;
  return hint === undefined ? { code, message: whole } : { code, message: whole, hint };
}

function warningsOf(run: ExecOutcome, input: VerdictInput): string[] {
  const warnings: string[] = [];
  if (run.invalidUtf8) {
    warnings.push(`runner "${input.runnerName}" printed bytes that are not UTF-8; they are shown as U+FFFD`);
  }
  if (run.outputHeldOpen) {
    warnings.push(`runner "${input.runnerName}" left a background process that kept its output open`);
  }
  return warnings;
}

/** Without colours and the like, which some programs print into pipes too. */
function withoutEscapes(text: string): string {
  return text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '');
}

function clip(text: string, characters: number): string {
  if (text.length <= characters) return text;
  return `${withoutHalves(text.slice(0, characters))}… (${text.length - characters} more characters)`;
}

function lastOf(text: string, characters: number): string {
  return text.length <= characters ? text : `…${withoutHalves(text.slice(-characters))}`;
}

/** A cut may split a surrogate pair; what is left of it is no character. */
function withoutHalves(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '');
}
