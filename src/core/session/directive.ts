/**
 * Directives and commands inside a message. `DIRECTIVES` says of each what it is called, what it sets, where it may
 * stand and who may use it; the parser, the answers and the chat menu follow from that table.
 *
 * A message is either nothing but directives, and then it is answered without an agent, or it is text that may hold
 * settings for itself. Everything that is not surely a directive is text: only a slash at the beginning or behind blank
 * space, outside quotations and code, with a name of the table and a value that is one.
 */
import type { ConfigInput } from '../../config/schema.ts';
import type { ChatType } from '../routing/message.ts';
import { BLANKS, commandPlaces, isBlank, isGapAt } from './quotation.ts';
import { readSetting, type SettingName, type SettingsChange } from './settings.ts';
import { addressees, aliasTarget, type KnownModels, knownModel, withoutMentions } from './trigger.ts';

/** What a directive is and who may use it. */
export interface Directive {
  name: string;
  aliases: readonly string[];
  /** the setting its value goes to */
  sets?: SettingName;
  /** words people use for its values, beside the values themselves */
  words?: Readonly<Record<string, string>>;
  /** anywhere: also inside other text, for that message; start: only where the message is nothing else */
  place: 'anywhere' | 'start';
  /** whose it is: always the owner's, the owner's where it stays beyond its message, or anybody's */
  owner: 'always' | 'to-keep' | 'no';
  /** native: in the menu of chat programs that have one; text: typed by hand */
  menu: 'native' | 'text';
  /** its arguments as a menu shows them */
  args: string;
  /** its forms with what each does, where a menu shows each by itself */
  forms?: Readonly<Record<string, string>>;
  summary: string;
}

const OFF = { false: 'off', no: 'off', '0': 'off', disable: 'off', disabled: 'off' } as const;
const ON = { true: 'on', yes: 'on', '1': 'on', enable: 'on', enabled: 'on' } as const;

