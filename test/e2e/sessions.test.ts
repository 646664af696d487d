import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Ended, Place, Program, pooled } from '../faults/lab.ts';
import { config, message, succeed } from '../faults/scenarios.ts';
import { Home, list, withRunner } from './claw.ts';
import {
  editRecord,
  gated,
  HOUR,
  readRecord,
  recordFile,
  recordFiles,
  snapshot,
  transcriptFile,
} from './support.ts';

let home: Home;
afterEach(() => home?.cleanUp());

const DAY = 24 * HOUR;
const cat = (rest: object = {}) => {
  home = new Home(withRunner({ command: 'cat' }, { session: { reset: { mode: 'off' } }, ...rest }));
};
const perPeer = { session: { dmScope: 'per-peer', reset: { mode: 'off' } } };

const ingest = (text: string, ...more: string[]): any =>
  home.run(['ingest', '--json', '--channel', 'telegram', '--from', '1', ...more, text]).json();
const json = (...args: string[]): any => {
  const run = home.run([...args, '--json']);
  expect(run.stderr).toBe('');
  expect(run.status).toBe(0);
  return run.json();
};
const archivedRows = (...args: string[]): any[] => json('sessions', 'list', '--archived', ...args).sessions;
const current = (): any => json('sessions').sessions[0];
const lines = (sessionId: string) => home.transcripts().get(`${sessionId}.jsonl`) ?? [];

/** An archived transcript as a reset leaves it, `days` old. */
function plant(id: string, days: number, key = 'agent:main:main', text = `words of ${id}`): string {
  const at = Date.now() - days * DAY;
  const file = transcriptFile(home, id);
  const entries = [
    { type: 'session', version: 1, id, sessionKey: key, agentId: 'main', timestamp: at - HOUR },
    {
      type: 'message',
      timestamp: at - HOUR,
      id: `m-${id}`,
      message: { role: 'user', content: text },
      origin: { channel: 'telegram', accountId: 'default', chatType: 'dm', from: '1' },
      via: 'stdout',
    },
    { type: 'reset', timestamp: at, reason: 'user', nextSessionId: 'another' },
  ];
  fs.writeFileSync(file, entries.map(entry => `${JSON.stringify(entry)}\n`).join(''), { mode: 0o600 });
  return file;
}

describe('sessions reset', () => {
  it('changes the id, archives and lists the old transcript, leaves the new one empty, and tells the user (R11 #126836)', () => {
    cat();
    const first = ingest('remember the spare key');
    const reset = json('sessions', 'reset', 'main');
    expect(reset).toEqual({
      sessionKey: 'agent:main:main',
      changed: true,
      previousSessionId: first.sessionId,
      sessionId: expect.not.stringContaining(first.sessionId),
      archivePath: transcriptFile(home, first.sessionId),
    });
    expect(lines(first.sessionId).at(-1)).toMatchObject({
      type: 'reset',
      reason: 'operator',
      nextSessionId: reset.sessionId,
    });
    expect(archivedRows()).toMatchObject([
      {
        sessionId: first.sessionId,
        key: 'agent:main:main',
        reason: 'operator',
        nextSessionId: reset.sessionId,
      },
    ]);
    expect(current()).toMatchObject({ sessionId: reset.sessionId, messageCount: 0 });
    const next = ingest('hello');
    expect(next).toMatchObject({
      sessionId: reset.sessionId,
      isNewSession: true,
      reset: { reason: 'operator', previousSessionId: first.sessionId },
    });
    expect(next.notices.join()).toMatch(/command line/);
    expect(ingest('again').notices).toEqual([]);
  });

  it('of a session that has not begun says so and changes nothing; of one that is not there is an error', () => {
    cat();
    expect(home.run(['sessions', 'reset', 'main'])).toMatchObject({ status: 64, stdout: '' });
    ingest('hello');
    const { sessionId } = json('sessions', 'reset', 'main');
    expect(json('session', 'reset', 'main')).toMatchObject({ changed: false, sessionId, archivePath: null });
    expect(home.run(['sessions', 'reset', 'main']).stdout).toContain('has not begun');
    expect(archivedRows()).toHaveLength(1);
  });

  it('keeps settings, and takes a model with it', () => {
    cat({ models: { opus: 'anthropic/opus' } });
    ingest('hello');
    home.run(['ingest', '/think high']);
    json('sessions', 'reset', 'main', '--model', 'opus');
    expect(json('sessions', 'show', 'main').settings).toMatchObject({
      model: { value: 'anthropic/opus', source: 'session' },
      thinkingLevel: { value: 'high', source: 'session' },
    });
  });

  it('of a running turn is refused with who holds it; with --wait it comes after the turn', async () => {
    home = new Home();
    const gate = gated(home, { session: { reset: { mode: 'off' } } });
    gate.close();
    const turn = home.start(['ingest', '--json', '--channel', 'telegram', '--from', '1', 'slow']);
    await gate.begun();
    const refused = home.run(['sessions', 'reset', 'main', '--json']);
    expect(refused).toMatchObject({ status: 75, stdout: '' });
    const { error } = JSON.parse(refused.stderr);
    expect(error).toMatchObject({
      code: 'session-busy',
      hint: 'claw ingest --session agent:main:main /stop',
    });
    expect(error.message).toContain(`process ${turn.child.pid}`);
    expect(json('sessions', 'show', 'main')).toMatchObject({
      busy: true,
      lock: { pid: turn.child.pid, state: 'alive', since: expect.stringMatching(/^20/) },
    });
    const waiting = home.start(['sessions', 'reset', 'main', '--json', '--wait', '60']);
    gate.open();
    const [answer, reset] = [(await turn.done).json(), await waiting.done];
    expect(answer.status).toBe('replied');
    expect(reset.json()).toMatchObject({ changed: true, previousSessionId: answer.sessionId });
  });

  it('ends the turn of a process that died; its message stays in the inbox', async () => {
    home = new Home();
    const gate = gated(home, { session: { reset: { mode: 'off' } } });
    gate.close();
    const turn = home.start(['ingest', '--json', '--channel', 'telegram', '--from', '1', 'do not lose me']);
    await gate.begun();
    turn.child.kill('SIGKILL');
    await turn.done;
    const reset = json('sessions', 'reset', 'main');
    expect(lines(reset.previousSessionId).map(entry => entry.type)).toEqual([
      'session',
      'message',
      'turn',
      'turn_end',
      'reset',
    ]);
    expect(json('inbox', 'list').messages).toMatchObject([{ state: 'interrupted', text: 'do not lose me' }]);
    gate.open();
    expect(home.run(['tick', '--json']).json()).toMatchObject({ worked: [], problems: [] });
    expect(gate.runs()).toHaveLength(1);
  });
});

