/** What somebody stumbled over who had nothing but the README. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home } from './claw.ts';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.cleanUp());

/** Writes a file beside the home; returns its path. */
function file(name: string, text: string): string {
  const place = path.join(home.folder, name);
  fs.writeFileSync(place, text, { mode: 0o600 });
  return place;
}

describe('an old configuration', () => {
  const old = '{inbound:{allowFrom:["+15551234567"],reply:{session:{scope:"per-sender"}}}}';
  const stranger = (config: string) =>
    home.run([
      'route',
      '--config',
      config,
      '--json',
      '--channel',
      'whatsapp',
      '--from',
      '+19998887777',
      'hi',
    ]);

  it('stays closed when it is loaded and when it is migrated', () => {
    const config = file('c.json', old);
    expect(stranger(config).json().access).toMatchObject({ allowed: false });
    expect(home.run(['config', 'migrate', config, '--write']).status).toBe(0);
    expect(fs.readFileSync(config, 'utf8')).toMatch(/whatsapp[^/]*allowFrom[^/]*\+15551234567/);
    expect(stranger(config).json().access).toMatchObject({ allowed: false });
  });

  it('is not rewritten where that would lose who may write', () => {
    const text =
      '{inbound:{allowFrom:["+15551234567"]},channels:{whatsapp:{allowFrom:["*"],groupPolicy:"open"}}}';
    const config = file('c.json', text);
    const { status, stderr } = home.run(['config', 'migrate', config, '--write']);
    expect([status, fs.readFileSync(config, 'utf8')]).toEqual([78, text]);
    expect(stderr).toContain('inbound.allowFrom');
  });
});

describe('an agent in its run', () => {
  it.each([
    ['import', '.'],
    ['import', '.', '--dry-run'],
    ['config', 'migrate', '--write'],
    ['config', 'migrate'],
    ['config', 'show'],
    ['config', 'show', '--effective', '--json'],
    ['config', 'get', 'owners'],
    ['config', 'set', 'owners', '[]'],
  ])('may not %s %s %s', (...args) => {
    home.config({ owners: ['telegram:4711'] });
    const { status, stdout, stderr } = home.run(args, { env: { CLAW_RUN_ID: 'r1' } });
    expect(status).toBe(77);
    expect(stdout + stderr).not.toContain('4711');
  });
});

describe('doctor', () => {
  it('accuses nobody of a change while the config cannot be read', () => {
    home.config({ session: { dmScope: 'per-channel-peer' } });
    expect(home.run(['ingest', '--channel', 'telegram', '--from', '1', 'hi']).status).toBe(0);
    fs.writeFileSync(home.path('claw.json'), '{ session: ');
    const { checks } = home.run(['doctor', '--json']).json();
    expect(checks.filter((check: any) => check.status === 'fail').map((check: any) => check.id)).toEqual([
      'config',
    ]);
    expect(checks.map((check: any) => check.id)).not.toContain('orphans');
  });

  it('--fix mends a config that everybody could write, and says that it was so', () => {
    home.config({});
    fs.chmodSync(home.path('claw.json'), 0o666);
    const config = () =>
      home
        .run(['doctor', '--fix', '--json'])
        .json()
        .checks.filter((check: any) => check.id === 'config');
    expect(config()).toContainEqual(
      expect.objectContaining({ status: 'warn', what: expect.stringContaining('until just now') }),
    );
    expect(config().every((check: any) => check.status === 'ok')).toBe(true);
  });

  it('takes a key without effect yet for no trouble', () => {
    home.config({ store: '~/old/sessions.json', agents: { defaults: { heartbeat: { every: '30m' } } } });
    const config = home
      .run(['doctor', '--json'])
      .json()
      .checks.filter((check: any) => check.id === 'config');
    expect(config.map((check: any) => check.status)).toEqual(['ok', 'ok']);
  });
});

describe('a program below the home folder', () => {
  it('is found as ~/bin/agent, by ingest and by doctor', () => {
    const agent = file('agent.sh', '#!/bin/sh\ncat >/dev/null; echo from home\n');
    fs.chmodSync(agent, 0o700);
    home.config({ agents: { defaults: { runner: 'mine' } }, runners: { mine: { command: '~/agent.sh' } } });
    expect(home.run(['ingest', 'hi']).stdout).toBe('from home\n');
    expect(home.run(['doctor']).stdout).toContain(agent);
  });
});

describe('a model', () => {
  it('is passed on with its option where one is set, and neither is where none is', () => {
    const agent = file('agent.sh', '#!/bin/sh\ncat >/dev/null; echo "$@"\n');
    fs.chmodSync(agent, 0o700);
    const config = (model: object) =>
      home.config({
        agents: { defaults: { runner: 'mine', ...model } },
        runners: { mine: { command: agent, args: ['-p', ['--model', '{{Model}}']] } },
      });
    config({});
    expect(home.run(['ingest', 'hi']).stdout).toBe('-p\n');
    config({ model: 'opus' });
    expect(home.run(['ingest', 'hi']).stdout).toBe('-p --model opus\n');
  });

  it('that is set and never told to the program is something doctor names', () => {
    const agent = file('claude', '#!/bin/sh\n');
    fs.chmodSync(agent, 0o700);
    home.config({
      agents: { defaults: { runner: 'mine', model: 'opus' } },
      runners: { mine: { command: agent } },
    });
    expect(home.run(['doctor', '--json']).json().checks).toContainEqual(
      expect.objectContaining({ id: 'model', status: 'warn' }),
    );
  });
});

