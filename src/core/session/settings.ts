/**
 * Settings a session was given, and which value holds: inline > session > agent > defaults. A setting knows the session
 * id it was given in, so what a reset ends is computed when it is read; nothing is rewritten at a reset.
 */
import type { ConfigInput } from '../../config/schema.ts';
import { agentEntry } from '../agent.ts';
import { parseDuration } from '../schedule/duration.ts';

export const THINKING_LEVELS = ['off', 'minimal', 'low', 'medium', 'high', 'xhigh'] as const;
export type ThinkingLevel = (typeof THINKING_LEVELS)[number];

export interface SettingValues {
  /** as the runner is told; usually `provider/model` */
  model?: string;
  thinkingLevel?: ThinkingLevel;
  /** whether tool output is shown */
  verboseLevel?: 'on' | 'off';
  reasoningLevel?: 'on' | 'off' | 'stream';
  /** passed to the runner as it is; claw itself gives no rights by it */
  elevated?: 'on' | 'off' | 'ask' | 'full';
  sendPolicy?: 'allow' | 'deny';
  groupActivation?: 'mention' | 'always';
  ttsMode?: 'off' | 'always' | 'inbound' | 'tagged';
  queueMode?: 'collect' | 'followup' | 'interrupt';
  queueDebounceMs?: number;
  queueCap?: number;
  queueDrop?: 'old' | 'new' | 'summarize';
  /** how a sub-agent's or another session's answer comes back */
  replyPolicy?: 'skip' | 'announce' | 'reply';
  announceChannel?: string;
  /** name for people, unique within an agent */
  label?: string;
}

export type SettingName = keyof SettingValues;

/** What a command or a patch changes; null takes a setting back. */
export type SettingsChange = { [Name in SettingName]?: SettingValues[Name] | null };

/** One setting with where it comes from. */
export interface StoredSetting {
  /** null: taken back; kept so that a change from before, redone later, does not bring it back */
  value: string | number | null;
  /** epoch ms */
  at: number;
  /** session it was given in */
  sessionId: string;
  /** given inside a text: ends with its session */
  untilReset?: true;
}

/** The settings file of one session key. */
export interface StoredSettings {
  version: 1;
  key: string;
  /** the record's `createdAt`: settings of a session that was deleted do not come back with its key */
  createdAt: number;
  settings: { [Name in SettingName]?: StoredSetting };
}

/** What of a record decides which stored settings hold. */
export interface SettingsHolder {
  createdAt: number;
  sessionId: string;
}

interface Allowed {
  words?: readonly string[];
  /** reads a text; undefined: not a value */
  read?(text: string): string | number | undefined;
  expected: string;
}

const words = (...list: readonly string[]): Allowed => ({ words: list, expected: list.join(', ') });
const wholeNumber =
  (least: number) =>
  (text: string): number | undefined =>
    /^\d{1,9}$/.test(text) && Number(text) >= least ? Number(text) : undefined;
const line = (most: number) => (text: string) =>
  text.trim() !== '' && text.length <= most && !/[\u0000-\u001f\u007f]/.test(text) ? text.trim() : undefined;

const SETTINGS: Record<SettingName, Allowed> = {
  model: { read: line(200), expected: 'a model such as provider/model' },
  thinkingLevel: words(...THINKING_LEVELS),
  verboseLevel: words('on', 'off'),
  reasoningLevel: words('on', 'off', 'stream'),
  elevated: words('on', 'off', 'ask', 'full'),
  sendPolicy: words('allow', 'deny'),
  groupActivation: words('mention', 'always'),
  ttsMode: words('off', 'always', 'inbound', 'tagged'),
  queueMode: words('collect', 'followup', 'interrupt'),
  queueDebounceMs: {
    read: text => wholeNumber(0)(text) ?? parseDuration(text) ?? undefined,
    expected: 'milliseconds, or a duration such as 2s',
  },
  queueCap: { read: wholeNumber(1), expected: 'a number from 1' },
  queueDrop: words('old', 'new', 'summarize'),
  replyPolicy: words('skip', 'announce', 'reply'),
  announceChannel: { read: line(200), expected: 'a channel' },
  label: { read: line(64), expected: 'a name of at most 64 characters' },
};

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/**
 * A value as somebody typed it.
 *
 * @returns what it may be where it is none of it
 */
export function readSetting(
  name: SettingName,
  text: string,
): { ok: true; value: string | number } | { ok: false; expected: string } {
  const { words: list, read, expected } = SETTINGS[name];
  const folded = text.trim().toLowerCase();
  const value = list ? list.find(word => word === folded) : read!(text);
  return value === undefined ? { ok: false, expected } : { ok: true, value };
}

/** Believes of a file only what is a setting with a usable value. */
export function cleanSettings(value: unknown): StoredSettings['settings'] {
  if (typeof value !== 'object' || value === null) return {};
  const clean: Record<string, StoredSetting> = {};
  for (const [name, stored] of Object.entries(value)) {
    if (!isSettingName(name) || typeof stored !== 'object' || stored === null) continue;
    const { value: held, at, sessionId, untilReset } = stored as Partial<StoredSetting>;
    if (typeof at !== 'number' || typeof sessionId !== 'string') continue;
    // An object may not even become a text.
    if (typeof held !== 'string' && typeof held !== 'number' && held !== null) continue;
    const read = held === null ? null : readSetting(name, String(held));
    if (read === null) clean[name] = { value: null, at, sessionId };
    else if (read.ok)
      clean[name] = { value: read.value, at, sessionId, ...(untilReset ? { untilReset: true } : {}) };
  }
  return clean;
}

