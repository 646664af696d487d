/**
 * Older and other people's forms of the configuration, translated into the canonical one. Pure: text in, plain data
 * and notes out, nothing is checked here that the schema checks. Each old key found gives one note that names its
 * canonical key, so that `claw config migrate` explains itself. Where a key stands in both forms the canonical one
 * wins, and that is said too.
 *
 * The forms come from Clawdis (`inbound.reply…`), early Clawdbot (`dmScope`, `session.resetTime` …), today's Clawdbot
 * and OpenClaw (`session.reset.dailyWindow`, `bindings` as a map …).
 */
import { isDeepStrictEqual } from 'node:util';
import { restrictsAccess } from './access-key.ts';
import { type ConfigPath, formatPath, isRecord, isWithin, type Problem, valueAt } from './config-path.ts';

/** A key of the text that the canonical form has no room for. */
export interface DroppedKey {
  /** as in the text */
  path: ConfigPath;
  value: unknown;
  reason: string;
  /** it may keep somebody out, and nothing in the canonical form says the same */
  restricts: boolean;
}

export interface Translation {
  /** the canonical form, not yet checked */
  config: unknown;
  /** one per old key */
  notes: string[];
  /** what could not be translated; paths are those of the text */
  problems: Problem[];
  /** what the notes and problems call left out or unknown, with its value */
  dropped: DroppedKey[];
  /** the path in the text for a path of the canonical form */
  sourceOf(path: ConfigPath): ConfigPath;
}

/** @param raw what the JSON5 text holds; left unchanged */
export function translateDialects(raw: unknown): Translation {
  const draft = new Draft(raw);
  if (isRecord(draft.config)) {
    translateProviders(draft);
    translateAllowList(draft);
    translateClawdis(draft);
    translateTopLevel(draft);
    translateBlocks(draft);
    foldChannelNames(draft);
    translateAccess(draft);
    translateGroups(draft);
    translateSession(draft);
    translateAgents(draft);
    translateQueue(draft);
    translateBindings(draft);
  }
  return {
    config: draft.config,
    notes: draft.notes,
    problems: draft.problems,
    dropped: draft.dropped,
    sourceOf: path => draft.sourceOf(path),
  };
}

/** Channels that early Clawdbot had at the top. */
const PROVIDERS = ['whatsapp', 'telegram', 'discord', 'slack', 'signal', 'imessage', 'msteams'];

function translateProviders(draft: Draft): void {
  for (const name of PROVIDERS) if (isRecord(draft.get([name]))) draft.move([name], ['channels', name]);
}

/** Clawdis had one list of who may write, for WhatsApp, which was its only channel. */
function translateAllowList(draft: Draft): void {
  const channels = draft.get(['channels']);
  const whatsapp =
    Object.keys(isRecord(channels) ? channels : {}).find(name => name.trim().toLowerCase() === 'whatsapp') ??
    'whatsapp';
  for (const block of ['inbound', 'routing'])
    draft.move([block, 'allowFrom'], ['channels', whatsapp, 'allowFrom'], numbersToIds);
}

/** Keys of `inbound` (Clawdis, warelay) that have a place here. */
const INBOUND: readonly (readonly [from: string, to: string])[] = [
  ['reply.session.scope', 'session.scope'],
  ['reply.session.idleMinutes', 'session.idleMinutes'],
  ['reply.session.resetTriggers', 'session.resetTriggers'],
  ['reply.session.mainKey', 'session.mainKey'],
  ['reply.session.store', 'store'],
  ['reply.agent.contextTokens', 'agents.defaults.contextTokens'],
  ['reply.agent.model', 'agents.defaults.model'],
  ['reply.thinkingDefault', 'agents.defaults.thinkingLevel'],
  ['reply.verboseDefault', 'agents.defaults.verboseLevel'],
  ['reply.timeoutSeconds', 'agents.defaults.timeoutSeconds'],
  ['reply.cwd', 'agents.defaults.workspace'],
  ['workspace', 'agents.defaults.workspace'],
  ['responsePrefix', 'messages.responsePrefix'],
  ['groupChat.mentionPatterns', 'messages.groupChat.mentionPatterns'],
  ['groupChat.historyLimit', 'messages.groupChat.historyLimit'],
];