describe('hints', () => {
  it.each([
    ['sessions resume zzz', 'claw sessions list --archived'],
    ['sessions --active abc', 'claw sessions list --help'],
    ['sessions history main --last x', 'claw sessions history --help'],
  ])('claw %s leads to %s', (words, hint) => {
    home.run(['ingest', 'hi']);
    expect(home.run(words.split(' ')).stderr).toContain(`try: ${hint}\n`);
  });

  it('config validate does not lead to itself', () => {
    const of = (text: string) => home.run(['config', 'validate', '--config', file('x.json', text)]).stderr;
    expect(of('{ session: { dmScop: 1 } }')).toContain('every key: claw config schema');
    expect(of('{ inbound: { reply: { mode: "command", session: { scope: "global" } } } }')).toContain(
      `try: claw config migrate ${home.folder}/x.json\n`,
    );
  });

  it('init, run again, speaks of the config that is there', () => {
    home.config({
      agents: { defaults: { runner: 'mine' } },
      runners: { mine: { command: 'cat' } },
      channels: { telegram: { allowFrom: ['1'] } },
    });
    const { stdout } = home.run(['init']);
    expect(stdout).toContain('the runner "mine"');
    expect(stdout).not.toContain('anybody');
  });

  it('sessions cleanup says how much goes, and went', () => {
    home.config({ session: { retention: { keep: 1 } } });
    for (let n = 0; n < 4; n++) home.run(['ingest', '/new hi']);
    expect(home.run(['sessions', 'cleanup', '--dry-run']).stdout).toMatch(
      /\nwould remove \d files, \d+ bytes\n$/,
    );
    expect(home.run(['sessions', 'cleanup']).stdout).toMatch(/\nremoved \d files, \d+ bytes\n$/);
  });
});

describe('the words of a command line', () => {
  it('takes --config and --json before the command', () => {
    const config = file('bot.json', '{timezone:"Asia/Tokyo"}');
    expect(home.run(['--config', config, 'config', 'get', 'timezone']).stdout).toBe('Asia/Tokyo\n');
    expect(home.run([`--config=${config}`, '--json', 'config', 'get', 'timezone']).json().value).toBe(
      'Asia/Tokyo',
    );
    expect(home.run(['--json', 'sessions']).json().sessions).toEqual([]);
    expect(home.run(['--config'])).toMatchObject({ status: 64, stdout: '' });
  });

  it('answers --version and --help in JSON where that is asked for', () => {
    expect(home.run(['--version', '--json']).json()).toEqual({ version: expect.any(String) });
    expect(home.run(['--help', '--json']).json().commands.length).toBeGreaterThan(20);
    expect(home.run(['ingest', '--help', '--json']).json().command).toBe('claw ingest');
  });

  it.each([
    [
      ['help', 'ingest'],
      ['ingest', '--help'],
    ],
    [
      ['help', 'sessions', 'list'],
      ['sessions', 'list', '--help'],
    ],
    [
      ['sessions', 'help', 'list'],
      ['sessions', 'list', '--help'],
    ],
    [
      ['help', 'sessions'],
      ['sessions', '--help'],
    ],
    [
      ['sessions', 'help'],
      ['sessions', '--help'],
    ],
  ])('%j says what %j says', (words, same) => {
    const { status, stdout } = home.run(words);
    expect([status, stdout]).toEqual([0, home.run(same).stdout]);
  });

  it('claw sessions --help lists the commands, and says how to get the options of the list', () => {
    const { stdout } = home.run(['sessions', '--help']);
    expect(stdout).toMatch(/sessions resume .*claw sessions list --help/s);
  });

  it.each([
    ['sessions foo', 'claw sessions --help'],
    ['sessions lst', 'claw sessions list --help'],
    ['config', 'claw config --help'],
  ])('claw %s leads to %s', (words, hint) => {
    expect(home.run(words.split(' '))).toMatchObject({
      status: 64,
      stdout: '',
      stderr: expect.stringContaining(`try: ${hint}\n`),
    });
  });

  it.each([
    ['inbox retry', 'MESSAGE-ID is missing'],
    ['sessions resume', 'SESSION-ID is missing'],
    ['sessions search --limit 3', 'QUERY is missing'],
    ['import', 'DIR is missing'],
    ['call', 'METHOD is missing'],
    ['completion', 'BASH|ZSH|FISH is missing'],
    ['config get --config x', 'PATH is missing'],
    ['sessions send main', 'MESSAGE is missing'],
    ['message send --message x', '--to is missing'],
  ])('claw %s: %s', (words, message) => {
    const { status, stderr } = home.run(words.split(' '));
    expect(status).toBe(64);
    expect(stderr).toContain(message);
  });
});
