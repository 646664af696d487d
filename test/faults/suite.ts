/** The tests themselves, written once: the whole battery and the part of it that every `vitest run` has. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { strikeBusy } from './busy.ts';
import { deliveries, parse } from './check.ts';
import { type Mode, Program } from './lab.ts';
import { type Report, type StrikeOptions, strikeEverywhere } from './points.ts';
import * as scenarios from './scenarios.ts';

export type Extent = 'part' | 'whole';

const { SCENARIOS } = scenarios;

/** What the everyday run takes of each mode; the whole battery takes every scenario in both orders. */
const PART: [Mode, scenarios.Scenario[], StrikeOptions?][] = [
  ['kill', [scenarios.turn, scenarios.firstMessage, scenarios.resetByUser, scenarios.bareReset]],
  ['kill', [scenarios.turn, scenarios.tickOfNoWait], { order: 'message-first' }],
  ['kill', [scenarios.tickOfKilledTurn], { every: 2 }],
  ['short', [scenarios.turn, scenarios.resetByUser], { part: 0.95 }],
  ['short', [scenarios.firstMessage], { order: 'message-first', part: 0.05 }],
  ['EIO', [scenarios.turn, scenarios.noWait]],
  ['ENOSPC-ever', [scenarios.turn, scenarios.resetByDay, scenarios.noWait]],
];

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

function nameOf(mode: Mode, what: string, { order, part, every }: StrikeOptions): string {
  const details = [
    order,
    part === undefined ? undefined : `part ${part}`,
    every && `every ${every}th`,
  ].filter(Boolean);
  return `${mode}: ${what}${details.length > 0 ? ` (${details.join(', ')})` : ''}`;
}

function holds(report: Report): void {
  expect(report.points).toBeGreaterThan(0);
  expect(report.findings.join('\n')).toBe('');
}