describe('sessions resume', () => {
  it('makes an archived transcript current again and archives the other; and back (R16 #56131, #122469, #120099)', () => {
    cat();
    const first = ingest('the first conversation');
    ingest('/new');
    const second = ingest('the second conversation');
    expect(second.sessionId).not.toBe(first.sessionId);
    expect(archivedRows()).toMatchObject([
      { sessionId: first.sessionId, preview: 'the first conversation', messageCount: 2, reason: 'user' },
    ]);
    const resumed = json('sessions', 'resume', first.sessionId);
    expect(resumed).toEqual({
      sessionKey: 'agent:main:main',
      changed: true,
      sessionId: first.sessionId,
      previousSessionId: second.sessionId,
      archivePath: transcriptFile(home, second.sessionId),
      messageCount: 2,
    });
    expect(current()).toMatchObject({ sessionId: first.sessionId, messageCount: 2 });
    expect(archivedRows()).toMatchObject([
      { sessionId: second.sessionId, reason: 'resume', nextSessionId: first.sessionId },
    ]);
    const next = ingest('where were we?');
    expect(next).toMatchObject({
      sessionId: first.sessionId,
      isNewSession: false,
      reset: { reason: 'resume', previousSessionId: second.sessionId },
    });
    expect(next.notices.join()).toContain(second.sessionId);
    expect(ingest('on')).toMatchObject({ sessionId: first.sessionId, reset: null, notices: [] });

    json('sessions', 'resume', second.sessionId);
    expect(current()).toMatchObject({ sessionId: second.sessionId });
    expect(ingest('and here')).toMatchObject({ sessionId: second.sessionId, isNewSession: false });
    expect(archivedRows()).toMatchObject([{ sessionId: first.sessionId, reason: 'resume' }]);
  });

  it('undoes a reset whose new session has not begun, without a word to the user', () => {
    cat();
    const first = ingest('hello');
    json('sessions', 'reset', 'main');
    expect(json('sessions', 'resume', first.sessionId)).toMatchObject({
      changed: true,
      previousSessionId: null,
      archivePath: null,
    });
    expect(archivedRows()).toEqual([]);
    expect(ingest('again')).toMatchObject({ sessionId: first.sessionId, reset: null, notices: [] });
  });

  it('of what is current says so and changes nothing', () => {
    cat();
    const { sessionId } = ingest('hello');
    const before = fs.readFileSync(transcriptFile(home, sessionId));
    expect(json('sessions', 'resume', sessionId)).toMatchObject({ changed: false, sessionId });
    expect(fs.readFileSync(transcriptFile(home, sessionId))).toEqual(before);
  });

  it('counts as a message of the user: what is resumed is fresh', () => {
    cat({ session: { reset: { mode: 'idle', idleMinutes: 60 } } });
    const first = ingest('long ago');
    json('sessions', 'reset', 'main');
    ingest('not so long ago');
    const record = readRecord(recordFile(home));
    editRecord(recordFile(home), { lastUserAt: Number(record.lastUserAt) - 10 * DAY });
    json('sessions', 'resume', first.sessionId);
    expect(json('sessions', 'show', 'main').reset).toMatchObject({ fresh: true });
    expect(ingest('hello')).toMatchObject({ sessionId: first.sessionId, isNewSession: false });
  });

  it('mends a torn end first, and keeps the bytes', () => {
    cat();
    const first = ingest('hello');
    json('sessions', 'reset', 'main');
    fs.appendFileSync(transcriptFile(home, first.sessionId), '{"type":"mess');
    const run = home.run(['sessions', 'resume', first.sessionId, '--json']);
    expect(run).toMatchObject({ status: 0, stderr: expect.stringContaining('torn') });
    expect(lines(first.sessionId).filter(line => typeof line === 'string')).toEqual([]);
    const [torn] = list(home.path('agents', 'main', 'sessions')).filter(name => name.includes('.torn-'));
    expect(fs.readFileSync(home.path('agents', 'main', 'sessions', torn!), 'utf8')).toBe('{"type":"mess');
    expect(ingest('on')).toMatchObject({ sessionId: first.sessionId });
  });

  it('refuses what is no transcript of a session, and what is not there', () => {
    cat();
    ingest('hello');
    fs.writeFileSync(transcriptFile(home, 'stray'), '{"type":"note"}\n');
    expect(home.run(['sessions', 'resume', 'stray'])).toMatchObject({ status: 65, stdout: '' });
    expect(home.run(['sessions', 'resume', '00000000-0000-4000-8000-000000000000'])).toMatchObject({
      status: 64,
    });
  });

  it('is what doctor --fix rebuilds a lost record from, though another transcript began later', () => {
    cat();
    const first = ingest('the first');
    json('sessions', 'reset', 'main');
    const second = ingest('the second');
    json('sessions', 'resume', first.sessionId);
    fs.writeFileSync(recordFile(home), '');
    expect(home.run(['doctor', '--fix', '--json']).json().checks).toContainEqual(
      expect.objectContaining({ id: 'records', fixed: true }),
    );
    expect(current()).toMatchObject({ sessionId: first.sessionId, messageCount: 2 });
    expect(ingest('on')).toMatchObject({ sessionId: first.sessionId });
    expect(archivedRows()).toMatchObject([{ sessionId: second.sessionId }]);
  });
});