/**
 * The session's own settings that hold now.
 *
 * @param preserve `session.reset.preserveSettings`: false ends every setting with the session it was given in
 */
export function settingsInForce(
  stored: StoredSettings | null,
  holder: SettingsHolder,
  preserve: boolean,
): SettingValues {
  if (!stored || stored.createdAt !== holder.createdAt) return {};
  const held = Object.entries(stored.settings).filter(
    ([, setting]) =>
      setting.value !== null && ((preserve && !setting.untilReset) || setting.sessionId === holder.sessionId),
  );
  return Object.fromEntries(held.map(([name, setting]) => [name, setting.value])) as SettingValues;
}

/**
 * The stored settings after a change. A setting that was changed later than `at` stays: redoing a change after a crash
 * must not undo what came behind it. One that claims to be of the future is older: the clock was set back since.
 *
 * @param at when the change was accepted, epoch ms
 * @param now epoch ms
 */
export function applyChange(
  stored: StoredSettings | null,
  key: string,
  holder: SettingsHolder,
  change: SettingsChange,
  at: number,
  untilReset = false,
  now = Number.POSITIVE_INFINITY,
): StoredSettings {
  const kept = stored?.createdAt === holder.createdAt ? stored.settings : {};
  const settings: Record<string, StoredSetting> = { ...kept };
  for (const [name, value] of Object.entries(change)) {
    const before = settings[name];
    const isOlder = before !== undefined && before.at > now && at <= now;
    if (before && before.at > at && !isOlder) continue;
    const isBack = value === null || value === undefined;
    if (isBack && before) settings[name] = { value: null, at, sessionId: holder.sessionId };
    if (!isBack)
      settings[name] = { value, at, sessionId: holder.sessionId, ...(untilReset ? { untilReset } : {}) };
  }
  return { version: 1, key, createdAt: holder.createdAt, settings };
}

export type SettingSource = 'inline' | 'session' | 'agent' | 'defaults' | 'default';

export interface ResolvedSetting {
  value: string | number | null;
  /** `default`: nobody set it; what is built in holds */
  source: SettingSource;
}

/** Every setting with its value and where it comes from. */
export function resolveSettings(
  config: ConfigInput,
  agentId: string,
  session: SettingValues,
  inline: SettingValues = {},
): Record<SettingName, ResolvedSetting> {
  const agent = configured(agentEntry(config, agentId) ?? {});
  const defaults: SettingValues = { ...configured(config.agents?.defaults ?? {}), ...queueOf(config) };
  const resolve = (name: SettingName): ResolvedSetting => {
    if (inline[name] !== undefined) return { value: inline[name]!, source: 'inline' };
    if (session[name] !== undefined) return { value: session[name]!, source: 'session' };
    if (agent[name] !== undefined) return { value: agent[name]!, source: 'agent' };
    if (defaults[name] !== undefined) return { value: defaults[name]!, source: 'defaults' };
    return { value: BUILT_IN[name] ?? null, source: 'default' };
  };
  return Object.fromEntries(SETTING_NAMES.map(name => [name, resolve(name)])) as Record<
    SettingName,
    ResolvedSetting
  >;
}

/** What holds where nobody says anything. */
const BUILT_IN: SettingValues = {
  queueMode: 'collect',
  queueDebounceMs: 0,
  queueCap: 20,
  queueDrop: 'summarize',
};

type AgentSettings = Pick<
  SettingValues,
  'model' | 'thinkingLevel' | 'verboseLevel' | 'elevated' | 'ttsMode' | 'replyPolicy' | 'announceChannel'
>;

function configured(
  agent: { [Name in keyof AgentSettings]?: AgentSettings[Name] | undefined },
): SettingValues {
  const { model, thinkingLevel, verboseLevel, elevated, ttsMode, replyPolicy, announceChannel } = agent;
  const given = { model, thinkingLevel, verboseLevel, elevated, ttsMode, replyPolicy, announceChannel };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function queueOf(config: ConfigInput): SettingValues {
  const { mode, debounceMs, cap, drop } = config.messages?.queue ?? {};
  return {
    ...(mode ? { queueMode: mode } : {}),
    ...(debounceMs === undefined ? {} : { queueDebounceMs: debounceMs }),
    ...(cap === undefined ? {} : { queueCap: cap }),
    ...(drop ? { queueDrop: drop } : {}),
  };
}

/** The session's own settings that hold in a record's session. */
export function ownSettings(
  config: ConfigInput,
  stored: StoredSettings | null,
  record: SettingsHolder,
): SettingValues {
  return settingsInForce(stored, record, config.session?.reset?.preserveSettings !== false);
}

/** Settings that concern a run, as a turn's line keeps them: the model, and what else somebody set. */
export function runSettings(
  config: ConfigInput,
  agentId: string,
  own: SettingValues,
  inline: SettingValues = {},
): { model?: string; settings?: SettingValues } {
  const resolved = resolveSettings(config, agentId, own, inline);
  const set = RUN_SETTINGS.flatMap(name =>
    resolved[name].value === null ? [] : [[name, resolved[name].value]],
  );
  const { model, ...settings } = Object.fromEntries(set) as SettingValues;
  return { ...(model ? { model } : {}), ...(Object.keys(settings).length > 0 ? { settings } : {}) };
}

const RUN_SETTINGS = [
  'model',
  'thinkingLevel',
  'verboseLevel',
  'reasoningLevel',
  'elevated',
  'ttsMode',
] as const;
