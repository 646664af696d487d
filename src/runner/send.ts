/** Messages from one session (or the operator) into another, and sub-agents: the way their answers come back. */
import { ClawError } from '../core/errors.ts';
import type { IngestResult } from '../core/result.ts';
import { type Message, normaliseMessage } from '../core/routing/message.ts';
import { decideRoute } from '../core/routing/route.ts';
import { mainSessionKey, splitKey } from '../core/routing/session-key.ts';
import { callerHops, maySend, unknownSession, viewerOf } from '../core/routing/visibility.ts';
import type { SettingValues } from '../core/session/settings.ts';
import { loadRecord } from '../store/sessions.ts';
import type { Desk } from './desk.ts';
import { ingest } from './ingest.ts';

export type ReplyPolicy = 'skip' | 'announce' | 'reply';

export interface SendOptions {
  policy: ReplyPolicy;
  /** how long to wait for the answer, ms; 0: do not; undefined: as long as the runner may take */
  waitMs?: number | undefined;
  /** for a session that begins with this message */
  settings?: SettingValues;
  /** it may begin a session that does not exist */
  begins?: boolean;
  /** session that is told of the answer under `announce`; default: the one whose turn sends */
  announceTo?: { agentId: string; key: string };
  signal?: AbortSignal;
  stopped?(): boolean;
  print(result: IngestResult): boolean;
}

/**
 * Sends a text into a session as a message of the calling session, or of the operator. It is text, never a command,
 * and moves neither the freshness of the session nor the place its replies go to.
 *
 * @throws ClawError `session-unknown` where there is none, or none that the caller may write to
 */
export async function sendToSession(
  desk: Desk,
  target: { agentId: string; key: string },
  text: string,
  options: SendOptions,
): Promise<IngestResult> {
  const { env } = desk.context;
  const viewer = viewerOf(env);
  const read = loadRecord(desk.layout, target.agentId, target.key);
  const spawnedBy = read.state === 'ok' ? read.record.spawnedBy : options.begins ? viewer?.key : undefined;
  const isMain = target.key === mainSessionKey(target.agentId, desk.config.session);
  const exists = read.state !== 'missing' || options.begins || isMain;
  if (!exists || !maySend(viewer, { ...target, spawnedBy }, desk.config)) throw unknownSession(target.key);
  const announceTo =
    options.announceTo ?? (viewer ? { agentId: viewer.agentId, key: viewer.key } : undefined);
  if (options.policy === 'announce' && !announceTo) {
    throw new ClawError(
      'usage',
      'usage',
      'announce needs a session to announce to; nobody but an agent has one of its own',
      'claw sessions send KEY MESSAGE --reply reply',
    );
  }
  const message = messageFor(desk, target.key, text);
  const waits = options.waitMs !== 0 && !(options.waitMs === undefined && options.policy !== 'reply');
  return ingest(desk, decideRoute(message, desk.config), message, {
    wait: waits,
    ...(options.waitMs ? { waitMs: options.waitMs } : {}),
    recordOnly: false,
    deliver: false,
    // Never a command, whoever sends it.
    fromAgent: true,
    hops: callerHops(env),
    via: options.policy === 'reply' && waits ? 'stdout' : 'none',
    sent: {
      sentFrom: viewer?.key ?? 'operator',
      ...(options.policy === 'announce' && announceTo ? { announceTo } : {}),
      ...(options.settings ? { settings: options.settings } : {}),
    },
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.stopped ? { stopped: options.stopped } : {}),
    print: options.print,
  });
}

function messageFor(desk: Desk, key: string, text: string): Message {
  const normalised = normaliseMessage({ text, sessionKey: key }, desk.config);
  if (normalised.ok) return normalised.message;
  throw new ClawError('usage', 'usage', `the message cannot be taken: ${normalised.problems.join('; ')}`);
}

/** Key of a new sub-agent's session. */
export function newSubagentKey(desk: Desk, agentId: string): string {
  return `agent:${agentId}:subagent:${desk.context.newId()}`;
}

/** The agent behind a session key. */
export function agentOf(key: string): string {
  return splitKey(key)?.agentId ?? '';
}
