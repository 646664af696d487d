/** Standard input as messages: plain text, one JSON envelope, or a stream of them, one per line. */
import fs from 'node:fs';
import { ClawError } from '../core/errors.ts';

export type InputFormat = 'auto' | 'text' | 'json' | 'ndjson';

/** One message as it came in: plain text, or a parsed envelope that is still to be checked. */
export type RawMessage = { kind: 'text'; text: string } | { kind: 'envelope'; value: unknown };

/** Default of `messages.maxBytes`. */
export const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Reads all of stdin as bytes, up to a limit. Straight from the descriptor, since waking `process.stdin` costs more than
 * the reading; only a descriptor that somebody made non-blocking is left to it.
 *
 * @throws ClawError data `too-large` naming the limit
 */
export async function readInput(limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const take = (chunk: Buffer) => {
    length += chunk.length;
    if (length > limit) throw tooLarge(limit);
    chunks.push(chunk);
  };
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(64 * 1024);
      const read = fs.readSync(0, chunk);
      if (read === 0) return Buffer.concat(chunks);
      take(chunk.subarray(0, read));
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EOF') return Buffer.concat(chunks);
    if (code === 'EISDIR') {
      throw new ClawError('data', 'not-readable', 'standard input is a folder', 'echo hello | claw ingest');
    }
    if (code !== 'EAGAIN') throw error;
  }
  for await (const chunk of process.stdin) take(chunk);
  return Buffer.concat(chunks);
}

/** Lines of stdin as they arrive; a line over the limit is yielded as an error and skipped. */
export async function* readLines(
  stdin: AsyncIterable<Buffer>,
  limit: number,
): AsyncGenerator<Buffer | ClawError> {
  let parts: Buffer[] = [];
  let length = 0;
  let skipping = false;
  for await (const chunk of stdin) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      length += end - start;
      yield skipping || length > limit ? tooLarge(limit) : Buffer.concat(parts);
      parts = [];
      length = 0;
      skipping = false;
      start = end + 1;
    }
    if (!skipping) parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > limit) {
      skipping = true;
      parts = [];
    }
  }
  if (skipping) yield tooLarge(limit);
  else if (length > 0) yield Buffer.concat(parts);
}

/** The refusal of a text that is too long, with the limit and the key that moves it. */
export function tooLarge(limit: number): ClawError {
  return new ClawError(
    'data',
    'too-large',
    `the message is larger than ${limit} bytes (messages.maxBytes)`,
    'send a file instead of its text, or raise messages.maxBytes in the config',
  );
}

/** Bytes as text. What is no UTF-8 becomes U+FFFD; the one newline that `echo` and editors add at the end is dropped. */
export function decodeText(bytes: Buffer): string {
  return bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .replace(/\r?\n$/, '');
}

/**
 * What stdin holds, where nobody said: one JSON object with a `text` is an envelope; lines of which the first is one are a
 * stream; what does not look like JSON is plain text. What looks like JSON and is neither is refused: a truncated or
 * misspelt envelope must not become a message of the operator's own.
 *
 * @throws ClawError data `not-an-envelope`
 */
export function detect(text: string): (() => RawMessage)[] {
  const trimmed = text.trim();
  if (!looksLikeJson(trimmed)) return [() => ({ kind: 'text', text })];
  const whole = envelopeOf(trimmed);
  if (whole) return [() => whole];
  const lines = trimmed.split('\n').filter(line => line.trim() !== '');
  if (lines.length > 1 && envelopeOf(lines[0]!)) return lines.map(line => () => parseJson(line));
  throw new ClawError(
    'data',
    'not-an-envelope',
    'standard input looks like JSON, but is neither an envelope with a "text" nor NDJSON of envelopes',
    'claw ingest --format text   (to send it as it is), or --format json for what is wrong with it',
  );
}

/** An object, or a list of something; `[12:30] hello` and `{see below}` are how people write. */
function looksLikeJson(trimmed: string): boolean {
  return /^\{\s*["}]/.test(trimmed) || /^\[\s*[{["\]]/.test(trimmed);
}

function envelopeOf(text: string): RawMessage | null {
  try {
    const value: unknown = JSON.parse(text);
    const isEnvelope =
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      ('text' in value || 'attachments' in value);
    return isEnvelope ? { kind: 'envelope', value } : null;
  } catch {
    return null;
  }
}

/** One JSON document that must be an envelope. @throws ClawError data `not-json` */
export function parseJson(text: string): RawMessage {
  try {
    return { kind: 'envelope', value: JSON.parse(text) };
  } catch (error) {
    throw new ClawError(
      'data',
      'not-json',
      `the message is not JSON: ${(error as Error).message}`,
      'claw ingest --format text',
    );
  }
}
