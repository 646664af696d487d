/** A conversation that is many times longer than what its agent can read. */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { expect } from 'vitest';
import { BIN, Home } from '../e2e/claw.ts';
import { program } from '../e2e/support.ts';

const WINDOW = 32_000;
const METER = path.join(import.meta.dirname, 'meter.cjs');

/** The process is ended once on the way, and one of its own tells then, and in the end, what one message costs. */
const BREAK = 200;

/** What a turn did with files: how often, and how many bytes. */
interface Cost {
  calls: number;
  read: number;
  written: number;
}

/**
 * Has so many turns (more than 300 or so) through an agent that keeps nothing, with a window of 32,000 tokens, and checks
 * what came of them.
 */
export async function longTalk(turns: number): Promise<void> {
  const home = new Home();
  const note = path.join(home.folder, 'starts');
  home.config({
    agents: { defaults: { runner: 'agent', contextTokens: WINDOW } },
    runners: { agent: { command: program('window.sh'), args: [note, String(WINDOW * 4)] } },
    // No limit but the window.
    session: { reset: { mode: 'off' }, dmHistoryLimit: 0 },
  });
  try {
    const text = (at: number) => `fact-${at} ${'all that was said '.repeat(70)}`.trim();
    const begun = await talk(home, 0, BREAK, text);
    const early = costOfOne(home);
    const rest = await talk(home, BREAK, turns, text);
    const late = costOfOne(home);
    const results = [...begun.results, ...rest.results];
    const costs = [...begun.costs, ...rest.costs];
    // Every turn is answered, in its order, and nobody is told of anything.
    expect(results).toHaveLength(turns);
    expect(results.map(result => result.reply?.text)).toEqual(results.map((_, at) => `Noted fact-${at}.`));
    expect(results.flatMap(result => result.notices)).toEqual([]);
    expect(new Set(results.map(result => result.sessionId)).size).toBe(1);
    expect(begun.stderr + rest.stderr).toBe('');

    const starts = fs
      .readFileSync(note, 'utf8')
      .trim()
      .split('\n')
      .map(line => line.split(' ') as [string, string, string]);
    const entries = [...home.transcripts().values()].flat();
    const types = entries.map(entry => entry.type).filter(type => ['compact', 'memory_flush'].includes(type));
    const compactions = types.filter(type => type === 'compact').length;
    // A turn is about 340 tokens, and 24,000 have room.
    expect(compactions).toBeGreaterThanOrEqual(Math.floor(turns / 80));
    expect(compactions).toBeLessThanOrEqual(Math.ceil(turns / 50));
    // Saved, compacted, saved, compacted …: never twice in a row.
    expect(types.every((type, at) => type === (at % 2 === 0 ? 'memory_flush' : 'compact'))).toBe(true);
    // One start for each turn, each summary and each saving; none over the window.
    const count = (kind: string) => starts.filter(start => start[0] === kind).length;
    expect([count('turn'), count('summary')]).toEqual([turns, compactions]);
    expect(count('flush')).toBe(types.length - compactions);
    expect(Math.max(...starts.map(([, length]) => Number(length)))).toBeLessThan(WINDOW * 4);
    // What a turn sends does not grow: the last cycle is like the first.
    const sent = starts.filter(([kind]) => kind === 'turn').map(([, length]) => Number(length));
    const most = (from: number, to: number) => Math.max(...sent.slice(from, to));
    expect(most(-100, turns)).toBeLessThan(most(0, 100) * 1.1);
    // Behind the first compaction each turn has a summary before it.
    const first = starts.findIndex(([kind]) => kind === 'summary');
    expect(starts.slice(first + 1).every(([kind, , summary]) => kind !== 'turn' || summary === 'yes')).toBe(
      true,
    );
    // The transcript is whole: every message and every reply once, byte for byte.
    const said = entries.filter(entry => entry.type === 'message').map(entry => entry.message.content);
    expect(said).toEqual(results.flatMap((_, at) => [text(at), `Noted fact-${at}.`]));
    const removed = entries.filter(entry => entry.type === 'compact');
    expect(removed.reduce((sum, entry) => sum + entry.turns_removed, 0)).toBe(lastKept(entries));
    expect(home.run(['sessions', 'show', 'main', '--json']).json()).toMatchObject({ compactions });
    // What was saved stands among the notes, each saving once.
    const saved = entries.filter(entry => entry.type === 'memory_flush');
    expect(saved.map(entry => entry.result)).toEqual(saved.map(() => 'saved'));
    expect(notes(home)).toEqual(saved.map(entry => entry.note));

    // What a turn costs does not grow: a cycle in the end is like one in the beginning.
    const cycles = cyclesOf(starts.map(([kind]) => kind));
    const some = Math.min(3, Math.floor((cycles.length - 1) / 2));
    // Of a transcript that is no longer than a piece of it that is read at a time, less is read: the first is left out.
    const [opening, closing] = [cycles.slice(1, 1 + some), cycles.slice(-some)].map(part =>
      meanOf(costs.slice(part[0]!.from, part.at(-1)!.to)),
    );
    console.log(
      `a turn of ${turns}, early and late: ${JSON.stringify({ cycles: [opening, closing], alone: [early, late] })}`,
    );
    for (const [before, behind] of [
      [opening!, closing!],
      [early, late],
    ] as const) {
      expect(before.read).toBeGreaterThan(100_000);
      for (const what of ['calls', 'read', 'written'] as const)
        expect(behind[what] / before[what], what).toBeLessThan(1.1);
    }
  } finally {
    home.cleanUp();
  }
}

