/** Which values of a configuration are secret, for whoever prints or writes something that could hold one. */
import { secretsOf } from '../core/secret.ts';
import { type ConfigPath, isRecord } from './config-path.ts';
import type { ConfigInput } from './schema.ts';

const SET = '(set)';

/** Settings of a sender whose value is a secret, or an address that may hold one. */
const OF_A_SENDER = ['token', 'secret', 'webhookUrl'];

/**
 * Whether the value at a path is not for other eyes: variables, where keys and tokens stand, and of a sender its token, its
 * key, its headers, and the addresses that let anybody who knows them post.
 */
export function isSecretPath(path: ConfigPath): boolean {
  const [name, parent, kind] = [path.at(-1), path.at(-2), path.at(-3)];
  if (parent === 'env') return true;
  const send = path.indexOf('send', 2);
  if (path[0] !== 'channels' || send === -1 || path.length < send + 3) return false;
  return (
    OF_A_SENDER.includes(String(name)) ||
    (parent === 'webhook' && name === 'url') ||
    (kind === 'webhook' && parent === 'headers')
  );
}

/**
 * The same value with `(set)` for every secret.
 *
 * @param path where the value stands in a configuration; the whole one where absent
 */
export function withoutSecrets(value: unknown, path: ConfigPath = []): unknown {
  return walk(value, path, () => SET);
}

/** Every secret that stands in the configuration itself. */
export function secretsInConfig(config: ConfigInput): string[] {
  const found: string[] = [];
  walk(config, [], value => {
    if (typeof value === 'string') found.push(value);
    return value;
  });
  return found;
}

/**
 * Secrets that claw can reach, for texts that agents and commands have made: those of senders, and of variables what their
 * names say to be secret. (Any other variable may be a word of every second sentence.)
 *
 * @param env of claw itself, where senders may have theirs
 */
export function secretsWithin(
  config: ConfigInput,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const found = secretsOf(env);
  walk(config, [], (value, path) => {
    if (typeof value === 'string')
      found.push(...(path.at(-2) === 'env' ? secretsOf({ [String(path.at(-1))]: value }) : [value]));
    return value;
  });
  walk(
    config.channels,
    ['channels'],
    value => value,
    (value, path) => {
      const isNamed =
        path.includes('send') && (/Env$/.test(String(path.at(-1))) || path.at(-2) === 'headersEnv');
      const held = isNamed ? env[value] : undefined;
      if (held !== undefined) found.push(held);
    },
  );
  return found;
}

function walk(
  value: unknown,
  path: ConfigPath,
  onSecret: (value: unknown, path: ConfigPath) => unknown,
  onText?: (text: string, path: ConfigPath) => void,
): unknown {
  if (path.length > 1 && isSecretPath(path)) return onSecret(value, path);
  if (typeof value === 'string') onText?.(value, path);
  if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index], onSecret, onText));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, below]) => [name, walk(below, [...path, name], onSecret, onText)]),
  );
}
