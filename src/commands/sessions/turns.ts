/** A transcript read once from beginning to end, for `sessions show --verbose`: its last turns, and what is wrong with it. */
import {
  type Entry,
  isAssistantEntry,
  isTurnEndEntry,
  isTurnEntry,
  isUserEntry,
  type TurnEndEntry,
  type TurnStatus,
  type Usage,
} from '../../core/session/transcript.ts';
import { parseLine, readForward } from '../../store/jsonl-file.ts';
import { isoTime } from '../format.ts';

/** One turn, by its newest start. */
export interface TurnReport {
  runId: string;
  at: string | null;
  /** open: begun, and no end yet */
  status: TurnStatus | 'open';
  runner: string;
  model: string | null;
  /** 2 when the first start died with its owner */
  attempt: number;
  usage: Usage | null;
  durationMs: number | null;
  error: TurnEndEntry['error'] | null;
  /** what a failed agent printed, clipped */
  output: string | null;
  /** what the user wrote; several messages of one turn are one text */
  text: string;
  reply: string | null;
}

export interface TranscriptReport {
  turns: TurnReport[];
  /** starts of an agent that were not the first of their turn */
  retries: number;
  compactions: number;
  badLines: { line: number; reason: string }[];
}

const LAST_TURNS = 10;
/** Messages are kept until the turn that answers them comes, a few lines on. */
const LAST_MESSAGES = 200;

/** Holds the last turns only, however long the transcript. */
export function reportTranscript(file: string): TranscriptReport {
  const report: TranscriptReport = { turns: [], retries: 0, compactions: 0, badLines: [] };
  const turns = new Map<string, TurnReport>();
  const texts = new Map<string, string>();
  let number = 0;
  for (const line of readForward(file)) {
    number++;
    const entry = parseLine(line.bytes);
    if (typeof entry === 'string') report.badLines.push({ line: number, reason: entry });
    else {
      take(entry);
      if (entry.type === 'compact') report.compactions++;
      if (isTurnEntry(entry) && entry.attempt > 1) report.retries++;
    }
  }
  return { ...report, turns: [...turns.values()] };

  function take(entry: Entry): void {
    if (isUserEntry(entry)) {
      texts.set(entry.id, entry.message.content);
      forgetOldest(texts, LAST_MESSAGES);
    } else if (isTurnEntry(entry)) {
      const { runId, runner, model, attempt, messageIds, timestamp } = entry;
      turns.delete(runId);
      turns.set(runId, {
        runId,
        at: isoTime(timestamp),
        status: 'open',
        runner,
        model: model ?? null,
        attempt,
        usage: null,
        durationMs: null,
        error: null,
        output: null,
        text: messageIds.flatMap(id => texts.get(id) ?? []).join('\n\n'),
        reply: null,
      });
      forgetOldest(turns, LAST_TURNS);
    } else if (isAssistantEntry(entry)) {
      const turn = turns.get(entry.runId);
      if (turn) turn.reply = entry.message.content;
    } else if (isTurnEndEntry(entry)) {
      const turn = turns.get(entry.runId);
      if (!turn) return;
      turn.status = entry.status;
      turn.usage = entry.usage ?? null;
      turn.durationMs = entry.durationMs ?? null;
      turn.error = entry.error ?? null;
      turn.output = entry.output ?? null;
    }
  }
}

function forgetOldest(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
