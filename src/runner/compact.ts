/**
 * Compaction of one session, and the saving of memory before it. The agent is asked beside the conversation; what it
 * answers becomes one line of the transcript. That line is the whole change: before it is written the session is as it
 * was, and whoever dies on the way leaves nothing to be mended.
 */
import {
  type CompactionPlan,
  type CompactionSettings,
  chunkSize,
  chunksBySize,
  compactionSettings,
  isWorthwhile,
  type Piece,
  planCompaction,
  pruneToBudget,
  type RoomVerdict,
  replacedTokens,
  splitByShare,
} from '../core/context/compaction.ts';
import { estimateTokens, messageTokens, summaryMessage } from '../core/context/history.ts';
import { clippedMessage, flushPrompt, judgeSummary, summaryPrompt } from '../core/context/summary.ts';
import { RUNNER_DEFAULTS } from '../core/runner/verdict.ts';
import type { ContextCount, SessionRecord } from '../core/session/session.ts';
import {
  type CompactEntry,
  type Entry,
  type MemoryFlushEntry,
  sumOfUsage,
  type Usage,
} from '../core/session/transcript.ts';
import { append } from './accept.ts';
import { countContext, entriesOf } from './assemble.ts';
import type { EndedRun } from './converse.ts';
import type { Desk, Seat, State } from './desk.ts';

/** What an agent is asked beside the conversation. `history`: it is given what was said. */
export interface Question {
  body: string;
  history: boolean;
  timeoutSeconds: number;
  /** a command of the program, understood only in a session that goes on: without one nothing is asked */
  isCommand?: true;
}

/** Asks the session's agent something beside the conversation; writes nothing. */
export type Ask = (record: SessionRecord, question: Question) => Promise<EndedRun>;

/**
 * Keeps what an agent wants remembered among its notes (`runner/remember`); null: there was nothing to keep. `announce` hears
 * of it before its first byte is written.
 */
export type AppendFlush = (
  desk: Desk,
  agentId: string,
  text: string,
  now: number,
  announce: (note: { path: string; text: string }) => void,
) => Promise<{ path: string } | null>;

/** What a compaction is asked for. */
export interface CompactionOrder {
  reason: 'auto' | 'overflow' | 'manual' | 'prune';
  /** what the person wants kept in mind */
  instructions: string;
  runId: string;
  /** an entry of the turn under way: it stays */
  isOwn(entry: Entry): boolean;
  /** names of people stand before what they said */
  group: boolean;
  /** the agent's program keeps the conversation in a session of its own, which is given up for what is left here */
  reseeds?: boolean;
  /** most that the agent can take, where it has shown to be less than configured, in tokens */
  limit?: number;
}

export type CompactionOutcome =
  | { status: 'compacted'; state: State; entry: CompactEntry }
  | { status: 'nothing'; reason: string }
  | { status: 'failed'; code: string; message: string }
  | { status: 'stopped'; run: EndedRun };

/** Longest that one question takes, and all of them together. */
export const QUESTION_SECONDS = 180;
const ALL_SECONDS = 600;

/**
 * Compacts a session. Nothing changes unless it returns `compacted`: then one line was appended.
 *
 * @param state of a session that is held, and has a transcript
 * @throws what `ask` throws: TurnInterrupted, ClawError `lease-lost`; and trouble with the disk
 */
export async function compactSession(
  desk: Desk,
  seat: Seat,
  state: State,
  order: CompactionOrder,
  ask: Ask,
): Promise<CompactionOutcome> {
  const record = state.record!;
  const settings = compactionSettings(desk.config, seat.agentId);
  const budget = Math.min(settings.budget, order.limit ?? settings.budget);
  const { plan, count } = divide(desk, record, settings, budget, order);
  if (plan.removed.length === 0) {
    const fresh = freshStart(desk, state, plan, count, order);
    if (fresh !== null) return fresh;
    const kept =
      plan.keptTurns === 1
        ? 'the newest turn is kept as it is'
        : `the newest ${plan.keptTurns} turns are kept as they are`;
    return {
      status: 'nothing',
      reason: plan.keptTurns === 0 ? 'nothing was said yet' : kept,
    };
  }
  if (order.reason === 'auto' && !isWorthwhile(plan, budget))
    return { status: 'nothing', reason: 'what could be left out is too little' };

  if (withoutSummary(settings, order)) {
    // A summary that was made before outlives the change of mode.
    const entry = lineOf(desk, plan, count, order, {
      text: plan.previous?.summary ?? null,
      usage: null,
      unread: 0,
    });
    return { status: 'compacted', state: append(desk, state, [entry]).state, entry };
  }
  const made = await summarise(desk, record, plan, settings, budget, order, ask);
  if (made.status !== 'made') return made;
  const entry = lineOf(desk, plan, count, order, made);
  if (entry.tokensAfter >= entry.tokensBefore) {
    const message = `the context would be no smaller (about ${entry.tokensAfter} tokens)`;
    return { status: 'failed', code: 'summary-too-long', message };
  }
  return { status: 'compacted', state: append(desk, state, [entry]).state, entry };
}

