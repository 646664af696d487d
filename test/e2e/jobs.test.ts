/** Jobs from their instant to their record: the tick that runs them, what their agents are told, who hears of it. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home, list, withRunner } from './claw.ts';
import {
  before,
  configure,
  hourly,
  jobsIn,
  later,
  type Outlet,
  once,
  putJobs,
  runsOf,
  SECOND,
} from './schedule.ts';
import {
  contents,
  Gate,
  HOUR,
  lives,
  MINUTE,
  program,
  readRecord,
  recordFile,
  snapshot,
  until,
} from './support.ts';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.cleanUp());

/** A runner with a script of `sh`; `$OUT` is a folder of the test. */
function sh(script: string, more: object = {}): object {
  return { command: 'sh', args: ['-c', script], env: { OUT: home.folder }, timeoutSeconds: 60, ...more };
}
/** Lines of a file in the folder of the test. */
const noted = (name: string) => {
  const file = path.join(home.folder, name);
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
};
const tick = (...args: string[]) => home.run(['tick', '--json', ...args]);
const mainRecord = () => recordFile(home, 'main');
const events = () =>
  list(home.path('events', 'main'))
    .sort()
    .map(name => JSON.parse(fs.readFileSync(home.path('events', 'main', name), 'utf8')).text);
const fromTelegram = (text: string, ...more: string[]) =>
  home.run(['ingest', '--json', '--channel', 'telegram', '--from', '7', ...more, text]);
const noting = (answer = 'done') =>
  sh(
    `cat > "$OUT/stdin.$CLAW_RUN_ID"; echo "$CLAW_SESSION_KEY $CLAW_SESSION_ID" >> "$OUT/started"; echo "${answer}"`,
  );
const prompts = () =>
  list(home.folder)
    .filter(name => name.startsWith('stdin.'))
    .map(name => fs.readFileSync(path.join(home.folder, name), 'utf8'));
const nothingLeft = () => {
  expect(list(home.path('claims'))).toEqual([]);
  for (const agent of list(home.path('locks'))) expect(list(home.path('locks', agent))).toEqual([]);
};

describe('an instant is run once', () => {
  it('ten ticks at the same instant, three due jobs: three runs, all ticks end well (openclaw#1100, openclaw#16094)', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    putJobs(
      home,
      ['a', 'b', 'c'].map(id => once(id, { message: id, agentId: 'main' })),
    );
    const ticks = Array.from({ length: 10 }, () => home.start(['tick', '--json']));
    const ended = await Promise.all(ticks.map(({ done }) => done));
    expect(ended.map(({ status }) => status)).toEqual(Array(10).fill(0));
    expect(gate.runs()).toHaveLength(3);
    for (const id of ['a', 'b', 'c']) expect(runsOf(home, id)).toMatchObject([{ status: 'ok', attempt: 1 }]);
    nothingLeft();
  });

  it('six ticks after a one-shot ran: one run (openclaw#11612)', () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    putJobs(home, [once('tea', { message: 'tea' })]);
    for (let time = 0; time < 6; time++) expect(tick().status).toBe(0);
    expect(gate.runs()).toHaveLength(1);
    expect(runsOf(home, 'tea')).toMatchObject([{ status: 'ok', trigger: 'schedule' }]);
    expect(home.run(['cron', 'list', '--json']).json().jobs).toMatchObject([{ id: 'tea', next: null }]);
  });

  it('a minute each, many ticks within one: one run for the instant (openclaw#11682)', () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    putJobs(home, [hourly('news', { message: 'news' })]);
    for (let time = 0; time < 5; time++) tick();
    expect(gate.runs()).toHaveLength(1);
    home.run(['tick'], later(HOUR));
    expect(gate.runs()).toHaveLength(2);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok' }, { status: 'ok' }]);
  });
});