describe('a resume that was begun', () => {
  it('is completed by doctor --fix where the record was lost on the way', () => {
    cat();
    const first = ingest('the first');
    json('sessions', 'reset', 'main');
    const second = ingest('the second');
    const reset = { type: 'reset', timestamp: Date.now(), reason: 'resume', nextSessionId: first.sessionId };
    fs.appendFileSync(transcriptFile(home, second.sessionId), `${JSON.stringify(reset)}\n`);
    fs.writeFileSync(recordFile(home), '');
    home.run(['doctor', '--fix']);
    expect(ingest('on')).toMatchObject({ sessionId: first.sessionId, isNewSession: false });
    expect(archivedRows()).toMatchObject([{ sessionId: second.sessionId, reason: 'resume' }]);
  });

  it('does not hold anybody for ever where two transcripts name each other', () => {
    cat();
    const first = ingest('the first');
    json('sessions', 'reset', 'main');
    const second = ingest('the second');
    const reset = (nextSessionId: string) =>
      `${JSON.stringify({ type: 'reset', timestamp: Date.now(), reason: 'user', nextSessionId })}\n`;
    fs.appendFileSync(transcriptFile(home, first.sessionId), reset(second.sessionId));
    fs.appendFileSync(transcriptFile(home, second.sessionId), reset(first.sessionId));
    expect(ingest('on')).toMatchObject({ status: 'replied' });
    expect(ingest('and on')).toMatchObject({ status: 'replied' });
  });

  it('whose transcript was deleted meanwhile begins a new session', () => {
    cat();
    const first = ingest('the first');
    const gone = '11111111-1111-4111-8111-111111111111';
    const reset = { type: 'reset', timestamp: Date.now(), reason: 'resume', nextSessionId: gone };
    fs.appendFileSync(transcriptFile(home, first.sessionId), `${JSON.stringify(reset)}\n`);
    expect(ingest('on')).toMatchObject({ sessionId: gone, isNewSession: true, status: 'replied' });
  });
});

describe('a record put back from an old copy', () => {
  it('leads to the conversation of now, and hands no reply out again', () => {
    cat();
    ingest('one');
    const copy = fs.readFileSync(recordFile(home));
    json('sessions', 'reset', 'main');
    const second = ingest('two');
    fs.writeFileSync(recordFile(home), copy);
    expect(ingest('three')).toMatchObject({ sessionId: second.sessionId, isNewSession: false });
    expect(current()).toMatchObject({ messageCount: 4 });
    expect(json('delivery', 'list').deliveries).toEqual([]);
  });
});

describe('sessions delete', () => {
  it('removes record and transcript and says which; the message ids stay known', () => {
    cat();
    const first = ingest('hello', '--id', 'm1');
    const deleted = json('sessions', 'delete', 'main');
    expect(deleted).toMatchObject({
      sessionKey: 'agent:main:main',
      sessionId: first.sessionId,
      deleted: [
        { file: home.path('agents/main/sessions/records/main.json') },
        { file: transcriptFile(home, first.sessionId), bytes: expect.any(Number) },
      ],
      waiting: 0,
    });
    expect(json('sessions').sessions).toEqual([]);
    expect(home.transcripts().size).toBe(0);
    expect(ingest('hello', '--id', 'm1')).toMatchObject({ status: 'duplicate' });
    expect(home.run(['sessions', 'delete', 'main'])).toMatchObject({ status: 64 });
  });

  it('leaves archived transcripts, unless told otherwise; by id it deletes one of them', () => {
    cat();
    const ids = ['one', 'two', 'three'].map(text => {
      const { sessionId } = ingest(text);
      json('sessions', 'reset', 'main');
      return sessionId as string;
    });
    ingest('four');
    plant('of-another', 1, 'agent:main:dm:2');
    expect(json('sessions', 'delete', ids[0]!)).toMatchObject({
      sessionId: null,
      deleted: [{ file: transcriptFile(home, ids[0]!) }],
    });
    expect(json('sessions').count).toBe(1);
    json('sessions', 'delete', 'main');
    expect(archivedRows().map(row => row.sessionId)).toEqual([ids[2], ids[1], 'of-another']);
    expect(json('sessions', 'delete', 'main', '--archived').deleted).toHaveLength(2);
    expect(archivedRows().map(row => row.sessionId)).toEqual(['of-another']);
  });

  it('keeps waiting messages, which begin a new session, and says so', () => {
    cat();
    const first = ingest('hello');
    ingest('later', '--no-wait');
    const run = home.run(['sessions', 'delete', 'main', '--json']);
    expect(run.json()).toMatchObject({ waiting: 1 });
    expect(run.stderr).toContain('1 waiting messages');
    home.run(['tick']);
    expect(current()).toMatchObject({ messageCount: 2 });
    expect(current().sessionId).not.toBe(first.sessionId);
  });

  it('of a session at work is refused', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const turn = home.start(['ingest', '--json', 'slow']);
    await gate.begun();
    expect(home.run(['sessions', 'delete', 'main'])).toMatchObject({ status: 75, stdout: '' });
    gate.open();
    expect((await turn.done).json().status).toBe('replied');
  });
});