/** Writes one message after the other to one process, each when the one before it is answered. */
async function talk(
  home: Home,
  from: number,
  to: number,
  text: (at: number) => string,
): Promise<{ results: any[]; stderr: string; costs: Cost[] }> {
  const meter = path.join(home.folder, `meter-${from}`);
  const child = spawn(process.execPath, ['-r', METER, BIN, 'ingest', '--json', '--format', 'ndjson'], {
    env: home.env({ CLAW_METER: meter }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  const ended = new Promise(resolve => child.once('close', resolve));
  const results: any[] = [];
  const say = () => {
    const at = from + results.length;
    if (at === to) child.stdin.end();
    else child.stdin.write(`${JSON.stringify({ id: `m${at}`, text: text(at) })}\n`);
  };
  say();
  for await (const line of readline.createInterface({ input: child.stdout })) {
    results.push(JSON.parse(line));
    say();
  }
  await ended;
  return { results, stderr, costs: readCosts(meter).slice(0, to - from) };
}

/** What one message costs in a process of its own, in a copy of the home as it stands: the least of a few. */
function costOfOne(home: Home): Cost {
  const folder = fs.mkdtempSync(path.join(home.folder, 'copy-'));
  const copy = path.join(folder, 'claw');
  fs.cpSync(home.dir, copy, { recursive: true, preserveTimestamps: true });
  const config = fs.readFileSync(path.join(copy, 'claw.json'), 'utf8');
  const note = path.join(home.folder, 'starts');
  fs.writeFileSync(path.join(copy, 'claw.json'), config.replaceAll(note, path.join(folder, 'starts')));
  const costs = [0, 1, 2].map(at => {
    const meter = path.join(folder, `meter-${at}`);
    const env = home.env({ CLAW_HOME: copy, CLAW_METER: meter });
    const run = spawnSync(process.execPath, ['-r', METER, BIN, 'ingest', '--json', `more of ${at}`], { env });
    expect(run.status).toBe(0);
    return sumOf(readCosts(meter));
  });
  return costs.sort((a, b) => a.calls - b.calls)[0]!;
}

function readCosts(meter: string): Cost[] {
  return fs
    .readFileSync(meter, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Cost);
}

function sumOf(costs: Cost[]): Cost {
  const sum = (what: keyof Cost) => costs.reduce((total, cost) => total + cost[what], 0);
  return { calls: sum('calls'), read: sum('read'), written: sum('written') };
}

function meanOf(costs: Cost[]): Cost {
  const { calls, read, written } = sumOf(costs);
  const mean = (total: number) => Math.round((total / costs.length) * 10) / 10;
  return { calls: mean(calls), read: mean(read), written: mean(written) };
}

/** The turns from one compaction up to the next. */
function cyclesOf(kinds: string[]): { from: number; to: number }[] {
  const at: number[] = [];
  let turns = 0;
  for (const kind of kinds) {
    if (kind === 'summary') at.push(turns);
    if (kind === 'turn') turns++;
  }
  return at.slice(1).map((to, index) => ({ from: at[index]!, to }));
}

/** Everything that stands among the notes of the days. */
function notes(home: Home): string[] {
  const folder = home.path('agents', 'main', 'workspace', 'memory');
  const text = fs
    .readdirSync(folder)
    .sort()
    .map(name => fs.readFileSync(path.join(folder, name), 'utf8'));
  return text.join('\n').split('\n').filter(Boolean);
}

/** How many turns stand before the first that the newest compaction keeps. */
function lastKept(entries: any[]): number {
  const { keptFrom } = entries.findLast(entry => entry.type === 'compact');
  const users = entries.filter(entry => entry.type === 'message' && entry.message.role === 'user');
  return users.findIndex(user => user.id === keptFrom);
}
