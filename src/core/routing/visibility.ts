/** Which sessions an agent may look at or write to when it calls claw from inside its turn. One rule for every verb. */
import type { ConfigInput } from '../../config/schema.ts';
import { ClawError } from '../errors.ts';
import { kindOfKey, mainSessionKey } from './session-key.ts';

/** The turn that a command is called from; null for the operator, who may see everything. */
export interface Viewer {
  agentId: string;
  /** session key of that turn */
  key: string;
}

/** A session, and the one whose turn spawned it, where one did. */
export interface Target {
  agentId: string;
  key: string;
  spawnedBy?: string | undefined;
}

/**
 * An agent sees its own session and what that session spawned. From the main session, and from a cron job, which are
 * the operator's own, it sees all sessions of its agent; from a conversation with somebody else it does not, since
 * what one person says is not for the next. Other agents' sessions it never sees.
 */
export function maySee(viewer: Viewer | null, target: Target, config: Pick<ConfigInput, 'session'>): boolean {
  if (viewer === null) return true;
  if (viewer.agentId !== target.agentId) return false;
  // A transcript that names no session is nobody's own.
  const isOwn = viewer.key !== '' && (viewer.key === target.key || target.spawnedBy === viewer.key);
  return isOwn || seesItsAgent(viewer, config);
}

function seesItsAgent(viewer: Viewer, config: Pick<ConfigInput, 'session'>): boolean {
  return (
    viewer.key === mainSessionKey(viewer.agentId, config.session) ||
    kindOfKey(viewer.key, config.session) === 'cron'
  );
}

/**
 * Which sessions a listing shows to a viewer, in words for whoever reads it: a list that was cut must not look like a
 * whole one (openclaw#50646). Null for the operator, who is shown all.
 */
export function scopeOf(viewer: Viewer | null, config: Pick<ConfigInput, 'session'>): string | null {
  if (viewer === null) return null;
  if (seesItsAgent(viewer, config)) return `the sessions of agent ${JSON.stringify(viewer.agentId)}`;
  return viewer.key === '' ? 'no session' : `session ${JSON.stringify(viewer.key)} and those it spawned`;
}

/**
 * Writing to a session: what it may see, and the main sessions of agents that `session.agentToAgent` opens to it.
 */
export function maySend(
  viewer: Viewer | null,
  target: Target,
  config: Pick<ConfigInput, 'session'>,
): boolean {
  if (maySee(viewer, target, config)) return true;
  const open = config.session?.agentToAgent;
  if (viewer === null || !open?.enabled || viewer.agentId === target.agentId) return false;
  const isAllowed = open.allow?.includes(target.agentId) || open.allow?.includes('*');
  return isAllowed === true && target.key === mainSessionKey(target.agentId, config.session);
}

/** The turn a process runs in, by what claw put into its environment. */
export function viewerOf(env: Readonly<Record<string, string | undefined>>): Viewer | null {
  if (!env.CLAW_RUN_ID) return null;
  // Without a session it can only be a stranger's program: it sees nothing.
  return { agentId: env.CLAW_AGENT_ID ?? '', key: env.CLAW_SESSION_KEY ?? '' };
}

/** Steps from a person to what this process passes on: 0 for a person or a timer, else what claw told the agent's run. */
export function callerHops(env: Readonly<Record<string, string | undefined>>): number {
  return env.CLAW_RUN_ID ? Number(env.CLAW_HOPS ?? 1) || 1 : 0;
}

/**
 * Sessions whose turns wait for this process: the one it was called from, and those that called that one.
 *
 * @returns session keys, the outermost first
 */
export function chainOf(env: Readonly<Record<string, string | undefined>>): string[] {
  let chain: unknown;
  try {
    chain = JSON.parse(env.CLAW_CHAIN ?? '[]');
  } catch {
    // Not ours: somebody's own variable.
  }
  const keys = Array.isArray(chain) ? chain.filter(key => typeof key === 'string') : [];
  return env.CLAW_SESSION_KEY ? [...keys, env.CLAW_SESSION_KEY] : keys;
}

/** The same words for a session that does not exist and for one that is not the caller's to see. */
export function unknownSession(key: string): ClawError {
  return new ClawError(
    'usage',
    'session-unknown',
    `there is no session ${JSON.stringify(key)}`,
    'claw sessions list',
  );
}
