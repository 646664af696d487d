/**
 * What an agent finds in its environment. An allow-list, because whatever claw was started with (tokens, settings of a
 * timer, variables of another turn) is nobody's business in this one: a cron variable that leaked into a human's turn
 * cost 815 seconds elsewhere (hermes-agent#108121).
 */
import type { TurnRequest } from '../turn-request.ts';

const ALLOWED = ['PATH', 'HOME', 'LANG', 'TZ', 'TERM', 'USER', 'SHELL'];
const ALLOWED_PREFIXES = ['LC_', 'XDG_'];

/** Who set this turn off. It tells a nested `claw` how much it may do. */
export type TurnOrigin = 'user' | 'agent' | 'cron' | 'heartbeat' | 'system';

export interface EnvironmentInput {
  /** environment of claw itself */
  base: Readonly<Record<string, string | undefined>>;
  request: TurnRequest;
  origin: TurnOrigin;
  /** $CLAW_HOME and the config file in use, so that a nested `claw` finds the same state; absent = its defaults */
  home?: string;
  configFile?: string;
}

/**
 * Allow-listed variables of `base`, then the runner's, then the agent's own, then claw's. Two agents may so have one runner
 * and a key each. claw's come last and win:
 * CLAW_RUN_ID takes rights away from a nested `claw`, so a config must not be able to unset it by accident.
 * NUL cannot be part of an environment, so it becomes U+FFFD.
 * (The start goes through a POSIX shell, which drops names that are not identifiers, such as `a.b`.)
 */
export function runnerEnvironment(input: EnvironmentInput): Record<string, string> {
  const { request } = input;
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(input.base)) {
    const allowed = ALLOWED.includes(name) || ALLOWED_PREFIXES.some(prefix => name.startsWith(prefix));
    if (value !== undefined && allowed) environment[name] = value;
  }
  Object.assign(environment, request.runner?.env, request.env, {
    CLAW_AGENT_ID: request.agentId,
    CLAW_SESSION_KEY: request.sessionKey,
    CLAW_SESSION_ID: request.sessionId,
    CLAW_TRANSCRIPT: request.transcript,
    CLAW_RUN_ID: request.runId,
    CLAW_ORIGIN: input.origin,
  });
  if (input.home !== undefined) environment.CLAW_HOME = input.home;
  if (input.configFile !== undefined) environment.CLAW_CONFIG = input.configFile;
  for (const [name, value] of Object.entries(environment))
    environment[name] = value.replaceAll('\0', '\ufffd');
  return environment;
}
