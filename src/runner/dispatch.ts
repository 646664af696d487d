/** One delivery through one sender, of whichever kind. Loaded only when there is something to send. */
import fs from 'node:fs';
import path from 'node:path';
import type { Sender } from '../config/schema.ts';
import { secretsWithin } from '../config/secrets.ts';
import { expandHome } from '../context.ts';
import { keyOfPart, type OutboxItem, recipientOf } from '../core/delivery/delivery.ts';
import { discord } from '../core/delivery/discord.ts';
import { endpointProblem } from '../core/delivery/endpoint.ts';
import { ntfy } from '../core/delivery/ntfy.ts';
import { fillArguments } from '../core/delivery/placeholder.ts';
import {
  kindsOf,
  SECRET_SETTINGS,
  SENDER_TIMEOUT_SECONDS,
  type SenderKind,
} from '../core/delivery/sender.ts';
import {
  type Access,
  type Answer,
  type Outgoing,
  type Posting,
  type Service,
  temporary,
  type Verdict,
} from '../core/delivery/service.ts';
import { slack } from '../core/delivery/slack.ts';
import { nextPart } from '../core/delivery/split.ts';
import { telegram } from '../core/delivery/telegram.ts';
import { deliveryDocument, signedText, webhook } from '../core/delivery/webhook.ts';
import { maskSecrets, maskValues, secretsOf } from '../core/secret.ts';
import { appendDelivery } from '../store/delivery-files.ts';
import { type Lock, renewLock } from '../store/lock.ts';
import { readSecretFile } from '../store/secret-files.ts';
import type { Desk } from './desk.ts';
import { exec } from './exec.ts';
import { post } from './post.ts';

/** What sending came to; `item` tells how far it got. `isUnreachable`: the next delivery would fare no better now. */
export interface Dispatched {
  verdict: Verdict;
  item: OutboxItem;
  isUnreachable: boolean;
}

const SERVICES: Partial<Record<SenderKind, Service>> = { webhook, telegram, slack, discord, ntfy };

/** An item that is being sent. */
export interface Hold {
  /** its own lock, held */
  lock: Lock;
  /** makes an item durable that has got further: called after each message but the last */
  keep: (item: OutboxItem) => void;
  /** aborted: the sender is ended; what it has not sent then waits */
  signal?: AbortSignal;
}

/**
 * Sends one item.
 */
export async function dispatch(
  desk: Desk,
  item: OutboxItem,
  sender: Sender,
  hold: Hold,
): Promise<Dispatched> {
  const [kind] = kindsOf(sender);
  const service = kind && SERVICES[kind];
  if (service) return throughService(desk, item, { kind, service, settings: sender[kind] as Access }, hold);
  const verdict =
    sender.file === undefined
      ? await throughCommand(desk, item, sender, hold)
      : intoFile(desk, item, sender.file);
  return {
    verdict: masked(verdict, [...secretsOf(desk.context.env), ...Object.values(sender.env ?? {})]),
    item,
    isUnreachable: false,
  };
}

function masked(verdict: Verdict, secrets: readonly string[]): Verdict {
  return verdict.outcome === 'sent' ? verdict : { ...verdict, reason: maskSecrets(verdict.reason, secrets) };
}

function intoFile(desk: Desk, item: OutboxItem, file: string): Verdict {
  try {
    const at = new Date(desk.context.now()).toISOString();
    appendDelivery(path.resolve(desk.layout.home, expandHome(file)), { at, ...deliveryDocument(item) });
    return { outcome: 'sent' };
  } catch (error) {
    // Whatever is wrong with a file here is mended here, and then the reply can go.
    return temporary((error as Error).message, null);
  }
}

/**
 * Exit 0 is sent; 75 (EX_TEMPFAIL), a timeout and a program that cannot be started are temporary; the rest is for a person
 * to look at.
 */
