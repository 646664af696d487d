/** Session records: one small file per session, named after its key. Deleting a session is deleting its file. */
import fs from 'node:fs';
import path from 'node:path';
import type { SessionRecord } from '../core/session/session.ts';
import { SAFE_SESSION_ID } from '../core/session/transcript.ts';
import {
  jsonBytes,
  listNames,
  makeFolder,
  type Prepared,
  prepareFile,
  type Read,
  readJson,
  readJsonInto,
} from './json-file.ts';
import { encodeKey, type Layout, restOfKey } from './layout.ts';

/** Bytes that nearly every record fits in. */
const MOST_RECORDS = 16 * 1024;

export type RecordRead =
  | { state: 'ok'; record: SessionRecord }
  | { state: 'missing' }
  | { state: 'unreadable'; file: string; reason: string };

/** The record of a key. A file that holds another key, or no usable session id, is unreadable, not missing. */
export function loadRecord(layout: Layout, agentId: string, key: string): RecordRead {
  const file = layout.record(agentId, key);
  return judgeRecord(readJson(file), file, agentId, key);
}

function judgeRecord(read: Read<unknown>, file: string, agentId: string, key: string | null): RecordRead {
  if (read.state !== 'ok') return read;
  const reason = whyUnusable(read.value, agentId, key);
  if (reason !== null) return { state: 'unreadable', file, reason };
  return { state: 'ok', record: read.value as SessionRecord };
}

function whyUnusable(value: unknown, agentId: string, key: string | null): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not a JSON object';
  const record = value as Record<string, unknown>;
  if (record.version !== 1)
    return `unknown version ${JSON.stringify(record.version ?? null)}; this claw reads version 1`;
  if (typeof record.key !== 'string') return 'it has no session key';
  if (key !== null && record.key !== key) return `it belongs to another key, ${JSON.stringify(record.key)}`;
  if (record.agentId !== agentId || !record.key.startsWith(`agent:${agentId}:`)) {
    return `it belongs to another agent, ${JSON.stringify(record.agentId ?? null)}`;
  }
  if (typeof record.sessionId !== 'string' || !SAFE_SESSION_ID.test(record.sessionId))
    return 'its sessionId is not usable';
  for (const name of ['createdAt', 'startedAt', 'updatedAt', 'bytes', 'messageCount'] as const) {
    if (typeof record[name] !== 'number' || !Number.isFinite(record[name]))
      return `its ${name} is not a number`;
  }
  if (record.lastUserAt !== undefined && !Number.isFinite(record.lastUserAt))
    return 'its lastUserAt is not a number';
  return null;
}

/**
 * Saves a record durably. The folder is synced only when the name is new or the session id changed: otherwise the
 * old content after a power cut is as good, since what it lacks is redone from the transcript.
 */
export function saveRecord(
  layout: Layout,
  record: SessionRecord,
  token: string,
  options: { folder: boolean },
): void {
  const prepared = prepareRecord(layout, record, token);
  try {
    prepared.commit(options);
  } catch (error) {
    prepared.abandon();
    throw error;
  }
}

/** Writes a record under a temporary name; `commit` needs no room on the disk any more. */
export function prepareRecord(layout: Layout, record: SessionRecord, token: string): Prepared {
  makeFolder(layout.records(record.agentId));
  makeFolder(layout.drafts(record.agentId));
  const draft = path.join(layout.drafts(record.agentId), `.tmp-${token}`);
  return prepareFile(layout.record(record.agentId, record.key), jsonBytes(record), draft);
}

/** Removes the record of a session that never got its first line. */
export function removeRecord(layout: Layout, agentId: string, key: string): void {
  fs.rmSync(layout.record(agentId, key), { force: true });
}

export interface RecordProblem {
  file: string;
  reason: string;
}

/**
 * All records of an agent, in no order, one after the other: who keeps only a part of each never holds them all. Opens
 * no transcript.
 *
 * @param modifiedSince epoch ms: record files last written before it are passed over unread (with what cannot be read
 *   among them). A record is written whenever its `updatedAt` moves, so an older file tells of no later activity
 */
export function* eachRecord(
  layout: Layout,
  agentId: string,
  modifiedSince?: number,
): Generator<Exclude<RecordRead, { state: 'missing' }>> {
  const folder = layout.records(agentId);
  const scratch = Buffer.allocUnsafeSlow(MOST_RECORDS);
  for (const name of listNames(folder)) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue;
    const file = `${folder}${path.sep}${name}`;
    if (modifiedSince !== undefined && isOlder(file, modifiedSince)) continue;
    const read = judgeRecord(readJsonInto(scratch, file), file, agentId, null);
    if (read.state === 'missing') continue;
    if (read.state === 'ok' && `${encodeKey(restOfKey(read.record.key))}.json` !== name) {
      const reason = `it belongs to another key, ${JSON.stringify(read.record.key)}`;
      yield { state: 'unreadable', file, reason };
    } else yield read;
  }
}

function isOlder(file: string, time: number): boolean {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat !== undefined && stat.mtimeMs < time;
}

/** All records of an agent, in no order, and the files that could not be read. Opens no transcript. */
export function listRecords(
  layout: Layout,
  agentId: string,
): { records: SessionRecord[]; problems: RecordProblem[] } {
  const records: SessionRecord[] = [];
  const problems: RecordProblem[] = [];
  for (const read of eachRecord(layout, agentId)) {
    if (read.state === 'ok') records.push(read.record);
    else problems.push({ file: read.file, reason: read.reason });
  }
  return { records, problems };
}

/** Agents that have state on disk. */
export function listAgents(layout: Layout): string[] {
  return listNames(layout.agents())
    .filter(name => !name.startsWith('.'))
    .sort();
}
