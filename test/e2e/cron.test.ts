/** Jobs as people, scripts and agents manage them. Running them is tested elsewhere. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemContext } from '../../src/context.ts';
import { Layout } from '../../src/store/layout.ts';
import { tryLock } from '../../src/store/lock.ts';
import { BIN, Home, list } from './claw.ts';
import { contents, HOUR, MINUTE, snapshot } from './support.ts';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.cleanUp());

const cron = (...args: string[]) => home.run(['cron', ...args]);
const json = (...args: string[]) => cron(...args, '--json').json();
const add = (...args: string[]) => cron('add', '--json', ...args).json();
const file = () => home.path('cron', 'jobs.json');
const stored = () => JSON.parse(fs.readFileSync(file(), 'utf8'));
const ids = () => json('list').jobs.map((job: any) => job.id);
const errorOf = (run: { stderr: string }) => JSON.parse(run.stderr).error;

/** Writes the file as a person would, some time ago. */
function byHand(document: unknown, ageMs = 0): void {
  fs.mkdirSync(home.path('cron'), { recursive: true });
  fs.writeFileSync(file(), typeof document === 'string' ? document : JSON.stringify(document));
  const then = (Date.now() - ageMs) / 1000;
  fs.utimesSync(file(), then, then);
}

const AT_SEVEN = ['--cron', '0 7 * * *', '--tz', 'Europe/Stockholm', '--message', 'news'];

