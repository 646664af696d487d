/** Checks of who can talk to an agent, and who shares a session with whom. */

import fs from 'node:fs';
import { runnerName } from '../../core/agent.ts';
import { agentIds } from '../../core/routing/binding.ts';
import { accountConfig } from '../../core/routing/channel.ts';
import { linkedPerson } from '../../core/routing/identity.ts';
import { conversationKey, kindOfKey, mainSessionKey } from '../../core/routing/session-key.ts';
import { normaliseChannel, slug } from '../../core/routing/slug.ts';
import type { Origin, SessionRecord } from '../../core/session/session.ts';
import { isUserEntry } from '../../core/session/transcript.ts';
import type { Desk } from '../../runner/desk.ts';
import { newestFirst } from '../../store/transcripts.ts';
import { type Check, failure, fine, warning } from './check.ts';

/** Newest lines of a main session in which people are looked for. */
const LINES_LOOKED_AT = 500;

/** Channels on which anybody may write to an agent that is a program, and so may do things. */
export function checkOpenChannels(desk: Desk, records: SessionRecord[]): Check[] {
  const { config } = desk;
  const programs = agentIds(config)
    .map(agentId => runnerName(config, agentId))
    .filter(name => name !== 'recall');
  if (programs.length === 0) return [fine('access', 'no agent is a program that could be misused')];
  const places = new Map<string, { channel: string; accountId: string }>();
  const add = (channel: string, accountId: string) =>
    places.set(JSON.stringify([channel, accountId]), { channel, accountId });
  for (const [name, settings] of Object.entries(config.channels ?? {})) {
    const channel = normaliseChannel(name);
    const accounts = Object.keys(settings.accounts ?? {}).map(account => slug(account));
    for (const accountId of accounts.length > 0 ? accounts : ['default']) add(channel, accountId);
  }
  for (const { lastRoute } of records) if (lastRoute) add(lastRoute.channel, lastRoute.accountId);
  const open = [...places.values()].filter(({ channel, accountId }) => {
    const { dmPolicy, allowFrom } = accountConfig(config.channels, channel, accountId);
    if (channel === 'cli' || dmPolicy === 'disabled') return false;
    return (
      dmPolicy === 'open' || (dmPolicy === undefined && allowFrom === undefined) || allowFrom?.includes('*')
    );
  });
  if (open.length === 0) return [fine('access', 'on no channel may everybody write to an agent')];
  const program = [...new Set(programs)].join(', ');
  return open.map(({ channel, accountId }) =>
    warning(
      'access',
      `everybody who can write to ${channel}${accountId === 'default' ? '' : ` (account ${accountId})`} can talk to ${program}, with whatever it may do`,
      `channels.${channel}.dmPolicy`,
      `set channels.${channel}.dmPolicy to "pairing", or list ids in allowFrom`,
    ),
  );
}

/** With `dmScope: main` all private messages share one session: fine for one person, a leak for two (#7215, #29250). */
export function checkSharedMain(desk: Desk, records: SessionRecord[]): Check[] {
  const { config, layout } = desk;
  if ((config.session?.dmScope ?? 'main') !== 'main' && config.session?.scope !== 'global') return [];
  return agentIds(config).flatMap(agentId => {
    const key = mainSessionKey(agentId, config.session);
    const record = records.find(each => each.key === key);
    if (!record) return [];
    const file = layout.transcript(agentId, record.sessionId);
    const people = peopleIn(desk, file);
    if (people.length < 2) return [fine('shared', `${key} is one person's`, key)];
    return [
      failure(
        'shared',
        `${people.length} people share ${key} and can read each other's words there: ${people.slice(0, 5).join(', ')}`,
        key,
        'set session.dmScope to "per-channel-peer"; or join the ids of one person in session.identityLinks',
      ),
    ];
  });
}

/** Who wrote private messages lately, each person of the identity links once. */
function peopleIn(desk: Desk, file: string): string[] {
  if (!fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return [];
  const people = new Set<string>();
  let looked = 0;
  for (const entry of newestFirst(file, () => undefined)) {
    if (++looked > LINES_LOOKED_AT) break;
    if (!isUserEntry(entry) || entry.hops) continue;
    const { channel, from, chatType } = entry.origin;
    // At the command line sits the operator, whoever he is elsewhere.
    if (chatType !== 'dm' || from === undefined) continue;
    people.add(
      isOwn(desk, entry.origin)
        ? 'you'
        : (linkedPerson(desk.config.session?.identityLinks, channel, from) ?? `${channel}:${from}`),
    );
  }
  return [...people];
}

/** The operator himself, on a channel. */
function isOwn(desk: Desk, { channel, from }: Origin): boolean {
  return (desk.config.owners ?? []).includes(`${channel}:${from}`);
}

/**
 * Private sessions that no message reaches any more since `dmScope` or `identityLinks` were changed (#19918, #146033). By
 * the last sender of each: his messages go elsewhere now.
 */
export function checkOrphans(desk: Desk, records: SessionRecord[]): Check[] {
  const { session } = desk.config;
  return records.flatMap(record => {
    const { key, agentId, lastRoute } = record;
    if (lastRoute?.chatType !== 'dm' || kindOfKey(key, session) !== 'dm') return [];
    const { channel, accountId, from, threadId } = lastRoute;
    const person = from === undefined ? undefined : linkedPerson(session?.identityLinks, channel, from);
    const now = conversationKey(
      agentId,
      { kind: 'dm', channel, accountId, peerId: from, person, threadId },
      session,
    );
    if (now === key) return [];
    return [
      warning(
        'orphans',
        `messages of ${channel}:${from} go to ${now} since session.dmScope or identityLinks were changed; nothing new comes here`,
        key,
        `set them back, or read on with: claw sessions history ${JSON.stringify(key)}`,
      ),
    ];
  });
}
