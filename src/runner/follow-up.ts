/**
 * What stands around the start of an agent: room made before it, and a further start where the first has failed in a way
 * that can be helped. `runner/run.ts` goes through it in this order.
 */
import type { RunnerConfig } from '../config/schema.ts';
import { compactionSettings, judgeKeptRoom, judgeRoom } from '../core/context/compaction.ts';
import { messageTokens } from '../core/context/history.ts';
import { mayQuoteNotes } from '../core/memory/rule.ts';
import { fallbackStart, followOn, modelFallbacks } from '../core/runner/fallback.ts';
import type { NativePlan } from '../core/runner/native.ts';
import { unseenStarts } from '../core/session/transcript.ts';
import { append } from './accept.ts';
import { countContext } from './assemble.ts';
import type { Ask, Room } from './compact.ts';
import { type Attendance, askerOf, type EndedRun, ownOf, requestOf } from './converse.ts';
import type { Desk, OpenTurn, Seat, State } from './desk.ts';
import { keepsSession, sendsHistory } from './resolve.ts';

/** A turn under way: its runner as resolved, undefined for recall, and who may end it. */
export interface Underway {
  open: OpenTurn;
  runner: RunnerConfig | undefined;
  attend: Attendance;
}

/** A session of an earlier claw, or of another tool, whose record does not say how full its context is. */
export function countedState(desk: Desk, state: State, runner: RunnerConfig | undefined): State {
  const record = state.record!;
  if (record.context || !sendsHistory(runner)) return state;
  const enough = 2 * compactionSettings(desk.config, record.agentId).window;
  return { ...state, record: { ...record, context: countContext(desk, record, enough) } };
}

/**
 * Room for a turn: memory saved and, where claw sends the conversation, its context compacted, when it is time. Null where
 * nothing is due, which is nearly always, and costs nothing. A turn whose owner died is not held up by it again: it may
 * have been what he died of (openclaw#14772).
 */
export async function roomFor(
  desk: Desk,
  seat: Seat,
  state: State,
  { open, runner, attend }: Underway,
): Promise<Room | null> {
  const { turn, users } = open;
  const record = state.record!;
  const keeps = keepsSession(runner);
  if (!keeps && !sendsHistory(runner)) return null;
  if (unseenStarts(turn) > 1 || users.at(-1)!.job?.kind === 'heartbeat') return null;
  if (keeps && record.context === undefined) return null;
  const settings = compactionSettings(desk.config, seat.agentId);
  const count = countContext(desk, record, settings.window * 2);
  const verdict = keeps ? judgeKeptRoom(count, settings) : judgeRoom(count, settings);
  // Notes are of the agent's owner: what is said elsewhere does not go among them.
  const savesMemory = mayQuoteNotes({ sessionKey: seat.key, origin: users.at(-1)!.origin });
  if (!(verdict.flush && savesMemory) && verdict.room !== 'full') return null;
  // A session that begins has nothing to save.
  if (keeps && requestOf(desk, seat, { record, open, runner }).native?.how !== 'resumed') return null;
  const { makeRoom, silentTokenOf } = await import('./compact.ts');
  const { appendFlush } = await import('./remember.ts');
  const ask: Ask = askerOf(desk, seat, open, attend);
  return makeRoom(desk, seat, state, verdict, ownOf(open), {
    ask,
    // The program's own session knows more than claw could tell to another.
    askMemory: keeps ? askerOf(desk, seat, open, attend, { within: true }) : ask,
    appendFlush,
    savesMemory,
    silentToken: silentTokenOf(runner),
  });
}

/** A further start: the state with its line, and how it is to use the native session where that is already known. */
export interface Further {
  state: State;
  open: OpenTurn;
  plan?: NativePlan;
  /** for the person, beside the reply */
  notice?: string;
  /** somebody ended the turn before it */
  stopped: EndedRun | null;
}

