/**
 * Daily boundaries of a whole configuration: when a tick has sessions to reset, and which of them it must look at. What
 * ends one session is judged as for a message, by `judgeFreshness`.
 */
import type { ConfigInput } from '../../config/schema.ts';
import { isInternalChannel } from '../routing/slug.ts';
import type { Zone } from '../schedule/zone.ts';
import { judgeFreshness } from '../turn.ts';
import {
  lastDailyBoundary,
  nextDailyBoundary,
  policyZone,
  type ResetPolicy,
  type ResetType,
  resolveResetPolicy,
} from './reset.ts';
import type { SessionRecord } from './session.ts';

const TYPES: readonly ResetType[] = ['dm', 'group', 'thread'];

/** Every daily policy that some session of this configuration can have, each once. */
export function dailyPolicies(config: Pick<ConfigInput, 'session'>): ResetPolicy[] {
  const { session } = config;
  const policies = [
    ...TYPES.map(type => resolveResetPolicy({ session, type })),
    ...Object.keys(session?.resetByChannel ?? {}).map(channel =>
      resolveResetPolicy({ session, type: 'dm', channel }),
    ),
  ].filter(policy => policy.mode === 'daily');
  return [...new Map(policies.map(policy => [JSON.stringify(policy), policy])).values()];
}

/** The first daily boundary of any policy after an instant, epoch ms; null where no session is reset by the day. */
export function nextDailyReset(
  config: Pick<ConfigInput, 'session'>,
  after: number,
  zone: Zone,
): number | null {
  const boundaries = dailyPolicies(config).map(policy =>
    nextDailyBoundary(policy, after, policyZone(policy, zone)),
  );
  return boundaries.length === 0 ? null : Math.min(...boundaries);
}

/** A completed look at the sessions: when, and with which policies. */
export interface Sweep {
  /** epoch ms */
  at: number;
  /** `sweepTerms` of the configuration then */
  terms: string;
}

/** What a sweep depends on beside the clock; after a change of it nothing is known of the sessions. */
export function sweepTerms(config: Pick<ConfigInput, 'session'>, zone: Zone): string {
  return JSON.stringify([zone.name, ...dailyPolicies(config)]);
}

/**
 * Whether sessions have to be looked at now, and how far back: whoever the last sweep left alone had been used since the
 * newest boundary of his policy at that time, so the oldest of those boundaries bounds what can have gone stale since.
 *
 * @param last null: never, or nobody knows
 * @returns epoch ms, `null` for all sessions; false where no boundary has passed since
 */
export function sweepSince(
  config: Pick<ConfigInput, 'session'>,
  last: Sweep | null,
  now: number,
  zone: Zone,
): number | null | false {
  const policies = dailyPolicies(config);
  if (policies.length === 0) return false;
  // One of the future (the clock went back) would hold every reset up until then.
  if (last === null || last.at > now || last.terms !== sweepTerms(config, zone)) return null;
  if (nextDailyReset(config, last.at, zone)! > now) return false;
  return Math.min(...policies.map(policy => lastDailyBoundary(policy, last.at, policyZone(policy, zone))));
}

/**
 * The boundary that ended a session, epoch ms; null where a message would not have met a daily reset, or where nobody has
 * written since the session began. A session that is shared by channels with policies of their own ends only where the
 * newest message's channel and the first one's agree; what they leave is for the next message to decide.
 */
export function endedByDay(
  config: ConfigInput,
  record: SessionRecord,
  at: number,
  zone: Zone,
): number | null {
  if (record.lastUserAt === undefined) return null;
  const { threadId, channel = record.channel } = record.lastRoute ?? {};
  const channels = isInternalChannel(record.channel) ? [channel] : [channel, record.channel];
  const verdicts = channels.map(each =>
    judgeFreshness(config, record, { channel: each, ...(threadId ? { threadId } : {}) }, at, zone),
  );
  return verdicts.every(({ reason }) => reason === 'daily') ? verdicts[0]!.dailyResetAt : null;
}
