import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/commands/registry.ts';
import { BIN, Home, list, withRunner } from './claw.ts';
import { ageBy, contents, HOUR, modes, recordFile, snapshot, transcriptFile, until } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

const cat = (rest: object = {}) => withRunner({ command: 'cat' }, rest);
const say = (text: string, ...more: string[]) => home.run(['ingest', '--json', ...more, text]);
const sessionId = () => home.run(['sessions', '--json']).json().sessions[0].sessionId as string;
const checksOf = (run: { json(): any }, id: string) =>
  run.json().checks.filter((check: any) => check.id === id);
const logLines = () =>
  fs
    .readFileSync(home.path('logs', 'claw.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line));

describe('status', () => {
  it('says where everything is, what was used, and what waits', () => {
    home = new Home(cat({ channels: { telegram: { dmPolicy: 'pairing' } } }));
    say('hello');
    say('hi', '--session', 'project');
    const empty = home.run(['status', '--json']);
    expect(empty).toMatchObject({ status: 0, stderr: '' });
    expect(empty.json()).toMatchObject({
      home: home.dir,
      configFile: home.path('claw.json'),
      sessions: 2,
      agents: [{ agentId: 'main', sessions: 2, messages: 4 }],
      recent: [{ key: 'agent:main:project', usedTokens: expect.any(Number) }, { key: 'agent:main:main' }],
      lastTick: null,
      pending: { sessions: 0, waiting: 0, failed: 0, deliveries: 0, pairing: 0 },
      attention: [],
    });
    home.config(withRunner({ command: 'false' }, { channels: { telegram: { dmPolicy: 'pairing' } } }));
    say('fails');
    say('let me in', '--channel', 'telegram', '--from', '5');
    const run = home.run(['status', '--json']);
    expect(run.status).toBe(1);
    expect(run.json()).toMatchObject({
      pending: { failed: 1, pairing: 1 },
      attention: [
        { id: 'inbox', fix: 'claw inbox list' },
        { id: 'pairing', fix: 'claw pairing list' },
      ],
    });
    const text = home.run(['status']);
    expect(text.status).toBe(1);
    for (const fix of ['claw inbox list', 'claw pairing list']) expect(text.stdout).toContain(`try: ${fix}`);
  });

  it('tells a tick that stopped coming from one that never came', () => {
    home = new Home(cat());
    expect(home.run(['status']).stdout).toMatch(/last tick *never/);
    home.run(['tick']);
    expect(home.run(['status', '--json'])).toMatchObject({ status: 0 });
    const then = new Date(Date.now() - 2 * HOUR);
    fs.utimesSync(home.path('logs', 'tick'), then, then);
    const late = home.run(['status']);
    expect(late).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/2h ago \(late\)[\s\S]*claw tick/),
    });
    expect(home.run(['status', '--json']).json()).toMatchObject({ lastTick: { late: true } });
  });

  it('shows ages as people say them', () => {
    home = new Home(cat());
    say('hello');
    expect(home.run(['status']).stdout).toContain('just now');
    ageBy(recordFile(home), 47 * HOUR);
    expect(home.run(['status']).stdout).toContain('47h ago');
    ageBy(recordFile(home), 48 * HOUR);
    expect(home.run(['status']).stdout).toContain('2d ago');
  });

  it('has no colour in a pipe', () => {
    home = new Home(withRunner({ command: 'false' }));
    say('fails');
    for (const args of [['status'], ['doctor'], ['logs'], ['logs', '--session', 'main']])
      expect(home.run(args, { env: { TERM: 'xterm', FORCE_COLOR: '1' } }).stdout).not.toContain('\u001b');
  });
});

