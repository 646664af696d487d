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
