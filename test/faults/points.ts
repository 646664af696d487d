/** One fault at one operation, the recovery from it, and what must hold then. */
import {
  type CheckOptions,
  check,
  deliveries,
  isAcceptance,
  readTranscripts,
  transcriptTexts,
  walk,
} from './check.ts';
import {
  type Ended,
  type Fault,
  type Mode,
  type Operation,
  type Place,
  type Program,
  parse,
  pooled,
} from './lab.ts';
import { type Scenario, stage } from './scenarios.ts';

/** Who comes first after the fault: the timer, or the sender with the same message. */
export type Order = 'tick-first' | 'message-first';

export interface StrikeOptions {
  order?: Order;
  /** strike at every so many points only */
  every?: number;
  /** how much of a write gets through */
  part?: number;
}

export interface Report {
  points: number;
  /** of so many, where only some are struck at */
  of?: number;
  /** the victim had acknowledged the message before it was struck */
  acknowledged: number;
  /** one line per point at which something did not hold */
  findings: string[];
}

/** The operations of a clean run that a mode can strike, in order. */
export function strikable(operations: Operation[], mode: Mode): number[] {
  const fits = (kind: string): boolean => {
    if (mode === 'kill' || mode === 'read-EIO') return true;
    if (mode === 'short' || mode === 'split') return kind === 'write';
    if (mode.startsWith('ENOSPC')) return ['create', 'mkdir', 'write', 'sync'].includes(kind);
    return kind !== 'process';
  };
  return operations.filter(operation => fits(operation.kind)).map(operation => operation.n);
}

/** The operations of the scenario's victim when nothing is wrong. */
export async function baseline(template: Place, scenario: Scenario, mode: Mode): Promise<Operation[]> {
  const place = template.copy();
  try {
    const run = await place.run(scenario.victim, { mode: mode === 'read-EIO' ? mode : 'count', at: 0 });
    if (run.status !== 0) throw new Error(`${scenario.name} fails without a fault: ${run.stderr}`);
    return place.operations();
  } finally {
    place.remove();
  }
}

/**
 * Strikes a scenario at every operation that a mode can strike.
 *
 * CLAW_FAULTS_AT=<n> strikes at that one alone, to look at a finding; CLAW_FAULTS_KEEP=1 leaves its files.
 */
export async function strikeEverywhere(
  program: Program,
  scenario: Scenario,
  mode: Mode,
  options: StrikeOptions = {},
): Promise<Report> {
  const template = await stage(program, scenario);
  try {
    const operations = await baseline(template, scenario, mode);
    const only = process.env.CLAW_FAULTS_AT;
    const points = strikable(operations, mode).filter((n, index) =>
      only ? n === Number(only) : index % (options.every ?? 1) === 0,
    );
    const before = transcriptTexts(template.home);
    const reports = await pooled(
      points,
      async at => {
        const place = template.copy();
        try {
          const { acknowledged, problems } = await strike(
            place,
            scenario,
            { mode, at, ...(options.part ? { part: options.part } : {}) },
            options.order ?? 'tick-first',
            before,
          );
          const { name, what } =
            place.operations().find(operation => operation.n === at) ?? operations[at - 1]!;
          const kept = process.env.CLAW_FAULTS_KEEP ? ` (${place.folder})` : '';
          return {
            acknowledged,
            finding: problems.length
              ? `${mode} at ${at}, ${name} ${what}${kept}: ${problems.join('; ')}`
              : null,
          };
        } finally {
          place.remove();
        }
      },
      scenario.alone ? 1 : 3,
    );
    return {
      points: points.length,
      acknowledged: reports.filter(report => report.acknowledged).length,
      findings: reports.flatMap(report => (report.finding === null ? [] : [report.finding])),
    };
  } finally {
    template.remove();
  }
}

