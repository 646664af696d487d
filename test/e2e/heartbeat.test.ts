import fs from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { BeatHome } from './beats.ts';
import { ageBy, contents, HOUR, lives, MINUTE, recordFile, snapshot, until } from './support.ts';

let home: BeatHome;
afterEach(() => {
  home.open();
  home.cleanUp();
});

const statusOf = (agentId = 'main') =>
  home
    .run(['heartbeat', 'status', '--json'])
    .json()
    .agents.find((row: { agentId: string }) => row.agentId === agentId);

/** A main session in which a person on telegram has spoken, and something to look at. */
function ready(heartbeat: object = {}, rest: object = {}): void {
  home = new BeatHome(heartbeat, rest);
  home.hears('hello');
  home.heartbeatFile('- Look at the disk\n');
}

const sessions = () => contents(home.path('agents', 'main', 'sessions'));

describe('HEARTBEAT.md', () => {
  it('missing or with nothing in it: no agent is asked, the record says why, the file is not made (H01 openclaw#21438, H02 HKUDS/nanobot#4111)', () => {
    home = new BeatHome();
    const file = home.path('agents', 'main', 'workspace', 'HEARTBEAT.md');
    expect(home.beat().json()).toMatchObject({ status: 'skipped', reason: 'empty-heartbeat-file' });
    expect(fs.existsSync(file)).toBe(false);
    home.heartbeatFile('# Tasks\n\n<!-- one a line -->\n- [ ]\n');
    expect(home.beat().json()).toMatchObject({ status: 'skipped', reason: 'empty-heartbeat-file' });
    expect(home.asked()).toEqual([]);
    expect(statusOf()).toMatchObject({
      heartbeatFile: { state: 'empty', path: file },
      last: { status: 'skipped', reason: 'empty-heartbeat-file', trigger: 'manual' },
    });
    home.heartbeatFile('# Tasks\n- Look at the disk\n');
    expect(home.beat().json()).toMatchObject({ status: 'ran', event: 'ok-token' });
  });
});

describe('what is told', () => {
  it.each(['HEARTBEAT_OK', '**HEARTBEAT_OK**', 'HEARTBEAT_OK.', 'All is well.\nHEARTBEAT_OK'])(
    '%j reaches nobody, and the session does not know of it (H03 openclaw#16974, H10 openclaw#70172)',
    answer => {
      ready();
      home.says(answer);
      const before = sessions();
      expect(home.beat().json()).toMatchObject({ status: 'ran', event: 'ok-token', sent: null });
      expect(sessions()).toEqual(before);
      home.run(['tick']);
      expect(home.sent()).toEqual([]);
    },
  );

  it('an alert goes to whoever wrote last, once a day, and stands in the session as what it is (H05, H07 openclaw#22320, H13 openclaw#60080)', () => {
    ready({ prompt: 'Look around, please.' });
    home.says(`${'The disk is full. '.repeat(30)}\n\nHEARTBEAT_OK`);
    const text = 'The disk is full. '.repeat(30).trim();
    expect(home.beat().json()).toMatchObject({ event: 'sent', text, sent: true });
    expect(home.beat().json()).toMatchObject({ event: 'skipped', reason: 'duplicate' });
    expect(home.sent()).toEqual([`telegram 77: ${text}`]);
    expect(home.asked().at(-1)).toMatch(/Look around, please\.$/);
    const history = home.run(['sessions', 'history', 'main', '--json']).json();
    const said = JSON.stringify(history);
    expect(said).toContain('"heartbeat"');
    expect(home.users().at(-1)).toMatchObject({ job: { kind: 'heartbeat', id: 'main' } });
    expect(home.run(['sessions', 'history', 'main']).stdout).toContain('heartbeat');
  });

  it('its own model is not that of the conversation (H09 openclaw#22133)', () => {
    ready({ model: 'cheap' });
    home.says('The disk is full.');
    expect(home.beat().json()).toMatchObject({ model: 'cheap', event: 'sent' });
    home.hears('and now?');
    const turns = [...home.transcripts().values()].flat().filter(entry => entry.type === 'turn');
    expect(turns.map(turn => turn.model ?? null)).toEqual([null, 'cheap', null]);
    expect(home.run(['sessions', 'show', 'main', '--json']).json().record?.model ?? null).toBeNull();
  });

  it('with nobody known it is kept, and the person is shown how to change that', () => {
    home = new BeatHome();
    home.heartbeatFile('- Look\n');
    home.says('The disk is full.');
    const run = home.run(['heartbeat', 'run']);
    expect(run.status).toBe(0);
    expect(run.stdout).toContain('set heartbeat.target and heartbeat.to');
    expect(run.stdout).toContain('The disk is full.');
    expect(home.replies()).toMatchObject([{ message: { content: 'The disk is full.' } }]);
  });
});

