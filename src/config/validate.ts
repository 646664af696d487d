/**
 * From the text of a config file to a checked configuration, or to every problem in it at once. Slow to load (json5
 * and zod together take about 40 ms), so `load.ts` imports it only when its cache does not know the text.
 */
import JSON5 from 'json5';
import type { z } from 'zod';
import { type ConfigPath, formatPath, isRecord, type Problem, removeKey, valueAt } from './config-path.ts';
import { translateDialects } from './dialects.ts';
import { locate } from './locate.ts';
import { adviceForKey, nearest } from './nearest.ts';
import { notesOnUnused } from './not-yet.ts';
import { checkRules } from './rules.ts';
import { type ConfigInput, configSchema, jsonSchema } from './schema.ts';

/** One thing that is wrong. `path` is written as in the text; `line` (from 1) is null where there is none. */
export interface ConfigProblem {
  path: string;
  line: number | null;
  message: string;
}

export interface Validation {
  /** the canonical form; null when there are problems */
  config: ConfigInput | null;
  problems: ConfigProblem[];
  /** what was translated, what is doubtful, and what has no effect yet */
  notes: string[];
}

/**
 * Checks the text of a config file: JSON5, older dialects, the schema, and the rules across keys. All problems come
 * in one report, in the order of the text.
 */
export function validateConfig(text: string): Validation {
  let raw: unknown;
  try {
    raw = JSON5.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { config: null, problems: [syntaxProblem(error)], notes: [] };
  }
  const positions = locate(text);
  const translation = translateDialects(raw);
  const parsed = configSchema.safeParse(translation.config);
  const shape = parsed.success
    ? []
    : parsed.error.issues.flatMap(issue => problemsOf(issue, translation.config));
  const rules = checkRulesOnWhatIsSound(translation.config, shape);

  const located = [...shape, ...rules.errors].map(problem => ({
    ...problem,
    path: translation.sourceOf(problem.path),
  }));
  const problems = [...forbiddenKeys(raw), ...translation.problems, ...located]
    .map(({ path, message }) => ({ path: formatPath(path), line: positions.lineOf(path), message }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const notes = [
    ...translation.notes,
    ...positions.repeated.map(
      ({ path, first, last }) =>
        `${formatPath(path)} is there twice (lines ${first} and ${last}); the last one counts`,
    ),
    ...rules.warnings.map(({ path, message }) => `${formatPath(translation.sourceOf(path))}: ${message}`),
    ...(parsed.success ? notesOnUnused(parsed.data) : []),
  ];
  return { config: parsed.success && problems.length === 0 ? parsed.data : null, problems, notes };
}

/** Problems as text, one a line: `line 4: session.reset.mod: unknown key; …`. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  return problems
    .map(
      ({ path, line, message }) =>
        `${line === null ? '' : `line ${line}: `}${path === '' ? '' : `${path}: `}${message}`,
    )
    .join('\n');
}

/** json5 says `JSON5: invalid character 'x' at 3:4`. */
function syntaxProblem(error: SyntaxError): ConfigProblem {
  const { lineNumber, columnNumber } = error as SyntaxError & { lineNumber?: number; columnNumber?: number };
  const what = error.message.replace(/^JSON5: /, '').replace(/ at \d+:\d+$/, '');
  return {
    path: '',
    line: lineNumber ?? null,
    message: columnNumber === undefined ? what : `${what} at column ${columnNumber}`,
  };
}

/** `__proto__` as a key would change what an object is instead of what it holds. */
function forbiddenKeys(value: unknown, path: ConfigPath = []): Problem[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => forbiddenKeys(item, [...path, index]));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, below]) =>
    key === '__proto__'
      ? [{ path: [...path, key], message: 'this name cannot be used as a key' }]
      : forbiddenKeys(below, [...path, key]),
  );
}

/**
 * The rules see the configuration without what the schema refused, so that one report holds both kinds of problems:
 * unknown keys are taken out, and whole top-level blocks with another mistake. Either is named to them as broken.
 */
function checkRulesOnWhatIsSound(
  config: unknown,
  refused: readonly Problem[],
): ReturnType<typeof checkRules> {
  if (!isRecord(config)) return { errors: [], warnings: [] };
  const known: unknown = structuredClone(config);
  for (const { path, unknown } of refused) if (unknown) removeKey(known, path);
  const unsound = new Set(refused.filter(({ unknown }) => !unknown).map(({ path }) => String(path[0])));
  const sound = Object.fromEntries(Object.entries(known as object).filter(([key]) => !unsound.has(key)));
  const broken = new Set(refused.map(({ path }) => String(path[0])));
  const parsed = configSchema.safeParse(sound);
  return parsed.success ? checkRules(parsed.data, broken) : { errors: [], warnings: [] };
}

type Issue = z.core.$ZodIssue;

let schemaTree: ReturnType<typeof jsonSchema> | undefined;

/** Made for the first unknown key only. */
function knownKeys(): ReturnType<typeof jsonSchema> {
  schemaTree ??= jsonSchema();
  return schemaTree;
}

/** What the schema says against a canonical form. */
export function shapeProblems(config: unknown): Problem[] {
  const parsed = configSchema.safeParse(config);
  return parsed.success ? [] : parsed.error.issues.flatMap(issue => problemsOf(issue, config));
}

/** A zod issue in plain words: one problem per unknown key, and of a union the alternative that was meant. */
function problemsOf(issue: Issue, config: unknown, base: ConfigPath = []): Problem[] {
  const path: ConfigPath = [...base, ...(issue.path as (string | number)[])];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map(key => ({
        path: [...path, key],
        message: adviceForKey(knownKeys(), [...path, key]),
        unknown: true,
      }));
    case 'invalid_union': {
      // The alternative whose kind of value this is; an unknown key is a complaint about the object, not its kind.
      const meant = issue.errors.find(branch =>
        branch.every(({ path: at, code }) => at.length > 0 || code === 'unrecognized_keys'),
      );
      if (meant !== undefined) return meant.flatMap(below => problemsOf(below, config, path));
      return [{ path, message: issue.errors.flatMap(branch => branch.slice(0, 1).map(plain)).join(', or ') }];
    }
    case 'invalid_value':
      return [{ path, message: `${plain(issue)}${wrongWord(valueAt(config, path), issue.values)}` }];
    default:
      if (valueAt(config, path) === undefined) return [{ path, message: `is missing: ${plain(issue)}` }];
      return [{ path, message: plain(issue) }];
  }
}

/** "Invalid input: expected string, received number" → "expected string, received number" */
function plain(issue: Issue): string {
  return issue.message
    .replace(/^(Invalid input|Invalid option|Too small|Too big): /, '')
    .replace('expected record', 'expected object')
    .replace(', received undefined', '');
}

function wrongWord(value: unknown, allowed: readonly unknown[]): string {
  if (typeof value !== 'string') return '';
  const near = nearest(
    value,
    allowed.filter(word => typeof word === 'string'),
  );
  return `, got ${JSON.stringify(value)}${near === undefined ? '' : `; did you mean "${near}"?`}`;
}
