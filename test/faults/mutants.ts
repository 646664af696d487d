/**
 * Deliberately broken builds. A test that never fails proves nothing; each of these has to be caught, by the kind of
 * attack that is there for it.
 */
import { compaction, operatorCompaction } from './compaction.ts';
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
  {
    name: 'the record says that the session is compacted before the line does',
    edits: [
      [
        /let entry=lineOf\(desk,plan,\w+,order,made\);/,
        `$&(file=>{const fs=require("fs"),record=JSON.parse(fs.readFileSync(file));record.context.compactions++;fs.writeFileSync(file,JSON.stringify(record)+"\\n")})(desk.layout.record(seat.agentId,seat.key));`,
      ],
    ],
    says: /counts 1 compactions, its transcript has 0/,
    attack: async mutant => (await strikeEverywhere(mutant, compaction, 'kill', { every: 2 })).findings,
  },
  {
    name: 'a torn line of a compaction is not mended',
    edits: [[/if\(tail\.torn\|\|tail\.unterminated\)\{/, 'if(false){']],
    says: /not a JSON object: "\{\\"type\\":\\"compact/,
    attack: async mutant => (await strikeEverywhere(mutant, operatorCompaction, 'short')).findings,
  },
  {
    name: 'a note is written before the line that announces it',
    edits: [
      [
        /return announce\((.{20,160}?text:body\})\),(append\w*\(desk,agentId,[\s\S]{10,60}?isApart:!0\}\))/,
        'let added=await $2;return announce($1),added',
      ],
    ],
    says: /1 notes stand in memory, and 0 lines/,
    attack: async mutant => (await strikeEverywhere(mutant, compaction, 'kill')).findings,
  },
  {
    name: 'what is missing of a note is not written',
    edits: [[/async function redoNotes\(desk,seat,entries\)\{/, '$&return;']],
    says: /0 notes stand in memory, and 1 lines/,
    attack: async mutant => (await strikeEverywhere(mutant, compaction, 'kill')).findings,
  },
  {
    name: 'a compaction by hand leaves no mark',
    edits: [
      [
        /\(0,\w+\.markTurn\)\(desk\.layout,seat\.agentId,seat\.key\);let outcome=await compactBetweenTurns/,
        'let outcome=await compactBetweenTurns',
      ],
    ],
    says: /is at byte \d+, its transcript at/,
    attack: async mutant => (await strikeEverywhere(mutant, operatorCompaction, 'kill')).findings,
  },
];