describe('an isolated run', () => {
  it('begins a session of its own each time, with the defaults, and is told the same each time (openclaw#24101, openclaw#62707)', () => {
    configure(home, noting());
    putJobs(home, [hourly('news', { name: 'The news', message: 'Read the news.' })]);
    for (let hour = 0; hour < 6; hour++) expect(home.run(['tick'], later(hour * HOUR)).status).toBe(0);
    expect(noted('started')).toHaveLength(6);
    expect(new Set(noted('started')).size).toBe(6);
    const told = prompts();
    expect(new Set(told).size).toBe(1);
    expect(told[0]).toMatch(/^\[cron:news The news\] Read the news\.\s*$/);
    const records = runsOf(home, 'news');
    expect(records.map(({ status }) => status)).toEqual(Array(6).fill('ok'));
    expect(new Set(records.map(({ sessionId }) => sessionId)).size).toBe(6);
    expect(records[0]).toMatchObject({
      sessionKey: 'agent:main:cron:news',
      agentId: 'main',
      summary: 'done',
    });
  });

  it('is not touched by what was set for its key', () => {
    configure(
      home,
      sh('cat > /dev/null; echo "$1"', { args: ['-c', 'cat >/dev/null; echo "model $1"', 'x', '{{Model}}'] }),
      {
        agents: { defaults: { runner: 'agent', model: 'plain' } },
      },
    );
    putJobs(home, [hourly('news', { message: 'x' }), hourly('deep', { message: 'x', payload: undefined })]);
    tick();
    expect(home.run(['sessions', 'patch', 'agent:main:cron:news', '--set', 'model=other']).status).toBe(0);
    home.run(['tick'], later(HOUR));
    expect(runsOf(home, 'news').map(({ summary }) => summary)).toEqual(['model plain', 'model plain']);
  });

  it('has the model, thinking level and time limit of the job', () => {
    configure(
      home,
      { command: 'sh', args: ['-c', 'cat >/dev/null; echo "$1 $2"', 'x', '{{Model}}', '{{ThinkingLevel}}'] },
      {
        agents: { defaults: { runner: 'agent', model: 'plain' } },
      },
    );
    const payload = { kind: 'agentTurn', message: 'x', model: 'big', thinking: 'high' };
    putJobs(home, [once('deep', { payload })]);
    tick();
    expect(runsOf(home, 'deep')).toMatchObject([{ status: 'ok', summary: 'big high' }]);
  });

  it('that takes too long is ended with everything it started, before its record is written (openclaw#137215)', () => {
    configure(home, {
      ...{ command: program('hang-with-child.sh'), args: [], idleTimeoutSeconds: 60, killGraceSeconds: 1 },
    });
    const payload = { kind: 'agentTurn', message: 'x', timeoutSeconds: 1 };
    putJobs(home, [once('slow', { payload, retries: 0 })]);
    tick();
    const [run] = runsOf(home, 'slow');
    expect(run).toMatchObject({ status: 'timeout', error: { code: 'timeout' } });
  });

  it('tells the main session what it came to, on the next turn', () => {
    configure(home, noting('All quiet.'));
    putJobs(home, [once('news', { message: 'x' })]);
    tick();
    expect(events()).toEqual(['Cron: All quiet.']);
    fromTelegram('hello');
    expect(prompts().filter(text => text.includes('Cron: All quiet.'))).toHaveLength(1);
    expect(events()).toEqual([]);
  });

  it.each([
    ['none', {}, []],
    ['full', { postToMainMaxChars: 5 }, ['News: 01234…']],
    ['summary', {}, ['News: 0123456789']],
  ])('with postToMainMode %s', (postToMainMode, more, expected) => {
    configure(home, noting('0123456789'));
    putJobs(home, [
      once('news', { message: 'x', isolation: { postToMainMode, postToMainPrefix: 'News', ...more } }),
    ]);
    tick();
    expect(events()).toEqual(expected);
  });

  it('that fails tells so', () => {
    configure(home, { command: program('say.sh'), args: ['', 'boom', '1'] });
    putJobs(home, [once('news', { message: 'x', retries: 0 })]);
    tick();
    expect(events()[0]).toMatch(/^Cron \(error\): .*boom/);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'error' }]);
  });
});