describe('freshness', () => {
  it('an alert keeps no session alive, and who answers it finds the agent knowing of it (R03 openclaw#109756)', () => {
    ready({}, { session: { reset: { mode: 'idle', idleMinutes: 60 } } });
    const file = recordFile(home, 'main');
    ageBy(file, 2 * HOUR);
    const before = JSON.parse(fs.readFileSync(file, 'utf8'));
    home.says('The disk is full.');
    home.beat();
    const after = JSON.parse(fs.readFileSync(file, 'utf8'));
    for (const field of ['sessionId', 'startedAt', 'lastUserAt', 'updatedAt'])
      expect(after[field]).toBe(before[field]);
    home.says('Cleaned up.');
    home.hears('then clean up');
    const joined = JSON.parse(fs.readFileSync(file, 'utf8')).sessionId;
    expect(joined).not.toBe(before.sessionId);
    const lines = home.transcripts().get(`${joined}.jsonl`)!;
    expect(lines.map(entry => entry.message?.content).filter(Boolean)).toEqual([
      'The disk is full.',
      'then clean up',
      'Cleaned up.',
    ]);
    expect(home.asked().at(-1)).toContain('The disk is full.');
  });

  it('a person’s own message ends what goes along', () => {
    ready({}, { session: { reset: { mode: 'idle', idleMinutes: 60 } } });
    home.says('The disk is full.');
    home.beat();
    home.says('ok');
    home.hears('I know');
    ageBy(recordFile(home, 'main'), 2 * HOUR);
    home.hears('good morning');
    expect(home.asked().at(-1)).not.toContain('The disk is full.');
  });
});

describe('switches and hours', () => {
  it('off is off, and the status says by which key (H11 openclaw#64293)', () => {
    home = new BeatHome({ every: '0m' });
    home.heartbeatFile('- Look\n');
    expect(home.beat().json()).toMatchObject({ status: 'skipped', reason: 'disabled' });
    expect(home.run(['heartbeat', 'run']).stdout).toContain('agents.defaults.heartbeat.every is 0');
    home.configure({ enabled: false });
    expect(statusOf()).toMatchObject({ enabled: false, disabledBy: 'agents.defaults.heartbeat.enabled' });
    home.configure(
      {},
      {
        agents: {
          list: [
            { id: 'main', runner: 'agent' },
            { id: 'ops', heartbeat: {} },
          ],
        },
      },
    );
    expect(home.beat().json()).toMatchObject({ reason: 'disabled' });
    expect(statusOf('main')).toMatchObject({ enabled: false, disabledBy: 'agents.list[0].heartbeat' });
    expect(statusOf('ops')).toMatchObject({ enabled: true, everyMs: 30 * MINUTE });
    expect(home.asked()).toEqual([]);
  });

  it('outside the hours nothing is asked, and the record says so (H06 openclaw#75487)', () => {
    const hour = new Date().getUTCHours();
    const clock = (shift: number) => `${String((hour + shift) % 24).padStart(2, '0')}:00`;
    ready({ activeHours: { start: clock(3), end: clock(6) } });
    expect(home.beat().json()).toMatchObject({ status: 'skipped', reason: 'quiet-hours' });
    expect(statusOf()).toMatchObject({ activeNow: false, last: { reason: 'quiet-hours' } });
    expect(home.asked()).toHaveLength(1);
  });

  it.each([
    [{ activeHours: { start: '08:00', end: '08:00' } }, 'activeHours.end'],
    [{ activeHours: { start: '08:00', end: '24:30' } }, 'activeHours.end'],
    [{ target: 'carrier-pigeon' }, 'heartbeat.target'],
    [{ session: 'agent:other:main' }, ''],
  ])('%j is refused with the configuration, or does no harm (H06 openclaw#21410)', (heartbeat, where) => {
    home = new BeatHome(heartbeat);
    const run = home.run(['heartbeat', 'run', '--json']);
    if (where === '') {
      expect(run.json()).toMatchObject({ sessionKey: 'agent:main:main' });
    } else {
      expect(run.status).toBe(78);
      expect(run.stderr).toContain(where);
    }
  });
});

