/** What holds in the end, key by key, and where each value comes from: `claw config show --effective`. */

import { PRESETS } from '../core/runner/preset/table.ts';
import { presetOf, withPreset } from '../core/runner/preset.ts';
import { resolveResetPolicy } from '../core/session/reset.ts';
import { type ConfigPath, formatPath, isRecord } from './config-path.ts';
import { DEFAULTS } from './defaults.ts';
import { isUnused } from './not-yet.ts';
import type { ConfigInput, Sender } from './schema.ts';
import { isSecretPath } from './secrets.ts';

export interface EffectiveValue {
  /** as written; of secrets only that they are set */
  value: unknown;
  /** `default`, `preset NAME`, or the file the value stands in */
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
  for (const name of runnersOf(config)) {
    put(DEFAULTS.runner, 'default', ['runners', name]);
    const own = config.runners?.[name];
    const preset = presetOf(name, own);
    if (preset === undefined) continue;
    const { login: _login, ...filled } = withPreset(PRESETS[preset], own);
    put({ ...filled, permissions: filled.permissions ?? 'safe' }, `preset ${preset}`, ['runners', name]);
  }
  for (const [name, channel] of Object.entries(config.channels ?? {})) {
    const dmPolicy = channel.allowFrom === undefined ? 'open' : 'allowlist';
    put({ ...DEFAULTS.channel, dmPolicy }, 'default', ['channels', name]);
    if (typeof channel.send === 'object') putSender(channel.send, ['channels', name, 'send'], put);
    for (const [account, { send }] of Object.entries(channel.accounts ?? {}))
      if (typeof send === 'object') putSender(send, ['channels', name, 'accounts', account, 'send'], put);
  }
  if (file !== null) {
    put(reset.file, file, ['session', 'reset']);
    put(config, file);
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Runners that have an entry, and presets that an agent is set to without one. */
function runnersOf({ runners = {}, agents }: ConfigInput): string[] {
  const used = [agents?.defaults?.runner, ...(agents?.list ?? []).map(agent => agent.runner)];
  const known = used.filter(
    name => name !== undefined && presetOf(name, undefined) !== undefined,
  ) as string[];
  return [...new Set([...Object.keys(runners), ...known])];
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

function putSender(
  send: Sender,
  path: ConfigPath,
  put: (value: unknown, source: string, base: ConfigPath) => void,
): void {
  if (send.command !== undefined) put(DEFAULTS.sender, 'default', path);
  for (const [kind, defaults] of Object.entries(DEFAULTS.services))
    if (send[kind as keyof Sender] !== undefined) put(defaults, 'default', [...path, kind]);
}

function shown(path: ConfigPath, value: unknown): unknown {
  return isSecretPath(path) ? '(set)' : value;
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