describe('cron add', () => {
  test('prints the id, the next three instants in local time with the zone, and what is missing', () => {
    const run = cron('add', '--name', 'Morning news', ...AT_SEVEN);
    expect(run.status).toBe(0);
    const [first, ...next] = run.stdout.trimEnd().split('\n');
    expect(first).toBe('added morning-news: cron 0 7 * * * (Europe/Stockholm)');
    expect(next).toHaveLength(3);
    for (const line of next) expect(line).toMatch(/07:00 \+0[12]:00 \(Europe\/Stockholm\)/);
    expect(run.stderr).toContain('nothing calls claw tick here');
  });

  test('J25 #64968 warns of a day of the month beside a day of the week, and takes 7 for Sunday', () => {
    const both = add('--cron', '0 9 15 * 1', '--message', 'm');
    expect(both.warnings.join()).toContain('match either one, not both');
    const [seven, zero] = ['7', '0'].map(day => add('--cron', `0 9 * * ${day}`, '--message', 'm').next);
    expect(seven).toEqual(zero);
  });

  test('J23 #8399 stores the name of the zone, so that a move of the machine moves no job', () => {
    const args = ['cron', 'add', '--id', 'a', '--cron', '0 7 * * *', '--message', 'm', '--json'];
    const added = home.run(args, { env: { TZ: 'Asia/Tokyo' } }).json();
    expect(added.job.schedule.tz).toBe('Asia/Tokyo');
    const moved = home.run(['cron', 'list', '--json'], { env: { TZ: 'America/Chicago' } }).json();
    expect(moved.jobs[0].next).toBe(added.next[0]);
    const wrong = cron('add', '--cron', '0 7 * * *', '--tz', 'Europe/Stokholm', '--message', 'm');
    expect(wrong.status).toBe(64);
    expect(wrong.stderr).toContain('Europe/Stockholm');
  });

  test('J04 #9236 what was added stands on the disk when it says so', () => {
    const killed = spawnSync(
      'sh',
      [
        '-c',
        `"${process.execPath}" "${BIN}" cron add --id kept --every 1h --message m --json & wait $!; kill -9 $! 2>/dev/null; true`,
      ],
      { env: home.env() },
    );
    expect(JSON.parse(killed.stdout.toString()).id).toBe('kept');
    expect(ids()).toEqual(['kept']);
    expect(stored().jobs).toHaveLength(1);
    expect(list(home.path('cron')).filter(name => name.startsWith('.tmp-'))).toEqual([]);
  });

  test('twenty at once are all there', async () => {
    const runs = Array.from({ length: 20 }, (_, index) =>
      home.start(['cron', 'add', '--name', 'same', '--every', `${index + 1}h`, '--message', 'm', '--json']),
    );
    const done = await Promise.all(runs.map(({ done }) => done));
    expect(done.map(({ status, stderr }) => [status, stderr.includes('internal')])).toEqual(
      done.map(() => [0, false]),
    );
    expect(new Set(ids()).size).toBe(20);
    expect(new Set(stored().jobs.map((job: any) => job.schedule.everyMs)).size).toBe(20);
  });

  test.each<[string, string[], RegExp]>([
    ['no schedule', ['--message', 'm'], /needs a schedule/],
    ['two schedules', ['--every', '1h', '--at', '2h', '--message', 'm'], /one schedule/],
    ['no payload', ['--every', '1h'], /needs a payload/],
    ['two payloads', ['--every', '1h', '--message', 'm', '--system-event', 'e'], /one payload/],
    ['a time that has passed', ['--at', '2020-01-01T00:00', '--message', 'm'], /has passed/],
    ['a time that does not exist', ['--at', '2027-02-30T10:00', '--message', 'm'], /no such day/],
    [
      'J33 #86202 two sessions',
      ['--every', '1h', '--message', 'm', '--session', 'isolated', '--session', 'main:x'],
      /one session/,
    ],
    [
      'J33 #86202 a session key beside isolated',
      ['--every', '1h', '--message', 'm', '--session', 'isolated', '--session-key', 'x'],
      /--session-key/,
    ],
    ['a turn in main', ['--every', '1h', '--message', 'm', '--session', 'main'], /does not go with/],
    [
      'an event elsewhere',
      ['--every', '1h', '--system-event', 'e', '--session', 'isolated'],
      /does not go with/,
    ],
    [
      'a model of a command',
      ['--every', '1h', '--model', 'x', '--exec', 'true'],
      /--model goes with --message/,
    ],
    ['a delivery of an event', ['--every', '1h', '--system-event', 'e', '--deliver'], /--deliver goes with/],
    ['an unknown agent', ['--every', '1h', '--message', 'm', '--agent', 'nobody'], /nobody/],
    ['an id that is a path', ['--every', '1h', '--message', 'm', '--id', '../x'], /--id/],
    ['an unknown thinking level', ['--every', '1h', '--message', 'm', '--thinking', 'hard'], /--thinking/],
    ['a grace without a unit', ['--every', '1h', '--message', 'm', '--grace', '30'], /--grace/],
    ['a blank name', ['--every', '1h', '--message', 'm', '--name', ' '], /--name is empty/],
    ['words that belong nowhere', ['--every', '1h', '--message', 'm', 'too'], /"too"/],
    ['a command without words', ['--every', '1h', '--exec'], /--exec needs a command/],
  ])('refuses with a word why: %s', (_, args, reason) => {
    const run = cron('add', ...args);
    expect([run.status, run.stdout]).toEqual([64, '']);
    expect(run.stderr).toMatch(reason);
    expect(fs.existsSync(home.path('cron'))).toBe(false);
  });

  test('takes a command as one line for the shell, or as a program with its arguments', () => {
    const command = (...args: string[]) => add('--every', '1h', ...args).job.payload.command;
    expect(command('--exec', 'df -h | tail -1')).toEqual(['sh', '-c', 'df -h | tail -1']);
    expect(command('--exec', '--', 'df', '-h', 'a b')).toEqual(['df', '-h', 'a b']);
    expect(command('--exec=df')).toEqual(['sh', '-c', 'df']);
  });

  test('--upsert changes the job of that id, or of that name, and says which', () => {
    expect(add('--name', 'N', ...AT_SEVEN, '--upsert').action).toBe('added');
    expect(add('--name', 'N', ...AT_SEVEN, '--upsert').action).toBe('unchanged');
    const again = add('--name', 'N', '--every', '2h', '--message', 'news', '--upsert');
    expect(again).toMatchObject({ action: 'updated', id: 'n', job: { schedule: { everyMs: 2 * HOUR } } });
    expect(add('--id', 'other', '--name', 'N', ...AT_SEVEN, '--upsert').action).toBe('added');
    expect(add('--id', 'other', ...AT_SEVEN, '--model', 'x', '--upsert')).toMatchObject({
      action: 'updated',
      job: { name: 'N', payload: { model: 'x' } },
    });
    expect(ids()).toEqual(['n', 'other']);
    const twice = cron('add', '--id', 'OTHER', ...AT_SEVEN, '--json');
    expect(twice.status).toBe(64);
    expect(errorOf(twice).code).toBe('job-exists');
  });

  test('an id whose past is still there is not given out again', () => {
    add('--name', 'N', ...AT_SEVEN);
    cron('remove', 'n');
    expect(add('--name', 'N', ...AT_SEVEN).id).toMatch(/^n-[0-9a-f]{4}$/);
    expect(json('runs', 'n').entries).toEqual([]);
  });
});