async function throughCommand(
  desk: Desk,
  item: OutboxItem,
  sender: Sender,
  { lock, signal }: Hold,
): Promise<Verdict> {
  const { context, layout } = desk;
  const filled = fillArguments(sender.args ?? [], item);
  if ('problem' in filled) return { outcome: 'permanent', reason: filled.problem };
  const text = textFile(lock, item.text);
  const outcome = await exec({
    command: sender.command ?? '',
    args: filled.args,
    env: senderEnvironment(desk, item, sender.env),
    cwd: layout.home,
    stdin: text ?? item.text,
    runId: item.id,
    leaseFolder: lock.folder,
    timeoutMs: (sender.timeoutSeconds ?? SENDER_TIMEOUT_SECONDS) * 1000,
    idleTimeoutMs: 0,
    killGraceMs: 2000,
    maxOutputBytes: 1024 * 1024,
    now: context.now,
    ...(signal ? { signal } : {}),
  }).finally(() => text && fs.closeSync(text.fd));
  if (outcome.exitCode === 0) return { outcome: 'sent' };
  // Nothing was sent, and nothing is wrong with the reply: it waits until the program is there.
  if (outcome.spawnError) return temporary(outcome.spawnError.message, null);
  if (outcome.aborted) return temporary('claw was told to end while its sender ran', null);
  // Before it is cut, which could leave half of one.
  const secrets = [...secretsWithin(desk.config, context.env), ...Object.values(sender.env ?? {})];
  const stderr = maskSecrets(outcome.stderr.trim(), secrets).slice(-300);
  const reason = `sender ended with ${outcome.signal ?? `exit ${outcome.exitCode}`}${stderr === '' ? '' : `: ${stderr}`}`;
  return { outcome: outcome.exitCode === 75 || outcome.timedOut ? 'temporary' : 'permanent', reason };
}

/**
 * The text as an open file, there whole before the sender starts: a pipe ends with claw, and a sender whose claw is killed
 * would send the half that was written. Null where there is no room for it.
 */
function textFile({ folder }: Lock, text: string): { fd: number } | null {
  const file = path.join(folder, 'text');
  try {
    fs.writeFileSync(file, text, { mode: 0o600 });
    return { fd: fs.openSync(file, 'r') };
  } catch {
    // A full disk must not keep a reply back whose record has its room already.
    return null;
  }
}

/** What a sender may know: where to, from whom, and the idempotency key; the text comes on stdin. */
function senderEnvironment(
  desk: Desk,
  item: OutboxItem,
  extra: Record<string, string> | undefined,
): Record<string, string> {
  const { origin } = item;
  const passed = ['PATH', 'HOME', 'LANG', 'TZ', 'USER'].flatMap(name => {
    const value = desk.context.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passed),
    ...extra,
    CLAW_DELIVERY_ID: item.id,
    CLAW_RUN_ID: item.id,
    CLAW_AGENT_ID: item.agentId,
    CLAW_SESSION_KEY: item.sessionKey,
    CLAW_CHANNEL: origin.channel,
    CLAW_ACCOUNT: origin.accountId,
    CLAW_CHAT_TYPE: origin.chatType,
    CLAW_TO: recipientOf(item),
    CLAW_THREAD: origin.threadId ?? '',
    CLAW_REPLY_TO: item.messageId,
  };
}

interface Line {
  kind: SenderKind;
  service: Service;
  settings: Access;
}

