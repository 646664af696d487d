/**
 * Keys that load, so that a configuration written for more than this version can do is not refused, but that change
 * nothing yet. Each one found is said in a note: nobody shall believe that a policy holds which nothing enforces.
 * Whoever makes a key work takes its line out here.
 */

import { type ConfigPath, formatPath, isRecord } from './config-path.ts';
import type { ConfigInput } from './schema.ts';

interface NotYet {
  /** `*` stands for any name or index */
  path: readonly string[];
  /** only these values are not acted on; absent: none is */
  values?: readonly unknown[];
  /** what that means, where somebody could rely on it */
  consequence?: string;
}

const NOT_YET: readonly NotYet[] = [{ path: ['store'] }];

/** One note per key of the configuration that this version reads and does not act on. */
export function notesOnUnused(config: ConfigInput): string[] {
  return NOT_YET.flatMap(({ path, values, consequence }) =>
    matches(config, path)
      .filter(found => values === undefined || values.includes(found.value))
      .map(found => {
        const what =
          values === undefined
            ? formatPath(found.path)
            : `${formatPath(found.path)} ${JSON.stringify(found.value)}`;
        return `${what} is read but not acted on by this version${consequence === undefined ? '' : `: ${consequence}`}`;
      }),
  );
}

/** Whether this version acts on nothing at or below a key. */
export function isUnused(path: ConfigPath): boolean {
  return NOT_YET.some(
    ({ path: pattern, values }) =>
      values === undefined &&
      pattern.length <= path.length &&
      pattern.every((step, i) => step === '*' || step === path[i]),
  );
}

function matches(value: unknown, pattern: readonly string[]): { path: ConfigPath; value: unknown }[] {
  const [step, ...rest] = pattern;
  if (step === undefined) return [{ path: [], value }];
  const entries: [string | number, unknown][] = Array.isArray(value)
    ? value.map((item, index) => [index, item])
    : isRecord(value)
      ? Object.entries(value)
      : [];
  return entries
    .filter(([name, item]) => (step === '*' || step === name) && item !== undefined)
    .flatMap(([name, item]) =>
      matches(item, rest).map(found => ({ path: [name, ...found.path], value: found.value })),
    );
}