describe('an agent', () => {
  it.each([
    [['reset', 'main']],
    [['resume', '00000000-0000-4000-8000-000000000000']],
    [['delete', 'main']],
    [['cleanup']],
    [['cleanup', '--dry-run']],
  ])('may not call sessions %j', args => {
    cat();
    ingest('hello');
    const before = snapshot(home.dir);
    const run = home.run(['sessions', ...args], { env: { CLAW_RUN_ID: 'r1' } });
    expect(run).toMatchObject({ status: 77, stdout: '' });
    expect(run.stderr).toContain(`sessions ${args[0]}`);
    expect(snapshot(home.dir)).toEqual(before);
  });

  it('learns nothing of another person from inbox, delivery, logs, status, route, doctor or pairing', () => {
    home = new Home(
      withRunner(
        { command: 'false' },
        { session: { dmScope: 'per-peer' }, channels: { sig: { dmPolicy: 'pairing' } } },
      ),
    );
    const from = (peer: string, ...args: string[]) =>
      home.run(['ingest', '--channel', 'telegram', '--from', peer, '--id', '1', ...args]);
    from('Anna', 'the code is 4711');
    from('Bert', 'hello');
    home.run(['ingest', '--channel', 'sig', '--from', 'Carl', 'let me in']);
    const env = { CLAW_RUN_ID: 'r1', CLAW_AGENT_ID: 'main', CLAW_SESSION_KEY: 'agent:main:dm:Bert' };
    const asBert = (...args: string[]) => home.run(args, { env });

    // The operator sees them.
    expect(home.run(['inbox', 'list']).stdout).toContain('4711');
    expect(home.run(['logs']).stdout).toContain('Anna');
    for (const json of [[], ['--json']]) {
      for (const command of [
        ['inbox', 'list'],
        ['delivery', 'list'],
        ['logs'],
        ['status'],
        ['doctor'],
        ['pairing', 'list'],
      ]) {
        const { stdout, stderr } = asBert(...command, ...json);
        expect(stdout + stderr, command.join(' ')).not.toMatch(/Anna|4711|Carl/);
      }
    }
    expect(asBert('inbox', 'list', '--json').json()).toMatchObject({ count: 1 });
    expect(asBert('status', '--json').json().pending).toMatchObject({ failed: 1, pairing: 0 });
    for (const command of [['doctor'], ['doctor', '--fix'], ['pairing', 'list']])
      expect(asBert(...command), command.join(' ')).toMatchObject({ status: 77, stdout: '' });
    const route = (peer: string) =>
      asBert('route', '--channel', 'telegram', '--from', peer, '--id', '1', '--json', 'hi').json();
    expect(route('Anna')).toMatchObject({ reset: null, duplicateOf: null });
    expect(route('Bert').reset).not.toBeNull();
  });
});

describe('a session named by an empty variable', () => {
  it.each([['show'], ['delete'], ['reset'], ['history'], ['export']])(
    'is not the main session: sessions %s ""',
    verb => {
      cat();
      ingest('hello');
      const before = snapshot(home.dir);
      for (const name of ['', ' ']) {
        const run = home.run(['sessions', verb, name]);
        expect(run).toMatchObject({ status: 64, stdout: '' });
      }
      expect(snapshot(home.dir)).toEqual(before);
    },
  );
});