/** Message after message; what is out stays out, and the next attempt goes on behind it. */
async function throughService(
  desk: Desk,
  item: OutboxItem,
  { kind, service, settings }: Line,
  { lock, keep, signal }: Hold,
): Promise<Dispatched> {
  const unlocked = unlock(desk, kind, settings);
  // Nothing was sent, and nothing is wrong with the reply: it waits until the setting is mended.
  if ('problem' in unlocked) return { verdict: temporary(unlocked.problem, null), item, isUnreachable: true };
  const { access, secrets } = unlocked;
  const ended = (verdict: Verdict, isUnreachable = false): Dispatched => ({
    verdict: masked(verdict, [...secrets, ...secretsOf(desk.context.env)]),
    item: current,
    isUnreachable: isUnreachable || (verdict.outcome === 'temporary' && verdict.isBusy === true),
  });
  // Before a reason is cut out of it, which could leave half of a secret.
  const heard = (answer: Answer): Answer => ({ ...answer, body: maskValues(answer.body, secrets) });
  let current = item;
  const refusal = service.refuse?.(item, access);
  if (refusal) return ended({ outcome: 'permanent', reason: refusal });

  const { now } = desk.context;
  const timeoutMs = Number(settings.timeoutSeconds ?? SENDER_TIMEOUT_SECONDS) * 1000;
  let address: string | null = null;
  const opening = service.open?.(item, access);
  if (opening && service.opened) {
    const answer = await post(opening, timeoutMs, signal);
    if ('trouble' in answer) return ended(temporary(answer.trouble, null), true);
    const opened = service.opened(heard(answer), now());
    if ('outcome' in opened) return ended(opened);
    address = opened.address;
  }
  for (;;) {
    const { parts: part, upTo } = current.progress ?? { parts: 0, upTo: 0 };
    const piece = service.measure
      ? nextPart(item.text, upTo, service.measure)
      : { text: item.text, next: item.text.length };
    // Of a text that is all blanks the service shall say itself what it thinks of it.
    if (piece === null && part > 0) return ended({ outcome: 'sent' });
    const { text, next } = piece ?? { text: item.text, next: item.text.length };
    if (signal?.aborted)
      return ended(temporary('claw was told to end before all of it was sent', null), true);
    // Whoever holds the item now sends it.
    if (!lock.held()) return ended(temporary('another process took the delivery over', null));
    const message = { item, text, part, key: keyOfPart(item, part), now: now(), address };
    const answer = await post(signed(service.posting(message, access), message, access), timeoutMs, signal);
    if ('trouble' in answer) return ended(temporary(answer.trouble, null), true);
    const verdict = service.judge(heard(answer), now());
    if (verdict.outcome !== 'sent') return ended(verdict);
    current = { ...current, progress: { parts: part + 1, upTo: next } };
    if (next >= item.text.length) return ended(verdict);
    renewLock(lock);
    keep(current);
  }
}

/** Secrets in their places, and the other settings with them; never kept anywhere. */
function unlock(
  desk: Desk,
  kind: SenderKind,
  settings: Access,
): { access: Access; secrets: string[] } | { problem: string } {
  const { context, layout } = desk;
  const access: Record<string, unknown> = { ...settings };
  const secrets: string[] = [];
  for (const name of SECRET_SETTINGS[kind]) {
    const [variable, file] = [settings[`${name}Env`], settings[`${name}File`]];
    if (typeof variable === 'string') {
      const value = context.env[variable]?.trim();
      if (!value) return { problem: `the variable ${variable} (${kind}.${name}Env) is not set here` };
      access[name] = value;
    } else if (typeof file === 'string') {
      const read = readSecretFile(path.resolve(layout.home, expandHome(file)), context.uid);
      if ('problem' in read) return { problem: `${kind}.${name}File: ${read.problem}` };
      access[name] = read.secret;
    }
    if (typeof access[name] === 'string') secrets.push(access[name], encodeURIComponent(access[name]));
  }
  const headers: Record<string, string> = { ...(settings.headers as Record<string, string> | undefined) };
  for (const [header, variable] of Object.entries((settings.headersEnv ?? {}) as Record<string, string>)) {
    const value = context.env[variable]?.trim();
    if (!value) return { problem: `the variable ${variable} (${kind}.headersEnv) is not set here` };
    headers[header] = value;
  }
  secrets.push(...Object.values(headers));
  access.headers = headers;
  for (const name of ['url', 'webhookUrl', 'apiUrl']) {
    const problem = typeof access[name] === 'string' ? endpointProblem(access[name]) : null;
    if (problem !== null) return { problem: `${kind}.${name}: ${problem}` };
  }
  return { access, secrets };
}

/** A webhook with a secret gets its requests signed. */
function signed(posting: Posting, { key, now }: Outgoing, access: Access): Posting {
  if (typeof access.secret !== 'string') return posting;
  const { createHmac } = require('node:crypto') as typeof import('node:crypto');
  const encoded = access.secret.startsWith('whsec_') ? access.secret.slice('whsec_'.length) : null;
  const secret = encoded === null ? Buffer.from(access.secret, 'utf8') : Buffer.from(encoded, 'base64');
  const seconds = Math.floor(now / 1000);
  const signature = createHmac('sha256', secret)
    .update(signedText(key, seconds, posting.body))
    .digest('base64');
  return {
    ...posting,
    headers: {
      ...posting.headers,
      'webhook-id': key,
      'webhook-timestamp': String(seconds),
      'webhook-signature': `v1,${signature}`,
    },
  };
}
