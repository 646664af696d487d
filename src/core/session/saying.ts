/** What was said in a line of a transcript, whichever tool wrote the line: for showing, searching and exporting only. */
import { type Entry, isCommandEntry, roleOf } from './transcript.ts';

/** A message, or a command with its answer. */
export interface Saying {
  role: 'user' | 'assistant' | 'command';
  /** epoch ms; null where the line tells no time */
  at: number | null;
  /**
   * the speaker as people call him, else his id; null when the line does not say. Of what was sent from another session
   * `session <key>` or `operator`, of what a schedule wrote `heartbeat` or `job <id>`, of what an agent wrote otherwise `an agent` where it gave no name
   */
  from: string | null;
  text: string;
  /** the answer to a command */
  reply: string | null;
  /** what came with it, a line each; absent: nothing */
  attachments?: string[];
  /** where a person's message came in; null for replies */
  channel: string | null;
}

/** The message or command of a line; null for everything else. */
export function sayingOf(entry: Entry): Saying | null {
  if (typeof entry.type !== 'string') return null;
  const role = roleOf(entry);
  const fields = entry as { timestamp?: unknown; origin?: unknown; message?: { content?: unknown } };
  const at = timeOf(entry);
  const { from, channel } = speaker(fields.origin);
  if (role !== null) {
    const text = textOf(fields.message?.content);
    if (role === 'assistant') return { role, at, from: null, text, reply: null, channel };
    const attachments = attachedTo(entry);
    const said: Saying = { role, at, from: senderOf(entry) ?? from, text, reply: null, channel };
    if (said.from === null && (entry as { hops?: unknown }).hops) said.from = 'an agent';
    return attachments.length > 0 ? { ...said, attachments } : said;
  }
  if (!isCommandEntry(entry)) return null;
  return { role: 'command', at, from, text: entry.text, reply: entry.reply, channel };
}

/**
 * From which session a message came, or that the operator, a heartbeat or a job wrote it; null where it came from a
 * conversation's people.
 */
export function senderOf(entry: Entry): string | null {
  const { sentFrom, job } = entry as { sentFrom?: unknown; job?: { kind?: unknown; id?: unknown } };
  if (job?.kind === 'heartbeat') return job.kind;
  if (job?.kind === 'cron') return `job ${job.id}`;
  if (typeof sentFrom !== 'string' || sentFrom === '') return null;
  return sentFrom === 'operator' ? sentFrom : `session ${sentFrom}`;
}

/** The attachments of a message in words: `photo.jpg (image/jpeg): /tmp/x`. */
function attachedTo(entry: Entry): string[] {
  const { attachments } = entry as { attachments?: unknown };
  if (!Array.isArray(attachments)) return [];
  return attachments.map(each => {
    const { name, type, path, url } = (each ?? {}) as Record<string, unknown>;
    const what = [name, type && `(${type})`].filter(Boolean).join(' ');
    return [what, path ?? url].filter(Boolean).join(': ') || 'something';
  });
}

/** When a line was written, epoch ms; null when it does not say, or says what is no time. */
export function timeOf(entry: Entry): number | null {
  const time = (entry as { timestamp?: unknown }).timestamp;
  const at = typeof time === 'string' ? Date.parse(time) : time;
  return typeof at === 'number' && Math.abs(at) <= 8.64e15 ? at : null;
}

/** Content is a string, or the parts of a message as other systems write them; of those the texts. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.flatMap(part => (typeof part?.text === 'string' ? [part.text] : [])).join('\n');
}

function speaker(origin: unknown): { from: string | null; channel: string | null } {
  if (typeof origin !== 'object' || origin === null) return { from: null, channel: null };
  const { fromName, from, channel } = origin as Record<string, unknown>;
  const name = [fromName, from].find(each => typeof each === 'string' && each.trim() !== '');
  return {
    from: typeof name === 'string' ? name : null,
    channel: typeof channel === 'string' ? channel : null,
  };
}