describe('sessions cleanup', () => {
  const withRetention = (retention: object) => cat({ session: { reset: { mode: 'off' }, retention } });
  const names = (files: any[]) => files.map(({ file }) => path.basename(file, '.jsonl')).toSorted();

  it('passes over a folder and a pipe that are named like transcripts', () => {
    withRetention({ keep: 1 });
    ingest('hello');
    const folder = home.path('agents', 'main', 'sessions');
    fs.mkdirSync(path.join(folder, 'folder.jsonl'));
    execFileSync('mkfifo', [path.join(folder, 'pipe.jsonl')]);
    for (const args of [['cleanup'], ['cleanup', '--dry-run'], ['list', '--archived']])
      expect(home.run(['sessions', ...args]).status, args.join(' ')).toBe(0);
    for (const name of ['folder', 'pipe'])
      for (const verb of ['show', 'history', 'export', 'delete'])
        expect(home.run(['sessions', verb, name]).status, `${verb} ${name}`).toBe(64);
  });

  it('removes exactly what the dry run listed, with reason, bytes and age (S08 #83124, S06 #44820)', () => {
    withRetention({ archived: '30d' });
    const { sessionId } = ingest('hello');
    plant('old', 31);
    plant('older', 300);
    plant('young', 29);
    const before = snapshot(home.dir);
    const dry = json('sessions', 'cleanup', '--dry-run');
    expect(snapshot(home.dir)).toEqual(before);
    expect(dry).toMatchObject({ dryRun: true, count: 2, skipped: [] });
    expect(dry.files[0]).toMatchObject({
      reason: 'archived',
      sessionId: 'older',
      sessionKey: 'agent:main:main',
    });
    expect(dry.files[0].bytes).toBe(fs.statSync(transcriptFile(home, 'older')).size);
    const real = json('sessions', 'cleanup');
    expect(names(real.files)).toEqual(names(dry.files));
    expect(real.bytes).toBe(dry.bytes);
    expect([...home.transcripts().keys()].toSorted()).toEqual(
      ['young.jsonl', `${sessionId}.jsonl`].toSorted(),
    );
    expect(json('sessions', 'cleanup')).toMatchObject({ count: 0 });
  });

  it('removes nothing where no retention is set, however old', () => {
    cat();
    ingest('hello');
    plant('old', 3000);
    expect(json('sessions', 'cleanup')).toMatchObject({ limited: false, count: 0 });
    expect(fs.existsSync(transcriptFile(home, 'old'))).toBe(true);
  });

  it('never removes a current transcript, and none of a session at work, with a mark or with waiting messages (S09 #56034)', () => {
    home = new Home(
      withRunner({ command: 'cat' }, { session: { ...perPeer.session, retention: { archived: '1d' } } }),
    );
    for (const peer of ['1', '2', '3', '4']) {
      home.run(['ingest', '--channel', 'telegram', '--from', peer, 'hello']);
      plant(`old-${peer}`, 400, `agent:main:dm:${peer}`);
    }
    for (const file of recordFiles(home)) {
      editRecord(file, { updatedAt: 1, lastUserAt: 1, startedAt: 1, createdAt: 1 });
      const transcript = transcriptFile(home, String(readRecord(file).sessionId));
      fs.utimesSync(transcript, 1, 1);
    }
    const lock = home.path('locks', 'main', 'dm~1', '1-1-x-0-x-abc');
    fs.mkdirSync(lock, { recursive: true, mode: 0o700 });
    fs.writeFileSync(home.path('pending', 'main', 'dm~2.turn'), '');
    home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', '3', 'later']);
    expect(names(json('sessions', 'cleanup').files)).toEqual(['old-4']);
    expect(home.transcripts().size).toBe(7);
  });

  it('keeps transcripts that may be current, where a record cannot be read', () => {
    withRetention({ archived: '1d' });
    ingest('hello');
    plant('old', 400);
    fs.writeFileSync(recordFile(home), '{');
    const run = home.run(['sessions', 'cleanup', '--json']);
    expect(run.json()).toMatchObject({ count: 0 });
    expect(run.stderr).toContain('old.jsonl');
    expect(home.transcripts().size).toBe(2);
  });

  it('leaves the target of a resume that was begun', () => {
    withRetention({ archived: '1d' });
    const first = ingest('hello');
    plant('old', 400);
    const reset = { type: 'reset', timestamp: Date.now(), reason: 'resume', nextSessionId: 'old' };
    fs.appendFileSync(transcriptFile(home, first.sessionId), `${JSON.stringify(reset)}\n`);
    expect(json('sessions', 'cleanup')).toMatchObject({ count: 0 });
    expect(ingest('on')).toMatchObject({ sessionId: 'old', isNewSession: false });
  });

  it('is part of a tick, at most once a day, and only where retention is set', () => {
    withRetention({ archived: '30d' });
    ingest('hello');
    plant('old', 31);
    expect(home.run(['tick', '--json']).json().cleanup).toMatchObject({
      removed: [{ sessionId: 'old' }],
      bytes: expect.any(Number),
      skipped: [],
    });
    plant('old', 31);
    expect(home.run(['tick', '--json']).json().cleanup).toBeNull();
    fs.utimesSync(home.path('logs', 'cleanup'), new Date(), new Date(Date.now() - 25 * HOUR));
    expect(home.run(['tick', '--json']).json().cleanup.removed).toHaveLength(1);
    home.config(withRunner({ command: 'cat' }));
    fs.rmSync(home.path('logs', 'cleanup'));
    expect(home.run(['tick', '--json']).json().cleanup).toBeNull();
    expect(fs.existsSync(home.path('logs', 'cleanup'))).toBe(false);
  });

  it('removes what a dead writer left, never what a living one writes', () => {
    withRetention({ archived: '30d' });
    ingest('hello');
    const drafts = home.path('agents', 'main', '.tmp');
    const [boot, machine] = ['/proc/sys/kernel/random/boot_id', '/etc/machine-id'].map(file =>
      fs.existsSync(file)
        ? fs
            .readFileSync(file, 'latin1')
            .replace(/[^0-9a-zA-Z]/g, '')
            .slice(0, 8)
        : 'x',
    );
    const space = fs.readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
    const start = (pid: number) =>
      fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')[19];
    const living = `.tmp-${process.pid}-${start(process.pid)}-${boot}-${space}-${machine || 'x'}-abc`;
    const dead = `.tmp-${process.pid}-1-${boot}-${space}-${machine || 'x'}-abc`;
    for (const name of [living, dead]) fs.writeFileSync(path.join(drafts, name), 'x');
    expect(json('sessions', 'cleanup').files).toMatchObject([
      { file: path.join(drafts, dead), reason: 'temporary', bytes: 1 },
    ]);
    expect(list(drafts)).toEqual([living]);
  });
});

