/**
 * When a session goes stale. Pure verdicts: which policy applies to a session, and whether it is still fresh.
 *
 * Freshness looks at two instants only, the last message of a real user and else the session's start. Heartbeats,
 * cron runs and settings are not among the arguments, so they can neither keep a session alive nor end it
 * (openclaw#58571: 8,323 messages lost to a reset that a heartbeat had triggered).
 */

import type { ConfigInput, ResetPolicyInput } from '../../config/schema.ts';
import type { ChatType } from '../routing/message.ts';
import { kindOfKey } from '../routing/session-key.ts';
import { instantOf, type LocalTime, localTimeAt, type Zone, zoneFor } from '../schedule/zone.ts';

/** The three kinds of session a policy can be set for. */
export type ResetType = 'dm' | 'group' | 'thread';

/** A policy with nothing left to look up. `at` and `idleMinutes` are absent where not set; `tz` absent = host zone. */
export interface ResetPolicy {
  mode: 'daily' | 'idle' | 'off';
  /** local hour of the daily reset */
  atHour: number;
  /** local time with minutes, `HH:MM`; its hour is `atHour` */
  at?: string;
  /** stale this many minutes after the last user message; beside `daily`, whichever comes first */
  idleMinutes?: number;
  /** IANA zone of the daily reset */
  tz?: string;
}

/** The verdict, with its evidence. All times are epoch ms. */
export interface Freshness {
  fresh: boolean;
  /** what made it stale; of two causes the one that came first, and its size only where there is no other */
  reason: 'daily' | 'idle' | 'size' | null;
  /** the newest daily boundary not after now; null where the policy has none */
  dailyResetAt: number | null;
  /** when silence ends (or ended) the session; null where the policy has no idle limit */
  idleExpiresAt: number | null;
}

/** The `reset` object of `claw route` and `claw sessions show`; times are ISO 8601 in UTC. */
export interface ResetReport {
  type: ResetType;
  policy: { mode: ResetPolicy['mode']; atHour: number; at?: string; idleMinutes: number | null; tz: string };
  fresh: boolean;
  reason: Freshness['reason'];
  dailyResetAt: string | null;
  idleExpiresAt: string | null;
}

export const DEFAULT_RESET_HOUR = 4;
export const DEFAULT_IDLE_MINUTES = 60;

/**
 * Which of the three kinds a session is: thread before group before dm. Rooms (`:channel:` keys) count as groups, and
 * what is neither thread nor group (cron, sub-agents, the main session) counts as dm.
 */
export function resetType(facts: { sessionKey: string; chatType?: ChatType; threadId?: string }): ResetType {
  const kind = kindOfKey(facts.sessionKey);
  if (kind === 'thread' || facts.chatType === 'thread' || (facts.threadId ?? '') !== '') return 'thread';
  if (kind === 'group' || kind === 'channel' || facts.chatType === 'group' || facts.chatType === 'channel')
    return 'group';
  return 'dm';
}

/**
 * The policy for a session. Precedence: `resetByChannel` replaces everything else; `resetByType` is merged over
 * `reset` field by field; an older `session.idleMinutes` alone means an idle reset and nothing else.
 *
 * @param session the `session` block of the config as written
 * @param channel the channel the session belongs to, in any case
 * @param timezone the config's `timezone`, used where the policy names no zone
 */
export function resolveResetPolicy(facts: {
  session: ConfigInput['session'];
  type: ResetType;
  channel?: string;
  timezone?: string;
}): ResetPolicy {
  const { session, type, timezone } = facts;
  const override = forChannel(session?.resetByChannel, facts.channel);
  if (override !== undefined) return complete([override], { mode: 'daily', timezone });

  const byType = session?.resetByType?.[type];
  const legacyIdle = session?.idleMinutes;
  const onlyLegacy =
    legacyIdle !== undefined && session?.reset === undefined && session?.resetByType === undefined;
  return complete([byType, session?.reset, { idleMinutes: legacyIdle }], {
    mode: onlyLegacy ? 'idle' : 'daily',
    timezone,
  });
}

/** Fills a policy in, the first layer that says something winning per field. Hour and minutes are one field. */
function complete(
  layers: (ResetPolicyInput | undefined)[],
  fallback: { mode: ResetPolicy['mode']; timezone: string | undefined },
): ResetPolicy {
  const said = layers.filter(layer => layer !== undefined);
  const first = <Key extends keyof ResetPolicyInput>(key: Key): ResetPolicyInput[Key] =>
    said.find(layer => layer[key] !== undefined)?.[key];

  const mode = first('mode') ?? fallback.mode;
  const time = said.find(layer => layer.at !== undefined || layer.atHour !== undefined);
  const policy: ResetPolicy = {
    mode,
    atHour: time?.at !== undefined ? Number(time.at.slice(0, 2)) : (time?.atHour ?? DEFAULT_RESET_HOUR),
  };
  if (time?.at !== undefined) policy.at = time.at;
  const idleMinutes = first('idleMinutes') ?? (mode === 'idle' ? DEFAULT_IDLE_MINUTES : undefined);
  if (idleMinutes !== undefined && mode !== 'off') policy.idleMinutes = idleMinutes;
  const tz = first('tz') ?? fallback.timezone;
  if (tz !== undefined) policy.tz = tz;
  return policy;
}

