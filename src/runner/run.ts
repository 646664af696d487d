/**
 * One turn of an agent from its start, or starts, to what its end leaves in the transcript and the reply on its way back.
 * `runner/turn.ts` decides when.
 */
import { applyResponsePrefix, prefixValues } from '../core/delivery/response-prefix.ts';
import {
  type AssistantEntry,
  type Entry,
  type SendVerdict,
  sumOfUsage,
  type TurnEndEntry,
  type TurnEntry,
  type Usage,
} from '../core/session/transcript.ts';
import { append } from './accept.ts';
import { converse, type EndedRun } from './converse.ts';
import { type Desk, type Hooks, type OpenTurn, type Seat, type State, TurnInterrupted } from './desk.ts';
import { countedState, type Further, followUp, roomFor } from './follow-up.ts';
import { settleTurn, syncAndSave } from './hand-over.ts';
import { sendVerdict, settingsOf } from './judge.ts';
import { runnerOf } from './resolve.ts';

/** Runs the agent of an accepted turn, appends how it ended, hands the reply back and saves the record. */
export async function runTurn(
  desk: Desk,
  seat: Seat,
  state: State,
  accepted: OpenTurn,
  hooks: Hooks,
  direct: string | null = null,
): Promise<State> {
  const record = state.record!;
  const { users } = accepted;
  // A person's Ctrl-C and what is streamed concern the caller's own message, never one that merely waited here.
  const own = users.find(user => user.id === direct);
  const stopped = () => own !== undefined && hooks.stopped?.() === true;
  if (hooks.signal?.aborted && !stopped()) throw new TurnInterrupted();
  const { origin } = users.at(-1)!;
  const verdict = () => sendVerdict(desk, seat.key, origin, settingsOf(desk, record));
  // Where nothing may be sent, nothing is shown as it comes either.
  // A prefix stands before the whole; it is not known before the reply is.
  const streams =
    own !== undefined && verdict().decision === 'allow' && !desk.config.messages?.responsePrefix;
  const onDelta = streams && hooks.onDelta ? onNewLine(hooks.onDelta) : null;
  const attend = { stopped, signal: hooks.signal };
  const runner = await runnerOf(desk.config, accepted.turn.runner);
  // Counted once where no count was kept, and from here on with each line.
  const counted = countedState(desk, state, runner);
  const room = await roomFor(desk, seat, counted, { open: accepted, runner, attend });
  if (direct !== null) {
    const { turn } = accepted;
    hooks.onStart?.({ ...turn, notices: [...turn.notices, ...(room?.notices ?? [])] });
  }
  const kind = users.at(-1)!.job?.kind;
  const start = ({ state: from, open, plan }: Further) => {
    onDelta?.begin();
    return converse(desk, seat, from.record!, open, {
      ...attend,
      kind,
      // What a heartbeat thinks is no part of the conversation; what it says is told with the next message.
      ...(kind === 'heartbeat' ? { aside: true } : {}),
      ...(plan ? { plan } : {}),
      onDelta: onDelta?.push,
    });
  };
  let current: Further = { state: room?.state ?? counted, open: accepted, stopped: room?.stopped ?? null };
  let run = current.stopped ?? (await start(current));
  const notices = [...(room?.notices ?? [])];
  // By the starts that others followed: it was paid for, too.
  const spent: (Usage | null)[] = [];
  let spentMs = 0;
  let mayCompact = !room?.compacted && kind !== 'heartbeat';
  for (;;) {
    const underway = { open: current.open, runner, attend };
    const further = await followUp(desk, seat, current.state, run, underway, mayCompact);
    if (further === null) break;
    // Once: what was compacted and is still too much is not helped by the same again.
    mayCompact &&= further.open.turn.after?.code !== 'context-overflow';
    spent.push(run.outcome.usage);
    spentMs += run.outcome.durationMs;
    current = further;
    if (further.notice) notices.push(further.notice);
    run = further.stopped ?? (await start(further));
  }
  const { open } = current;
  const ending = endingOf(desk, seat.agentId, open, run, verdict());
  const { reply, steps } = ending;
  const end: TurnEndEntry = {
    ...ending.end,
    usage: usageOfStarts(spent, ending.end.usage),
    durationMs: Math.round(spentMs + run.outcome.durationMs),
    ...(notices.length > 0 ? { notices } : {}),
    ...(room?.uncompacted ? { uncompacted: room.uncompacted } : {}),
  };
  const next = append(desk, current.state, [...steps, ...(reply ? [reply] : []), end]).state;
  hooks.onEnd?.(end);
  const printed = new Set<string>();
  const { turn } = open;
  if (own && (await hooks.onAnswered?.({ state: 'ended', user: own, turn, end, reply }, record.sessionId)))
    printed.add(own.id);
  settleTurn(desk, seat, next.record!, open, end, reply, printed);
  syncAndSave(
    desk,
    seat,
    next.record!,
    users.some(user => user.queuedAs),
  );
  return { ...next, tail: [] };
}

