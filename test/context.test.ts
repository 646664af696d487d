import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { expandHome, systemContext } from '../src/context.ts';
import { formatToken, parseToken } from '../src/core/lease.ts';
import { isKnownZone } from '../src/core/schedule/zone.ts';
import { useWorkers } from './store/processes.ts';
import { scratch } from './store/scratch.ts';

const workers = useWorkers();
const onLinux = process.platform === 'linux';

afterEach(() => vi.unstubAllEnvs());

/** The context with these variables set; undefined takes one away. */
function contextWith(env: Record<string, string | undefined>, configFile?: string) {
  vi.stubEnv('CLAW_HOME', undefined);
  vi.stubEnv('CLAW_CONFIG', undefined);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return systemContext(configFile);
}

describe('places', () => {
  const home = os.homedir();

  test.each<[string | undefined, string]>([
    [undefined, path.join(home, '.claw')],
    ['', path.join(home, '.claw')],
    ['~', home],
    ['~/state', path.join(home, 'state')],
    ['/srv/claw', '/srv/claw'],
    ['/srv/claw/', '/srv/claw'],
    ['state', path.resolve('state')],
  ])('with CLAW_HOME=%j the home is %s', (value, wanted) => {
    const context = contextWith({ CLAW_HOME: value });
    expect(context.home).toBe(wanted);
    expect(context).toMatchObject({ configFile: path.join(wanted, 'claw.json'), configExplicit: false });
  });

  test.each<[string | undefined, string | undefined, string, boolean]>([
    [undefined, undefined, '/srv/claw.json', false],
    ['', '', '/srv/claw.json', false],
    [undefined, '/etc/claw.json', '/etc/claw.json', true],
    ['/opt/a.json', '/etc/claw.json', '/opt/a.json', true],
    ['~/a.json', undefined, path.join(home, 'a.json'), true],
    ['a.json', undefined, path.resolve('a.json'), true],
  ])('--config %j and CLAW_CONFIG=%j: %s', (option, variable, file, explicit) => {
    const context = contextWith({ CLAW_HOME: '/srv', CLAW_CONFIG: variable }, option);
    expect(context).toMatchObject({ configFile: file, configExplicit: explicit });
  });

  test.each([
    ['~', home],
    ['~/x/y', path.join(home, 'x/y')],
    ['~user/x', '~user/x'],
    ['/~/x', '/~/x'],
    ['x~', 'x~'],
    ['', ''],
  ])('%j expands to %s', (file, expanded) => {
    expect(expandHome(file)).toBe(expanded);
  });
});

describe('ids', () => {
  test('are version 4 UUIDs, each of them new', () => {
    const context = systemContext();
    const ids = Array.from({ length: 5000 }, () => context.newId());
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test('spread over all their bits', () => {
    const context = systemContext();
    const seen = Array.from({ length: 32 }, () => new Set<string>());
    for (let round = 0; round < 500; round++) {
      for (const [at, digit] of [...context.newId().replaceAll('-', '')].entries()) seen[at]!.add(digit);
    }
    expect(seen.map(digits => digits.size)).toEqual(
      seen.map((_, at) => (at === 12 ? 1 : at === 16 ? 4 : 16)),
    );
  });

  test('of another process are others', () => {
    const tokens = [0, 1].map(() => workers.run('context', {}).id);
    expect(tokens[0]).not.toBe(tokens[1]);
  });
});

test('the clock is the real one', () => {
  const before = Date.now();
  const now = systemContext().now();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(Date.now());
});

describe('processes', () => {
  const { startTimeOf, self } = systemContext();

  test('this one knows itself, and its token names it', () => {
    expect(self.pid).toBe(process.pid);
    expect(self.startTime).toBe(startTimeOf(process.pid));
    expect(parseToken(formatToken(self, 'abc'))).toEqual(self);
    for (const part of Object.values(self)) expect(String(part)).toMatch(/^[0-9A-Za-z]+$/);
  });

  test('another one on this machine has the same boot, namespace and machine, and another start', () => {
    const other = workers.run('context', {}).self;
    const { bootId, pidNamespace, machineId } = self;
    expect(other).toMatchObject({ bootId, pidNamespace, machineId });
    expect(other.pid).not.toBe(self.pid);
    expect(startTimeOf(other.pid)).not.toBe(other.startTime);
  });

  test('one that lives has a start time, the same for everybody who asks', () => {
    const [seen] = workers.run('context', { pids: [process.pid] }).startTimes;
    expect(seen).toBe(self.startTime);
  });

  test('one that ended has none', () => {
    const { pid } = spawnSync('true');
    expect(startTimeOf(pid)).toBeNull();
    for (const nobody of [2 ** 22 + 1, 0, -1, 2 ** 31]) expect(startTimeOf(nobody)).toBeNull();
  });

  test.skipIf(!onLinux).each(['plain', 'a) R 1 2 3', ') Z (', 'two words', '()))', 'a\nb'])(
    'one that is called %j does not fool whoever asks',
    async name => {
      const program = path.join(scratch(), name);
      fs.copyFileSync('/bin/sleep', program);
      fs.chmodSync(program, 0o755);
      const child = spawn(program, ['60']);
      try {
        await vi.waitFor(() =>
          expect(fs.readFileSync(`/proc/${child.pid}/comm`, 'latin1')).toBe(`${name.slice(0, 15)}\n`),
        );
        const seen = startTimeOf(child.pid!);
        expect(seen).toMatch(/^\d+$/);
        // Nothing that was started after this process is older than it.
        expect(Number(seen)).toBeGreaterThan(Number(self.startTime));
      } finally {
        child.kill('SIGKILL');
      }
    },
  );
});

describe('the zone of the host', () => {
  // NODE_ICU_DATA and the like do not matter: the worker is this very Node.
  const zoneUnder = (TZ: string) => workers.run('context', {}, { env: { TZ } });

  test.each([
    'UTC',
    'Europe/Berlin',
    'America/Port-au-Prince',
    'America/Argentina/Buenos_Aires',
    'Asia/Kolkata',
    'Etc/GMT+5',
  ])('is what TZ=%s says, and asking twice gives the same', TZ => {
    const { zone, again, offset, zoneOffset } = zoneUnder(TZ);
    expect([zone, again, zoneOffset]).toEqual([TZ, TZ, offset]);
  });

  test.each(['', 'CEST', 'Foo/Bar', 'local', 'CET', 'EST5EDT', 'PST8PDT', ':Europe/Berlin', 'nonsense!'])(
    'with TZ=%j is one that can be reckoned in, and the one that the clock here shows',
    TZ => {
      const { zone, offset, zoneOffset } = zoneUnder(TZ);
      expect([zone, zoneOffset]).toEqual([zone, offset]);
    },
  );

  test.each(['GMT+5', 'posix/Europe/Berlin'])(
    'with TZ=%j, which is no zone of ours, is one that can be reckoned in',
    TZ => {
      const { zone } = zoneUnder(TZ);
      expect([zone, isKnownZone(zone)]).toEqual([zone, true]);
    },
  );

  test('without TZ is that of the machine', () => {
    const { zone, offset, zoneOffset } = workers.run('context', {});
    expect(isKnownZone(zone)).toBe(true);
    expect(zoneOffset).toBe(offset);
  });
});
