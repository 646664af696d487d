/**
 * What a message of nothing but directives is answered with, and what it changes. Pure: everything an answer tells is in
 * the `Situation`. Short lines, for a phone.
 */
import { tokenCount, tokenUse } from '../display/count.ts';
import type { ChatType } from '../routing/message.ts';
import { localTimeAt, type Zone, zoneFor } from '../schedule/zone.ts';
import {
  aliasDirectives,
  DIRECTIVES,
  type Directive,
  type DirectiveName,
  directiveNamed,
  type ParsedText,
} from './directive.ts';
import { nextDailyBoundary, type ResetReport } from './reset.ts';
import type { TokenCounts } from './session.ts';
import {
  type ResolvedSetting,
  readSetting,
  SETTING_NAMES,
  type SettingName,
  type SettingsChange,
} from './settings.ts';
import type { KnownModels } from './trigger.ts';

/** A part of what a turn sends. */
export interface ContextPart {
  /** such as `system prompt`, `history`, `chatter`, `memory`, `system events`, `this message` */
  name: string;
  /** 0: nothing is sent of it */
  tokens: number;
  /** the agent's program counted it; else it is an estimate */
  reported?: true;
  /** its pieces, in any order; may be empty */
  items: { label: string; tokens: number }[];
}

/** Everything answers may tell about a session and who asks. Times are epoch ms, sizes are tokens. */
export interface Situation {
  version: string;
  now: number;
  /** the user's zone */
  zone: Zone;
  key: string;
  /** null: there is no session yet */
  sessionId: string | null;
  agentId: string;
  runner: string;
  /** what holds now */
  settings: Record<SettingName, ResolvedSetting>;
  /** what would hold without the session's own settings */
  fallback: Record<SettingName, ResolvedSetting>;
  tokens: TokenCounts | null;
  /** context window of the model */
  window: number;
  messageCount: number;
  compactions: number;
  /** null: there is no session yet */
  reset: ResetReport | null;
  /** when the turn that runs now began; null: none runs */
  runningSince: number | null;
  /** messages that wait behind the running turn */
  waiting: number;
  channel: string;
  from: string | null;
  fromName: string | null;
  owner: boolean;
  chatType: ChatType;
  /** the program the person writes with, as the transport names it */
  surface: string | null;
  send: { decision: 'allow' | 'deny'; rule: string };
  models: KnownModels;
  /** directives that are not offered, see `disabledDirectives` */
  disabled: readonly string[];
  /** costly, see `needsSituation`: what a turn would send now */
  context: ContextPart[] | null;
  /** costly: turns of this session id, and what the last one used */
  turns: {
    count: number;
    last: Pick<TokenCounts, 'inputTokens' | 'outputTokens' | 'estimated'> | null;
  } | null;
  /**
   * what `/stop` came to: true = ended, false = asked to end and has not yet, theirs = a turn that is not this person's
   * to end; null where nothing runs or nobody asked
   */
  stopped: boolean | 'theirs' | null;
  /** what the compaction that `/compact` asked for came to; null where it asked for none */
  compacted: string | null;
}

/** Parts of a situation that cost reading the transcript. */
export type CostlyPart = 'context' | 'turns';

/** Which costly parts the answer tells of; the others may be null. */
export function needsSituation(parsed: Pick<ParsedText, 'command'>): CostlyPart[] {
  if (parsed.command?.name === 'context') return ['context'];
  return parsed.command?.name === 'usage' ? ['turns'] : [];
}

export interface Answer {
  reply: string;
  /** to be kept with the session; null: nothing changes */
  change: SettingsChange | null;
}

/**
 * The answer to a message of nothing but directives (`parsed.alone`): refusals, what was set, what was asked, and the
 * command's own text, in this order.
 */
export function answerTo(parsed: ParsedText, situation: Situation): Answer {
  const change = changeOf(parsed, situation);
  const blocks = [
    refusal(parsed.refused, situation),
    ...acknowledgements(parsed.settings, situation),
    ...parsed.asked.map(({ name, given }) => inform(name, given, situation)),
    parsed.command ? commandReply(parsed.command, situation) : '',
  ].filter(block => block !== '');
  const separator = blocks.some(block => block.includes('\n')) ? '\n\n' : '\n';
  return { reply: blocks.join(separator), change };
}

/** What may be kept: when a group is answered is no setting of a private chat. */
function changeOf({ settings }: ParsedText, { chatType }: Situation): SettingsChange | null {
  const { groupActivation: _, ...others } = settings;
  const change = chatType === 'dm' ? others : settings;
  return Object.keys(change).length > 0 ? change : null;
}

