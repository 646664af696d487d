/**
 * Older and other people's forms of the configuration, translated into the canonical one. Pure: text in, plain data
 * and notes out, nothing is checked here that the schema checks. Each old key found gives one note that names its
 * canonical key, so that `claw config migrate` explains itself. Where a key stands in both forms the canonical one
 * wins, and that is said too.
 *
 * The forms come from Clawdis (`inbound.reply…`), early Clawdbot (`dmScope`, `session.resetTime` …), today's Clawdbot
 * and OpenClaw (`session.reset.dailyWindow`, `bindings` as a map …).
 */
import { type ConfigPath, formatPath, isRecord, isWithin, type Problem, valueAt } from './config-path.ts';

export interface Translation {
  /** the canonical form, not yet checked */
  config: unknown;
  /** one per old key */
  notes: string[];
  /** what could not be translated; paths are those of the text */
  problems: Problem[];
  /** the path in the text for a path of the canonical form */
  sourceOf(path: ConfigPath): ConfigPath;
}

/** @param raw what the JSON5 text holds; left unchanged */
export function translateDialects(raw: unknown): Translation {
  const draft = new Draft(raw);
  if (isRecord(draft.config)) {
    translateClawdis(draft);
    translateTopLevel(draft);
    translateBlocks(draft);
    foldChannelNames(draft);
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
    sourceOf: path => draft.sourceOf(path),
  };
}

/** `inbound.reply.session.*` and `inbound.reply.agent.contextTokens`. */
function translateClawdis(draft: Draft): void {
  if (!isRecord(draft.get(['inbound']))) return;
  const hasReply = draft.get(['inbound', 'reply']) !== undefined;
  const session = ['inbound', 'reply', 'session'];
  for (const key of ['scope', 'idleMinutes', 'resetTriggers', 'mainKey']) {
    draft.move([...session, key], ['session', key]);
  }
  draft.move([...session, 'store'], ['store']);
  draft.move(['inbound', 'reply', 'agent', 'contextTokens'], ['agents', 'defaults', 'contextTokens']);
  // Directives inside text stuck to the session in that system; its users rely on it.
  if (hasReply && draft.get(['messages', 'inlineDirectives']) === undefined) {
    draft.set(['messages', 'inlineDirectives'], 'sticky', ['inbound']);
    draft.notes.push('inbound.reply: messages.inlineDirectives is "sticky", as that system did it');
  }
  for (const path of leaves(draft.get(['inbound']), ['inbound'])) {
    draft.problems.push({ path, message: 'this key of an older system has no counterpart here; remove it' });
  }
  draft.remove(['inbound']);
}

/** Keys that stood at the top and belong to `session`. */
function translateTopLevel(draft: Draft): void {
  for (const key of ['dmScope', 'identityLinks', 'sendPolicy']) draft.move([key], ['session', key]);
}

/** Blocks that stood inside `session.reset`, and the newer word for private messages. */
function translateBlocks(draft: Draft): void {
  for (const block of ['resetByType', 'resetByChannel']) {
    draft.moveMembers(['session', 'reset', block], ['session', block]);
  }
  draft.move(['session', 'resetByType', 'direct'], ['session', 'resetByType', 'dm']);
}

