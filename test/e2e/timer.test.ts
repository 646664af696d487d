/** `claw timer`, against small programs that play systemctl, launchctl and crontab, and against a real user manager. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BIN, Home, type Outcome } from './claw.ts';
import { contents, HOUR, snapshot } from './support.ts';

const FAKES = path.resolve(import.meta.dirname, '../fixtures/timers');
const NODE = fs.realpathSync(process.execPath);

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.cleanUp());

/** A machine that has these programs and no others. */
class Machine {
  readonly bin: string;
  readonly fake: string;

  constructor(...programs: string[]) {
    this.bin = path.join(home.folder, 'bin');
    this.fake = path.join(home.folder, 'fake');
    fs.mkdirSync(this.bin);
    fs.mkdirSync(this.fake);
    for (const name of programs) fs.symlinkSync(path.join(FAKES, name), path.join(this.bin, name));
  }

  run(args: string[], env: Record<string, string> = {}): Outcome {
    return home.run(['timer', ...args], { env: { PATH: this.bin, FAKE: this.fake, ...env } });
  }

  claw(args: string[]): Outcome {
    return home.run(args, { env: { PATH: this.bin, FAKE: this.fake } });
  }

  /** Calls since the last time, without those that only ask. */
  changes(): string[] {
    const file = path.join(this.fake, 'calls');
    const calls = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n') : [];
    fs.rmSync(file, { force: true });
    return calls.filter(
      call => !/^systemctl --user show|^loginctl|^launchctl (print|version)|^crontab -l/.test(call),
    );
  }

  set(name: string, text = ''): void {
    fs.writeFileSync(path.join(this.fake, name), text);
  }

  /** bytes of the crontab; null when there is none */
  table(): Buffer | null {
    const file = path.join(this.fake, 'table');
    return fs.existsSync(file) ? fs.readFileSync(file) : null;
  }
}

const units = (...parts: string[]) => path.join(home.folder, '.config', 'systemd', 'user', ...parts);
const SERVICE = 'claw-tick.service';
const TIMER = 'claw-tick.timer';

