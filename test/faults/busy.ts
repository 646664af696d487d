/** Two messages for one session at once: one process holds it, the other stands in line, and one of them is struck. */
import { transcriptTexts } from './check.ts';
import {
  type Ended,
  type Fault,
  type Mode,
  names,
  type Operation,
  type Place,
  type Program,
  pooled,
  until,
} from './lab.ts';
import {
  judgeRepetition,
  judgeVictim,
  type Report,
  recover,
  type StrikeOptions,
  strikable,
} from './points.ts';
import { config, message, type Scenario, stage, turn } from './scenarios.ts';

export type Victim = 'holder' | 'waiter';

const held = message('m1', 'hello');
/** Collected with the other one where that had to be put in line. */
const waiting = { ...message('m2', 'are you there'), reply: /^answer to (hello\s+)?are you there$/ };

/** The message of the struck process is the one to survive; the other one is looked at too. */
const SCENARIOS: Record<Victim, Scenario> = {
  holder: {
    ...turn,
    name: 'the holder of a session for which another message waits',
    config: config(),
    message: held,
    victim: held.args,
  },
  waiter: {
    ...turn,
    name: 'a message that waits for a busy session',
    config: config(),
    message: waiting,
    victim: waiting.args,
  },
};

/** Brings both into the air, the struck one with its fault, and lets the agent answer when both are where they can be. */
async function bothAtOnce(
  place: Place,
  victim: Victim,
  fault: Fault,
): Promise<{ holder: Ended; waiter: Ended }> {
  const starts = () => place.lives().filter(([kind]) => kind === 'S').length;
  const queued = () =>
    names(place.path('pending/main')).some(name => name.endsWith('.json') && !name.startsWith('.'));
  const before = starts();
  place.hold();
  const holder = place.start(held.args, victim === 'holder' ? fault : undefined);
  await until('the agent of the holder', () => holder.ended() || starts() > before);
  const waiter = place.start(waiting.args, victim === 'waiter' ? fault : undefined);
  await until('the second message in line', () => queued() || waiter.ended() || holder.ended());
  place.letGo();
  const [first, second] = await Promise.all([holder.done, waiter.done]);
  return { holder: first, waiter: second };
}

async function baseline(template: Place, victim: Victim, mode: Mode): Promise<Operation[]> {
  const place = template.copy();
  try {
    const { holder, waiter } = await bothAtOnce(place, victim, {
      mode: mode === 'read-EIO' ? mode : 'count',
      at: 0,
    });
    if (holder.status !== 0 || waiter.status !== 0)
      throw new Error(`they fail without a fault: ${holder.stderr}${waiter.stderr}`);
    return place.operations();
  } finally {
    place.remove();
  }
}

/** As `strikeEverywhere`, for one of two processes. */
export async function strikeBusy(
  program: Program,
  victim: Victim,
  mode: Mode,
  options: StrikeOptions = {},
): Promise<Report> {
  const scenario = SCENARIOS[victim];
  const template = await stage(program, scenario);
  try {
    const operations = await baseline(template, victim, mode);
    const only = process.env.CLAW_FAULTS_AT;
    const points = strikable(operations, mode).filter((n, index) =>
      only ? n === Number(only) : index % (options.every ?? 1) === 0,
    );
    const before = transcriptTexts(template.home);
    const reports = await pooled(points, async at => {
      const place = template.copy();
      try {
        const fault = { mode, at, ...(options.part ? { part: options.part } : {}) };
        const ended = await bothAtOnce(place, victim, fault);
        const said = judgeVictim(ended[victim], scenario, fault);
        const other = victim === 'holder' ? 'waiter' : 'holder';
        const problems = [
          ...said.problems,
          ...judgeRepetition(ended[other], SCENARIOS[other]).map(problem => `the ${other}: ${problem}`),
          ...(await recover(place, scenario, {
            ...said,
            order: options.order ?? 'tick-first',
            before,
            fault,
            also: [SCENARIOS[other].message.id],
          })),
        ];
        const { name, what } =
          place.operations().find(operation => operation.n === at) ?? operations.find(each => each.n === at)!;
        const kept = process.env.CLAW_FAULTS_KEEP ? ` (${place.folder})` : '';
        return {
          acknowledged: said.acknowledged,
          finding: problems.length
            ? `${mode} at ${at}, ${name} ${what}${kept}: ${problems.join('; ')}`
            : null,
        };
      } finally {
        place.remove();
      }
    });
    return {
      points: points.length,
      acknowledged: reports.filter(report => report.acknowledged).length,
      findings: reports.flatMap(report => (report.finding === null ? [] : [report.finding])),
    };
  } finally {
    template.remove();
  }
}
