/**
 * Which message ids have been accepted, for as long as `retention.messageIds` says. One line per message in
 * `ids/<yyyy-mm>/<xx>.jsonl`; the shard keeps a look-up as cheap with a million ids as with one, and forgetting is
 * removing a month's folder. The identity stands in the line in full, so no hash collision can swallow a message.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { MessageIdentity } from '../core/session/transcript.ts';
import { listNames, makeFolder, syncFolder, writeAll } from './json-file.ts';
import type { Layout } from './layout.ts';

/** Where the first acceptance of a message stands. */
export interface IdHit {
  agentId: string;
  key: string;
  sessionId: string;
  /** offset of the message's line in the transcript */
  at: number;
  /** epoch ms of acceptance */
  time: number;
}

const MONTH = 31 * 24 * 3_600_000;

/** FNV-1a, 32 bit, folded to a byte: spreads identities over 256 files (source: Fowler, Noll, Vo). */
function shard(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash ^= text.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193);
  }
  return ((hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & 0xff).toString(16).padStart(2, '0');
}

function month(time: number): string {
  return new Date(time).toISOString().slice(0, 7);
}

/** The months there are, oldest first. All are looked into: a clock that was wrong for a while must not hide an id. */
function months(layout: Layout): string[] {
  return listNames(layout.ids())
    .filter(name => /^\d{4}-\d{2}$/.test(name))
    .sort();
}

/** The newest acceptance of this message within `retention` ms, or null. (There is a second only where the first failed and its session was reset.) */
export function findMessageId(
  layout: Layout,
  identity: MessageIdentity,
  now: number,
  retention: number,
): IdHit | null {
  const text = JSON.stringify(identity);
  const name = `${shard(text)}.jsonl`;
  const needle = `{"k":${text},`;
  let newest: IdHit | null = null;
  for (const folder of months(layout)) {
    let content: string;
    try {
      content = fs.readFileSync(path.join(layout.ids(), folder, name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    for (let at = content.indexOf(needle); at >= 0; at = content.indexOf(needle, at + 1)) {
      if (at > 0 && content[at - 1] !== '\n') continue;
      const end = content.indexOf('\n', at);
      if (end < 0) break; // torn by a crash: it was never relied on
      const hit = parseHit(content.slice(at, end));
      if (hit && now - hit.time < retention && isNewer(hit, newest)) newest = hit;
    }
  }
  return newest;
}

/** In one session the first line counts; of two sessions the later one. */
function isNewer(hit: IdHit, newest: IdHit | null): boolean {
  return newest === null || (hit.sessionId !== newest.sessionId && hit.time >= newest.time);
}

/** A line that somebody edited into something else remembers nothing; the others still do. */
function parseHit(line: string): IdHit | null {
  try {
    const hit = JSON.parse(line) as IdHit;
    const texts = [hit.agentId, hit.key, hit.sessionId];
    return texts.every(text => typeof text === 'string') && [hit.at, hit.time].every(Number.isFinite)
      ? hit
      : null;
  } catch {
    return null;
  }
}

/** Remembers an accepted message, durably. Remembering one twice is harmless: of one session the first line counts. */
export function rememberMessageId(layout: Layout, identity: MessageIdentity, hit: IdHit): void {
  const text = JSON.stringify(identity);
  const folder = path.join(layout.ids(), month(hit.time));
  makeFolder(folder);
  const file = path.join(folder, `${shard(text)}.jsonl`);
  const fd = fs.openSync(file, 'a+', 0o600);
  try {
    const size = fs.fstatSync(fd).size;
    const last = Buffer.alloc(1);
    if (size > 0) fs.readSync(fd, last, 0, 1, size - 1);
    const { agentId, key, sessionId, at, time } = hit;
    const line = `{"k":${text},${JSON.stringify({ agentId, key, sessionId, at, time }).slice(1)}\n`;
    writeAll(fd, Buffer.from(size > 0 && last[0] !== 10 ? `\n${line}` : line, 'utf8'));
    fs.fdatasyncSync(fd);
    if (size === 0) syncFolder(folder);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Months all of whose ids are older than `retention` ms: what retention may remove. None while no month is recent: then
 * either nothing was accepted for long, or the clock is wrong, and forgetting can wait.
 */
export function expiredIdFolders(layout: Layout, now: number, retention: number): string[] {
  const present = months(layout);
  if (!present.some(name => name >= month(now - MONTH) && name <= month(now))) return [];
  return present.filter(name => name < month(now - retention)).map(name => path.join(layout.ids(), name));
}
