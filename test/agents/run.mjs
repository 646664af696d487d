// Tries real agent command lines through claw: npm run test:agents [-- NAME…]. They are installed from npm into
// $CLAW_TEST_AGENTS, by default a folder of the user's cache, never into the project; the model is one on loopback. Prints a
// table in Markdown. No part of CI: it installs a gigabyte.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CLIS, install } from './clis.mjs';
import { startModel } from './model.mjs';
import { FOLDER, setUp, tableOf } from './trial.mjs';

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(CLIS);
const COLUMNS = [
  'first turn',
  'goes on',
  'tokens',
  'unknown session',
  'failure',
  'timeout',
  'two at once',
  'text is text',
  'compaction',
  'overflow',
];

install(FOLDER);
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-agents-'));
const rows = [];
for (const name of names) rows.push(await tryAgent(name));
fs.rmSync(scratch, { recursive: true, force: true });

const all = [
  ['agent', 'version', ...COLUMNS],
  ...rows.map(row => [row.name, row.version, ...COLUMNS.map(column => row[column])]),
];
console.log(
  `Tried on ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${process.platform}:\n`,
);
console.log(tableOf(all));
process.exitCode = rows.every(row => COLUMNS.every(column => row[column] === 'yes')) ? 0 : 1;

async function tryAgent(name) {
  const model = await startModel();
  const { home, clawHome, program, config, claw } = setUp(name, scratch, model.url);
  const say = async text => {
    const run = await claw(['ingest', '--json', text]);
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
  const entries = () =>
    fs
      .readdirSync(sessions)
      .filter(file => file.endsWith('.jsonl'))
      .flatMap(file => fs.readFileSync(path.join(sessions, file), 'utf8').split('\n').filter(Boolean))
      .map(text => JSON.parse(text))
      .sort((a, b) => a.timestamp - b.timestamp);
  const ends = () => entries().filter(entry => entry.type === 'turn_end');
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
  await check('text is text', async () => {
    const file = path.join(home, 'not-for-everybody.txt');
    fs.writeFileSync(file, 'PLUM-5353');
    model.behave({ text: 'fine' });
    const from = model.asked.length;
    const { reply, err } = await say(`/context @${file}`);
    const sent = model.asked.slice(from).join('\n');
    if (reply !== 'fine' || !sent.includes('/context')) return `said ${reply}: ${err}`;
    return sent.includes('PLUM-5353') ? 'it read a file that a message named' : null;
  });
  // Long enough that a summary is shorter.
  const STORY = `my cat is Minka ${'and she sleeps on the green chair '.repeat(60)}`;
  const SUMMARY = 'The person has a cat called Minka.';
  const talk = async () => {
    config({}, { compaction: { keepRecentTurns: 1 } });
    model.behave({ text: SUMMARY });
    for (const text of ['/new', STORY, 'thank you', 'good']) await say(text);
    return ends().at(-1).native?.id;
  };
  await check('compaction', async () => {
    const id = await talk();
    const { reply, err } = await say('/compact keep the names');
    const byProgram = ['claude', 'copilot'].includes(name);
    if (!reply?.startsWith(byProgram ? 'Compacted by the agent' : 'Compacted:'))
      return `answered ${reply}: ${err}`;
    const from = model.asked.length;
    const next = await say('who is my cat?');
    const { native } = ends().at(-1);
    const how = byProgram ? native?.how === 'resumed' && native.id === id : native?.reason === 'compacted';
    if (next.reply !== SUMMARY || !how)
      return `then said ${next.reply} (${native?.how}, ${native?.reason}): ${next.err}`;
    const sent = model.asked.slice(from).join('\n');
    // What a program keeps beside its summary is its own affair.
    return sent.includes(SUMMARY) && (byProgram || !sent.includes('green chair and she sleeps'))
      ? null
      : 'the model was sent more than the summary';
  });
  await check('overflow', async () => {
    const id = await talk();
    // Its own session is too long, what claw asks beside it is not.
    const only = text =>
      text.includes('green chair and she sleeps') && !text.includes('Summarise the part below');
    model.behave({ text: SUMMARY, overflow: true, only });
    const { reply, err } = await say('who is my cat?');
    const { native } = ends().at(-1);
    const compaction = entries().findLast(entry => entry.type === 'compact');
    // Some compact their own session in the middle of the turn, and go on with it.
    const itself = compaction?.byProgram && compaction.reason === 'auto' && native?.how === 'resumed';
    const byClaw =
      compaction?.reason === 'overflow' && native?.reason === 'context-overflow' && native.previousId === id;
    return reply === SUMMARY && (itself || byClaw)
      ? null
      : `said ${reply} (${native?.how}, ${native?.reason}, compaction ${compaction?.reason}): ${err}`;
  });
  model.stop();
  return row;
}
