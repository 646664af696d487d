/**
 * Strangers and what was decided about them, one small file each:
 *
 *     pairing/<channel and account>/waiting/<id>.json   asked, has a code; also those whose code has expired, for a while
 *     pairing/<channel and account>/decided/<id>.json   approved or denied; outweighs `waiting`
 *
 * Every change of one account's folder is made under its lock, so that two messages at once make one code.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { ConfigInput } from '../config/schema.ts';
import type { Context } from '../context.ts';
import { ClawError } from '../core/errors.ts';
import { accountConfig } from '../core/routing/channel.ts';
import type { Message } from '../core/routing/message.ts';
import {
  isOpen,
  isSameMessage,
  newRequest,
  type PairingDecision,
  type PairingRequest,
  type Person,
  pairingCode,
  pairingLimits,
  pairingText,
} from '../core/routing/pairing.ts';
import {
  listNames,
  makeFolder,
  putJson,
  type Read,
  readJson,
  sweepTemporaries,
  syncFolder,
} from './json-file.ts';
import { encodeKey, type Layout } from './layout.ts';
import { newToken, tokenState, tryLock } from './lock.ts';

/** How long the text of a request that nobody decided is kept behind its expiry. */
const KEPT_AFTER_EXPIRY = 2 * 24 * 60 * 60_000;
/** Folders are held for milliseconds; who holds one for so long is in trouble. */
const LOCK_PATIENCE = 5000;

type Place = 'waiting' | 'decided';

/** What a stranger's message needs of its surroundings; a desk will do. */
export interface Door {
  context: Context;
  layout: Layout;
  config: Pick<ConfigInput, 'channels'>;
  warn(text: string): void;
}

function fileOf(layout: Layout, person: Person, place: Place): string {
  return path.join(layout.pairing(person.channel, person.accountId), place, `${encodeKey(person.id)}.json`);
}

/**
 * Ids of a channel's account that pairing let in, each with its channel in front so that an id such as `*` means nobody
 * else.
 *
 * @param id look at this person only, at the cost of one read; absent: everybody
 */
export function pairedIds(layout: Layout, channel: string, accountId: string, id?: string): string[] {
  if (id !== undefined) {
    const read = readDecision(fileOf(layout, { channel, accountId, id }, 'decided'));
    return read.state === 'ok' && read.value.decision === 'approved' && read.value.id === id
      ? [`${channel}:${id}`]
      : [];
  }
  const folder = path.join(layout.pairing(channel, accountId), 'decided');
  return documentsIn(folder).flatMap(file => {
    const read = readDecision(file);
    return read.state === 'ok' && read.value.decision === 'approved' ? [`${channel}:${read.value.id}`] : [];
  });
}

/** The `paired` of a message's route: looked up only where pairing decides about its sender. */
export function pairedFor(
  layout: Layout,
  config: Pick<ConfigInput, 'channels'>,
  message: Message,
): string[] | undefined {
  const { channel, accountId, from } = message;
  if (from === undefined || accountConfig(config.channels, channel, accountId).dmPolicy !== 'pairing')
    return undefined;
  return pairedIds(layout, channel, accountId, from);
}

/**
 * A stranger knocks: makes him a code, durably, and says what to tell him. Null: stay silent, because he was told, was
 * denied, or because too many wait. The same message delivered again is told the same again.
 *
 * @throws ClawError `pairing-busy` (tempfail) when the folder stays locked; errors of the file system as they are
 */
export function askToPair(
  door: Door,
  message: Message,
): { code: string; expiresAt: number; text: string } | null {
  const { channel, accountId, from } = message;
  if (!from) return null;
  const person = { channel, accountId, id: from };
  const known = answerTo(door, person, message);
  if (known !== 'unknown') return known;
  return locked(door.context, door.layout, person, () => {
    const meanwhile = answerTo(door, person, message);
    if (meanwhile !== 'unknown') return meanwhile;
    const { context, layout, config } = door;
    const now = context.now();
    const limits = pairingLimits(config, channel, accountId);
    const waiting = dropForgotten(layout, person, now).filter(request => isOpen(request, now));
    if (waiting.length >= limits.maxPending) return null;
    let code: string;
    do code = pairingCode(context.newId());
    while (waiting.some(request => request.code === code));
    const request = newRequest({ ...message, from }, code, now, limits);
    put(context, fileOf(layout, person, 'waiting'), request);
    return toldTo(request);
  });
}

