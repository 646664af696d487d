/**
 * Compaction: what is going on when the fault strikes, and what must hold behind it. The session is then the one it was or
 * the one it was to become, never something in between: there is no `compact` line or a whole one, what stood there before
 * stands as it did, and the agent is given either all of it or the summary and what is kept.
 */
import fs from 'node:fs';
import path from 'node:path';
import { check } from './check.ts';
import { type Fault, type Place, parse } from './lab.ts';
import { config, entriesOf, message, type Scenario, succeed } from './scenarios.ts';

const words = (count: number) => ' word'.repeat(count);
const long = message('m1', `hello${words(170)}`);

/** Three turns, each known by its first word. */
const EARLIER = ['m-2', 'm-1', 'm0'];

function compacting(limits: object = {}, runner: object = {}): object {
  const defaults = { runner: 'agent', contextTokens: 1200, compaction: { keepRecentTurns: 1 }, ...limits };
  return config({ owners: ['t:1'], agents: { defaults } }, { context: 'claw', ...runner });
}

async function talk(place: Place, more = 0): Promise<void> {
  for (const id of EARLIER)
    await succeed(place, message(`${id}${'x'.repeat(more)}`, `said${id}${words(80)}`).args);
}

/** The same with a transcript that is longer and says no more: where its last page ends is left to chance else. */
export function lengthened(scenario: Scenario, more: number): Scenario {
  return { ...scenario, prepare: place => talk(place, more) };
}

/** How the talk goes on when all is over. The context of the old session is full then, that of the new one is not. */
const next = message('m2', 'and then');

/** Memory is saved, the context compacted, and then the turn runs: three agents one behind the other. */
export const compaction: Scenario = {
  name: 'a message before which the context is compacted',
  config: compacting(),
  prepare: place => talk(place),
  victim: long.args,
  message: long,
  resets: 0,
  afterwards: (place, fault) => goOn(place, fault, 1),
};

/** An agent that has read more than it can: compacted, and started once more. */
export const overflow: Scenario = {
  ...compaction,
  name: 'a message that is too long for its agent until the context is compacted',
  config: compacting({ contextTokens: 8000 }, { args: ['3200'] }),
  afterwards: place => goOn(place, null, 1),
};

/** The person asks for it; the message is accepted behind the compaction. */
export const compactCommand: Scenario = {
  ...compaction,
  name: '/compact',
  victim: message('m1', '/compact').args,
  message: {
    ...message('m1', '/compact'),
    reply: /^(Compacted: 2 turns, .*|Nothing to compact: .*|Could not compact: .* Nothing was changed\.)$/,
  },
  afterwards: place => {
    const answer = JSON.stringify(entriesOf(place).find(entry => entry.type === 'command'));
    return goOn(place, null, answer.includes('Could not compact') ? 0 : 1);
  },
};

/** An operator asks for it; no message is involved, and the next one comes behind it. */
export const operatorCompaction: Scenario = {
  ...compaction,
  name: 'sessions compact',
  victim: ['sessions', 'compact', 'main', '--json'],
  ofOperator: true,
  message: message('m1', 'hello'),
  afterwards: place => goOn(place, null, null),
};

/** A summary that does not come, or cannot stand for what it is of. */
function withSummary(how: 'empty' | 'longer' | 'crash' | 'hang', runner: object = {}): Scenario {
  return {
    ...compaction,
    name: `a message before which the context is compacted, where the summary is no good (${how})`,
    config: compacting({}, runner),
    prepare: async place => {
      await talk(place);
      fs.writeFileSync(path.join(place.audit, 'summary'), `${how}\n`);
    },
    // Nothing came of it: once the summary is good again the session is compacted as if nothing had been.
    afterwards: async place => {
      const compacts = entriesOf(place).filter(entry => entry.type === 'compact');
      fs.rmSync(path.join(place.audit, 'summary'));
      return [
        ...compacts.map(() => 'a summary that is no good was taken'),
        ...(await goOn(place, null, null)),
      ];
    },
  };
}

export const BAD_SUMMARIES: Scenario[] = [
  withSummary('empty'),
  withSummary('longer'),
  withSummary('crash'),
  withSummary('hang', { timeoutSeconds: 1, killGraceSeconds: 0 }),
];

export const COMPACTIONS: Scenario[] = [compaction, overflow, compactCommand, operatorCompaction];

/**
 * The talk goes on. Whatever the fault has left, the next turn finds the session compacted, or compacts it, and never a
 * second time.
 *
 * @param fault one that may have been told to the agent's asker: then it may rest before it tries again; null: none
 * @param compactions how many there are then; null: one at most
 */
async function goOn(place: Place, fault: Fault | null, compactions: 0 | 1 | null): Promise<string[]> {
  const run = await place.run(next.args);
  const problems = next.reply.test(parse(run.stdout)?.reply?.text ?? '')
    ? []
    : [`exit ${run.status} ${run.stdout.slice(0, 200)} ${run.stderr.slice(0, 200)}`];
  problems.push(...check(place, { sent: [{ id: next.id, due: true }] }));
  const entries = entriesOf(place);
  const count = (type: string) => entries.filter(entry => entry.type === type).length;
  const isDeath = fault === null || fault.mode === 'kill' || fault.mode === 'short' || fault.mode === 'split';
  if (count('compact') > 1 || (compactions !== null && isDeath && count('compact') !== compactions))
    problems.push(`it was compacted ${count('compact')} times`);
  return problems.map(problem => `behind the next message: ${problem}`);
}