/** In the order a menu shows them. `/new` and `/reset` are read by `trigger.ts`; here they are only described. */
export const DIRECTIVES = [
  {
    name: 'new',
    aliases: [],
    place: 'start',
    owner: 'no',
    menu: 'native',
    args: '[model] [text]',
    summary: 'begin a fresh session',
  },
  {
    name: 'reset',
    aliases: [],
    place: 'start',
    owner: 'no',
    menu: 'native',
    args: '[model] [text]',
    summary: 'the same as /new',
  },
  {
    name: 'status',
    aliases: [],
    place: 'start',
    owner: 'no',
    menu: 'native',
    args: '',
    summary: 'session, model, tokens, settings, next reset',
  },
  {
    name: 'stop',
    aliases: [],
    place: 'start',
    owner: 'no',
    menu: 'native',
    args: '',
    summary: 'end the running turn',
  },
  {
    name: 'help',
    aliases: [],
    place: 'start',
    owner: 'no',
    menu: 'native',
    args: '',
    summary: 'a short help',
  },
  {
    name: 'model',
    aliases: [],
    sets: 'model',
    place: 'anywhere',
    owner: 'always',
    menu: 'native',
    args: '<model>|default',
    summary: 'show or set the model',
  },
  {
    name: 'think',
    aliases: ['thinking', 't'],
    sets: 'thinkingLevel',
    words: {
      on: 'low',
      enable: 'low',
      enabled: 'low',
      think: 'minimal',
      min: 'minimal',
      thinkhard: 'low',
      'think-hard': 'low',
      think_hard: 'low',
      mid: 'medium',
      med: 'medium',
      harder: 'medium',
      thinkharder: 'medium',
      'think-harder': 'medium',
      think_harder: 'medium',
      max: 'high',
      highest: 'high',
      ultra: 'high',
      ultrathink: 'high',
      thinkhardest: 'high',
      'x-high': 'xhigh',
      x_high: 'xhigh',
      ...OFF,
    },
    place: 'anywhere',
    owner: 'to-keep',
    menu: 'native',
    args: 'off|minimal|low|medium|high|xhigh',
    summary: 'how much the model thinks first',
  },
  {
    name: 'verbose',
    aliases: ['v'],
    sets: 'verboseLevel',
    words: { ...OFF, ...ON, full: 'on', all: 'on', everything: 'on' },
    place: 'anywhere',
    owner: 'to-keep',
    menu: 'native',
    args: 'on|off',
    summary: 'show what tools print',
  },
  {
    name: 'reasoning',
    aliases: ['reason'],
    sets: 'reasoningLevel',
    words: {
      ...OFF,
      ...ON,
      hide: 'off',
      hidden: 'off',
      show: 'on',
      visible: 'on',
      streaming: 'stream',
      draft: 'stream',
      live: 'stream',
    },
    place: 'anywhere',
    owner: 'to-keep',
    menu: 'native',
    args: 'on|off|stream',
    summary: 'show how the model reasons',
  },
  {
    name: 'elevated',
    aliases: ['elev'],
    sets: 'elevated',
    words: {
      ...OFF,
      ...ON,
      auto: 'full',
      'auto-approve': 'full',
      autoapprove: 'full',
      approve: 'ask',
      approval: 'ask',
      prompt: 'ask',
    },
    place: 'anywhere',
    owner: 'always',
    menu: 'native',
    args: 'on|off|ask|full',
    summary: 'rights the runner is told of',
  },
  {
    name: 'send',
    aliases: [],
    sets: 'sendPolicy',
    words: { on: 'allow', off: 'deny' },
    place: 'start',
    owner: 'always',
    menu: 'native',
    args: 'on|off|inherit',
    summary: 'send replies of this session, or keep them',
  },
  {
    name: 'activation',
    aliases: [],
    sets: 'groupActivation',
    place: 'start',
    owner: 'always',
    menu: 'native',
    args: 'mention|always',
    summary: 'when this group is answered',
  },
  {
    name: 'queue',
    aliases: [],
    sets: 'queueMode',
    words: {
      followups: 'followup',
      'follow-up': 'followup',
      'follow-ups': 'followup',
      interrupts: 'interrupt',
      coalesce: 'collect',
    },
    place: 'anywhere',
    owner: 'always',
    menu: 'native',
    args: 'collect|followup|interrupt|reset [debounce:2s] [cap:N] [drop:old|new|summarize]',
    summary: 'messages that arrive during a turn',
  },
  {
    name: 'whoami',
    aliases: ['id'],
    place: 'start',
    owner: 'no',
    menu: 'native',
    args: '',
    summary: 'who you are here',
  },
  {
    name: 'usage',
    aliases: [],
    place: 'start',
    owner: 'no',
    menu: 'native',
    args: '',
    summary: 'tokens of this session',
  },
  {
    name: 'commands',
    aliases: [],
    place: 'start',
    owner: 'no',
    menu: 'native',
    args: '',
    summary: 'every command',
  },
  {
    name: 'compact',
    aliases: [],
    place: 'start',
    owner: 'always',
    menu: 'text',
    args: '[instructions]',
    summary: 'summarise older history',
  },
  {
    name: 'context',
    aliases: [],
    place: 'start',
    owner: 'no',
    menu: 'text',
    args: 'list|detail',
    forms: {
      list: 'what a turn sends, by part',
      detail: 'what a turn sends, with the biggest pieces of each part',
    },
    summary: 'what a turn sends, by part',
  },
] as const satisfies readonly Directive[];

export type DirectiveName = (typeof DIRECTIVES)[number]['name'];

/** A command that is answered; it sets nothing. */
export type ChatCommand =
  | { name: 'status' | 'help' | 'commands' | 'whoami' | 'usage' | 'stop' }
  | { name: 'context'; detail: 'list' | 'detail' }
  | { name: 'compact'; instructions: string };

export interface ParsedText {
  /**
   * settings given with a valid value; null = taken back (`/send inherit`, `/queue reset`, `/model default`), which only
   * happens where `alone`
   */
  settings: SettingsChange;
  /** setting directives without a (valid) value: the person asks, or mistyped */
  asked: { name: DirectiveName; given: string }[];
  /** a command that is answered, not set; of several the first, and then the others are text */
  command: ChatCommand | null;
  /** what is left of the text, its whitespace kept apart from the directives taken out ('' when nothing) */
  body: string;
  /** names of owner-only directives that were found but the sender may not use; they stay in `body` */
  refused: DirectiveName[];
  /** the message is nothing but directives (refused ones among them): it is answered, and no agent is asked */
  alone: boolean;
}

export interface ParseOptions {
  chatType: ChatType;
  models: KnownModels;
  /** the sender may change what stays */
  owner: boolean;
  /** something came with the text, which is then never all there is */
  hasAttachments?: boolean;
  /** canonical names that are text here, see `disabledDirectives` */
  disabled?: readonly string[];
  /** names this assistant answers to; absent: any name is taken for ours */
  botNames?: readonly string[];
}

const ROWS = new Map<string, (typeof DIRECTIVES)[number]>(
  DIRECTIVES.flatMap(row => [row.name, ...row.aliases].map(name => [name, row] as const)),
);

