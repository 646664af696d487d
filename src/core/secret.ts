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
  /(?<=\bBearer\s+)[A-Za-z0-9._~+/=-]{8,}/gi,
  // The password in an address.
  /(?<=\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]{1,100}:)[^\s/@]{1,200}(?=@)/gi,
];

/** Below this a value is more likely a word than a secret: hiding every "1" would hide the message. */
const SHORTEST = 8;

/**
 * A text with `***` for known secrets and for what looks like a token. Longest first, because one value may hold another.
 *
 * @param secrets values that are secret whatever they look like; short ones are left
 */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  const known = secrets
    .filter(secret => secret.length >= SHORTEST)
    .sort((a, b) => b.length - a.length)
    .reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
  return SHAPES.reduce((masked, shape) => masked.replace(shape, '***'), known);
}

/** Values of the environment whose names say that they are secret. */
export function secretsOf(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && /KEY|TOKEN|SECRET|PASSW|CREDENTIAL/i.test(name) ? [value] : [],
  );
}
