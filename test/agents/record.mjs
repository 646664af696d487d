// Records what the real agent command lines print, into test/fixtures/agents-output: node test/agents/record.mjs FOLDER [NAME…]
// FOLDER: where they are installed, or shall be; outside the project.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { CLIS, install } from './clis.mjs';
import { startModel } from './model.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const [folder, ...only] = process.argv.slice(2);
if (!folder) throw new Error('usage: node test/agents/record.mjs FOLDER [NAME…]');
install(folder);

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-record-'));
const load = async file => {
  const outfile = path.join(scratch, `${path.basename(file)}.mjs`);
  await build({
    entryPoints: [path.join(root, 'src', file)],
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile,
  });
  return import(outfile);
};
const { PRESETS } = await load('core/runner/preset/table.ts');
const { withPreset } = await load('core/runner/preset.ts');
const { fillArguments } = await load('core/runner/template.ts');
const { parseOutput } = await load('core/runner/output.ts');

const KNOWN = '11111111-2222-4333-8444-555555555555';
const GONE = '99999999-2222-4333-8444-555555555555';
const model = await startModel();

function run(name, home, args, env) {
  return new Promise(resolve => {
    const child = spawn(CLIS[name].program(folder), args, {
      cwd: path.join(home, 'desk'),
      env,
      stdio: 'pipe',
    });
    const out = [];
    const err = [];
    child.stdout.on('data', piece => out.push(piece));
    child.stderr.on('data', piece => err.push(piece));
    child.stdin.on('error', () => undefined);
    child.stdin.end('hello');
    child.on('close', exitCode =>
      resolve({ exitCode, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
  });
}

for (const name of only.length > 0 ? only : Object.keys(CLIS)) {
  const home = path.join(scratch, name);
  fs.mkdirSync(path.join(home, 'desk'), { recursive: true });
  CLIS[name].prepare(home, model.url);
  const runner = withPreset(PRESETS[name]);
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    TERM: 'dumb',
    LANG: 'C.UTF-8',
    ...runner.env,
    ...CLIS[name].env(model.url),
  };
  const usageFile = path.join(home, 'usage.json');
  const values = id => ({
    NativeSessionId: id,
    UsageFile: usageFile,
    ...(name === 'gemini' ? { Model: 'gemini-2.5-pro' } : {}),
  });
  const target = path.join(root, 'test/fixtures/agents-output', name);
  fs.mkdirSync(target, { recursive: true });
  const clean = text =>
    text
      .replaceAll(home, '/home/someone')
      .replaceAll(home.slice(1), 'home/someone')
      .replaceAll(fs.realpathSync(folder), '/agents')
      .replaceAll(path.resolve(folder), '/agents')
      .replaceAll(model.url, 'http://127.0.0.1:8899')
      .replaceAll(model.url.slice(7), '127.0.0.1:8899')
      .replaceAll(home.replaceAll('/', '-'), '-home-someone')
      .replace(/\/tmp\/[\w./-]*/g, '/tmp/x')
      .split('\n');
  const record = async (what, behaviour, template, id, more = {}) => {
    model.behave(behaviour);
    fs.rmSync(usageFile, { force: true });
    const ended = await run(name, home, fillArguments(template, values(id)), { ...env, ...more });
    const usageDocument = fs.existsSync(usageFile)
      ? { usageDocument: fs.readFileSync(usageFile, 'utf8') }
      : {};
    const { exitCode, stdout, stderr } = ended;
    const kept = { exitCode, stdout: clean(stdout), stderr: clean(stderr).slice(-12), ...usageDocument };
    fs.writeFileSync(path.join(target, `${what}.json`), `${JSON.stringify(kept, null, 1)}\n`);
    process.stderr.write(`${name} ${what}: exit ${exitCode}\n`);
    return parseOutput(runner.output, stdout, runner.pick).sessionId ?? id;
  };
  const id = await record('first', { text: 'pong' }, runner.args, KNOWN);
  await record('resumed', { text: 'pong again' }, runner.resumeArgs, id);
  await record(
    'unknown-session',
    { text: 'pong' },
    runner.resumeArgs,
    name === 'opencode' ? `ses_${'0'.repeat(26)}` : GONE,
  );
  const note = path.join(home, 'desk', 'note.txt');
  fs.writeFileSync(note, 'the note says pong\n');
  await record('tool', { reads: note, text: 'The note says pong.' }, runner.resumeArgs, id);
  await record('failed', { fail: 400 }, runner.resumeArgs, id);
  await record('unauthorized', { fail: 401 }, runner.resumeArgs, id);
  // Last: some of them begin to compact a conversation that was too long.
  await record('overflow', { overflow: true }, runner.resumeArgs, id);
}
model.stop();
fs.rmSync(scratch, { recursive: true, force: true });
