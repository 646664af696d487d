/** The tests themselves, written once: the whole battery and the part of it that every `vitest run` has. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { strikeBusy } from './busy.ts';
import { deliveries } from './check.ts';
import * as compactions from './compaction.ts';
import { strikeTwice } from './compound.ts';
import { fillDisk, whyNoMount } from './full.ts';
import { jobStorm } from './job-storm.ts';
import { JOB_SCENARIOS, type JobScenario, strikeJob, strikeJobCalls } from './jobs.ts';
import { type Mode, Program, parse } from './lab.ts';
import { MUTANTS } from './mutants.ts';
import { type Report, type StrikeOptions, strikeEverywhere } from './points.ts';
import { cutPower } from './power.ts';
import { seedOf } from './random.ts';
import * as scenarios from './scenarios.ts';
import { storm } from './storm.ts';
import { strikeSystemCalls, whyNoStrace } from './strace.ts';

export type Extent = 'part' | 'whole';

const SCENARIOS = [...scenarios.SCENARIOS, ...compactions.COMPACTIONS];

/** What the everyday run takes of each mode; the whole battery takes every scenario in both orders. */
const PART: [Mode, scenarios.Scenario[], StrikeOptions?][] = [
  ['kill', [scenarios.turn, scenarios.firstMessage, scenarios.resetByUser, scenarios.bareReset]],
  ['kill', [scenarios.turn, scenarios.tickOfNoWait], { order: 'message-first' }],
  ['kill', [scenarios.tickOfKilledTurn], { every: 2 }],
  ['kill', [compactions.compaction], { every: 4 }],
  ['short', [scenarios.turn, scenarios.resetByUser], { part: 0.95 }],
  ['short', [scenarios.firstMessage], { order: 'message-first', part: 0.05 }],
  ['EIO', [scenarios.turn, scenarios.noWait]],
  ['ENOSPC-ever', [scenarios.turn, scenarios.resetByDay, scenarios.noWait]],
];

/** Faults at a compaction that goes wrong by itself: what its failure leaves must stand a death too, and a short write. */
const MODES_OF_BAD_SUMMARIES: Mode[] = ['kill', 'short'];
const MODES: Mode[] = ['kill', 'split', 'EIO', 'EIO-ever', 'ENOSPC', 'ENOSPC-ever', 'read-EIO'];
const PARTS = [0.05, 0.5, 0.95];

/** A fault at every operation of the program, and the recovery from it. */
export function faultPoints(extent: Extent): void {
  let program: Program;
  beforeAll(async () => {
    program = await Program.snapshot();
  });
  afterAll(() => program.remove());

  const strike = (mode: Mode, scenario: scenarios.Scenario, options: StrikeOptions = {}) =>
    it(nameOf(mode, scenario.name, options), async () =>
      holds(await strikeEverywhere(program, scenario, mode, options)),
    );
  const strikeOneOfTwo = (mode: Mode, victim: 'holder' | 'waiter', options: StrikeOptions = {}) =>
    it(nameOf(mode, `the ${victim} of a busy session`, options), async () =>
      holds(await strikeBusy(program, victim, mode, options)),
    );

  describe('a fault at every file operation', () => {
    if (extent === 'part') {
      for (const [mode, some, options] of PART) for (const scenario of some) strike(mode, scenario, options);
      strikeOneOfTwo('kill', 'waiter');
      strikeOneOfTwo('kill', 'holder', { every: 2 });
      return;
    }
    for (const order of ['tick-first', 'message-first'] as const) {
      for (const mode of MODES) {
        for (const scenario of SCENARIOS) strike(mode, scenario, { order });
        for (const victim of ['holder', 'waiter'] as const) strikeOneOfTwo(mode, victim, { order });
      }
      for (const part of PARTS) {
        for (const scenario of SCENARIOS) strike('short', scenario, { order, part });
        for (const victim of ['holder', 'waiter'] as const) strikeOneOfTwo('short', victim, { order, part });
      }
    }
    for (const mode of MODES_OF_BAD_SUMMARIES)
      for (const scenario of compactions.BAD_SUMMARIES) strike(mode, scenario);
  });

  describe('the same message twice while it waits', () => {
    for (const times of [2, 3]) {
      it(`--no-wait ${times} times, then a tick: it stands once and is answered once`, async () => {
        const place = await scenarios.stage(program, scenarios.turn);
        try {
          const { message } = scenarios.noWait;
          for (let time = 0; time < times; time++) await scenarios.succeed(place, scenarios.noWait.victim);
          await scenarios.succeed(place, ['tick']);
          const entries = scenarios.entriesOf(place);
          expect(entries.filter(entry => entry.id === message.id)).toHaveLength(1);
          expect(
            entries.filter(
              entry => entry.message?.role === 'assistant' && message.reply.test(entry.message.content),
            ),
          ).toHaveLength(1);
        } finally {
          place.remove();
        }
      });
    }
  });

  it('what the checks read of the outbox is what `claw delivery list --json` shows', async () => {
    const place = await scenarios.stage(program, scenarios.tickOfNoWait);
    try {
      await scenarios.succeed(place, ['tick']);
      const shown = parse((await scenarios.succeed(place, ['delivery', 'list', '--json'])).stdout);
      expect(deliveries(place.home)).toEqual(new Map([['m1', 'answer to hello']]));
      expect(
        shown.deliveries.map((item: { messageId: string; text: string }) => [item.messageId, item.text]),
      ).toEqual([['m1', 'answer to hello']]);
    } finally {
      place.remove();
    }
  });
}

