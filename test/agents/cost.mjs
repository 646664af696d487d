// What claw costs around real agent command lines: npm run bench:agents [-- NAME…]. A first turn of each against the model
// on loopback, alone and through claw, in pairs, alternately; alone it gets the arguments, input and environment that claw
// gave it once. Prints a table in Markdown. PAIRS=n takes more or fewer of them. Run it on a machine that does nothing else.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CLIS, install } from './clis.mjs';
import { startModel } from './model.mjs';
import { FOLDER, setUp, tableOf } from './trial.mjs';

const pairs = Number(process.env.PAIRS ?? 7);
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(CLIS);
const MESSAGE = 'hello';

install(FOLDER);
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-cost-'));
const median = values => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const rows = [];
try {
  for (const name of names) rows.push(await measure(name));
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
console.log(tableOf([['agent', 'alone', 'through claw', 'claw adds', "claw's own memory"], ...rows]));
console.log(
  `\nMedians of ${pairs} pairs, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${os.cpus().length} cores.`,
);

async function measure(name) {
  const model = await startModel();
  const trial = setUp(name, scratch, model.url);
  const given = await whatClawGives(trial);
  const alone = [];
  const through = [];
  const adds = [];
  // The first of each makes what the program keeps in its home, and is not counted.
  for (let index = -1; index < pairs; index++) {
    const one = () => timed(() => runAlone(name, trial, given));
    const other = () => timed(() => runThrough(name, trial, `pair-${index}`));
    const [a, b] = index % 2 === 0 ? [await one(), await other()] : await swapped(one, other);
    if (index < 0) continue;
    alone.push(a);
    through.push(b);
    adds.push(b - a);
    process.stderr.write(`${name}: ${a.toFixed(0)} ms alone, ${b.toFixed(0)} ms through claw\n`);
  }
  const memory = await peakOfClaw(name, trial);
  model.stop();
  const share = median(adds) / median(alone);
  return [
    name,
    `${median(alone).toFixed(0)} ms`,
    `${median(through).toFixed(0)} ms`,
    `${median(adds).toFixed(0)} ms (${(100 * share).toFixed(0)} %)`,
    `${memory.toFixed(0)} MB`,
  ];
}

/** Both in the other order. */
async function swapped(one, other) {
  const b = await other();
  return [await one(), b];
}

/** Wall time in ms. */
async function timed(work) {
  const begun = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - begun) / 1e6;
}

async function runThrough(name, trial, key, node = []) {
  const run = await trial.claw(['ingest', '--json', '--session', `agent:main:${key}`, MESSAGE], node);
  if (run.status !== 0 || !run.out.includes('"pong"'))
    throw new Error(`${name} through claw: ${run.out}${run.err}`);
}

/** A first turn with what claw gave it, in a conversation of its own. */
function runAlone(name, { program }, { args, env, cwd, stdin }) {
  const fresh = args.map(arg =>
    /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(arg) ? randomUUID() : arg,
  );
  return new Promise((resolve, reject) => {
    const child = spawn(program, fresh, { cwd, env, stdio: 'pipe' });
    let out = '';
    child.stdout.on('data', piece => {
      out += piece;
    });
    child.stderr.resume();
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    child.on('error', reject);
    child.on('close', status => {
      if (status === 0 && out.includes('pong')) resolve();
      else reject(new Error(`${name} alone: exit ${status}: ${out}`));
    });
  });
}

/** Lets claw start a program that writes down what it is given; files of the run are kept. */
async function whatClawGives(trial) {
  const kept = path.join(trial.home, 'given');
  fs.mkdirSync(kept);
  const recorder = path.join(kept, 'recorder');
  fs.writeFileSync(
    recorder,
    `#!${process.execPath}
const fs = require('node:fs'), path = require('node:path');
const args = process.argv.slice(2).map(arg => {
  if (!path.basename(path.dirname(arg)).startsWith('claw-prompt-')) return arg;
  const copy = path.join(${JSON.stringify(kept)}, path.basename(arg));
  if (fs.existsSync(arg)) fs.copyFileSync(arg, copy);
  return copy;
});
const given = { args, env: process.env, cwd: process.cwd(), stdin: fs.readFileSync(0, 'utf8') };
fs.writeFileSync(${JSON.stringify(path.join(kept, 'given.json'))}, JSON.stringify(given));
`,
    { mode: 0o700 },
  );
  trial.config({ command: recorder });
  await trial.claw(['ingest', '--json', '--session', 'agent:main:given', MESSAGE]);
  trial.config();
  return JSON.parse(fs.readFileSync(path.join(kept, 'given.json'), 'utf8'));
}

/** Peak memory of the claw process alone, MB; what the system counts for a child begins with its parent's. */
async function peakOfClaw(name, trial) {
  const hook = path.join(trial.home, 'peak.cjs');
  const file = path.join(trial.home, 'peak');
  fs.writeFileSync(
    hook,
    `process.on('exit', () => {
  const fs = require('node:fs');
  let peak = process.resourceUsage().maxRSS;
  try { peak = Number(/VmHWM:\\s*(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]); } catch {}
  fs.writeFileSync(${JSON.stringify(file)}, String(peak));
});`,
  );
  const peaks = [];
  for (const key of ['peak-0', 'peak-1', 'peak-2']) {
    await runThrough(name, trial, key, ['-r', hook]);
    peaks.push(Number(fs.readFileSync(file, 'utf8')) / 1024);
  }
  return median(peaks);
}