/** `groups.<id>.requireMention` of a channel or account says by yes and no what `activation` says by name. */
function translateGroups(draft: Draft): void {
  const below = (path: ConfigPath): ConfigPath[] => {
    const map = draft.get(path);
    return isRecord(map) ? Object.keys(map).map(name => [...path, name]) : [];
  };
  for (const channel of below(['channels'])) {
    for (const owner of [channel, ...below([...channel, 'accounts'])]) {
      for (const group of below([...owner, 'groups'])) {
        draft.move([...group, 'requireMention'], [...group, 'activation'], value =>
          typeof value === 'boolean' ? (value ? 'mention' : 'always') : value,
        );
      }
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
  draft.notes.push(
    `${formatPath(source)} ${JSON.stringify(mode)} is read as ${formatPath([...policy, 'mode'])}`,
  );
  draft.set(policy, { mode }, source, true);
}

/** The older members of one reset policy. */
function translatePolicy(draft: Draft, policy: ConfigPath): void {
  if (!isRecord(draft.get(policy))) return;
  translateResetTime(draft, [...policy, 'resetTime'], policy);
  const daily = [...policy, 'dailyWindow'];
  const window = draft.get(daily);
  if (isRecord(window)) {
    // Sessions end lazily, at the next message, so the end of the window has nothing to say.
    if (window.end !== undefined) {
      draft.remove([...daily, 'end']);
      const end = formatPath(draft.sourceOf([...daily, 'end']));
      draft.notes.push(`${end} is left out: sessions reset at the start of the window`);
    }
    translateResetTime(draft, [...daily, 'start'], policy);
    for (const path of leaves(draft.get(daily), daily)) {
      const message = 'unknown key; a daily window has start and end';
      draft.problems.push({ path: draft.sourceOf(path), message });
    }
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

/** `sendPolicy: {blocked: ["group"]}`: types of chat that nothing is sent to. */
function translateSendPolicy(draft: Draft): void {
  const path = ['session', 'sendPolicy'];
  const blocked = draft.get([...path, 'blocked']);
  if (!Array.isArray(blocked)) return;
  const rules = draft.get([...path, 'rules']);
  const kept: unknown[] = Array.isArray(rules) ? rules : [];
  draft.remove([...path, 'rules']);
  draft.move([...path, 'blocked'], [...path, 'rules'], () => [
    ...kept,
    ...blocked.map(chatType => ({ action: 'deny', match: { chatType } })),
  ]);
}

/** `session.compaction`, a word or an object, belongs to the agents; `enabled` is a mode. */
function translateCompaction(draft: Draft): void {
  const to = ['agents', 'defaults', 'compaction'];
  draft.move(['session', 'compaction'], to, value =>
    typeof value === 'string' ? { mode: value === 'summarize' ? 'auto' : value } : value,
  );
  const enabled = draft.get([...to, 'enabled']);
  if (enabled === false) {
    draft.remove([...to, 'mode']);
    draft.move([...to, 'enabled'], [...to, 'mode'], () => 'manual');
  } else if (enabled === true) {
    draft.remove([...to, 'enabled']);
    draft.notes.push(`${formatPath([...to, 'enabled'])} is left out: true is the default`);
  }
}

/** `model: {primary, fallbacks}`, `agents.list[].defaults`, and names the same things have elsewhere. */
function translateAgents(draft: Draft): void {
  const defaults = ['agents', 'defaults'];
  draft.move([...defaults, 'userTimezone'], ['timezone']);
  draft.move([...defaults, 'models'], ['models'], aliasesOf);
  const list = draft.get(['agents', 'list']);
  const entries = Array.isArray(list) ? list.map((_, index): ConfigPath => ['agents', 'list', index]) : [];
  for (const agent of entries) draft.moveMembers([...agent, 'defaults'], agent);
  for (const agent of [defaults, ...entries]) {
    draft.move([...agent, 'thinkingDefault'], [...agent, 'thinkingLevel']);
    const model = draft.get([...agent, 'model']);
    if (!isRecord(model)) continue;
    draft.move([...agent, 'model', 'fallbacks'], [...agent, 'modelFallbacks']);
    for (const path of leaves(model, [...agent, 'model']).filter(path => path.at(-1) !== 'primary')) {
      draft.problems.push({
        path: draft.sourceOf(path),
        message: 'unknown key; a model has primary and fallbacks',
      });
    }
    draft.remove([...agent, 'model']);
    if (model.primary === undefined) continue;
    const source = draft.sourceOf([...agent, 'model', 'primary']);
    draft.notes.push(`${formatPath(source)} is read as ${formatPath([...agent, 'model'])}`);
    draft.set([...agent, 'model'], model.primary, source);
  }
}

/** `{"anthropic/claude-opus-4-5": {alias: "opus"}}` turned round; a model without an alias is known by its name. */
function aliasesOf(value: unknown): unknown {
  if (!isRecord(value)) return value;
  const isCatalogue = Object.values(value).some(isRecord);
  if (!isCatalogue) return value;
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
    draft.notes.push(`${formatPath(source)} "sequential" is read as "followup"`);
    draft.set(mode, 'followup', source);
  } else if (draft.get(mode) === 'concurrent') {
    draft.notes.push(
      `${formatPath(source)} "concurrent" is not offered, a session has one run at a time: it is read as "collect"`,
    );
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
      draft.traceLeaf(['bindings', rules.length], ['bindings', channel, accountId]);
      draft.notes.push(
        `${formatPath(['bindings', channel, accountId])} is read as bindings[${rules.length}] {agentId, match: {channel, accountId}}`,
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

/** Paths of the values that are no objects, below and including `path`. */
function leaves(value: unknown, path: ConfigPath): ConfigPath[] {
  if (value === undefined) return [];
  if (!isRecord(value)) return [path];
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
  readonly notes: string[] = [];
  readonly problems: Problem[] = [];
  private readonly traces: Trace[] = [];

  constructor(raw: unknown) {
    this.config = structuredClone(raw);
  }

  get(path: ConfigPath): unknown {
    return valueAt(this.config, path);
  }

  /**
   * Moves a value to its canonical key, with one note. What stands there already stays and is said to.
   * @param convert makes the canonical value; what it cannot read it hands on, for the schema to complain about
   * @param unit said in the note when the number is another one than was written
   */
  move(
    from: ConfigPath,
    to: ConfigPath,
    convert: (value: unknown) => unknown = value => value,
    unit?: string,
  ): void {
    const value = this.get(from);
    if (value === undefined) return;
    const source = this.sourceOf(from);
    this.remove(from);
    if (this.get(to) !== undefined) {
      this.notes.push(`${formatPath(source)} is left out: ${formatPath(to)} is set too`);
      return;
    }
    this.notes.push(
      `${formatPath(source)} is read as ${formatPath(to)}${unit === undefined ? '' : ` (${unit})`}`,
    );
    this.set(to, convert(value), source);
  }

  /** Moves the members of an object one by one, so that two half-filled objects become one. */
  moveMembers(from: ConfigPath, to: ConfigPath): void {
    const value = this.get(from);
    if (!isRecord(value)) {
      this.move(from, to);
      return;
    }
    for (const key of Object.keys(value)) this.move([...from, key], [...to, key]);
    this.remove(from);
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

  traceLeaf(to: ConfigPath, from: ConfigPath): void {
    this.traces.push({ to, from, leaf: true });
  }

  /** Follows the newest trace; each holds a path of the text already, so one step is enough. */
  sourceOf(path: ConfigPath): ConfigPath {
    const trace = this.traces.findLast(({ to }) => isWithin(path, to));
    if (trace === undefined) return path;
    return trace.leaf ? trace.from : [...trace.from, ...path.slice(trace.to.length)];
  }
}
