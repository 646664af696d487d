/**
 * Deliberately broken builds. A test that never fails proves nothing; each of these has to be caught, by the kind of
 * attack that is there for it.
 */
import type { Program } from './lab.ts';
import { strikeEverywhere } from './points.ts';
import { cutPower } from './power.ts';
import { seedOf } from './random.ts';
import { noWaitAndTick, resetByUser, tickOfNoWait, turn } from './scenarios.ts';
import { storm } from './storm.ts';

export interface Mutant {
  name: string;
  edits: [from: RegExp, to: string][];
  /** what one of the findings has to say */
  says: RegExp;
  /** the attack that must catch it: one line per finding */
  attack(mutant: Program): Promise<string[]>;
}

const power =
  (...cases: Parameters<typeof cutPower>[1][]) =>
  async (mutant: Program) => {
    const findings: string[] = [];
    for (const each of cases) findings.push(...(await cutPower(mutant, each, { every: 3 })).findings);
    return findings;
  };

export const MUTANTS: Mutant[] = [
  {
    name: 'no folder is ever synced',
    edits: [[/function syncFolder\(folder\)\{/, '$&return;']],
    says: /is lost|is nowhere/,
    attack: power({ scenario: resetByUser, commands: [resetByUser.victim] }, noWaitAndTick),
  },
  {
    name: 'appended lines are not synced',
    edits: [[/[\w.]+\.fdatasyncSync\(fd\),(start\d*===0&&syncFolder)/, '$1']],
    says: /is lost|not a JSON object|started again/,
    attack: power({ scenario: turn, commands: [turn.victim] }),
  },
  {
    name: 'agents of a dead owner are left alone',
    edits: [
      [/async function stopOrphans\(context,lock\)\{/, '$&return;'],
      [/async function stopRun\(runId\)\{/, '$&return;'],
    ],
    says: /two agents of one session/,
    attack: async mutant => {
      const options = { senders: 5, sessions: 2, kill: 0.6, stop: 0.1 };
      return (await storm(mutant, { ...options, seconds: 15, seed: seedOf('storm of a mutant') })).findings;
    },
  },
  {
    name: 'what lies behind the record in a transcript is not read',
    edits: [[/return tail\.lines\.map\(line=>\(\{offset:line\.offset/, 'return[];$&']],
    says: /stands 2 times|is at byte/,
    attack: async mutant => (await strikeEverywhere(mutant, turn, 'kill')).findings,
  },
  {
    name: 'the mark of a turn goes before its reply is there',
    edits: [
      [
        /return onAccepted\?\.\(plan\.record\.sessionId\),/,
        'return clearTurn(desk.layout,seat.agentId,seat.key),onAccepted?.(plan.record.sessionId),',
      ],
    ],
    says: /never saw the reply/,
    attack: async mutant => (await strikeEverywhere(mutant, turn, 'kill')).findings,
  },
  {
    name: 'a waiting message goes before it stands in the transcript',
    edits: [
      [
        /accepted=accept\(/,
        'accepted=(batch.forEach(each=>each.queuedAs&&dropWaiting(desk.layout,seat.agentId,seat.key,each.queuedAs)),null)||accept(',
      ],
    ],
    says: /is lost/,
    attack: async mutant => (await strikeEverywhere(mutant, tickOfNoWait, 'kill')).findings,
  },
  {
    name: 'a torn tail is not mended',
    edits: [[/if\(tail\.torn\|\|tail\.unterminated\)\{/, 'if(false){']],
    says: /torn|not a JSON object/,
    attack: async mutant => (await strikeEverywhere(mutant, turn, 'short')).findings,
  },
];
