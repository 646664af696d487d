/** `claw cron next`: a schedule asked for its instants, with no job behind it. */
import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Home } from './claw.ts';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.cleanUp());

const next = (...args: string[]) => home.run(['cron', 'next', ...args]);

describe('claw cron next', () => {
  test('prints the schedule as it is stored, and its instants', () => {
    const { status, stdout, stderr, json } = next(
      ...['--cron', ' 0  8 * * * ', '--tz', 'Europe/Stockholm'],
      ...['--from', '2026-11-21T00:00', '--count', '2', '--json'],
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(json()).toEqual({
      schedule: { kind: 'cron', expr: '0 8 * * *', tz: 'Europe/Stockholm' },
      next: ['2026-11-21T07:00:00.000Z', '2026-11-22T07:00:00.000Z'],
    });
  });

  test('F7 shifts a time that a gap leaves out', () => {
    const { json } = next(
      ...['--cron', '30 2 * * *', '--tz', 'America/New_York'],
      ...['--from', '2026-03-07T12:00', '--count', '2', '--json'],
    );
    expect(json().next).toEqual(['2026-03-08T07:30:00.000Z', '2026-03-09T06:30:00.000Z']);
  });

  test('F12 #78193 reads --at in --tz, whatever the zone of the machine', () => {
    const args = ['--at', '2026-05-06T10:00', '--tz', 'America/Chicago', '--from', '2026-05-01', '--json'];
    const { json } = home.run(['cron', 'next', ...args], { env: { TZ: 'Asia/Shanghai' } });
    expect(json()).toEqual({
      schedule: { kind: 'at', atMs: Date.parse('2026-05-06T15:00:00Z') },
      next: ['2026-05-06T15:00:00.000Z'],
    });
  });

  test('F14 #117969 refuses a time that does not exist', () => {
    const { status, stdout, stderr } = next('--at', '2026-03-08T02:30', '--tz', 'America/New_York');
    expect(status).toBe(64);
    expect(stdout).toBe('');
    expect(stderr).toContain('does not exist in America/New_York');
  });

  test('a grid goes on from its anchor, and from --from where it has none', () => {
    const from = ['--from', '2026-02-05T06:08:00Z', '--count', '1', '--json'];
    expect(next('--every', '3.5h', '--anchor', '2026-02-05T04:42:00Z', ...from).json()).toEqual({
      schedule: { kind: 'every', everyMs: 12_600_000, anchorMs: Date.parse('2026-02-05T04:42:00Z') },
      next: ['2026-02-05T08:12:00.000Z'],
    });
    expect(next('--every', '2h', ...from).json().next).toEqual(['2026-02-05T08:08:00.000Z']);
  });

  test('without --tz it is the configured zone, else that of the host, by name', () => {
    const args = ['--cron', '0 9 * * *', '--from', '2026-01-06T05:00:00Z', '--count', '1', '--json'];
    const host = home.run(['cron', 'next', ...args], { env: { TZ: 'Asia/Kathmandu' } }).json();
    expect(host).toEqual({
      schedule: { kind: 'cron', expr: '0 9 * * *', tz: 'Asia/Kathmandu' },
      next: ['2026-01-07T03:15:00.000Z'],
    });
    home.config({ timezone: 'Europe/Stockholm' });
    const configured = home.run(['cron', 'next', ...args], { env: { TZ: 'Asia/Kathmandu' } }).json();
    expect(configured.schedule.tz).toBe('Europe/Stockholm');
    expect(configured.next).toEqual(['2026-01-06T08:00:00.000Z']);
  });

  test('a zone is stored as it is spelled, in whatever case it was typed', () => {
    expect(next('--cron', '0 9 * * *', '--tz', ' america/new_york ', '--json').json().schedule.tz).toBe(
      'America/New_York',
    );
  });

  test('people get local time, zone, UTC and how long it is until then', () => {
    const { stdout } = next(
      '--cron',
      '0 8 1 1 *',
      '--tz',
      'Asia/Kathmandu',
      '--count',
      '1',
      '--from',
      '2030-01-02',
    );
    expect(stdout).toMatch(/^cron 0 8 1 1 \* \(Asia\/Kathmandu\)\n/);
    expect(stdout).toMatch(/Wed 2031-01-01 08:00 \+05:45 +Asia\/Kathmandu +2031-01-01T02:15Z +in \d+d\n$/);
    // Five lines where no number is given, below the schedule and the head of the table.
    expect(next('--every', '1h').stdout.trimEnd().split('\n')).toHaveLength(7);
  });

  test('#64968 warns on stderr of days that are alternatives, and of instants closer than a minute', () => {
    const both = next('--cron', '0 9 15 * 1', '--json');
    expect(both.status).toBe(0);
    expect(both.stderr).toContain('either');
    expect(both.json().next).toHaveLength(5);
    expect(next('--every', '10s').stderr).toContain('closer than a minute');
    expect(next('--cron', '*/20 * * * * *').stderr).toContain('closer than a minute');
  });

  test.each([
    [['--cron', ''], /empty/],
    [['--cron', '* * *'], /3 fields; expected 5/],
    [['--cron', '60 * * * *'], /minute "60": expected 0-59/],
    [['--cron', '0 9 * * 8'], /day of week "8": expected 0-7/],
    [['--cron', '0 0 31 2 *'], /never fires/],
    [['--at', '2020-01-01'], /never fires/],
    [['--at', 'tomorrow'], /--at tomorrow/],
    [['--at', '20'], /no unit/],
    [['--every', '90'], /--every 90: not a duration/],
    [['--every', '0.4ms'], /too short/],
    [['--every', '1h', '--anchor', 'noon'], /--anchor noon/],
    [['--every', '1h', '--from', 'noon'], /--from noon/],
    [['--every', '1h', '--count', '0'], /--count 0/],
    [['--cron', '0 9 * * *', '--tz', 'Europe/Stokholm'], /did you mean --tz Europe\/Stockholm/],
    [['--cron', '0 9 * * *', '--tz', 'kathmandu'], /did you mean --tz Asia\/Kat/],
    [['--cron', '0 9 * * *', '--tz', '+02:00'], /--tz \+02:00/],
    [[], /give one schedule/],
    [['--every', '1h', '--at', '20m'], /give one schedule/],
    [['--at', '1h', '--anchor', '2026-01-01'], /--anchor/],
  ])('%j is a usage error', (args, problem) => {
    const { status, stdout, stderr } = next(...args);
    expect(status).toBe(64);
    expect(stdout).toBe('');
    expect(stderr).toMatch(problem);
  });

  test('an error is a JSON document where one was asked for', () => {
    const { status, stdout, stderr } = next('--cron', '* * *', '--json');
    expect(status).toBe(64);
    expect(stdout).toBe('');
    expect(JSON.parse(stderr).error).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('3 fields'),
    });
  });

  test('writes nothing', () => {
    next('--cron', '0 9 * * *');
    expect(fs.readdirSync(home.dir)).toEqual([]);
  });
});
