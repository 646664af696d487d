/** A transcript as a reader meets it: what was said, what happened, and what stands behind it, line by line. */
import type { Zone } from '../schedule/zone.ts';
import { type Saying, sayingOf, textOf, timeOf } from '../session/saying.ts';
import { type Entry, isResetEntry, isTurnEndEntry, roleOf } from '../session/transcript.ts';
import { dateTimeOf } from './day.ts';

/** Something to show. Times are epoch ms, null where a line tells none. */
export type Item =
  /** somebody speaks */
  | { kind: 'said'; at: number | null; saying: Saying; model: string | null; recorded: boolean }
  /** the conversation begins, is cut, or something went wrong */
  | { kind: 'event'; at: number | null; mark: EventMark; text: string; detail: string | null }
  /** for who wants to know: tool calls and their results, thinking, unknown types */
  | { kind: 'aside'; at: number | null; mark: AsideMark; title: string; text: string };

export type EventMark = 'begin' | 'reset' | 'compact' | 'failed' | 'unreadable';
export type AsideMark = 'call' | 'result' | 'thinking' | 'other';

/** How often each thing occurs. */
export interface Counts {
  user: number;
  assistant: number;
  commands: number;
  tools: number;
  failures: number;
  resets: number;
  unreadable: number;
  first: number | null;
  last: number | null;
}

export const NO_COUNTS: Counts = {
  user: 0,
  assistant: 0,
  commands: 0,
  tools: 0,
  failures: 0,
  resets: 0,
  unreadable: 0,
  first: null,
  last: null,
};

/** What a session is, for the head of an export. */
export interface SessionFacts {
  agentId: string;
  sessionKey: string | null;
  sessionId: string;
  current: boolean;
  /** epoch ms */
  startedAt: number | null;
  channel: string | null;
  model: string | null;
  /** ids of the transcripts, oldest first; more than one with the archived ones */
  transcripts: readonly string[];
  /** IANA name of the zone of all times shown */
  zone: string;
}

/** The most of a line that is no entry that is kept in an export. */
const UNREADABLE_CHARACTERS = 65_536;

/** What a line shows: nothing, one thing, or several (a message of another system holds its tool calls). */
export function itemsOf(entry: Entry): Item[] {
  const at = timeOf(entry);
  const { type } = entry;
  const fields = entry as Record<string, unknown>;
  if (type === 'message') return messageItems(entry, at);
  const saying = sayingOf(entry);
  if (saying !== null) return [said(entry, saying)];
  if (type === 'session') return [event(at, 'begin', beginning(fields))];
  if (type === 'turn' || type === 'memory_flush') return [];
  if (isTurnEndEntry(entry)) {
    if (entry.status === 'replied' || entry.status === 'silent') return [];
    const why = textIn(entry.error, 'message');
    return [
      event(at, 'failed', `The turn ${ended(entry.status)}${why ? `: ${why}` : ''}`, textIn(entry, 'output')),
    ];
  }
  if (isResetEntry(entry)) return [event(at, 'reset', `The session was reset (${entry.reason})`)];
  if (type === 'reset') return [event(at, 'reset', `The session was reset`)];
  if (type === 'compact') {
    const reason = textIn(entry, 'reason');
    const isOwn = fields.byProgram === true;
    const turns =
      typeof fields.turns_removed === 'number' && !isOwn ? `, ${fields.turns_removed} turns removed` : '';
    return [
      event(
        at,
        'compact',
        `The context was compacted${isOwn ? ` by the agent's program` : ''}${reason ? ` (${reason})` : ''}${turns}`,
        textIn(entry, 'summary'),
      ),
    ];
  }
  return [asideOf(fields, at)];
}

/** A line that is no entry. */
export function unreadableItem(line: number, reason: string, text: string): Item {
  return event(null, 'unreadable', `Line ${line} cannot be read: ${reason}`, unreadableText(text));
}

/** The text of such a line as far as it is kept. */
export function unreadableText(text: string): string {
  return text.length > UNREADABLE_CHARACTERS ? `${text.slice(0, UNREADABLE_CHARACTERS)}…` : text;
}

/** The counts with one more item. Changes and returns `counts`. */
export function countItem(counts: Counts, item: Item): Counts {
  if (item.kind === 'said') {
    if (item.saying.role === 'command') counts.commands++;
    else counts[item.saying.role]++;
  } else if (item.kind === 'aside') {
    if (item.mark === 'call') counts.tools++;
  } else if (item.mark === 'failed') counts.failures++;
  else if (item.mark === 'reset') counts.resets++;
  else if (item.mark === 'unreadable') counts.unreadable++;
  if (item.at !== null) {
    counts.first = Math.min(counts.first ?? item.at, item.at);
    counts.last = Math.max(counts.last ?? item.at, item.at);
  }
  return counts;
}

/** The counts in words, largest matters first: "12 messages (7 by people, 5 replies), 3 tool calls". */
export function countsText(counts: Counts): string {
  const { user, assistant, commands, tools, failures, resets, unreadable } = counts;
  const many = (count: number, one: string, more = `${one}s`) =>
    count === 0 ? [] : [`${count} ${count === 1 ? one : more}`];
  return [
    `${user + assistant} ${user + assistant === 1 ? 'message' : 'messages'} (${user} by people, ${assistant} by the agent)`,
    ...many(commands, 'command'),
    ...many(tools, 'tool call'),
    ...many(failures, 'failed turn'),
    ...many(resets, 'reset'),
    ...many(unreadable, 'unreadable line'),
  ].join(', ');
}

