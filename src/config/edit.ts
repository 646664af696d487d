/**
 * Changes one key in the text of a config file and leaves every other byte as it is: comments, order, quotes, line ends.
 * The text must have parsed. What cannot be done without losing a comment is refused, with the text to write by hand.
 */
import JSON5 from 'json5';
import { type ConfigPath, formatPath, isRecord } from './config-path.ts';
import { commentsIn, type Member, memberOf, type Node, parseTree } from './json5-tree.ts';
import { printKey, printLine, printValue } from './print.ts';

export type Edit =
  | { ok: true; text: string }
  /** why, for a person; `line` is where to look (1-based) */
  | {
      ok: false;
      reason: string;
      line: number | null;
      /** the path itself is wrong, not the text: nothing to write by hand either */
      usage?: true;
    };

/** The text with `value` at `path`; objects on the way are made, a list grows by one item at its end. */
export function setInText(text: string, path: ConfigPath, value: unknown): Edit {
  const { root } = parseTree(text);
  const way = follow(root, path);
  if ('problem' in way) return way.problem;
  const { node, member, rest } = way;
  if (rest.length === 0) {
    const lost = commentsIn(node);
    if (lost.length > 0) return keptComments(path, node);
    const style = styleAround(text, root, member);
    const printed = print(value, style, lineIndent(text, member?.start ?? node.start));
    return checked(text, replace(text, node.start, node.end, printed), path, value);
  }
  const [key, ...below] = rest as [string | number, ...(string | number)[]];
  const isList = typeof key === 'number';
  if (node.kind !== (isList ? 'list' : 'object')) {
    const where = formatPath(path.slice(0, path.length - rest.length));
    return { ok: false, reason: `${where} is no ${isList ? 'list' : 'object'} in the file`, line: node.line };
  }
  if (isList && key > node.members.length) {
    const where = formatPath(path.slice(0, path.length - rest.length));
    return {
      ok: false,
      reason: `${where} has ${node.members.length} items; the next is [${node.members.length}]`,
      line: node.line,
      usage: true,
    };
  }
  const nested = below.reduceRight<unknown>(
    (inner, step) => (step === 0 ? [inner] : { [step]: inner }),
    value,
  );
  return checked(text, insert(text, root, node, key, nested), path, value);
}

