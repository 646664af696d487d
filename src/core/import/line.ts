/**
 * Lines of another system's transcript as entries of claw's. The forms are those of pi (`{"type":"message","message":
 * {"role","content":[parts],"usage"}}`, as Clawdis, Clawdbot and OpenClaw write them), of OpenClaw's deep wiki (content
 * a string, times in ms), and bare `{"role","content"}`.
 *
 * Nothing is left out: what has no counterpart is kept as it was, under a type that no reader of claw acts on. What a
 * person wrote and what was answered become a user entry, a turn, replies, and the turn's end, so that no reader can
 * take an old message for one that still waits.
 */
import type { Attachment } from '../routing/message.ts';
import type { Origin } from '../session/session.ts';
import type {
  AssistantEntry,
  Entry,
  TurnEndEntry,
  TurnEntry,
  Usage,
  UserEntry,
} from '../session/transcript.ts';

export type Fields = Record<string, unknown>;

/** What a transcript's lines become a part of. */
export interface LineTarget {
  /** name of the system the lines come from */
  system: string;
  /** claw's id of the session; ids of messages and runs are made from it */
  sessionId: string;
  /** where the session's messages came from, as far as its old record knew */
  origin: Origin;
  /** epoch ms for lines before the first one that has a time */
  timestamp: number;
}

/** How many entries of each kind were made. `messages` are those of users and assistants. */
export interface LineCounts {
  messages: number;
  thinking: number;
  toolCalls: number;
  toolResults: number;
  compactions: number;
  resets: number;
  /** kept as they were */
  other: number;
  /** no JSON, or bytes that are no text: kept in `imported_unreadable` */
  unreadable: number;
}

export function noLines(): LineCounts {
  return {
    messages: 0,
    thinking: 0,
    toolCalls: 0,
    toolResults: 0,
    compactions: 0,
    resets: 0,
    other: 0,
    unreadable: 0,
  };
}

/** Types that mean something to claw; a foreign line that bears one by chance is wrapped. */
const OWN_TYPES: ReadonlySet<string> = new Set([
  'turn',
  'turn_end',
  'command',
  'reset',
  'message',
  'imported',
]);

