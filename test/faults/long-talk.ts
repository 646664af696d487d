/** A conversation that is many times longer than what its agent can read. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { expect } from 'vitest';
import { BIN, Home } from '../e2e/claw.ts';
import { program } from '../e2e/support.ts';

const WINDOW = 32_000;
const METER = path.join(import.meta.dirname, 'meter.cjs');

/** Has so many turns through an agent that keeps nothing, with a window of 32,000 tokens, and checks what came of them. */
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
    const { results, stderr } = await talk(home, turns, text);
    // Every turn is answered, in its order, and nobody is told of anything.
    expect(results).toHaveLength(turns);
    expect(results.map(result => result.reply?.text)).toEqual(results.map((_, at) => `Noted fact-${at}.`));
    expect(results.flatMap(result => result.notices)).toEqual([]);
    expect(new Set(results.map(result => result.sessionId)).size).toBe(1);
    expect(stderr).toBe('');

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
    expect(starts.length).toBe(turns + types.length);
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
  } finally {
    fs.cpSync(home.folder, '/tmp/lt', { recursive: true });
    home.cleanUp();
  }
}

/** Writes one message after the other to one process, each when the one before it is answered. */
async function talk(
  home: Home,
  turns: number,
  text: (at: number) => string,
): Promise<{ results: any[]; stderr: string }> {
  const child = spawn(process.execPath, ['-r', METER, BIN, 'ingest', '--json', '--format', 'ndjson'], {
    env: home.env({ CLAW_METER: path.join(home.folder, 'meter') }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  const results: any[] = [];
  const say = () => {
    if (results.length === turns) child.stdin.end();
    else child.stdin.write(`${JSON.stringify({ id: `m${results.length}`, text: text(results.length) })}\n`);
  };
  say();
  for await (const line of readline.createInterface({ input: child.stdout })) {
    results.push(JSON.parse(line));
    say();
  }
  return { results, stderr };
}

/** How many turns stand before the first that the newest compaction keeps. */
function lastKept(entries: any[]): number {
  const { keptFrom } = entries.findLast(entry => entry.type === 'compact');
  const users = entries.filter(entry => entry.type === 'message' && entry.message.role === 'user');
  return users.findIndex(user => user.id === keptFrom);
}
