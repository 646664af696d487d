/** What holds in the end, key by key, and where each value comes from: `claw config show --effective`. */
import { resolveResetPolicy } from '../core/session/reset.ts';
import { type ConfigPath, formatPath, isRecord } from './config-path.ts';
import { DEFAULTS } from './defaults.ts';
import { isUnused } from './not-yet.ts';
import type { ConfigInput } from './schema.ts';

export interface EffectiveValue {
  /** as written; of environment variables only that they are set, since they are where keys and tokens stand */
  value: unknown;
  /** `default`, or the file the value stands in */
  source: string;
}

/**
 * Every key that has a value, in alphabetical order. Lists count as one value. Keys this version does not act on show
 * only when the file sets them: no default of theirs holds.
 *
 * @param file where `config` comes from; null when there is no file
 */
export function effectiveConfig(config: ConfigInput, file: string | null): Record<string, EffectiveValue> {
  const found = new Map<string, EffectiveValue>();
  const put = (value: unknown, source: string, base: ConfigPath = []) => {
    for (const [path, leaf] of flatten(value, base)) {
      if (source !== 'default' || !isUnused(path))
        found.set(formatPath(path), { value: shown(path, leaf), source });
    }
  };
  put(DEFAULTS.config, 'default');
  const reset = resetPolicyOf(config);
  put(reset.default, 'default', ['session', 'reset']);
  for (const name of Object.keys(config.runners ?? {})) put(DEFAULTS.runner, 'default', ['runners', name]);
  for (const [name, channel] of Object.entries(config.channels ?? {})) {
    const dmPolicy = channel.allowFrom === undefined ? 'open' : 'allowlist';
    put({ ...DEFAULTS.channel, dmPolicy }, 'default', ['channels', name]);
    if (isRecord(channel.send)) put(DEFAULTS.sender, 'default', ['channels', name, 'send']);
  }
  if (file !== null) {
    put(reset.file, file, ['session', 'reset']);
    put(config, file);
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The base policy follows from other keys too (an older `session.idleMinutes` alone means idle), so it is asked for.
 * What the config spells out under `session.reset` is put over it afterwards.
 */
function resetPolicyOf(config: ConfigInput): { default: object; file: object } {
  const { session } = config;
  // Only whether there are overrides by type matters here, not what they say.
  const base = { ...session, resetByChannel: undefined, resetByType: session?.resetByType && {} };
  const { mode, atHour, idleMinutes } = resolveResetPolicy({ session: base, type: 'dm' });
  const fromLegacy = session?.idleMinutes !== undefined;
  return {
    default: { atHour, ...(mode === 'daily' ? { mode } : {}), ...(fromLegacy ? {} : { idleMinutes }) },
    file: fromLegacy ? { ...(mode === 'idle' ? { mode } : {}), idleMinutes } : {},
  };
}

function shown(path: ConfigPath, value: unknown): unknown {
  return path.at(-2) === 'env' ? '(set)' : value;
}

/** A value with `(set)` for what stands in environments, where keys and tokens are. */
export function withoutSecrets(value: unknown, path: ConfigPath): unknown {
  if (Array.isArray(value)) return value.map((item, index) => withoutSecrets(item, [...path, index]));
  if (!isRecord(value)) return shown(path, value);
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [key, withoutSecrets(below, [...path, key])]),
  );
}

/** Leaves with their paths; an empty object is a leaf. */
function flatten(value: unknown, path: ConfigPath): [ConfigPath, unknown][] {
  if (value === undefined) return [];
  const entries: [string | number, unknown][] = isRecord(value)
    ? Object.entries(value)
    : Array.isArray(value) && value.some(isRecord)
      ? value.map((item, index): [number, unknown] => [index, item])
      : [];
  if (entries.length === 0) return [[path, value]];
  return entries.flatMap(([key, below]) => flatten(below, [...path, key]));
}
