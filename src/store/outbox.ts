/**
 * Replies on their way out. `outbox/<id>.json` waits or has failed; `outbox/sent/<id>.json` went out. The id is the
 * run's, or the command message's, so writing an item twice is the same item, and it is the sender's idempotency key.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Context } from '../context.ts';
import { type OutboxItem, recipientOf, sendPrefix } from '../core/delivery/delivery.ts';
import { isSameTarget, type Target } from '../core/delivery/recipient.ts';
import {
  jsonBytes,
  listNames,
  makeFolder,
  prepareFile,
  putJson,
  type Read,
  readJson,
  syncFolder,
} from './json-file.ts';
import type { Layout } from './layout.ts';
import { newToken } from './lock.ts';

export interface OutboxListing {
  items: OutboxItem[];
  unreadable: { file: string; reason: string }[];
}

function itemFile(layout: Layout, id: string): string {
  return path.join(layout.outbox(), `${id}.json`);
}

function sentFile(layout: Layout, id: string): string {
  return path.join(layout.sent(), `${id}.json`);
}

/** Puts a reply in the outbox, durably. One that is there already, or was sent, is left as it is. */
export function putOutbox(context: Context, layout: Layout, item: OutboxItem): void {
  makeFolder(layout.outbox());
  if (fs.existsSync(itemFile(layout, item.id)) || fs.existsSync(sentFile(layout, item.id))) return;
  putJson(itemFile(layout, item.id), item, newToken(context), { folder: true });
}

export function updateOutbox(context: Context, layout: Layout, item: OutboxItem): void {
  putJson(itemFile(layout, item.id), item, newToken(context), { folder: true });
}

/** Records that the sender succeeded. */
export function markSent(context: Context, layout: Layout, item: OutboxItem): void {
  prepareSent(context, layout, item).commit();
}

/**
 * The record that an item was sent, durable before the sender is asked: what was sent and cannot be written down for want
 * of room would be sent again and again.
 */
export function prepareSent(
  context: Context,
  layout: Layout,
  item: OutboxItem,
): { commit(): void; abandon(): void } {
  makeFolder(layout.sent());
  const temporary = path.join(layout.outbox(), `.tmp-${newToken(context)}`);
  const prepared = prepareFile(sentFile(layout, item.id), jsonBytes({ ...item, reason: 'sent' }), temporary);
  return {
    abandon: prepared.abandon,
    commit: () => {
      prepared.commit({ folder: true });
      dropOutbox(layout, item.id);
    },
  };
}

/** One item as it stands now: not yet sent, sent, missing, or unreadable. */
export function readOutbox(layout: Layout, id: string): Read<OutboxItem> & { isSent?: boolean } {
  // An id comes from a command line too.
  if (!/^[\w-]+$/.test(id)) return { state: 'missing' };
  const sent = readItem(sentFile(layout, id));
  return sent.state === 'missing' ? readItem(itemFile(layout, id)) : { ...sent, isSent: true };
}

/** Takes an item out of the outbox, durably. Its lock must be held. */
export function dropOutbox(layout: Layout, id: string): void {
  fs.rmSync(itemFile(layout, id), { force: true });
  syncFolder(layout.outbox());
}

/**
 * What the agent of a run sent to a target itself (`message send`), so that its final reply need not be announced there a
 * second time (openclaw#27018). What failed for good does not count. Costs a listing of names.
 *
 * @param target account and thread count where both sides say them
 * @returns the newest such delivery, sent or on its way; null where there is none
 */
export function alreadySentTo(
  layout: Layout,
  runId: string,
  target: Pick<Target, 'channel'> & { to: string; accountId?: string; threadId?: string },
): OutboxItem | null {
  const prefix = sendPrefix(runId);
  const found: OutboxItem[] = [];
  for (const folder of [layout.outbox(), layout.sent()]) {
    for (const name of listNames(folder)) {
      if (!name.startsWith(prefix) || !name.endsWith('.json')) continue;
      const read = readItem(path.join(folder, name));
      if (read.state !== 'ok' || read.value.sentBy !== runId) continue;
      const { origin, state } = read.value;
      const isAway = folder === layout.sent() || state === 'waiting';
      if (isAway && isSameTarget({ ...origin, to: recipientOf(read.value) }, target)) found.push(read.value);
    }
  }
  return found.sort((a, b) => b.createdAt - a.createdAt)[0] ?? null;
}

/** Records of replies that went out, oldest first. */
export function listSent(layout: Layout): OutboxListing {
  const listing: OutboxListing = { items: [], unreadable: [] };
  for (const name of listNames(layout.sent())) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue;
    const file = path.join(layout.sent(), name);
    const read = readItem(file);
    if (read.state === 'ok') listing.items.push(read.value);
    else if (read.state === 'unreadable') listing.unreadable.push({ file, reason: read.reason });
  }
  listing.items.sort((a, b) => a.createdAt - b.createdAt);
  return listing;
}

/**
 * Removes records of replies that were sent before a time (epoch ms), and nothing else: what cannot be read, what carries
 * no time and what is not sent stays.
 *
 * @returns how many were removed
 */
export function expireSent(layout: Layout, before: number): number {
  const expired = listSent(layout).items.filter(
    ({ sentAt }) => typeof sentAt === 'number' && sentAt < before,
  );
  for (const { id } of expired) {
    // Its sender died between the two steps of `markSent`; without the record the reply would go out again.
    if (fs.existsSync(itemFile(layout, id))) dropOutbox(layout, id);
    fs.rmSync(sentFile(layout, id), { force: true });
  }
  return expired.length;
}

/** The caller got this reply after all; it needs no sending. Only items no sender was asked about are removed. */
export function settleOutbox(layout: Layout, id: string): void {
  const read = readItem(itemFile(layout, id));
  if (read.state !== 'ok') return;
  const item = read.value;
  if (item.callerGone && item.attempts.length === 0 && !item.progress)
    fs.rmSync(itemFile(layout, id), { force: true });
}

/** An item of the outbox. What is JSON but no item is unreadable too. */
function readItem(file: string): Read<OutboxItem> {
  const read = readJson(file);
  if (read.state !== 'ok') return read;
  const { id, agentId, sessionKey, text, state, origin, attempts } = (read.value ??
    {}) as Partial<OutboxItem>;
  const texts = [id, agentId, sessionKey, text, state, origin?.channel];
  if (texts.every(each => typeof each === 'string') && Array.isArray(attempts)) {
    return { state: 'ok', value: read.value as OutboxItem };
  }
  return { state: 'unreadable', file, reason: 'it is JSON, but no reply to deliver' };
}

/** Items not yet sent, oldest first, and files that could not be read. */
export function listOutbox(layout: Layout): OutboxListing {
  const items: OutboxItem[] = [];
  const unreadable: { file: string; reason: string }[] = [];
  for (const name of listNames(layout.outbox())) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue;
    const file = path.join(layout.outbox(), name);
    // Its sender died between writing that it was sent and removing it here.
    if (fs.existsSync(sentFile(layout, name.slice(0, -5)))) continue;
    const read = readItem(file);
    if (read.state === 'ok') items.push(read.value);
    else if (read.state === 'unreadable') unreadable.push({ file, reason: read.reason });
  }
  return { items: items.sort((a, b) => a.createdAt - b.createdAt), unreadable };
}