function translateClawdis(draft: Draft): void {
  if (!isRecord(draft.get(['inbound']))) return;
  const hasReply = draft.get(['inbound', 'reply']) !== undefined;
  for (const [from, to] of INBOUND) draft.move(['inbound', ...from.split('.')], to.split('.'));
  for (const block of [['agent'], []]) {
    const minutes = ['inbound', 'reply', ...block, 'heartbeatMinutes'];
    draft.move(minutes, ['agents', 'defaults', 'heartbeat', 'every'], minutesToDuration, 'with a unit');
  }
  draft.leaveOut(
    ['inbound', 'reply', 'session', 'heartbeatIdleMinutes'],
    'heartbeats neither keep a session alive nor end one; session.idleMinutes counts messages alone',
  );
  const mention = ['inbound', 'groupChat', 'requireMention'];
  draft.move(mention, ['messages', 'groupChat', 'activation'], requireMentionToMode, 'mention or always');
  // Directives inside text stuck to the session in that system; its users rely on it.
  if (hasReply && draft.get(['messages', 'inlineDirectives']) === undefined) {
    draft.set(['messages', 'inlineDirectives'], 'sticky', ['inbound']);
    draft.say(['inbound', 'reply'], ': messages.inlineDirectives is "sticky", as that system did it');
  }
  for (const path of leaves(draft.get(['inbound']), ['inbound'])) {
    draft.refuse(path, 'this key of an older system has no counterpart here; remove it');
  }
  draft.remove(['inbound']);
}

/** Channels whose block stood at the top before there was `channels`. */
const ONCE_AT_TOP = ['whatsapp', 'telegram', 'discord', 'slack', 'signal', 'imessage', 'msteams'];

/** Settings of a session that an agent has as defaults here. */
const SETTINGS = ['model', 'thinkingLevel', 'verboseLevel', 'elevated', 'ttsMode', 'announceChannel'];

/** Keys that stood at the top and belong to a block. */
function translateTopLevel(draft: Draft): void {
  draft.move(['agent'], ['agents', 'defaults']);
  for (const channel of ONCE_AT_TOP) draft.move([channel], ['channels', channel]);
  for (const key of ['dmScope', 'identityLinks', 'sendPolicy']) draft.move([key], ['session', key]);
  for (const from of [[], ['session']]) draft.move([...from, 'queue'], ['messages', 'queue']);
  for (const key of SETTINGS) draft.move(['session', key], ['agents', 'defaults', key]);
  for (const from of [['session'], ['agents', 'defaults']])
    draft.move([...from, 'groupActivation'], ['messages', 'groupChat', 'activation']);
  draft.leaveOut(['gateway'], 'there is no gateway here: nothing listens, nothing stays resident');
}

/** Blocks that stood inside `session.reset`, and the newer word for private messages. */
function translateBlocks(draft: Draft): void {
  for (const block of ['resetByType', 'resetByChannel']) {
    draft.move(['session', 'reset', block], ['session', block]);
  }
  draft.move(['session', 'resetByType', 'direct'], ['session', 'resetByType', 'dm']);
}

/** Who may write, in other words: `dm: {policy, allowFrom, enabled}`, ids as numbers, a channel that is off. */
function translateAccess(draft: Draft): void {
  for (const owner of channelPaths(draft)) {
    const dmPolicy = [...owner, 'dmPolicy'];
    const off = (from: ConfigPath, policies: ConfigPath[]) => {
      const source = draft.sourceOf(from);
      if (draft.get(from) === true) draft.leaveOut(from, 'true is what holds without it');
      if (draft.get(from) !== false) return;
      for (const policy of policies) draft.set(policy, 'disabled', source);
      draft.say(source, ` false is read as ${policies.map(formatPath).join(' and ')} "disabled"`);
      draft.remove(from);
    };
    draft.move([...owner, 'dm', 'policy'], dmPolicy);
    draft.move([...owner, 'dm', 'allowFrom'], [...owner, 'allowFrom']);
    off([...owner, 'dm', 'enabled'], [dmPolicy]);
    off([...owner, 'enabled'], [dmPolicy, [...owner, 'groupPolicy']]);
    draft.reword([...owner, 'allowFrom'], idsAsText);
    // Named without a word about it is still named.
    if (draft.get(owner) === undefined) draft.write(owner, {});
  }
}

