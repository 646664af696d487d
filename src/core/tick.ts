/**
 * What a tick has to do, in which order, and why. Pure: the facts say what is left over, what is due and what waits;
 * `--dry-run` prints the plan, `runner/tick.ts` carries it out and plans again whenever something has ended.
 */
import type { RunTrigger } from './schedule/run-record.ts';

export type TickAction =
  /** a job that was under way when its owner died */
  | { do: 'recover'; id: string; agentId: string; why: string }
  /** messages that wait, or a turn that was not finished */
  | { do: 'work'; agentId: string; key: string; why: string }
  /** events that are to be told at once */
  | { do: 'wake'; agentId: string; key: string; why: string }
  /** sessions whose day is over */
  | { do: 'reset'; keys: string[]; why: string }
  /** instants that passed and are not run */
  | { do: 'account'; id: string; agentId: string; why: string }
  /** a job (or heartbeat) whose time has come */
  | {
      do: 'run';
      id: string;
      agentId: string;
      dueAt: number;
      lateMs: number;
      trigger: RunTrigger;
      why: string;
    }
  /** a job that was to be removed once it had succeeded */
  | { do: 'remove'; id: string; agentId: string; why: string }
  | { do: 'deliver'; ids: string[]; why: string };

export interface TickFacts {
  /** epoch ms */
  now: number;
  /** claims whose owner is dead, by the id of their job */
  left: { id: string; agentId: string; startedAt: number }[];
  sessions: { agentId: string; key: string; evidence: 'turn' | 'waiting' }[];
  wakes: { agentId: string; key: string }[];
  /** sessions whose day is over; whether all that were used since the last look had to be looked at for it */
  resets: { keys: string[]; isLook: boolean };
  tasks: TaskOutlook[];
  /** deliveries that may be tried now */
  deliveries: string[];
}

/** What a job comes to now. */
export interface TaskOutlook {
  id: string;
  agentId: string;
  /** somebody living runs it */
  isRunning: boolean;
  /** instants to be recorded without a run, or a definition not seen before */
  accounts: number;
  /** the definition was not seen before, or is another one than it was */
  isNew: boolean;
  runs: { dueAt: number; trigger: RunTrigger }[];
  /** it has succeeded and is to go */
  isOver: boolean;
}

/** The plan, in the order of contract §9; jobs before heartbeats, each by the age of what is due. */
export function planTick(facts: TickFacts): TickAction[] {
  const { now, left, sessions, wakes, resets, tasks, deliveries } = facts;
  const recovered = new Set(left.map(({ id }) => id));
  const free = tasks.filter(({ id, isRunning }) => !isRunning && !recovered.has(id));
  const due = free
    .filter(({ runs, isOver }) => runs.length > 0 && !isOver)
    .map(({ id, agentId, runs }) => ({ id, agentId, ...runs[0]! }))
    .sort((a, b) => Number(isHeartbeat(a.id)) - Number(isHeartbeat(b.id)) || a.dueAt - b.dueAt);
  const passed = free.filter(({ runs, accounts, isOver }) => runs.length === 0 && accounts > 0 && !isOver);
  return [
    ...left.map(({ id, agentId, startedAt }) => ({
      ...{ do: 'recover' as const, id, agentId },
      why: `under way since ${timeOf(startedAt)}, and its owner is gone`,
    })),
    ...sessions.map(({ agentId, key, evidence }) => ({
      ...{ do: 'work' as const, agentId, key },
      why: evidence === 'turn' ? 'an unfinished turn' : 'waiting messages',
    })),
    ...wakes.map(({ agentId, key }) => ({
      ...{ do: 'wake' as const, agentId, key },
      why: 'events to be told now',
    })),
    ...(resets.keys.length > 0 || resets.isLook
      ? [{ do: 'reset' as const, keys: resets.keys, why: 'a daily reset has passed' }]
      : []),
    ...passed.map(({ id, agentId, accounts, isNew }) => ({
      ...{ do: 'account' as const, id, agentId },
      why: whatIsRecorded(isNew ? accounts - 1 : accounts, isNew),
    })),
    ...due.map(({ id, agentId, dueAt, trigger }) => ({
      ...{ do: 'run' as const, id, agentId, dueAt, trigger, lateMs: Math.max(0, now - dueAt) },
      why: trigger === 'retry' ? `a further try of ${timeOf(dueAt)}` : `due ${timeOf(dueAt)}`,
    })),
    ...free
      .filter(({ isOver }) => isOver)
      .map(({ id, agentId }) => ({ do: 'remove' as const, id, agentId, why: 'it has succeeded' })),
    ...(deliveries.length > 0
      ? [{ do: 'deliver' as const, ids: deliveries, why: 'their time has come' }]
      : []),
  ];
}

function whatIsRecorded(passed: number, isNew: boolean): string {
  const times =
    passed === 1 ? 'a time that passed is recorded' : `${passed} stretches of time that passed are recorded`;
  return [...(isNew ? ['a definition is seen for the first time'] : []), ...(passed > 0 ? [times] : [])].join(
    ', ',
  );
}

/** Names an action, so that a tick does not begin it twice at a time. */
export function actionKey(action: TickAction): string {
  switch (action.do) {
    case 'work':
    case 'wake':
      // One session is worked in one place.
      return `session ${action.agentId} ${action.key}`;
    case 'reset':
      return 'resets';
    case 'deliver':
      return 'outbox';
    default:
      return `job ${action.id}`;
  }
}

/** What is under way, and what holds for it. */
export interface TickLoad {
  /** actions under way */
  flying: readonly TickAction[];
  /** agents started by this tick so far */
  started: number;
  /** most agents this tick starts */
  max: number;
  /** sessions worked at a time */
  sessions: number;
  /** runs of jobs at a time, per agent */
  runsPerAgent: number;
  /** whether an action was tried a moment ago, and is not to be tried again now */
  isTried(action: TickAction): boolean;
}

/** Which of the planned actions begin now; the others wait for room. Asked again whenever one has ended. */
export function startable(plan: readonly TickAction[], load: TickLoad): TickAction[] {
  const flying = [...load.flying];
  const keys = new Set(flying.map(actionKey));
  const chosen: TickAction[] = [];
  let { started } = load;
  for (const action of plan) {
    const key = actionKey(action);
    if (keys.has(key) || load.isTried(action)) continue;
    if (startsAgent(action) && started >= load.max) continue;
    if (isSession(action) && flying.filter(isSession).length >= load.sessions) continue;
    if (isRun(action)) {
      const ofAgent = flying.filter(each => isRun(each) && each.agentId === action.agentId);
      if (!isHeartbeat(action.id) && ofAgent.length >= load.runsPerAgent) continue;
    }
    if (startsAgent(action)) started++;
    keys.add(key);
    flying.push(action);
    chosen.push(action);
  }
  return chosen;
}

function isSession(action: TickAction): boolean {
  return action.do === 'work' || action.do === 'wake';
}

function isRun(action: TickAction): action is TickAction & { do: 'run' | 'recover' } {
  return (action.do === 'run' || action.do === 'recover') && !isHeartbeat(action.id);
}

/** Actions that may cost an agent's work; the others are only files. */
export function startsAgent(action: TickAction): boolean {
  return ['work', 'wake', 'run', 'recover'].includes(action.do);
}

export function isHeartbeat(id: string): boolean {
  return id.startsWith('heartbeat:');
}

function timeOf(at: number): string {
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at);
}