async function strike(
  place: Place,
  scenario: Scenario,
  fault: Fault,
  order: Order,
  before: Map<string, string>,
): Promise<{ acknowledged: boolean; problems: string[] }> {
  const struck = await place.run(scenario.victim, fault);
  const said = judgeVictim(struck, scenario, fault);
  const problems = said.problems;
  // A repetition that was refused stands by its first acceptance.
  if (said.refused && !scenario.accepted && standsAnywhere(place, scenario.message.id))
    problems.push('it said "not accepted", and the message stands nevertheless');
  problems.push(...(await recover(place, scenario, { ...said, order, before, fault })));
  return { acknowledged: said.acknowledged, problems };
}

export interface Said {
  /** a result document came out, or the message was accepted before */
  acknowledged: boolean;
  /** the reply came out whole */
  printed: boolean;
  /** it ended with "not accepted, try again" */
  refused: boolean;
  /** the agent could not be run; the message is kept as failed */
  failed: boolean;
  problems: string[];
}

/** What the victim said on stdout and by its exit status, and whether it may say that. */
export function judgeVictim(
  run: Ended,
  scenario: Pick<Scenario, 'message' | 'victim' | 'accepted' | 'ofOperator'>,
  fault: Fault,
): Said {
  const problems: string[] = [];
  if (run.hung) problems.push('it hung');
  const isTick = scenario.victim[0] === 'tick';
  const isSender = !isTick && !scenario.ofOperator;
  const whole = run.stdout.endsWith('\n');
  const document = whole && !isTick ? parse(run.stdout) : undefined;
  if (whole && !isTick && (typeof document !== 'object' || document === null))
    problems.push(`stdout is no JSON document: ${run.stdout.slice(0, 80)}`);
  const result = isSender ? document : undefined;
  const said: Said = {
    acknowledged: scenario.accepted || (result !== undefined && result.messageId === scenario.message.id),
    printed: scenario.message.reply.test(result?.reply?.text ?? ''),
    refused: false,
    failed: result?.status === 'failed',
    problems,
  };
  if (result?.reply && !said.printed) problems.push(`it answered ${JSON.stringify(result.reply.text)}`);
  if (run.signal) {
    if (!run.hung && fault.mode !== 'kill' && fault.mode !== 'short')
      problems.push(`it died of ${run.signal}`);
    return said;
  }
  const told = `exit ${run.status}, stdout ${JSON.stringify(run.stdout.slice(0, 120))}, stderr ${JSON.stringify(run.stderr.slice(0, 300))}`;
  if (isTick) {
    // A tick may say that it met trouble; the next one goes on.
    if (![0, 65, 74, 75].includes(run.status ?? -1)) problems.push(`the tick ended with ${told}`);
  } else if (!isSender) {
    if (![0, 65, 69, 74, 75].includes(run.status ?? -1)) problems.push(told);
  } else if (run.status === 75) {
    said.refused = true;
    if (run.stdout !== '') problems.push(`not accepted, but ${told}`);
  } else if (run.status === 74 && fault.mode.startsWith('EIO')) {
    // A disk that fails the sync and then the undoing too: it says that nobody can say, and promises nothing.
    if (run.stdout !== '' || !/cannot be said/.test(run.stderr)) problems.push(told);
  } else if (run.status === 69) {
    if (!said.failed) problems.push(told);
  } else if (run.status !== 0) problems.push(told);
  // A reader that went away gets nothing more to read.
  else if (result === undefined && !/EPIPE|stdout/.test(run.stderr) && run.stdout !== '') problems.push(told);
  return said;
}

/** Is the message in any transcript, or does it wait? */
function standsAnywhere(place: Place, id: string): boolean {
  const { transcripts } = readTranscripts(place.home);
  return (
    transcripts.some(({ entries }) => entries.some(entry => isAcceptance(entry) && entry.id === id)) ||
    walk(place.home).some(file => /^pending\/.*\.json$/.test(file) && !file.includes('/.tmp-'))
  );
}