describe('cron edit', () => {
  test('J15 #67828 shows the new instant at once, and keeps what was not named', () => {
    add('--id', 'a', ...AT_SEVEN, '--model', 'x', '--deliver', '--channel', 'telegram', '--to', '1');
    const edited = json(
      'edit',
      'a',
      '--cron',
      '30 9 * * *',
      '--tz',
      'UTC',
      '--no-deliver',
      '--unset',
      'model',
    );
    expect(edited.job.payload).toEqual({
      ...{ kind: 'agentTurn', message: 'news', deliver: false, channel: 'telegram', to: '1' },
    });
    expect(edited.next[0]).toMatch(/T09:30:00.000Z$/);
    expect(json('list').jobs[0].next).toBe(edited.next[0]);
    expect(json('edit', 'a', '--no-deliver').action).toBe('unchanged');
  });

  test('a changed schedule counts from now on; another text leaves what is due as it was', () => {
    byHand({ jobs: [{ id: 'a', schedule: { every: '1h' }, payload: { message: 'm' } }] }, 70 * MINUTE);
    const due = json('show', 'a').state.nextRunAtMs;
    expect(due).toBeLessThan(Date.now());
    json('edit', 'a', '--message', 'other');
    expect(json('show', 'a')).toMatchObject({ state: { nextRunAtMs: due }, late: true });
    json('edit', 'a', '--every', '3h');
    expect(json('show', 'a').state.nextRunAtMs).toBeGreaterThan(Date.now());
  });

  test('J16 #11246 the first instant after a change is the next one on the clock of its zone', () => {
    add('--id', 'a', '--cron', '0 18 * * *', '--tz', 'Asia/Tokyo', '--message', 'm');
    const { next } = json('edit', 'a', '--cron', '* * * * *', '--tz', 'Asia/Tokyo');
    expect(Date.parse(next[0]) - Date.now()).toBeLessThanOrEqual(MINUTE);
  });

  test.each<[string, string[], RegExp]>([
    ['nothing to change', ['a'], /nothing to change/],
    ['a part that there is not', ['a', '--unset', 'modle'], /did you mean model/],
    ['a job that there is not', ['aa', '--name', 'x'], /did you mean a\?/],
    ['a payload that does not fit', ['a', '--session', 'main'], /does not go with/],
  ])('refuses %s', (_, args, reason) => {
    add('--id', 'a', ...AT_SEVEN);
    const before = contents(home.dir, ['cache', 'logs']);
    const run = cron('edit', ...args);
    expect(run.status).toBe(64);
    expect(run.stderr).toMatch(reason);
    expect(contents(home.dir, ['cache', 'logs'])).toEqual(before);
  });

  test('J40 #19455 edit, disable and enable do not wait for a run', () => {
    add('--id', 'a', ...AT_SEVEN);
    // A run, as its lock shows it.
    const context = { ...systemContext(), home: home.dir };
    const lock = tryLock(context, new Layout(home.dir).runningLock('a'), 'a')!;
    expect(json('list').jobs[0]).toMatchObject({
      condition: 'running',
      state: { runningAtMs: expect.any(Number) },
    });
    for (const args of [
      ['edit', 'a', '--name', 'b'],
      ['disable', 'a'],
      ['enable', 'a'],
    ]) {
      const before = Date.now();
      expect(cron(...args).status).toBe(0);
      expect(Date.now() - before).toBeLessThan(3000);
    }
    lock.release();
    expect(json('list').jobs[0].condition).toBe('on');
  });
});