/** SIGKILL at the entry of system calls. */
export function systemCalls(extent: Extent): void {
  const reason = whyNoStrace();
  describe.skipIf(reason !== null)(`SIGKILL at every system call that changes something`, () => {
    const getProgram = withProgram();
    const strike = (scenario: scenarios.Scenario, options: Parameters<typeof strikeSystemCalls>[2] = {}) =>
      it(nameOf('kill', scenario.name, options), async () =>
        holds(await strikeSystemCalls(getProgram(), scenario, options)),
      );
    if (extent === 'part') {
      strike(scenarios.turn, { every: 5 });
      strike(scenarios.tickOfKilledTurn, { every: 7 });
      return;
    }
    for (const order of ['tick-first', 'message-first'] as const) {
      for (const scenario of [
        scenarios.turn,
        scenarios.firstMessage,
        scenarios.resetByUser,
        scenarios.tickOfKilledTurn,
        ...compactions.COMPACTIONS,
      ])
        strike(scenario, { order });
    }
  });
  if (reason !== null) console.log(`system calls are not struck at: ${reason}`);
}

/** The states that a power cut may leave. */
export function powerCuts(extent: Extent): void {
  describe('a power cut at any moment', () => {
    const getProgram = withProgram();
    const cases: { power: scenarios.PowerScenario; every: number }[] = [
      { power: { scenario: scenarios.turn, commands: [scenarios.turn.victim] }, every: 16 },
      { power: { scenario: scenarios.firstMessage, commands: [scenarios.firstMessage.victim] }, every: 23 },
      { power: { scenario: scenarios.resetByUser, commands: [scenarios.resetByUser.victim] }, every: 23 },
      { power: scenarios.noWaitAndTick, every: 23 },
      ...(extent === 'part' ? [compactions.compaction] : compactions.COMPACTIONS).map(scenario => ({
        power: { scenario, commands: [scenario.victim] },
        every: 41,
      })),
    ];
    for (const { power, every } of cases) {
      const options = extent === 'part' ? { every } : {};
      it(nameOf('power', power.scenario.name, options), async () =>
        holds(await cutPower(getProgram(), power, options)),
      );
    }
  });
}

/** A disk that fills while a session is compacted. */
export function fullDisks(): void {
  const reason = whyNoMount();
  describe.skipIf(reason !== null)('a disk that is full while a session is compacted', () => {
    const getProgram = withProgram();
    for (const scenario of compactions.COMPACTIONS)
      it(nameOf('full', scenario.name, {}), async () => holds(await fillDisk(getProgram(), scenario)));
  });
  if (reason !== null) console.log(`full disks are not tried: ${reason}`);
}

/** Kills during the recovery from a kill. */
export function twoKills(extent: Extent): void {
  describe('killed, and its recovery killed', () => {
    const getProgram = withProgram();
    const some =
      extent === 'part'
        ? [scenarios.turn, scenarios.resetByUser]
        : // Behind a reply that is only fetched a tick has next to nothing to do.
          SCENARIOS.filter(each => each !== scenarios.fetch);
    for (const scenario of some) {
      it(scenario.name, async () =>
        holds(await strikeTwice(getProgram(), scenario, extent === 'part' ? 8 : 40, seedOf(scenario.name))),
      );
    }
  });
}

