/** From what a program printed to the reply, the error it reports and the tokens it counted. */
import type { RunnerConfig } from '../../config/schema.ts';
import { estimateTokens } from '../context/history.ts';
import type { Usage } from '../session/transcript.ts';

export type OutputPick = NonNullable<RunnerConfig['pick']>;

export interface ParsedOutput {
  /** the reply; null when the output holds none */
  text: string | null;
  /** what the program says went wrong; null when it reports no error */
  error: string | null;
  /** null when the program does not say */
  usage: Usage | null;
  /** why the output could not be read at all; null when it could */
  malformed: string | null;
}

/** Keys under which agent CLIs print their reply, in the order they are tried. */
const TEXT_KEYS = ['result', 'response', 'reply', 'text', 'content', 'message'];
const INPUT_PATHS = [
  'usage.input_tokens',
  'usage.inputTokens',
  'usage.prompt_tokens',
  'usage.input',
  'inputTokens',
];
const OUTPUT_PATHS = [
  'usage.output_tokens',
  'usage.outputTokens',
  'usage.completion_tokens',
  'usage.output',
  'outputTokens',
];
/** These name tokens that the same report leaves out of `input_tokens`, although the model read them. */
const CACHE_PATHS = ['usage.cache_read_input_tokens', 'usage.cache_creation_input_tokens'];

const NOTHING: ParsedOutput = { text: null, error: null, usage: null, malformed: null };

/**
 * Reads the whole output of a run. Never throws: an unreadable document is `malformed`. Lone surrogates, which a JSON
 * escape can smuggle in and which no file can hold, become U+FFFD (openclaw #69846).
 *
 * @param stdout decoded standard output
 */
export function parseOutput(
  kind: RunnerConfig['output'],
  stdout: string,
  pick: OutputPick = {},
): ParsedOutput {
  if (kind === 'json') return parseDocument(stdout, pick);
  if (kind === 'jsonl') return parseLines(stdout, pick);
  const text = replyText(stdout);
  return { ...NOTHING, text: text.trim() === '' ? null : text };
}

/** Lone halves of surrogate pairs become U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** Where the newlines at the end begin. A loop: the regular expression takes quadratic time on megabytes of newlines. */
export function endWithoutNewlines(text: string): number {
  let end = text.length;
  while (end > 0 && (text[end - 1] === '\n' || text[end - 1] === '\r')) end -= 1;
  return end;
}

/** Tokens guessed from characters, and marked as a guess. */
export function estimateUsage(prompt: string, reply: string): Usage {
  const inputTokens = estimateTokens(prompt);
  const outputTokens = estimateTokens(reply);
  const totalTokens = inputTokens + outputTokens;
  return { inputTokens, outputTokens, totalTokens, contextTokens: totalTokens, estimated: true };
}

function replyText(text: string): string {
  return wellFormed(text.slice(0, endWithoutNewlines(text)));
}

function parseDocument(stdout: string, pick: OutputPick): ParsedOutput {
  const value = parseJson(stdout);
  if (value === undefined) {
    const malformed = stdout.trim() === '' ? null : 'it did not print one JSON document';
    return { ...NOTHING, malformed };
  }
  return {
    text: textOf(value, pick),
    error: errorOf(value, pick),
    usage: usageOf(value, pick),
    malformed: null,
  };
}

/**
 * Lines end at \n only: U+2028 and U+2029 are legal inside JSON strings, and splitting there tears an event apart.
 * Lines that are no JSON, and events nobody knows, are passed over: every such stream gained types within a year.
 * The last line with a text is the reply. A report of an error counts unless a later line brings a text after all:
 * programs announce the tries that failed before the one that succeeded.
 */
function parseLines(stdout: string, pick: OutputPick): ParsedOutput {
  const parsed = { ...NOTHING };
  for (const line of stdout.split('\n')) {
    const value = parseJson(line);
    if (!isObject(value)) continue;
    const error =
      errorOf(value, pick) ??
      (pick.error === undefined && value.type === 'error' ? details(value, pick) : null);
    if (error !== null) {
      parsed.error = error;
    } else {
      const text = textOf(value, pick);
      if (text !== null) Object.assign(parsed, { text, error: null });
    }
    parsed.usage = usageOf(value, pick) ?? parsed.usage;
  }
  return parsed;
}

function parseJson(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function textOf(value: unknown, pick: OutputPick): string | null {
  const found =
    pick.text !== undefined
      ? at(value, pick.text)
      : TEXT_KEYS.map(key => at(value, key)).find(
          candidate => typeof candidate === 'string' && candidate.trim() !== '',
        );
  return typeof found === 'string' && found.trim() !== '' ? replyText(found) : null;
}

/** With `pick.error` only that path counts, so a program whose `error` means something else can be described. */
function errorOf(value: unknown, pick: OutputPick): string | null {
  const flag = pick.error !== undefined ? at(value, pick.error) : at(value, 'is_error') || at(value, 'error');
  if (!flag) return null;
  if (typeof flag === 'string') return wellFormed(flag);
  if (isObject(flag) && typeof flag.message === 'string') return wellFormed(flag.message);
  if (isObject(flag)) return wellFormed(JSON.stringify(flag));
  return details(value, pick);
}

function details(value: unknown, pick: OutputPick): string {
  return textOf(value, pick) ?? textOf(value, {}) ?? 'no details given';
}

function usageOf(value: unknown, pick: OutputPick): Usage | null {
  const input = numberAt(value, pick.inputTokens !== undefined ? [pick.inputTokens] : INPUT_PATHS);
  const output = numberAt(value, pick.outputTokens !== undefined ? [pick.outputTokens] : OUTPUT_PATHS);
  if (input === null && output === null) return null;
  const cached =
    pick.inputTokens === undefined
      ? CACHE_PATHS.reduce((sum, path) => sum + (numberAt(value, [path]) ?? 0), 0)
      : 0;
  const inputTokens = (input ?? 0) + cached;
  const outputTokens = output ?? 0;
  return { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens };
}

function numberAt(value: unknown, paths: readonly string[]): number | null {
  const found = paths.map(path => at(value, path)).find(isTokenCount);
  return found ?? null;
}

function isTokenCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** The value at a dot path (`item.text`, `content.0.text`); undefined where the path leads nowhere. */
function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => {
    return typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
      ? (inner as Record<string, unknown>)[key]
      : undefined;
  }, value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