describe('cron enable, disable, remove', () => {
  test('switch a job, and say when it is due', () => {
    add('--id', 'a', ...AT_SEVEN);
    expect(json('disable', 'a')).toMatchObject({ action: 'updated', job: { enabled: false } });
    expect(json('disable', 'a').action).toBe('unchanged');
    expect(json('list').jobs[0]).toMatchObject({
      condition: 'disabled',
      next: null,
      state: { nextRunAtMs: null },
    });
    expect(json('enable', 'a').next).toHaveLength(3);
    expect(json('list').jobs[0].condition).toBe('on');
  });

  test('enable ends what failures had switched off', () => {
    add('--id', 'a', ...AT_SEVEN);
    const line = { action: 'disabled', ts: Date.now(), jobId: 'a', reason: '10 failures in a row' };
    fs.appendFileSync(home.path('cron/runs/a.jsonl'), `${JSON.stringify(line)}\n`);
    expect(json('list').jobs[0]).toMatchObject({
      condition: 'disabled:failures',
      next: null,
      state: { disabledReason: '10 failures in a row' },
    });
    expect(json('enable', 'a').action).toBe('updated');
    expect(json('list').jobs[0]).toMatchObject({ condition: 'on' });
  });

  test('rm is remove, create is add', () => {
    expect(cron('create', '--id', 'a', ...AT_SEVEN).status).toBe(0);
    expect(cron('rm', 'a').status).toBe(0);
    expect(ids()).toEqual([]);
  });
});