/** What all starts of a turn have used; how full its context is, only the last that says so does. */
function usageOfStarts(before: readonly (Usage | null)[], last: Usage | null): Usage | null {
  const all = [...before, last].filter(usage => usage !== null);
  const newest = all.at(-1);
  if (all.length < 2 || newest === undefined) return newest ?? null;
  const { contextTokens = newest.inputTokens + newest.outputTokens } = newest;
  return { ...sumOfUsage(all)!, contextTokens };
}

/** What a start shows that follows on one which has shown something begins on a line of its own. */
function onNewLine(onDelta: NonNullable<Hooks['onDelta']>) {
  let isShown = false;
  let isBehind = false;
  return {
    begin: () => {
      isBehind = isShown;
    },
    push: (text: string) => {
      onDelta(isBehind ? `\n\n${text}` : text);
      isBehind = false;
      isShown = true;
    },
  };
}

/** What is said before a reply to the person, never to the model. */
function prefixOf(desk: Desk, agentId: string, turn: TurnEntry, text: string): { prefix?: string } {
  if (!desk.config.messages?.responsePrefix) return {};
  const thinkingLevel = turn.settings?.thinkingLevel;
  const values = prefixValues(desk.config, agentId, { model: turn.model, thinkingLevel });
  const whole = applyResponsePrefix(text, desk.config, values);
  return whole === text ? {} : { prefix: whole.slice(0, whole.length - text.length - 1) };
}

/**
 * The transcript lines that end a run.
 *
 * @param delivery whether its reply may go out
 */
export function endingOf(
  desk: Desk,
  agentId: string,
  { turn, users }: OpenTurn,
  { outcome, stop, native }: EndedRun,
  delivery: SendVerdict,
): { end: TurnEndEntry; reply: AssistantEntry | null; steps: Entry[] } {
  const { job } = users.at(-1)!;
  const timestamp = desk.context.now();
  const end: TurnEndEntry = {
    type: 'turn_end',
    timestamp,
    runId: turn.runId,
    status: stop ? 'stopped' : outcome.status,
    usage: outcome.usage,
    durationMs: Math.round(outcome.durationMs),
    ...(outcome.status === 'failed'
      ? { error: outcome.error, ...(outcome.output ? { output: outcome.output.slice(0, 4000) } : {}) }
      : {}),
    ...(stop?.kind === 'interrupt' ? { answeredBy: stop.messageId } : {}),
    ...(outcome.status === 'silent' && outcome.acknowledged ? { acknowledged: true } : {}),
    ...(delivery.decision === 'deny' ? { delivery } : {}),
    ...(job ? { unasked: true } : {}),
    ...(native ? { native } : {}),
  };
  const { runId } = turn;
  const steps = (outcome.steps ?? []).map(({ type, text }): Entry => {
    return type === 'tool_call' ? { type, timestamp, runId, name: text } : { type, timestamp, runId, text };
  });
  const { compacted } = outcome;
  if (compacted && native && native.how !== 'aside') {
    const { from: tokensBefore, to } = compacted;
    const sizes = { tokensBefore, ...(to === null ? {} : { tokensAfter: to }) };
    steps.push({
      type: 'compact',
      timestamp,
      reason: 'auto',
      byProgram: true,
      turns_removed: 0,
      ...sizes,
      runId,
    });
  }
  if (outcome.status !== 'replied') return { end, reply: null, steps };
  const message = { role: 'assistant' as const, content: outcome.text };
  return {
    end,
    steps,
    reply: {
      type: 'message',
      timestamp,
      runId: turn.runId,
      message,
      ...prefixOf(desk, agentId, turn, outcome.text),
      ...(turn.model ? { model: turn.model } : {}),
      ...(job?.kind === 'heartbeat' ? { job: job.kind } : {}),
    },
  };
}