interface Recovery extends Said {
  order: Order;
  before: Map<string, string>;
  /** other messages that must stand too */
  also?: string[];
  /** see CheckOptions */
  recordMayLag?: boolean;
  /** what it recovers from */
  fault: Fault;
}

/** Tick and the same message again, in either order; returns everything that does not hold on the way. */
export async function recover(place: Place, scenario: Scenario, known: Recovery): Promise<string[]> {
  const { message } = scenario;
  const problems: string[] = [];
  const look = (when: string, due: boolean, extra: Partial<CheckOptions> = {}) => {
    const found = check(place, {
      sent: [{ id: message.id, due }, ...(known.also ?? []).map(id => ({ id, due: true }))],
      before: known.before,
      resets: scenario.resets,
      ...(known.recordMayLag ? { recordMayLag: true } : {}),
      ...extra,
    });
    problems.push(...found.map(problem => `${when}: ${problem}`));
  };

  if (known.order === 'tick-first') {
    await tick(place, problems);
    look('after the tick', known.acknowledged, { pending: /\.failed$/ });
    problems.push(...checkHandedOver(place, scenario, known));
  }
  let again = await place.run(message.args);
  // Its second start died too, and that is what the sender now hears; coming again is how he asks for another try.
  if (parse(again.stdout)?.error?.code === 'interrupted') again = await place.run(message.args);
  problems.push(...judgeRepetition(again, scenario));
  if (known.order === 'message-first') {
    await tick(place, problems);
  }
  look(known.order === 'tick-first' ? 'after the same message' : 'after the same message and a tick', true);
  const undelivered = deliveries(place.home);
  if (undelivered.size > 0)
    problems.push(`fetched, but still to be delivered: ${[...undelivered.keys()].join(', ')}`);
  if (scenario.afterwards) problems.push(...(await scenario.afterwards(place, known.fault)));
  return problems;
}

export async function tick(place: Place, problems: string[]): Promise<void> {
  const run = await place.run(['tick', '--json']);
  if (run.status !== 0)
    problems.push(`the tick after it: exit ${run.status} ${run.signal ?? ''} ${run.stderr.slice(0, 300)}`);
}

/** A reply that did not come out is where its caller can find it. */
function checkHandedOver(place: Place, { message }: Scenario, said: Said): string[] {
  const { transcripts } = readTranscripts(place.home);
  const entries = transcripts.flatMap(transcript => transcript.entries);
  const stands = entries.some(entry => isAcceptance(entry) && entry.id === message.id);
  if (!stands || said.printed) return [];
  const turn = entries.findLast(entry => entry.type === 'turn' && entry.messageIds.includes(message.id));
  const end = entries.find(entry => entry.type === 'turn_end' && entry.runId === turn?.runId);
  // Failed: it is in `inbox list`, and answered when it comes again.
  if (end && ['failed', 'interrupted'].includes(end.status)) return [];
  // Collected: the reply belongs to the last message of the turn.
  if (end && turn.messageIds.at(-1) !== message.id) return [];
  const text = deliveries(place.home).get(message.id);
  // What claw itself has to say (of a reset, of a context that stays full) stands before the reply.
  return text !== undefined &&
    message.reply.test(text.replace(/^(\((New session|The context is full).*\)\n)+/, ''))
    ? []
    : [`its caller never saw the reply, and the outbox has ${JSON.stringify(text)}`];
}

/** The same message once more: its one reply (or which message of a collected turn has it), and exit 0. */
export function judgeRepetition(run: Ended, { message }: Pick<Scenario, 'message'>): string[] {
  const result = parse(run.stdout);
  const told = `the same message again: exit ${run.status} ${run.signal ?? ''}, ${run.stdout.slice(0, 200)} ${run.stderr.slice(0, 400)}`;
  if (run.status === 0 && result?.status === 'queued' && result.answeredBy) return [];
  if (run.status !== 0 || !['replied', 'duplicate', 'command'].includes(result?.status)) return [told];
  return message.reply.test(result.reply?.text ?? '') ? [] : [told];
}