/** Every channel, and every account of one. */
function channelPaths(draft: Draft): ConfigPath[] {
  const below = (path: ConfigPath): ConfigPath[] => {
    const map = draft.get(path);
    return isRecord(map) ? Object.keys(map).map(name => [...path, name]) : [];
  };
  return below(['channels']).flatMap(channel => [channel, ...below([...channel, 'accounts'])]);
}

/** `groups.<id>.requireMention` of a channel or account says by yes and no what `activation` says by name. */
function translateGroups(draft: Draft): void {
  for (const owner of channelPaths(draft)) {
    const groups = draft.get([...owner, 'groups']);
    for (const name of isRecord(groups) ? Object.keys(groups) : []) {
      const group = [...owner, 'groups', name];
      draft.move([...group, 'requireMention'], [...group, 'activation'], value =>
        typeof value === 'boolean' ? (value ? 'mention' : 'always') : value,
      );
    }
  }
}

function translateSession(draft: Draft): void {
  draft.move(['session', 'store'], ['store']);
  translateResetTime(draft, ['session', 'resetTime'], ['session', 'reset']);
  // Only the older idleMinutes, not reset.idleMinutes: alone, an idle timeout never meant a daily reset as well.
  draft.move(['session', 'idleTimeout'], ['session', 'idleMinutes'], secondsToMinutes, 'in minutes');

  translatePolicy(draft, ['session', 'reset']);
  for (const block of ['resetByType', 'resetByChannel']) {
    const policies = draft.get(['session', block]);
    for (const name of isRecord(policies) ? Object.keys(policies) : []) {
      const path = ['session', block, name];
      translateModeWord(draft, path);
      translatePolicy(draft, path);
    }
  }
  translateSendPolicy(draft);
  translateCompaction(draft);
}

/** `resetByType: {dm: "daily"}`: a mode where a policy belongs. */
function translateModeWord(draft: Draft, policy: ConfigPath): void {
  const mode = draft.get(policy);
  if (typeof mode !== 'string') return;
  const source = draft.sourceOf(policy);
  draft.say(source, ` ${JSON.stringify(mode)} is read as ${formatPath([...policy, 'mode'])}`);
  draft.set(policy, { mode }, source, true);
}

/** The older members of one reset policy. */
function translatePolicy(draft: Draft, policy: ConfigPath): void {
  if (!isRecord(draft.get(policy))) return;
  translateResetTime(draft, [...policy, 'resetTime'], policy);
  const daily = [...policy, 'dailyWindow'];
  const window = draft.get(daily);
  if (isRecord(window)) {
    translateResetTime(draft, [...daily, 'start'], policy);
    draft.leaveOut(
      [...daily, 'end'],
      `sessions reset at the start of the window, ${formatPath([...policy, 'at'])}`,
    );
    for (const path of leaves(draft.get(daily), daily))
      draft.refuse(path, 'unknown key; a daily window has start and end');
    draft.remove(daily);
  } else if (window !== undefined) {
    draft.problems.push({ path: draft.sourceOf(daily), message: 'expected {start: "HH:MM", end: "HH:MM"}' });
    draft.remove(daily);
  }
  draft.move([...policy, 'idleHours'], [...policy, 'idleMinutes'], hoursToMinutes, 'in minutes');
  draft.move([...policy, 'idleTimeout'], [...policy, 'idleMinutes'], secondsToMinutes, 'in minutes');
}

/** A time of day means a daily reset, whatever a policy around it says, unless its own mode says otherwise. */
function translateResetTime(draft: Draft, from: ConfigPath, policy: ConfigPath): void {
  if (draft.get(from) === undefined) return;
  const source = draft.sourceOf(from);
  draft.move(from, [...policy, 'at']);
  if (draft.get([...policy, 'mode']) === undefined) draft.set([...policy, 'mode'], 'daily', source);
}

