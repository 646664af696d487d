/** Where in a configuration something stands, and how that is written for people: `agents.list[0].id`. */

export type ConfigPath = readonly (string | number)[];

/** A complaint about one place of the configuration. */
export interface Problem {
  path: ConfigPath;
  message: string;
  /** it is a key that nothing here has a meaning for; what stands around it reads the same without it */
  unknown?: true;
}

/** `['channels', 'a.b', 0]` → `channels["a.b"][0]`; the top is "the top level". */
export function formatPath(path: ConfigPath): string {
  if (path.length === 0) return 'the top level';
  let written = '';
  for (const step of path) {
    if (typeof step === 'number') written += `[${step}]`;
    else if (/^[\p{L}_$*][\p{L}\p{N}_$*-]*$/u.test(step)) written += written === '' ? step : `.${step}`;
    else written += `[${JSON.stringify(step)}]`;
  }
  return written;
}

/**
 * The path a person wrote: `agents.list[0].id`, `channels["a.b"].send`. A step of digits between dots stays a word; what
 * it means depends on what stands there.
 *
 * @returns null where it cannot be read
 */
export function parsePath(written: string): ConfigPath | null {
  const path: (string | number)[] = [];
  let rest = written.trim();
  while (rest !== '') {
    const index = /^\[(\d{1,9})\]/.exec(rest);
    const name = /^\[\s*("(?:[^"\\]|\\.)*"|'[^'\\]*')\s*\]/.exec(rest);
    const word = (path.length === 0 ? /^[^.[\]]+/ : /^\.([^.[\]]+)/).exec(rest);
    const found = index ?? name ?? word;
    if (found === null) return null;
    if (index) path.push(Number(index[1]));
    else if (name) {
      const unquoted = unquote(name[1] ?? '');
      if (unquoted === null) return null;
      path.push(unquoted);
    } else path.push((word?.[1] ?? found[0]).trim());
    rest = rest.slice(found[0].length);
  }
  return path.length === 0 || path.includes('') ? null : path;
}

function unquote(text: string): string | null {
  if (text.startsWith("'")) return text.slice(1, -1);
  try {
    return String(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The value at a path, undefined where there is none. Only own members count: `constructor` is nobody's key. */
export function valueAt(value: unknown, path: ConfigPath): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}

/** Takes the key at a path out of the object it stands in, in place. */
export function removeKey(value: unknown, path: ConfigPath): void {
  const parent = valueAt(value, path.slice(0, -1));
  if (isRecord(parent)) delete parent[String(path.at(-1))];
}

/** Whether `path` is `prefix` or lies below it. */
export function isWithin(path: ConfigPath, prefix: ConfigPath): boolean {
  return prefix.length <= path.length && prefix.every((step, i) => step === path[i]);
}

/** An object with named members: neither null nor a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
