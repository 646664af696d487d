/**
 * A JSON5 text that has parsed, as the places where things stand: json5 itself gives values without places, and an edit
 * or a line number needs them. Comments are kept with what they stand beside.
 */
import JSON5 from 'json5';

export interface Comment {
  /** with its marks */
  text: string;
  start: number;
  end: number;
}

/** One `key: value` of an object, or one item of a list. Offsets are those of the text, ends exclusive. */
export interface Member {
  key: string | number;
  /** as it stands in the text; empty for an item */
  rawKey: string;
  /** of the key, or of the item */
  start: number;
  /** 1-based, of `start` */
  line: number;
  value: Node;
  /** end of the comma behind the value; null where there is none */
  comma: number | null;
  /** comments before it */
  before: Comment[];
  /** comments behind it on its line */
  after: Comment[];
}

export interface Node {
  kind: 'object' | 'list' | 'scalar';
  start: number;
  end: number;
  /** 1-based, of `start` */
  line: number;
  members: Member[];
  /** comments behind the last member */
  inside: Comment[];
}

export interface Tree {
  root: Node;
  /** comments before the value and behind it */
  before: Comment[];
  after: Comment[];
}

/** @param text valid JSON5; for anything else the answer is a guess, but there is one */
export function parseTree(text: string): Tree {
  let at = 0;
  let line = 1;
  const before = space();
  const root = value();
  return { root, before, after: space() };

  function value(): Node {
    const node: Node = { kind: 'scalar', start: at, end: at, line, members: [], inside: [] };
    if (text[at] === '{' || text[at] === '[') {
      node.kind = text[at] === '{' ? 'object' : 'list';
      members(node);
    } else token();
    node.end = at;
    return node;
  }

  function members(node: Node): void {
    const close = node.kind === 'object' ? '}' : ']';
    at++;
    let pending = space();
    while (at < text.length && text[at] !== close) {
      const start = at;
      const lineOfStart = line;
      let key: string | number = node.members.length;
      let rawKey = '';
      if (node.kind === 'object') {
        rawKey = token();
        key = keyOf(rawKey);
        pending.push(...space());
        if (text[at] === ':') at++;
        pending.push(...space());
      }
      const member: Member = {
        key,
        rawKey,
        start,
        line: lineOfStart,
        value: value(),
        comma: null,
        before: pending,
        after: [],
      };
      node.members.push(member);
      const valueEnd = at;
      const behind = space();
      let mark = valueEnd;
      if (text[at] === ',') {
        at++;
        member.comma = at;
        mark = at;
        member.after.push(...behind);
        behind.splice(0);
        behind.push(...space());
      }
      pending = [];
      for (const comment of behind) {
        const sameLine = !/[\n\r]/.test(text.slice(mark, comment.start)) && pending.length === 0;
        const leadsOn = !/[\n\r\u2028\u2029]/.test(text.slice(comment.end, at)) && text[at] !== close;
        if (sameLine && !leadsOn) {
          member.after.push(comment);
          mark = comment.end;
        } else pending.push(comment);
      }
    }
    node.inside = pending;
    at++;
  }

  /** A string, or a word up to what can follow one. Always moves on, so that odd text cannot hang the scan. */
  function token(): string {
    const start = at;
    const quote = text[at];
    if (quote === '"' || quote === "'") {
      step();
      while (at < text.length && text[at] !== quote) {
        if (text[at] === '\\') step();
        step();
      }
      step();
    } else {
      do step();
      while (at < text.length && !/[\s:,{}[\]/]/.test(text[at] ?? ''));
    }
    return text.slice(start, at);
  }

  /** Passes whitespace and comments; gives the comments. */
  function space(): Comment[] {
    const comments: Comment[] = [];
    while (at < text.length) {
      const start = at;
      if (/\s/.test(text[at] ?? '')) {
        step();
        continue;
      }
      if (text.startsWith('//', at)) {
        while (at < text.length && !/[\n\r\u2028\u2029]/.test(text[at] ?? '')) step();
      } else if (text.startsWith('/*', at)) {
        const end = text.indexOf('*/', at + 2);
        const stop = end === -1 ? text.length : end + 2;
        while (at < stop) step();
      } else break;
      comments.push({ text: text.slice(start, at), start, end: at });
    }
    return comments;
  }

  function step(): void {
    if (text[at] === '\n' || (text[at] === '\r' && text[at + 1] !== '\n')) line++;
    at++;
  }
}

/** The member a key means: of a key that is there twice the last one, as json5 reads it. */
export function memberOf(node: Node, key: string | number): Member | undefined {
  return node.kind === (typeof key === 'number' ? 'list' : 'object')
    ? node.members.findLast(member => member.key === key)
    : undefined;
}

/** Every comment of a node, in the order of the text. */
export function commentsIn(node: Node): Comment[] {
  return [
    ...node.members.flatMap(({ before, value, after }) => [...before, ...commentsIn(value), ...after]),
    ...node.inside,
  ];
}

/** The name a key token stands for: quotes taken off, escapes read. */
function keyOf(raw: string): string {
  if (raw.includes('\\')) return Object.keys(JSON5.parse<Record<string, unknown>>(`{${raw}:0}`))[0] ?? raw;
  return /^["']/.test(raw) ? raw.slice(1, -1) : raw;
}