const REPLY_POLICIES: readonly unknown[] = ['skip', 'announce', 'reply'];

/**
 * `sendPolicy: {blocked: ["group"]}`: types of chat that nothing is sent to. As one word it is either what holds for
 * every session, or (skip, announce, reply) how another session's answer comes back.
 */
function translateSendPolicy(draft: Draft): void {
  const path = ['session', 'sendPolicy'];
  const policy = draft.get(path);
  if (REPLY_POLICIES.includes(policy)) draft.move(path, ['agents', 'defaults', 'replyPolicy']);
  else if (typeof policy === 'string') draft.wrap(path, 'default', allowOrDeny(policy));
  const blocked = draft.get([...path, 'blocked']);
  if (!Array.isArray(blocked)) return;
  const rules = draft.get([...path, 'rules']);
  const kept: unknown[] = Array.isArray(rules) ? rules : [];
  const sources = [
    ...kept.map((_, index) => draft.sourceOf([...path, 'rules', index])),
    ...blocked.map((_, index) => draft.sourceOf([...path, 'blocked', index])),
  ];
  draft.remove([...path, 'rules']);
  draft.move([...path, 'blocked'], [...path, 'rules'], () => [
    ...kept,
    ...blocked.map(chatType => ({ action: 'deny', match: { chatType } })),
  ]);
  for (const [index, source] of sources.entries())
    draft.traceTo([...path, 'rules', index], source, index >= kept.length);
}

/** Numbers that stood beside the compaction block in the sources of that system, and its window by another name. */
const BUDGET = ['modelMaxOutputTokens', 'chunkSizeTarget'];

/** `session.compaction`, a word or an object, belongs to the agents; `enabled` is a mode. */
function translateCompaction(draft: Draft): void {
  const defaults = ['agents', 'defaults'];
  const to = [...defaults, 'compaction'];
  if (typeof draft.get(['session', 'compaction']) === 'string') {
    draft.move(['session', 'compaction'], [...to, 'mode'], compactionMode);
  } else draft.move(['session', 'compaction'], to);
  for (const from of [[], ['session'], defaults]) {
    for (const key of BUDGET) draft.move([...from, key], [...to, key]);
    for (const key of ['modelContextWindow', 'contextWindow'])
      draft.move([...from, key], [...defaults, 'contextTokens']);
  }
  for (const agent of agentPaths(draft)) {
    const block = [...agent, 'compaction'];
    const word = draft.get(block);
    if (typeof word === 'string') draft.wrap(block, 'mode', compactionMode(word));
    const enabled = draft.get([...block, 'enabled']);
    if (enabled === false) {
      draft.leaveOut([...block, 'mode'], `${formatPath(draft.sourceOf([...block, 'enabled']))} is false`);
      draft.move([...block, 'enabled'], [...block, 'mode'], () => 'manual', '"manual"');
    } else if (enabled === true) {
      draft.leaveOut([...block, 'enabled'], `true is the default of ${formatPath([...block, 'mode'])}`);
    }
  }
}

/** `agents.defaults`, and every entry of `agents.list`. */
function agentPaths(draft: Draft): ConfigPath[] {
  const list = draft.get(['agents', 'list']);
  return [
    ['agents', 'defaults'],
    ...(Array.isArray(list) ? list.map((_, index): ConfigPath => ['agents', 'list', index]) : []),
  ];
}