/** The tick that runs a job. */
export function jobFaults(extent: Extent): void {
  const getProgram = withProgram();
  const whole = extent === 'whole';
  describe('a fault at every file operation of the tick that runs a job', () => {
    const strike = (mode: Mode, scenario: JobScenario, options: StrikeOptions = {}) =>
      it(nameOf(mode, scenario.name, options), async () =>
        holds(await strikeJob(getProgram(), scenario, mode, options)),
      );
    for (const scenario of JOB_SCENARIOS) {
      strike('kill', scenario, whole ? {} : { every: 9 });
      if (whole) for (const part of PARTS) strike('short', scenario, { part });
    }
  });
  const reason = whyNoStrace();
  describe.skipIf(reason !== null)('SIGKILL at every system call of the tick that runs a job', () => {
    for (const scenario of JOB_SCENARIOS) {
      const options = whole ? {} : { every: 23 };
      it(nameOf('kill', scenario.name, options), async () =>
        holds(await strikeJobCalls(getProgram(), scenario, options)),
      );
    }
  });
}

/** Ticks in any number, kills and edits, over jobs that are due every few seconds. */
export function jobStorms(extent: Extent): void {
  describe('a storm over jobs', () => {
    const getProgram = withProgram();
    const seconds = extent === 'whole' ? 20 : 5;
    const timers = extent === 'whole' ? 4 : 3;
    it(`${seconds} seconds`, async () => {
      const seed = extent === 'whole' ? seedOf('job storm') : 7;
      const report = await jobStorm(getProgram(), { seconds, timers, seed, kill: 0.3 });
      const { findings, ...counts } = report;
      console.log(`job storm: ${JSON.stringify(counts)}`);
      expect(counts.records).toBeGreaterThan(12);
      expect(findings.join('\n')).toBe('');
    });
  });
}

/** Many senders, kills and pauses. */
export function storms(extent: Extent): void {
  const getProgram = withProgram();
  it('a storm of senders, kills and pauses', async () => {
    const seconds = extent === 'part' ? 6 : 45;
    const options = { seconds, senders: 5, sessions: 3, kill: 0.35, stop: 0.15, seed: seedOf('storm') };
    const { findings, ...counts } = await storm(getProgram(), options);
    console.log(`storm: ${JSON.stringify(counts)}`);
    expect(findings.join('\n')).toBe('');
    expect(counts.acknowledged).toBeGreaterThan(0);
    expect(counts.killed).toBeGreaterThan(0);
  }, 180_000);
}

/** Every mutant must be caught. */
export function brokenBuilds(): void {
  describe('a broken build is caught', () => {
    const getProgram = withProgram();
    for (const { name, edits, says, attack } of MUTANTS) {
      it(name, async () => {
        const mutant = getProgram().mutant(edits);
        try {
          const findings = await attack(mutant);
          console.log(
            `${name}: ${findings.length} findings; one of them: ${findings.find(each => says.test(each))?.slice(0, 300)}`,
          );
          expect(findings.join('\n')).toMatch(says);
        } finally {
          mutant.remove();
        }
      });
    }
  });
}

function withProgram(): () => Program {
  let program: Program;
  beforeAll(async () => {
    program = await Program.snapshot();
  });
  afterAll(() => program.remove());
  return () => program;
}

function nameOf(mode: string, what: string, { order, part, every }: StrikeOptions): string {
  const details = [
    order,
    part === undefined ? undefined : `part ${part}`,
    every && `every ${every}th`,
  ].filter(Boolean);
  return `${mode}: ${what}${details.length > 0 ? ` (${details.join(', ')})` : ''}`;
}

function holds(report: Report): void {
  if (process.env.CLAW_FAULTS_COUNTS) {
    const { points, of = points, acknowledged } = report;
    console.log(
      `${expect.getState().currentTestName}: ${points} of ${of} points, ${acknowledged} acknowledged`,
    );
  }
  expect(report.points).toBeGreaterThan(0);
  expect(report.findings.join('\n')).toBe('');
}