/** What the person who may not is told; '' when nothing was refused. Also for a notice beside an agent's reply. */
export function refusal(
  refused: readonly DirectiveName[],
  { channel, from }: Pick<Situation, 'channel' | 'from'>,
): string {
  if (refused.length === 0) return '';
  const names = refused.map(name => `/${name}`).join(', ');
  const whom = from === null ? '' : ` (the operator can name ${oneLine(`${channel}:${from}`)} one)`;
  return `Only an owner can use ${names}${whom}.`;
}

const TITLES: Readonly<Partial<Record<SettingName, string>>> = {
  model: 'Model',
  thinkingLevel: 'Thinking level',
  verboseLevel: 'Verbose',
  reasoningLevel: 'Reasoning',
  elevated: 'Elevated',
  sendPolicy: 'Sending',
  groupActivation: 'Activation',
  queueMode: 'Queue mode',
  queueDebounceMs: 'Queue debounce',
  queueCap: 'Queue cap',
  queueDrop: 'Queue drop',
  ttsMode: 'Speech',
  replyPolicy: 'Reply policy',
  announceChannel: 'Announce channel',
  label: 'Label',
};

const ONLY_GROUPS = 'Activation applies to groups only; nothing was changed.';

function acknowledgements(settings: SettingsChange, situation: Situation): string[] {
  const names = SETTING_NAMES.filter(name => settings[name] !== undefined);
  return names.map(name => {
    if (name === 'groupActivation' && situation.chatType === 'dm') return ONLY_GROUPS;
    const value = settings[name]!;
    if (value === null)
      return `${title(name)}: back to the default, ${told(name, situation.fallback[name])}.`;
    return `${title(name)}: ${worded(name, value)}${name === 'model' ? strange(String(value), situation) : ''}.`;
  });
}

/** A model nobody configured may be a slip of the finger. */
function strange(model: string, { models }: Situation): string {
  if (models.models.length === 0 || models.models.includes(model)) return '';
  return ' (not in the configuration; the runner is given it as it is)';
}

function title(name: SettingName): string {
  return TITLES[name] ?? name;
}

function worded(name: SettingName, value: string | number): string {
  if (name === 'sendPolicy') return value === 'deny' ? 'off' : 'on';
  if (name === 'queueDebounceMs') return duration(Number(value));
  return oneLine(String(value));
}

const SOURCES: Readonly<Record<ResolvedSetting['source'], string>> = {
  inline: 'this message',
  session: 'session',
  agent: 'agent',
  defaults: 'config',
  default: 'built in',
};

/** "high (session)". */
function told(name: SettingName, { value, source }: ResolvedSetting): string {
  if (value === null) return name === 'model' ? 'what the runner uses' : 'not set';
  return `${worded(name, value)} (${SOURCES[source]})`;
}

/** The answer to a setting without a value, or with one that is none. */
function inform(name: DirectiveName, given: string, situation: Situation): string {
  const row: Directive = directiveNamed(name)!;
  if (name === 'activation' && situation.chatType === 'dm') return ONLY_GROUPS;
  const wrong = given === '' ? [] : [`"${clip(oneLine(given), 40)}" is no value of /${name}.`];
  if (name === 'model') return [...wrong, ...aboutModels(situation)].join('\n');
  if (name === 'queue') return [...wrong, ...aboutQueue(situation), usageOf(row)].join('\n');
  if (name === 'send') return [...wrong, sendingLine(situation), usageOf(row)].join('\n');
  const setting = row.sets!;
  return [...wrong, `${title(setting)}: ${told(setting, situation.settings[setting])}`, usageOf(row)].join(
    '\n',
  );
}

function usageOf({ name, args, sets }: Directive): string {
  const read = sets ? readSetting(sets, '') : undefined;
  const values = read && !read.ok && name !== 'send' && name !== 'queue' ? read.expected : undefined;
  return values ? `Levels: ${values}; or default` : `Usage: /${name} ${args}`;
}

function aboutModels({ settings, models }: Situation): string[] {
  const aliases = Object.entries(models.aliases).map(([alias, model]) => `/${alias}: ${oneLine(model)}`);
  const named = new Set(Object.values(models.aliases));
  const others = models.models.filter(model => !named.has(model)).map(oneLine);
  return [
    `Model: ${told('model', settings.model)}`,
    ...aliases,
    ...others,
    'Usage: /model <model>, or /model default',
  ];
}