/**
 * Where all turns are kept as they are and the agent's program holds much beside them (what its tools printed): a session
 * that begins with those turns alone. Null where that would be no smaller.
 */
function freshStart(
  desk: Desk,
  state: State,
  plan: CompactionPlan,
  count: ContextCount,
  order: CompactionOrder,
): CompactionOutcome | null {
  const { reported } = count;
  if (!order.reseeds || plan.keptTurns === 0 || state.record!.native === undefined) return null;
  if (reported === undefined) return null;
  const nothing = { text: plan.previous?.summary ?? null, usage: null, unread: 0 };
  const entry = { ...lineOf(desk, plan, count, order, nothing), tokensBefore: reported.tokens };
  if (entry.tokensAfter >= entry.tokensBefore) return null;
  return { status: 'compacted', state: append(desk, state, [entry]).state, entry };
}

/** A person who asks for it by hand gets a summary, whatever is done unasked. */
function withoutSummary({ mode }: CompactionSettings, { reason }: CompactionOrder): boolean {
  return mode === 'prune' && reason !== 'manual';
}

function divide(
  desk: Desk,
  record: SessionRecord,
  settings: CompactionSettings,
  budget: number,
  order: CompactionOrder,
): { plan: CompactionPlan; count: ContextCount } {
  const file = desk.layout.transcript(record.agentId, record.sessionId);
  const plan = planCompaction(entriesOf(desk, file), {
    // Without a summary as much as has its room is kept.
    turns: withoutSummary(settings, order) ? Number.POSITIVE_INFINITY : settings.keepRecentTurns,
    budget,
    read: chunkSize(settings, [], budget).read,
    group: order.group,
    isOwn: order.isOwn,
  });
  return { plan, count: countContext(desk, record, settings.window * 2) };
}

function lineOf(
  desk: Desk,
  plan: CompactionPlan,
  count: ContextCount,
  { reason, runId, reseeds }: CompactionOrder,
  { text, usage, unread }: { text: string | null; usage: Usage | null; unread: number },
): CompactEntry {
  const timestamp = desk.context.now();
  const { keptFrom, keptTurns, keptTokens, removedTurns } = plan;
  // Counted in the record: what was cut was not even read.
  const removed = plan.isCut ? Math.max(removedTurns, count.turns - keptTurns) : removedTurns;
  const line: CompactEntry = {
    type: 'compact',
    timestamp,
    reason,
    turns_removed: removed,
    ...(text === null ? {} : { summary: text }),
    ...(keptFrom ? { keptFrom: keptFrom.id, keptFromAt: keptFrom.at } : {}),
    turnsKept: keptTurns,
    tokensBefore: Math.max(keptTokens + replacedTokens(plan), plan.isCut ? count.tokens : 0),
    tokensAfter: 0,
    ...(unread + (removed - removedTurns) > 0 ? { turnsUnread: unread + (removed - removedTurns) } : {}),
    ...(reseeds ? { reseeds } : {}),
    runId,
    ...(usage ? { usage } : {}),
  };
  const summary = summaryMessage(line);
  return { ...line, tokensAfter: keptTokens + (summary ? messageTokens(summary.content) : 0) };
}

type Summary =
  | { status: 'made'; text: string; usage: Usage | null; unread: number }
  | Extract<CompactionOutcome, { status: 'failed' | 'stopped' }>;

