/**
 * Settings of a session: one small file beside its record, changed without the session's lock, so that `patch` and
 * `/model` act at once while a turn runs. A lock of its own orders the writers; it is held for one read and one write.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import { ClawError } from '../core/errors.ts';
import {
  applyChange,
  cleanSettings,
  type SettingsChange,
  type SettingsHolder,
  type StoredSettings,
} from '../core/session/settings.ts';
import { jsonBytes, listNames, makeFolder, prepareFile, readJson } from './json-file.ts';
import type { Layout } from './layout.ts';
import { newToken, tryLock } from './lock.ts';

/** How long a writer waits for another, ms; each holds the lock for a few. */
const PATIENCE = 5000;

/**
 * The stored settings of a key; null when nothing was ever set.
 *
 * @throws ClawError `state-unreadable`: a file that cannot be read is not an empty one
 */
export function loadSettings(layout: Layout, agentId: string, key: string): StoredSettings | null {
  const read = readJson(layout.settings(agentId, key));
  if (read.state === 'missing') return null;
  const file = layout.settings(agentId, key);
  const value = (read.state === 'ok' ? read.value : null) as Partial<StoredSettings> | null;
  const reason =
    read.state === 'unreadable'
      ? read.reason
      : value?.version !== 1
        ? `unknown version ${JSON.stringify(value?.version ?? null)}; this claw reads version 1`
        : value.key !== key
          ? `it belongs to another key, ${JSON.stringify(value.key ?? null)}`
          : typeof value.createdAt !== 'number'
            ? 'its createdAt is not a number'
            : null;
  if (reason !== null || typeof value?.createdAt !== 'number')
    throw new ClawError('data', 'state-unreadable', `${file}: ${reason}`, 'claw doctor --fix');
  return { version: 1, key, createdAt: value.createdAt, settings: cleanSettings(value.settings) };
}

/** One change, by whom it may be redone: `at` (epoch ms) decides against what came later. */
export interface ChangeOptions {
  at: number;
  /** ends with the session it is given in */
  untilReset?: boolean;
}

/**
 * Changes settings durably. What other writers change at the same time is kept.
 *
 * @returns the settings as they stand now
 * @throws ClawError `state-unreadable`; tempfail `settings-busy` when another writer does not come to an end
 */
export async function changeSettings(
  context: Context,
  layout: Layout,
  place: { agentId: string; key: string },
  holder: SettingsHolder,
  change: SettingsChange,
  options: ChangeOptions,
): Promise<StoredSettings> {
  const { agentId, key } = place;
  const giveUp = context.now() + PATIENCE;
  for (;;) {
    const lock = tryLock(context, layout.settingsLock(agentId, key), key);
    if (lock) {
      try {
        const before = loadSettings(layout, agentId, key);
        const after = applyChange(before, key, holder, change, options.at, options.untilReset, context.now());
        // An update that changes nothing leaves the file as it is.
        if (JSON.stringify(after) !== JSON.stringify(before)) {
          const file = layout.settings(agentId, key);
          makeFolder(layout.settingsFolder(agentId));
          makeFolder(layout.drafts(agentId));
          const draft = path.join(layout.drafts(agentId), `.tmp-${newToken(context)}`);
          const prepared = prepareFile(file, jsonBytes(after), draft);
          try {
            prepared.commit({ folder: true });
          } catch (error) {
            prepared.abandon();
            throw error;
          }
        }
        return after;
      } finally {
        lock.release();
      }
    }
    if (context.now() > giveUp) {
      throw new ClawError(
        'tempfail',
        'settings-busy',
        `the settings of ${key} are being changed by another process`,
        'try again',
      );
    }
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

/** Settings files of an agent that cannot be read, and why. */
export function listUnreadableSettings(layout: Layout, agentId: string): { file: string; reason: string }[] {
  return listNames(layout.settingsFolder(agentId))
    .filter(name => name.endsWith('.json') && !name.startsWith('.'))
    .flatMap(name => {
      const file = path.join(layout.settingsFolder(agentId), name);
      const read = readJson(file);
      if (read.state === 'missing') return [];
      const key = read.state === 'ok' ? (read.value as { key?: unknown } | null)?.key : undefined;
      try {
        if (read.state === 'unreadable') return [{ file, reason: read.reason }];
        const isPlaced = typeof key === 'string' && layout.settings(agentId, key) === file;
        if (!isPlaced) return [{ file, reason: 'it belongs to another key' }];
        loadSettings(layout, agentId, key);
        return [];
      } catch (error) {
        return [{ file, reason: (error as Error).message }];
      }
    });
}

/** Labels of an agent's sessions, by session key. Reads the settings there are, which few sessions have. */
export function labelsOf(layout: Layout, agentId: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const name of listNames(layout.settingsFolder(agentId))) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue;
    const read = readJson(path.join(layout.settingsFolder(agentId), name));
    const stored = (read.state === 'ok' ? read.value : null) as Partial<StoredSettings> | null;
    const label = stored?.settings?.label?.value;
    if (typeof label === 'string' && typeof stored?.key === 'string') labels.set(stored.key, label);
  }
  return labels;
}

/** Forgets the settings of a session that is deleted. */
export function removeSettings(layout: Layout, agentId: string, key: string): void {
  fs.rmSync(layout.settings(agentId, key), { force: true });
}