/** The entry of a per-channel map. Channel names mean the same in any case, also when a caller's map kept its case. */
function forChannel(
  map: Record<string, ResetPolicyInput> | undefined,
  channel: string | undefined,
): ResetPolicyInput | undefined {
  if (map === undefined || channel === undefined) return undefined;
  const wanted = channel.trim().toLowerCase();
  return Object.entries(map).find(([name]) => name.trim().toLowerCase() === wanted)?.[1];
}

/**
 * Whether a session is still fresh. It is stale once a daily boundary has passed since its last user message (else
 * its start), or once that lies further back than the idle limit. On the very instant of either it is still fresh.
 * A last message in the future (the clock went back) is fresh: nothing has passed since.
 *
 * @param startedAt when this session id began, epoch ms
 * @param lastUserAt the last message of a real user, epoch ms; absent while there is none
 * @param zone the user's zone (the config's `timezone`, else the host's); a zone of the policy's own wins over it
 * @param size of the transcript, and `session.maxTranscriptBytes`, which holds in every mode; absent = no limit. A file
 *   that grows for ever was 3.8 GB elsewhere, and 12 GB of memory when it was opened (anthropics/claude-code#22365).
 */
export function evaluateFreshness(facts: {
  policy: ResetPolicy;
  startedAt: number;
  lastUserAt?: number;
  now: number;
  zone: Zone;
  size?: { bytes: number; most: number };
}): Freshness {
  const { policy, now } = facts;
  const zone = policyZone(policy, facts.zone);
  const since = facts.lastUserAt ?? facts.startedAt;
  const dailyResetAt = policy.mode === 'daily' ? lastDailyBoundary(policy, now, zone) : null;
  const idleExpiresAt =
    policy.mode === 'off' || policy.idleMinutes === undefined ? null : since + policy.idleMinutes * 60_000;

  const byDay = dailyResetAt !== null && since < dailyResetAt;
  const byIdle = idleExpiresAt !== null && now > idleExpiresAt;
  let reason: Freshness['reason'] = null;
  // The newest boundary need not be the one that ended the session: a week of silence holds seven of them.
  if (byDay && byIdle) reason = nextDailyBoundary(policy, since, zone) <= idleExpiresAt ? 'daily' : 'idle';
  else if (byDay) reason = 'daily';
  else if (byIdle) reason = 'idle';
  else if (facts.size !== undefined && facts.size.bytes > facts.size.most) reason = 'size';
  return { fresh: reason === null, reason, dailyResetAt, idleExpiresAt };
}

/**
 * The newest daily boundary at or before an instant (epoch ms). One boundary per local date: an hour that clocks skip
 * moves to the first instant that exists, an hour that comes twice counts at its first pass.
 */
export function lastDailyBoundary(policy: ResetPolicy, now: number, zone: Zone): number {
  const today = localTimeAt(zone, now);
  const boundary = boundaryOn(policy, today, zone);
  return boundary <= now ? boundary : boundaryOn(policy, { ...today, day: today.day - 1 }, zone);
}

/** The first daily boundary after an instant (epoch ms): when a session last used then goes stale. */
export function nextDailyBoundary(policy: ResetPolicy, after: number, zone: Zone): number {
  const today = localTimeAt(zone, after);
  const boundary = boundaryOn(policy, today, zone);
  return boundary > after ? boundary : boundaryOn(policy, { ...today, day: today.day + 1 }, zone);
}

function boundaryOn(policy: ResetPolicy, date: LocalTime, zone: Zone): number {
  const minute = policy.at === undefined ? 0 : Number(policy.at.slice(3, 5));
  return instantOf(zone, { ...date, hour: policy.atHour, minute, second: 0, millisecond: 0 }).instant;
}

/**
 * The zone a policy's hour is reckoned in.
 * @param zone the user's zone, where the policy names none
 */
export function policyZone(policy: ResetPolicy, zone: Zone): Zone {
  return zoneFor(policy.tz, zone);
}

/** A verdict in the words of `claw route` and `claw sessions show`; `zone` as in `evaluateFreshness`. */
export function reportReset(
  type: ResetType,
  policy: ResetPolicy,
  zone: Zone,
  verdict: Freshness,
): ResetReport {
  return {
    type,
    policy: {
      mode: policy.mode,
      atHour: policy.atHour,
      ...(policy.at === undefined ? {} : { at: policy.at }),
      idleMinutes: policy.idleMinutes ?? null,
      tz: policyZone(policy, zone).name,
    },
    fresh: verdict.fresh,
    reason: verdict.reason,
    dailyResetAt: isoOrNull(verdict.dailyResetAt),
    idleExpiresAt: isoOrNull(verdict.idleExpiresAt),
  };
}

/** Beyond the last date there is (an idle limit of a million years), an instant is as good as never. */
function isoOrNull(instant: number | null): string | null {
  return instant === null || instant > 8.64e15 ? null : new Date(instant).toISOString();
}
