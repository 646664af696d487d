/** From what a program printed to the reply, the error it reports and the tokens it counted. */
import type { Places, RunnerConfig } from '../../config/schema.ts';
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
  /** the program's own id of the conversation; absent when it does not say */
  sessionId?: string;
  /** the program compacted its own session, with how many tokens there were and are, where it says so */
  compacted?: Compacted;
  /** why the output could not be read at all; null when it could */
  malformed: string | null;
}

/** Sizes of a native session around its compaction, in tokens. */
export interface Compacted {
  from: number;
  to: number | null;
}

/** How numbers of several lines of jsonl come together; `run` and `cumulative` both take the last. */
export interface CountRules {
  usage?: RunnerConfig['usage'];
  costs?: RunnerConfig['costs'];
}

/** An id goes back into the arguments of the program, where it must not be taken for an option. */
const SESSION_ID = /^[A-Za-z0-9_][\w.:@/-]{0,199}$/;

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
  rules: CountRules = {},
): ParsedOutput {
  if (kind === 'json') return parseDocument(stdout, pick);
  if (kind === 'jsonl') return parseLines(stdout, pick, rules);
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
    ...sessionIdOf(value, pick),
    ...compactedIn(value, pick),
    malformed: null,
  };
}

/**
 * Lines end at \n only: U+2028 and U+2029 are legal inside JSON strings, and splitting there tears an event apart.
 * Lines that are no JSON, and events nobody knows, are passed over: every such stream gained types within a year.
 * The last line with a text is the reply. A report of an error counts unless a later line brings a text after all:
 * programs announce the tries that failed before the one that succeeded.
 */
function parseLines(stdout: string, pick: OutputPick, rules: CountRules): ParsedOutput {
  const parsed = { ...NOTHING };
  const counts: Counts = {};
  // Whether the next text goes on with the one before.
  let goesOn = false;
  for (const line of stdout.split('\n')) {
    const value = parseJson(line);
    if (!isObject(value)) continue;
    const error =
      errorOf(value, pick) ??
      (pick.error === undefined && value.type === 'error' ? details(value, pick) : null);
    if (error !== null) {
      parsed.error = error;
    } else {
      const text = pick.pieces ? pieceOf(value, pick) : textOf(value, pick);
      if (text !== null) {
        parsed.text = goesOn && pick.pieces ? `${parsed.text}${text}` : text;
        parsed.error = null;
        goesOn = true;
      }
    }
    if (pick.pieces && pick.toolCall !== undefined && textAt(value, pick.toolCall) !== null) goesOn = false;
    Object.assign(parsed, sessionIdOf(value, pick), compactedIn(value, pick));
    addCounts(counts, countsOf(value, pick), rules);
  }
  if (parsed.text !== null && pick.pieces) {
    parsed.text = replyText(parsed.text);
    if (parsed.text.trim() === '') parsed.text = null;
  }
  return { ...parsed, usage: usageFrom(counts) };
}

/** What one line of a running program says, for who looks on; null where it says nothing of the kind. */
export function eventOf(
  line: string,
  pick: OutputPick,
): { delta: string | null; toolCall: string | null; thinking: string | null } {
  const value = parseJson(line);
  const read = (places: Places | undefined) =>
    places === undefined || !isObject(value) ? null : textAt(value, places);
  return { delta: read(pick.delta), toolCall: read(pick.toolCall), thinking: read(pick.thinking) };
}

/** Tokens and cost that stand in a document of their own. */
export function usageIn(document: string, pick: OutputPick): Usage | null {
  const value = parseJson(document);
  return value === undefined ? null : usageOf(value, pick);
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
  if (pick.text !== undefined) {
    const found = textAt(value, pick.text);
    return found === null || found.trim() === '' ? null : replyText(found);
  }
  const found = TEXT_KEYS.map(key => at(value, key)).find(
    candidate => typeof candidate === 'string' && candidate.trim() !== '',
  );
  return typeof found === 'string' ? replyText(found) : null;
}

/** A piece of a reply as it is: white space may be what stands between two others. */
function pieceOf(value: unknown, pick: OutputPick): string | null {
  return pick.text === undefined ? textOf(value, pick) : textAt(value, pick.text);
}

/** With `pick.error` only that place counts, so a program whose `error` means something else can be described. */
function errorOf(value: unknown, pick: OutputPick): string | null {
  const flag =
    pick.error !== undefined
      ? valuesAt(value, pick.error).find(Boolean)
      : at(value, 'is_error') || at(value, 'error');
  if (!flag) return null;
  if (typeof flag === 'string') return wellFormed(flag);
  if (isObject(flag) && typeof flag.message === 'string') return wellFormed(flag.message);
  if (isObject(flag)) return wellFormed(JSON.stringify(flag));
  return details(value, pick);
}

function details(value: unknown, pick: OutputPick): string {
  return textOf(value, pick) ?? textOf(value, {}) ?? 'no details given';
}