describe('sessions list', () => {
  const rows = (...args: string[]) =>
    json('sessions', ...args)
      .sessions.map((row: any) => row.key.replace('agent:main:', ''))
      .toSorted();

  function manySessions(): void {
    home = new Home(withRunner({ command: 'cat' }, perPeer));
    const say = (...args: string[]) => home.run(['ingest', '--json', ...args, 'hello']).json();
    say('--channel', 'telegram', '--from', '1');
    say('--channel', 'whatsapp', '--from', '2');
    say('--channel', 'telegram', '--group=-100', '--from', '1', '--mentioned');
    say(
      '--channel',
      'slack',
      '--chat',
      'thread',
      '--parent',
      'C1',
      '--thread',
      't1',
      '--from',
      '1',
      '--mentioned',
    );
    say('--session', 'main');
  }

  it('filters by kind, channel, text, agent and number', () => {
    manySessions();
    const [group] = json('sessions', '--kind', 'group').sessions;
    expect(group.key).toBe('agent:main:telegram:group:-100');
    expect(rows('--kind', 'thread')).toHaveLength(1);
    expect(rows('--kind', 'MAIN')).toEqual(['main']);
    expect(rows('--kind', 'cron')).toEqual([]);
    expect(rows('--channel', 'WhatsApp')).toEqual(['dm:2']);
    expect(rows('--search', 'GROUP:-1')).toEqual(['telegram:group:-100']);
    expect(rows('--search', group.sessionId.slice(0, 13))).toEqual(['telegram:group:-100']);
    expect(rows('--agent', 'main')).toHaveLength(5);
    expect(rows('--agent', 'main', '--all-agents')).toHaveLength(5);
    expect(json('sessions', '--limit', '2')).toMatchObject({ count: 2, totalCount: 5, hasMore: true });
    editRecord(recordFile(home, 'dm~2'), { lastRoute: { channel: 'whatsapp', fromName: 'Zoë Müller' } });
    expect(rows('--search', 'müller')).toEqual(['dm:2']);
  });

  it.each([
    ['--active', '0'],
    ['--active', '-5'],
    ['--active', '60x'],
    ['--active', '1e3'],
    ['--active', '1.5'],
    ['--active', ''],
    ['--limit', '0'],
    ['--limit', 'many'],
    ['--kind', 'room'],
    ['--agent', 'nobody'],
  ])('refuses %s %j', (option, value) => {
    cat();
    ingest('hello');
    expect(home.run(['sessions', `${option}=${value}`])).toMatchObject({ status: 64, stdout: '' });
  });

  it('--active takes in the last instant of its window, and passes over old files unread', () => {
    manySessions();
    const at = Date.now() + DAY;
    const when = new Date(at).toISOString();
    const file = recordFile(home, 'dm~1');
    editRecord(file, { updatedAt: at - 60 * 60_000 });
    expect(rows('--active', '60', '--at', when)).toEqual(['dm:1']);
    editRecord(file, { updatedAt: at - 60 * 60_000 - 1 });
    expect(rows('--active', '60', '--at', when)).toEqual([]);
    // A file that has not been written for longer than the window and its margin is not even opened.
    fs.writeFileSync(recordFile(home, 'dm~2'), '{');
    fs.utimesSync(recordFile(home, 'dm~2'), new Date(), new Date(Date.now() - 3 * DAY));
    expect(rows('--active', '60')).not.toContain('dm:2');
    expect(home.run(['sessions', '--json']).status).toBe(65);
  });

  it('prints one document whatever the number of rows', () => {
    cat();
    ingest('hello');
    const template = readRecord(recordFile(home));
    for (let index = 0; index < 2500; index++) {
      const record = { ...template, key: `agent:main:dm:${index}`, sessionId: `s-${index}` };
      fs.writeFileSync(home.path(`agents/main/sessions/records/dm~${index}.json`), JSON.stringify(record));
    }
    const document = json('sessions');
    expect(document).toMatchObject({ count: 2501, totalCount: 2501, hasMore: false, activeMinutes: null });
    expect(new Set(document.sessions.map((row: any) => row.key)).size).toBe(2501);
    expect(json('sessions', '--active', '5').count).toBe(2501);
  });

  it.skipIf(process.platform !== 'linux')(
    'a transcript of 1 GB costs a listing, and the next turn, what a short one does (T07 anthropics/claude-code#22365)',
    () => {
      home = new Home(
        withRunner(
          { command: 'true', context: 'claw', silentTokens: ['x'] },
          { session: { reset: { mode: 'off' } } },
        ),
      );
      const agents = { defaults: { runner: 'agent', contextTokens: 20_000, compaction: { mode: 'prune' } } };
      const config = JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8'));
      home.config({
        ...config,
        agents,
        runners: { agent: { command: 'sh', args: ['-c', 'cat >/dev/null; echo ok'] } },
      });
      const { sessionId } = ingest('hello');
      const hook = path.join(home.folder, 'hook.cjs');
      const peak = path.join(home.folder, 'peak');
      // What a process has read, and its peak of resident memory; both as the kernel counts them.
      fs.writeFileSync(
        hook,
        `process.on('exit', () => { const { readFileSync: read, writeFileSync: write } = require('fs');
          const [, kb] = /VmHWM:\\s*(\\d+)/.exec(read('/proc/self/status', 'utf8'));
          const [, bytes] = /rchar:\\s*(\\d+)/.exec(read('/proc/self/io', 'utf8'));
          write(${JSON.stringify(peak)}, JSON.stringify({ mb: kb / 1024, read: Number(bytes) })); });`,
      );
      const cost = (...args: string[]): { mb: number; read: number } => {
        const run = home.run(args, { env: { NODE_OPTIONS: `--require ${hook}` } });
        expect(run).toMatchObject({ status: 0, stderr: '' });
        return JSON.parse(fs.readFileSync(peak, 'utf8'));
      };
      cost('sessions', 'list');
      const short = cost('sessions', 'list');

      const file = transcriptFile(home, sessionId);
      const turn = fs.readFileSync(file, 'utf8').split('\n').slice(1, -1);
      const long = turn.map(text => text.replace('"hello"', `"${'many words '.repeat(100)}"`));
      const fd = fs.openSync(file, 'a');
      // A hole that no reader could hold, and behind it more than an agent is sent.
      fs.writeSync(fd, `\n${`${long.join('\n')}\n`.repeat(200)}`, 1024 ** 3);
      fs.closeSync(fd);
      const { size } = fs.statSync(file);
      editRecord(recordFile(home), { bytes: size });

      const list = cost('sessions', 'list');
      expect(list.read - short.read).toBeLessThan(4096);
      expect(list.mb).toBeLessThan(100);
      const show = cost('sessions', 'show', 'main');
      expect(show.mb).toBeLessThan(100);
      const next = cost('ingest', '--channel', 'telegram', '--from', '1', 'next');
      expect(next.mb).toBeLessThan(100);
      expect(next.read).toBeLessThan(20 * 1024 ** 2);
      expect(current()).toMatchObject({ sessionId });
    },
  );

  it('--archived reads the two ends of a transcript only, and costs nothing for a huge one', () => {
    cat();
    ingest('hello');
    const file = plant('huge', 2, 'agent:main:main', `a very long message\n${'x'.repeat(20_000)}`);
    const text = fs.readFileSync(file, 'utf8').split('\n');
    const fd = fs.openSync(file, 'w');
    fs.writeSync(fd, `${text[0]}\n${text[1]}\n`);
    // A hole: 4 GB that no reader could hold.
    fs.writeSync(fd, `\n${text[2]}\n`, 4 * 1024 ** 3);
    fs.closeSync(fd);
    plant('small', 1);
    const all = archivedRows();
    expect(all).toMatchObject([
      { sessionId: 'small', messageCount: 1, preview: 'words of small' },
      {
        sessionId: 'huge',
        messageCount: null,
        preview: 'a very long message',
        reason: 'user',
        channel: null,
      },
    ]);
    expect(all[1].bytes).toBeGreaterThan(4e9);
    expect(archivedRows('--active', String(36 * 60)).map(row => row.sessionId)).toEqual(['small']);
    expect(archivedRows('--search', 'LONG').map(row => row.sessionId)).toEqual(['huge']);
    expect(archivedRows('--limit', '1')).toHaveLength(1);
    expect(archivedRows('--kind', 'dm')).toEqual([]);
    expect(home.run(['sessions', 'list', '--archived']).stdout).toContain('words of small');
  });
});

