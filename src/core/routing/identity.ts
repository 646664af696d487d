/** Ids that people are known by: identity links, and the lists of ids in the config. */
import type { ConfigInput } from '../../config/schema.ts';

export type IdentityLinks = NonNullable<NonNullable<ConfigInput['session']>['identityLinks']>;

interface Link {
  name: string;
  ids: string[];
}

/**
 * Both forms of identity links as a list in config order. A link of the list form is named by its first id;
 * `sharedSession: false` links nothing.
 */
function linksOf(links: IdentityLinks): Link[] {
  const named = Array.isArray(links)
    ? links
        .filter(link => link.sharedSession !== false)
        .map(link => ({ name: link.ids[0] ?? '', ids: link.ids }))
    : Object.entries(links).map(([name, ids]) => ({ name, ids }));
  return named.map(link => ({ ...link, name: link.name.trim() })).filter(link => link.name !== '');
}

/**
 * The peer id that an entry of the config means on a channel: `telegram:1` is `1` on Telegram and null elsewhere,
 * an entry without a channel in front (`+1555`, `@user:server`) is itself everywhere.
 */
function idOnChannel(entry: string, channel: string): { id: string; prefixed: boolean } | null {
  const colon = entry.indexOf(':');
  const prefix = entry.slice(0, Math.max(colon, 0)).trim().toLowerCase();
  if (prefix !== '' && prefix === channel) return { id: entry.slice(colon + 1), prefixed: true };
  return /^\p{L}[^@\s]*$/u.test(prefix) ? null : { id: entry.trim(), prefixed: false };
}

/**
 * Whether a channel-prefixed id of the config means this peer of this channel. The channel is compared without regard
 * to case, the id byte for byte. Without a channel in front an entry means nobody here.
 */
export function isChannelId(entry: string, channel: string, peerId: string): boolean {
  const match = idOnChannel(entry, channel);
  return match?.prefixed === true && match.id === peerId;
}

/**
 * Whether an entry of a list of senders that belongs to one channel (`allowFrom`, the approved strangers) means this
 * peer: `"*"`, the plain id, or the id with its channel in front.
 */
export function isListed(entry: string, channel: string, peerId: string | undefined): boolean {
  if (entry.trim() === '*') return true;
  return peerId !== undefined && (entry === peerId || isChannelId(entry, channel, peerId));
}

/**
 * The name of the person behind a channel's peer id, undefined where no link has it.
 *
 * A link's id with a channel in front matches on that channel only, else a sender could choose `telegram:1` as an id
 * elsewhere and enter another person's session; without one it matches on every channel. The first exact match in
 * config order wins. Ids that differ from a link's in case alone match only where that leaves one person.
 */
export function linkedPerson(
  links: IdentityLinks | undefined,
  channel: string,
  peerId: string,
): string | undefined {
  if (links === undefined) return undefined;
  const all = linksOf(links);
  const names = (link: Link, fold: (id: string) => string) =>
    link.ids.some(entry => {
      const match = idOnChannel(entry, channel);
      return match !== null && fold(match.id) === fold(peerId);
    });
  const exact = all.find(link => names(link, id => id));
  if (exact !== undefined) return exact.name;
  const similar = all.filter(link => names(link, id => id.toLowerCase()));
  return similar.length === 1 ? similar[0]!.name : undefined;
}
