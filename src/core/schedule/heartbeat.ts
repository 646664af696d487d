/**
 * Heartbeats: how often an agent is asked whether anything needs attention, what it is asked, in which session, and who
 * hears of it. All of it follows from the config; the grid of beats is a schedule like that of any job, and its past is
 * in the run records of `heartbeatJob(agentId)`.
 */
import type { ConfigInput } from '../../config/schema.ts';
import { agentEntry } from '../agent.ts';
import { agentIds, defaultAgentId } from '../routing/binding.ts';
import { accountConfig, channelConfig, defaultAccount } from '../routing/channel.ts';
import { linkedPerson } from '../routing/identity.ts';
import {
  canonicaliseKey,
  conversationKey,
  isGroupJid,
  mainSessionKey,
  splitKey,
} from '../routing/session-key.ts';
import { isInternalChannel, normaliseAgentId, normaliseChannel } from '../routing/slug.ts';
import type { Origin } from '../session/session.ts';
import { parseDuration } from './duration.ts';
import type { RunLine } from './run-record.ts';
import { nextAfter, readSchedule, type Schedule } from './schedule.ts';
import { localTimeAt, type Zone, zoneFor } from './zone.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const DEFAULT_EVERY = 30 * MINUTE;
const DEFAULT_ACK = 300;

/** What the agent is asked where the config says nothing. */
export const DEFAULT_PROMPT =
  'Read HEARTBEAT.md in your workspace and do what it asks for. Take nothing up again from the conversation by ' +
  'yourself. When nothing needs attention, answer HEARTBEAT_OK.';

/** What of the message of a beat or wake somebody has written: the rest is the same each time and asks nothing. */
export function ownWords(text: string): string {
  if (text.startsWith(WAKE)) return '';
  return text.replace(DEFAULT_PROMPT, '').replace(EVENTS_BESIDE, '').trim();
}

/** Hours in which an agent may be asked. `start` and `end` are minutes of the local day, 0 to 1440. */
export interface ActiveHours {
  start: number;
  end: number;
  /** IANA zone; absent: that of the config, else the host's */
  timezone?: string;
}

/** One agent's heartbeat as the config has it. */
export interface Heartbeat {
  agentId: string;
  /** null where it beats; else which key switched it off, and why */
  off: { key: string; reason: string } | null;
  /** time between beats in ms; null where it is off */
  everyMs: number | null;
  prompt: string;
  isDefaultPrompt: boolean;
  model?: string;
  activeHours: ActiveHours | null;
  /** most text beside HEARTBEAT_OK that is no alert, characters */
  ackMaxChars: number;
  /** `last`, `none`, or the name of a channel */
  target: string;
  to?: string;
  /** session key, where one is configured */
  session?: string;
}

type Block = NonNullable<NonNullable<NonNullable<ConfigInput['agents']>['defaults']>['heartbeat']>;

/** The name of an agent's heartbeat among jobs; no job id holds a colon. */
export function heartbeatJob(agentId: string): string {
  return `heartbeat:${agentId}`;
}

/**
 * The heartbeat of an agent (a normalised id). Where an agent of the list has a block, only agents with a block beat;
 * where none has, the default agent alone does. `agents.defaults.heartbeat` stands in for what a block leaves out.
 */
export function heartbeatOf(config: ConfigInput, agentId: string): Heartbeat {
  const common = config.agents?.defaults?.heartbeat;
  const own = agentEntry(config, agentId)?.heartbeat;
  const block: Block = { ...common, ...definedOf(own) };
  const everyMs = block.every === undefined ? DEFAULT_EVERY : lengthOf(block.every);
  const prompt = block.prompt?.trim() ?? '';
  const off = offOf(config, agentId, everyMs);
  const session = block.session?.trim();
  return {
    agentId,
    off,
    everyMs: off === null ? everyMs : null,
    prompt: prompt || DEFAULT_PROMPT,
    isDefaultPrompt: prompt === '',
    ...(block.model ? { model: block.model } : {}),
    activeHours: block.activeHours ? hoursOf(block.activeHours) : null,
    ackMaxChars: Math.max(0, block.ackMaxChars ?? DEFAULT_ACK),
    target: normaliseChannel(block.target ?? '') || 'last',
    ...(block.to?.trim() ? { to: block.to.trim() } : {}),
    ...(session ? { session: qualified(config, agentId, session) } : {}),
  };
}

/** The heartbeats of all agents, those that are off included. */
export function heartbeatsOf(config: ConfigInput): Heartbeat[] {
  return agentIds(config).map(agentId => heartbeatOf(config, agentId));
}