describe('sessions show', () => {
  it('--verbose tells the last turns, what waits, what is archived and where replies go', () => {
    cat();
    const first = ingest('one');
    json('sessions', 'reset', 'main');
    const second = ingest('two');
    ingest('three');
    home.config(withRunner({ command: 'false' }, { session: { reset: { mode: 'off' } } }));
    ingest('four');
    ingest('five', '--no-wait');
    const shown = json('sessions', 'show', 'main', '--verbose');
    expect(shown).toMatchObject({
      sessionId: second.sessionId,
      busy: false,
      lock: null,
      waiting: 1,
      waitingMessages: [{ text: 'five' }],
      archivedSessionIds: [first.sessionId],
      retries: 0,
      compactions: 0,
      memoryFlush: { due: false, reason: 'runner-needs-no-history' },
      malformedLines: 0,
      lastRoute: { channel: 'telegram', from: '1' },
      notices: [],
    });
    expect(shown.turns).toMatchObject([
      { status: 'replied', runner: 'agent', text: 'two', reply: 'two', error: null },
      { status: 'replied', text: 'three', usage: { totalTokens: expect.any(Number) } },
      { status: 'failed', text: 'four', reply: null, error: { code: expect.any(String) } },
    ]);
    const text = home.run(['session', 'status', 'main', '--verbose']).stdout;
    for (const part of [first.sessionId, 'failed', '> four', 'to telegram dm', '1 waiting'])
      expect(text).toContain(part);
    expect(json('sessions', 'show', first.sessionId)).toMatchObject({
      archived: true,
      sessionId: first.sessionId,
      key: 'agent:main:main',
      reason: 'operator',
      preview: 'one',
    });
  });

  it('knows a session that has not begun by its id, and what its next reply will tell', () => {
    cat();
    ingest('one');
    const { sessionId } = json('sessions', 'reset', 'main');
    const shown = json('sessions', 'show', sessionId);
    expect(shown).toMatchObject({ key: 'agent:main:main', transcriptBytes: null });
    expect(shown.notices.join()).toMatch(/command line/);
  });
});