/**
 * The start that follows on one that failed: behind a compaction where the agent was given more than it can read, else
 * with the next of `modelFallbacks`. Null where nothing helps.
 *
 * @param mayCompact false: it was compacted before this turn
 */
export async function followUp(
  desk: Desk,
  seat: Seat,
  state: State,
  run: EndedRun,
  underway: Underway,
  mayCompact: boolean,
): Promise<Further | null> {
  if (run.outcome.status !== 'failed' || run.stop !== null) return null;
  const { open, runner } = underway;
  const smaller = mayCompact ? await afterOverflow(desk, seat, state, run, underway) : null;
  if (smaller !== null) return smaller;
  const { code, message } = run.outcome.error;
  const models = modelFallbacks(desk.config, seat.agentId);
  const turn = fallbackStart(models, runner, open.turn, code, desk.context.now());
  if (turn === null) return null;
  desk.warn(
    `session ${seat.key}: ${open.turn.model ?? `the model of ${turn.runner}`} failed (${message.slice(0, 200)}); ${turn.model} is asked`,
  );
  return {
    state: append(desk, state, [turn]).state,
    open: { ...open, turn },
    stopped: null,
  };
}

/**
 * Where the agent failed because it was given more than it can read: the context compacted to less than that. A program
 * that keeps the conversation begins a new session with what is left, or with what fits where nothing could be left out.
 */
async function afterOverflow(
  desk: Desk,
  seat: Seat,
  state: State,
  run: EndedRun,
  { open, runner, attend }: Underway,
): Promise<Further | null> {
  const keeps = keepsSession(runner);
  if (run.outcome.status !== 'failed' || !(keeps || sendsHistory(runner))) return null;
  const { overflowOf } = await import('../core/runner/overflow.ts');
  const overflow = overflowOf(run.outcome);
  if (overflow === null) return null;
  const hint =
    '/compact summarises the conversation; agents.defaults.contextTokens should be what the model can read';
  run.outcome = { ...run.outcome, error: { ...run.outcome.error, hint } };
  const { mode } = compactionSettings(desk.config, seat.agentId);
  const further = (from: State): Further => {
    const turn = followOn(open.turn, 'context-overflow', desk.context.now());
    return { state: append(desk, from, [turn]).state, open: { ...open, turn }, stopped: null };
  };
  // What was said in the session of a program is not known to claw: only what it told counts as sent.
  const wasTold = run.native?.how !== 'resumed';
  const anew = wasTold
    ? null
    : ({ how: 'seeded', id: desk.context.newId(), reason: 'context-overflow' } as const);
  if (mode !== 'manual') {
    const { body, history } = requestOf(desk, seat, { record: state.record!, open, runner });
    const sent = [body, ...history.map(({ content }) => content)].reduce(
      (sum, text) => sum + messageTokens(text),
      0,
    );
    const { compactSession } = await import('./compact.ts');
    const limit = Math.min(
      wasTold ? sent / 2 : Number.POSITIVE_INFINITY,
      (overflow.limit ?? Number.POSITIVE_INFINITY) * 0.7,
    );
    const order = {
      ...ownOf(open),
      reason: 'overflow' as const,
      instructions: '',
      limit,
      reseeds: keeps,
    };
    const outcome = await compactSession(desk, seat, state, order, askerOf(desk, seat, open, attend));
    if (outcome.status === 'stopped') return { state, open, stopped: outcome.run };
    if (outcome.status === 'compacted') return further(outcome.state);
    const why = outcome.status === 'failed' ? outcome.message : outcome.reason;
    desk.warn(`session ${seat.key} was too long for its agent and could not be compacted: ${why}`);
  }
  if (anew === null) return null;
  const previousId = state.record!.native?.id;
  return {
    ...further(state),
    plan: { ...anew, ...(previousId ? { previousId } : {}) },
    notice:
      'The conversation had become too long for its program, and goes on with only the newest part of it. /compact summarises the rest.',
  };
}