describe('one at a time', () => {
  it('two that come together make one call (H15 openclaw#86324)', async () => {
    ready();
    home.close();
    const first = home.start(['heartbeat', 'run', '--json']);
    await home.begun(2);
    expect(home.beat().json()).toMatchObject({ status: 'skipped', reason: 'overlap' });
    home.open();
    expect((await first.done).json()).toMatchObject({ status: 'ran', event: 'ok-token' });
    expect(home.asked()).toHaveLength(2);
  });

  it('a session whose turn runs is left alone; a message that comes during a beat is answered behind it', async () => {
    ready();
    home.close();
    const person = home.start(['ingest', '--channel', 'telegram', '--from', '77', 'busy']);
    await home.begun(2);
    expect(home.beat().json()).toMatchObject({ status: 'skipped', reason: 'requests-in-flight' });
    home.open();
    await person.done;
    home.close();
    const beat = home.start(['heartbeat', 'run', '--json']);
    await home.begun(3);
    const late = home.start(['ingest', '--no-wait', '--channel', 'telegram', '--from', '77', 'late']);
    await late.done;
    home.open();
    expect((await beat.done).json()).toMatchObject({ event: 'ok-token' });
    expect(home.asked()).toHaveLength(4);
    expect(home.users().at(-1).message.content).toBe('late');
  });

  it('killed half-way it leaves no agent and no line, and the next one runs', async () => {
    ready();
    const before = sessions();
    home.says(`$ echo $$ > '${home.folder}/pid'; sleep 60`);
    const killed = home.start(['heartbeat', 'run']);
    const pidFile = `${home.folder}/pid`;
    await until('the agent runs', () => fs.existsSync(pidFile) && fs.readFileSync(pidFile, 'utf8') !== '');
    killed.child.kill('SIGKILL');
    await killed.done;
    expect(sessions()).toEqual(before);
    home.says('HEARTBEAT_OK');
    expect(home.beat().json()).toMatchObject({ status: 'ran', event: 'ok-token' });
    expect(lives(Number(fs.readFileSync(pidFile, 'utf8')))).toBe(false);
    expect(sessions()).toEqual(before);
  });
});

describe('commands', () => {
  it('a failing agent: exit 69, recorded, and nothing in the inbox', () => {
    ready();
    home.says(3);
    const run = home.beat();
    expect(run.status).toBe(69);
    expect(run.json()).toMatchObject({ status: 'failed', error: { code: 'exit' } });
    expect(statusOf().last).toMatchObject({ status: 'error', trigger: 'manual' });
    expect(home.run(['inbox', 'list', '--json']).json().messages).toEqual([]);
  });

  it('status reads only, and says what a person asks', () => {
    ready({ every: '2h' });
    home.beat();
    const before = snapshot(home.dir, ['cache']);
    const shown = home.run(['heartbeat', 'status']);
    expect(shown.status).toBe(0);
    expect(shown.stdout).toMatch(/every 2h/);
    expect(shown.stdout).toMatch(/manual: ok, ok-token/);
    expect(shown.stdout).toContain('telegram 77');
    expect(snapshot(home.dir, ['cache'])).toEqual(before);
    const called = home.run(['call', 'heartbeat.status', '--params', '{"agentId":"main"}']).json();
    expect(called.agents).toMatchObject([
      { agentId: 'main', everyMs: 2 * HOUR, target: { channel: 'telegram' } },
    ]);
    expect(home.run(['call', 'heartbeat.run']).json()).toMatchObject({ status: 'ran' });
  });

  it('are not for agents', () => {
    ready();
    for (const verb of ['run', 'status'])
      expect(home.run(['heartbeat', verb], { env: { CLAW_RUN_ID: 'x' } }).status).toBe(77);
  });

  it('an agent that is not configured is named', () => {
    home = new BeatHome();
    expect(home.beat('--agent', 'nobody').status).toBe(64);
  });
});