function toldTo(request: PairingRequest) {
  return { code: request.code, expiresAt: request.expiresAt, text: pairingText(request) };
}

/** What somebody who has been here before hears; what cannot be read is reported, and he hears nothing. */
function answerTo(
  { context, layout, warn }: Door,
  person: Person,
  message: Message,
): ReturnType<typeof toldTo> | null | 'unknown' {
  const decided = readDecision(fileOf(layout, person, 'decided'));
  const asked = readRequest(fileOf(layout, person, 'waiting'));
  for (const read of [decided, asked]) {
    if (read.state !== 'unreadable') continue;
    warn(
      `${read.file}: ${read.reason}; it is left in place (claw pairing revoke ${person.channel}:${person.id})`,
    );
    return null;
  }
  if (decided.state === 'ok') return null;
  if (asked.state !== 'ok' || !isOpen(asked.value, context.now())) return 'unknown';
  return isSameMessage(asked.value, message) ? toldTo(asked.value) : null;
}

/** Removes requests that expired long ago and temporaries of dead writers. Returns the other requests. */
function dropForgotten(layout: Layout, person: Person, now: number): PairingRequest[] {
  const folder = path.join(layout.pairing(person.channel, person.accountId), 'waiting');
  return documentsIn(folder).flatMap(file => {
    const read = readRequest(file);
    if (read.state !== 'ok') return [];
    if (now - read.value.expiresAt <= KEPT_AFTER_EXPIRY) return [read.value];
    fs.rmSync(file, { force: true });
    return [];
  });
}

export interface PairingRow extends Person {
  state: 'waiting' | 'expired' | 'approved' | 'denied';
  name: string | null;
  /** null when it was decided or has expired */
  code: string | null;
  /** what a stranger wrote first */
  text: string | null;
  /** when he asked, or when it was decided; epoch ms */
  since: number;
  expiresAt: number | null;
}

/** Everybody who asked or was decided about, those who wait first. Reads only. */
export function listPairings(
  layout: Layout,
  now: number,
): { rows: PairingRow[]; problems: { file: string; reason: string }[] } {
  const rows: PairingRow[] = [];
  const problems: { file: string; reason: string }[] = [];
  for (const name of listNames(layout.pairingRoot())) {
    const folder = path.join(layout.pairingRoot(), name);
    if (name.startsWith('.') || !fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    const decided = new Set<string>();
    for (const file of documentsIn(path.join(folder, 'decided'))) {
      decided.add(path.basename(file));
      const read = readDecision(file);
      if (read.state === 'unreadable') problems.push({ file, reason: read.reason });
      if (read.state === 'ok') rows.push(decisionRow(read.value));
    }
    for (const file of documentsIn(path.join(folder, 'waiting'))) {
      if (decided.has(path.basename(file))) continue;
      const read = readRequest(file);
      if (read.state === 'unreadable') problems.push({ file, reason: read.reason });
      if (read.state === 'ok') rows.push(requestRow(read.value, now));
    }
  }
  const order = ['waiting', 'expired', 'approved', 'denied'];
  return {
    rows: rows.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || a.since - b.since),
    problems,
  };
}

function requestRow(request: PairingRequest, now: number): PairingRow {
  const { channel, accountId, id, name, code, text, createdAt, expiresAt } = request;
  const open = isOpen(request, now);
  return {
    channel,
    accountId,
    id,
    state: open ? 'waiting' : 'expired',
    name: name ?? null,
    code: open ? code : null,
    text,
    since: createdAt,
    expiresAt,
  };
}

function decisionRow({ channel, accountId, id, name, decision, at }: PairingDecision): PairingRow {
  const decided = { state: decision, name: name ?? null, code: null, text: null, since: at, expiresAt: null };
  return { channel, accountId, id, ...decided };
}