/** The row of a name or alias, in any case. */
export function directiveNamed(name: string): (typeof DIRECTIVES)[number] | undefined {
  return ROWS.get(name.toLowerCase());
}

/** The directives a configuration does not offer, by their canonical names; `commands.text: false` turns all off. */
export function disabledDirectives(config: Pick<ConfigInput, 'commands'>): DirectiveName[] {
  if (config.commands?.text === false) return DIRECTIVES.map(row => row.name);
  const named = (config.commands?.disabled ?? []).map(name => directiveNamed(name.trim().replace(/^\//, '')));
  return [...new Set(named.flatMap(row => (row ? [row.name] : [])))];
}

/** Aliases that can be typed as a directive of their own: `/opus` for `/model opus`. A command's name stays a command's. */
export function aliasDirectives(models: KnownModels): string[] {
  return Object.keys(models.aliases).filter(
    alias => /^[^\s/:：@]{1,64}$/u.test(alias) && directiveNamed(alias) === undefined,
  );
}

/** Something that may be a directive. */
interface Reading {
  name: DirectiveName;
  /** offset behind what it would take of the text */
  end: number;
  /** may stand inside other text; else it counts only in a message of nothing but directives */
  inline: boolean;
  change?: SettingsChange;
  /** asked (''), or mistyped */
  given?: string;
  command?: ChatCommand;
  /** `/opus` instead of `/model opus` */
  byAlias?: true;
}

interface Find extends Reading {
  start: number;
}

/**
 * Takes the directives out of a message.
 *
 * Those whose place is `anywhere` count inside other text with a valid value, for that message. Alone in the message
 * they may also be bare (a question), mistyped (`asked`), or take a setting back (`default`, `inherit`, `reset`), and a
 * model may be one the configuration does not know. All others count only where the message is nothing but directives:
 * `/status please` is text. Of two values of a setting the last wins. Linear in the text.
 *
 * @param text what the person wrote, without labels a transport may have put before it, and without a reset trigger
 */
export function parseDirectives(text: string, options: ParseOptions): ParsedText {
  const from = startOf(text, options);
  const finds = findDirectives(text, from, options);
  const alone = finds.length > 0 && !options.hasAttachments && isNothingBut(text, from, finds);
  const counted = alone ? finds : finds.filter(find => find.inline);
  const isRefused = ({ name, change, command }: Find) => {
    if (options.owner || (change === undefined && command === undefined)) return false;
    const { owner } = directiveNamed(name)!;
    return owner === 'always' || (owner === 'to-keep' && alone);
  };
  const refused = counted.filter(isRefused);
  const taken = counted.filter(find => !isRefused(find));
  return {
    settings: taken.reduce<SettingsChange>((settings, { change }) => Object.assign(settings, change), {}),
    asked: taken.flatMap(({ name, given }) => (given === undefined ? [] : [{ name, given }])),
    command: taken.find(find => find.command)?.command ?? null,
    body: alone && refused.length === 0 ? '' : without(text, taken),
    refused: [...new Set(refused.map(find => find.name))],
    alone,
  };
}

/** Where the message begins behind mentions of us, in rooms. */
function startOf(text: string, { chatType, botNames }: ParseOptions): number {
  if (chatType === 'dm') return 0;
  const trimmed = text.trimStart();
  return text.length - withoutMentions(trimmed, addressees(botNames)).length;
}

function findDirectives(text: string, from: number, options: ParseOptions): Find[] {
  const isOurs = addressees(options.botNames);
  const finds: Find[] = [];
  let end = from;
  /** nothing but directives so far */
  let leading = true;

  for (const start of commandPlaces(text)) {
    if (start < end) continue;
    leading &&= isBlank(text.slice(end, start));
    const head = readHead(text, start);
    const ours = head && (head.addressee === undefined || isOurs(head.addressee));
    const reading = ours ? readDirective(text, head, options) : undefined;
    const misplaced = reading && !leading && isAtStartOnly(reading);
    if (!reading || misplaced || (reading.command && finds.some(find => find.command))) {
      leading = false;
      continue;
    }
    finds.push({ ...reading, start });
    end = reading.end;
  }
  // Beside a plain `/model`, an alias is taken for text.
  const plain = finds.some(find => find.name === 'model' && find.inline && !find.byAlias);
  return plain ? finds.filter(find => !find.byAlias) : finds;
}

function isAtStartOnly({ name }: Reading): boolean {
  return directiveNamed(name)!.place === 'start';
}

interface Head {
  /** as typed */
  name: string;
  /** of `/status@botname` */
  addressee: string | undefined;
  /** offset behind it, and behind a colon that follows at once */
  end: number;
}

const HEAD = new RegExp(
  `/([^${BLANKS}/:：@]{1,64})(?:@([^${BLANKS}:：]{1,64}))?(?:[:：]|(?=[${BLANKS}]|$))`,
  'uy',
);

function readHead(text: string, start: number): Head | undefined {
  HEAD.lastIndex = start;
  const match = HEAD.exec(text);
  return match ? { name: match[1]!, addressee: match[2], end: HEAD.lastIndex } : undefined;
}

function readDirective(text: string, head: Head, options: ParseOptions): Reading | undefined {
  const isOff = (name: DirectiveName) => options.disabled?.includes(name) ?? false;
  const row = directiveNamed(head.name);
  if (row === undefined) {
    const alias = isOff('model') ? undefined : aliasTarget(head.name, options.models.aliases);
    if (alias !== undefined)
      return { name: 'model', end: head.end, inline: true, change: { model: alias }, byAlias: true };
  }
  // "/stop!" is said in a hurry.
  const command = row ?? directiveNamed(head.name.replace(/[.!?…]+$/u, ''));
  if (command === undefined || isOff(command.name)) return undefined;
  if (!('sets' in command)) return readCommand(command.name, text, head);
  if (row === undefined) return undefined;
  if (row.name === 'model') return readModel(text, head, options.models);
  if (row.name === 'queue') return readQueue(text, head);
  return readLevel(command, text, head);
}

interface Word {
  text: string;
  end: number;
}

const WORD = new RegExp(`[^${BLANKS}]{1,200}(?![^${BLANKS}])`, 'y');

/** The next word on the same line; another directive is none. */
function readWord(text: string, from: number): Word | undefined {
  let start = from;
  while (isGapAt(text, start)) start++;
  if (text[start] === '/') return undefined;
  WORD.lastIndex = start;
  const match = WORD.exec(text);
  return match ? { text: match[0], end: WORD.lastIndex } : undefined;
}

/** Words that take a setting back. */
const TAKE_BACK: readonly string[] = ['default', 'inherit', 'reset'];

function takesBack(word: string): boolean {
  return TAKE_BACK.includes(word.toLowerCase());
}

/** A setting without a value (that is one). */
function question(name: DirectiveName, head: Head, word: Word | undefined, given = word?.text): Reading {
  return { name, end: word?.end ?? head.end, inline: false, given: given ?? '' };
}

function readLevel(row: Directive & { name: DirectiveName }, text: string, head: Head): Reading {
  const word = readWord(text, head.end);
  if (word === undefined) return question(row.name, head, word);
  const name = row.sets!;
  const folded = word.text.toLowerCase();
  const synonym = row.words && Object.hasOwn(row.words, folded) ? row.words[folded] : undefined;
  const read = readSetting(name, synonym ?? folded);
  const common = { name: row.name, end: word.end };
  if (read.ok) return { ...common, inline: row.place === 'anywhere', change: { [name]: read.value } };
  if (takesBack(folded)) return { ...common, inline: false, change: { [name]: null } };
  return question(row.name, head, word);
}

/** What a program may be handed as the name of a model: never something it could take for an option. */
const MODEL = /^[\p{L}\p{N}][\p{L}\p{N}._:+-]*(?:\/[\p{L}\p{N}][\p{L}\p{N}._:+-]*)*$/u;

function readModel(text: string, head: Head, models: KnownModels): Reading {
  const word = readWord(text, head.end);
  if (word === undefined) return question('model', head, word);
  const set = (model: string | null, end: number, inline: boolean): Reading => ({
    name: 'model',
    end,
    inline,
    change: { model },
  });
  const known = aliasTarget(word.text, models.aliases) ?? knownModel(word.text, models.models);
  if (known !== undefined) return set(known, word.end, true);
  const second = readWord(text, word.end);
  const pair = second && knownModel(`${word.text}/${second.text}`, models.models);
  if (pair !== undefined) return set(pair, second!.end, true);
  if (takesBack(word.text)) return set(null, word.end, false);
  if (['list', 'show', 'status'].includes(word.text.toLowerCase())) return question('model', head, word, '');
  return MODEL.test(word.text) ? set(word.text, word.end, false) : question('model', head, word);
}

/** `/queue` takes a mode and options in any order; one that is wrong makes all of it a question. */
function readQueue(text: string, head: Head): Reading {
  const change: SettingsChange = {};
  let end = head.end;
  let word = readWord(text, end);
  if (word && takesBack(word.text)) {
    const back: SettingsChange = { queueMode: null, queueDebounceMs: null, queueCap: null, queueDrop: null };
    return { name: 'queue', end: word.end, inline: false, change: back };
  }
  while (word) {
    const option = queueOption(word.text);
    if (option === undefined) break;
    if (option === 'wrong') return question('queue', head, word);
    Object.assign(change, option);
    end = word.end;
    word = readWord(text, end);
  }
  if (Object.keys(change).length === 0) return question('queue', head, word);
  return { name: 'queue', end, inline: true, change };
}

const QUEUE_OPTIONS: Readonly<
  Record<string, { sets: SettingName; words?: Readonly<Record<string, string>> }>
> = {
  mode: { sets: 'queueMode' },
  debounce: { sets: 'queueDebounceMs' },
  cap: { sets: 'queueCap' },
  drop: { sets: 'queueDrop', words: { oldest: 'old', newest: 'new', summary: 'summarize' } },
};

/** undefined: no option of `/queue`, but the text behind it. */
function queueOption(word: string): SettingsChange | 'wrong' | undefined {
  const folded = word.toLowerCase();
  const [, key = 'mode', given = folded] = /^(mode|debounce|cap|drop)[:=](.*)$/u.exec(folded) ?? [];
  const { sets, words = directiveWords('queue') } = QUEUE_OPTIONS[key]!;
  const value = Object.hasOwn(words, given) ? words[given]! : given;
  // Half a message is none.
  const read = readSetting(sets, sets === 'queueCap' ? value.replace(/\.\d+$/, '') : value);
  if (read.ok) return { [sets]: read.value };
  return given === folded ? undefined : 'wrong';
}

function directiveWords(name: DirectiveName): Readonly<Record<string, string>> {
  return (directiveNamed(name) as Directive).words ?? {};
}

function readCommand(name: DirectiveName, text: string, head: Head): Reading | undefined {
  const common = { name, inline: false };
  switch (name) {
    case 'status':
    case 'help':
    case 'commands':
    case 'whoami':
    case 'usage':
    case 'stop':
      return { ...common, end: head.end, command: { name } };
    case 'compact': {
      const instructions = text.slice(head.end).trim();
      return { ...common, end: text.length, command: { name, instructions } };
    }
    case 'context': {
      const word = readWord(text, head.end);
      const form = word?.text.toLowerCase() ?? 'list';
      const detail = form === 'list' ? 'list' : /^detail(s|ed)?$/.test(form) ? 'detail' : undefined;
      return detail && { ...common, end: word?.end ?? head.end, command: { name, detail } };
    }
    default:
      return undefined;
  }
}

function isNothingBut(text: string, from: number, finds: readonly Find[]): boolean {
  const ends = [from, ...finds.map(find => find.end)];
  const starts = [...finds.map(find => find.start), text.length];
  return starts.every((start, index) => isBlank(text.slice(ends[index], start)));
}

/**
 * The text without some of its parts, in order. A part goes with the blank space on one side of it, a line of nothing
 * else goes whole, and at the beginning and the end of the text no empty lines are left where parts stood.
 */
function without(text: string, parts: readonly { start: number; end: number }[]): string {
  if (parts.length === 0) return text;
  const kept: string[] = [];
  let done = 0;
  /** nothing to be seen was kept so far */
  let atTop = true;
  for (let index = 0; index < parts.length; index++) {
    let { start, end } = parts[index]!;
    while (isGapAt(text, end)) end++;
    // Neighbours are one part: the space between them belongs to neither side.
    while (parts[index + 1]?.start === end) {
      end = parts[++index]!.end;
      while (isGapAt(text, end)) end++;
    }
    let before = start;
    while (before > done && isGapAt(text, before - 1)) before--;
    const begins = before === 0 || text[before - 1] === '\n';
    const ends = end === text.length || text[end] === '\n' || text[end] === '\r';
    if (ends) start = before;
    if (begins && ends) end += text.startsWith('\r\n', end) ? 2 : 1;
    const piece = text.slice(done, start);
    atTop &&= isBlank(piece);
    kept.push(atTop ? piece.slice(piece.lastIndexOf('\n') + 1) : piece);
    done = Math.min(end, text.length);
  }
  const rest = text.slice(done);
  if (isBlank(rest)) return kept.join('').trimEnd();
  return kept.join('') + (atTop ? rest.replace(/^(?:[^\S\n]*\n)+/, '') : rest);
}