/** `model: {primary, fallbacks}`, `agents.list[].defaults`, and names the same things have elsewhere. */
function translateAgents(draft: Draft): void {
  const defaults = ['agents', 'defaults'];
  draft.move([...defaults, 'userTimezone'], ['timezone']);
  if (isCatalogue(draft.get([...defaults, 'models'])))
    draft.move([...defaults, 'models'], ['models'], aliasesOf);
  else draft.move([...defaults, 'models'], ['models']);
  const agents = agentPaths(draft);
  for (const agent of agents.slice(1)) {
    if (isRecord(draft.get([...agent, 'defaults']))) draft.move([...agent, 'defaults'], agent);
    draft.move([...agent, 'groupActivation'], [...agent, 'groupChat', 'activation']);
  }
  for (const agent of agents) {
    draft.move([...agent, 'thinkingDefault'], [...agent, 'thinkingLevel']);
    draft.move([...agent, 'verboseDefault'], [...agent, 'verboseLevel']);
    draft.move([...agent, 'elevatedDefault'], [...agent, 'elevated']);
    draft.reword([...agent, 'verboseLevel'], onOrOff);
    draft.reword([...agent, 'elevated'], onOrOff);
    if (REPLY_POLICIES.includes(draft.get([...agent, 'sendPolicy'])))
      draft.move([...agent, 'sendPolicy'], [...agent, 'replyPolicy']);
    draft.move(
      [...agent, 'heartbeatMinutes'],
      [...agent, 'heartbeat', 'every'],
      minutesToDuration,
      'with a unit',
    );
    translateModel(draft, [...agent, 'model'], [...agent, 'modelFallbacks']);
  }
}

function translateModel(draft: Draft, path: ConfigPath, fallbacks: ConfigPath): void {
  const model = draft.get(path);
  if (!isRecord(model)) return;
  const source = draft.sourceOf([...path, 'primary']);
  draft.move([...path, 'fallbacks'], fallbacks);
  for (const other of leaves(model, path).filter(other => other.at(-1) !== 'primary'))
    draft.refuse(other, 'unknown key; a model has primary and fallbacks');
  draft.remove(path);
  if (model.primary === undefined) return;
  draft.say(source, ` is read as ${formatPath(path)}`);
  draft.set(path, model.primary, source);
}

function isCatalogue(value: unknown): boolean {
  return isRecord(value) && Object.values(value).some(isRecord);
}

/** `{"anthropic/claude-opus-4-5": {alias: "opus"}}` turned round; a model without an alias is known by its name. */
function aliasesOf(value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([model, about]) => [
      isRecord(about) && typeof about.alias === 'string' ? about.alias : model,
      model,
    ]),
  );
}

/** Queue modes of other systems. "concurrent" skipped the lock: two runs at once in one session are not offered. */
function translateQueue(draft: Draft): void {
  const mode = ['messages', 'queue', 'mode'];
  for (const from of [['queueMode'], ['session', 'queueMode'], ['messages', 'queueMode']])
    draft.move(from, mode);
  const source = draft.sourceOf(mode);
  if (draft.get(mode) === 'sequential') {
    draft.say(source, ` "sequential" is read as ${beside(mode, source)}"followup"`);
    draft.set(mode, 'followup', source);
  } else if (draft.get(mode) === 'concurrent') {
    const why = 'is not offered, a session has one run at a time';
    draft.say(source, ` "concurrent" ${why}: it is read as ${beside(mode, source)}"collect"`);
    draft.set(mode, 'collect', source);
  }
}

/** `bindings: {slack: {"work-team": "work"}}`, channel → account → agent, as rules. */
function translateBindings(draft: Draft): void {
  const bindings = draft.get(['bindings']);
  if (!isRecord(bindings)) return;
  const rules: unknown[] = [];
  for (const [channel, accounts] of Object.entries(bindings)) {
    if (!isRecord(accounts)) {
      draft.problems.push({ path: ['bindings', channel], message: 'expected a map of account to agent' });
      continue;
    }
    for (const [accountId, agentId] of Object.entries(accounts)) {
      draft.traceTo(['bindings', rules.length], ['bindings', channel, accountId], true);
      draft.say(
        ['bindings', channel, accountId],
        ` is read as bindings[${rules.length}] {agentId, match: {channel, accountId}}`,
      );
      rules.push({ agentId, match: { channel, accountId } });
    }
  }
  draft.write(['bindings'], rules);
}

/** Channel names mean the same in any case; here they become lower case, as sessions and messages have them. */
function foldChannelNames(draft: Draft): void {
  for (const map of [['channels'], ['session', 'resetByChannel'], ['session', 'dmHistoryLimitByChannel']]) {
    const channels = draft.get(map);
    if (!isRecord(channels)) continue;
    const folded = new Map<string, unknown>();
    for (const [name, value] of Object.entries(channels)) {
      const channel = name.trim().toLowerCase();
      const source = draft.sourceOf([...map, name]);
      if (folded.has(channel))
        draft.problems.push({ path: source, message: `the channel "${channel}" is there twice` });
      else folded.set(channel, value);
      if (channel !== name) draft.trace([...map, channel], [...map, name]);
    }
    draft.write(map, Object.fromEntries(folded));
  }
}