describe('doctor', () => {
  it('lists every check; all is well in a home that is well', () => {
    home = new Home(cat());
    say('hello');
    home.run(['tick']);
    const run = home.run(['doctor', '--json']);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.json()).toMatchObject({ ok: true });
    for (const check of run.json().checks) {
      expect(Object.keys(check)).toEqual(['id', 'status', 'what', 'where', 'fix', 'fixed']);
      expect(check.status).toBe('ok');
    }
    expect(home.run(['doctor'])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('All is well.'),
    });
  });

  it('writes nothing without --fix', () => {
    home = new Home(cat());
    say('hello');
    fs.chmodSync(recordFile(home), 0o644);
    home.run(['status']); // fills the cache
    const before = snapshot(home.dir, ['cache']);
    expect(home.run(['doctor']).status).toBe(1);
    expect(snapshot(home.dir, ['cache'])).toEqual(before);
  });

  it('repairs modes (Z02 openclaw#7862), and says so once', () => {
    home = new Home(cat());
    say('hello');
    home.run(['tick']);
    const transcript = transcriptFile(home, sessionId());
    fs.chmodSync(transcript, 0o664);
    fs.chmodSync(path.dirname(transcript), 0o755);
    const found = home.run(['doctor', '--json']);
    expect(found.status).toBe(1);
    expect(checksOf(found, 'modes')).toMatchObject([{ status: 'fail', fix: 'claw doctor --fix' }]);
    const fixed = home.run(['doctor', '--fix', '--json']);
    expect(fixed.status).toBe(0);
    expect(checksOf(fixed, 'modes')).toMatchObject([{ status: 'ok', fixed: true }]);
    expect(home.run(['doctor']).status).toBe(0);
    const own = modes(home.dir).filter(({ file }) => !/workspace|^locks/.test(file));
    expect(own.filter(({ mode, isFolder }) => mode !== (isFolder ? '700' : '600'))).toEqual([]);
  });

  it('moves an unreadable record aside and makes it anew', () => {
    home = new Home(cat());
    say('hello');
    home.run(['tick']);
    const file = recordFile(home);
    const id = sessionId();
    fs.writeFileSync(file, '{"half');
    const found = home.run(['doctor', '--json']);
    expect(checksOf(found, 'records')).toMatchObject([
      { status: 'fail', where: file, fix: 'claw doctor --fix' },
    ]);
    expect(home.run(['doctor', '--fix']).status).toBe(0);
    expect(sessionId()).toBe(id);
    const after = home.run(['doctor', '--json']);
    expect(after.status).toBe(0);
    expect(checksOf(after, 'aside')).toMatchObject([{ where: expect.stringContaining('.unreadable-') }]);
  });

  it('takes away what dead writers left', () => {
    home = new Home(cat());
    say('hello');
    home.run(['tick']);
    const file = home.path('agents', 'main', '.tmp', `.tmp-${tokenOfDead()}`);
    fs.writeFileSync(file, 'half');
    // Beside the stamp of daily resets.
    const other = home.path('logs', `.tmp-${tokenOfDead()}`);
    fs.writeFileSync(other, 'half');
    fs.mkdirSync(home.path('locks', 'main', 'main', tokenOfDead()), { recursive: true, mode: 0o700 });
    const found = home.run(['doctor', '--json']);
    expect(found.status).toBe(1);
    expect(checksOf(found, 'temporaries')).toMatchObject([{ status: 'warn', where: other }]);
    expect(checksOf(found, 'locks')).toMatchObject([{ status: 'warn', fix: 'claw tick' }]);
    home.run(['doctor', '--fix']);
    expect([file, other].filter(each => fs.existsSync(each))).toEqual([]);
    fs.writeFileSync(other, 'half');
    home.run(['tick']);
    expect(fs.existsSync(other)).toBe(false);
    expect(home.run(['doctor']).status).toBe(0);
  });

  it('reports a config that cannot be used, and keys without effect, and who may change it', () => {
    home = new Home({ store: '~/old/sessions.json' });
    home.run(['tick']);
    expect(checksOf(home.run(['doctor', '--json']), 'config')).toMatchObject([
      { status: 'ok', what: 'it is valid' },
      { status: 'ok', what: expect.stringContaining('store') },
    ]);
    fs.chmodSync(home.path('claw.json'), 0o620);
    expect(checksOf(home.run(['doctor', '--json']), 'config')).toContainEqual(
      expect.objectContaining({ status: 'warn', fix: `chmod go-w ${home.path('claw.json')}` }),
    );
    fs.chmodSync(home.path('claw.json'), 0o602);
    expect(checksOf(home.run(['doctor', '--json']), 'config')).toMatchObject([
      { status: 'fail', what: expect.stringContaining('everybody') },
    ]);
    home.config({ agent: { nonsense: true } });
    fs.chmodSync(home.path('claw.json'), 0o600);
    const broken = home.run(['doctor', '--json']);
    expect(broken).toMatchObject({ status: 1, stderr: '' });
    expect(checksOf(broken, 'config')).toMatchObject([{ status: 'fail', fix: 'claw config validate' }]);
    home.config({});
    fs.chmodSync(home.dir, 0o777);
    expect(checksOf(home.run(['doctor', '--json']), 'config')).toContainEqual(
      expect.objectContaining({ status: 'fail', where: home.dir }),
    );
  });

  it('says who can talk to a program, and which program is missing', () => {
    home = new Home(withRunner({ command: 'no-such-agent' }, { channels: { telegram: {} } }));
    home.run(['tick']);
    const run = home.run(['doctor', '--json']);
    expect(checksOf(run, 'runner')).toMatchObject([
      { status: 'fail', what: expect.stringContaining('no-such-agent') },
    ]);
    expect(checksOf(run, 'access')).toMatchObject([{ status: 'warn', where: 'channels.telegram.dmPolicy' }]);
    for (const settings of [{ dmPolicy: 'pairing' }, { allowFrom: ['5'] }, { dmPolicy: 'disabled' }]) {
      home.config(cat({ channels: { telegram: settings } }));
      expect(checksOf(home.run(['doctor', '--json']), 'access')).toMatchObject([{ status: 'ok' }]);
    }
    home.config(cat({ channels: { telegram: { allowFrom: ['*'] } } }));
    expect(checksOf(home.run(['doctor', '--json']), 'access')).toMatchObject([{ status: 'warn' }]);
  });

  it('finds two people in one main session (K11 openclaw#7215), not one on two channels', () => {
    const links = { identityLinks: { alice: ['telegram:1', 'discord:2'] } };
    home = new Home(cat({ session: links }));
    say('hello');
    say('hello', '--channel', 'telegram', '--from', '1');
    say('hello', '--channel', 'discord', '--from', '2');
    expect(checksOf(home.run(['doctor', '--json']), 'shared')).toMatchObject([{ status: 'ok' }]);
    say('hello', '--channel', 'discord', '--from', '3');
    expect(checksOf(home.run(['doctor', '--json']), 'shared')).toMatchObject([
      { status: 'fail', where: 'agent:main:main', fix: expect.stringContaining('session.dmScope') },
    ]);
  });

  it('finds sessions that a change of scope has orphaned (K10 openclaw#19918)', () => {
    home = new Home(cat({ session: { dmScope: 'per-peer' } }));
    say('hello', '--channel', 'telegram', '--from', '1');
    expect(checksOf(home.run(['doctor', '--json']), 'orphans')).toEqual([]);
    home.config(cat({ session: { dmScope: 'per-channel-peer' } }));
    expect(checksOf(home.run(['doctor', '--json']), 'orphans')).toMatchObject([
      { status: 'warn', where: 'agent:main:dm:1', what: expect.stringContaining('agent:main:telegram:dm:1') },
    ]);
  });

  it('finds records from the future', () => {
    home = new Home(cat());
    say('hello');
    ageBy(recordFile(home), -HOUR);
    expect(checksOf(home.run(['doctor', '--json']), 'clock')).toMatchObject([{ status: 'warn' }]);
  });
});

