/** Presets: programs found and tried, a name that is enough, and what init and doctor say of them. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home } from './claw.ts';

let home: Home;
let bin: string;
beforeEach(() => {
  home = new Home();
  bin = path.join(home.folder, 'bin');
  fs.mkdirSync(bin);
});
afterEach(() => home.cleanUp());

/** A program of this name, first on the PATH. */
function install(name: string, script: string): void {
  fs.writeFileSync(path.join(bin, name), script, { mode: 0o755 });
}

/** Prints as codex does, and notes how it was started. */
const CODEX = `#!/bin/sh
[ "$1" = --version ] && { echo "codex-cli 9.9.9"; exit 0; }
echo "$*" >> "$HOME/starts"
cat >/dev/null
echo '{"type":"thread.started","thread_id":"01a1ff83-a9fb-7c41-94d0-413ca6f18939"}'
echo '{"type":"item.completed","item":{"id":"1","type":"agent_message","text":"pong"}}'
echo '{"type":"turn.completed","usage":{"input_tokens":20,"output_tokens":6}}'
`;
const found = () => ({ env: { PATH: `${bin}:/usr/bin:/bin` } });
const claw = (...args: string[]) => home.run(args, found());
const starts = () => fs.readFileSync(path.join(home.folder, 'starts'), 'utf8').trim().split('\n');

describe('the name of a preset', () => {
  it('is a runner without an entry', () => {
    install('codex', CODEX);
    home.config({ agents: { defaults: { runner: 'codex' } } });
    expect(claw('ingest', 'hi')).toMatchObject({ status: 0, stdout: 'pong\n', stderr: '' });
    expect(claw('ingest', 'again')).toMatchObject({ status: 0, stdout: 'pong\n' });
    expect(starts()).toEqual([
      'exec --json --skip-git-repo-check -c sandbox_mode="read-only" -',
      'exec resume --json --skip-git-repo-check -c sandbox_mode="read-only" 01a1ff83-a9fb-7c41-94d0-413ca6f18939 -',
    ]);
    expect(claw('config', 'get', 'runners.codex.context', '--json').json().value).toBe('native');
  });

  it('that is mistyped is told with the right one', () => {
    home.config({ agents: { defaults: { runner: 'codx' } } });
    expect(claw('config', 'validate')).toMatchObject({
      status: 78,
      stderr: expect.stringContaining('did you mean "codex"'),
    });
  });
});

