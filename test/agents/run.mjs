// Tries real agent command lines through claw: npm run test:agents [-- NAME…]. They are installed from npm into
// $CLAW_TEST_AGENTS, by default a folder of the user's cache, never into the project; the model is one on loopback. Prints a
// table in Markdown. No part of CI: it installs a gigabyte.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CLIS, install } from './clis.mjs';
import { startModel } from './model.mjs';

const BIN = path.resolve(import.meta.dirname, '../../bin/claw.js');
const cache = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache');
const folder = process.env.CLAW_TEST_AGENTS ?? path.join(cache, 'claw-test-agents');
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(CLIS);
const COLUMNS = ['first turn', 'goes on', 'tokens', 'unknown session', 'failure', 'timeout', 'two at once'];

install(folder);
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-agents-'));
const rows = [];
for (const name of names) rows.push(await tryAgent(name));
fs.rmSync(scratch, { recursive: true, force: true });

const widths = (cells, index) => Math.max(...cells.map(row => row[index].length));
const all = [
  ['agent', 'version', ...COLUMNS],
  ...rows.map(row => [row.name, row.version, ...COLUMNS.map(column => row[column])]),
];
const line = row => `| ${row.map((cell, index) => cell.padEnd(widths(all, index))).join(' | ')} |`;
const rule = `|${all[0].map((_, index) => '-'.repeat(widths(all, index) + 2)).join('|')}|`;
console.log(
  `Tried on ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${process.platform}:\n`,
);
console.log([line(all[0]), rule, ...all.slice(1).map(line)].join('\n'));
process.exitCode = rows.every(row => COLUMNS.every(column => row[column] === 'yes')) ? 0 : 1;

async function tryAgent(name) {
  const model = await startModel();
  const home = path.join(scratch, name);
  const clawHome = path.join(home, '.claw');
  fs.mkdirSync(clawHome, { recursive: true, mode: 0o700 });
  CLIS[name].prepare(home, model.url);
  const program = CLIS[name].program(folder);
  const runner = {
    preset: name,
    command: program,
    env: CLIS[name].env(model.url),
    ...(name === 'gemini' ? { defaultModel: 'gemini-2.5-pro' } : {}),
  };
  const config = (more = {}) =>
    fs.writeFileSync(
      path.join(clawHome, 'claw.json'),
      JSON.stringify({ agents: { defaults: { runner: name } }, runners: { [name]: { ...runner, ...more } } }),
      { mode: 0o600 },
    );
  const claw = (...args) =>
    new Promise(resolve => {
      const env = { PATH: process.env.PATH, HOME: home, CLAW_HOME: clawHome, TZ: 'UTC' };
      const child = spawn(process.execPath, [BIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let out = '';
      let err = '';
      child.stdout.on('data', piece => {
        out += piece;
      });
      child.stderr.on('data', piece => {
        err += piece;
      });
      child.on('close', status => resolve({ status, out, err }));
    });
  const say = async text => {
    const run = await claw('ingest', '--json', text);
    const result = (() => {
      try {
        return JSON.parse(run.out);
      } catch {
        return {};
      }
    })();
    return { ...run, reply: result.reply?.text, error: result.error?.code };
  };
  const sessions = path.join(clawHome, 'agents/main/sessions');
  const ends = () =>
    fs
      .readdirSync(sessions)
      .filter(file => file.endsWith('.jsonl'))
      .flatMap(file => fs.readFileSync(path.join(sessions, file), 'utf8').split('\n').filter(Boolean))
      .map(text => JSON.parse(text))
      .filter(entry => entry.type === 'turn_end');
  const row = { name };
  const check = async (column, test) => {
    const problem = await test().catch(error => error.message);
    row[column] = problem === null ? 'yes' : 'no';
    process.stderr.write(`${name} ${column}: ${problem ?? 'yes'}\n`);
  };

  const shown = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: home },
  });
  row.version = /\d+\.\d+[\w.-]*/.exec(shown.stdout + shown.stderr)?.[0].replace(/\.$/, '') ?? '?';
  config();

  await check('first turn', async () => {
    model.behave({ text: 'one' });
    const { reply, err } = await say('my cat is Minka');
    return reply === 'one' ? null : `said ${reply}: ${err}`;
  });
  await check('goes on', async () => {
    model.behave({ text: 'two' });
    const from = model.asked.length;
    const { reply, err } = await say('and my dog?');
    const last = ends().at(-1);
    if (reply !== 'two' || last.native?.how !== 'resumed')
      return `said ${reply} (${last.native?.how}): ${err}`;
    // What the model was sent holds the first message once: in the program's own history, not in claw's.
    const sent = model.asked.slice(from).join('\n');
    return sent.includes('Minka') && !sent.includes('<earlier_messages>')
      ? null
      : 'the first turn was not remembered';
  });
  await check('tokens', async () => {
    const used = ends().map(({ usage }) =>
      [usage?.inputTokens, usage?.outputTokens, usage?.estimated ?? false].join(),
    );
    return used[0] === used[1] && !used[0].includes('true') ? null : `counted ${used.join(' and then ')}`;
  });
  await check('unknown session', async () => {
    const other = path.join(scratch, `${name}-gone`);
    for (const kept of [
      '.claude',
      '.codex/sessions',
      '.gemini/tmp',
      '.local/share/opencode',
      '.copilot',
      '.pi/agent/sessions',
    ])
      if (fs.existsSync(path.join(home, kept))) {
        fs.mkdirSync(path.dirname(path.join(other, kept)), { recursive: true });
        fs.renameSync(path.join(home, kept), path.join(other, kept));
      }
    CLIS[name].prepare(home, model.url);
    model.behave({ text: 'three' });
    const from = model.asked.length;
    const { reply, err } = await say('who is my cat?');
    const { native } = ends().at(-1);
    if (reply !== 'three' || native?.reason !== 'unknown-session')
      return `said ${reply} (${native?.how}, ${native?.reason}): ${err}`;
    return model.asked.slice(from).some(text => text.includes('<earlier_messages>') && text.includes('Minka'))
      ? null
      : 'it was not told the history';
  });
  await check('failure', async () => {
    model.behave({ fail: 401 });
    const { status, reply, error, out, err } = await say('x');
    const leaked = Object.values(CLIS[name].env(model.url)).find(
      value => value.endsWith('for-tests') && (out + err).includes(value),
    );
    if (leaked) return 'its key was shown';
    return status === 69 && !reply && error === 'auth'
      ? null
      : `status ${status}, ${error}, ${reply}: ${err}`;
  });
  await check('timeout', async () => {
    model.behave({ delayMs: 60_000 });
    config({ timeoutSeconds: 8, killGraceSeconds: 2 });
    const { status, error, err } = await say('x');
    config();
    return status === 69 && error === 'timeout' ? null : `status ${status}, ${error}: ${err}`;
  });
  await check('two at once', async () => {
    model.behave({ text: 'last', delayMs: 500 });
    const both = await Promise.all([say('first of two'), say('second of two')]);
    const answered = both.filter(({ reply }) => reply === 'last').length;
    const { native } = ends().at(-1);
    return answered === 2 || (answered === 1 && both.every(({ status }) => status === 0))
      ? null
      : `${both.map(({ status, reply, err }) => `${status} ${reply} ${err}`).join('; ')} (${native?.how})`;
  });
  model.stop();
  return row;
}