function aboutQueue({ settings, waiting }: Situation): string[] {
  const { queueMode, queueDebounceMs, queueCap, queueDrop } = settings;
  return [
    `Queue: ${told('queueMode', queueMode)}, ${waiting} waiting`,
    `debounce ${told('queueDebounceMs', queueDebounceMs)}`,
    `cap ${told('queueCap', queueCap)}`,
    `drop ${told('queueDrop', queueDrop)}`,
  ];
}

function sendingLine({ send, settings }: Situation): string {
  const own =
    settings.sendPolicy.source === 'session'
      ? `, set to ${worded('sendPolicy', settings.sendPolicy.value!)} here`
      : '';
  return `Sending: ${send.decision === 'allow' ? 'on' : 'off'} (${oneLine(send.rule)})${own}`;
}

const STOPPED = {
  true: 'Stopped.',
  false: 'The turn was told to stop and has not ended yet.',
  theirs: 'Only an owner, or who asked for it, can stop the running turn.',
  null: 'Nothing is running.',
};

function commandReply(command: NonNullable<ParsedText['command']>, situation: Situation): string {
  switch (command.name) {
    case 'status':
      return status(situation);
    case 'context':
      return context(situation, command.detail);
    case 'help':
      return help(situation);
    case 'commands':
      return allCommands(situation);
    case 'whoami':
      return whoami(situation);
    case 'usage':
      return usage(situation);
    case 'stop':
      return STOPPED[`${situation.stopped}`];
    case 'compact':
      return situation.compacted ?? 'Nothing to compact.';
  }
}

function status(situation: Situation): string {
  const { settings, tokens, window } = situation;
  const used = tokens?.contextTokens ?? 0;
  const set = SETTING_NAMES.filter(
    name => name !== 'model' && !name.startsWith('queue') && settings[name].value !== null,
  ).map(name => `${title(name).toLowerCase()} ${told(name, settings[name])}`);
  return [
    `claw ${situation.version}, agent ${situation.agentId}, runner ${situation.runner}`,
    `Session: ${oneLine(situation.key)}${situation.sessionId ? ` (${shortId(situation.sessionId)})` : ', not begun yet'}`,
    `Model: ${told('model', settings.model)}`,
    `Tokens: ${tokenUse(used, window)}${estimated(tokens)}`,
    `Messages: ${situation.messageCount}, compactions: ${situation.compactions}`,
    `Settings: ${set.length > 0 ? set.join(', ') : 'none set'}`,
    `Reset: ${resetLine(situation)}`,
    `Queue: ${told('queueMode', settings.queueMode)}, ${situation.waiting} waiting`,
    ...runningLine(situation),
    sendingLine(situation),
    `Surface: ${oneLine(situation.surface ?? situation.channel)}`,
  ].join('\n');
}

function runningLine({ runningSince, now }: Situation): string[] {
  if (runningSince === null) return [];
  return [`Running: a turn, since ${Math.max(0, Math.round((now - runningSince) / 1000))} s (/stop ends it)`];
}

function resetLine({ reset, now, zone }: Situation): string {
  if (reset === null) return 'no session yet';
  if (!reset.fresh) return `due (${reset.reason}): the next message begins a fresh session`;
  const { policy } = reset;
  const parts: string[] = [];
  if (policy.mode === 'daily') {
    const where = zoneFor(policy.tz, zone);
    const { at, atHour } = policy;
    const next = nextDailyBoundary(
      { mode: 'daily', atHour, ...(at === undefined ? {} : { at }) },
      now,
      where,
    );
    const { hour, minute } = localTimeAt(where, next);
    parts.push(`daily at ${two(hour)}:${two(minute)}, in ${duration(next - now)}`);
  }
  if (policy.mode !== 'off' && policy.idleMinutes !== null) {
    const left =
      reset.idleExpiresAt === null ? '' : `, in ${duration(Date.parse(reset.idleExpiresAt) - now)}`;
    parts.push(`after ${duration(policy.idleMinutes * 60_000)} of silence${left}`);
  }
  return parts.length > 0 ? parts.join(' or ') : 'only by /new';
}

/** Pieces of a part that the detailed answer names. */
const BIGGEST = 5;