function offOf(config: ConfigInput, agentId: string, everyMs: number): Heartbeat['off'] {
  const list = config.agents?.list ?? [];
  const index = list.findIndex(agent => normaliseAgentId(agent.id) === agentId);
  const own = list[index]?.heartbeat;
  const withBlock = list.filter(agent => agent.heartbeat !== undefined).map(agent => agent.id);
  if (withBlock.length > 0 && own === undefined) {
    const key = index < 0 ? 'agents.list' : `agents.list[${index}].heartbeat`;
    return {
      key,
      reason: `is missing, and only agents with a block of their own beat: ${withBlock.join(', ')}`,
    };
  }
  if (withBlock.length === 0 && agentId !== defaultAgentId(config))
    return { key: 'agents.list', reason: 'has no heartbeat block, so the default agent alone beats' };
  const place = (name: 'every' | 'enabled') =>
    own?.[name] === undefined
      ? `agents.defaults.heartbeat.${name}`
      : `agents.list[${index}].heartbeat.${name}`;
  const enabled = own?.enabled ?? config.agents?.defaults?.heartbeat?.enabled;
  if (enabled === false) return { key: place('enabled'), reason: 'is false' };
  if (everyMs <= 0) return { key: place('every'), reason: 'is 0' };
  return null;
}

/** A duration; a bare 0 needs no unit. What is none at all counts as off rather than as the default. */
function lengthOf(every: string): number {
  return /^\+?0+$/.test(every.trim()) ? 0 : (parseDuration(every) ?? 0);
}

function hoursOf(hours: NonNullable<Block['activeHours']>): ActiveHours {
  const minutes = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));
  const { start, end, timezone } = hours;
  return { start: minutes(start), end: minutes(end), ...(timezone ? { timezone } : {}) };
}

/**
 * Whether an instant (epoch ms) lies in the active hours: from the start on, before the end, by the minute on the wall,
 * so in both passes of a repeated hour. An end at or before the start is on the next day.
 */
export function isActive(hours: ActiveHours | null, now: number, zone: Zone): boolean {
  if (hours === null) return true;
  const { hour, minute } = localTimeAt(zoneFor(hours.timezone, zone), now);
  const at = hour * 60 + minute;
  const { start, end } = hours;
  return start < end ? start <= at && at < end : start <= at || at < end;
}