const secondsToMinutes = (value: unknown) => (typeof value === 'number' ? value / 60 : value);
const hoursToMinutes = (value: unknown) => (typeof value === 'number' ? value * 60 : value);
const minutesToDuration = (value: unknown) => (typeof value === 'number' ? `${value}m` : value);
const requireMentionToMode = (value: unknown) =>
  value === true ? 'mention' : value === false ? 'always' : value;
const idsAsText = (value: unknown) =>
  Array.isArray(value) && value.some(id => Number.isSafeInteger(id))
    ? value.map(id => (Number.isSafeInteger(id) ? String(id) : id))
    : value;
const numbersToIds = (value: unknown) =>
  Array.isArray(value) ? value.map(id => (typeof id === 'number' ? String(id) : id)) : value;
const onOrOff = (value: unknown) => (value === true ? 'on' : value === false ? 'off' : value);
const allowOrDeny = (word: string) => (word === 'on' ? 'allow' : word === 'off' ? 'deny' : word);
const compactionMode = (word: unknown) => (word === 'summarize' ? 'auto' : word);

/** The name of a key for a note about another one; nothing where it is the same. */
function beside(path: ConfigPath, source: ConfigPath): string {
  const name = formatPath(path);
  return name === formatPath(source) ? '' : `${name} `;
}

/** Paths of the values that are no objects, below and including `path`. */
function leaves(value: unknown, path: ConfigPath): ConfigPath[] {
  if (value === undefined) return [];
  if (!isRecord(value) || Object.keys(value).length === 0) return [path];
  return Object.entries(value).flatMap(([key, below]) => leaves(below, [...path, key]));
}

interface Trace {
  to: ConfigPath;
  from: ConfigPath;
  /** what stands below `to` was made from one value and has no place of its own in the text */
  leaf: boolean;
}

/** A configuration being rewritten, with the memory of where everything came from. */
class Draft {
  readonly config: unknown;
  readonly problems: Problem[] = [];
  readonly dropped: DroppedKey[] = [];
  /** by the key of the text, so that a key that moves twice has one note, the last */
  private readonly said = new Map<string, string>();
  private readonly traces: Trace[] = [];

  constructor(raw: unknown) {
    this.config = structuredClone(raw);
  }

  get notes(): string[] {
    return [...this.said].map(([key, what]) => `${key}${what}`);
  }

  /** The note about a key of the text. */
  say(source: ConfigPath, what: string): void {
    this.said.set(formatPath(source), what);
  }

  get(path: ConfigPath): unknown {
    return valueAt(this.config, path);
  }

  /**
   * Moves a value to its canonical key, with one note. An object moves member by member, so that two half-filled ones
   * become one. What stands there already stays, and that is said.
   * @param convert makes the canonical value; what it cannot read it hands on, for the schema to complain about
   * @param unit said in the note when the value is another one than was written
   */
  move(from: ConfigPath, to: ConfigPath, convert?: (value: unknown) => unknown, unit?: string): void {
    const value = this.get(from);
    if (value === undefined) return;
    const source = this.sourceOf(from);
    if (convert === undefined && isRecord(value) && Object.keys(value).length > 0) {
      if (this.get(to) === undefined) this.traces.push({ to, from: source, leaf: false });
      for (const key of Object.keys(value)) this.move([...from, key], [...to, key]);
      this.remove(from);
      return;
    }
    const taken = this.inTheWay(to);
    if (taken !== null) {
      const isSame = isDeepStrictEqual(this.get(to), convert === undefined ? value : convert(value));
      this.leaveOut(from, `${formatPath(taken)} is set too`, !isSame);
      return;
    }
    this.remove(from);
    this.say(source, ` is read as ${formatPath(to)}${unit === undefined ? '' : ` (${unit})`}`);
    this.set(to, convert === undefined ? value : convert(value), source);
  }