describe('a systemd timer', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine('systemctl', 'loginctl', 'crontab');
  });

  it('#40659 has absolute paths of node and claw, an explicit PATH and the store', () => {
    const report = machine.run(['install', '--json']).json();
    expect(report).toMatchObject({ kind: 'systemd', started: true, linger: false });
    expect(report.written).toEqual([units(SERVICE), units(TIMER)]);
    const text = fs.readFileSync(units(SERVICE), 'utf8');
    expect(text).toContain(`ExecStart=${report.facts.node} ${BIN} tick\n`);
    expect(fs.realpathSync(report.facts.node)).toBe(NODE);
    expect(text).toContain(`Environment=PATH=${machine.bin}:`);
    expect(text).toContain(`Environment=CLAW_HOME=${home.dir}\n`);
    expect(machine.changes()).toEqual([
      'systemctl --user daemon-reload',
      'systemctl --user enable --now claw-tick.timer',
    ]);
    expect(report.notes.join()).toContain('loginctl enable-linger');
  });

  it('installed twice is installed once: same files, nothing started', () => {
    machine.run(['install']);
    machine.changes();
    const before = snapshot(units());
    const again = machine.run(['install', '--json']);
    expect(again.json()).toMatchObject({ written: [], started: false });
    expect(snapshot(units())).toEqual(before);
    expect(machine.changes()).toEqual([]);
  });

  it('goes to XDG_CONFIG_HOME, with the config that was asked for', () => {
    home.config({});
    const config = path.join(home.folder, 'my 100%.json');
    fs.writeFileSync(config, '{}', { mode: 0o600 });
    const xdg = path.join(home.folder, 'xdg');
    machine.run(['install', '--config', config], { XDG_CONFIG_HOME: xdg });
    expect(fs.readFileSync(path.join(xdg, 'systemd/user', SERVICE), 'utf8')).toContain(
      ` tick --config "${config.replace('%', '%%')}"\n`,
    );
  });

  it('is taken away whole', () => {
    machine.run(['install', '--hardened']);
    machine.changes();
    const run = machine.run(['uninstall', '--json']);
    expect(run.status).toBe(0);
    expect(run.json().removed.sort()).toEqual(
      [units(SERVICE), units(`${SERVICE}.d`, 'claw-hardened.conf'), units(TIMER)].sort(),
    );
    expect(contents(units())).toEqual({ '.': contents(units())['.'] });
    expect(machine.changes()).toEqual([
      'systemctl --user disable --now claw-tick.timer',
      'systemctl --user clean --what=state claw-tick.timer',
      'systemctl --user daemon-reload',
    ]);
    expect(machine.run(['uninstall'])).toMatchObject({ status: 0 });
  });

  it('stays hardened until told otherwise', () => {
    const dropIn = units(`${SERVICE}.d`, 'claw-hardened.conf');
    machine.run(['install', '--hardened']);
    expect(machine.run(['install', '--json']).json()).toMatchObject({ hardened: true, written: [] });
    expect(fs.readFileSync(dropIn, 'utf8')).toContain('ProtectSystem=strict');
    expect(machine.run(['install', '--no-hardened', '--json']).json().removed).toEqual([dropIn]);
    expect(fs.existsSync(path.dirname(dropIn))).toBe(false);
  });

  it('leaves what a hand has edited, at install and at uninstall', () => {
    machine.run(['install']);
    fs.appendFileSync(units(SERVICE), 'Nice=19\n');
    const before = contents(units());
    machine.changes();
    expect(machine.run(['install'])).toMatchObject({
      status: 73,
      stderr: expect.stringContaining('--force'),
    });
    expect(contents(units())).toEqual(before);
    expect(machine.changes()).toEqual([]);

    const run = machine.run(['uninstall', '--json']);
    expect(run).toMatchObject({ status: 1, stderr: expect.stringContaining(units(SERVICE)) });
    expect(run.json()).toMatchObject({ left: [units(SERVICE)], removed: [units(TIMER)] });
    expect(fs.readFileSync(units(SERVICE), 'utf8')).toMatch(/Nice=19\n$/);
  });

  it('with --force keeps what somebody else wrote under another name', () => {
    fs.mkdirSync(units(), { recursive: true });
    fs.writeFileSync(units(SERVICE), 'mine\n');
    expect(machine.run(['install'])).toMatchObject({ status: 73 });
    expect(fs.existsSync(units(TIMER))).toBe(false);
    const { setAside } = machine.run(['install', '--force', '--json']).json();
    expect(setAside.map((file: string) => fs.readFileSync(file, 'utf8'))).toEqual(['mine\n']);
    expect(path.basename(setAside[0])).toMatch(/^claw-tick\.service\.bak-\d{8}T\d{6}Z$/);
  });

  it('says when it will run, ran, and what differs from an install now', () => {
    machine.run(['install']);
    machine.claw(['tick']);
    const run = machine.run(['status', '--json']);
    expect(run.status).toBe(0);
    expect(run.json()).toMatchObject({
      ok: true,
      kind: 'systemd',
      active: true,
      enabled: true,
      linger: false,
      nextAt: '2036-11-21T16:01:00.000Z',
      lastAt: '2026-11-21T16:00:00.000Z',
      lastTick: { late: false },
      drift: [],
    });
    expect(machine.run(['status']).stdout).toMatch(/^timer +systemd, running, enabled\n/);
  });

  it('#58111 tells when node or claw has moved, and when it is gone', () => {
    const copied = path.join(home.folder, 'package');
    for (const part of ['bin', 'dist', 'systemd', 'launchd'])
      fs.cpSync(path.resolve(BIN, '../..', part), path.join(copied, part), { recursive: true });
    const env = home.env({ PATH: machine.bin, FAKE: machine.fake });
    const installed = spawnSync(NODE, [path.join(copied, 'bin/claw.js'), 'timer', 'install'], { env });
    expect(installed.status).toBe(0);
    machine.claw(['tick']);
    const moved = machine.run(['status', '--json']);
    expect(moved).toMatchObject({ status: 0 });
    expect(moved.json().drift).toEqual([expect.stringContaining(copied)]);

    fs.rmSync(copied, { recursive: true });
    const gone = machine.run(['status', '--json']);
    expect(gone.status).toBe(1);
    expect(gone.json().problems).toEqual([
      { what: `claw is no longer at ${copied}/bin/claw.js`, fix: 'claw timer install' },
    ]);
    for (const words of [['doctor'], ['status']]) {
      const told = machine.claw(words);
      expect(told.status).toBe(1);
      expect(told.stdout).toContain('claw is no longer at');
      expect(told.stdout).toContain('try: claw timer install');
    }
    machine.run(['install']);
    expect(machine.run(['status'])).toMatchObject({ status: 0 });
  });

  it.each([
    [
      'stopped',
      (m: Machine) => fs.rmSync(path.join(m.fake, 'on')),
      /the timer is stopped/,
      'claw timer install',
    ],
    ['failing', (m: Machine) => m.set('failed'), /failed \(exit-code, status 78\)/, 'claw config validate'],
    [
      'without its file',
      () => fs.rmSync(units(SERVICE)),
      /claw-tick\.service is missing/,
      'claw timer install',
    ],
  ])('exit 1 when it is %s', (_, harm, what, fix) => {
    machine.run(['install']);
    harm(machine);
    const run = machine.run(['status', '--json']);
    expect(run.status).toBe(1);
    expect(run.json().problems).toContainEqual({ what: expect.stringMatching(what), fix });
  });

  it('exit 1 when it runs by its own words, but no tick comes', () => {
    machine.run(['install']);
    machine.claw(['tick']);
    const then = new Date(Date.now() - 2 * HOUR);
    for (const file of [home.path('logs', 'tick'), units(SERVICE), units(TIMER)])
      fs.utimesSync(file, then, then);
    expect(machine.run(['status', '--json']).json().problems).toMatchObject([
      {
        what: 'the timer is installed, but no tick comes',
      },
    ]);
  });

  it('a refusal of systemd is told with what it said', () => {
    machine.set('refuse');
    expect(machine.run(['install'])).toMatchObject({ status: 69, stderr: expect.stringContaining('masked') });
  });

  it('is not put over a config that cannot be used', () => {
    home.config({ session: { scope: 7 } });
    expect(machine.run(['install'])).toMatchObject({ status: 78 });
    expect(fs.existsSync(units())).toBe(false);
  });

  it('another kind is not put beside it', () => {
    machine.run(['install']);
    expect(machine.run(['install', '--cron'])).toMatchObject({ status: 73 });
    machine.set('no-manager');
    expect(machine.run(['install'])).toMatchObject({
      status: 73,
      stderr: expect.stringContaining('No medium found'),
    });
    expect(machine.table()).toBeNull();
  });

  it('of another store is told, and taken over aloud', () => {
    machine.run(['install']);
    const other = path.join(home.folder, 'other');
    const env = { CLAW_HOME: other };
    expect(machine.run(['status'], env).stdout).toContain(`the timer ticks for ${home.dir}`);
    expect(
      home.run(['status', '--json'], { env: { ...env, PATH: machine.bin, FAKE: machine.fake } }).json(),
    ).toMatchObject({
      timer: { installed: false, kind: null },
    });
    expect(machine.run(['install', '--json'], env).json().notes).toContain(
      `the timer ticked for ${home.dir} until now; a user has one timer`,
    );
  });

  it('nanoclaw#731 refuses a node that a version manager made for one shell', () => {
    const shell = path.join(home.folder, 'fnm_multishells', '1_2', 'bin');
    fs.mkdirSync(shell, { recursive: true });
    fs.copyFileSync(NODE, path.join(shell, 'node'));
    const env = home.env({ PATH: machine.bin, FAKE: machine.fake });
    const run = spawnSync(path.join(shell, 'node'), [BIN, 'timer', 'install'], { env, encoding: 'utf8' });
    expect(run).toMatchObject({ status: 78, stderr: expect.stringMatching(/fnm[\s\S]*try:/) });
    expect(fs.existsSync(units())).toBe(false);

    // The usual case: a link to a binary that stays.
    fs.rmSync(path.join(shell, 'node'));
    fs.symlinkSync(NODE, path.join(shell, 'node'));
    const linked = spawnSync(path.join(shell, 'node'), [BIN, 'timer', 'install', '--json'], {
      env: { ...env, PATH: `${shell}:${machine.bin}` },
      encoding: 'utf8',
    });
    const { facts } = JSON.parse(linked.stdout);
    expect(JSON.stringify(facts)).not.toContain('fnm_multishells');
    expect(fs.realpathSync(facts.node)).toBe(NODE);
  });
});

