/** Which sessions a listing shows: filters, order and number. Pure: rows in, rows out. */
import { type KeyKind, type KeyScope, kindOfKey, splitKey } from '../routing/session-key.ts';
import { normaliseAgentId, normaliseChannel } from '../routing/slug.ts';

/** What a row must have to be chosen; records and rows of listings have it. Times are epoch ms. */
export interface SelectableSession {
  key: string;
  updatedAt?: number | undefined;
  sessionId?: string | undefined;
  agentId?: string | undefined;
  channel?: string | undefined;
  chatType?: string | undefined;
  label?: string | undefined;
  displayName?: string | undefined;
  subject?: string | undefined;
  /** key of the session that started this one */
  spawnedBy?: string | undefined;
}

/** Everything that is set must hold. */
export interface SessionSelection {
  /** updated within this many minutes; exactly so many still counts, and so does a time that is yet to come */
  activeMinutes?: number | undefined;
  agentId?: string | undefined;
  channel?: string | undefined;
  /** a kind of session, or a chat type */
  kind?: string | undefined;
  /** part of key, session id, label, name or subject; case and blanks around it aside */
  search?: string | undefined;
  /** the whole label, exactly */
  label?: string | undefined;
  spawnedBy?: string | undefined;
  /** false leaves out sessions that belong to no chat; default true */
  includeGlobal?: boolean | undefined;
  /** most rows; what is below 1 counts as 1, fractions are cut off */
  limit?: number | undefined;
}

export interface SelectedSessions<Row> {
  /** newest first; rows of one moment by key */
  rows: Row[];
  /** how many there are without `limit` */
  total: number;
}

/**
 * The rows that pass, newest first. A row that was never updated counts as the oldest.
 *
 * @param now epoch ms
 * @param scope the config's `session`, by which keys are read
 */
export function selectSessions<Row extends SelectableSession>(
  rows: readonly Row[],
  selection: SessionSelection,
  now: number,
  scope: KeyScope = {},
): SelectedSessions<Row> {
  const chosen = rows.filter(row => isSelected(row, selection, now, scope)).sort(newestFirst);
  const { limit } = selection;
  const shown = limit === undefined ? chosen : chosen.slice(0, Math.max(1, Math.floor(limit)));
  return { rows: shown, total: chosen.length };
}

/** Order of a listing: newest first, sessions of one moment by key. */
export function newestFirst(
  a: Pick<SelectableSession, 'key' | 'updatedAt'>,
  b: Pick<SelectableSession, 'key' | 'updatedAt'>,
): number {
  return (b.updatedAt ?? 0) - (a.updatedAt ?? 0) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

/** Whether one row passes; for listings too long to be held before they are filtered. */
export function isSelected(
  row: SelectableSession,
  selection: SessionSelection,
  now: number,
  scope: KeyScope,
): boolean {
  const { activeMinutes, agentId, channel, label, spawnedBy } = selection;
  if (activeMinutes !== undefined && now - (row.updatedAt ?? 0) > activeMinutes * 60_000) return false;
  if (agentId !== undefined && agentOf(row) !== normaliseAgentId(agentId)) return false;
  if (channel !== undefined && normaliseChannel(row.channel ?? '') !== normaliseChannel(channel))
    return false;
  if (label !== undefined && row.label !== label) return false;
  if (spawnedBy !== undefined && row.spawnedBy !== spawnedBy) return false;
  const wanted = selection.kind?.trim().toLowerCase();
  // Asked for only where it matters: a key is taken apart for it.
  if (wanted !== undefined || selection.includeGlobal === false) {
    const kind = sessionKind(row, scope);
    if (selection.includeGlobal === false && kind === 'global') return false;
    if (wanted !== undefined && wanted !== kind && wanted !== row.chatType) return false;
  }
  const search = fold(selection.search?.trim() ?? '');
  if (search === '') return true;
  const fields = [row.key, row.sessionId, row.label, row.displayName, row.subject];
  return fields.some(field => field !== undefined && fold(field).includes(search));
}

/** Text as it is compared: case and the way letters are put together do not count. */
export function fold(text: string): string {
  return text.normalize('NFC').toLowerCase();
}

function agentOf(row: SelectableSession): string | undefined {
  return row.agentId ?? splitKey(row.key)?.agentId;
}

/**
 * The kind of a session. What its record says of a group or channel wins over the shape of its key, since a group may
 * be led to any session by name; a thread stays one.
 */
export function sessionKind(row: Pick<SelectableSession, 'key' | 'chatType'>, scope: KeyScope = {}): KeyKind {
  const ofKey = kindOfKey(row.key, scope);
  const isGroup = row.chatType === 'group' || row.chatType === 'channel';
  return isGroup && ofKey !== 'thread' ? (row.chatType as 'group' | 'channel') : ofKey;
}

/**
 * A number of minutes, rows or the like as a person typed it: a whole number above 0. Null for anything else, with
 * digits in front or not: `10abc` is no 10.
 */
export function readCount(text: string): number | null {
  const value = /^\s*\+?\d+\s*$/.test(text) ? Number(text) : 0;
  return value >= 1 && Number.isSafeInteger(value) ? value : null;
}
