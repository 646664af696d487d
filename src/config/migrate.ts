/**
 * The canonical form of a config file in an older dialect, as text: values and comments kept, and what has no place in
 * the canonical form as a comment with the reason. A file that is canonical already comes back byte for byte.
 */
import JSON5 from 'json5';
import { type ConfigPath, formatPath, isRecord, removeKey, valueAt } from './config-path.ts';
import { type DroppedKey, translateDialects } from './dialects.ts';
import { isSame } from './edit.ts';
import { type Comment, type Node, parseTree, type Tree } from './json5-tree.ts';
import { type PlacedComments, printLine, printValue } from './print.ts';
import type { ConfigInput } from './schema.ts';
import { type ConfigProblem, shapeProblems, validateConfig } from './validate.ts';

export interface Migration {
  /** the canonical form; null when there are problems */
  config: ConfigInput | null;
  /** the same as JSON5, with comments */
  text: string;
  /** whether `text` is another one than was given */
  changed: boolean;
  /** one per old key */
  notes: string[];
  /** keys that stand in `text` as comments only; `unknown`: no dialect knows them, a slip of the pen perhaps; `restricts`: may keep somebody out */
  dropped: { path: string; value: unknown; reason: string; unknown: boolean; restricts: boolean }[];
  /** what must be mended first, in the places of the given text */
  problems: ConfigProblem[];
}

/** @param text of a config file in any dialect */
export function migrateConfig(text: string): Migration {
  const failed = (problems: ConfigProblem[]): Migration => ({
    config: null,
    text,
    changed: false,
    notes: [],
    dropped: [],
    problems,
  });
  let raw: unknown;
  try {
    raw = JSON5.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return failed(validateConfig(text).problems);
  }
  const translation = translateDialects(raw);
  const config = structuredClone(translation.config);
  const unknown: DroppedKey[] = [];
  for (const { path, message } of shapeProblems(config).filter(problem => problem.unknown)) {
    unknown.push({
      path: translation.sourceOf(path),
      value: valueAt(config, path),
      reason: message,
      restricts: true,
    });
    removeKey(config, path);
  }
  const known = validateConfig(text).problems;
  const named = new Set([...unknown, ...translation.dropped].map(({ path }) => formatPath(path)));
  const problems = known.filter(({ path }) => !named.has(path));
  const checked = validateConfig(printLine(config, true));
  if (problems.length > 0 || checked.config === null)
    return failed(
      problems.length > 0 ? problems : checked.problems.map(problem => ({ ...problem, line: null })),
    );

  const lost = [...translation.dropped, ...unknown];
  const changed = lost.length > 0 || translation.notes.length > 0 || !isSame(raw, config);
  return {
    config: checked.config,
    text: changed ? print(text, raw, config, path => translation.sourceOf(path), lost) : text,
    changed,
    notes: translation.notes,
    dropped: lost.map(({ path, value, reason, restricts }) => ({
      path: formatPath(path),
      value,
      reason,
      restricts,
      unknown: unknown.some(other => other.path === path),
    })),
    problems: [],
  };
}

/** The canonical form with the comments of the text beside the keys they stood beside. */
function print(
  text: string,
  raw: unknown,
  config: unknown,
  sourceOf: (path: ConfigPath) => ConfigPath,
  lost: readonly DroppedKey[],
): string {
  const tree = parseTree(text);
  const held = commentsByPath(tree.root);
  const placed = new Map<string, PlacedComments>();
  const take = (path: ConfigPath, value: unknown) => {
    const source = sourceOf(path);
    // What was made from a block is not that block, and its comments are not about it.
    if (isRecord(valueAt(raw, source)) && !isRecord(value)) return;
    const id = JSON.stringify(source);
    const found = held.get(id);
    held.delete(id);
    if (found !== undefined) placed.set(JSON.stringify(path), found);
  };
  visit(config, [], take);

  const left = lost.flatMap(({ path, value, reason }) => {
    const about = held.get(JSON.stringify(path));
    held.delete(JSON.stringify(path));
    const behind = about === undefined ? [] : [...about.after, ...about.inside];
    return [
      ...(about?.before ?? []),
      [`// ${onOneLine(formatPath(path))}: ${printLine(value)}`, ...behind].join(' '),
      `//   left out: ${onOneLine(reason)}`,
    ];
  });
  // Comments of blocks that are gone, such as `inbound`: kept, at the top.
  const homeless = [...held.values()].flatMap(({ before, after, inside }) => [
    ...before,
    ...after,
    ...inside,
  ]);
  const top = placed.get('[]') ?? { before: [], after: [], inside: [] };
  placed.set('[]', { ...top, inside: [...top.inside, ...left] });
  const lines = [
    ...wordsOf(tree.before),
    ...homeless,
    printValue(config, { comments: placed, spread: true }),
    ...wordsOf(tree.after),
  ];
  return `${lines.join('\n')}\n`
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll('\n', text.includes('\r\n') ? '\r\n' : '\n');
}

/** Of a comment that runs to the end of its line, which JSON5 sees in more places than most. */
function onOneLine(text: string): string {
  return text.replace(/[\n\r\u2028\u2029]/g, ' ');
}

function visit(value: unknown, path: ConfigPath, take: (path: ConfigPath, value: unknown) => void): void {
  take(path, value);
  const entries: [string | number, unknown][] = isRecord(value)
    ? Object.entries(value)
    : Array.isArray(value)
      ? [...value.entries()]
      : [];
  for (const [key, below] of entries) visit(below, [...path, key], take);
}

function commentsByPath(root: Node): Map<string, PlacedComments> {
  const found = new Map<string, PlacedComments>();
  const collect = (node: Node, path: ConfigPath, before: string[], after: string[]): void => {
    const inside = wordsOf(node.inside);
    if (before.length + after.length + inside.length > 0) {
      const id = JSON.stringify(path);
      const other = found.get(id);
      // A key that is there twice: the comments of both.
      found.set(id, {
        before: [...(other?.before ?? []), ...before],
        after: [...(other?.after ?? []), ...after],
        inside: [...(other?.inside ?? []), ...inside],
      });
    }
    for (const member of node.members)
      collect(member.value, [...path, member.key], wordsOf(member.before), wordsOf(member.after));
  };
  collect(root, [], [], []);
  return found;
}

function wordsOf(comments: Tree['before']): string[] {
  return comments.map((comment: Comment) => comment.text);
}