/** A token of this machine and boot whose process is gone, in the form that the locks here have. */
function tokenOfDead(): string {
  const ended = spawnSync('true').pid;
  const read = (file: string) =>
    fs
      .readFileSync(file, 'latin1')
      .replace(/[^0-9a-zA-Z]/g, '')
      .slice(0, 8) || 'x';
  const boot = read('/proc/sys/kernel/random/boot_id');
  const machine = fs.existsSync('/etc/machine-id') ? read('/etc/machine-id') : 'x';
  const namespace = fs.readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  return `${ended}-1-${boot}-${namespace}-${machine}-abc`;
}

describe('the log', () => {
  it('has what commands that write had to warn of; readers write none', () => {
    home = new Home(withRunner({ command: 'false' }));
    expect(home.run(['logs'])).toMatchObject({ status: 0, stdout: 'Nothing was logged.\n' });
    say('hello');
    expect(logLines()).toMatchObject([
      {
        level: 'error',
        command: 'ingest',
        sessionKey: 'agent:main:main',
        at: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    ]);
    fs.writeFileSync(recordFile(home), '');
    const before = contents(home.dir, ['cache']);
    for (const args of [
      ['sessions'],
      ['status'],
      ['sessions', 'show', 'main'],
      ['tick', '--dry-run'],
      ['route', 'x'],
    ])
      home.run(args);
    expect(contents(home.dir, ['cache'])).toEqual(before);
    const shown = home.run(['logs']);
    expect(shown.stdout).toMatch(/error {2}ingest: agent:main:main: /);
    expect(home.run(['logs', '--json']).json()).toMatchObject({ count: 1, lines: logLines() });
    expect(modes(home.path('logs'))).toMatchObject([{ mode: '600' }]);
  });

  it('has a broken config once an hour, not with every tick (O08 openclaw#29745)', () => {
    home = new Home({ session: { dmScope: 'nonsense' } });
    for (let i = 0; i < 5; i++) expect(home.run(['tick']).status).toBe(78);
    expect(logLines()).toHaveLength(1);
    const file = home.path('logs', 'claw.jsonl');
    const [line] = logLines();
    fs.writeFileSync(
      file,
      `${JSON.stringify({ ...line, at: new Date(Date.now() - 2 * HOUR).toISOString() })}\n`,
    );
    home.run(['tick']);
    expect(logLines()).toHaveLength(2);
    expect(home.run(['sessions', '--json']).status).toBe(0);
  });

  it('obeys logging.level and logging.file', () => {
    home = new Home(withRunner({ command: 'false' }, { logging: { level: 'error', file: 'own.jsonl' } }));
    fs.chmodSync(home.path('claw.json'), 0o620); // a warning
    say('hello');
    const lines = fs.readFileSync(home.path('own.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map(line => JSON.parse(line).level)).toEqual(['error']);
    expect(list(home.path('logs'))).toEqual([]);
    expect(home.run(['logs', '--json']).json()).toMatchObject({ count: 1, file: home.path('own.jsonl') });
  });

  it('holds no secret', () => {
    const secret = 'not-shaped-like-a-token';
    home = new Home(
      withRunner({
        command: 'sh',
        args: ['-c', `echo "key ${secret} and sk-abcdefghijklmnopqrstuvwx" >&2; exit 1`],
        env: { SOME_KEY: secret },
      }),
    );
    say('hello');
    const text = fs.readFileSync(home.path('logs', 'claw.jsonl'), 'utf8');
    expect(text).toContain('***');
    expect(text).not.toContain(secret);
    expect(text).not.toContain('sk-abc');
  });

  it('that cannot be written is nobody’s failure', () => {
    home = new Home(withRunner({ command: 'false' }));
    fs.writeFileSync(home.path('logs'), 'in the way', { mode: 0o600 });
    expect(say('hello')).toMatchObject({ status: 69, stderr: expect.not.stringContaining('EEXIST') });
  });
});

describe('the log of a session', () => {
  it('tells all that happened, in words', () => {
    home = new Home(cat({ messages: {} }));
    say('hello', '--channel', 'telegram', '--from', '5', '--from-name', 'Alice');
    say('chatter', '--no-run');
    home.config(withRunner({ command: 'false' }));
    say('fails');
    const text = home.run(['logs', '--session', 'main']).stdout;
    for (const part of [
      /begin +agent:main:main as /,
      /in +Alice \(telegram\): hello\n/,
      /turn +run \S+, runner agent, attempt 1, 1 message\n/,
      /out +hello\n/,
      /end +replied, \d+\.\d s, \d+ \+ \d+ tokens/,
      /kept +you: chatter\n/,
      /end +failed[^\n]*\n +\S+: /,
    ])
      expect(text).toMatch(part);
    expect(home.run(['logs', '--session', 'main', '--limit', '2', '--json']).json()).toMatchObject({
      sessionKey: 'agent:main:main',
      count: 2,
      entries: [{ type: 'turn' }, { type: 'turn_end' }],
    });
  });

  it('shows control characters, and cuts what is long', () => {
    home = new Home(cat());
    say('\u001b[2Jevil\n'.repeat(50));
    const text = home.run(['logs', '--session', 'main']).stdout;
    expect(text).not.toContain('\u001b');
    expect(text).toMatch(/… \(\d+ (lines|characters)\)/);
  });

  it('reports broken lines and passes over them', () => {
    home = new Home(cat());
    say('hello');
    const file = transcriptFile(home, sessionId());
    fs.appendFileSync(file, 'broken\n');
    const run = home.run(['logs', '--session', 'main']);
    expect(run).toMatchObject({ status: 0, stderr: expect.stringContaining(`${file}:6`) });
    expect(run.stdout).toContain('replied');
  });

  it('goes on as lines are added, over a reset, until Ctrl-C', async () => {
    home = new Home(cat());
    say('before');
    const { child, done } = home.start(['logs', '--session', 'main', '--follow', '--limit', '3']);
    let seen = '';
    child.stdout!.on('data', chunk => {
      seen += chunk;
    });
    await until('the log has begun', () => seen.includes('replied'));
    say('during');
    await until('the new message', () => /in +you: during/.test(seen));
    say('/new and more');
    await until('the message behind the reset', () => /in +you: [^\n]*and more/.test(seen));
    expect(seen).toMatch(/reset +user; goes on as/);
    expect(seen.match(/you: during/g)).toHaveLength(1);
    child.kill('SIGINT');
    expect(await done).toMatchObject({ status: 130, stderr: '' });
  });

  it('that nobody reads any more ends without a word', async () => {
    home = new Home(cat());
    say('before');
    const { child, done } = home.start(['logs', '--session', 'main', '--follow', '--json']);
    await new Promise(resolve => child.stdout!.once('data', resolve));
    child.stdout!.destroy();
    const busy = setInterval(() => say('more'), 200);
    try {
      expect(await done).toMatchObject({ status: 0, stderr: '' });
    } finally {
      clearInterval(busy);
    }
  });
});

describe('claw’s own log', () => {
  it('can be followed, also over its rotation', async () => {
    home = new Home(withRunner({ command: 'false' }));
    say('one', '--session', 'a');
    const { child, done } = home.start(['logs', '--follow', '--json']);
    let seen = '';
    child.stdout!.on('data', chunk => {
      seen += chunk;
    });
    await until('the log has begun', () => seen.includes('"level"'));
    const file = home.path('logs', 'claw.jsonl');
    fs.renameSync(file, `${file}.1`);
    home.config({ session: { dmScope: 'nonsense' } });
    home.run(['tick']);
    await until('the line in the new file', () => seen.includes('"tick"'));
    child.kill('SIGINT');
    expect((await done).status).toBe(130);
    expect(home.run(['logs', '--json']).json().count).toBe(2);
  });
});

describe('--json', () => {
  const conditions: [string, () => void][] = [
    ['all well', () => undefined],
    ['a warning', () => fs.chmodSync(home.path('claw.json'), 0o620)],
    ['an unreadable record', () => fs.writeFileSync(recordFile(home, 'main'), '{')],
    ['a broken config', () => home.config({ session: { dmScope: 'nonsense' } })],
  ];
  /** What each command needs beside its name. */
  const ARGUMENTS: Record<string, string[]> = {
    ingest: ['hello'],
    route: ['hello'],
    'sessions show': ['main'],
    'sessions history': ['main'],
    'pairing approve': ['telegram:5'],
    'pairing deny': ['telegram:5'],
    'pairing revoke': ['telegram:5'],
    completion: ['bash'],
    logs: ['--session', 'main'],
  };
  // Commands that need more than this say so with a usage error, which is a document too.
  it.each(conditions)(
    'with %s: one document on stdout, or one error on stderr (O03 openclaw#37323)',
    (_what, spoil) => {
      home = new Home(cat({ channels: { telegram: { dmPolicy: 'pairing' } } }));
      say('hello');
      say('hello', '--channel', 'telegram', '--from', '5');
      spoil();
      for (const { path: words } of COMMANDS) {
        const args = [...words.split(' '), ...(ARGUMENTS[words] ?? []), '--json'];
        const run = home.run(args);
        const what = `${args.join(' ')}: ${run.status} ${run.stderr}`;
        expect(run.stderr, what).not.toMatch(/internal error/);
        if (run.stdout !== '') expect(run.json(), what).toBeTypeOf('object');
        else {
          expect(run.status, what).not.toBe(0);
          const error = JSON.parse(run.stderr.trim().split('\n').at(-1)!);
          expect(error, what).toMatchObject({
            error: { code: expect.any(String), message: expect.any(String) },
          });
        }
      }
    },
  );
});

describe('completion', () => {
  /** What TAB offers behind a line, by the real shell. */
  function tab(line: string, wordBreaks = ' \t\n"\'><=;|&(:'): string[] {
    const bin = path.join(home.folder, 'bin');
    fs.mkdirSync(bin, { recursive: true });
    fs.writeFileSync(path.join(bin, 'claw'), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`, {
      mode: 0o755,
    });
    const script = path.join(home.folder, 'completion.bash');
    fs.writeFileSync(script, home.run(['completion', 'bash']).stdout);
    const run = spawnSync(
      'bash',
      [
        '--norc',
        '-c',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
        'set -u; . "$1"; COMP_LINE=$2; COMP_POINT=${#2}; COMP_WORDBREAKS=$3; _claw; printf "%s\\n" "${COMPREPLY[@]-}"',
        'bash',
        script,
        line,
        wordBreaks,
      ],
      { env: home.env({ PATH: `${bin}:${process.env.PATH}` }), cwd: home.folder, encoding: 'utf8' },
    );
    expect(run.stderr).toBe('');
    return run.stdout.split('\n').filter(Boolean);
  }

  it('in bash offers commands, options and sessions', () => {
    home = new Home(cat());
    say('hello');
    say('hello', '--channel', 'telegram', '--group', '-100', '--mentioned');
    expect(tab('claw st')).toEqual(['status']);
    expect(tab('claw ')).toEqual(expect.arrayContaining(['ingest', 'sessions', 'doctor', 'pairing']));
    expect(tab('claw ').filter(word => word.startsWith('-'))).toEqual([]);
    expect(tab('claw sessions ').toSorted()).toEqual(expect.arrayContaining(['history', 'list', 'show']));
    expect(tab('claw session sh')).toEqual(['show']);
    expect(tab('claw sessions show --v')).toEqual(['--verbose']);
    expect(tab('claw sessions --act')).toEqual(['--active']);
    expect(tab('claw doctor --f')).toEqual(['--fix']);
    expect(tab('claw completion z')).toEqual(['zsh']);
    expect(tab('claw ingest --session agent:main:m', ' ')).toEqual(['agent:main:main']);
    expect(tab('claw sessions show ', ' ').toSorted()).toEqual([
      'agent:main:main',
      'agent:main:telegram:group:-100',
    ]);
    expect(tab('claw ingest --channel ')).toEqual([]);
    // Where bash splits words at colons, only what stands behind the last one is inserted.
    expect(tab('claw sessions show agent:main:t')).toEqual(['telegram:group:-100']);
  });

  it('never runs what a stranger chose as his id (Z04 CVE-2026-28463)', () => {
    home = new Home(cat({ session: { dmScope: 'per-peer' } }));
    const id = '$(touch pwned)`touch pwned`;touch pwned';
    say('hello', '--channel', 'telegram', '--from', id);
    const [offered] = tab('claw sessions show ', ' ');
    const back = spawnSync('bash', ['-c', `printf %s ${offered}`], { cwd: home.folder, encoding: 'utf8' });
    expect(back.stdout).toBe(`agent:main:dm:${id}`);
    expect(list(home.folder)).not.toContain('pwned');
  });

  it.each([['bash'], ['zsh'], ['fish']])('names every command for %s', shell => {
    home = new Home();
    const { stdout, status } = home.run(['completion', shell]);
    expect(status).toBe(0);
    for (const { path: words } of COMMANDS) expect(stdout).toContain(words);
    expect(stdout).toMatch(/--fix|-l 'fix'|-l fix/);
  });

  it.each([['bash'], ['zsh'], ['fish']])('is a script that %s reads', shell => {
    home = new Home();
    // Only where that shell is installed.
    if (spawnSync(shell, ['-c', 'true']).status !== 0) return;
    const script = path.join(home.folder, 'completion');
    fs.writeFileSync(script, home.run(['completion', shell]).stdout);
    expect(spawnSync(shell, ['-n', script], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  });

  it('of keys opens no record', () => {
    home = new Home(cat());
    say('hello');
    const file = recordFile(home);
    fs.rmSync(file);
    fs.mkdirSync(file);
    expect(home.run(['completion', 'keys'])).toMatchObject({
      status: 0,
      stdout: 'agent:main:main\n',
      stderr: '',
    });
  });

  it('for another shell is a usage error that names those there are', () => {
    home = new Home();
    expect(home.run(['completion', 'tcsh'])).toMatchObject({
      status: 64,
      stdout: '',
      stderr: expect.stringContaining('fish'),
    });
  });
});