/** What says nothing in Markdown: blank lines, headings, rules, marks of a list or a quote with nothing behind them. */
const NOTHING_SAID = /^(?:#+(?:\s.*)?|(?:[-*_]\s*){3,}|(?:>\s*)*(?:(?:[-*+]|\d+[.)])(?:\s+\[[ xX]?\])?)?)$/;

/** Whether a HEARTBEAT.md asks for nothing: headings, comments, empty marks and blanks aside, no line is left. */
export function isEffectivelyEmpty(text: string): boolean {
  return text
    .replace(/^\uFEFF/, '')
    .replace(/<!--[\s\S]*?(?:-->|$)/g, '')
    .split(/\r\n|\r|\n/)
    .every(line => NOTHING_SAID.test(line.trim()));
}

function qualified(config: ConfigInput, agentId: string, key: string): string {
  // A key that cannot be read, or of another agent, is refused with the config; here it must only do no harm.
  const read = canonicaliseKey(key, { agentId, session: config.session });
  return read !== null && splitKey(read)?.agentId === agentId
    ? read
    : mainSessionKey(agentId, config.session);
}

/**
 * The sessions a heartbeat may run in, the one that is wanted most first: that of `session`, that of the person or group
 * of `to`, the main session, which is last and always there.
 */
export function beatSessions(config: ConfigInput, heartbeat: Heartbeat): string[] {
  const { agentId, session, target, to } = heartbeat;
  const main = mainSessionKey(agentId, config.session);
  const keys = session === undefined ? [] : [session];
  if (session === undefined && to !== undefined && target !== 'last' && target !== 'none') {
    const accountId = defaultAccount(config.channels, target);
    const kind = isRoom(config, target, accountId, to) ? 'group' : 'dm';
    const person = kind === 'dm' ? linkedPerson(config.session?.identityLinks, target, to) : undefined;
    keys.push(
      conversationKey(agentId, { kind, channel: target, accountId, peerId: to, person }, config.session),
    );
  }
  return [...keys.filter(key => key !== main), main];
}

/** Channels that are known by name though nothing is configured for them. */
const WELL_KNOWN = new Set([
  ...[
    'discord',
    'email',
    'googlechat',
    'imessage',
    'irc',
    'line',
    'matrix',
    'mattermost',
    'msteams',
    'ntfy',
    'signal',
  ],
  ...['slack', 'sms', 'telegram', 'whatsapp', 'zalo'],
]);

/** Whether a heartbeat's `target` means something: last, none, or a channel that is configured or well known. */
export function isKnownTarget(config: ConfigInput, target: string): boolean {
  const name = normaliseChannel(target);
  return name === 'last' || name === 'none' || isChannel(config, name);
}

function isChannel(config: ConfigInput, name: string): boolean {
  return channelConfig(config.channels, name) !== undefined || WELL_KNOWN.has(name);
}

/** Where a proactive text goes, or why it goes nowhere. */
export type Target = { origin: Origin } | { origin: null; reason: 'no-target' | 'target-none' };

/**
 * Who hears of what a heartbeat, or a wake, has to tell.
 *
 * @param route where the session's last message of a person came from
 */
export function targetOf(
  config: ConfigInput,
  { target, to }: Pick<Heartbeat, 'target' | 'to'>,
  route: Origin | undefined,
): Target {
  if (target === 'none') return { origin: null, reason: 'target-none' };
  const channel = target === 'last' ? route?.channel : target;
  if (channel === undefined || !isDeliverable(config, channel, target === 'last'))
    return { origin: null, reason: 'no-target' };
  const sameChannel = route?.channel === channel ? route : undefined;
  if (to === undefined) return sameChannel ? { origin: sameChannel } : { origin: null, reason: 'no-target' };
  const accountId = sameChannel?.accountId ?? defaultAccount(config.channels, channel);
  const place = isRoom(config, channel, accountId, to)
    ? { chatType: 'group' as const, groupId: to }
    : { chatType: 'dm' as const, from: to };
  return { origin: { channel, accountId, to, ...place } };
}

/** A route that a message came by is a channel, whatever its name, unless it is one of claw's own. */
function isDeliverable(config: ConfigInput, channel: string, isRoute: boolean): boolean {
  return !isInternalChannel(channel) && (isRoute || isChannel(config, channel));
}

function isRoom(config: ConfigInput, channel: string, accountId: string, id: string): boolean {
  const groups = accountConfig(config.channels, channel, accountId).groups ?? {};
  return isGroupJid(id) || Object.hasOwn(groups, id);
}

/** Which heartbeats a channel's people get to see. */
export interface Visibility {
  /** HEARTBEAT_OK itself */
  showOk: boolean;
  showAlerts: boolean;
  useIndicator: boolean;
}

/** What holds for an account: its own flags, then the channel's, then the built-in ones, each flag by itself. */
export function visibilityOf(config: ConfigInput, channel: string, accountId?: string): Visibility {
  const account = accountId ?? defaultAccount(config.channels, channel);
  return {
    showOk: false,
    showAlerts: true,
    useIndicator: true,
    ...definedOf(channelConfig(config.channels, channel)?.heartbeat),
    ...definedOf(accountConfig(config.channels, channel, account).heartbeat),
  };
}

function definedOf<T extends object>(value: T | undefined): Partial<T> {
  return Object.fromEntries(
    Object.entries(value ?? {}).filter(([, field]) => field !== undefined),
  ) as Partial<T>;
}

/** So many beats are looked at for one that falls into the active hours: more than two weeks of minutes. */
const LOOKED_AT = 25_000;

/**
 * The next instant an agent is asked at, epoch ms: the next of its grid that lies in the active hours. Null where it is
 * off, and before the first tick, which sets the grid.
 *
 * @param lines its run records
 */
export function nextBeat(
  heartbeat: Heartbeat,
  lines: readonly RunLine[],
  now: number,
  zone: Zone,
): number | null {
  const schedule = gridIn(lines);
  if (heartbeat.off || schedule?.kind !== 'every' || schedule.everyMs !== heartbeat.everyMs) return null;
  let at = nextAfter(schedule, now, zone);
  for (let looked = 0; at !== null && looked < LOOKED_AT; looked++) {
    if (isActive(heartbeat.activeHours, at, zone)) return at;
    at = nextAfter(schedule, at, zone);
  }
  return null;
}

function gridIn(lines: readonly RunLine[]): Schedule | null {
  const seen = lines
    .map(line => (line.action === 'seen' ? line : line.action === 'state' ? line.state.seen : null))
    .findLast(each => each !== null);
  const read = seen ? readSchedule(seen.schedule, { anchorMs: seen.from, tz: 'UTC' }) : null;
  return read?.ok ? read.schedule : null;
}

/** How long the same alert is not told again, ms. */
const TOLD_FOR = DAY;

/** The hashes of the alerts that were told less than a day before `now` (epoch ms). */
export function toldLately(lines: readonly RunLine[], now: number): ReadonlySet<string> {
  return new Set(
    lines.flatMap(line =>
      line.action === 'finished' && line.said !== undefined && Math.abs(now - line.ts) < TOLD_FOR
        ? [line.said]
        : [],
    ),
  );
}

/**
 * What a turn is asked that was begun for events alone. The events stand in front of it.
 *
 * @param silent the token by which the agent says nothing
 */
export function wakePrompt(silent: string): string {
  return `${WAKE}${silent}.`;
}

const WAKE =
  'The lines marked "System:" have just come in; the user has not seen them. Tell the user what concerns the user ' +
  'in them, in your own words, and do what they ask you for. When nothing in them needs to be told, answer ';

/** Behind the prompt of a beat that finds events waiting: it may not take them for part of HEARTBEAT.md. */
export const EVENTS_BESIDE =
  'The lines marked "System:" above have come in meanwhile. What in them concerns the user is to be told, also when ' +
  'HEARTBEAT.md asks for nothing.';