/** Who speaks, as shown. */
export function speakerOf(saying: Saying, agentId: string): string {
  if (saying.role === 'assistant') return agentId;
  return saying.from ?? 'user';
}

/** A tool call, a result, a thought on one line; null for everything else. For lists that show them among messages. */
export function compactAside(entry: Entry): { role: 'tool' | 'thinking'; text: string } | null {
  if (entry.type !== 'tool_call' && entry.type !== 'tool_result' && entry.type !== 'thinking') return null;
  const { mark, title, text } = asideOf(entry as Record<string, unknown>, null);
  const line = text.replace(/\s+/g, ' ').trim();
  const short = line.length > COMPACT_CHARACTERS ? `${line.slice(0, COMPACT_CHARACTERS)}…` : line;
  return { role: mark === 'thinking' ? 'thinking' : 'tool', text: `${title}${short ? `: ${short}` : ''}` };
}

const COMPACT_CHARACTERS = 300;

function event(at: number | null, mark: EventMark, text: string, detail: string | null = null): Item {
  return { kind: 'event', at, mark, text, detail };
}

function said(entry: Entry, saying: Saying): Item {
  const { model, recorded } = entry as { model?: unknown; recorded?: unknown };
  return {
    kind: 'said',
    at: saying.at,
    saying,
    model: typeof model === 'string' ? model : null,
    recorded: recorded === true,
  };
}

/** A message with the parts that are no text beside it: thoughts and what stands before the last words, words, the rest. */
function messageItems(entry: Entry, at: number | null): Item[] {
  const message = (entry as { message?: unknown }).message;
  const fields = (typeof message === 'object' && message !== null ? message : {}) as Record<string, unknown>;
  const parts: unknown[] = Array.isArray(fields.content) ? fields.content : [];
  const isText = (part: unknown) => typeof (part as { text?: unknown } | null)?.text === 'string';
  const lastText = parts.findLastIndex(isText);
  const asides = parts.flatMap((part, index) => {
    if (typeof part !== 'object' || part === null || isText(part)) return [];
    const aside = asideOf(part as Record<string, unknown>, at);
    return [{ aside, isBefore: index < lastText || aside.mark === 'thinking' }];
  });
  if (roleOf(entry) === null)
    return [{ ...asideOf(fields, at), title: `message of ${textIn(fields, 'role') ?? 'nobody'}` }];
  const saying = sayingOf(entry)!;
  const isEmpty = saying.text === '' && asides.length > 0;
  const shown = (before: boolean) =>
    asides.filter(({ isBefore }) => isBefore === before).map(({ aside }) => aside);
  return [...shown(true), ...(isEmpty ? [] : [said(entry, saying)]), ...shown(false)];
}

/** Tool calls are named and filled differently by every system. */
function asideOf(fields: Record<string, unknown>, at: number | null): Item & { kind: 'aside' } {
  const type = typeof fields.type === 'string' ? fields.type : '';
  const name = textIn(fields, 'name') ?? textIn(fields, 'tool') ?? textIn(fields, 'toolName');
  const flat = type.toLowerCase().replace(/[^a-z]/g, '');
  const body = (...names: string[]) => {
    const key = names.find(each => fields[each] !== undefined && fields[each] !== null);
    const value = key === undefined ? fields : fields[key];
    // Parts with a text, as results have them, are that text.
    return (Array.isArray(value) && textOf(value)) || readable(value);
  };
  if (flat === 'toolcall' || flat === 'tooluse' || flat === 'functioncall')
    return {
      kind: 'aside',
      at,
      mark: 'call',
      title: `tool call${name ? ` ${name}` : ''}`,
      text: body('arguments', 'input', 'args', 'params'),
    };
  if (flat === 'toolresult')
    return {
      kind: 'aside',
      at,
      mark: 'result',
      title: `tool result${name ? ` ${name}` : ''}`,
      text: body('result', 'output', 'content', 'text'),
    };
  if (flat === 'thinking' || flat === 'reasoning')
    return {
      kind: 'aside',
      at,
      mark: 'thinking',
      title: 'thinking',
      text: body('thinking', 'text', 'content', 'message'),
    };
  return { kind: 'aside', at, mark: 'other', title: type || 'entry', text: readable(fields) };
}

function readable(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

function textIn(value: unknown, name: string): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const text = (value as Record<string, unknown>)[name];
  return typeof text === 'string' && text !== '' ? text : null;
}

function beginning(header: Record<string, unknown>): string {
  const reason = textIn(header.reset, 'reason');
  return `Session ${textIn(header, 'id') ?? ''} begins${reason ? ` (after a reset: ${reason})` : ''}`;
}

function ended(status: string): string {
  return status === 'failed' ? 'failed' : `was ${status}`;
}

/** What a head tells of a session, name by name; only what is known. */
export function factRows(facts: SessionFacts, counts: Counts, zone: Zone): [string, string][] {
  const rows: [string, string | null][] = [
    ['Session', facts.sessionId],
    ['Agent', facts.agentId],
    ['Channel', facts.channel],
    ['Model', facts.model],
    ['State', facts.current ? 'current' : 'archived'],
    ['Begun', facts.startedAt === null ? null : `${dateTimeOf(zone, facts.startedAt)} (${facts.zone})`],
    ['Last', counts.last === null ? null : dateTimeOf(zone, counts.last)],
    ['Holds', countsText(counts)],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== null);
}
