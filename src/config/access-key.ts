/**
 * Which keys, in any dialect, keep somebody out. Whoever takes a config over must never lose one of these without a
 * word: a comment in its place, or nothing, would open what its owner had closed.
 */
import { type ConfigPath, isRecord } from './config-path.ts';

const RESTRICTING: readonly unknown[] = [
  'allowFrom',
  'groupAllowFrom',
  'dmPolicy',
  'groupPolicy',
  'groups',
  'dm',
  'guilds',
  'pairing',
  'requireMention',
  'activation',
  'groupActivation',
  'sendPolicy',
  'blocked',
  'agentToAgent',
  'resetBy',
  'owners',
  'elevated',
  'elevatedDefault',
];

/** Whether a key with this path, or anything at or below its value, may keep somebody out. */
export function restrictsAccess(path: ConfigPath, value?: unknown): boolean {
  return path.some(step => RESTRICTING.includes(step)) || holdsRestriction(value);
}

function holdsRestriction(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsRestriction);
  if (!isRecord(value)) return false;
  return Object.entries(value).some(([key, below]) => RESTRICTING.includes(key) || holdsRestriction(below));
}
