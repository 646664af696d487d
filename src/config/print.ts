/** A value as JSON5 text in the style of the README: short things on one line, a comma behind every member. */
import { type ConfigPath, isRecord } from './config-path.ts';

/** Comments of one place, each with its marks. */
export interface PlacedComments {
  /** on lines of their own before the member */
  before: string[];
  /** behind the member on its line */
  after: string[];
  /** on lines of their own behind the last member of the object or list that stands here */
  inside: string[];
}

export interface PrintStyle {
  /** quotes around every key, no comma behind the last member: strict JSON */
  strict?: boolean;
  /** one step inwards */
  indent?: string;
  /** longest line of an object or list that stays on one */
  width?: number;
  /** by `JSON.stringify(path)` */
  comments?: ReadonlyMap<string, PlacedComments>;
  /** the object or list itself gets lines of its own, however short it is */
  spread?: boolean;
}

/**
 * @param at the indentation of the line the value begins on
 * @param path where the value stands, for its comments
 */
export function printValue(value: unknown, style: PrintStyle = {}, at = '', path: ConfigPath = []): string {
  const { strict = false, indent = '  ', width = 100, comments, spread = false } = style;
  if (!isRecord(value) && !Array.isArray(value)) return printScalar(value);
  const entries: [string | number, unknown][] = isRecord(value)
    ? Object.entries(value)
    : [...value.entries()];
  const line = printLine(value, strict);
  const inside = comments?.get(JSON.stringify(path))?.inside ?? [];
  const below = `${JSON.stringify(path).slice(0, -1)}${path.length === 0 ? '' : ','}`;
  const commented =
    inside.length > 0 || [...(comments?.keys() ?? [])].some(id => id !== '[]' && id.startsWith(below));
  const short = entries.length === 0 || at.length + line.length <= width;
  if (short && !commented && !spread) return line;

  const inner = at + indent;
  const lines = entries.flatMap(([key, item], index) => {
    const here = [...path, key];
    const { before = [], after = [] } = comments?.get(JSON.stringify(here)) ?? {};
    const name = typeof key === 'number' ? '' : `${printKey(key, strict)}: `;
    const comma = strict && index === entries.length - 1 ? '' : ',';
    const printed = `${inner}${name}${printValue(item, { ...style, spread: false }, inner, here)}${comma}`;
    return [...before.map(comment => inner + comment), [printed, ...after].join(' ')];
  });
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  return [open, ...lines, ...inside.map(comment => inner + comment), at + close].join('\n');
}

/** A value on one line, however long. */
export function printLine(value: unknown, strict = false): string {
  if (Array.isArray(value)) return `[${value.map(item => printLine(item, strict)).join(', ')}]`;
  if (!isRecord(value)) return printScalar(value);
  const members = Object.entries(value).map(
    ([key, below]) => `${printKey(key, strict)}: ${printLine(below, strict)}`,
  );
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
}

/** A key as it stands before the colon. */
export function printKey(key: string, strict = false): string {
  return !strict && /^[A-Za-z_$][\w$]*$/.test(key) ? key : printString(key);
}

function printScalar(value: unknown): string {
  if (typeof value === 'string') return printString(value);
  if (typeof value !== 'number') return JSON.stringify(value);
  // JSON5 has Infinity, NaN and a zero below zero, which JSON has not.
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Escapes also what ends a line for JSON5 but not for JSON, so that a comment that holds the text stays one. */
function printString(text: string): string {
  return JSON.stringify(text).replace(/[\u2028\u2029]/g, end => `\\u${end.charCodeAt(0).toString(16)}`);
}
