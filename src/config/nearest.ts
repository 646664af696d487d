/** "Did you mean …?": the known name a mistyped one is closest to, and the places a known name belongs to. */
import { type ConfigPath, formatPath, isRecord } from './config-path.ts';

/** A node of a JSON Schema, as far as names of keys are concerned. */
type SchemaNode = Record<string, unknown>;

/**
 * The candidate closest to a word, or undefined when none is close: at most a third of its letters may differ
 * (a transposition counts as one), in any case.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let distance = Math.min(at(last, j) + 1, at(row, j - 1) + 1, substituted);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) distance = Math.min(distance, at(beforeLast, j - 2) + 1);
      row.push(distance);
    }
    [beforeLast, last] = [last, row];
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}

/**
 * What to say about an unknown key: the nearest name known at its place, else the places where this very name is
 * known, else the names that are known here.
 *
 * @param schema JSON Schema of the configuration
 */
export function adviceForKey(schema: SchemaNode, path: ConfigPath): string {
  const key = String(path.at(-1));
  const here = namesAt(schema, path.slice(0, -1));
  const near = nearest(key, here);
  if (near !== undefined) return `unknown key; did you mean "${near}"?`;
  const elsewhere = placesOf(schema, key);
  if (elsewhere.length > 0) return `unknown key here; it belongs to ${elsewhere.slice(0, 3).join(', ')}`;
  return here.length > 0 ? `unknown key; known here: ${here.join(', ')}` : 'unknown key';
}

/**
 * A path as the schema understands it: a word of digits is an index where a list stands.
 *
 * @returns `known` false: `path` ends with the first step that nothing is known for
 */
export function resolvePath(schema: SchemaNode, path: ConfigPath): { path: ConfigPath; known: boolean } {
  let nodes = branches(schema);
  const resolved: (string | number)[] = [];
  for (const step of path) {
    const isIndex =
      typeof step === 'number' || (/^\d{1,9}$/.test(step) && nodes.some(node => isRecord(node.items)));
    const key = isIndex ? Number(step) : step;
    resolved.push(key);
    nodes = nodes.flatMap(node => branches(child(node, key)));
    if (nodes.length === 0) return { path: resolved, known: false };
  }
  return { path: resolved, known: true };
}

function namesAt(schema: SchemaNode, path: ConfigPath): string[] {
  let nodes = branches(schema);
  for (const step of path) nodes = nodes.flatMap(node => branches(child(node, step)));
  return [...new Set(nodes.flatMap(node => (isRecord(node.properties) ? Object.keys(node.properties) : [])))];
}

/** A node itself, or the alternatives it is made of. */
function branches(node: unknown): SchemaNode[] {
  if (!isRecord(node)) return [];
  return Array.isArray(node.anyOf) ? node.anyOf.flatMap(branches) : [node];
}

function child(node: SchemaNode, step: string | number): unknown {
  if (typeof step === 'number') return node.items;
  if (isRecord(node.properties) && Object.hasOwn(node.properties, step)) return node.properties[step];
  return node.additionalProperties;
}

function placesOf(schema: SchemaNode, name: string): string[] {
  const places: string[] = [];
  const visit = (node: unknown, path: ConfigPath): void => {
    for (const branch of branches(node)) {
      for (const [key, below] of Object.entries(isRecord(branch.properties) ? branch.properties : {})) {
        if (key.toLowerCase() === name.toLowerCase()) places.push(formatPath([...path, key]));
        visit(below, [...path, key]);
      }
      if (isRecord(branch.additionalProperties)) visit(branch.additionalProperties, [...path, '*']);
      if (isRecord(branch.items)) visit(branch.items, [...path, '*']);
    }
  };
  visit(schema, []);
  // The shortest place is the likeliest: session.reset rather than channels.*.accounts.*.reset.
  return [...new Set(places)].sort((a, b) => a.length - b.length);
}