function sessionIdOf(value: unknown, pick: OutputPick): { sessionId?: string } {
  const found = pick.sessionId === undefined ? null : textAt(value, pick.sessionId);
  const id = found?.trim() ?? '';
  return SESSION_ID.test(id) ? { sessionId: id } : {};
}

function compactedIn(value: unknown, pick: OutputPick): { compacted?: Compacted } {
  const from = pick.compactedFrom === undefined ? null : sumAt(value, pick.compactedFrom);
  if (from === null) return {};
  return { compacted: { from, to: pick.compactedTo === undefined ? null : sumAt(value, pick.compactedTo) } };
}

interface Counts {
  input?: number;
  output?: number;
  cost?: number;
  context?: number;
}

function countsOf(value: unknown, pick: OutputPick): Counts {
  const input =
    pick.inputTokens === undefined
      ? withCache(value, firstNumber(value, INPUT_PATHS))
      : sumAt(value, pick.inputTokens);
  const output =
    pick.outputTokens === undefined ? firstNumber(value, OUTPUT_PATHS) : sumAt(value, pick.outputTokens);
  const cost = pick.costUsd === undefined ? null : sumAt(value, pick.costUsd);
  const context = pick.contextTokens === undefined ? null : sumAt(value, pick.contextTokens);
  return {
    ...(input === null ? {} : { input }),
    ...(output === null ? {} : { output }),
    ...(cost === null ? {} : { cost }),
    // Nothing is what a failed call has read.
    ...(context ? { context } : {}),
  };
}

function addCounts(counts: Counts, more: Counts, { usage, costs = usage }: CountRules): void {
  const put = (name: keyof Counts, rule: CountRules['usage']) => {
    const number = more[name];
    if (number !== undefined) counts[name] = rule === 'steps' ? (counts[name] ?? 0) + number : number;
  };
  // Tokens of one report belong together: a later one that names only its output says that it read nothing.
  if (usage !== 'steps' && (more.input !== undefined || more.output !== undefined)) {
    delete counts.input;
    delete counts.output;
  }
  put('input', usage);
  put('output', usage);
  put('cost', costs);
  put('context', 'run');
}

function usageFrom({ input, output, cost, context }: Counts): Usage | null {
  if (input === undefined && output === undefined) return null;
  const inputTokens = input ?? 0;
  const outputTokens = output ?? 0;
  const totalTokens = inputTokens + outputTokens;
  return {
    inputTokens,
    outputTokens,
    totalTokens,
    ...(context === undefined ? {} : { contextTokens: context }),
    ...(cost === undefined ? {} : { costUsd: cost }),
  };
}

function usageOf(value: unknown, pick: OutputPick): Usage | null {
  return usageFrom(countsOf(value, pick));
}

function withCache(value: unknown, input: number | null): number | null {
  const cached = CACHE_PATHS.map(path => at(value, path)).filter(isTokenCount);
  if (input === null && cached.length === 0) return null;
  return cached.reduce((sum, count) => sum + count, input ?? 0);
}

function firstNumber(value: unknown, paths: readonly string[]): number | null {
  return paths.map(path => at(value, path)).find(isTokenCount) ?? null;
}

function sumAt(value: unknown, places: Places): number | null {
  const found = valuesAt(value, places).filter(isTokenCount);
  return found.length === 0 ? null : found.reduce((sum, count) => sum + count, 0);
}

function isTokenCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** The text at the first of these places that has one; what `*` finds at one place is joined. */
function textAt(value: unknown, places: Places): string | null {
  for (const place of [places].flat()) {
    const found = valuesAt(value, place).filter(each => typeof each === 'string');
    if (found.length > 0) return wellFormed(found.join(''));
  }
  return null;
}

function valuesAt(value: unknown, places: Places): unknown[] {
  return [places].flat().flatMap(place => {
    if (typeof place === 'string') return allAt(value, place);
    const holds = Object.entries(place.when ?? {}).every(
      ([path, wanted]) => (at(value, path) ?? null) === wanted,
    );
    return holds ? allAt(value, place.at) : [];
  });
}

/** The value at a dot path (`item.text`, `content.0.text`); undefined where the path leads nowhere. */
function at(value: unknown, path: string): unknown {
  return allAt(value, path)[0];
}

/** Every value at a dot path; `*` stands for every key or index, `-1` for the last of a list. */
function allAt(value: unknown, path: string): unknown[] {
  return path.split('.').reduce<unknown[]>(
    (found, key) =>
      found.flatMap(inner => {
        if (typeof inner !== 'object' || inner === null) return [];
        if (key === '*') return Object.values(inner);
        if (key === '-1' && Array.isArray(inner)) return inner.slice(-1);
        return Object.hasOwn(inner, key) ? [(inner as Record<string, unknown>)[key]] : [];
      }),
    [value],
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
