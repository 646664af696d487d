/** What every sender over HTTP shares: a request, the answer to it, and what the answer means. */
import type { OutboxItem } from './delivery.ts';
import type { Measure } from './split.ts';

/** One request. */
export interface Posting {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** What came back. */
export interface Answer {
  status: number;
  /** in seconds or as an HTTP date (RFC 9110 §10.2.3) */
  retryAfter: string | null;
  /** at most 64 KiB of it; cut off where the connection ended early */
  body: string;
}

export type Verdict =
  | { outcome: 'sent' }
  /** `later`: the service named a time, ms from now */
  | { outcome: 'temporary'; reason: string; later?: number; isBusy?: boolean }
  | { outcome: 'permanent'; reason: string };

/** Settings of a sender with its secrets filled in: `token`, `url` … */
export type Access = Readonly<Record<string, unknown>>;

/** One message on its way out. */
export interface Outgoing {
  item: OutboxItem;
  text: string;
  /** from 0 */
  part: number;
  /** the same for the same part of the same delivery, however often it is tried */
  key: string;
  /** epoch ms */
  now: number;
  /** address that `open` found out, else null */
  address: string | null;
}

/** A service that takes messages. Building and judging are pure; `runner/post.ts` does the request between them. */
export interface Service {
  /** null: the text goes whole */
  measure: Measure | null;
  /** Where there is nothing to send to, why; null otherwise. */
  refuse?(item: OutboxItem, access: Access): string | null;
  /** A request that has to come first, to find out the address; null where none has. */
  open?(item: OutboxItem, access: Access): Posting | null;
  /** The address in the answer to it. */
  opened?(answer: Answer, now: number): { address: string } | Exclude<Verdict, { outcome: 'sent' }>;
  posting(message: Outgoing, access: Access): Posting;
  judge(answer: Answer, now: number): Verdict;
}

/** Of what a service says only so much is kept. */
const LONGEST_REASON = 300;
/** No service is believed that wants to rest for longer than a day, in ms. */
const LONGEST_REST = 24 * 3_600_000;

/**
 * What an HTTP status means for a delivery: 2xx sent; 408, 425, 429 and 5xx temporary, with Retry-After; else permanent.
 *
 * @param said the service's own words
 */
export function judgeStatus({ status, retryAfter }: Answer, now: number, said: string): Verdict {
  if (status >= 200 && status < 300) return { outcome: 'sent' };
  const reason = clip(`HTTP ${status}${said === '' ? '' : `: ${said}`}`);
  if (status >= 300 && status < 400)
    return { outcome: 'permanent', reason: `${reason} (a redirection to another place is not followed)` };
  if (![408, 425, 429].includes(status) && status < 500) return { outcome: 'permanent', reason };
  return temporary(reason, retryAfterMs(retryAfter, now), status === 429);
}

/** A temporary failure. @param later ms that the service asked to wait; null: it said nothing */
export function temporary(reason: string, later: number | null, isBusy = false): Verdict {
  return {
    outcome: 'temporary',
    reason: clip(reason),
    ...(later === null ? {} : { later: Math.min(later, LONGEST_REST) }),
    ...(isBusy ? { isBusy } : {}),
  };
}

/** A status that says it went well with a body that does not: whether it did is not known. */
export function unreadable(answer: Answer): Verdict {
  return temporary(`HTTP ${answer.status} with an answer that cannot be read: ${answer.body}`, null);
}

/** Retry-After in ms from now; null where there is none or it means nothing. */
export function retryAfterMs(value: string | null, now: number): number | null {
  if (value === null || value.trim() === '') return null;
  if (/^\s*\d+(\.\d+)?\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** The JSON object in an answer, null where there is none. */
export function jsonOf(answer: Answer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(answer.body);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** A field of an answer, as text. */
export function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function clip(text: string): string {
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  return line.length > LONGEST_REASON ? `${line.slice(0, LONGEST_REASON)}…` : line;
}
