/** `claw config get`, `set` and `migrate` as a user meets them: the built program, real files. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { validateConfig } from '../../src/config/validate.ts';
import { Home, list } from '../e2e/claw.ts';

let home: Home;
let file: string;
beforeEach(() => {
  home = new Home();
  file = path.join(home.dir, 'claw.json');
});
afterEach(() => fs.rmSync(home.folder, { recursive: true, force: true }));

const MINE = `// mine
{
  session: { reset: { atHour: 6 } }, // early
  /* who */ owners: ["telegram:1"],
}
`;

function write(text: string, mode = 0o600): void {
  fs.writeFileSync(file, text);
  fs.chmodSync(file, mode);
}

const read = () => fs.readFileSync(file, 'utf8');
const claw = (...args: string[]) => home.run(['config', ...args]);

describe('config get', () => {
  test('prints the value that holds, and with --json where it comes from', () => {
    write(MINE);
    expect(claw('get', 'session.reset.atHour').stdout).toBe('6\n');
    expect(claw('get', 'session.reset.mode').stdout).toBe('daily\n');
    expect(claw('get', 'owners[0]').stdout).toBe('telegram:1\n');
    expect(claw('get', 'session.reset.atHour', '--json').json()).toEqual({
      path: 'session.reset.atHour',
      value: 6,
      source: file,
    });
    expect(claw('get', 'session.mainKey', '--json').json()).toMatchObject({
      value: 'main',
      source: 'default',
    });
    expect(claw('get', 'session.reset', '--json').json()).toMatchObject({
      value: { atHour: 6, mode: 'daily' },
      source: 'mixed',
    });
  });

  test('of what is not set nothing, of what is not known the nearest key', () => {
    const none = claw('get', 'timezone');
    expect([none.status, none.stdout, none.stderr]).toEqual([0, '', 'claw: timezone is not set\n']);
    expect(claw('get', 'timezone', '--json').json()).toEqual({
      path: 'timezone',
      value: null,
      source: 'default',
    });
    const typo = claw('get', 'session.rset.mode', '--json');
    expect([typo.status, typo.stdout]).toEqual([64, '']);
    expect(typo.stderr).toContain('session.rset: unknown key; did you mean \\"reset\\"?');
  });

  test('openclaw#12182: no secrets', () => {
    write('{ runners: { a: { command: "a", env: { TOKEN: "s3cret" } } } }');
    expect(claw('get', 'runners.a').stdout).toContain('"TOKEN":"(set)"');
    expect(claw('get', 'runners.a.env.TOKEN').stdout).toBe('(set)\n');
  });
});

describe('config set', () => {
  test('takes any item out of a list', () => {
    write('{owners:["a:1", "b:2", "c:3"]}');
    for (const left of ['["b:2", "c:3"]', '["c:3"]', '[]']) {
      expect(claw('set', 'owners[0]', '--unset').status).toBe(0);
      expect(read()).toBe(`{owners:${left}}`);
    }
  });

  test('changes one value and no other byte, keeps mode and owner', () => {
    write(MINE, 0o640);
    const set = claw('set', 'session.reset.atHour', '5');
    expect([set.status, set.stdout]).toEqual([0, `session.reset.atHour = 5 in ${file}\n`]);
    expect(read()).toBe(MINE.replace('atHour: 6', 'atHour: 5'));
    expect(fs.statSync(file).mode & 0o777).toBe(0o640);
    expect(list(home.dir).filter(name => name !== 'locks')).toEqual(['claw.json']);
  });

  test('adds what is new, in the style of the file', () => {
    write(MINE);
    expect(claw('set', 'channels.telegram.allowFrom', '["111"]', '--json').json()).toEqual({
      path: 'channels.telegram.allowFrom',
      value: ['111'],
      file,
      changed: true,
    });
    claw('set', 'owners[1]', 'sms:+46');
    expect(read()).toBe(
      MINE.replace('["telegram:1"]', '["telegram:1", "sms:+46"]').replace(
        /\n}\n$/,
        '\n  channels: { telegram: { allowFrom: ["111"] } },\n}\n',
      ),
    );
  });

  test('digits are an id where a text belongs, a number where a number does', () => {
    claw('set', 'owners[0]', '111');
    claw('set', 'session.maxMessages', '111');
    expect(validateConfig(read()).config).toEqual({ owners: ['111'], session: { maxMessages: 111 } });
  });

  test('creates the file, for its owner alone', () => {
    expect(claw('set', 'session.dmScope', 'per-peer').status).toBe(0);
    expect(read()).toMatch(
      /^\/\/ Configuration of claw.*\n\{\n {2}session: \{ dmScope: "per-peer" \},\n\}\n$/,
    );
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  });

  test('a link to the file stays a link', () => {
    const real = path.join(home.folder, 'dotfiles.json');
    fs.writeFileSync(real, MINE, { mode: 0o600 });
    fs.symlinkSync(real, file);
    expect(claw('set', 'session.reset.atHour', '5').status).toBe(0);
    expect(fs.lstatSync(file).isSymbolicLink()).toBe(true);
    expect(fs.readFileSync(real, 'utf8')).toContain('atHour: 5');
  });

  test('--unset takes a key out', () => {
    write(MINE);
    expect(claw('set', 'owners', '--unset').stdout).toBe(`owners unset in ${file}\n`);
    expect(read()).toContain('/* who */');
    expect(validateConfig(read()).config).toEqual({ session: { reset: { atHour: 6 } } });
    expect(claw('set', 'owners', '--unset', '--json').json()).toMatchObject({ changed: false, value: null });
  });

  test.each([
    ['a value the schema refuses', ['session.reset.atHour', '25'], 64, /atHour: expected number to be <=23/],
    ['a name nothing has', ['agents.defaults.runner', 'claud'], 64, /there is no runner "claud"/],
    ['an unknown key', ['session.dmscoe', 'main'], 64, /did you mean "dmScope"/],
    [
      'an older key',
      ['session.resetTime', '05:00'],
      64,
      /session.resetTime is read as session.reset.at; use that key/,
    ],
    ['no value', ['timezone'], 64, /a value is missing/],
    ['a value and --unset', ['timezone', 'UTC', '--unset'], 64, /takes no value/],
    ['an item beyond the end', ['owners[7]', 'x'], 64, /owners has 1 items; the next is \[1\]/],
  ])('%s: nothing is written', (_what, args, status, message) => {
    write(MINE);
    const set = claw('set', ...args);
    expect([set.status, set.stdout]).toEqual([status, '']);
    expect(set.stderr).toMatch(message);
    expect(read()).toBe(MINE);
  });

  test('a file that was invalid before stays as it is, with all its problems told', () => {
    const bad = '{ session: { rest: 1 },\n timezone: "Mars/X" }';
    write(bad);
    const set = claw('set', 'owners', '["a:1"]');
    expect(set.status).toBe(78);
    expect(set.stderr).toMatch(/2 problems\n {2}line 1: session.rest.*\n {2}line 2: timezone/s);
    expect(read()).toBe(bad);
    write('{ session: ');
    expect(claw('set', 'owners', '["a:1"]').status).toBe(78);
    expect(claw('set', 'timezone', 'UTC').stderr).toContain('nothing was written');
  });

  test('rather than lose a comment it says what to write by hand', () => {
    const text = '{ owners: [\n  "telegram:1", // Ann\n] }';
    write(text);
    const set = claw('set', 'owners', '["telegram:2"]');
    expect(set.status).toBe(78);
    expect(set.stderr).toContain(`write by hand into ${file}, line 1: owners: ["telegram:2"]`);
    expect(read()).toBe(text);
  });

  test('a value that an older key gives is not set beside it', () => {
    const text = '{ inbound: { reply: { session: { idleMinutes: 5 } } } }';
    write(text);
    const set = claw('set', 'session.idleMinutes', '6');
    expect(set.status).toBe(78);
    expect(set.stderr).toContain(
      'session.idleMinutes comes from the older inbound.reply.session.idleMinutes',
    );
    expect(read()).toBe(text);
  });

  test('bytes that are no text are not rewritten', () => {
    const bytes = Buffer.concat([Buffer.from('{ timezone: "UTC" } // '), Buffer.from([0xff, 0x0a])]);
    fs.writeFileSync(file, bytes, { mode: 0o600 });
    expect(claw('set', 'timezone', 'Europe/Stockholm').status).toBe(78);
    expect(fs.readFileSync(file)).toEqual(bytes);
  });

  // CVE-2026-25593: an agent that may write the config may run any command.
  test('CVE-2026-25593: an agent may not', () => {
    write('{ inbound: { reply: { session: { idleMinutes: 5 } } } }');
    const before = read();
    for (const args of [
      ['set', 'timezone', 'UTC'],
      ['set', 'timezone', '--unset'],
      ['migrate', '--write'],
    ]) {
      const refused = home.run(['config', ...args], { env: { CLAW_RUN_ID: 'r1' } });
      expect([refused.status, refused.stdout]).toEqual([77, '']);
    }
    expect(read()).toBe(before);
    expect(fs.readdirSync(home.dir)).toEqual(['claw.json']);
  });

  test('CVE-2026-25593: a file that others can write is not believed and not touched', () => {
    write(MINE, 0o666);
    expect(claw('set', 'session.reset.atHour', '5').status).toBe(78);
    expect(read()).toBe(MINE);
  });

  test('what was set is not printed where tokens stand', () => {
    write('{ runners: { a: { command: "a" } } }');
    const set = claw('set', 'runners.a.env.TOKEN', 's3cret');
    expect(set.stdout).toBe(`runners.a.env.TOKEN = "(set)" in ${file}\n`);
    expect(read()).toContain('s3cret');
  });
});

describe('config set by several at once', () => {
  test('keeps every change that it reported as made', async () => {
    write('{}');
    const names = Array.from({ length: 10 }, (_, index) => `c${index}`);
    const runs = names.map(
      name => home.start(['config', 'set', `channels.${name}.dmPolicy`, 'pairing']).done,
    );
    const ended = await Promise.all(runs);
    expect(ended.map(({ status }) => status)).toEqual(names.map(() => 0));
    const { channels } = validateConfig(read()).config as { channels: object };
    expect(Object.keys(channels).sort()).toEqual(names);
  });
});

describe('the value of an environment', () => {
  const SECRET = 'not-for-a-log-17';

  test('is shown by no config command', () => {
    write(
      `{ runners: { x: { command: "x", env: { K: "${SECRET}" } } }, channels: { t: { send: { command: "x", env: { K: "${SECRET}" } } } } }`,
    );
    const env = `{ command: "x", env: { K: "${SECRET}" } }`;
    for (const args of [
      ['show'],
      ['show', '--json'],
      ['show', '--effective'],
      ['get', 'runners'],
      ['get', 'channels.t.send.env'],
      ['set', 'channels.u.send', env],
      ['set', 'runners', `{ y: ${env} }`, '--json'],
      ['set', 'runners.z', env],
      ['set', 'runners.z.env.K', `${SECRET}9`],
    ]) {
      const { status, stdout, stderr } = claw(...args);
      expect(status, args.join(' ')).toBe(0);
      expect(stdout + stderr, args.join(' ')).not.toContain(SECRET);
      expect(stdout, args.join(' ')).toContain('(set)');
    }
    expect(claw('set', 'runners.z.env.K', '--unset').stdout).toBe(`runners.z.env.K unset in ${file}\n`);
  });
});

describe('config migrate', () => {
  const OLD = '// old\n{ session: { resetTime: "05:30" } } // end\n';
  const NEW = '// old\n{\n  session: { reset: { at: "05:30", mode: "daily" } },\n}\n// end\n';

  test('prints the canonical form alone, the notes apart, and writes nothing', () => {
    write(OLD);
    const migrated = claw('migrate');
    expect([migrated.status, migrated.stdout]).toEqual([0, NEW]);
    expect(migrated.stderr).toBe('claw: session.resetTime is read as session.reset.at\n');
    expect(fs.readdirSync(home.dir)).toEqual(['claw.json']);
    expect(claw('migrate', '--json').json()).toEqual({
      config: { session: { reset: { at: '05:30', mode: 'daily' } } },
      notes: ['session.resetTime is read as session.reset.at'],
      dropped: [],
    });
  });

  test('reads another file by name, whoever owns it', () => {
    const other = path.join(home.folder, 'clawdbot.json');
    fs.writeFileSync(other, '{ gateway: { port: 18789 }, dmScope: "per-peer" }');
    fs.chmodSync(other, 0o666);
    const { stdout, stderr, status } = claw('migrate', other);
    expect(status).toBe(0);
    expect(validateConfig(stdout).config).toEqual({ session: { dmScope: 'per-peer' } });
    expect(stdout).toContain('// gateway: { port: 18789 }');
    expect(stderr).toContain('gateway is left out');
    expect(claw('migrate', path.join(home.folder, 'absent')).status).toBe(78);
    expect(claw('migrate').status).toBe(78);
  });

  test('--write keeps what was there beside it, and does nothing the second time', () => {
    write(OLD, 0o640);
    const written = claw('migrate', '--write', '--json').json();
    expect(written).toMatchObject({ file, written: true });
    expect(read()).toBe(NEW);
    expect(fs.statSync(file).mode & 0o777).toBe(0o640);
    expect(path.basename(written.backup)).toMatch(/^claw\.json\.bak-\d{8}T\d{6}Z$/);
    expect(fs.readFileSync(written.backup, 'utf8')).toBe(OLD);
    expect(fs.statSync(written.backup).mode & 0o777).toBe(0o600);
    const files = fs.readdirSync(home.dir);
    expect(claw('migrate', '--write').stdout).toBe(`${file} is canonical already.\n`);
    expect(fs.readdirSync(home.dir)).toEqual(files);
    expect(read()).toBe(NEW);
  });

  test('--write leaves a file with a key nobody knows alone: it may be a mistyped lock', () => {
    const typo = '{ dmScope: "main",\n channels: { telegram: { dmPolcy: "disabled" } } }';
    write(typo);
    const refused = claw('migrate', '--write');
    expect([refused.status, refused.stdout]).toEqual([78, '']);
    expect(refused.stderr).toContain('channels.telegram.dmPolcy: unknown key; did you mean "dmPolicy"?');
    expect(fs.readdirSync(home.dir)).toEqual(['claw.json']);
    expect(read()).toBe(typo);
    expect(claw('migrate').stdout).toContain('// channels.telegram.dmPolcy: "disabled"');
  });
});
