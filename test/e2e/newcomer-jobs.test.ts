/** What somebody meets who tries jobs, reminders and heartbeats for the first time: told what happens, and what does not. */
import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home } from './claw.ts';
import { configure, jobsIn, later, once, putJobs, runsOf } from './schedule.ts';
import { Gate, HOUR, MINUTE } from './support.ts';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.cleanUp());

const agent = (script: string) => ({ command: 'sh', args: ['-c', script], timeoutSeconds: 60 });
const talking = agent('cat > /dev/null; echo "Off to the gym!"');
const add = (...args: string[]) => home.run(['cron', 'add', ...args]);
const log = () =>
  fs
    .readFileSync(home.path('logs', 'claw.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line).message as string);
const fromTelegram = () => home.run(['ingest', '--channel', 'telegram', '--from', '7', 'hello']);
const REMINDER = [
  '--name',
  'gym',
  '--at',
  '1m',
  '--system-event',
  'Gym.',
  '--wake',
  'now',
  '--delete-after-run',
];

describe('a reminder that would reach nobody', () => {
  it('is said when it is added, when it is told, in its record, and it is kept', () => {
    configure(home, talking);
    home.run(['ingest', 'only from the terminal']);
    const added = add(...REMINDER);
    expect(added.stderr).toContain('nobody would hear');
    expect(added.stderr).toContain('claw config set agents.defaults.heartbeat');
    const run = home.run(['tick'], later(2 * MINUTE));
    expect(run.stderr).toContain('job gym: told nobody: nobody is known to send it to');
    expect(log()).toContain('job gym: told nobody: nobody is known to send it to');
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'ok', delivery: { status: 'no-target' } }]);
    expect(home.run(['tick', '--json'], later(3 * MINUTE)).json().removed).toEqual([]);
    expect(jobsIn(home).map(({ id }) => id)).toEqual(['gym']);
  });

  it('names target none, and a recipient that the channel keeps out', () => {
    configure(home, talking, { agents: { defaults: { heartbeat: { every: '0m', target: 'none' } } } });
    expect(add(...REMINDER).stderr).toContain('heartbeat.target is none');
    configure(home, talking, {
      channels: { telegram: { allowFrom: ['1'], send: { command: 'true' } } },
      agents: { defaults: { heartbeat: { every: '0m', target: 'telegram', to: '2' } } },
    });
    expect(add(...REMINDER).stderr).toContain('telegram:2 is not listed in channels.telegram.allowFrom');
    home.run(['tick'], later(3 * MINUTE));
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'ok', delivery: { status: 'dead' } }]);
    expect(jobsIn(home)).toHaveLength(2);
  });

  it('says nothing, and goes when it has succeeded, where somebody is known', () => {
    const outlet = configure(home, talking);
    fromTelegram();
    expect(add(...REMINDER).stderr).not.toContain('nobody');
    expect(home.run(['tick', '--json'], later(2 * MINUTE)).json().removed).toEqual(['gym']);
    expect(outlet.sent()).toEqual(['7: Off to the gym!']);
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'ok', delivery: { status: 'queued', to: '7' } }]);
  });
});

describe('cron add --upsert --every', () => {
  it('keeps the grid where the period is the same, so that a job that is upserted often runs', () => {
    configure(home, talking);
    const first = add('--json', '--id', 'b', '--every', '6h', '--exec', 'echo  done').json();
    const again = home
      .run(
        ['cron', 'add', '--json', '--id', 'b', '--upsert', '--every', '6h', '--exec', 'echo  done'],
        later(HOUR),
      )
      .json();
    expect(again).toMatchObject({ action: 'unchanged', next: first.next });
    const other = add('--json', '--id', 'b', '--upsert', '--every', '5h', '--exec', 'echo  done').json();
    expect(other.action).toBe('updated');
    expect(other.job.schedule.anchorMs).toBeGreaterThan(first.job.schedule.anchorMs);
  });
});

describe('tick --dry-run', () => {
  it('says that the jobs cannot be read, and ends with 65', () => {
    configure(home, talking);
    fs.mkdirSync(home.path('cron'));
    fs.writeFileSync(home.path('cron', 'jobs.json'), '{"jobs": [', { mode: 0o600 });
    const text = home.run(['tick', '--dry-run']);
    expect(text).toMatchObject({ status: 65, stderr: expect.stringContaining('no job runs') });
    const json = home.run(['tick', '--dry-run', '--json']);
    expect(json.status).toBe(65);
    expect(json.json().problems).toHaveLength(1);
  });

  it('says that jobs do not run where they are switched off', () => {
    configure(home, talking, { cron: { enabled: false } });
    expect(home.run(['tick', '--dry-run']).stderr).toContain('cron.enabled is false');
  });

  it('gives instants as ISO 8601, new definitions in words, and sessions that somebody works in', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    const { done } = home.start(['ingest', 'hello']);
    await gate.begun();
    home.run(['ingest', '--no-wait', 'more']);
    putJobs(home, [
      once('news', { message: 'x' }),
      { id: 'daily', schedule: '0 7 1 1 *', payload: { kind: 'exec', command: 'true' } },
    ]);
    const { actions } = home.run(['tick', '--dry-run', '--json']).json();
    expect(actions.find(({ id }: any) => id === 'news').dueAt).toMatch(/^\d{4}-.*Z$/);
    const text = home.run(['tick', '--dry-run']).stdout;
    expect(text).toMatch(/account {2}daily {2}a definition is seen for the first time/);
    expect(text).toMatch(/agent:main:main.*another process works there now/);
    gate.open();
    await done;
  });
});

