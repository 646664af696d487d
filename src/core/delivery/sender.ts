/** The kinds of sender a channel can have, and which of their settings are secret. */
import type { Sender } from '../../config/schema.ts';

/** Exactly one of them stands in `channels.<id>.send`. */
export const SENDER_KINDS = ['command', 'file', 'webhook', 'telegram', 'slack', 'discord', 'ntfy'] as const;

export type SenderKind = (typeof SENDER_KINDS)[number];

/** Settings of a kind that may stand as `<name>`, `<name>Env` or `<name>File`. */
export const SECRET_SETTINGS: Readonly<Record<SenderKind, readonly string[]>> = {
  command: [],
  file: [],
  webhook: ['url', 'secret'],
  telegram: ['token'],
  slack: ['token'],
  discord: ['token', 'webhookUrl'],
  ntfy: ['token'],
};

/** Of these a sender needs exactly one. */
export const NEEDED_SETTINGS: Partial<Readonly<Record<SenderKind, readonly string[]>>> = {
  webhook: ['url'],
  telegram: ['token'],
  slack: ['token'],
  discord: ['token', 'webhookUrl'],
};

/** Longest time one request or program may take, where nothing is said. */
export const SENDER_TIMEOUT_SECONDS = 60;

/** The kinds that are set; a configuration that passed its rules has one. */
export function kindsOf(sender: Sender): SenderKind[] {
  return SENDER_KINDS.filter(kind => sender[kind] !== undefined);
}