/** The summary of what a plan removes; where it fails, once more of only the newest part. */
async function summarise(
  desk: Desk,
  record: SessionRecord,
  plan: CompactionPlan,
  settings: CompactionSettings,
  budget: number,
  order: CompactionOrder,
  ask: Ask,
): Promise<Summary> {
  const tokens = plan.removed.map(piece => piece.tokens);
  const replaces = replacedTokens(plan);
  const { size } = chunkSize(settings, [...tokens, replaces - plan.removedTokens], budget);
  const most = Math.max(
    40,
    Math.floor(Math.min(settings.summaryMaxTokens, budget / 4, Math.max(replaces / 2, 40))),
  );
  const deadline = desk.context.now() + ALL_SECONDS * 1000;
  const spent: Usage[] = [];
  let failure: Extract<Summary, { status: 'failed' }> | null = null;
  for (const attempt of [1, 2]) {
    const kept = attempt === 1 ? plan.removed.map((_, index) => index) : newestPart(tokens, size);
    const pieces = kept.map(index => plan.removed[index]!);
    const unread = plan.removed.length - pieces.length;
    const made = await askInPieces(pieces);
    if (made.status !== 'failed') {
      return made.status === 'made' ? { ...made, unread: turnsIn(plan.removed.slice(0, unread)) } : made;
    }
    failure = made;
    if (desk.context.now() >= deadline) break;
  }
  return failure!;

  async function askInPieces(pieces: Piece[]): Promise<Summary> {
    let soFar = plan.previous?.summary ?? null;
    let done = soFar === null ? 0 : estimateTokens(soFar);
    for (const chunk of chunksBySize(
      pieces.map(piece => piece.tokens),
      size,
    )) {
      const now = desk.context.now();
      if (now >= deadline) {
        return failed('summary-timeout', `the summary was not made within ${ALL_SECONDS} s`);
      }
      const part = chunk.map(index => pieces[index]!);
      done += part.reduce((sum, piece) => sum + piece.tokens, 0);
      const run = await ask(record, {
        body: summaryPrompt({
          messages: part.map(({ message }) => clippedMessage(message, size)),
          soFar,
          instructions: order.instructions,
          most,
        }),
        history: false,
        timeoutSeconds: Math.max(1, Math.min(QUESTION_SECONDS, Math.ceil((deadline - now) / 1000))),
      });
      if (run.stop) return { status: 'stopped', run };
      const { outcome } = run;
      if (outcome.usage) spent.push(outcome.usage);
      if (outcome.status === 'failed') return failed(`summary-${outcome.error.code}`, outcome.error.message);
      const verdict = judgeSummary(outcome.status === 'replied' ? outcome.text : '', done, most);
      if (!verdict.ok) return failed(verdict.code, verdict.message);
      soFar = verdict.text;
    }
    return soFar === null
      ? failed('summary-empty', 'there was nothing to summarise')
      : { status: 'made', text: soFar, usage: sumOfUsage(spent), unread: 0 };
  }
}

function failed(code: string, message: string): Extract<Summary, { status: 'failed' }> {
  return { status: 'failed', code, message };
}

/** Indexes of the newest messages that are one piece; at most half of all where they were one already. */
function newestPart(tokens: number[], size: number): number[] {
  const { kept } = pruneToBudget(tokens, size);
  if (kept.length < tokens.length || tokens.length < 2) return kept;
  return splitByShare(tokens, 2).at(-1)!;
}

function turnsIn(pieces: Piece[]): number {
  return pieces.filter(({ message }) => message.role === 'user').length;
}

/** What came of making room before a turn. */
export interface Room {
  state: State;
  /** for the person, beside the reply */
  notices: string[];
  /** said with this turn, so that it is not tried or said at each one */
  uncompacted?: { tokens: number; code: string; message: string };
  compacted: boolean;
  /** somebody ended the turn meanwhile */
  stopped: EndedRun | null;
}

/**
 * Before a turn: saves memory where the context is nearly full, and compacts it where the turn would not fit. At most one
 * of each (openclaw#66058). Never fails for anything the agent does: the turn then begins with what fits.
 *
 * @param verdict what is due
 * @param order what the turn is; reason and instructions follow from the settings
 */