describe('agents', () => {
  it('list: who answers with what', () => {
    install('codex', CODEX);
    home.config({
      agents: {
        defaults: { runner: 'codex', model: 'm1' },
        list: [{ id: 'main' }, { id: 'b', runner: 'recall' }],
      },
    });
    expect(claw('agents', 'list', '--json').json().agents).toMatchObject([
      {
        agentId: 'main',
        default: true,
        runner: 'codex',
        preset: 'codex',
        program: path.join(bin, 'codex'),
        model: 'm1',
        permissions: 'safe',
        context: 'native',
      },
      { agentId: 'b', runner: 'recall', preset: null, program: null, permissions: null },
    ]);
    expect(claw('agents', 'list').stdout).toMatch(/main \(default\) +codex/);
  });

  it('detect: what is installed, and how to get the rest', () => {
    install('codex', CODEX);
    const { agents } = claw('agents', 'detect', '--json').json();
    expect(agents).toHaveLength(12);
    expect(agents.filter((agent: any) => agent.installed)).toMatchObject([
      { name: 'codex', path: path.join(bin, 'codex'), version: 'codex-cli 9.9.9', node: null },
    ]);
    expect(claw('agents', 'detect').stdout).toMatch(/claude +- +npm install -g @anthropic-ai\/claude-code/);
  });

  it('detect --write: what is installed is entered into the config, once, and nothing else of it changes', () => {
    install('codex', CODEX);
    const before =
      '// mine\n{ runners: { claude: { preset: "claude", permissions: "edit" } }, owners: ["cli"] }\n';
    fs.writeFileSync(home.path('claw.json'), before, { mode: 0o600 });
    expect(claw('agents', 'detect', '--write', '--json').json().written).toEqual(['codex']);
    const after = fs.readFileSync(home.path('claw.json'), 'utf8');
    expect(after).toContain('// mine');
    expect(after).toContain('claude: { preset: "claude", permissions: "edit" }');
    expect(claw('config', 'get', 'runners.codex.preset', '--json').stdout).toContain('codex');
    expect(claw('config', 'validate').status).toBe(0);
    expect(claw('agents', 'detect', '--write').stdout).toContain('Nothing new');
    expect(fs.readFileSync(home.path('claw.json'), 'utf8')).toBe(after);
    fs.writeFileSync(home.path('claw.json'), '{ runnners: {} }', { mode: 0o600 });
    expect(claw('agents', 'detect', '--write').status).toBe(78);
    expect(fs.readFileSync(home.path('claw.json'), 'utf8')).toBe('{ runnners: {} }');
  });

  it('test: two turns, the second going on with the first, and no session of claw touched', () => {
    install('codex', CODEX);
    home.config({});
    const run = claw('agents', 'test', 'codex', '--json');
    expect(run.status).toBe(0);
    expect(run.json()).toMatchObject({
      ok: true,
      runner: 'codex',
      version: 'codex-cli 9.9.9',
      first: { status: 'replied', text: 'pong', usage: { inputTokens: 20 } },
      resumed: { status: 'replied', sessionId: '01a1ff83-a9fb-7c41-94d0-413ca6f18939' },
    });
    expect(starts()).toHaveLength(2);
    expect(fs.existsSync(home.path('agents'))).toBe(false);
    expect(claw('agents', 'test', 'codex').stdout).toContain('goes on where it was');
  });

  it('test: says what is missing, and exits 69', () => {
    home.config({});
    expect(claw('agents', 'test', 'claude')).toMatchObject({
      status: 69,
      stdout: expect.stringContaining('there is no program "claude" on PATH'),
    });
    install('codex', '#!/bin/sh\ncat >/dev/null; echo "Not logged in" >&2; exit 1\n');
    const run = claw('agents', 'test', 'codex');
    expect(run).toMatchObject({ status: 69, stdout: expect.stringContaining('failed (auth)') });
    expect(run.stdout).toContain('codex login');
    expect(claw('agents', 'test', 'codx')).toMatchObject({
      status: 64,
      stderr: expect.stringContaining('"codex"'),
    });
  });

  it('are nothing for an agent in its run', () => {
    for (const words of [['list'], ['detect'], ['test', 'codex']])
      expect(home.run(['agents', ...words], { env: { CLAW_RUN_ID: 'r1' } }).status).toBe(77);
  });
});

describe('init', () => {
  it('writes what it found as presets, and a config that holds', () => {
    install('codex', CODEX);
    expect(claw('init').stdout).toMatch(/codex +\S+\/codex +codex-cli 9\.9\.9/);
    const text = fs.readFileSync(home.path('claw.json'), 'utf8');
    expect(text).toMatch(/^ {4}codex: \{ preset: "codex", permissions: "safe" \},$/m);
    expect(text).toMatch(/^ {4}\/\/ "cursor-agent": \{ preset: "cursor-agent"/m);
    expect(claw('config', 'validate')).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('doctor', () => {
  const runnerChecks = () =>
    claw('doctor', '--json')
      .json()
      .checks.filter((check: any) => check.id === 'runner');

  it('names program and version', () => {
    install('codex', CODEX);
    home.config({ agents: { defaults: { runner: 'codex' } } });
    expect(runnerChecks()).toMatchObject([
      { status: 'ok', what: `runner codex is ${bin}/codex, codex-cli 9.9.9` },
    ]);
  });

  it('O04: names a Node that is too old for the program, or not there', () => {
    fs.writeFileSync(path.join(bin, 'package.json'), '{"name":"x","engines":{"node":">=22.19.0"}}');
    install('codex', '#!/usr/bin/env node\n');
    install('node', '#!/bin/sh\necho v20.1.0\n');
    home.config({ agents: { defaults: { runner: 'codex' } } });
    expect(runnerChecks()).toContainEqual(
      expect.objectContaining({
        status: 'fail',
        what: expect.stringContaining('needs Node 22.19.0 or later'),
      }),
    );
  });

  it('names a program that is not there', () => {
    home.config({ agents: { defaults: { runner: 'codex' } } });
    expect(runnerChecks()).toMatchObject([
      { status: 'fail', fix: expect.stringContaining('claw agents detect') },
    ]);
  });
});
