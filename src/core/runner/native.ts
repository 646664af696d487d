/**
 * Conversations that an agent's program keeps itself. claw stores the program's id of them beside its own and goes on
 * with it; where that cannot be, the next run begins a new one and is given what was said so far.
 */
import type { RunnerConfig } from '../../config/schema.ts';
import type { Usage } from '../session/transcript.ts';

/** Why the program is told the history again, in a conversation that begins. */
export type ReseedReason =
  /** claw knows no native session of this conversation */
  | 'no-session'
  | 'runner-changed'
  | 'model-changed'
  | 'workspace-changed'
  /** the process that ran the turn died in it: nobody knows what the native session holds */
  | 'interrupted'
  /** it was compacted: its program begins a new one with the summary */
  | 'compacted'
  /** it failed so often that the native session itself may be the trouble */
  | 'failing'
  /** the program does not know the id any more */
  | 'unknown-session'
  /** the native session is too long for the model */
  | 'context-overflow';

/** The native session of a conversation, as the newest turns left it. */
export interface NativeSession {
  /** the program's own id */
  id: string;
  /** what it belongs to */
  runner: string;
  workspace: string;
  model?: string;
  /** counters of the program, where they go on from run to run */
  counted?: Counted;
  /** runs that failed since the last that went well */
  failures?: number;
  /** a turn over it ended without anybody knowing how */
  interrupted?: true;
  /** what is left of it stands in the transcript, and the next run begins anew with that */
  givenUp?: 'compacted' | 'context-overflow';
}

/** What the program had counted when a run ended. */
export interface Counted {
  inputTokens: number;
  outputTokens: number;
  costUsd?: number;
}

/** How a run is to use a native session. */
export type NativePlan =
  | { how: 'resumed'; id: string; known: NativeSession }
  /** `id`: a fresh UUID, for programs that let the caller choose; `previousId`: what is given up */
  | { how: 'new' | 'aside'; id: string }
  | { how: 'seeded'; id: string; reason: ReseedReason; previousId?: string };

/** How a run has used one; stands in its `turn_end`. `id` is there when the run went well and can be gone on with. */
export interface NativeUse {
  how: NativePlan['how'];
  reason?: ReseedReason;
  previousId?: string;
  id?: string;
  runner: string;
  workspace: string;
  model?: string;
  counted?: Counted;
}

/** So many failures in a row are taken for trouble with the native session, not with the weather. */
const MOST_FAILURES = 3;

/**
 * How the next run of a conversation is to be begun.
 *
 * @param facts known: the native session of the record; died: an earlier start of the turn died with its owner; hasHistory:
 *   there is something to tell; freshId: a UUID
 */
export function planNative(facts: {
  known: NativeSession | undefined;
  runnerName: string;
  runner: RunnerConfig;
  workspace: string;
  model: string | undefined;
  died: boolean;
  hasHistory: boolean;
  freshId: string;
}): NativePlan {
  const { known, freshId: id } = facts;
  const reason = reseedReason();
  if (reason === null) return { how: 'resumed', id: known!.id, known: known! };
  if (known === undefined && !facts.hasHistory) return { how: 'new', id };
  return { how: 'seeded', id, reason, ...(known ? { previousId: known.id } : {}) };

  function reseedReason(): ReseedReason | null {
    if (facts.died) return 'interrupted';
    if (typeof known?.id !== 'string') return 'no-session';
    if (known.runner !== facts.runnerName) return 'runner-changed';
    if (known.workspace !== facts.workspace) return 'workspace-changed';
    if (facts.runner.modelBound && (known.model ?? '') !== (facts.model ?? '')) return 'model-changed';
    if (known.givenUp) return known.givenUp;
    if (known.interrupted) return 'interrupted';
    return (known.failures ?? 0) >= MOST_FAILURES ? 'failing' : null;
  }
}

/**
 * The plan for a second try at once, after the program refused to go on; null where that would not help. A session that is
 * too long is compacted first.
 */
export function replanNative(
  plan: NativePlan,
  code: string,
  freshId: string,
): Extract<NativePlan, { how: 'seeded' }> | null {
  if (plan.how !== 'resumed') return null;
  if (code !== 'unknown-session') return null;
  return { how: 'seeded', id: freshId, reason: code, previousId: plan.id };
}

/**
 * What a finished run leaves of its native session, and its own share of the tokens.
 *
 * @param run reported: the id that the program told; usage: what it counted, null where it did not or the run failed
 * @returns follows: false when another id came back than was asked for and the preset does not trust it
 */
