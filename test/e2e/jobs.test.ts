/** Jobs from their instant to their record: the tick that runs them, what their agents are told, who hears of it. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home, list } from './claw.ts';
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
    // No alert: a turn that tells it would be another family, and hang for a minute.
    const cron = { alert: { after: 9 } };
    const family = { command: program('family.sh'), args: [home.folder] };
    configure(home, { ...family, idleTimeoutSeconds: 60, killGraceSeconds: 1 }, { cron });
    const payload = { kind: 'agentTurn', message: 'x', timeoutSeconds: 1 };
    putJobs(home, [once('slow', { payload, retries: 0 })]);
    tick();
    expect(runsOf(home, 'slow')).toMatchObject([{ status: 'timeout', error: { code: 'timeout' } }]);
    expect(noted('pids')[0]!.split(' ').map(Number).filter(lives)).toEqual([]);
  });

  it('is what a job with a message is where nothing else is said, and leaves the person’s conversation alone (nanocoai/nanoclaw#1855)', () => {
    configure(home, noting());
    const talk = fromTelegram('hello').json();
    const added = home.run([
      'cron',
      'add',
      '--name',
      'news',
      '--at',
      '20m',
      '--message',
      'Read the news.',
      '--json',
    ]);
    expect(added.status).toBe(0);
    expect(jobsIn(home)).toMatchObject([{ id: 'news', sessionTarget: 'isolated' }]);
    const sessions = home.path('agents', 'main', 'sessions');
    const before = contents(sessions);
    expect(home.run(['tick'], later(21 * MINUTE)).status).toBe(0);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok', sessionKey: 'agent:main:cron:news' }]);
    expect(noted('started')).toHaveLength(2);
    expect(noted('started')[1]).not.toContain(talk.sessionId);
    expect(contents(sessions)).toMatchObject(before);
    expect(readRecord(mainRecord())).toMatchObject({ sessionId: talk.sessionId });
  });

  it('leaves nothing in the environment of a person’s turn, nor does a command (hermes-agent#108121)', () => {
    const print = 'cat >/dev/null; env > "$OUT/env.$CLAW_ORIGIN"; echo done';
    configure(home, sh(print));
    const payload = { kind: 'exec', command: ['sh', '-c', 'env > "$HOME/env.exec"'] };
    putJobs(home, [once('news', { message: 'x' }), once('backup', { payload })]);
    // Both in one process with a turn of a person, and then that person once more.
    fromTelegram('hello', '--no-wait');
    const cron = {
      MY_CRON_JOB: 'leaked',
      OPENCLAW_CRON_ID: 'leaked',
      CLAW_JOB_ID: 'leaked',
      CLAW_DUE_AT: '1',
    };
    expect(home.run(['tick'], { env: cron }).status).toBe(0);
    const env = (origin: string) =>
      Object.fromEntries(noted(`env.${origin}`).map(line => line.split(/=(.*)/s).slice(0, 2)));
    expect(env('exec')).toMatchObject({ CLAW_JOB_ID: 'backup' });
    expect(env('cron')).toMatchObject({ CLAW_SESSION_KEY: 'agent:main:cron:news' });
    const allowed =
      /^(PATH|HOME|LANG|TZ|TERM|USER|SHELL|LC_.*|XDG_.*|OUT|PWD|OLDPWD|SHLVL|_|CLAW_(AGENT_ID|SESSION_KEY|SESSION_ID|TRANSCRIPT|RUN_ID|ORIGIN|HOPS|CHAIN|HOME|CONFIG))$/;
    const inTick = env('user');
    fs.rmSync(path.join(home.folder, 'env.user'));
    expect(home.run(['ingest', 'hello'], { env: cron }).status).toBe(0);
    for (const seen of [inTick, env('user')]) {
      expect(seen).toMatchObject({ CLAW_ORIGIN: 'user', CLAW_SESSION_KEY: 'agent:main:main' });
      expect(Object.keys(seen).filter(name => !allowed.test(name))).toEqual([]);
      expect(Object.values(seen).join('\n')).not.toMatch(/leaked|cron:news/);
    }
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

  it.each([
    ['exit 0 without a word', ['', '', '0'], 'empty', undefined],
    ['another status, whatever the text', ['half an answer', 'boom', '3'], 'exit', 'half an answer'],
  ])(
    'with %s is a failure; what was printed is in its record and nowhere else (openclaw#43604, openclaw#121626)',
    (_, args, code, output) => {
      const outlet = configure(home, { command: program('say.sh'), args });
      const to = { deliver: true, channel: 'telegram', to: '42' };
      putJobs(home, [
        once('news', { message: 'x', retries: 0, ...to }),
        once('full', { message: 'x', retries: 0, ...to, isolation: { postToMainMode: 'full' } }),
      ]);
      tick();
      for (const id of ['news', 'full']) {
        const [record] = runsOf(home, id);
        expect(record).toMatchObject({ status: 'error', error: { code } });
        expect(record.output).toBe(output);
        expect(record.summary).toBeUndefined();
      }
      // What goes out is that the job has failed, and why.
      for (const text of outlet.sent()) expect(text).toMatch(/^42: Job .* has failed: runner "agent" exited/);
      expect(home.replies()).toEqual([]);
      expect(events()).toHaveLength(2);
      expect([...events(), ...outlet.sent()].join('\n')).not.toContain('half an answer');
    },
  );
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
    // The main session is told of the trouble; the job's own turn never began.
    expect(noted('started').filter(line => line.includes(':cron:'))).toEqual([]);
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

  it('without text is refused, and harms nobody', () => {
    configure(home, noting());
    putJobs(home, [once('gym', { payload: { kind: 'systemEvent', text: '   ' }, wakeMode: 'now' })]);
    tick();
    expect(noted('started')).toEqual([]);
    expect(home.run(['cron', 'list', '--json']).json().invalid).toMatchObject([{ id: 'gym' }]);
  });
});

describe('a job in a session of somebody', () => {
  const KEY = 'agent:main:main';
  it('goes on with it, resets nothing, and is no message of a person', () => {
    configure(home, sh('cat; echo "asked $CLAW_SESSION_ID"'), {
      session: { reset: { mode: 'idle', idleMinutes: 60 } },
    });
    const first = home.run(['ingest', '--json', '--channel', 'telegram', '--from', '7', 'hello']).json();
    const file = mainRecord();
    const { lastUserAt, sessionId, lastRoute } = readRecord(file);
    putJobs(home, [hourly('check', { message: 'Anything new?', sessionTarget: KEY })]);
    tick();
    // A session that is stale by now stays as it is too.
    home.run(['tick'], later(3 * HOUR));
    expect(runsOf(home, 'check').map(({ status, sessionId: id }) => [status, id])).toEqual([
      ['ok', first.sessionId],
      ['missed', undefined],
      ['ok', first.sessionId],
    ]);
    expect(readRecord(file)).toMatchObject({ lastUserAt, sessionId, lastRoute });
    expect(home.transcripts().size).toBe(1);
    expect(events()).toEqual([]);
  });

  it('stands in line for a session in use', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    const talk = home.start(['ingest', 'hello']);
    await gate.begun();
    putJobs(home, [once('check', { message: 'Anything new?', sessionTarget: KEY })]);
    const ticking = home.start(['tick', '--json']);
    await until('it stands in line', () => list(home.path('claims')).length === 1);
    gate.open();
    await talk.done;
    expect((await ticking.done).json().runs).toMatchObject([{ jobId: 'check', status: 'ok' }]);
    expect(gate.overlaps()).toEqual([]);
  });
});

describe('a command', () => {
  const command = (script: string, more: object = {}) => ({
    payload: { kind: 'exec', command: ['sh', '-c', script], ...more },
  });

  it('has what it prints delivered, and finds the job in its environment', () => {
    const outlet = configure(home, noting());
    const to = { channel: 'telegram', to: '42' };
    const print =
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell fills it in
      'echo "$CLAW_JOB_ID $CLAW_AGENT_ID ${CLAW_JOB_RUN_ID:+run} ${CLAW_DUE_AT:+due} $MINE ${CLAW_RUN_ID-none}"';
    putJobs(home, [once('backup', command(print, to)), once('quiet', command('true', to))]);
    home.run(['tick'], { env: { MINE: 'mine' } });
    expect(outlet.sent()).toEqual(['42: backup main run due mine none']);
    expect(runsOf(home, 'quiet')).toMatchObject([{ status: 'ok' }]);
    expect(events()).toEqual([]);
    expect(noted('started')).toEqual([]);
  });

  it('that fails says why and is not tried again; 75 is tried again and disables nothing', () => {
    configure(home, noting());
    putJobs(home, [
      once('bad', command('echo half; echo "no room" >&2; exit 3')),
      { ...hourly('later', command('exit 75')), disableAfter: 1 },
    ]);
    tick();
    expect(runsOf(home, 'bad')).toMatchObject([
      {
        status: 'error',
        summary: 'half',
        error: { code: 'exit', message: expect.stringMatching(/status 3: no room/) },
      },
    ]);
    expect(runsOf(home, 'bad')[0].retryAt).toBeUndefined();
    const [temporary] = runsOf(home, 'later');
    expect(temporary).toMatchObject({ status: 'error', temporary: true, retryAt: expect.any(Number) });
    home.run(['tick'], later(temporary.retryAt - Date.now() + SECOND));
    expect(runsOf(home, 'later')).toMatchObject([
      { attempt: 1 },
      { attempt: 2, trigger: 'retry', dueAt: temporary.dueAt },
    ]);
    expect(home.run(['cron', 'list', '--json']).json().jobs).toMatchObject([
      { id: 'bad' },
      { id: 'later', enabled: true },
    ]);
  });

  it('that takes too long is ended with its children before its record is written (openclaw#137215, openclaw#111387)', () => {
    configure(home, noting());
    const own = [program('family.sh'), home.folder];
    putJobs(home, [once('slow', { payload: { kind: 'exec', command: own, timeoutSeconds: 1 } })]);
    const ticked = tick();
    expect(ticked.status).toBe(0);
    expect(runsOf(home, 'slow')).toMatchObject([{ status: 'timeout' }]);
    const pids = noted('pids')[0]!.split(' ').map(Number);
    expect(pids.filter(lives)).toEqual([]);
  });

  it('is not run from a file that everybody can write', () => {
    configure(home, noting());
    putJobs(home, [once('backup', command('touch "$HOME/ran"')), once('news', { message: 'x' })]);
    fs.chmodSync(home.path('cron', 'jobs.json'), 0o666);
    tick();
    expect(runsOf(home, 'backup')).toMatchObject([{ status: 'error', error: { code: 'jobs-unsafe' } }]);
    expect(list(home.folder)).not.toContain('ran');
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok' }]);
  });

  it('is never added, changed or run by an agent', () => {
    configure(home, noting());
    putJobs(home, [hourly('backup', command('true'))]);
    const env = {
      CLAW_RUN_ID: '00000000-0000-4000-8000-00000000000a',
      CLAW_AGENT_ID: 'main',
      CLAW_SESSION_KEY: 'agent:main:main',
    };
    const was = contents(home.path('cron'));
    for (const args of [
      ['add', '--every', '1h', '--exec', 'true'],
      ['edit', 'backup', '--exec', 'true'],
      ['add', '--every', '1h', '--message', 'x', '--precheck', 'true'],
      ['run', 'backup', '--force'],
    ])
      expect(home.run(['cron', ...args], { env }).status, args.join(' ')).toBe(77);
    expect(contents(home.path('cron'))).toEqual(was);
  });
});

describe('a check before the run', () => {
  it('that finds nothing to do asks no agent; what it prints else, the agent is told', () => {
    configure(home, noting());
    const news = hourly('news', {
      message: 'Sum up.',
      precheck: `[ -e "${home.folder}/mail" ] || exit 1; cat "${home.folder}/mail"`,
    });
    putJobs(home, [news]);
    tick();
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'skipped', reason: 'nothing-to-do' }]);
    expect(noted('started')).toEqual([]);
    expect(events()).toEqual([]);
    fs.writeFileSync(path.join(home.folder, 'mail'), 'two letters\n');
    home.run(['tick'], later(HOUR));
    expect(prompts()).toEqual([expect.stringMatching(/\[cron:news .*\] Sum up\.[\s\S]*two letters/)]);
  });

  it('that fails is a failure', () => {
    configure(home, noting());
    putJobs(home, [once('news', { message: 'x', precheck: 'echo broken >&2; exit 2', retries: 0 })]);
    tick();
    expect(runsOf(home, 'news')).toMatchObject([
      { status: 'error', error: { message: expect.stringMatching(/check.*broken/) } },
    ]);
    // The main session is told of the trouble; the job's own turn never began.
    expect(noted('started').filter(line => line.includes(':cron:'))).toEqual([]);
  });

  it('is asked again where the tick was killed in it', async () => {
    configure(home, noting());
    const precheck = `echo x >> "${home.folder}/checks"; while [ -e "${home.folder}/closed" ]; do sleep 0.02; done; echo found`;
    fs.writeFileSync(path.join(home.folder, 'closed'), '');
    putJobs(home, [once('news', { message: 'Sum up.', precheck })]);
    const { child, done } = home.start(['tick']);
    await until('the check', () => noted('checks').length === 1);
    child.kill('SIGKILL');
    await done;
    fs.rmSync(path.join(home.folder, 'closed'));
    tick();
    expect(prompts()).toEqual([expect.stringContaining('found')]);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok', attempt: 1 }]);
    nothingLeft();
  });
});

describe('failures', () => {
  const failing = (more: object = {}) =>
    sh('cat > /dev/null; [ -e "$OUT/broken" ] && { echo boom >&2; exit 1; }; echo fine', more);
  const breakIt = () => fs.writeFileSync(path.join(home.folder, 'broken'), '');
  const mend = () => fs.rmSync(path.join(home.folder, 'broken'));

  it('deleteAfterRun removes a job after it has succeeded, and not before', () => {
    configure(home, failing());
    fromTelegram('hello');
    breakIt();
    putJobs(home, [
      once('tea', { message: 'tea', deleteAfterRun: true }),
      once('other', { text: 'x', deleteAfterRun: true }),
    ]);
    tick();
    const [failed] = runsOf(home, 'tea');
    expect(failed).toMatchObject({ status: 'error', retryAt: expect.any(Number) });
    // The event failed to be told too: its job stays until it was.
    expect(jobsIn(home).map(({ id }) => id)).toEqual(['tea', 'other']);
    mend();
    const report = home.run(['tick', '--json'], later(failed.retryAt - Date.now() + 2 * MINUTE)).json();
    expect(report.removed.sort()).toEqual(['other', 'tea']);
    expect(jobsIn(home)).toEqual([]);
    expect(runsOf(home, 'tea')).toMatchObject([{ status: 'error' }, { status: 'ok', attempt: 2 }]);
  });

  it('are tried again with growing waits, told once, switch the job off, and its working again is told', () => {
    const outlet = configure(home, failing(), {
      cron: {
        alert: { after: 2, channel: 'telegram', to: '99' },
        retry: { attempts: 1, delay: '1m' },
        disableAfter: 3,
      },
    });
    breakIt();
    putJobs(home, [hourly('news', { message: 'x', name: 'News', isolation: { postToMainMode: 'none' } })]);
    let clock = 0;
    const go = (ms: number) => {
      clock += ms;
      return home.run(['tick', '--json'], later(clock));
    };
    go(0);
    expect(outlet.sent()).toEqual([]);
    go(10 * SECOND);
    expect(runsOf(home, 'news')).toHaveLength(1);
    go(61 * SECOND);
    expect(runsOf(home, 'news')).toMatchObject([{ attempt: 1 }, { attempt: 2, trigger: 'retry' }]);
    expect(outlet.sent()).toEqual([
      expect.stringMatching(/^99: Job "News" \(news\) has failed 2 times in a row/),
    ]);
    go(HOUR);
    expect(outlet.sent()[1]).toMatch(/disabled now.*claw cron enable news/);
    expect(outlet.sent()).toHaveLength(2);
    expect(home.run(['cron', 'list', '--json']).json().jobs[0]).toMatchObject({
      next: null,
      state: { failures: 3, disabledReason: '3 failures in a row' },
    });
    expect(home.run(['cron', 'status']).stdout).toMatch(/failures|disabled/);
    go(2 * HOUR);
    expect(runsOf(home, 'news')).toHaveLength(3);
    mend();
    expect(home.run(['cron', 'enable', 'news'], later(clock)).status).toBe(0);
    go(HOUR);
    expect(runsOf(home, 'news').at(-1)).toMatchObject({ status: 'ok' });
    expect(outlet.sent()).toHaveLength(3);
    expect(outlet.sent()[2]).toMatch(/works again/);
  });

  it('the budget of a day is kept to', () => {
    configure(home, noting());
    putJobs(home, [{ id: 'news', cron: '0 * * * *', tz: 'UTC', message: 'x', budget: { runsPerDay: 1 } }], 0);
    tick();
    // Tomorrow just after midnight, so that all of it is one day.
    const tomorrow = 24 * HOUR - (Date.now() % (24 * HOUR)) + MINUTE;
    for (const hour of [0, 1, 2]) home.run(['tick'], later(tomorrow + hour * HOUR));
    expect(runsOf(home, 'news').slice(-3)).toMatchObject([
      { status: 'ok' },
      { status: 'skipped', reason: 'budget' },
      { status: 'skipped', reason: 'budget' },
    ]);
  });

  it('an agent that is gone: nothing runs, least of all another agent (openclaw#127075)', () => {
    configure(home, noting());
    putJobs(home, [once('news', { message: 'x', agentId: 'gone' })]);
    tick();
    tick();
    expect(runsOf(home, 'news')).toMatchObject([
      { status: 'skipped', reason: 'agent-missing', error: { code: 'agent-missing' } },
    ]);
    expect(noted('started')).toEqual([]);
  });

  it('a job that cannot be read harms no other (openclaw#134458)', () => {
    configure(home, noting());
    putJobs(home, [
      {
        id: 'bad',
        schedule: { kind: 'cron', expr: '61 * * * *' },
        payload: { kind: 'agentTurn', message: 'x' },
      },
      { id: 'worse' },
      once('news', { message: 'x' }),
    ]);
    const ticked = tick();
    expect(ticked.status).toBe(0);
    expect(ticked.json()).toMatchObject({
      runs: [{ jobId: 'news', status: 'ok' }],
      invalid: [{ id: 'bad' }, { id: 'worse' }],
    });
    expect(jobsIn(home)).toHaveLength(3);
  });

  it('a file that cannot be read runs nothing, is said, and stays', () => {
    configure(home, noting());
    putJobs(home, [once('news', { message: 'x' })]);
    const file = home.path('cron', 'jobs.json');
    fs.writeFileSync(file, '{"jobs": [');
    const ticked = tick();
    expect(ticked.status).toBe(65);
    expect(ticked.stderr).toContain('left in place');
    expect(fs.readFileSync(file, 'utf8')).toBe('{"jobs": [');
  });
});

describe('instants that passed', () => {
  const quarter = (id: string, more: object = {}) => ({
    id,
    schedule: { kind: 'every', everyMs: 15 * MINUTE, anchorMs: Date.now() - 63 * MINUTE },
    message: id,
    ...more,
  });

  it('each job makes up for them as it says', () => {
    configure(home, noting());
    putJobs(
      home,
      [
        quarter('skip', { catchUp: 'skip' }),
        quarter('once', { catchUp: 'once' }),
        quarter('all', { catchUp: 'all' }),
        quarter('late', { grace: '1m' }),
      ],
      40 * MINUTE,
    );
    tick();
    const of = (id: string) =>
      runsOf(home, id).map(({ status, count }) => `${status}${count ? ` ${count}` : ''}`);
    expect(of('skip')).toEqual(['missed 3']);
    expect(of('once')).toEqual(['missed 2', 'ok']);
    expect(of('all')).toEqual(['ok', 'ok', 'ok']);
    expect(of('late')).toEqual(['missed 3']);
  });

  it('while the job itself ran are skipped', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    putJobs(home, [{ id: 'often', every: '1s', message: 'x' }], 2 * SECOND);
    const first = home.start(['tick', '--json']);
    await gate.begun();
    const dueFirst = JSON.parse(
      fs.readFileSync(home.path('claims', list(home.path('claims'))[0]!), 'utf8'),
    ).dueAt;
    // Another tick meanwhile has nothing to do with it.
    expect(tick().status).toBe(0);
    await until('two more instants', () => Date.now() > dueFirst + 2500);
    home.run(['cron', 'disable', 'often']);
    gate.open();
    expect((await first.done).status).toBe(0);
    const records = runsOf(home, 'often');
    expect(records.filter(({ status }) => status === 'ok')).toHaveLength(1);
    expect(gate.runs()).toHaveLength(1);
    expect(accounted(records, dueFirst, 1000)).toEqual([]);
  });
});

describe('by hand', () => {
  it('cron run does what is due; --force runs it all the same and moves no schedule', () => {
    const outlet = configure(home, noting());
    putJobs(home, [
      hourly('news', {
        payload: { kind: 'agentTurn', message: 'x', deliver: true, channel: 'telegram', to: '42' },
      }),
    ]);
    const next = () => home.run(['cron', 'list', '--json']).json().jobs[0].next;
    expect(home.run(['cron', 'run', 'news', '--json']).json()).toMatchObject({
      ran: true,
      run: { status: 'ok', trigger: 'schedule' },
    });
    const after = next();
    expect(home.run(['cron', 'run', 'news', '--json']).json()).toMatchObject({
      ran: false,
      reason: 'not-due',
    });
    expect(home.run(['cron', 'run', 'news', '--force', '--json']).json()).toMatchObject({
      ran: true,
      run: { status: 'ok', trigger: 'manual' },
    });
    expect(next()).toEqual(after);
    expect(outlet.sent()).toEqual(['42: done', '42: done']);
    expect(tick().json().runs).toEqual([]);
  });

  it('cron run of a job that runs already says so (75), and starts no second one', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    putJobs(home, [once('news', { message: 'x' })]);
    const { done } = home.start(['tick']);
    await gate.begun();
    expect(home.run(['cron', 'run', 'news', '--force'])).toMatchObject({
      status: 75,
      stdout: expect.stringContaining('running'),
    });
    gate.open();
    await done;
    expect(gate.runs()).toHaveLength(1);
  });

  it('cron run --force of a reminder tells it now', () => {
    const outlet = configure(home, sh('cat >/dev/null; echo "Off to the gym!"'));
    fromTelegram('hello');
    putJobs(home, [
      { id: 'gym', at: new Date(Date.now() + HOUR).toISOString(), text: 'Gym.', wakeMode: 'now' },
    ]);
    expect(home.run(['cron', 'run', 'gym', '--force', '--json']).json()).toMatchObject({
      ran: true,
      run: { status: 'ok', trigger: 'manual' },
    });
    expect(outlet.sent()).toEqual(['7: Off to the gym!']);
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'ok', trigger: 'manual' }]);
    expect(home.run(['cron', 'list', '--json']).json().jobs[0].next).not.toBeNull();
  });

  it('cron cancel ends a run with all it started, and its schedule goes on', async () => {
    configure(home, noting());
    putJobs(home, [
      hourly('slow', { payload: { kind: 'exec', command: [program('family.sh'), home.folder] } }),
    ]);
    const { done } = home.start(['tick', '--json']);
    await until('the command', () => noted('pids').length === 1);
    expect(home.run(['cron', 'cancel', 'slow', '--json']).json()).toMatchObject({ ended: true });
    expect((await done).json().runs).toMatchObject([{ status: 'cancelled' }]);
    expect(noted('pids')[0]!.split(' ').map(Number).filter(lives)).toEqual([]);
    expect(runsOf(home, 'slow')).toMatchObject([{ status: 'cancelled', reason: 'by-hand' }]);
    expect(home.run(['cron', 'list', '--json']).json().jobs[0].next).not.toBeNull();
    nothingLeft();
  });

  it('cron cancel of an agent turn ends the agent', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    putJobs(home, [once('news', { message: 'x' })]);
    const { done } = home.start(['tick', '--json']);
    await gate.begun();
    expect(home.run(['cron', 'cancel', 'news', '--json']).json()).toMatchObject({ ended: true });
    await done;
    expect(gate.runs().filter(({ pid }) => lives(pid))).toEqual([]);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'cancelled' }]);
    gate.open();
    tick();
    expect(gate.runs()).toHaveLength(1);
    expect(runsOf(home, 'news')).toHaveLength(1);
    nothingLeft();
  });

  it('cron cancel settles what a killed tick left, and it is not begun again (#57058)', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    putJobs(home, [once('news', { message: 'x' })]);
    const { child, done } = home.start(['tick']);
    await gate.begun();
    child.kill('SIGKILL');
    await done;
    expect(home.run(['cron', 'cancel', 'news', '--json']).json()).toMatchObject({ ended: true });
    gate.open();
    tick();
    expect(gate.runs().filter(({ pid }) => lives(pid))).toEqual([]);
    expect(gate.runs()).toHaveLength(1);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'cancelled' }]);
    nothingLeft();
  });

  it('cron cancel takes back an event that waits, and a further try', () => {
    configure(
      home,
      { command: program('fail.sh') },
      { agents: { defaults: { runner: 'agent', heartbeat: { every: '30m' } } } },
    );
    putJobs(home, [once('gym', { text: 'Gym.' }), once('news', { message: 'x' })]);
    tick();
    expect(home.run(['cron', 'cancel', 'gym', '--json']).json()).toMatchObject({ events: 1 });
    expect(events().filter(text => text === 'Gym.')).toEqual([]);
    expect(runsOf(home, 'gym')).toMatchObject([{ status: 'cancelled' }]);
    expect(home.run(['cron', 'cancel', 'news', '--json']).json()).toMatchObject({ retry: true });
    home.run(['tick'], later(HOUR));
    expect(runsOf(home, 'news')).toHaveLength(1);
  });
});

describe('edits', () => {
  it('by hand are used by the next tick (openclaw#71603)', () => {
    configure(home, noting());
    const job = hourly('news', { message: 'old' });
    putJobs(home, [job]);
    tick();
    putJobs(home, [{ ...job, message: 'new' }]);
    home.run(['tick'], later(HOUR));
    expect(
      prompts()
        .map(text => text.trim())
        .sort(),
    ).toEqual([expect.stringMatching(/new$/), expect.stringMatching(/old$/)]);
  });

  it('made during a run survive its end (openclaw#145722)', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    putJobs(home, [
      hourly('news', { message: 'old', mine: 1 }),
      once('gone', { message: 'x', deleteAfterRun: true }),
    ]);
    const { done } = home.start(['tick']);
    await gate.begun();
    expect(home.run(['cron', 'edit', 'news', '--message', 'new', '--cron', '0 3 * * *']).status).toBe(0);
    gate.open();
    expect((await done).status).toBe(0);
    expect(jobsIn(home)).toMatchObject([
      { id: 'news', mine: 1, payload: { message: 'new' }, schedule: { expr: '0 3 * * *' } },
    ]);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok' }]);
    expect(home.run(['cron', 'list', '--json']).json().jobs[0].next).toMatch(/T03:00:00/);
  });
});

describe('a long run delays nobody', () => {
  const two = { agents: { list: [{ id: 'main', default: true }, { id: 'work' }] } };

  it('what becomes due meanwhile is run by the same tick, before the long one ends', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner(), two);
    gate.close();
    putJobs(home, [
      once('long', { message: 'long' }),
      { id: 'soon', at: new Date(Date.now() + 1500).toISOString(), command: ['true'], agentId: 'work' },
    ]);
    const { done } = home.start(['tick', '--json']);
    await gate.begun();
    await until('the other one', () => runsOf(home, 'soon').length === 1, 10_000);
    expect(runsOf(home, 'long')).toEqual([]);
    gate.open();
    expect((await done).json().runs).toMatchObject([
      { jobId: 'soon', status: 'ok' },
      { jobId: 'long', status: 'ok' },
    ]);
  });

  it('SIGTERM leaves the claim, and the next tick goes on with the same run', async () => {
    const gate = new Gate(home);
    const outlet = configure(home, gate.runner());
    gate.close();
    putJobs(home, [once('news', { message: 'x', deliver: true, channel: 'telegram', to: '42' })]);
    const { child, done } = home.start(['tick', '--json']);
    await gate.begun();
    child.kill('SIGTERM');
    expect((await done).signal).toBeNull();
    expect(gate.runs().filter(({ pid }) => lives(pid))).toEqual([]);
    const claims = list(home.path('claims'));
    expect(claims).toHaveLength(1);
    const { runId } = JSON.parse(fs.readFileSync(home.path('claims', claims[0]!), 'utf8'));
    gate.open();
    tick();
    expect(runsOf(home, 'news')).toMatchObject([{ runId, status: 'ok' }]);
    expect(gate.runs()).toHaveLength(2);
    expect(outlet.keys()).toEqual([runId]);
    nothingLeft();
  });

  it('a killed tick: the next one ends its agent before another starts, and nothing stays "running" (#30096, #68157, #133223)', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner(), { cron: { maxConcurrentRuns: 1 } });
    gate.close();
    putJobs(home, [
      once('news', { message: 'x' }),
      { id: 'work', schedule: { kind: 'every', everyMs: HOUR, anchorMs: Date.now() - MINUTE }, message: 'y' },
    ]);
    const { child, done } = home.start(['tick']);
    await gate.begun();
    child.kill('SIGKILL');
    await done;
    const [orphan] = gate.runs();
    expect(lives(orphan!.pid)).toBe(true);
    gate.open();
    gate.close();
    const next = home.start(['tick']);
    await gate.begun(2);
    expect(lives(orphan!.pid)).toBe(false);
    gate.open();
    await next.done;
    expect(gate.overlaps()).toEqual([]);
    for (const id of ['news', 'work']) expect(runsOf(home, id)).toMatchObject([{ status: 'ok' }]);
    nothingLeft();
  });

  it('a turn whose tick is killed time and again is started twice, then recorded as interrupted', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    putJobs(home, [once('news', { message: 'x', retries: 0 })]);
    for (let time = 1; time <= 2; time++) {
      const { child, done } = home.start(['tick']);
      await gate.begun(time);
      child.kill('SIGKILL');
      await done;
    }
    gate.open();
    tick();
    tick();
    // The main session hears of it in a turn of its own.
    expect(gate.runs().filter(({ sessionKey }) => sessionKey.includes(':cron:'))).toHaveLength(2);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'interrupted' }]);
    nothingLeft();
  });

  it('a job that is switched off after its tick was killed does not begin once more', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner());
    gate.close();
    putJobs(home, [hourly('news', { message: 'x' })]);
    const { child, done } = home.start(['tick']);
    await gate.begun();
    child.kill('SIGKILL');
    await done;
    expect(home.run(['cron', 'disable', 'news']).status).toBe(0);
    gate.open();
    tick();
    expect(gate.runs().filter(({ pid }) => lives(pid))).toEqual([]);
    expect(gate.runs()).toHaveLength(1);
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'interrupted' }]);
    nothingLeft();
  });

  it('a command whose tick was killed is ended and recorded as interrupted, not begun again (#142638)', async () => {
    configure(home, noting());
    putJobs(home, [
      once('slow', { payload: { kind: 'exec', command: [program('family.sh'), home.folder] } }),
    ]);
    const { child, done } = home.start(['tick']);
    await until('the command', () => noted('pids').length === 1);
    child.kill('SIGKILL');
    await done;
    const pids = noted('pids')[0]!.split(' ').map(Number);
    fs.rmSync(path.join(home.folder, 'pids'));
    tick();
    expect(pids.filter(lives)).toEqual([]);
    expect(noted('pids')).toEqual([]);
    expect(runsOf(home, 'slow')).toMatchObject([{ status: 'interrupted', error: { code: 'interrupted' } }]);
    nothingLeft();
  });

  it('45 overdue jobs, --max 5: the five oldest; the others stay due, and listing and switching off answer meanwhile (openclaw#18892, hermes-agent#52542)', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner(), { cron: { maxConcurrentRuns: 45 } });
    gate.close();
    const ids = Array.from({ length: 45 }, (_, index) => `j${String(index).padStart(2, '0')}`);
    // The last one of the list is the oldest.
    putJobs(
      home,
      ids.map((id, index) => ({ id, at: before(MINUTE + index * SECOND), message: id })),
    );
    const { done } = home.start(['tick', '--json', '--max', '5']);
    await gate.begun(5);
    const timed = (args: string[]) => {
      const begun = Date.now();
      const run = home.run(args);
      return { ...run, ms: Date.now() - begun };
    };
    const listed = timed(['cron', 'list', '--json']);
    expect(listed.status).toBe(0);
    expect(listed.ms).toBeLessThan(3000);
    const disabled = timed(['cron', 'disable', 'j39']);
    expect(disabled.status).toBe(0);
    expect(disabled.ms).toBeLessThan(3000);
    gate.open();
    expect(
      (await done)
        .json()
        .runs.map(({ jobId }: { jobId: string }) => jobId)
        .sort(),
    ).toEqual(['j40', 'j41', 'j42', 'j43', 'j44']);
    expect(gate.runs()).toHaveLength(5);
    const plan = home
      .run(['tick', '--dry-run', '--json'])
      .json()
      .actions.filter((action: any) => action.do === 'run');
    expect(plan.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 39).reverse());
    tick();
    expect(gate.runs()).toHaveLength(44);
    expect(runsOf(home, 'j39').map(({ status }) => status)).not.toContain('ok');
  });

  it('at most so many of one agent at a time', async () => {
    const gate = new Gate(home);
    configure(home, gate.runner(), { ...two, cron: { maxConcurrentRuns: 2 } });
    gate.close();
    putJobs(home, [
      ...['a', 'b', 'c'].map(id => once(id, { message: id })),
      once('w', { message: 'w', agentId: 'work' }),
    ]);
    const { done } = home.start(['tick', '--json']);
    await gate.begun(3);
    expect(
      gate
        .runs()
        .map(({ sessionKey }) => sessionKey.split(':')[1])
        .sort(),
    ).toEqual(['main', 'main', 'work']);
    expect(list(home.path('claims'))).toHaveLength(3);
    gate.open();
    expect((await done).json().runs).toHaveLength(4);
  });
});

describe('looking', () => {
  it('tick --dry-run names everything and changes nothing', () => {
    configure(home, noting());
    home.run(['ingest', '--no-wait', 'hello']);
    putJobs(home, [once('news', { message: 'x' }), hourly('old', { message: 'x', grace: '10s' })]);
    const was = snapshot(home.dir, ['cache', 'logs']);
    const plan = home.run(['tick', '--dry-run', '--json']);
    expect(plan.json().actions.map(({ do: what, id, key }: any) => `${what} ${id ?? key}`)).toEqual([
      'work agent:main:main',
      'account old',
      'run news',
    ]);
    expect(home.run(['tick', '--dry-run']).stdout).toMatch(/news/);
    expect(snapshot(home.dir, ['cache', 'logs'])).toEqual(was);
    tick();
    expect(runsOf(home, 'news')).toMatchObject([{ status: 'ok' }]);
  });

  it('reading leaves everything as it is, and what was due stays due (openclaw#12440)', () => {
    configure(home, noting());
    putJobs(home, [once('news', { message: 'x' }), hourly('often', { message: 'y' })]);
    home.run(['cron', 'list']);
    const was = snapshot(home.dir, ['cache']);
    for (const args of [
      ['cron', 'list'],
      ['cron', 'status'],
      ['cron', 'show', 'news'],
      ['cron', 'runs', 'news'],
      ['cron', 'next', 'often'],
      ['tick', '--dry-run'],
      ['status'],
      ['doctor'],
    ])
      home.run(args);
    expect(snapshot(home.dir, ['cache'])).toEqual(was);
    tick();
    for (const id of ['news', 'often']) expect(runsOf(home, id)).toMatchObject([{ status: 'ok' }]);
  });
});

/**
 * What is wrong with the account of a grid: instants that stand in no record, or in two.
 *
 * @param from the first instant, epoch ms; up to the newest that any record tells of
 */
function accounted(records: any[], from: number, everyMs: number): string[] {
  const count = new Map<number, number>();
  for (const { dueAt, from: first, to, trigger } of records) {
    if (trigger === 'retry' || trigger === 'manual') continue;
    for (let at = first ?? dueAt; at <= (to ?? dueAt); at += everyMs) count.set(at, (count.get(at) ?? 0) + 1);
  }
  const newest = Math.max(...count.keys());
  const wrong: string[] = [];
  for (let at = from; at <= newest; at += everyMs)
    if (count.get(at) !== 1) wrong.push(`${new Date(at).toISOString()}: ${count.get(at) ?? 0} records`);
  return wrong;
}

/** Active hours in which it is never now. */
function night(): object {
  const hour = new Date().getUTCHours();
  const two = (number: number) => `${String(number % 24).padStart(2, '0')}:00`;
  return { start: two(hour + 3), end: two(hour + 5), timezone: 'UTC' };
}