export async function makeRoom(
  desk: Desk,
  seat: Seat,
  state: State,
  verdict: RoomVerdict,
  order: Pick<CompactionOrder, 'runId' | 'isOwn' | 'group'>,
  by: { ask: Ask; askMemory: Ask; appendFlush: AppendFlush; savesMemory: boolean; silentToken: string },
): Promise<Room> {
  const settings = compactionSettings(desk.config, seat.agentId);
  let current = state;
  const done = (more: Partial<Room> = {}): Room => ({
    state: current,
    notices: [],
    compacted: false,
    stopped: null,
    ...more,
  });
  if (verdict.flush && by.savesMemory) {
    const flushed = await saveMemory(desk, seat, current, verdict.tokens, settings, order.runId, by);
    if ('stop' in flushed) return done({ stopped: flushed });
    current = flushed;
  }
  if (verdict.room !== 'full') return done();
  const full = 'The context is full, so that older messages are no longer sent to the agent';
  if (settings.mode === 'manual') {
    const uncompacted = { tokens: verdict.tokens, code: 'manual', message: 'compaction.mode is manual' };
    return done({ notices: [`${full}. /compact summarises them.`], uncompacted });
  }
  const reason = settings.mode;
  const outcome = await compactSession(desk, seat, current, { ...order, reason, instructions: '' }, by.ask);
  if (outcome.status === 'stopped') return done({ stopped: outcome.run });
  if (outcome.status === 'compacted') {
    current = outcome.state;
    return done({ compacted: true });
  }
  if (outcome.status === 'nothing') {
    return done({ uncompacted: { tokens: verdict.tokens, code: 'nothing', message: outcome.reason } });
  }
  const { code, message } = outcome;
  desk.warn(`session ${seat.key} could not be compacted: ${message}; its context is as it was`);
  return done({
    notices: [`${full}, and summarising them failed. /compact tries again.`],
    uncompacted: { tokens: verdict.tokens, code, message: message.slice(0, 500) },
  });
}

/**
 * Asks the agent to save what must survive a compaction. What it prints is its own note, never a reply
 * (openclaw#85220): it goes into a file, or into the log where it failed.
 */
async function saveMemory(
  desk: Desk,
  seat: Seat,
  state: State,
  tokens: number,
  settings: CompactionSettings,
  runId: string,
  by: { askMemory: Ask; appendFlush: AppendFlush; silentToken: string },
): Promise<State | EndedRun> {
  const { askMemory, appendFlush, silentToken } = by;
  const { threshold, ...given } = settings.flush!;
  const run = await askMemory(state.record!, {
    body: flushPrompt(silentToken, given),
    history: true,
    timeoutSeconds: QUESTION_SECONDS,
  });
  if (run.stop) return run;
  const { outcome, native } = run;
  const now = desk.context.now();
  let current = state;
  const tell = (said: Pick<MemoryFlushEntry, 'result' | 'file' | 'note' | 'error'>) => {
    const { usage } = outcome;
    const entry = { type: 'memory_flush', timestamp: now, runId, ...said, tokens, threshold } as const;
    if (said.error) desk.warn(`session ${seat.key}: memory could not be saved: ${said.error.message}`);
    // What the run came to is told with the first line of it.
    const run = { ...(native ? { native } : {}), ...(usage ? { usage } : {}) };
    current = append(desk, current, [current === state ? { ...entry, ...run } : entry]).state;
  };
  if (outcome.status === 'silent') tell({ result: 'silent' });
  else if (outcome.status === 'failed') tell(failedFlush(outcome.error.code, outcome.error.message));
  else {
    try {
      // The line comes first: whoever recovers from a death in between does the rest, and nobody asks the agent again.
      const announce = (note: { path: string; text: string }) =>
        tell({ result: 'saved', file: note.path, note: note.text });
      const added = await appendFlush(desk, seat.agentId, outcome.text, now, announce);
      if (added === null) tell({ result: 'silent' });
    } catch (error) {
      tell(failedFlush('io', (error as Error).message));
    }
  }
  return current;
}

function failedFlush(code: string, message: string): Pick<MemoryFlushEntry, 'result' | 'error'> {
  return { result: 'failed', error: { code, message: message.slice(0, 500) } };
}

/** How a runner is told to say nothing. */
export function silentTokenOf(runner: { silentTokens?: readonly string[] | undefined } | undefined): string {
  return runner?.silentTokens?.[0] ?? RUNNER_DEFAULTS.silentTokens[0];
}