describe('--exec', () => {
  const commandOf = (...args: string[]) => add('--json', '--every', '1h', ...args).json().job.payload.command;
  it('takes everything behind a bare word for the command', () => {
    configure(home, talking);
    expect(commandOf('--exec', 'ls', '--name', 'foo')).toEqual(['ls', '--name', 'foo']);
    expect(commandOf('--exec', 'df', '-h', '--help', '--json')).toEqual(['df', '-h', '--help', '--json']);
    expect(commandOf('--exec', 'df')).toEqual(['sh', '-c', 'df']);
    expect(commandOf('--exec', '--', 'df', '-h')).toEqual(['df', '-h']);
    const line = add('--json', '--every', '1h', '--exec', 'df -h', '--name', 'disk').json();
    expect(line.job).toMatchObject({ name: 'disk', payload: { command: ['sh', '-c', 'df -h'] } });
    const edited = home.run(['cron', 'edit', line.id, '--exec', 'df', '-i', '--name', 'x']);
    expect(edited.status).toBe(0);
    const job = jobsIn(home).find(({ id }) => id === line.id);
    expect(job).toMatchObject({ name: 'disk', payload: { command: ['df', '-i', '--name', 'x'] } });
  });

  it('says where the schedule goes when it stands behind', () => {
    configure(home, talking);
    const run = add('--exec', 'df', '--every', '1h');
    expect(run).toMatchObject({ status: 64, stderr: expect.stringContaining('put the schedule before it') });
  });
});

describe('a delivery that fails', () => {
  const channel = (send: object, more: object = {}) => ({ channels: { telegram: { ...more, send } } });
  const SAYS = [
    '--id',
    'news',
    '--every',
    '1h',
    '--exec',
    'echo hot',
    '--deliver',
    '--channel',
    'telegram',
    '--to',
    '5',
  ];

  it('to somebody the channel keeps out is said when the job is added, and where one looks', () => {
    configure(home, talking, channel({ command: 'true' }, { allowFrom: ['1'] }));
    expect(add(...SAYS).stderr).toContain('telegram:5 is not listed in channels.telegram.allowFrom');
    const run = home.run(['cron', 'run', 'news', '--force']);
    expect(run.stdout).toContain('delivery: dead: telegram:5 is not listed');
    expect(log().join('\n')).toContain('said is not sent: telegram:5 is not listed');
    expect(home.run(['cron', 'runs', 'news']).stdout).toContain('delivery dead');
    expect(home.run(['cron', 'list']).stdout).toContain('ok (delivery dead)');
  });

  it('in its sender is said by cron run, the log, and the listings', () => {
    configure(home, talking, channel({ command: 'sh', args: ['-c', 'echo no such chat >&2; exit 1'] }));
    add(...SAYS);
    expect(home.run(['cron', 'run', 'news', '--force', '--json']).json().delivery).toMatchObject({
      status: 'dead',
      reason: expect.stringContaining('no such chat'),
    });
    expect(log().join('\n')).toMatch(/delivery .* to telegram:5 is dead: .*no such chat/);
    expect(home.run(['cron', 'runs', 'news']).stdout).toContain('delivery dead');
    expect(home.run(['cron', 'list']).stdout).toContain('ok (delivery dead)');
  });

  it('for now is said to wait, and why; one that went out is said to be sent', () => {
    configure(home, talking, channel({ command: 'sh', args: ['-c', 'echo busy >&2; exit 75'] }));
    add(...SAYS);
    expect(home.run(['cron', 'run', 'news', '--force']).stdout).toMatch(/delivery: waiting: .*busy/);
    configure(home, talking);
    expect(home.run(['cron', 'run', 'news', '--force']).stdout).toContain('delivery: sent');
  });

  it('has the same words before and in the run where nobody is known', () => {
    configure(home, talking);
    home.run(['ingest', 'only from the terminal']);
    const words =
      'there is nobody to deliver to: the job names no recipient, and nobody has written to the main';
    expect(add('--id', 'news', '--every', '1h', '--exec', 'echo hot', '--deliver').stderr).toContain(words);
    expect(home.run(['cron', 'run', 'news', '--force']).stdout).toContain(words);
    const best = add('--every', '1h', '--exec', 'echo hot', '--deliver', '--best-effort-deliver');
    expect(best.stderr).toContain('it runs, and delivers nothing');
  });
});

