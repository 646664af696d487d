/**
 * Line numbers for a JSON5 text that has parsed: which line each key and each list item stands on. json5 reports
 * positions of syntax errors only, and "line 14" is what people look for. Also finds keys written twice, of which
 * json5 silently keeps the last.
 */
import JSON5 from 'json5';
import type { ConfigPath } from './config-path.ts';

export interface Positions {
  /** 1-based line of the path, or of the nearest thing around it that is in the text; null for the top level */
  lineOf(path: ConfigPath): number | null;
  /** keys that stand more than once in one object, with the lines of the first and the last */
  repeated: { path: ConfigPath; first: number; last: number }[];
}

/** @param text valid JSON5; for anything else the answers are guesses */
export function locate(text: string): Positions {
  const lines = new Map<string, number>();
  const repeated: Positions['repeated'] = [];
  let at = 0;
  let line = 1;
  value([]);

  return {
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const found = lines.get(JSON.stringify(path.slice(0, length)));
        if (found !== undefined) return found;
      }
      return null;
    },
    repeated,
  };

  function value(path: ConfigPath): void {
    space();
    if (text[at] === '{') members(path);
    else if (text[at] === '[') items(path);
    else token();
  }

  function members(path: ConfigPath): void {
    at++;
    for (space(); at < text.length && text[at] !== '}'; space()) {
      const start = line;
      const key = [...path, keyOf(token())];
      const id = JSON.stringify(key);
      const first = lines.get(id);
      if (first !== undefined) {
        repeated.push({ path: key, first, last: start });
        // What stood below the first is gone from the configuration.
        for (const below of lines.keys()) if (below.startsWith(`${id.slice(0, -1)},`)) lines.delete(below);
      }
      lines.set(id, start);
      space();
      if (text[at] === ':') at++;
      value(key);
      space();
      if (text[at] === ',') at++;
    }
    at++;
  }

  function items(path: ConfigPath): void {
    at++;
    let index = 0;
    for (space(); at < text.length && text[at] !== ']'; space()) {
      const item = [...path, index++];
      lines.set(JSON.stringify(item), line);
      value(item);
      space();
      if (text[at] === ',') at++;
    }
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

  /** Whitespace and comments. */
  function space(): void {
    while (at < text.length) {
      if (/\s/.test(text[at] ?? '')) step();
      else if (text.startsWith('//', at))
        while (at < text.length && !/[\n\r\u2028\u2029]/.test(text[at] ?? '')) step();
      else if (text.startsWith('/*', at)) {
        const end = text.indexOf('*/', at + 2);
        const stop = end === -1 ? text.length : end + 2;
        while (at < stop) step();
      } else return;
    }
  }

  function step(): void {
    if (text[at] === '\n' || (text[at] === '\r' && text[at + 1] !== '\n')) line++;
    at++;
  }
}

/** The name a key token stands for: quotes taken off, escapes read. */
function keyOf(raw: string): string {
  if (raw.includes('\\')) return Object.keys(JSON5.parse<Record<string, unknown>>(`{${raw}:0}`))[0] ?? raw;
  return /^["']/.test(raw) ? raw.slice(1, -1) : raw;
}