describe('a launchd agent', () => {
  const plist = () => path.join(home.folder, 'Library', 'LaunchAgents', 'claw-tick.plist');
  const domain = `gui/${process.getuid?.()}`;

  it('#47916 is loaded once, replaced when it changed, and taken away', () => {
    const machine = new Machine('launchctl');
    expect(machine.run(['install', '--json']).json()).toMatchObject({ kind: 'launchd', written: [plist()] });
    expect(fs.readFileSync(plist(), 'utf8')).toContain(`<string>${BIN}</string>`);
    const load = [`launchctl enable ${domain}/claw-tick`, `launchctl bootstrap ${domain} ${plist()}`];
    expect(machine.changes()).toEqual(load);

    machine.run(['install']);
    expect(machine.changes()).toEqual([]);

    // bootout returns before the job is gone: the first bootstrap fails.
    expect(machine.run(['install'], { TZ: 'Europe/Rome' }).status).toBe(0);
    expect(machine.changes()).toEqual([`launchctl bootout ${domain}/claw-tick`, ...load, load[1]]);
    expect(machine.run(['status', '--json']).json()).toMatchObject({
      kind: 'launchd',
      active: true,
      lastExit: 0,
    });
    machine.set('exit', '78');
    expect(machine.run(['status'])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('claw config validate'),
    });

    expect(machine.run(['uninstall']).status).toBe(0);
    expect(machine.changes()).toEqual([`launchctl bootout ${domain}/claw-tick`]);
    expect(fs.existsSync(plist())).toBe(false);
  });

  it('--hardened means nothing there, and is refused before anything is written', () => {
    const machine = new Machine('launchctl');
    expect(machine.run(['install', '--hardened'])).toMatchObject({ status: 64 });
    expect(fs.existsSync(plist())).toBe(false);
  });
});