describe('delivery of what a run said', () => {
  let outlet: Outlet;
  it('goes through the outbox to whom the job names', () => {
    outlet = configure(home, noting('All quiet.'));
    const payload = { kind: 'agentTurn', message: 'x', deliver: true, channel: 'telegram', to: '42' };
    putJobs(home, [once('news', { payload })]);
    const report = tick().json();
    expect(outlet.sent()).toEqual(['42: All quiet.']);
    const [run] = runsOf(home, 'news');
    expect(run).toMatchObject({
      status: 'ok',
      delivery: { status: 'queued', channel: 'telegram', to: '42', id: run.runId },
    });
    expect(report.delivery.sent).toEqual([run.runId]);
    expect(outlet.keys()).toEqual([run.runId]);
  });

  it('to last goes where the main session was written from', () => {
    outlet = configure(home, noting('All quiet.'));
    fromTelegram('hello');
    putJobs(
      home,
      [once('news', { payload: { kind: 'agentTurn', message: 'x', deliver: true, channel: 'last' } })],
      0,
    );
    // The definition is newer than the first tick; its instant is not.
    putJobs(home, [once('news', { message: 'x', deliver: true })]);
    tick();
    expect(outlet.sent()).toContain('7: All quiet.');
    expect(runsOf(home, 'news')).toMatchObject([{ delivery: { status: 'queued', to: '7' } }]);
  });

  it('to nobody known is a failure that says so, before the agent is asked (openclaw#57392)', () => {
    outlet = configure(home, noting());
    putJobs(home, [once('news', { message: 'x', deliver: true, retries: 0 })]);
    tick();
    expect(runsOf(home, 'news')).toMatchObject([
      { status: 'error', error: { code: 'no-target' }, delivery: { status: 'no-target' } },
    ]);
    expect(noted('started')).toEqual([]);
    const run = home.run(['cron', 'run', 'news', '--force']);
    expect(run.status).not.toBe(0);
    expect(run.stdout + run.stderr).toMatch(/nobody/);
  });

  it('to nobody known is none where the delivery is of best effort', () => {
    outlet = configure(home, noting());
    putJobs(home, [once('news', { message: 'x', deliver: true, bestEffortDeliver: true })]);
    tick();
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok' }]);
    expect(outlet.sent()).toEqual([]);
  });

  it('deliver false: nothing is sent, whoever is named', () => {
    outlet = configure(home, noting());
    putJobs(home, [once('news', { message: 'x', deliver: false, channel: 'telegram', to: '42' })]);
    tick();
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok' }]);
    expect(outlet.sent()).toEqual([]);
  });

  it('is suppressed where the agent has written to them itself (openclaw#27018)', () => {
    outlet = configure(
      home,
      sh(
        `cat >/dev/null; "$NODE" "$BIN" message send --to telegram:42 --message "By hand." >/dev/null; echo "All quiet."`,
        {
          env: {
            OUT: home.folder,
            NODE: process.execPath,
            BIN: path.resolve(import.meta.dirname, '../../bin/claw.js'),
          },
        },
      ),
      { channels: {} },
    );
    home.config({ ...JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8')) });
    const config = JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8'));
    config.channels.telegram.allowFrom = ['42'];
    home.config(config);
    putJobs(home, [once('news', { message: 'x', deliver: true, channel: 'telegram', to: '42' })]);
    tick();
    expect(outlet.sent()).toEqual(['42: By hand.']);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok', delivery: { status: 'suppressed' } }]);
  });

  it.each(['HEARTBEAT_OK', 'NO_REPLY'])('%s is nothing to be delivered', token => {
    outlet = configure(home, noting(token));
    putJobs(home, [once('news', { message: 'x', deliver: true, channel: 'telegram', to: '42' })]);
    tick();
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok', reason: 'silent' }]);
    expect(outlet.sent()).toEqual([]);
    expect(events()).toEqual([]);
  });
});

describe('an event for the main session', () => {
  const reminder = (rest: object = {}) => once('gym', { text: 'Time for the gym.', ...rest });

  it('is queued until a turn that was told of it ended well, then ok under the same run id (openclaw#105257)', () => {
    configure(home, sh('cat >> "$OUT/told"; [ -e "$OUT/broken" ] && exit 1; echo ok'), {
      agents: { defaults: { runner: 'agent', heartbeat: { every: '30m' } } },
    });
    putJobs(home, [reminder()]);
    tick();
    const [queued] = runsOf(home, 'gym');
    expect(queued).toMatchObject({ status: 'queued' });
    fs.writeFileSync(path.join(home.folder, 'broken'), '');
    fromTelegram('hello');
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'queued', runId: queued.runId }]);
    expect(events()).toEqual(['Time for the gym.']);
    fs.rmSync(path.join(home.folder, 'broken'));
    fromTelegram('and again');
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'ok', runId: queued.runId }]);
    expect(events()).toEqual([]);
    nothingLeft();
  });

  it('waits for the next heartbeat', () => {
    configure(home, noting(), { agents: { defaults: { runner: 'agent', heartbeat: { every: '30m' } } } });
    putJobs(home, [reminder()]);
    tick();
    expect(noted('started')).toEqual([]);
    home.run(['tick'], later(31 * MINUTE));
    expect(prompts()).toHaveLength(1);
    expect(prompts()[0]).toContain('Time for the gym.');
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'ok' }]);
  });

  it.each([
    ['HEARTBEAT.md is empty (openclaw#5349)', { every: '30m' }, 'now'],
    ['heartbeats are off (openclaw#46046)', { every: '0m' }, 'next-heartbeat'],
    ['heartbeats are switched off (openclaw#46046)', { enabled: false }, 'next-heartbeat'],
    ['it is night (openclaw#105413)', { every: '30m', activeHours: night() }, 'next-heartbeat'],
  ])('is told by this tick to a person where %s', (_why, heartbeat, wakeMode) => {
    const outlet = configure(home, sh('cat >> "$OUT/told"; echo "Off to the gym!"'), {
      agents: { defaults: { runner: 'agent', heartbeat } },
    });
    fromTelegram('hello');
    fs.mkdirSync(home.path('agents', 'main', 'workspace'), { recursive: true });
    fs.writeFileSync(home.path('agents', 'main', 'workspace', 'HEARTBEAT.md'), '# Nothing\n');
    putJobs(home, [reminder({ wakeMode })]);
    expect(tick().status).toBe(0);
    expect(outlet.sent()).toEqual(['7: Off to the gym!']);
    expect(noted('told').filter(line => line.includes('Time for the gym.'))).toHaveLength(1);
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'ok' }]);
    nothingLeft();
  });

  it('the second of two due at once is told by the same tick too', () => {
    configure(home, noting('Right.'));
    putJobs(home, [reminder({ wakeMode: 'now' }), once('tea', { text: 'Tea.', wakeMode: 'now' })]);
    tick();
    expect(
      prompts()
        .join('\n')
        .match(/Time for the gym\./g),
    ).toHaveLength(1);
    expect(prompts().join('\n').match(/Tea\./g)).toHaveLength(1);
    for (const id of ['gym', 'tea']) expect(runsOf(home, id)).toMatchObject([{ status: 'ok' }]);
  });

  it('is told by the same tick that answers a message of its session', () => {
    configure(home, noting('Right.'));
    home.run(['ingest', '--no-wait', 'hello']);
    putJobs(home, [reminder({ wakeMode: 'now' })]);
    tick();
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'ok' }]);
  });

  it('is told on the first tick after a busy main session is free (nanoclaw#830)', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    const talk = home.start(['ingest', 'hello']);
    await gate.begun();
    putJobs(home, [reminder({ wakeMode: 'now' })]);
    expect(tick().json().busy).toContain('agent:main:main');
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'queued' }]);
    gate.open();
    await talk.done;
    tick();
    expect(gate.prompts().filter(text => text.includes('Time for the gym.'))).toHaveLength(1);
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'ok' }]);
  });

  it('without text is skipped', () => {
    configure(home, noting());
    putJobs(home, [once('gym', { payload: { kind: 'systemEvent', text: '   ' }, wakeMode: 'now' })]);
    tick();
    expect(noted('started')).toEqual([]);
    expect(home.run(['cron', 'list', '--json']).stdout).toMatch(/skipped|invalid/);
  });
});

/** Active hours in which it is never now. */
function night(): object {
  const hour = new Date().getUTCHours();
  const two = (number: number) => `${String(number % 24).padStart(2, '0')}:00`;
  return { start: two(hour + 3), end: two(hour + 5), timezone: 'UTC' };
}

void [before, jobsIn, contents, lives, readRecord, mainRecord, snapshot, SECOND, until, withRunner];