describe('a job that was due once and is over', () => {
  const conditions = () =>
    Object.fromEntries(
      home
        .run(['cron', 'list', '--json'])
        .json()
        .jobs.map(({ id, condition }: any) => [id, condition]),
    );

  it('says so and why, and what was not done is looked at by status and doctor once', () => {
    configure(home, talking);
    putJobs(home, [
      once('late', { message: 'x', grace: '10s' }),
      once('idle', { message: 'x', precheck: 'exit 1' }),
      once('broken', { payload: { kind: 'exec', command: 'exit 3' } }),
      once('fine', { message: 'x' }),
      { id: 'past', at: '2020-01-01T00:00:00Z', message: 'x' },
    ]);
    home.run(['tick']);
    expect(conditions()).toEqual({
      late: 'over:missed',
      idle: 'over:skipped',
      broken: 'over:error',
      fine: 'done',
      past: 'over:passed',
    });
    expect(home.run(['cron', 'show', 'late']).stdout).toMatch(/state +over:missed/);
    expect(home.run(['cron', 'status']).stdout).toMatch(/over +late: missed/);
    const lost = home
      .run(['status', '--json'])
      .json()
      .attention.filter(({ what }: any) => what.includes('due once'));
    expect(lost).toMatchObject([
      { what: '2 jobs that were due once and not done: late (missed), broken (error)' },
    ]);
    expect(home.run(['doctor']).stdout).toContain('due once and not done: late (missed), broken (error)');
  });
});

describe('cron run of a job that is switched off', () => {
  it('says that, why, and how to switch it on', () => {
    configure(home, talking);
    add('--id', 'off', '--every', '1h', '--exec', 'true it', '--disabled');
    const run = home.run(['cron', 'run', 'off']);
    expect(run.stdout).toContain('off is disabled (by hand): claw cron enable off');
    expect(home.run(['cron', 'run', 'off', '--json']).json()).toMatchObject({
      ran: false,
      reason: 'disabled',
    });
    putJobs(home, [{ id: 'past', at: '2020-01-01T00:00:00Z', message: 'x' }]);
    expect(home.run(['cron', 'run', 'past']).stdout).toContain('past is not due any more');
    expect(home.run(['cron', 'status']).stdout).toContain('over      past: passed');
  });
});

