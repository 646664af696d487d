// One agent command line set up behind claw: a home of its own, a config, and the built claw to start.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CLIS } from './clis.mjs';

const BIN = path.resolve(import.meta.dirname, '../../bin/claw.js');
const cache = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache');

/** Where the command lines are installed. */
export const FOLDER = process.env.CLAW_TEST_AGENTS ?? path.join(cache, 'claw-test-agents');

/**
 * @param url of the model; `config` writes claw's config, with more for the runner where wanted; `claw` starts it, `node`
 *   are options for Node
 */
export function setUp(name, scratch, url) {
  const home = path.join(scratch, name);
  const clawHome = path.join(home, '.claw');
  fs.mkdirSync(clawHome, { recursive: true, mode: 0o700 });
  CLIS[name].prepare(home, url);
  const program = CLIS[name].program(FOLDER);
  const runner = {
    preset: name,
    command: program,
    env: CLIS[name].env(url),
    ...(name === 'gemini' ? { defaultModel: 'gemini-2.5-pro' } : {}),
  };
  const config = (more = {}, defaults = {}) =>
    fs.writeFileSync(
      path.join(clawHome, 'claw.json'),
      JSON.stringify({
        agents: { defaults: { runner: name, ...defaults } },
        runners: { [name]: { ...runner, ...more } },
      }),
      { mode: 0o600 },
    );
  const claw = (args, node = []) =>
    new Promise(resolve => {
      const env = { PATH: process.env.PATH, HOME: home, CLAW_HOME: clawHome, TZ: 'UTC' };
      const child = spawn(process.execPath, [...node, BIN, ...args], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
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
  config();
  return { home, clawHome, program, config, claw };
}

/** A table in Markdown; the first row is its head. */
export function tableOf(rows) {
  const width = index => Math.max(...rows.map(row => row[index].length));
  const line = row => `| ${row.map((cell, index) => cell.padEnd(width(index))).join(' | ')} |`;
  const rule = `|${rows[0].map((_, index) => '-'.repeat(width(index) + 2)).join('|')}|`;
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n');
}
