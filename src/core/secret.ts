/** Keeps secrets out of what claw writes for people. */

/** Shapes of tokens that services hand out, by their documented prefixes, and what stands behind `Bearer`. */
const SHAPES = [
  /\bsk-[A-Za-z0-9_-]{16,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/g,
  /\bgithub_pat_[A-Za-z0-9_]{20,}/g,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\bAIza[0-9A-Za-z_-]{35}/g,
  /\b\d{8,10}:[A-Za-z0-9_-]{35}\b/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+/g,
  /(?<=\bBearer\s{1,20})[A-Za-z0-9._~+/=-]{8,}/gi,
  // The password in an address.
  /(?<=\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]{1,100}:)[^\s/@]{1,200}(?=@)/gi,
];

/** Below this a value is more likely a word than a secret: hiding every "1" would hide the message. */
const SHORTEST = 8;

/** A line of a secret of several (a private key) is as secret as the whole; a shorter one is its frame. */
const SHORTEST_LINE = 16;

/** The beginning of a secret at the end of a text that was cut there tells as much of it. */
const SHORTEST_PART = 6;

/** A longer value is sought by its beginning: regular expressions refuse one of 32 KiB among several. */
const HEAD = 8192;

const HIDDEN = '***';

/** `postgres://user:password@host` */
const WITH_PASSWORD = /^[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:([^\s/@]+)@/i;

/**
 * Hides values in a text that comes in pieces, as it would in the whole: a value may begin in one piece and end in another
 * (claude and others print a few characters at a time). At each place the longest value counts.
 */
export class SecretVeil {
  readonly #forms: readonly string[];
  readonly #beginnings: ReadonlySet<string>;
  readonly #longest: number;
  readonly #next: Finder | null;
  #held = '';

  /** @param secrets values that are secret; those below 8 characters are left */
  constructor(secrets: readonly string[]) {
    this.#forms = formsOfAll(secrets);
    this.#beginnings = new Set(this.#forms.map(form => form[0]!));
    this.#longest = this.#forms[0]?.length ?? 0;
    this.#next = finderOf(this.#forms);
  }

  /** Takes the next piece; returns what can be shown, without an end that a value may begin with. */
  push(text: string): string {
    if (this.#next === null) return text;
    const held = this.#held + text;
    let shown = '';
    let at = 0;
    let open = this.#openIn(held, 0);
    for (;;) {
      const found = this.#next(held, at);
      if (found === null || found.start >= open) {
        this.#held = held.slice(open);
        return shown + held.slice(at, open);
      }
      shown += held.slice(at, found.start) + HIDDEN;
      at = found.end;
      if (at > open) open = this.#openIn(held, at);
    }
  }

  /** What was held back, when no more comes. `isCut`: more would have come, so a value may have begun. */
  end(isCut = false): string {
    const rest = this.#held;
    this.#held = '';
    if (this.#next === null || rest === '') return rest;
    if (isCut && rest.length >= SHORTEST_PART) return HIDDEN;
    let shown = '';
    let at = 0;
    for (const { start, end } of allIn(rest, this.#next)) {
      shown += rest.slice(at, start) + HIDDEN;
      at = end;
    }
    return shown + rest.slice(at);
  }

  /** Where in a text its end may be the beginning of a value that goes on. */
  #openIn(text: string, from: number): number {
    for (let at = Math.max(from, text.length - this.#longest + 1); at < text.length; at++) {
      if (!this.#beginnings.has(text[at]!)) continue;
      const end = text.slice(at);
      if (this.#forms.some(form => form.length > end.length && form.startsWith(end))) return at;
    }
    return text.length;
  }
}

/** The longest first, because one value may hold another. */
function formsOfAll(secrets: readonly string[]): string[] {
  return [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length);
}

/** The first value in a text from a place on, of several there the longest; null where there is none. */
type Finder = (text: string, from: number) => { start: number; end: number } | null;

/** @param forms the longest first; null where there are none */
function finderOf(forms: readonly string[]): Finder | null {
  if (forms.length === 0) return null;
  const heads = new Set(forms.map(form => form.slice(0, HEAD)));
  const pattern = new RegExp([...heads].map(escaped).join('|'), 'g');
  return (text, from) => {
    pattern.lastIndex = from;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const start = match.index;
      const form = forms.find(each => text.startsWith(each, start));
      if (form !== undefined) return { start, end: start + form.length };
      pattern.lastIndex = start + 1;
    }
    return null;
  };
}

function* allIn(text: string, next: Finder): Generator<{ start: number; end: number }> {
  for (let found = next(text, 0); found !== null; found = next(text, found.end)) yield found;
}

/** A value as it may be met: as it is, inside JSON, inside an address, one of its lines, the password of an address. */
function formsOf(value: string): string[] {
  const trimmed = value.trim();
  const password = WITH_PASSWORD.exec(trimmed)?.[1];
  const lines = trimmed.split(/\s*[\r\n]\s*/);
  const whole = [trimmed, JSON.stringify(trimmed).slice(1, -1), inAddress(trimmed), password ?? ''];
  return [
    ...whole.filter(form => form.length >= SHORTEST),
    ...(lines.length > 1
      ? lines.filter(line => line.length >= SHORTEST_LINE && !line.startsWith('-----'))
      : []),
  ];
}

function inAddress(value: string): string {
  // A lone surrogate has no place in an address.
  return encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd'));
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/**
 * A text with `***` for values that are secret. Done before any clipping, which could leave half of one. Short values are
 * left: hiding every "1" would hide the message.
 *
 * @param isCut the text was cut where it ends (a program that was stopped), perhaps inside of a value
 */
export function maskValues(text: string, secrets: readonly string[], isCut = false): string {
  const veil = new SecretVeil(secrets);
  return veil.push(text) + veil.end(isCut);
}

/**
 * Values hidden in texts that came one after another and are kept apart: of one that begins in one of them and ends in
 * another nothing is left in either.
 */
export function maskPieces(pieces: readonly string[], secrets: readonly string[]): string[] {
  const next = finderOf(formsOfAll(secrets));
  if (next === null) return [...pieces];
  const whole = pieces.join('');
  const hidden = [...allIn(whole, next)];
  let from = 0;
  return pieces.map(piece => {
    const to = from + piece.length;
    let at = from;
    let masked = '';
    for (const { start, end } of hidden) {
      if (end <= at || start >= to) continue;
      masked += whole.slice(at, Math.max(at, start));
      if (start >= from) masked += HIDDEN;
      at = Math.min(end, to);
    }
    from = to;
    return masked + whole.slice(at, to);
  });
}

/** Known values hidden as by `maskValues`, and with `***` for what looks like a token, too. */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return SHAPES.reduce((masked, shape) => masked.replace(shape, HIDDEN), maskValues(text, secrets));
}

const SECRET_NAME =
  /KEY|TOKEN|SECRET|PASSW|PASSPHRASE|PASS$|CREDENTIAL|AUTHORIZATION|_AUTH$|COOKIE|_PAT$|_DSN$/i;
/** What claw itself tells its children (a session key), and places where a secret is kept. */
const NO_SECRET = /^CLAW_|(?:FILE|PATH|DIR|SOCK|HELPER|ASKPASS)$/i;

/** Whether the name of a variable says that its value is secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !NO_SECRET.test(name);
}

/** Values of the environment whose names say that they are secret, and addresses with a password in them. */
export function secretsOf(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(env).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (isSecretName(name)) return [value];
    const password = WITH_PASSWORD.exec(value)?.[1];
    return password === undefined ? [] : [password];
  });
}