describe('the file belongs to its user', () => {
  test('J01 #12440 who only reads changes nothing, and a job that is late stays due', () => {
    byHand({ jobs: [{ id: 'a', schedule: { every: '1h' }, payload: { message: 'm' } }] }, 70 * MINUTE);
    const before = snapshot(home.dir, ['cache']);
    for (const args of [
      ['list'],
      ['status'],
      ['show', 'a'],
      ['runs', 'a'],
      ['list', '--json'],
      ['next', '--every', '1h'],
    ])
      expect(cron(...args).status).toBe(0);
    const after = snapshot(home.dir, ['cache']);
    for (const each of [before, after]) delete each['.'];
    expect(after).toEqual(before);
    expect(json('status').late).toMatchObject([{ id: 'a', reason: expect.stringContaining('never run') }]);
  });

  test('J03 #8734 a job by hand needs id, schedule and payload, and has the right next instant', () => {
    byHand({ jobs: [{ id: 'a', schedule: { cron: '0 7 * * *', tz: 'UTC' }, payload: { message: 'm' } }] });
    const [job] = json('list').jobs;
    expect(job).toMatchObject({ id: 'a', name: 'm', enabled: true, sessionTarget: 'isolated' });
    expect(job.next).toMatch(/T07:00:00.000Z$/);
  });

  test('J35 #71603 an edit by hand is what holds', () => {
    add('--id', 'a', ...AT_SEVEN);
    const document = stored();
    document.jobs[0].schedule = { kind: 'cron', expr: '15 3 * * *', tz: 'UTC' };
    byHand(document);
    expect(json('list').jobs[0].next).toMatch(/T03:15:00.000Z$/);
  });

  test('J24 #134458 a bad job is shown with its problem and hides no other', () => {
    byHand({
      jobs: [
        { id: 'bad', schedule: { cron: '61 * * * *' }, payload: { message: 'm' } },
        7,
        { id: 'good', schedule: { every: '1h' }, payload: { message: 'm' } },
        { id: 'GOOD', schedule: { every: '1h' }, payload: { message: 'm' } },
      ],
    });
    const run = cron('list', '--json');
    expect(run.status).toBe(0);
    expect(run.json()).toMatchObject({
      jobs: [{ id: 'good' }],
      invalid: [
        { id: 'bad', index: 0 },
        { id: null, index: 1 },
        { id: 'GOOD', problem: expect.stringContaining('capital letters') },
      ],
    });
    expect(cron('list').stdout).toMatch(/bad .*invalid: schedule/);
    expect(cron('show', 'bad').status).toBe(65);
    expect(cron('add', '--id', 'more', ...AT_SEVEN).status).toBe(0);
    expect(stored().jobs[0].schedule).toEqual({ cron: '61 * * * *' });
    expect(cron('remove', 'bad').status).toBe(0);
    expect(stored().jobs.map((job: any) => job.id)).toEqual([undefined, 'good', 'GOOD', 'more']);
  });

  test('keys that claw does not know stay, and are told of with the nearest', () => {
    byHand({
      note: 'mine',
      jobs: [
        { id: 'a', schedule: { every: '1h', x: 1 }, payload: { message: 'm', modl: 'y' }, extra: { z: [1] } },
      ],
    });
    const run = cron('list');
    expect(run.stderr).toContain('payload.modl means nothing to claw; did you mean model?');
    expect(cron('edit', 'a', '--name', 'N').status).toBe(0);
    expect(stored()).toMatchObject({
      note: 'mine',
      jobs: [{ name: 'N', schedule: { x: 1 }, payload: { message: 'm', modl: 'y' }, extra: { z: [1] } }],
    });
    expect(fs.readFileSync(file(), 'utf8')).toMatch(/\n {2}"note"/);
  });

  test.each(['', '{"jobs": [{"id"', '{"jobs": 7}', 'null'])(
    'one that cannot be read (%j) is reported and left',
    text => {
      byHand(text);
      for (const args of [
        ['list'],
        ['status'],
        ['show', 'a'],
        ['add', ...AT_SEVEN],
        ['edit', 'a', '--name', 'x'],
        ['remove', 'a'],
      ]) {
        const run = cron(...args);
        expect([run.status, run.stdout]).toEqual([65, '']);
        expect(run.stderr).toContain('jobs.json');
      }
      expect(fs.readFileSync(file(), 'utf8')).toBe(text);
    },
  );

  test('one that others may write to is not made to look like ours', () => {
    byHand({ jobs: [{ id: 'a', schedule: { every: '1h' }, payload: { command: 'id' } }] });
    fs.chmodSync(file(), 0o666);
    expect(json('list').jobs[0].untrusted).toContain('can be written by everybody');
    const run = cron('add', ...AT_SEVEN);
    expect(run.status).toBe(78);
    expect(fs.statSync(file()).mode & 0o777).toBe(0o666);
  });

  test('a link stays a link', () => {
    fs.mkdirSync(home.path('cron'));
    const real = `${home.folder}/dotfiles.json`;
    fs.writeFileSync(real, '[]');
    fs.symlinkSync(real, file());
    add('--id', 'a', ...AT_SEVEN);
    expect(fs.lstatSync(file()).isSymbolicLink()).toBe(true);
    expect(JSON.parse(fs.readFileSync(real, 'utf8'))).toMatchObject([{ id: 'a' }]);
  });

  test('a rewrite does not make old jobs young: what was due before stays due', () => {
    byHand({ jobs: [{ id: 'a', schedule: { every: '1h' }, payload: { message: 'm' } }] }, 70 * MINUTE);
    const before = json('show', 'a').state.nextRunAtMs;
    add('--id', 'b', ...AT_SEVEN);
    expect(json('show', 'a').state.nextRunAtMs).toBe(before);
  });
});

