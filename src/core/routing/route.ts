/** Where a message goes: its agent, its session, and whether it may. The same verdict for `ingest` and `route`. */
import type { ConfigInput } from '../../config/schema.ts';
import { ClawError } from '../errors.ts';
import { type Access, decideAccess } from './access.ts';
import { type Activation, decideActivation } from './activation.ts';
import { agentIds, type BindingTier, defaultAgentId, matchBinding } from './binding.ts';
import { hasAccount } from './channel.ts';
import { linkedPerson } from './identity.ts';
import { type ChatType, type Message, type MessagePeer, peerOf } from './message.ts';
import { canonicaliseKey, conversationKey, mainSessionKey, splitKey } from './session-key.ts';
import { slug } from './slug.ts';

export interface Route {
  agentId: string;
  sessionKey: string;
  mainSessionKey: string;
  /** what chose the agent */
  matchedBy: 'default' | 'agentId' | 'sessionKey' | BindingTier;
  channel: string;
  accountId: string;
  chatType: ChatType;
  /** the person or group as the channel knows it; null where the message names nobody */
  peerId: string | null;
  access: Access;
  activation: Activation;
}

export interface RouteOptions {
  /** ids approved by pairing for the message's channel and account */
  paired?: readonly string[] | undefined;
  /** activation set in the session itself, where that is known */
  groupActivation?: string | undefined;
}

type Choice = Pick<Route, 'agentId' | 'matchedBy'> & { sessionKey?: string };

/**
 * Decides where a message goes. An explicit session wins over an explicit agent, that over the bindings, those over
 * the default agent. Access is part of the verdict, not a reason to stop: the caller decides what a denied message is.
 *
 * @throws ClawError `agent-unknown` when an agent chosen by the caller is not configured, `agent-mismatch` when it is
 *   not the one of the chosen session, `session-key-invalid` when that is no key
 */
export function decideRoute(message: Message, config: ConfigInput, options: RouteOptions = {}): Route {
  const { agentId, matchedBy, sessionKey } = chooseAgent(message, config);
  const peer = peerOf(message);
  return {
    agentId,
    sessionKey: sessionKey ?? keyOfMessage(agentId, message, peer, config),
    mainSessionKey: mainSessionKey(agentId, config.session),
    matchedBy,
    channel: message.channel,
    accountId: message.accountId,
    chatType: message.chatType,
    peerId: peer.id ?? null,
    access: decideAccess(message, config, options.paired),
    activation: decideActivation(message, config, agentId, options.groupActivation),
  };
}

function chooseAgent(message: Message, config: ConfigInput): Choice {
  const agentId = message.agentId === undefined ? undefined : configuredAgentId(message.agentId, config);
  if (message.sessionKey !== undefined) {
    const sessionKey = readSessionKey(message.sessionKey, config, agentId);
    const owner = configuredAgentId(splitKey(sessionKey)?.agentId ?? '', config);
    if (agentId !== undefined && agentId !== owner) {
      throw new ClawError(
        'usage',
        'agent-mismatch',
        `session ${sessionKey} belongs to agent "${owner}", not "${agentId}"`,
        'name the session alone',
      );
    }
    return { agentId: owner, matchedBy: 'sessionKey', sessionKey };
  }
  if (agentId !== undefined) return { agentId, matchedBy: 'agentId' };
  return matchBinding(message, config) ?? { agentId: defaultAgentId(config), matchedBy: 'default' };
}

function keyOfMessage(agentId: string, message: Message, peer: MessagePeer, config: ConfigInput): string {
  const { channel, accountId, threadId } = message;
  const person =
    peer.kind === 'dm' && peer.id !== undefined
      ? linkedPerson(config.session?.identityLinks, channel, peer.id)
      : undefined;
  const at = { kind: peer.kind, channel, accountId, peerId: peer.id, person, threadId };
  return conversationKey(agentId, at, config.session);
}

/**
 * The configured agent that a caller means, as it stands in keys. Case and spaces are folded; an id with a colon is
 * refused rather than folded, since in a key it would be two parts.
 *
 * @throws ClawError `agent-unknown`, naming the agents there are
 */
export function configuredAgentId(id: string, config: Pick<ConfigInput, 'agents'>): string {
  const known = agentIds(config);
  const wanted = id.includes(':') ? '' : slug(id);
  if (wanted !== '' && known.includes(wanted)) return wanted;
  throw new ClawError(
    'usage',
    'agent-unknown',
    `agent ${JSON.stringify(id)} is not configured; there is ${known.join(', ')}`,
    'claw config show',
  );
}

/**
 * A session key as a person typed it, in its one spelling. Whether that session or its agent exists is not asked.
 *
 * @param agentId agent of a key that names none; the default agent where absent
 * @throws ClawError `session-key-invalid`
 */
export function readSessionKey(input: string, config: ConfigInput, agentId?: string): string {
  const key = canonicaliseKey(input, {
    agentId: agentId ?? defaultAgentId(config),
    session: config.session,
    hasAccount: (channel, account) => hasAccount(config.channels, channel, account),
  });
  if (key !== null) return key;
  throw noSessionKey(input);
}

/** A name on a command line: as above, but an empty variable of a script does not mean the main session. */
export function readNamedKey(input: string, config: ConfigInput, agentId?: string): string {
  if (input.trim() === '') throw noSessionKey(input);
  return readSessionKey(input, config, agentId);
}

function noSessionKey(input: string): ClawError {
  return new ClawError(
    'usage',
    'session-key-invalid',
    `${JSON.stringify(input)} is not a session key; keys look like agent:main:main or telegram:group:-100`,
    'claw sessions list',
  );
}