function context({ context: parts, window }: Situation, detail: 'list' | 'detail'): string {
  if (parts === null) return 'What a turn sends is not known here.';
  const total = parts.reduce((sum, part) => sum + part.tokens, 0);
  const lines = parts.flatMap(part => {
    const name = oneLine(part.name);
    const how = part.reported ? ', as it counted' : '';
    const line = part.tokens === 0 ? `${name}: none` : `${name}: ${tokenCount(part.tokens)}${how}`;
    if (detail === 'list') return [line];
    const biggest = part.items.toSorted((a, b) => b.tokens - a.tokens).slice(0, BIGGEST);
    const left = part.items.length - biggest.length;
    return [
      line,
      ...biggest.map(item => `- ${clip(oneLine(item.label), 28)}: ${tokenCount(item.tokens)}`),
      ...(left > 0 ? [`- ${left} smaller`] : []),
    ];
  });
  const isEstimate = parts.some(part => part.tokens > 0 && !part.reported);
  return [`Context: ${tokenUse(total, window)}${isEstimate ? ', estimated' : ''}`, ...lines].join('\n');
}

function help({ disabled }: Situation): string {
  const first = ['new', 'status', 'stop', 'model', 'think', 'commands'];
  const rows = DIRECTIVES.filter(row => first.includes(row.name) && !disabled.includes(row.name));
  return [
    ...rows.map(row => `/${row.name}: ${row.summary}`),
    'A directive alone stays; inside a text it holds for that text, as in: /think high why is the sky blue?',
  ].join('\n');
}

function allCommands({ disabled, models }: Situation): string {
  return chatMenu(models, disabled)
    .map(({ name, args, summary }) => `/${name}${args && ` ${args}`}: ${summary}`)
    .join('\n');
}

/** One line of a chat program's menu. */
export interface MenuEntry {
  name: string;
  args: string;
  summary: string;
  menu: Directive['menu'];
}

/** Names a chat program's menu takes, as Telegram has it. */
const MENU_NAME = /^[a-z0-9_]{1,32}$/;

/** Every command that is offered, and the aliases of models as commands of their own. */
export function chatMenu(models: KnownModels, disabled: readonly string[]): MenuEntry[] {
  const rows = DIRECTIVES.filter(row => !disabled.includes(row.name)).flatMap((row: Directive) =>
    row.forms
      ? Object.entries(row.forms).map(([form, summary]) => ({
          ...entry(row),
          name: `${row.name} ${form}`,
          args: '',
          summary,
        }))
      : [entry(row)],
  );
  const aliases = disabled.includes('model') ? [] : aliasDirectives(models);
  return [
    ...rows,
    ...aliases.map(
      (alias): MenuEntry => ({
        name: alias,
        args: '',
        summary: `model ${oneLine(models.aliases[alias]!)}`,
        menu: MENU_NAME.test(alias) ? 'native' : 'text',
      }),
    ),
  ];
}

function entry({ name, args, summary, menu }: Directive): MenuEntry {
  return { name, args, summary, menu };
}

function whoami(situation: Situation): string {
  const { channel, from, fromName, owner, agentId, key } = situation;
  return [
    `Channel: ${oneLine(channel)}`,
    `Id: ${from === null ? 'not given' : oneLine(from)}`,
    ...(fromName === null ? [] : [`Name: ${oneLine(fromName)}`]),
    `Owner: ${owner ? 'yes' : 'no'}`,
    `Agent: ${agentId}`,
    `Session: ${oneLine(key)}`,
  ].join('\n');
}

function usage({ tokens, turns, window }: Situation): string {
  const { inputTokens = 0, outputTokens = 0, contextTokens = 0 } = tokens ?? {};
  const last = turns?.last;
  return [
    `Tokens of this session${estimated(tokens)}:`,
    `Input: ${tokenCount(inputTokens)}`,
    `Output: ${tokenCount(outputTokens)}`,
    ...(turns ? [`Turns: ${turns.count}`] : []),
    ...(last ? [`Last turn: ${tokenCount(last.inputTokens)} in, ${tokenCount(last.outputTokens)} out`] : []),
    `Context: ${tokenUse(contextTokens, window)}`,
  ].join('\n');
}

function estimated(tokens: { estimated?: boolean } | null): string {
  return tokens?.estimated ? ', estimated' : '';
}

/** "45m", "9h", "2d": a length of time in ms, in its largest whole unit; "2.5s" below a minute. */
function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1 && seconds > 0) return `${ms}ms`;
  if (seconds < 60) return `${Math.round(seconds * 10) / 10}s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}

function two(count: number): string {
  return String(count).padStart(2, '0');
}

function shortId(id: string): string {
  return id.slice(0, 8);
}

function clip(text: string, most: number): string {
  const chars = [...text];
  return chars.length > most ? `${chars.slice(0, most - 1).join('')}…` : text;
}

/** Words from outside on one line, without what a terminal would obey. */
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}