/** Which transcript each conversation of the key is in, and what the next message meets. */
interface Standing {
  current: string;
  archived: string[];
}

describe('killed at any operation', () => {
  let program: Program;
  beforeAll(async () => {
    program = await Program.snapshot();
  });
  afterAll(() => program?.remove());

  const parse = (run: Ended): any => {
    expect(run).toMatchObject({ status: 0, stderr: expect.not.stringMatching(/internal error/) });
    return JSON.parse(run.stdout);
  };

  const entries = (place: Place, sessionId: string): any[] => {
    const file = place.path('agents/main/sessions', `${sessionId}.jsonl`);
    if (!fs.existsSync(file)) return [];
    const text = fs.readFileSync(file, 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line));
  };

  async function standing(place: Place): Promise<Standing> {
    const sessions = parse(await place.run(['sessions', '--json'])).sessions;
    const archived = parse(await place.run(['sessions', 'list', '--archived', '--json'])).sessions;
    expect(sessions).toHaveLength(1);
    // The record holds what its transcript says, and no reply of an earlier turn was handed out again.
    const spoken = entries(place, sessions[0].sessionId).filter(entry => entry.type === 'message');
    expect(sessions[0].messageCount).toBe(spoken.length);
    expect(parse(await place.run(['delivery', 'list', '--json'])).deliveries).toEqual([]);
    return { current: sessions[0].sessionId, archived: archived.map((row: any) => row.sessionId).toSorted() };
  }

  async function strikeAll(
    prepare: (place: Place) => Promise<void>,
    victim: (place: Place) => Promise<string[]>,
    check: (before: Standing, after: Standing, place: Place) => void,
  ): Promise<number> {
    const template = Place.create(program, config());
    try {
      await prepare(template);
      const args = await victim(template);
      const before = await standing(template);
      const trial = template.copy();
      expect((await trial.run(args, { mode: 'count', at: 0 })).status).toBe(0);
      const points = trial.operations().map(operation => operation.n);
      trial.remove();
      await pooled(points, async at => {
        const place = template.copy();
        try {
          const struck = await place.run(args, { mode: 'kill', at });
          expect(struck.signal).toBe('SIGKILL');
          const answer = parse(await place.run(message('after', 'after').args));
          expect(answer.status).toBe('replied');
          const after = await standing(place);
          expect(answer.sessionId).toBe(after.current);
          check(before, after, place);
          expect(parse(await place.run(['tick', '--json']))).toMatchObject({ problems: [] });
          expect(await standing(place)).toEqual(after);
          // Asked once more, it does what it says.
          const again = await place.run(args);
          expect([0, 64]).toContain(again.status);
        } finally {
          place.remove();
        }
      });
      return points.length;
    } finally {
      template.remove();
    }
  }

  const first = message('m0', 'first');

  it('sessions reset leaves the old session or the new one, never something between', async () => {
    const points = await strikeAll(
      async place => void (await succeed(place, first.args)),
      async () => ['sessions', 'reset', 'main', '--json'],
      (before, after) => {
        if (after.current === before.current) expect(after.archived).toEqual([]);
        else expect(after.archived).toEqual([before.current]);
      },
    );
    expect(points).toBeGreaterThan(8);
  });

  it('sessions resume leaves either of the two current and the other archived', async () => {
    let archived = '';
    const points = await strikeAll(
      async place => {
        archived = JSON.parse((await succeed(place, first.args)).stdout).sessionId;
        await succeed(place, message('m1', '/new').args);
        await succeed(place, message('m2', 'second').args);
      },
      async () => ['sessions', 'resume', archived, '--json'],
      (before, after, place) => {
        // The line that archives the old one is the moment from which it is the other.
        const isDone = entries(place, before.current).some(entry => entry.type === 'reset');
        expect(after.current).toBe(isDone ? archived : before.current);
        if (isDone)
          expect(entries(place, archived).filter(entry => entry.type === 'resumed')).toHaveLength(1);
        expect(after.archived).toEqual([after.current === archived ? before.current : archived]);
      },
    );
    expect(points).toBeGreaterThan(8);
  });

  it('sessions delete leaves a session or an archive, and the next message is answered', async () => {
    const points = await strikeAll(
      async place => void (await succeed(place, first.args)),
      async () => ['sessions', 'delete', 'main', '--json'],
      (before, after) => {
        if (after.current === before.current) expect(after.archived).toEqual([]);
        else expect([[], [before.current]]).toContainEqual(after.archived);
      },
    );
    expect(points).toBeGreaterThan(3);
  });
});