describe('a block in the crontab', () => {
  it.each([
    ['no table', null],
    ['an empty table', ''],
    ['a table', 'MAILTO=me@example.org\n# mine\n*/5 * * * * backup --date \\%F\n'],
    [
      'a table in no encoding, with carriage returns and without an end',
      Buffer.from('# caf\xe9\r\n@daily x', 'latin1'),
    ],
  ])('#41843 put into %s and taken out leaves every byte', (_, table) => {
    const machine = new Machine('crontab');
    if (table !== null) fs.writeFileSync(path.join(machine.fake, 'table'), table);
    const before = machine.table();
    expect(machine.run(['install', '--json']).json()).toMatchObject({ kind: 'cron', written: ['crontab'] });
    const with_ = machine.table()!;
    expect(with_.subarray(0, before?.length ?? 0)).toEqual(before ?? Buffer.alloc(0));
    expect(with_.toString('latin1').match(/^\* \* \* \* \*.*claw\.js tick/gm)).toHaveLength(1);
    machine.changes();

    expect(machine.run(['install', '--json']).json()).toMatchObject({ unchanged: ['crontab'], written: [] });
    expect(machine.changes()).toEqual([]);
    expect(machine.run(['status', '--json'])).toMatchObject({ status: 0 });

    expect(machine.run(['uninstall', '--json']).json()).toMatchObject({ removed: ['crontab'] });
    expect(machine.table()).toEqual(before);
  });

  it('is used where the user manager does not answer, and on demand where it does', () => {
    const machine = new Machine('systemctl', 'loginctl', 'crontab');
    expect(machine.run(['install', '--cron', '--json']).json()).toMatchObject({ kind: 'cron' });
    machine.run(['uninstall']);
    machine.set('no-manager');
    expect(machine.run(['install', '--json']).json()).toMatchObject({
      kind: 'cron',
      why: expect.stringContaining('No medium found'),
    });
  });

  it('edited by hand is left', () => {
    const machine = new Machine('crontab');
    machine.run(['install']);
    machine.set('table', machine.table()!.toString().replace('* * * * *', '*/5 * * * *'));
    const before = machine.table();
    expect(machine.run(['install'])).toMatchObject({ status: 73 });
    expect(machine.run(['uninstall'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('crontab'),
    });
    expect(machine.table()).toEqual(before);
  });

  it('a table that cannot be read is not taken for an empty one', () => {
    const machine = new Machine('crontab');
    machine.set('table', 'mine\n');
    machine.set('denied');
    expect(machine.run(['install'])).toMatchObject({
      status: 69,
      stderr: expect.stringContaining('not allowed'),
    });
    expect(machine.table()!.toString()).toBe('mine\n');
  });

  it('a command longer than cron takes is refused', () => {
    const machine = new Machine('crontab');
    const long = path.join(home.folder, 'x'.repeat(200));
    const folders = [1, 2, 3, 4, 5].map(each => path.join(long, String(each)));
    for (const folder of folders) fs.mkdirSync(folder, { recursive: true });
    const run = machine.run(['install'], { PATH: [machine.bin, ...folders].join(':') });
    expect(run).toMatchObject({ status: 78, stderr: expect.stringContaining('PATH=') });
    expect(machine.table()).toBeNull();
  });
});

describe('any timer', () => {
  it.each(['systemd', 'launchd', 'cron'])('--print --kind %s changes nothing', kind => {
    const machine = new Machine('systemctl', 'loginctl', 'crontab');
    const before = contents(home.folder);
    const text = machine.run(['install', '--print', '--kind', kind]);
    expect(text).toMatchObject({ status: 0, stdout: expect.stringContaining(BIN) });
    const { files } = machine.run(['install', '--print', '--kind', kind, '--json']).json();
    for (const file of files) expect(text.stdout).toContain(file.text);
    expect(machine.changes()).toEqual([]);
    expect(contents(home.folder)).toEqual(before);
  });

  it('is not for agents', () => {
    const machine = new Machine('systemctl', 'loginctl', 'crontab');
    machine.run(['install']);
    const before = snapshot(units());
    machine.changes();
    for (const words of [['install'], ['install', '--cron'], ['install', '--print'], ['uninstall']])
      expect(machine.run(words, { CLAW_RUN_ID: 'r1' })).toMatchObject({ status: 77 });
    expect(machine.changes()).toEqual([]);
    expect(snapshot(units())).toEqual(before);
  });

  it('a machine that has none is told what to do instead', () => {
    const machine = new Machine();
    expect(machine.run(['install'])).toMatchObject({
      status: 69,
      stderr: expect.stringContaining('claw tick'),
    });
    expect(machine.run(['status', '--json'])).toMatchObject({ status: 1 });
    expect(machine.run(['uninstall', '--json']).json()).toEqual({ removed: [], left: [], notes: [] });
  });

  it.each([[['install', '--kind', 'anacron']], [['install', '--kind', 'systemd', '--cron']]])(
    '%j is a usage error',
    words => {
      expect(new Machine().run(words)).toMatchObject({ status: 64 });
    },
  );

  it('that was never installed is the remedy for ticks that never came or stopped', () => {
    const machine = new Machine();
    expect(machine.claw(['doctor', '--json']).json().checks).toContainEqual(
      expect.objectContaining({ id: 'tick', status: 'warn', fix: 'claw timer install' }),
    );
    machine.claw(['tick']);
    const then = new Date(Date.now() - 2 * HOUR);
    fs.utimesSync(home.path('logs', 'tick'), then, then);
    expect(machine.claw(['status']).stdout).toMatch(/2h ago \(late\)[\s\S]*try: .*claw timer install/);
  });
});

const canHaveManager =
  process.getuid?.() === 0 &&
  !fs.existsSync('/run/systemd/system') &&
  ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'].some(file => fs.existsSync(file)) &&
  spawnSync('unshare', ['-m', '-p', '-f', '--mount-proc', 'mount', '-t', 'cgroup2', 'none', '/sys/fs/cgroup'])
    .status === 0;

describe.skipIf(!canHaveManager)(
  'a real user manager (skipped unless root may make namespaces on a machine that systemd has not booted)',
  () => {
    // A hardened tick has a /tmp of its own: it would not see a clone that lies there.
    const inTmp = /^\/(var\/)?tmp\//.test(fs.realpathSync(BIN));
    it.each([['', 'plain'], ...(inTmp ? [] : [['--hardened', 'plain']]), ['', 'st%h $HOME\'q"\\z']])(
      'starts the tick, %s, with a store named %s',
      { timeout: 60_000 },
      (option, name) => {
        // For the same reason beside the libraries of the clone, not in the temporary folder.
        const userHome = fs.mkdtempSync(path.resolve(import.meta.dirname, '../../node_modules/.claw-timer-'));
        try {
          const store = path.join(userHome, name);
          fs.mkdirSync(store);
          const script = path.join(home.folder, 'script');
          fs.writeFileSync(
            script,
            `claw() { "$NODE" "$BIN" "$@"; }
claw timer install --json ${option}
claw timer install --json ${option}
systemctl --user start claw-tick.service
claw timer status --json
claw timer uninstall --json
systemctl --user show claw-tick.timer --property=LoadState
`,
          );
          const run = spawnSync(
            'unshare',
            ['-m', '-p', '-f', '--mount-proc', path.join(FAKES, 'private-manager.sh'), userHome, script],
            {
              encoding: 'utf8',
              env: { PATH: process.env.PATH, NODE, BIN, CLAW_HOME: store, TZ: 'UTC' },
              timeout: 50_000,
            },
          );
          expect(run).toMatchObject({ status: 0, stderr: '' });
          const [ready, first, second, status, removed, left] = run.stdout.trim().split('\n');
          expect(ready).toBe('ready');
          expect(JSON.parse(first!)).toMatchObject({ kind: 'systemd', started: true });
          expect(JSON.parse(second!)).toMatchObject({ written: [], started: false });
          expect(JSON.parse(status!)).toMatchObject({
            ok: true,
            active: true,
            enabled: true,
            lastExit: 0,
            drift: [],
          });
          expect(JSON.parse(status!).lastTick).toMatchObject({ late: false });
          expect(fs.existsSync(path.join(store, 'logs', 'tick'))).toBe(true);
          expect(JSON.parse(removed!).removed).toHaveLength(option ? 3 : 2);
          expect(left).toBe('LoadState=not-found');
        } finally {
          fs.rmSync(userHome, { recursive: true, force: true });
        }
      },
    );
  },
);
