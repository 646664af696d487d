/** Trouble during the recovery: the victim is killed, then the tick that recovers from it, then all must come right. */
import { transcriptTexts } from './check.ts';
import { type Fault, type Program, pooled } from './lab.ts';
import { baseline, judgeVictim, type Report, recover } from './points.ts';
import { between, random } from './random.ts';
import { type Scenario, stage } from './scenarios.ts';

/** A little more than a recovering tick has operations; one that is not met is a tick that goes through. */
const OPERATIONS_OF_A_TICK = 50;

/** Kills the scenario's victim and the tick behind it, at pairs of operations chosen from the seed. */
export async function strikeTwice(
  program: Program,
  scenario: Scenario,
  pairs: number,
  seed: number,
): Promise<Report> {
  const template = await stage(program, scenario);
  try {
    const chance = random(seed);
    const last = (await baseline(template, scenario, 'kill')).length;
    const before = transcriptTexts(template.home);
    // The first pair always meets a tick at work: the victim is struck late, its tick early.
    const sure = { first: Math.ceil(last * 0.6), second: 3 };
    const points = Array.from({ length: pairs }, (_, index) =>
      index === 0
        ? sure
        : { first: between(chance, 1, last), second: between(chance, 1, OPERATIONS_OF_A_TICK) },
    );
    const only = process.env.CLAW_FAULTS_AT;
    const chosen = only ? points.filter(point => only === `${point.first},${point.second}`) : points;
    const reports = await pooled(
      chosen,
      async ({ first, second }) => {
        const place = template.copy();
        try {
          const fault: Fault = { mode: 'kill', at: first };
          const struck = await place.run(scenario.victim, fault);
          const said = judgeVictim(struck, scenario, fault);
          const tick = await place.run(['tick', '--json'], { mode: 'kill', at: second });
          const problems = [...said.problems];
          if (tick.signal === null && tick.status !== 0)
            problems.push(`the second victim: exit ${tick.status} ${tick.stderr.slice(0, 300)}`);
          problems.push(...(await recover(place, scenario, { ...said, order: 'tick-first', before, fault })));
          const kept = process.env.CLAW_FAULTS_KEEP ? ` (${place.folder})` : '';
          return {
            acknowledged: said.acknowledged,
            twice: struck.signal === 'SIGKILL' && tick.signal === 'SIGKILL',
            finding: problems.length
              ? `killed at ${first}, its tick at ${second}${kept}: ${problems.join('; ')}`
              : null,
          };
        } finally {
          place.remove();
        }
      },
      scenario.alone ? 1 : 3,
    );
    const findings = reports.flatMap(report => (report.finding === null ? [] : [report.finding]));
    if (chosen.length > 4 && !reports.some(report => report.twice)) findings.push('no second kill hit');
    return {
      points: chosen.length,
      acknowledged: reports.filter(report => report.acknowledged).length,
      findings,
    };
  } finally {
    template.remove();
  }
}