describe('listings', () => {
  test('#18892 with 45 jobs answer, whatever is overdue; the cache may be wrong or gone', () => {
    const hour = new Date(Date.now() - 2 * HOUR).getUTCHours();
    const jobs = Array.from({ length: 45 }, (_, index) => ({
      id: `j${index}`,
      schedule: { cron: `${index} ${hour} * * *`, tz: 'UTC' },
      payload: { message: 'm' },
    }));
    byHand({ jobs }, 20 * HOUR);
    const first = json('list').jobs;
    expect(first).toHaveLength(45);
    expect(first.every((job: any) => job.late)).toBe(true);
    const again = json('list').jobs;
    fs.writeFileSync(home.path('cache', 'jobs.json'), '{"key":');
    const torn = json('list').jobs;
    fs.rmSync(home.path('cache'), { recursive: true });
    expect([again, torn, json('list').jobs]).toEqual([first, first, first]);
  });

  test('what a process appends is seen, whatever was remembered', () => {
    add('--id', 'a', ...AT_SEVEN);
    expect(json('list').jobs[0].state.lastStatus).toBeNull();
    const past = (line: object) =>
      fs.appendFileSync(
        home.path('cron/runs/a.jsonl'),
        `${JSON.stringify({ action: 'finished', jobId: 'a', trigger: 'manual', ...line })}\n`,
      );
    past({ ts: 1000, runId: 'r1', status: 'queued', startedAt: 900 });
    expect(json('list').jobs[0].state).toMatchObject({ lastStatus: 'queued', queued: 1 });
    past({ ts: 2000, runId: 'r1', status: 'ok', durationMs: 5 });
    past({ ts: 3000, runId: 'r2', status: 'error', error: { code: 'x', message: 'boom' } });
    expect(json('list').jobs[0].state).toMatchObject({ lastStatus: 'error', lastError: 'boom', queued: 0 });
    const { entries, total } = json('runs', '--id', 'a');
    expect(total).toBe(2);
    expect(entries).toMatchObject([
      { runId: 'r1', status: 'ok', startedAt: 900, ts: 2000 },
      { runId: 'r2', status: 'error' },
    ]);
    expect(json('runs', 'a', '--limit', '1').entries).toMatchObject([{ runId: 'r2' }]);
    expect(cron('runs', 'a', '--limit', '5001').status).toBe(64);
    expect(cron('runs', 'b').stderr).toContain('did you mean a?');
  });

  test('cron.enabled: false is said', () => {
    home.config({ cron: { enabled: false } });
    expect(add('--id', 'a', ...AT_SEVEN).warnings.join()).toContain('cron.enabled');
    expect(json('list').enabled).toBe(false);
    expect(json('status')).toMatchObject({ enabled: false, nextWake: null });
  });
});

describe('an agent', () => {
  const AGENTS = { agents: { list: [{ id: 'main', default: true }, { id: 'other' }] } };
  const as = (key: string, agentId = 'main') => ({
    env: { CLAW_RUN_ID: 'r', CLAW_AGENT_ID: agentId, CLAW_SESSION_KEY: key },
  });
  const MAIN = as('agent:main:main');
  const asAgent = (args: string[], who = MAIN) => home.run(['cron', ...args], who);

  beforeEach(() => home.config(AGENTS));

  test('manages the jobs of its own agent and sees no others', () => {
    add('--id', 'theirs', ...AT_SEVEN, '--agent', 'other');
    expect(asAgent(['add', '--id', 'mine', ...AT_SEVEN, '--deliver']).status).toBe(0);
    expect(
      asAgent(['list', '--json'])
        .json()
        .jobs.map((job: any) => job.id),
    ).toEqual(['mine']);
    for (const args of [
      ['edit', 'mine', '--name', 'N'],
      ['disable', 'mine'],
      ['enable', 'mine'],
      ['remove', 'mine'],
    ])
      expect([args, asAgent(args).status]).toEqual([args, 0]);
    for (const args of [
      ['edit', 'theirs', '--name', 'N'],
      ['disable', 'theirs'],
      ['remove', 'theirs'],
      ['show', 'theirs'],
      ['runs', 'theirs'],
    ])
      expect([args, asAgent(args).status]).toEqual([args, 64]);
    expect(asAgent(['add', ...AT_SEVEN, '--agent', 'other']).status).toBe(77);
    expect(ids()).toEqual(['theirs']);
  });

  test.each<[string, string[]]>([
    ['a command', ['add', '--every', '1h', '--exec', 'id']],
    ['a command as JSON', ['add', '--every', '1h', '--definition', '{"payload":{"command":"id"}}']],
    ['a precheck', ['add', ...AT_SEVEN, '--precheck', 'id']],
    ['a precheck of its own job', ['edit', 'mine', '--precheck', 'id']],
    ['its own job as a command', ['edit', 'mine', '--exec', 'id']],
    ['the command of the user at another time', ['edit', 'cmd', '--every', '1m']],
    ['somebody else as recipient', ['add', ...AT_SEVEN, '--deliver', '--channel', 'telegram', '--to', '9']],
    ['the session of another agent', ['add', ...AT_SEVEN, '--session', 'agent:other:main']],
  ])('may not have %s', (_, args) => {
    add('--id', 'mine', ...AT_SEVEN);
    add('--id', 'cmd', '--every', '1h', '--exec', 'true');
    const before = fs.readFileSync(file(), 'utf8');
    expect(asAgent(args).status).toBe(77);
    expect(fs.readFileSync(file(), 'utf8')).toBe(before);
  });

  test('in a conversation with somebody else plans for that conversation', () => {
    const group = as('agent:main:telegram:group:-1');
    const added = asAgent(['add', '--id', 'g', ...AT_SEVEN, '--json'], group).json();
    expect(added.job.sessionTarget).toBe('agent:main:telegram:group:-1');
    add('--id', 'mine', ...AT_SEVEN);
    expect(
      asAgent(['list', '--json'], group)
        .json()
        .jobs.map((job: any) => job.id),
    ).toEqual(['g']);
    expect(asAgent(['remove', 'mine'], group).status).toBe(64);
    expect(asAgent(['add', ...AT_SEVEN, '--session', 'isolated'], group).status).toBe(77);
  });
});

