/**
 * Strangers who ask to be let in (`dmPolicy: pairing`). The first message of one is answered with a code, once; the
 * operator approves or denies it. Denied, and those beyond the limit, hear nothing: silence tells nobody that an
 * assistant is there, and a flood of strangers costs nothing.
 */
import type { ConfigInput } from '../../config/schema.ts';
import { parseDuration } from '../schedule/duration.ts';
import { accountConfig } from './channel.ts';
import type { Message } from './message.ts';

const HOUR = 60 * 60_000;
const DEFAULT_PENDING = 3;
/** Characters of a stranger's first message that are kept. */
const KEPT_CHARACTERS = 2000;

/** No I, O, 0 or 1, which people take for each other: 32 characters, 5 bits each. */
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const CODE_LENGTH = 8;

/** One person of one account of a channel. */
export interface Person {
  channel: string;
  accountId: string;
  /** the sender's id, byte for byte */
  id: string;
}

/** A stranger waiting for the operator. Times are epoch ms. */
export interface PairingRequest extends Person {
  version: 1;
  code: string;
  name?: string;
  /** what he wrote first, clipped */
  text: string;
  /** message id of that, where the sender gives ids */
  messageId?: string;
  createdAt: number;
  expiresAt: number;
}

/** What the operator decided about somebody. */
export interface PairingDecision extends Person {
  version: 1;
  decision: 'approved' | 'denied';
  name?: string;
  /** epoch ms */
  at: number;
}

export interface PairingLimits {
  /** how long a code is good, ms */
  expires: number;
  /** most codes at a time for one account of a channel */
  maxPending: number;
}

/** `channels.<id>.pairing`, that of the account where it has its own; 1 h and 3 where nothing usable is set. */
export function pairingLimits(
  config: Pick<ConfigInput, 'channels'>,
  channel: string,
  accountId: string,
): PairingLimits {
  const settings = (accountConfig(config.channels, channel, accountId) as { pairing?: unknown }).pairing;
  const { expires, maxPending } = (settings ?? {}) as { expires?: unknown; maxPending?: unknown };
  const ms = typeof expires === 'string' ? parseDuration(expires) : null;
  return {
    expires: ms !== null && ms > 0 ? ms : HOUR,
    maxPending:
      Number.isSafeInteger(maxPending) && (maxPending as number) >= 0
        ? (maxPending as number)
        : DEFAULT_PENDING,
  };
}

/** The code that 40 of a UUID's random bits make, e.g. `K7QWM2XP`. */
export function pairingCode(uuid: string): string {
  let bits = Number.parseInt(uuid.replaceAll('-', '').slice(-10), 16);
  let code = '';
  while (code.length < CODE_LENGTH) {
    code += ALPHABET[bits % ALPHABET.length];
    bits = Math.floor(bits / ALPHABET.length);
  }
  return code;
}

/** A code as a person typed it: in any case, with blanks or dashes. */
export function readCode(typed: string): string {
  return typed.toUpperCase().replace(/[\s-]/g, '');
}

/** The request that a stranger's message makes. */
export function newRequest(
  message: Message & { from: string },
  code: string,
  now: number,
  limits: PairingLimits,
): PairingRequest {
  const { channel, accountId, from, fromName, text, id } = message;
  return {
    version: 1,
    channel,
    accountId,
    id: from,
    ...(fromName === undefined ? {} : { name: fromName }),
    code,
    text: clip(text),
    ...(id === undefined ? {} : { messageId: id }),
    createdAt: now,
    expiresAt: now + limits.expires,
  };
}

function clip(text: string): string {
  return text.length > KEPT_CHARACTERS
    ? `${text.slice(0, KEPT_CHARACTERS).replace(/\p{Surrogate}$/u, '')}…`
    : text;
}

/** Still good? A request from the future (a clock set back) is not, or it would never end. */
export function isOpen(request: PairingRequest, now: number): boolean {
  return now < request.expiresAt && request.createdAt <= now;
}

/** Is this the very message that the request was made of, delivered again? */
export function isSameMessage(request: PairingRequest, message: Message): boolean {
  return request.messageId !== undefined && request.messageId === message.id;
}

/** What the stranger is told. */
export function pairingText({ code, channel, id, createdAt, expiresAt }: PairingRequest): string {
  const minutes = Math.max(1, Math.round((expiresAt - createdAt) / 60_000));
  const good = minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`;
  return [
    `This assistant does not know you yet (you are ${channel}:${id}).`,
    `Pairing code: ${code}`,
    `Ask its owner to run: claw pairing approve ${code}`,
    `The code is good for ${good}. Then write again.`,
  ].join('\n');
}