  /** What keeps a value from being written: the key itself, or a value on the way that has no members. */
  private inTheWay(path: ConfigPath): ConfigPath | null {
    if (this.get(path) !== undefined) return path;
    for (let length = 1; length < path.length; length++) {
      const above = path.slice(0, length);
      const value = this.get(above);
      if (value !== undefined && (typeof value !== 'object' || value === null)) return above;
    }
    return null;
  }

  /** Takes a key out that says nothing here, with a note. `loses`: what it said is said nowhere else. */
  leaveOut(path: ConfigPath, reason: string, loses = true): void {
    const value = this.get(path);
    if (value === undefined) return;
    const source = this.sourceOf(path);
    this.say(source, ` is left out: ${reason}`);
    this.dropped.push({ path: source, value, reason, restricts: loses && restrictsAccess(source) });
    this.remove(path);
  }

  /** Complains of a key that nothing here can mean. */
  refuse(path: ConfigPath, message: string): void {
    const source = this.sourceOf(path);
    this.said.delete(formatPath(source));
    this.problems.push({ path: source, message, unknown: true });
    const restricts = restrictsAccess(source);
    this.dropped.push({ path: source, value: this.get(path), reason: message, restricts });
  }

  /** `path: word` becomes `path: {member: value}`. */
  wrap(path: ConfigPath, member: string, value: unknown): void {
    const source = this.sourceOf(path);
    this.say(source, ` is read as ${formatPath([...path, member])}`);
    this.set(path, { [member]: value }, source, true);
  }

  /** The same key with its value in the words of today; a note only where that changes something. */
  reword(path: ConfigPath, convert: (value: unknown) => unknown): void {
    const value = this.get(path);
    const word = convert(value);
    if (word === value) return;
    const source = this.sourceOf(path);
    this.say(source, ` ${JSON.stringify(value)} is read as ${beside(path, source)}${JSON.stringify(word)}`);
    this.set(path, word, source);
  }

  /** Writes a value and remembers which key of the text it comes from. */
  set(path: ConfigPath, value: unknown, source: ConfigPath, leaf = false): void {
    this.write(path, value);
    this.traces.push({ to: path, from: source, leaf });
  }

  /** Writes a value, making the objects on the way. Does nothing below something that is no object. */
  write(path: ConfigPath, value: unknown): void {
    let current: unknown = this.config;
    for (const step of path.slice(0, -1)) {
      if (typeof current !== 'object' || current === null) return;
      const members = current as Record<string | number, unknown>;
      if (!Object.hasOwn(members, step) || members[step] === undefined) members[step] = {};
      current = members[step];
    }
    const last = path.at(-1);
    if (typeof current !== 'object' || current === null || last === undefined) return;
    if (value !== undefined) (current as Record<string | number, unknown>)[last] = value;
  }

  /**
   * Takes a key away, and objects that it leaves empty: an empty `session.reset` would say "there is a reset block",
   * which its writer did not.
   */
  remove(path: ConfigPath): void {
    const parent = this.get(path.slice(0, -1));
    const last = path.at(-1);
    if (!isRecord(parent) || last === undefined || !Object.hasOwn(parent, last)) return;
    delete parent[last];
    const isMember = typeof path.at(-2) === 'string';
    if (isMember && Object.keys(parent).length === 0) this.remove(path.slice(0, -1));
  }

  trace(to: ConfigPath, from: ConfigPath): void {
    this.traces.push({ to, from: this.sourceOf(from), leaf: false });
  }

  /** @param from as in the text */
  traceTo(to: ConfigPath, from: ConfigPath, leaf: boolean): void {
    this.traces.push({ to, from, leaf });
  }

  /** Follows the newest trace; each holds a path of the text already, so one step is enough. */
  sourceOf(path: ConfigPath): ConfigPath {
    const trace = this.traces.findLast(({ to }) => isWithin(path, to));
    if (trace === undefined) return path;
    return trace.leaf ? trace.from : [...trace.from, ...path.slice(trace.to.length)];
  }
}