/** The text without the key; comments beside it stay. An object that becomes empty stays too. */
export function removeFromText(text: string, path: ConfigPath): Edit {
  const { root } = parseTree(text);
  const way = follow(root, path);
  if ('problem' in way) return way.problem;
  const { member, parent, rest } = way;
  if (rest.length > 0 || member === undefined || parent === undefined) {
    return { ok: false, reason: `${formatPath(path)} is not in the file`, line: null };
  }
  if (commentsIn(member.value).length > 0) return keptComments(path, member.value);
  // Between key, value and comma a comment has no place of its own once they are gone.
  const end = member.comma ?? member.value.end;
  const inBetween = [...member.before, ...member.after].filter(
    at => at.start > member.start && at.start < end,
  );
  if (inBetween.length > 0) return keptComments(path, member.value);
  let edited = replace(text, member.start, end, '');
  // A line of which nothing is left goes as a whole.
  const from = lineStart(edited, member.start);
  const to = lineEnd(edited, member.start);
  if (/^[ \t]*$/.test(edited.slice(from, to))) {
    const newline = /^(\r\n|[\n\r])/.exec(edited.slice(to))?.[0] ?? '';
    edited = replace(edited, from, to + newline.length, '');
  } else if (/[ \t]/.test(edited[member.start] ?? '') && /[ \t{[]/.test(edited[member.start - 1] ?? '')) {
    edited = replace(edited, member.start, member.start + 1, '');
  }
  const hollow = /^[{[]([ \t]+)[}\]]/.exec(edited.slice(parent.start))?.[1];
  if (hollow !== undefined) edited = replace(edited, parent.start + 1, parent.start + 1 + hollow.length, '');
  // The last of several, in strict JSON: the comma before it would be one too many.
  const index = parent.members.indexOf(member);
  const previous = parent.members[index - 1];
  if (index === parent.members.length - 1 && member.comma === null && previous?.comma) {
    edited = replace(edited, previous.comma - 1, previous.comma, '');
  }
  return checked(text, edited, path, undefined);
}

type Way =
  | { node: Node; member: Member | undefined; parent: Node | undefined; rest: ConfigPath }
  | { problem: Edit & { ok: false } };

/** As far as the path is in the text. */
function follow(root: Node, path: ConfigPath): Way {
  let node = root;
  let parent: Node | undefined;
  let member: Member | undefined;
  for (const [depth, step] of path.entries()) {
    const twice = node.members.filter(other => typeof step === 'string' && other.key === step);
    if (twice.length > 1) {
      const lines = twice.map(({ line }) => line).join(' and ');
      const reason = `${formatPath(path.slice(0, depth + 1))} is there twice (lines ${lines}); remove one first`;
      return { problem: { ok: false, reason, line: twice[0]?.line ?? null } };
    }
    const next = memberOf(node, step);
    if (next === undefined) return { node, member, parent, rest: path.slice(depth) };
    [parent, member, node] = [node, next, next.value];
  }
  return { node, member, parent, rest: [] };
}

/** A new member behind the last one. */
function insert(text: string, root: Node, node: Node, key: string | number, value: unknown): string {
  const style = styleAround(text, root, node.members.at(-1));
  const name = typeof key === 'number' ? '' : `${printKey(key, style.strict)}: `;
  const last = node.members.at(-1);
  const close = node.end - 1;
  const base = lineIndent(text, node.start);
  const onLines = /[\n\r]/.test(text.slice(node.start, node.end)) || (node === root && last === undefined);
  if (!onLines) {
    const entry = `${name}${printLine(value, style.strict)}`;
    if (last === undefined) {
      const kept = text.slice(node.start + 1, close).trim();
      const before = kept === '' ? '' : `${kept} `;
      const [from, to] = node.kind === 'object' ? [' ', ' '] : ['', ''];
      return replace(text, node.start + 1, close, `${from}${before}${entry}${to}`);
    }
    return last.comma === null
      ? replace(text, last.value.end, last.value.end, `, ${entry}`)
      : replace(text, last.comma, last.comma, ` ${entry},`);
  }
  const newline = style.newline;
  const indent =
    last !== undefined && isFirstOnLine(text, last.start)
      ? lineIndent(text, last.start)
      : base + style.indent;
  const entry = `${indent}${name}${print(value, style, indent)}`;
  const comma = last === undefined ? !style.strict : last.comma !== null;
  const own = isFirstOnLine(text, close);
  const at = own ? lineStart(text, close) : close;
  const added = `${own ? '' : newline}${entry}${comma ? ',' : ''}${newline}${own ? '' : base}`;
  const grown = replace(text, at, at, added);
  // The comma of the member before goes right behind its value, in front of any comment.
  return last !== undefined && last.comma === null
    ? replace(grown, last.value.end, last.value.end, ',')
    : grown;
}

interface TextStyle {
  strict: boolean;
  indent: string;
  newline: string;
}

/** How this file is written: with quoted keys or without, how far inwards, with which line ends. */
function styleAround(text: string, root: Node, near: Member | undefined): TextStyle {
  const sample = (near?.rawKey ? near : undefined) ?? root.members[0];
  const strict = sample?.rawKey.startsWith('"') === true && !hasLooseKey(root);
  const first = root.members[0];
  const indent = first !== undefined && isFirstOnLine(text, first.start) ? lineIndent(text, first.start) : '';
  return {
    strict,
    indent: indent === '' ? '  ' : indent,
    newline: text.includes('\r\n') ? '\r\n' : '\n',
  };
}

function hasLooseKey(node: Node): boolean {
  return node.members.some(
    ({ rawKey, value }) => (rawKey !== '' && !rawKey.startsWith('"')) || hasLooseKey(value),
  );
}

function print(value: unknown, style: TextStyle, at: string): string {
  const printed = printValue(value, { strict: style.strict, indent: style.indent, width: 90 }, at);
  return printed.replaceAll('\n', style.newline);
}

/** The edited text, if it reads as the old one with this one change, and no comment is gone. */
function checked(before: string, text: string, path: ConfigPath, value: unknown): Edit {
  const wanted = withValue(JSON5.parse(before), path, value);
  const refused: Edit = {
    ok: false,
    reason: `${formatPath(path)} cannot be changed safely in this text`,
    line: null,
  };
  try {
    if (!isSame(JSON5.parse(text), wanted)) return refused;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return refused;
  }
  const comments = (of: string) => {
    const tree = parseTree(of);
    return [...tree.before, ...commentsIn(tree.root), ...tree.after].map(comment => comment.text);
  };
  return isSame(comments(before), comments(text)) ? { ok: true, text } : refused;
}

/** A copy of a value with a change at a path; `undefined` takes it away. */
export function withValue(root: unknown, path: ConfigPath, value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  const copy: unknown = Array.isArray(root)
    ? [...root]
    : isRecord(root)
      ? { ...root }
      : typeof step === 'number'
        ? []
        : {};
  const members = copy as Record<string | number, unknown>;
  const below = withValue(Object.hasOwn(members, step) ? members[step] : undefined, rest, value);
  if (below === undefined && rest.length === 0) {
    if (Array.isArray(copy)) copy.splice(Number(step), 1);
    else delete members[step];
  } else members[step] = below;
  return copy;
}

/** Equal as configurations: members in any order, numbers as Object.is has them. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  if (!isRecord(a) || !isRecord(b)) return Object.is(a, b);
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(key => Object.hasOwn(b, key) && isSame(a[key], b[key]))
  );
}

function keptComments(path: ConfigPath, node: Node): Edit {
  return {
    ok: false,
    reason: `there are comments inside ${formatPath(path)}, which would be lost`,
    line: node.line,
  };
}

function replace(text: string, from: number, to: number, by: string): string {
  return text.slice(0, from) + by + text.slice(to);
}

function lineStart(text: string, at: number): number {
  let from = at;
  while (from > 0 && !/[\n\r]/.test(text[from - 1] ?? '')) from--;
  return from;
}

function lineEnd(text: string, at: number): number {
  let to = at;
  while (to < text.length && !/[\n\r]/.test(text[to] ?? '')) to++;
  return to;
}

function lineIndent(text: string, at: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, at), at))?.[0] ?? '';
}

function isFirstOnLine(text: string, at: number): boolean {
  return /^[ \t]*$/.test(text.slice(lineStart(text, at), at));
}
