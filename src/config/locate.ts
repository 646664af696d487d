/**
 * Line numbers for a JSON5 text that has parsed: which line each key and each list item stands on. json5 reports
 * positions of syntax errors only, and "line 14" is what people look for. Also finds keys written twice, of which
 * json5 silently keeps the last.
 */
import type { ConfigPath } from './config-path.ts';
import { memberOf, type Node, parseTree } from './json5-tree.ts';

export interface Positions {
  /** 1-based line of the path, or of the nearest thing around it that is in the text; null for the top level */
  lineOf(path: ConfigPath): number | null;
  /** keys that stand more than once in one object, with the lines of the first and the last */
  repeated: { path: ConfigPath; first: number; last: number }[];
}

/** @param text valid JSON5; for anything else the answers are guesses */
export function locate(text: string): Positions {
  const { root } = parseTree(text);
  const repeated: Positions['repeated'] = [];
  findRepeated(root, []);
  return {
    lineOf(path) {
      let node: Node | undefined = root;
      let line: number | null = null;
      for (const step of path) {
        const member: ReturnType<typeof memberOf> = node && memberOf(node, step);
        if (member === undefined) break;
        line = member.line;
        node = member.value;
      }
      return line;
    },
    repeated,
  };

  function findRepeated(node: Node, path: ConfigPath): void {
    const lines = new Map<string | number, number>();
    for (const { key, line, value } of node.members) {
      const first = lines.get(key);
      if (first === undefined) lines.set(key, line);
      else repeated.push({ path: [...path, key], first, last: line });
      findRepeated(value, [...path, key]);
    }
  }
}
