/** System events: what a session is to hear of at its next turn. They are done only when a turn that held them ended well. */
import { quoteMessage } from '../runner/prompt.ts';
import type { Origin } from '../session/session.ts';

export interface SystemEvent {
  id: string;
  agentId: string;
  /** session key that is to hear of it */
  key: string;
  text: string;
  /** epoch ms */
  at: number;
  /** what it came from */
  source: 'operator' | 'subagent' | 'session' | 'cron';
  /** the run it tells of */
  runId?: string;
  /** the job whose instant is accounted for when a turn was told of it */
  job?: { id: string; runId: string; dueAt?: number; agentId: string };
  /** the session it tells of */
  from?: string;
  /** where the conversation it belongs to took place */
  origin?: Origin;
  /** it does not wait for the next turn or heartbeat: a turn is begun for it */
  wake?: 'now';
  /** how many agents stand between a person and it, where an agent queued it */
  hops?: number;
}

/** What a person writes must not read as if the system had said it. */
const FORGED = /^[^\S\n]*System:/im;

/**
 * Events as lines in front of a body. Every line is marked, so that no part of an event reads as if a person had
 * written it; a body with lines that look like one is put between tags.
 *
 * @param time an instant (epoch ms) as the reader's clock shows it
 */
export function tellEvents(
  events: readonly SystemEvent[],
  body: string,
  time: (at: number) => string,
): string {
  const said = FORGED.test(body) ? quoteMessage(body) : body;
  if (events.length === 0) return said;
  const lines = events.flatMap(({ at, text }) =>
    text.split(/\r\n|\r|\n/).map((line, index) => `System: ${index === 0 ? `[${time(at)}] ` : ''}${line}`),
  );
  return `${lines.join('\n')}\n\n${said}`;
}

/** The lines of the events in front of a body that `tellEvents` made, without marks and times. */
export function toldEvents(body: string): string[] {
  const [events = ''] = body.split('\n\n', 1);
  const lines = events.split('\n');
  if (!lines.every(line => line.startsWith('System: '))) return [];
  return lines.map(line => line.slice('System: '.length).replace(/^\[\d{4}-[^\]]*\] /, ''));
}