/**
 * Writes down a decision about somebody, durably. The same decision again changes nothing.
 *
 * @returns whether it changed anything
 * @throws ClawError `pairing-busy`
 */
export function decidePairing(
  context: Context,
  layout: Layout,
  person: Person & { name: string | null },
  decision: PairingDecision['decision'],
): boolean {
  return locked(context, layout, person, () => {
    const file = fileOf(layout, person, 'decided');
    const before = readDecision(file);
    const { channel, accountId, id, name } = person;
    const changed = before.state !== 'ok' || before.value.decision !== decision;
    if (changed) {
      const value: PairingDecision = {
        version: 1,
        channel,
        accountId,
        id,
        decision,
        ...(name === null ? {} : { name }),
        at: context.now(),
      };
      put(context, file, value);
    }
    fs.rmSync(fileOf(layout, person, 'waiting'), { force: true });
    return changed;
  });
}

/**
 * Forgets somebody: the next message asks anew. Removes files that cannot be read too.
 *
 * @returns whether there was anything to forget
 */
export function forgetPairing(context: Context, layout: Layout, person: Person): boolean {
  return locked(context, layout, person, () => {
    const files = (['decided', 'waiting'] as const).map(place => fileOf(layout, person, place));
    const there = files.filter(file => fs.existsSync(file));
    for (const file of there) {
      fs.rmSync(file, { force: true });
      syncFolder(path.dirname(file));
    }
    return there.length > 0;
  });
}

function put(context: Context, file: string, value: object): void {
  makeFolder(path.dirname(file));
  putJson(file, value, newToken(context), { folder: true });
}

/** Does a step while nobody else changes the folder of this account. */
function locked<T>(context: Context, layout: Layout, person: Person, step: () => T): T {
  const place = layout.pairingLock(person.channel, person.accountId);
  const deadline = context.now() + LOCK_PATIENCE;
  let lock = tryLock(context, place, `pairing ${person.channel}`);
  while (!lock && context.now() < deadline) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    lock = tryLock(context, place, `pairing ${person.channel}`);
  }
  if (!lock) throw new ClawError('tempfail', 'pairing-busy', `${place} is in use`, 'try again');
  try {
    for (const name of ['waiting', 'decided'] as const)
      sweepTemporaries(
        path.join(layout.pairing(person.channel, person.accountId), name),
        token => tokenState(context, token) === 'dead',
      );
    return step();
  } finally {
    lock.release();
  }
}

function documentsIn(folder: string): string[] {
  return listNames(folder)
    .filter(name => name.endsWith('.json') && !name.startsWith('.'))
    .map(name => path.join(folder, name));
}

function readRequest(file: string): Read<PairingRequest> {
  return checked<PairingRequest>(file, ['code', 'text'], ['createdAt', 'expiresAt']);
}

function readDecision(file: string): Read<PairingDecision> {
  const read = checked<PairingDecision>(file, ['decision'], ['at']);
  if (read.state !== 'ok' || ['approved', 'denied'].includes(read.value.decision)) return read;
  return { state: 'unreadable', file, reason: `unknown decision ${JSON.stringify(read.value.decision)}` };
}

/** A document whose fields are there and that stands under its own person's name. */
function checked<T extends Person>(file: string, texts: string[], numbers: string[]): Read<T> {
  const read = readJson(file);
  if (read.state !== 'ok') return read;
  const value = (read.value ?? {}) as Record<string, unknown>;
  const usable =
    value.version === 1 &&
    ['channel', 'accountId', 'id', ...texts].every(name => typeof value[name] === 'string') &&
    numbers.every(name => Number.isFinite(value[name]));
  if (!usable)
    return {
      state: 'unreadable',
      file,
      reason: 'it is JSON, but nothing about pairing that this claw reads',
    };
  if (`${encodeKey(value.id as string)}.json` !== path.basename(file))
    return { state: 'unreadable', file, reason: `it is about somebody else, ${JSON.stringify(value.id)}` };
  return { state: 'ok', value: read.value as T };
}