describe('ticks', () => {
  const finished = () =>
    fs
      .readFileSync(home.path('cron', 'runs', 'heartbeat~main.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
      .filter(line => line.action === 'finished');

  it('ten of them inside one interval make one call, and the status knows the next (H07 openclaw#17797)', async () => {
    ready({ every: '1s' });
    home.run(['tick']);
    await until('an instant has passed', () => Date.parse(statusOf().nextAt) - Date.now() < 500);
    home.configure({ every: '1h' });
    home.run(['tick']);
    const asked = home.asked().length;
    for (let tick = 0; tick < 10; tick++) home.run(['tick']);
    expect(home.asked()).toHaveLength(asked);
    expect(Date.parse(statusOf().nextAt) - Date.now()).toBeLessThanOrEqual(HOUR);
  });

  it('a due beat is asked and recorded once, and its alert sent', async () => {
    ready({ every: '2s' });
    home.says('The disk is full.');
    home.run(['tick']);
    const next = Date.parse(statusOf().nextAt);
    await until('it is due', () => Date.now() > next);
    const ticks = [home.start(['tick']), home.start(['tick'])];
    await Promise.all(ticks.map(each => each.done));
    home.run(['tick']);
    expect(home.sent()).toEqual(['telegram 77: The disk is full.']);
    const records = finished().filter(line => line.dueAt === next);
    expect(records).toMatchObject([{ status: 'ok', event: 'sent', trigger: 'schedule' }]);
    expect(statusOf().last).toMatchObject({ status: 'ok' });
  });

  it('agents that are off make no records', () => {
    home = new BeatHome({ enabled: false });
    home.heartbeatFile('- Look\n');
    home.run(['tick']);
    home.run(['tick']);
    expect(fs.existsSync(home.path('cron', 'runs'))).toBe(false);
  });

  it('a session marked to be woken is, with heartbeats off (E06 openclaw#46046)', () => {
    ready({ every: '0m' });
    home.says('Told.');
    expect(home.event('x').json()).toMatchObject({ waitsFor: 'tick' });
    home.run(['tick']);
    expect(home.sent()).toEqual(['telegram 77: Told.']);
    expect(home.asked().at(-1)).toMatch(/^System: .*\] x$/m);
    home.run(['tick']);
    expect(home.asked()).toHaveLength(2);
  });

  it('an alert of the night is known in the session that the day has begun (R03 openclaw#109756)', () => {
    const soon = new Date(Date.now() - 2 * MINUTE).toISOString().slice(11, 16);
    ready({}, { session: { reset: { mode: 'daily', at: soon } } });
    const file = recordFile(home, 'main');
    home.says('The disk is full.');
    home.beat();
    ageBy(file, 25 * HOUR);
    const before = JSON.parse(fs.readFileSync(file, 'utf8')).sessionId;
    home.says('HEARTBEAT_OK');
    fs.rmSync(home.path('agents', 'main', 'workspace', 'HEARTBEAT.md'));
    home.run(['tick']);
    const after = JSON.parse(fs.readFileSync(file, 'utf8'));
    expect(after.sessionId).not.toBe(before);
    home.hears('then clean up');
    expect(home.asked().at(-1)).toContain('The disk is full.');
    expect(JSON.parse(fs.readFileSync(file, 'utf8')).sessionId).toBe(after.sessionId);
  });
});

it('who may not be written to is not, and a person finds it (openclaw#55271)', () => {
  const send = { command: 'sh', args: ['-c', 'cat >/dev/null'] };
  home = new BeatHome(
    { target: 'telegram', to: '9' },
    { channels: { telegram: { send, dmPolicy: 'allowlist', allowFrom: ['77'] } } },
  );
  home.heartbeatFile('- Look\n');
  home.says('The disk is full.');
  expect(home.beat().json()).toMatchObject({ event: 'sent', sent: false });
  expect(home.run(['delivery', 'list', '--json']).json().deliveries).toMatchObject([
    { text: 'The disk is full.', state: 'dead', reason: expect.stringContaining('not listed') },
  ]);
});