describe('jobs.json by hand', () => {
  const problems = (...jobs: object[]) => {
    putJobs(home, jobs);
    return home
      .run(['cron', 'list', '--json'])
      .json()
      .invalid.map(({ problem }: any) => problem);
  };
  const write = (text: string) => {
    putJobs(home, []);
    fs.writeFileSync(home.path('cron', 'jobs.json'), text);
    return home.run(['cron', 'list']).stderr;
  };

  it('takes a local time in the zone of the job, else of the user', () => {
    configure(home, talking, { timezone: 'Europe/Stockholm' });
    const at = (id: string, schedule: object) => ({ id, message: 'x', schedule });
    putJobs(home, [
      at('own', { at: '2027-01-06T10:00', tz: 'America/New_York' }),
      at('user', { at: '2027-01-06T10:00' }),
      at('offset', { at: '2027-01-06T10:00+00:00' }),
      { id: 'beside', at: '2027-01-06', tz: 'UTC', message: 'x' },
    ]);
    const { jobs } = home.run(['cron', 'list', '--json']).json();
    expect(jobs.map(({ next }: any) => next)).toEqual([
      '2027-01-06T15:00:00.000Z',
      '2027-01-06T09:00:00.000Z',
      '2027-01-06T10:00:00.000Z',
      '2027-01-06T00:00:00.000Z',
    ]);
  });

  it('problems name the key, what stands there, and what is expected', () => {
    configure(home, talking);
    const job = (id: string, more: object) => ({ id, message: 'x', ...more });
    expect(
      problems(
        job('a', { schedule: { kind: 'every', everyMs: '7200000' } }),
        job('b', { at: 'tomorrow' }),
        job('c', { schedule: { at: '2027-02-30T10:00' } }),
        job('d', { schedule: { cron: '0 7 * * *', tz: 'Mars' } }),
        job('e', { every: '1h', enabled: 'yes' }),
        job('f', { every: '1h', retries: -1 }),
        job('g', { every: 'often' }),
      ),
    ).toEqual([
      'schedule.everyMs "7200000": expected a number of ms above 0 (or "every": "90m")',
      'at "tomorrow": expected epoch ms, or ISO 8601 such as "2027-05-06T10:00"',
      'schedule.at "2027-02-30T10:00": there is no such day',
      'schedule.tz "Mars": expected an IANA time zone known here, such as "Europe/Stockholm"',
      'enabled "yes": expected true or false',
      'retries -1: expected a whole number from 0 on',
      'every "often": expected a duration above 0, such as "90m"',
    ]);
    const [check, ...more] = home
      .run(['status', '--json'])
      .json()
      .attention.filter(({ what }: any) => what.includes('cannot be used'));
    expect(check.what).toMatch(/^7 jobs a \(.*and 2 more cannot be used$/);
    expect(more).toEqual([]);
  });

  it.each([
    ['{"jobs": [\n  {"id": "a",}\n]}', 'line 2, column 14: a comma with nothing behind it'],
    ['{\n// mine\n"jobs": []}', 'line 2, column 1: this file is plain JSON, which has no comments'],
    ['{"jobs": [', 'line 1, column 11'],
    ["{'jobs': []}", 'line 1, column 2'],
    ['{"jobs": []} x', 'line 1, column 14'],
    ['{"jobs": [{"at": 01}]}', 'line 1, column 19'],
  ])('that is no JSON is told by line and column: %s', (text, where) => {
    configure(home, talking);
    expect(write(text)).toContain(`not JSON at ${where}`);
  });

  it('keys without a meaning are noted by doctor too', () => {
    configure(home, talking);
    putJobs(home, [{ id: 'a', every: '1h', message: 'x', retires: 3 }]);
    expect(home.run(['doctor']).stdout).toContain(
      'job a: retires means nothing to claw; did you mean retries?',
    );
  });
});

describe('words that do not fit', () => {
  it.each([
    [['cron', 'add', '--evry', '5m'], 'there is no option --evry; did you mean --every?'],
    [['cron', 'runs', 'off', '--last', '1'], 'there is no option --last'],
    [['cron', 'next', '0 7 * * *'], 'did you mean --cron "0 7 * * *"?'],
    [['system', 'event', 'hello'], 'did you mean --text "hello"?'],
    [['cron', 'add', '--every', '1h', '--message', 'x', '--retries', 'many'], 'a whole number from 0 on'],
  ])('%j', (args, words) => {
    configure(home, talking);
    expect(home.run(args)).toMatchObject({ status: 64, stderr: expect.stringContaining(words) });
  });

  it('the hint for a time is one that is to come', () => {
    configure(home, talking);
    const { stderr } = add('--at', 'soon', '--message', 'x');
    const [, at = ''] = /such as (\d{4}-\d\d-\d\dT18:00)/.exec(stderr) ?? [];
    expect(Date.parse(`${at}Z`)).toBeGreaterThan(Date.now());
  });

  it('a session that is not there is said', () => {
    configure(home, talking);
    const run = add('--every', '1h', '--message', 'x', '--session', 'agent:main:nowhere');
    expect(run.stderr).toContain('there is no session agent:main:nowhere yet');
  });
});

describe('an event that waits', () => {
  const WAITS = ['--id', 'water', '--at', '1m', '--system-event', 'Water.'];
  it('is counted by status, told by the heartbeat that add names, and withdrawn with its job', () => {
    configure(home, talking, { agents: { defaults: { heartbeat: { every: '30m' } } } });
    fromTelegram();
    home.run(['tick']);
    const added = add('--json', ...WAITS).json();
    const told = Date.parse(added.toldBy) - Date.parse(added.next[0]);
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThanOrEqual(30 * MINUTE);
    home.run(['tick'], later(2 * MINUTE));
    expect(home.run(['status', '--json'], later(2 * MINUTE)).json().pending.events).toBe(1);
    expect(home.run(['cron', 'remove', 'water']).stdout).toContain(
      '1 reminder of it that waited will not be told',
    );
    expect(home.run(['status', '--json']).json().pending.events).toBe(0);
    expect(runsOf(home, 'water')).toMatchObject([{ status: 'cancelled' }]);
  });
});

describe('cron show and status', () => {
  it('print the rules in force, and why jobs are disabled', () => {
    configure(home, talking, { cron: { disableAfter: 0 } });
    add(
      '--id',
      'a',
      '--every',
      '1h',
      '--message',
      'x',
      '--retries',
      '1',
      '--max-runs-per-day',
      '3',
      '--disabled',
    );
    const { stdout } = home.run(['cron', 'show', 'a']);
    for (const line of [
      /missed +catch-up once, grace half the period/,
      /retries +1, the first after 30s/,
      /alert +after 3 failures in a row/,
      /gives up +never by failures/,
      /budget +3 runs a day/,
    ])
      expect(stdout).toMatch(line);
    expect(home.run(['cron', 'status']).stdout).toContain('disabled  a: by hand (claw cron enable a)');
  });
});