/** User messages that no person wrote: heartbeats, cron runs, events of the system itself. */
const NOT_A_PERSON = /^\s*(?:Read HEARTBEAT\.md|\[cron:|System: \[|\[heartbeat\])/i;

/** Models that stand for "written by the system", not for a model. */
const NO_MODEL: ReadonlySet<string> = new Set(['delivery-mirror', 'gateway-injected']);

/** Whether a line says that the session was reset there; what follows is another session. */
export function isResetLine(line: Fields): boolean {
  return line.type === 'reset';
}

/** The open turn: who answers, and what it cost so far. */
interface OpenTurn {
  runId: string;
  /** whether a turn entry was written: only where a message stands before it */
  told: boolean;
  startedAt: number;
  replied: boolean;
  usage: Usage | null;
  error: string | null;
}

/** Maps one transcript, line by line. Deterministic: the same lines give the same entries. */
export class LineMapper {
  readonly counts = noLines();
  /** epoch ms of the newest line that had a time */
  lastTimestamp: number;
  /** last message of a real user; undefined until there is one */
  lastUserAt: number | undefined;
  /** model of the last answer */
  model: string | undefined;
  readonly tokens: Usage = { inputTokens: 0, outputTokens: 0, totalTokens: 0 };

  private waiting: string[] = [];
  private turn: OpenTurn | null = null;
  private readonly target: LineTarget;

  constructor(target: LineTarget) {
    this.target = target;
    this.lastTimestamp = target.timestamp;
  }

  /** @param number of the line in its file, from 1: what ids are made from */
  map(line: Fields, number: number): Entry[] {
    const message = messageOf(line);
    const timestamp = timeOf(line.timestamp) ?? timeOf(message?.timestamp) ?? this.lastTimestamp;
    this.lastTimestamp = Math.max(this.lastTimestamp, timestamp);
    const at = { timestamp: this.lastTimestamp, number };
    if (message !== null) return this.message(line, message, at);
    switch (line.type) {
      case 'session':
        this.counts.other++;
        return [{ type: 'imported_header', timestamp: at.timestamp, line }];
      case 'compaction':
      case 'compact':
        this.counts.compactions++;
        return [compactEntry(line, at.timestamp)];
      case 'thinking': {
        this.counts.thinking++;
        const text = [line.text, line.thinking, line.content].find(each => typeof each === 'string');
        return [
          ...this.begin(at),
          { runId: this.turn!.runId, ...line, type: 'thinking', timestamp: at.timestamp, text: text ?? '' },
        ];
      }
      case 'tool_call':
        this.counts.toolCalls++;
        return [
          ...this.begin(at),
          { runId: this.turn!.runId, ...line, type: 'tool_call', timestamp: at.timestamp },
        ];
      case 'tool_result':
        this.counts.toolResults++;
        return [
          ...this.begin(at),
          { runId: this.turn!.runId, ...line, type: 'tool_result', timestamp: at.timestamp },
        ];
    }
    this.counts.other++;
    const own =
      typeof line.type !== 'string' || OWN_TYPES.has(line.type) || line.type.startsWith('imported_');
    return [own ? { type: 'imported_line', timestamp: at.timestamp, line } : (line as Entry)];
  }

  /** A line that is no JSON object. `text` is the line, `base64` its bytes where they are no text. */
  unreadable(line: { text: string } | { base64: string }, number: number): Entry[] {
    this.counts.unreadable++;
    return [{ type: 'imported_unreadable', timestamp: this.lastTimestamp, line: number, ...line }];
  }

  /** What closes the session: the end of its last turn. A message that nobody answered is closed too. */
  end(): Entry[] {
    const number = this.waiting.length;
    const entries = number > 0 ? this.begin({ timestamp: this.lastTimestamp, number: 0 }) : ([] as Entry[]);
    return [...entries, ...this.close()];
  }

  private id(number: number): string {
    return `imported-${this.target.sessionId}-${number}`;
  }

  private message(line: Fields, message: Fields, at: At): Entry[] {
    const role = message.role;
    if (role === 'user') return this.user(line, message, at);
    if (role === 'assistant') return this.assistant(line, message, at);
    if (role === 'toolResult' || role === 'tool' || role === 'tool_result')
      return [...this.begin(at), this.toolResult(message, at, restOf(line, message, RESULT_FIELDS))];
    this.counts.other++;
    return [{ type: 'imported_message', timestamp: at.timestamp, line }];
  }

  private user(line: Fields, message: Fields, at: At): Entry[] {
    const parts = partsOf(message.content);
    const images = parts.filter(part => part.type === 'image');
    const results = parts.filter(part => part.type === 'tool_result');
    const rest = parts.filter(part => !isText(part) && part.type !== 'tool_result');
    const entries: Entry[] = [];
    for (const part of results) entries.push(...this.begin(at), this.toolResult(part, at, {}));
    const texts = parts.filter(isText).map(part => part.text);
    if (texts.length > 0 || images.length > 0 || parts.length === 0) {
      entries.push(...this.close());
      const id = this.id(at.number);
      this.waiting.push(id);
      this.counts.messages++;
      const content = texts.join('\n') || images.map(image => `[image${suffix(mimeOf(image))}]`).join('\n');
      const attachments = images.map((image): Attachment => ({ type: mimeOf(image) ?? 'image' }));
      const user: UserEntry & { source: Fields } = {
        type: 'message',
        timestamp: at.timestamp,
        id,
        message: { role: 'user', content },
        origin: this.target.origin,
        via: 'none',
        ...(attachments.length > 0 ? { attachments } : {}),
        source: restOf(line, message, []),
      };
      if (!NOT_A_PERSON.test(content)) this.lastUserAt = Math.max(this.lastUserAt ?? 0, at.timestamp);
      entries.push(user);
    }
    for (const part of rest) entries.push(this.part(part, at));
    return entries;
  }

  private assistant(line: Fields, message: Fields, at: At): Entry[] {
    const entries = this.begin(at);
    const turn = this.turn!;
    const { runId } = turn;
    const parts = partsOf(message.content);
    const source = restOf(line, message, []);
    for (const part of parts) {
      if (part.type !== 'thinking' && part.type !== 'redacted_thinking') continue;
      this.counts.thinking++;
      const { type: _, thinking, text, ...rest } = part;
      const said = [thinking, text].find(each => typeof each === 'string') ?? '';
      entries.push({ type: 'thinking', timestamp: at.timestamp, runId, text: said, ...sourceOf(rest) });
    }
    // A call that stands before the last words was made before them.
    const lastText = parts.findLastIndex(isText);
    parts.slice(0, Math.max(0, lastText)).forEach(part => {
      entries.push(...this.doing(part, at, runId));
    });
    const content = parts
      .filter(isText)
      .map(part => part.text)
      .join('\n');
    const model =
      typeof message.model === 'string' && !NO_MODEL.has(message.model) ? message.model : undefined;
    const provider = typeof message.provider === 'string' ? message.provider : undefined;
    const named = model === undefined ? undefined : qualified(provider, model);
    if (content.trim() !== '' || typeof message.content === 'string') {
      const reply: AssistantEntry & { source: Fields } = {
        type: 'message',
        timestamp: at.timestamp,
        runId,
        message: { role: 'assistant', content },
        ...(named === undefined ? {} : { model: named }),
        source,
      };
      this.counts.messages++;
      turn.replied = true;
      if (named !== undefined) this.model = named;
      entries.push(reply);
    } else {
      // No text: what stands beside the parts (usage, why it stopped) is still kept.
      this.counts.other++;
      entries.push({ type: 'imported_message', timestamp: at.timestamp, runId, role: 'assistant', source });
    }
    for (const part of parts.slice(lastText + 1)) entries.push(...this.doing(part, at, runId));
    this.use(usageOf(message.usage));
    if (message.stopReason === 'error')
      turn.error = typeof message.errorMessage === 'string' ? message.errorMessage : 'the agent failed';
    return entries;
  }

  /** A part of an answer that is neither said nor thought. */
  private doing(part: Fields, at: At, runId: string): Entry[] {
    if (isText(part) || part.type === 'thinking' || part.type === 'redacted_thinking') return [];
    if (part.type !== 'toolCall' && part.type !== 'tool_use' && part.type !== 'tool_call')
      return [this.part(part, at)];
    this.counts.toolCalls++;
    const { type: _, id, name, arguments: given, input, ...rest } = part;
    return [
      {
        type: 'tool_call',
        timestamp: at.timestamp,
        runId,
        toolCallId: id ?? null,
        name: name ?? null,
        arguments: given ?? input ?? null,
        ...sourceOf(rest),
      },
    ];
  }

  private toolResult(result: Fields, at: At, source: Fields): Entry {
    this.counts.toolResults++;
    return {
      type: 'tool_result',
      timestamp: at.timestamp,
      runId: this.turn!.runId,
      toolCallId: result.toolCallId ?? result.tool_call_id ?? result.tool_use_id ?? null,
      name: result.toolName ?? result.name ?? null,
      isError: result.isError === true || result.is_error === true,
      content: result.content ?? null,
      ...sourceOf(source),
    };
  }

  private part(part: Fields, at: At): Entry {
    this.counts.other++;
    return { type: 'imported_part', timestamp: at.timestamp, part };
  }

  /** The agent is at work: its turn begins, if it has not. */
  private begin(at: At): Entry[] {
    if (this.turn !== null && this.waiting.length === 0) return [];
    const entries = this.close();
    const messageIds = this.waiting;
    this.waiting = [];
    const runId = `run-${messageIds.at(-1) ?? this.id(at.number)}`;
    const told = messageIds.length > 0;
    this.turn = { runId, told, startedAt: at.timestamp, replied: false, usage: null, error: null };
    if (!told) return entries;
    const turn: TurnEntry = {
      type: 'turn',
      timestamp: at.timestamp,
      runId,
      attempt: 1,
      messageIds,
      runner: `imported:${this.target.system}`,
      isNewSession: false,
      reset: null,
      notices: [],
    };
    return [...entries, turn];
  }

  private close(): Entry[] {
    const { turn } = this;
    this.turn = null;
    if (!turn?.told) return [];
    const { error } = turn;
    const end: TurnEndEntry = {
      type: 'turn_end',
      timestamp: this.lastTimestamp,
      runId: turn.runId,
      status: turn.replied ? 'replied' : error === null ? 'stopped' : 'failed',
      usage: turn.usage,
      durationMs: Math.max(0, this.lastTimestamp - turn.startedAt),
      ...(turn.replied || error === null ? {} : { error: { code: 'imported', message: error } }),
    };
    return [end];
  }

  private use(usage: Usage | null): void {
    if (usage === null) return;
    for (const name of ['inputTokens', 'outputTokens', 'totalTokens'] as const)
      this.tokens[name] += usage[name];
    const size = usage.contextTokens;
    if (size !== undefined) this.tokens.contextTokens = size;
    if (this.turn === null) return;
    const before = this.turn.usage;
    this.turn.usage = {
      inputTokens: (before?.inputTokens ?? 0) + usage.inputTokens,
      outputTokens: (before?.outputTokens ?? 0) + usage.outputTokens,
      totalTokens: (before?.totalTokens ?? 0) + usage.totalTokens,
      ...(size === undefined ? {} : { contextTokens: size }),
    };
  }
}

interface At {
  timestamp: number;
  number: number;
}

const RESULT_FIELDS = [
  'toolCallId',
  'tool_call_id',
  'tool_use_id',
  'toolName',
  'name',
  'isError',
  'is_error',
];

/** The message of a line in any of the known forms, null where the line is something else. */
function messageOf(line: Fields): Fields | null {
  const spoken = line.type === 'message' || line.type === 'user' || line.type === 'assistant';
  if (spoken && isFields(line.message) && typeof line.message.role === 'string') return line.message;
  return line.type === undefined && typeof line.role === 'string' && 'content' in line ? line : null;
}

/** What of a line and its message is not told elsewhere in the entry. */
function restOf(line: Fields, message: Fields, told: readonly string[]): Fields {
  const rest: Fields = {};
  for (const [name, value] of Object.entries(line))
    if (!['type', 'timestamp', 'message', 'role', 'content'].includes(name) && !told.includes(name))
      rest[name] = value;
  if (message === line) return rest;
  const inner = Object.entries(message).filter(
    ([name]) => name !== 'role' && name !== 'content' && !told.includes(name),
  );
  return inner.length > 0 ? { ...rest, message: Object.fromEntries(inner) } : rest;
}

function sourceOf(rest: Fields): { source?: Fields } {
  return Object.keys(rest).length > 0 ? { source: rest } : {};
}

function partsOf(content: unknown): Fields[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  const list = Array.isArray(content) ? content : content === undefined || content === null ? [] : [content];
  return list.map(part =>
    typeof part === 'string' ? { type: 'text', text: part } : isFields(part) ? part : { value: part },
  );
}

function isText(part: Fields): part is Fields & { text: string } {
  const { type } = part;
  return (
    typeof part.text === 'string' && (type === 'text' || type === 'input_text' || type === 'output_text')
  );
}

function mimeOf(image: Fields): string | undefined {
  const { source } = image;
  const type = image.mimeType ?? image.media_type ?? (isFields(source) ? source.media_type : undefined);
  return typeof type === 'string' ? type : undefined;
}

function suffix(text: string | undefined): string {
  return text === undefined ? '' : ` ${text}`;
}

function compactEntry(line: Fields, timestamp: number): Entry {
  const { type: _, timestamp: __, reason, ...rest } = line;
  return { type: 'compact', timestamp, reason: typeof reason === 'string' ? reason : 'imported', ...rest };
}

/** Token counts in the words of pi, of Anthropic's API, or of claw. */
function usageOf(value: unknown): Usage | null {
  if (!isFields(value)) return null;
  const number = (...names: string[]) => {
    const found = names.map(name => value[name]).find(each => typeof each === 'number' && each >= 0);
    return (found as number | undefined) ?? 0;
  };
  const inputTokens =
    number('input', 'inputTokens', 'input_tokens') +
    number('cacheRead', 'cache_read_input_tokens') +
    number('cacheWrite', 'cache_creation_input_tokens');
  const outputTokens = number('output', 'outputTokens', 'output_tokens');
  const totalTokens = inputTokens + outputTokens;
  return totalTokens === 0 ? null : { inputTokens, outputTokens, totalTokens, contextTokens: totalTokens };
}

/** `provider/model`, unless the model's name says its provider already. */
export function qualified(provider: string | undefined, model: string): string {
  return provider === undefined || provider === '' || model.includes('/') ? model : `${provider}/${model}`;
}

/** A time as epoch ms: ISO text, ms, or seconds; undefined where it is none. */
export function timeOf(value: unknown): number | undefined {
  if (typeof value === 'string') {
    const trimmed = value.trim();
    if (/^\d{10,14}(?:\.\d+)?$/.test(trimmed)) return timeOf(Number(trimmed));
    const parsed = /^\d{4}-\d\d/.test(trimmed) ? Date.parse(trimmed) : Number.NaN;
    return Number.isFinite(parsed) && parsed > 0 ? parsed : undefined;
  }
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) return undefined;
  const ms = value < 100_000_000_000 ? value * 1000 : value;
  return ms < 8_640_000_000_000_000 ? Math.round(ms) : undefined;
}

/** A value of an old store for a report: whole where it is short. How deep it goes does not matter. */
export function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = JSON.stringify(value ?? null);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

const LONGEST_SHOWN = 200;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