export function settleNative(
  plan: NativePlan,
  about: { runnerName: string; runner: RunnerConfig; workspace: string; model: string | undefined },
  run: { ended: 'well' | 'failed'; reported: string | undefined; usage: Usage | null },
): { use: NativeUse; usage: Usage | null; follows: boolean } {
  const { runner, runnerName, workspace, model } = about;
  const before: NativeUse = {
    how: plan.how,
    ...(plan.how === 'seeded' ? { reason: plan.reason } : {}),
    ...('previousId' in plan ? { previousId: plan.previousId! } : {}),
    runner: runnerName,
    workspace,
    ...(model === undefined ? {} : { model }),
  };
  const counted = countedBy(runner, run.usage);
  // A failed run stores nothing: what it counted is in the counters of the next that goes well.
  if (run.ended === 'failed') {
    const { costUsd, ...tokens } = run.usage ?? {};
    const isCost = costUsd !== undefined && (runner.costs ?? runner.usage) !== 'cumulative';
    const usage =
      run.usage && !countsOn(runner) ? { ...(tokens as Usage), ...(isCost ? { costUsd } : {}) } : null;
    return { use: before, usage, follows: true };
  }
  const id = run.reported ?? chosenId(plan, runner);
  const isSame = plan.how !== 'resumed' || run.reported === undefined || run.reported === plan.id;
  const follows = isSame || runner.onOtherSession === 'follow';
  const earlier = plan.how === 'resumed' && isSame ? plan.known.counted : undefined;
  return {
    use: {
      ...before,
      ...(id !== undefined && follows && plan.how !== 'aside' ? { id } : {}),
      ...(counted || earlier ? { counted: counted ?? earlier! } : {}),
    },
    usage: shareOf(runner, run.usage, earlier),
    follows,
  };
}

/** The native session after its conversation was compacted by claw, which tells what is left to a new one. */
export function nativeGivenUp(known: NativeSession, reason: string): NativeSession {
  return { ...known, givenUp: reason === 'overflow' ? 'context-overflow' : 'compacted' };
}

/** The native session after a turn has ended; undefined when there is none to go on with. */
export function nativeAfter(
  known: NativeSession | undefined,
  status: string,
  use: NativeUse | undefined,
): NativeSession | undefined {
  // A line may have been written by others, or by hand.
  const isUse = typeof use === 'object' && use !== null;
  if (isUse && use.how === 'aside') return known;
  if (!isUse) return known && status === 'interrupted' ? { ...known, interrupted: true } : known;
  if (status === 'replied' || status === 'silent') {
    if (use.id === undefined) return undefined;
    const { id, runner, workspace, model, counted } = use;
    return { id, runner, workspace, ...(model ? { model } : {}), ...(counted ? { counted } : {}) };
  }
  // Given up before the run: the next one must not go back to it.
  if (use.how === 'seeded' || known === undefined) return undefined;
  return status === 'failed' ? { ...known, failures: (known.failures ?? 0) + 1 } : known;
}

/** The id under which claw had the program begin, where its arguments have a place for one. */
function chosenId(plan: NativePlan, runner: RunnerConfig): string | undefined {
  const args = plan.how === 'resumed' ? runner.resumeArgs : runner.args;
  return (args ?? []).flat().some(arg => arg.includes('{{NativeSessionId}}')) ? plan.id : undefined;
}

function countsOn(runner: RunnerConfig): boolean {
  return runner.usage === 'cumulative';
}

function countedBy(runner: RunnerConfig, usage: Usage | null): Counted | undefined {
  const costs = runner.costs ?? runner.usage;
  if (usage === null || usage.estimated || (!countsOn(runner) && costs !== 'cumulative')) return undefined;
  const { inputTokens, outputTokens, costUsd } = usage;
  return { inputTokens, outputTokens, ...(costUsd === undefined ? {} : { costUsd }) };
}

/** Counters that go on, less what they were; one that is lower than before has begun anew. */
function shareOf(runner: RunnerConfig, usage: Usage | null, earlier: Counted | undefined): Usage | null {
  if (usage === null || usage.estimated || earlier === undefined) return usage;
  const less = (now: number, then: number | undefined) =>
    then !== undefined && now >= then ? now - then : now;
  const isAll = countsOn(runner);
  const inputTokens = isAll ? less(usage.inputTokens, earlier.inputTokens) : usage.inputTokens;
  const outputTokens = isAll ? less(usage.outputTokens, earlier.outputTokens) : usage.outputTokens;
  const isCost = (runner.costs ?? runner.usage) === 'cumulative';
  return {
    ...usage,
    inputTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    ...(usage.costUsd === undefined
      ? {}
      : { costUsd: isCost ? less(usage.costUsd, earlier.costUsd) : usage.costUsd }),
  };
}