describe('claw call', () => {
  const call = (method: string, params: object) =>
    home.run(['call', method, '--params', JSON.stringify(params)]);
  const JOB = {
    name: 'N',
    schedule: { kind: 'every', everyMs: HOUR },
    payload: { kind: 'agentTurn', message: 'm' },
  };

  test('manages jobs as the commands do', () => {
    expect(call('cron.add', JOB).json()).toMatchObject({ action: 'added', id: 'n' });
    expect(call('cron.add', { job: { ...JOB, id: 'w' } }).json()).toMatchObject({ id: 'w' });
    expect(
      call('cron.update', { id: 'n', patch: { payload: { kind: 'agentTurn', model: 'x' } } }).json(),
    ).toMatchObject({
      job: { payload: { message: 'm', model: 'x' } },
    });
    expect(call('cron.disable', { id: 'n' }).json()).toMatchObject({ job: { enabled: false } });
    expect(call('cron.enable', { jobId: 'n' }).json()).toMatchObject({ job: { enabled: true } });
    expect(call('cron.get', { id: 'n' }).json()).toMatchObject({ id: 'n', upcoming: expect.any(Array) });
    expect(call('cron.list', { includeDisabled: true }).json().jobs).toHaveLength(2);
    expect(call('cron.status', {}).json()).toMatchObject({ jobs: 2 });
    expect(call('cron.runs', { id: 'n', limit: 5 }).json()).toMatchObject({ entries: [] });
    expect(call('cron.next', { every: '1h', count: 2 }).json().next).toHaveLength(2);
    expect(call('cron.remove', { id: 'n' }).json()).toMatchObject({ removed: true, id: 'n' });
  });

  test.each<[string, object]>([
    ['cron.add', { ...JOB, payload: { kind: 'exec', command: ['id'] } }],
    ['cron.add', { name: 'x', every: '1h', command: 'id' }],
    ['cron.add', { ...JOB, precheck: 'id' }],
    ['cron.update', { id: 'cmd', patch: { payload: { command: 'id' } } }],
    ['cron.update', { id: 'cmd', patch: { precheck: 'id' } }],
  ])('names no command to be run: %s %j', (method, params) => {
    add('--id', 'cmd', '--every', '1h', '--exec', 'true');
    const before = fs.readFileSync(file(), 'utf8');
    const run = call(method, params);
    expect(run.status).toBe(77);
    expect(fs.readFileSync(file(), 'utf8')).toBe(before);
  });

  test.each<[string, object]>([
    ['cron.add', {}],
    ['cron.update', { id: 'a' }],
    ['cron.run', { id: 'a', mode: 'sometimes' }],
    ['cron.remove', {}],
  ])('refuses what means nothing: %s %j', (method, params) => {
    const run = call(method, params);
    expect(run.status).toBe(64);
    expect(errorOf(run).code).toBe('params-invalid');
  });
});
