/** What the config says about one channel and one of its accounts. */
import type { ChannelConfig } from '../../config/schema.ts';
import { normaliseChannel, slug } from './slug.ts';

export type Channels = Record<string, ChannelConfig>;

/** A channel's settings with those of one account laid over them; each field that the account sets replaces the channel's. */
export type AccountConfig = Omit<ChannelConfig, 'accounts' | 'defaultAccount'>;

export type GroupConfig = NonNullable<AccountConfig['groups']>[string];

const DEFAULT_ACCOUNT = 'default';

/** The value whose name is the same after folding; an own property always, so a channel may be called `constructor`. */
function lookUp<T>(
  map: Record<string, T> | undefined,
  name: string,
  fold: (key: string) => string,
): T | undefined {
  if (map === undefined) return undefined;
  if (Object.hasOwn(map, name)) return map[name];
  const key = Object.keys(map).find(candidate => fold(candidate) === name);
  return key === undefined ? undefined : map[key];
}

/** The settings of a (normalised) channel, undefined where it is not configured. */
export function channelConfig(channels: Channels | undefined, channel: string): ChannelConfig | undefined {
  return lookUp(channels, channel, normaliseChannel);
}

/** The account meant when a message or a binding names none. */
export function defaultAccount(channels: Channels | undefined, channel: string): string {
  return slug(channelConfig(channels, channel)?.defaultAccount ?? '') || DEFAULT_ACCOUNT;
}

/** Whether an account (a slug) has settings of its own. */
export function hasAccount(channels: Channels | undefined, channel: string, accountId: string): boolean {
  return lookUp(channelConfig(channels, channel)?.accounts, accountId, slug) !== undefined;
}

/** The settings that hold for an account of a channel; empty where nothing is configured. */
export function accountConfig(
  channels: Channels | undefined,
  channel: string,
  accountId: string,
): AccountConfig {
  const config = channelConfig(channels, channel);
  if (config === undefined) return {};
  const { accounts, defaultAccount: _, ...shared } = config;
  return { ...shared, ...lookUp(accounts, accountId, slug) };
}

/**
 * The settings of a group, the most specific first: those of its ids in the order given, then those of `"*"`.
 * A field is taken from the first that sets it.
 */
export function groupConfigs(config: AccountConfig, ids: string[]): GroupConfig[] {
  const groups = config.groups;
  if (groups === undefined) return [];
  return [...ids, '*'].filter(id => Object.hasOwn(groups, id)).map(id => groups[id]!);
}
