/** `claw import`: older systems' state, whole and harmed, by the built command. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Home, list, withRunner } from './claw.ts';
import { contents, gated, inbox, modes, recordFiles, snapshot, until } from './support.ts';

const FIXTURES = path.resolve(import.meta.dirname, '../fixtures/imports');
const T = 1_767_225_600_000;
const MAIN = '0b1c2d3e-1111-4aaa-8bbb-000000000001';
const BOT_MAIN = '5e55a000-2222-4aaa-8bbb-000000000001';
const BAD = (number: number) => `bad00000-3333-4aaa-8bbb-00000000000${number}`;

const homes: Home[] = [];
afterEach(() => {
  for (const home of homes.splice(0)) home.cleanUp();
});

function newHome(config?: object): Home {
  const home = new Home(config);
  homes.push(home);
  return home;
}

/** A copy of a fixture below a home's folder, so that a test may change it. */
function copyOf(home: Home, name: string): string {
  const folder = path.join(home.folder, 'old');
  fs.cpSync(path.join(FIXTURES, name), folder, { recursive: true });
  return folder;
}

function sessionKeys(home: Home): string[] {
  return home
    .run(['sessions', '--json'])
    .json()
    .sessions.map((row: { key: string }) => row.key)
    .sort();
}

function texts(home: Home, name: string): string[] {
  const run = home.run(['sessions', 'history', name, '--json']);
  return run.json().messages.map((message: { text: string }) => message.text);
}

/** Files of claw's state with their hashes; the cache of the config and locks say nothing of it. */
const stateOf = (home: Home) => contents(home.dir, ['cache']);

describe('claw import of Clawdis', () => {
  it('brings sessions, settings, tokens, history and config, and leaves the source as it was', () => {
    const home = newHome();
    const source = copyOf(home, 'clawdis');
    const before = snapshot(source);
    const run = home.run(['import', source, '--json']);
    expect(run.status).toBe(0);
    expect(run.json()).toMatchObject({
      system: 'clawdis',
      sessions: { imported: 2, archived: 1 },
      entries: { messages: 9, toolCalls: 1, toolResults: 1, thinking: 1, unreadable: 0 },
      config: { outcome: 'written' },
      notTaken: [{ what: 'credentials', file: 'credentials' }],
    });
    expect(snapshot(source)).toEqual(before);
    expect(sessionKeys(home)).toEqual(['agent:main:main', 'agent:main:whatsapp:group:12036-55@g.us']);
    expect(texts(home, 'main')).toEqual([
      'the spare key is with Ada',
      'Noted: Ada has the spare key.',
      'list my notes',
      'Looking.',
      'You have a.md.',
    ]);
    const record = JSON.parse(fs.readFileSync(recordFiles(home)[0]!, 'utf8'));
    expect(record).toMatchObject({
      sessionId: MAIN,
      startedAt: T,
      lastUserAt: T + 20_000,
      updatedAt: T + 60_000,
      channel: 'whatsapp',
      tokens: { inputTokens: 900, outputTokens: 70, contextTokens: 154_000 },
      lastRoute: { channel: 'whatsapp', to: '+15555550123' },
    });
    expect(home.run(['sessions', 'show', 'main', '--json']).json().settings).toMatchObject({
      thinkingLevel: { value: 'high', source: 'session' },
      verboseLevel: { value: 'on', source: 'session' },
    });
    expect(record.bytes).toBe(fs.statSync(home.path('agents/main/sessions', `${MAIN}.jsonl`)).size);
    expect(home.run(['config', 'validate']).status).toBe(0);
    expect(
      home
        .run(['doctor', '--json'])
        .json()
        .checks.find((check: any) => check.id === 'records').status,
    ).toBe('ok');
    expect(modes(home.dir).filter(({ mode, isFolder }) => mode !== (isFolder ? '700' : '600'))).toEqual([]);
  });

  it('finds the state folder below its parent, and the legacy store at the root of warelay', () => {
    const home = newHome();
    fs.cpSync(path.join(FIXTURES, 'warelay'), path.join(home.folder, '.warelay'), { recursive: true });
    expect(home.run(['import', home.folder, '--json']).json()).toMatchObject({
      system: 'warelay',
      sessions: { imported: 1 },
    });
    expect(texts(home, 'main')).toEqual(['an old message', 'an old answer']);
  });

  it('goes on with an imported session: the agent is given what was said there', async () => {
    const home = newHome();
    const gate = gated(home, { session: { reset: { mode: 'off' } } }, { context: 'claw' });
    expect(home.run(['import', path.join(FIXTURES, 'clawdis')]).status).toBe(0);
    const reply = home.run(['ingest', 'who has the key?', '--json']);
    expect(reply.status).toBe(0);
    expect(reply.json()).toMatchObject({ status: 'replied', sessionId: MAIN, isNewSession: false });
    expect(gate.prompts()).toHaveLength(1);
    expect(gate.prompts()[0]).toContain('the spare key is with Ada');
    expect(gate.prompts()[0]).toContain('who has the key?');
    expect(gate.prompts()[0]).not.toContain('remember that');
  });

  it('leaves nothing that waits for an answer: no inbox, no tick and no repair finds a turn to run', () => {
    const home = newHome();
    const gate = gated(home);
    home.run(['import', path.join(FIXTURES, 'clawdis')]);
    home.run(['import', path.join(FIXTURES, 'harmed/bad-lines')]);
    expect(inbox(home)).toEqual([]);
    for (const file of recordFiles(home)) fs.writeFileSync(file, '');
    expect(home.run(['doctor', '--fix', '--json']).json().checks).toContainEqual(
      expect.objectContaining({ id: 'records', fixed: true }),
    );
    home.run(['tick']);
    expect(inbox(home)).toEqual([]);
    expect(gate.runs()).toEqual([]);
    // The tick has begun a new day; what was said stands in the session before.
    const { previousSessionId } = home.run(['sessions', 'show', 'main', '--json']).json();
    expect(home.run(['sessions', 'history', 'main']).stderr).toContain(previousSessionId);
    expect(texts(home, previousSessionId)).toContain('the spare key is with Ada');
  });
});

describe('claw import of Clawdbot', () => {
  it('brings agents, topics, archived transcripts, jobs and runs, and no secret', () => {
    const home = newHome();
    const run = home.run(['import', path.join(FIXTURES, 'clawdbot'), '--json']);
    expect(run.status).toBe(65);
    const report = run.json();
    expect(report).toMatchObject({
      system: 'clawdbot',
      sessions: { imported: 4, archived: 4, skipped: 0 },
      jobs: { imported: ['morning', 'gym', 'grid'], invalid: [{ id: 'odd' }] },
      runs: { imported: 1 },
      settingsLeftOut: { 'queueMode "steer"': 1, 'execHost "node"': 1 },
    });
    expect(report.problems.map((problem: any) => problem.file)).toEqual([
      'agents/main/sessions/sessions.json',
      'cron/runs/morning.jsonl',
    ]);
    expect(home.run(['cron', 'list', '--json']).json()).toMatchObject({
      jobs: [{ id: 'morning' }, { id: 'gym' }, { id: 'grid' }],
      invalid: [],
    });
    expect(home.run(['cron', 'runs', 'morning', '--json']).json().entries).toEqual([
      expect.objectContaining({ ts: T + 1000, status: 'ok', imported: 'clawdbot' }),
    ]);
    expect(sessionKeys(home)).toEqual([
      'agent:main:discord:dm:U9',
      'agent:main:main',
      'agent:main:telegram:group:-100123:topic:7',
      'agent:work:main',
    ]);
    // #45025: of two keys that are one here the newer goes on, the older is still found by its id.
    expect(texts(home, 'agent:main:discord:dm:U9')).toEqual(['the newer chat', 'yes']);
    expect(texts(home, '5e55a000-2222-4aaa-8bbb-000000000004')).toEqual(['the older chat', 'yes']);
    expect(texts(home, '5e55a000-2222-4aaa-8bbb-00000000beef')).toEqual(['deleted talk', 'gone']);
    expect(texts(home, '5e55a000-2222-4aaa-8bbb-000000000005')).toEqual(['nobody names me', 'indeed']);
    const reset = report.notable.find((each: any) => each.file.includes('.reset.'));
    expect(texts(home, reset.sessionId)).toEqual(['before the reset', 'ok']);

    const { jobs } = JSON.parse(fs.readFileSync(home.path('cron/jobs.json'), 'utf8'));
    expect(jobs[0]).toEqual({
      id: 'morning',
      name: 'Morning check',
      enabled: true,
      createdAtMs: T,
      updatedAtMs: T,
      schedule: { kind: 'cron', expr: '0 8 * * *', tz: 'Europe/Stockholm' },
      sessionTarget: 'isolated',
      wakeMode: 'next-heartbeat',
      payload: {
        kind: 'agentTurn',
        message: 'Morning briefing',
        deliver: true,
        channel: 'telegram',
        to: '4242',
      },
    });
    const runs = fs.readFileSync(home.path('cron/runs/morning.jsonl'), 'utf8').trim().split('\n');
    expect(runs.map(line => JSON.parse(line))).toEqual([
      expect.objectContaining({ ts: T + 1000, status: 'ok', imported: 'clawdbot' }),
      expect.objectContaining({ type: 'imported_unreadable', text: '{"ts":1,"torn', imported: 'clawdbot' }),
    ]);

    for (const name of fs.readdirSync(home.dir, { recursive: true, encoding: 'utf8' })) {
      const file = home.path(name);
      if (fs.statSync(file).isFile()) expect(fs.readFileSync(file, 'utf8'), name).not.toContain('SECRET');
    }
    expect(run.stdout).not.toContain('SECRET');
    const config = home.run(['config', 'show', '--json']).json();
    expect(config.channels).toMatchObject({
      telegram: { dmPolicy: 'pairing', allowFrom: ['4242'] },
      discord: { dmPolicy: 'disabled', groupPolicy: 'disabled' },
    });
  });

  it('never overwrites a job, a config or a session of claw itself', () => {
    const home = newHome(withRunner({ command: '/bin/cat' }));
    fs.mkdirSync(home.path('cron'));
    const mine = { version: 1, jobs: [{ id: 'morning', name: 'mine' }] };
    fs.writeFileSync(home.path('cron/jobs.json'), JSON.stringify(mine));
    const config = fs.readFileSync(home.path('claw.json'), 'utf8');
    const talk = home.run(['ingest', 'I was here first', '--json']).json();
    const run = home.run(['import', path.join(FIXTURES, 'clawdbot'), '--json']);
    expect(run.json()).toMatchObject({
      config: { outcome: 'kept' },
      jobs: { existing: ['morning'], imported: ['gym', 'grid'] },
    });
    expect(fs.readFileSync(home.path('claw.json'), 'utf8')).toBe(config);
    const { jobs } = JSON.parse(fs.readFileSync(home.path('cron/jobs.json'), 'utf8'));
    expect(jobs.map((job: any) => job.name)).toEqual(['mine', 'Gym', 'Grid']);
    expect(home.run(['sessions', 'show', 'main', '--json']).json().sessionId).toBe(talk.sessionId);
    expect(texts(home, 'main')[0]).toBe('I was here first');
    // Its own session under that key is kept, so the imported one is archived.
    expect(texts(home, BOT_MAIN)[0]).toBe('my sister is called Grace');
  });

  it('reports a list of jobs that cannot be read, and leaves it', () => {
    const home = newHome();
    fs.mkdirSync(home.path('cron'));
    fs.writeFileSync(home.path('cron/jobs.json'), '{"version":1,"jobs":[{"id"');
    const run = home.run(['import', path.join(FIXTURES, 'clawdbot'), '--json']);
    expect(run.status).toBe(65);
    expect(run.json().problems.map((problem: any) => problem.file)).toContain(home.path('cron/jobs.json'));
    expect(fs.readFileSync(home.path('cron/jobs.json'), 'utf8')).toBe('{"version":1,"jobs":[{"id"');
  });
});

describe('claw import of the deep-wiki layout', () => {
  it('reads keys from file names, and ends a session where it was reset', () => {
    const home = newHome();
    const run = home.run(['import', path.join(FIXTURES, 'deepwiki'), '--json']);
    expect(run.status).toBe(0);
    expect(run.json()).toMatchObject({ system: 'openclaw', sessions: { imported: 2 }, notable: [] });
    const key = 'agent:main:whatsapp:dm:+15555550123';
    expect(sessionKeys(home)).toEqual(['agent:main:telegram:group:123456789', key]);
    expect(texts(home, key)).toEqual(['Good morning', 'Morning!']);
    const shown = home.run(['sessions', 'show', key, '--json']).json();
    expect(texts(home, shown.previousSessionId)).toEqual(['Hello', 'Hi!']);
    const [row] = home.run(['sessions', '--json', '--kind', 'dm']).json().sessions;
    expect(row).toMatchObject({ model: 'anthropic/claude-opus-4-5', thinkingLevel: 'medium' });
    const earlier = home.transcripts().get(`${shown.previousSessionId}.jsonl`)!;
    expect(earlier).toContainEqual(
      expect.objectContaining({ type: 'compact', reason: 'overflow', turns_removed: 5 }),
    );
    expect(earlier.at(-1)).toMatchObject({ type: 'reset', reason: 'daily', nextSessionId: shown.sessionId });
  });
});

describe('claw import of a harmed store', () => {
  // #77783: an index of 0 bytes must not look like an empty store.
  it.each([
    ['empty-index', [BAD(1), BAD(2), BAD(3)].map(id => `agent:main:imported:${id}`)],
    ['truncated-index', [`agent:main:imported:${BAD(3)}`, 'agent:main:main', 'agent:main:telegram:group:-5']],
  ])('takes transcripts by themselves: %s', (name, keys) => {
    const home = newHome();
    const run = home.run(['import', path.join(FIXTURES, 'harmed', name), '--json']);
    expect(run.status).toBe(65);
    expect(run.json().problems).toEqual([
      expect.objectContaining({ file: 'agents/main/sessions/sessions.json' }),
    ]);
    expect(run.json().notes.join()).toMatch(/its session index cannot be read/);
    expect(sessionKeys(home)).toEqual(keys);
    expect(texts(home, BAD(3))).toEqual(['talk 3', 'answer 3']);
  });

  it('keeps every line it cannot read', () => {
    const home = newHome();
    const run = home.run(['import', path.join(FIXTURES, 'harmed/bad-lines'), '--json']);
    expect(run.status).toBe(65);
    expect(run.json().entries).toMatchObject({ messages: 3, unreadable: 3 });
    expect(texts(home, 'main')).toEqual(['first', 'second', 'unanswered']);
    const entries = home.transcripts().get(`${BAD(1)}.jsonl`)!;
    const kept = entries.filter(entry => entry.type === 'imported_unreadable');
    expect(kept.map(entry => entry.text ?? entry.base64)).toEqual([
      '{"type":"message","timest',
      Buffer.alloc(64).toString('base64'),
      '{"type":"message","message":{"role":"assistant","con',
    ]);
    expect(entries).toContainEqual(
      expect.objectContaining({ type: 'imported_line', line: { noType: true } }),
    );
  });

  it('keeps a line that is nested too deeply to be written again', () => {
    const home = newHome();
    const source = copyOf(home, 'clawdis');
    const deep = `{"type":"custom","data":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    fs.appendFileSync(path.join(source, 'sessions', `${MAIN}.jsonl`), `${deep}\n`);
    expect(home.run(['import', source, '--json']).json()).toMatchObject({
      sessions: { imported: 2 },
      entries: { unreadable: 1 },
    });
    const entries = home.transcripts().get(`${MAIN}.jsonl`)!;
    expect(entries.find(entry => entry.type === 'imported_unreadable').text).toBe(deep);
  });

  it('follows no path and no key out of the store', () => {
    const home = newHome();
    const run = home.run(['import', path.join(FIXTURES, 'harmed/unsafe-ids'), '--json']);
    expect(run.status).toBe(65);
    expect(sessionKeys(home)).toEqual(['agent:main:telegram:group:-6']);
    expect(texts(home, BAD(4))).toEqual(['upwards', 'ok']);
    const renamed = run.json().notable.find((each: any) => each.outcome === 'renamed');
    expect(renamed.reason).toMatch(/has space/);
    expect(texts(home, renamed.sessionId)).toEqual(['spaced', 'ok']);
    expect(list(home.path('agents'))).toEqual(['main']);
  });

  it('opens no link that leads out, no folder and no pipe', () => {
    const home = newHome();
    const source = copyOf(home, 'clawdbot');
    const sessions = path.join(source, 'agents/main/sessions');
    const outside = path.join(home.folder, 'outside.jsonl');
    fs.writeFileSync(outside, '{"type":"message","message":{"role":"user","content":"OUTSIDE"}}\n');
    fs.symlinkSync(outside, path.join(sessions, 'linked.jsonl'));
    fs.symlinkSync('looped.jsonl', path.join(sessions, 'looped.jsonl'));
    fs.symlinkSync('/nowhere', path.join(sessions, 'dangling.jsonl'));
    fs.mkdirSync(path.join(sessions, 'folder.jsonl'));
    fs.writeFileSync(path.join(sessions, 'empty.jsonl'), '');
    const run = home.run(['import', source, '--json']);
    expect(run.status).toBe(65);
    const problems = Object.fromEntries(
      run.json().problems.map((each: any) => [path.basename(each.file), each.reason]),
    );
    expect(problems).toMatchObject({
      'linked.jsonl': expect.stringMatching(/leads out/),
      'dangling.jsonl': expect.stringMatching(/leads nowhere/),
      'looped.jsonl': expect.stringMatching(/ELOOP/),
      'folder.jsonl': expect.stringMatching(/not a plain file/),
      'empty.jsonl': expect.stringMatching(/empty/),
    });
    expect(JSON.stringify([...home.transcripts().values()])).not.toContain('OUTSIDE');
  });

  it.each([
    ['a folder with nothing known in it', (home: Home) => home.folder, 65, 'import-source-unknown'],
    ['no folder', (home: Home) => path.join(home.folder, 'nowhere'), 64, 'import-source-missing'],
    ["claw's own state", (home: Home) => home.dir, 64, 'import-source-own'],
  ])('refuses %s', (_, folder, status, code) => {
    const home = newHome();
    fs.mkdirSync(home.path('agents/main/sessions'), { recursive: true });
    const run = home.run(['import', folder(home), '--json']);
    expect(run.status).toBe(status);
    expect(JSON.parse(run.stderr).error.code).toBe(code);
    expect(run.stdout).toBe('');
  });

  it('asks which, where a folder holds the state of several systems', () => {
    const home = newHome();
    for (const name of ['warelay', 'clawdis'])
      fs.cpSync(path.join(FIXTURES, name), path.join(home.folder, `.${name}`), { recursive: true });
    const run = home.run(['import', home.folder, '--json']);
    expect(JSON.parse(run.stderr).error.code).toBe('import-source-ambiguous');
  });
});

describe('claw import once more', () => {
  it.each(['clawdis', 'clawdbot', 'deepwiki', 'harmed/empty-index', 'harmed/bad-lines', 'harmed/unsafe-ids'])(
    'changes nothing: %s',
    name => {
      const home = newHome();
      home.run(['import', path.join(FIXTURES, name)]);
      const first = snapshot(home.dir, ['locks', 'cache']);
      const { sessions } = home.run(['import', path.join(FIXTURES, name), '--json']).json();
      expect(sessions).toMatchObject({ imported: 0, updated: 0, archived: 0, kept: 0 });
      const { '.': _, ...second } = snapshot(home.dir, ['locks', 'cache']);
      const { '.': __, ...before } = first;
      expect(second).toEqual(before);
    },
  );

  it('takes what has grown there', () => {
    const home = newHome();
    const source = copyOf(home, 'clawdis');
    home.run(['import', source]);
    const file = path.join(source, 'sessions', `${MAIN}.jsonl`);
    fs.appendFileSync(
      file,
      '{"type":"message","timestamp":1767225700000,"message":{"role":"user","content":"more"}}\n',
    );
    expect(home.run(['import', source, '--json']).json().sessions).toMatchObject({
      updated: 1,
      unchanged: 2,
    });
    expect(texts(home, 'main').at(-1)).toBe('more');
    // A fresh import of the same source gives the same files.
    const other = newHome();
    other.run(['import', source]);
    expect(stateOf(home)).toEqual(stateOf(other));
  });

  it('knows the same store again where it was moved to', () => {
    const home = newHome();
    home.run(['import', path.join(FIXTURES, 'clawdbot')]);
    const before = stateOf(home);
    const { sessions } = home.run(['import', copyOf(home, 'clawdbot'), '--json']).json();
    expect(sessions).toMatchObject({ unchanged: 8, imported: 0, updated: 0, archived: 0, kept: 0 });
    expect(stateOf(home)).toEqual(before);
  });

  it('leaves alone what has gone on here', () => {
    const home = newHome(withRunner({ command: '/bin/cat' }, { session: { reset: { mode: 'off' } } }));
    const source = copyOf(home, 'clawdis');
    home.run(['import', source]);
    home.run(['ingest', 'we go on here']);
    fs.appendFileSync(path.join(source, 'sessions', `${MAIN}.jsonl`), '{"type":"custom","a":1}\n');
    const before = stateOf(home);
    expect(home.run(['import', source, '--json']).json()).toMatchObject({
      sessions: { kept: 1, unchanged: 2, updated: 0 },
      notable: [expect.objectContaining({ outcome: 'kept', sessionId: MAIN })],
    });
    expect(stateOf(home)).toEqual(before);
    expect(texts(home, 'main')).toContain('we go on here');
  });

  it('skips a session that is in use, and brings it next time', async () => {
    const home = newHome();
    const gate = gated(home);
    gate.close();
    const turn = home.start(['ingest', 'busy now']);
    await gate.begun();
    const run = home.run(['import', path.join(FIXTURES, 'clawdis'), '--json']);
    expect(run.status).toBe(75);
    expect(run.json()).toMatchObject({ busy: ['agent:main:main'], sessions: { imported: 1, skipped: 1 } });
    gate.open();
    expect((await turn.done).status).toBe(0);
    expect(home.run(['import', path.join(FIXTURES, 'clawdis'), '--json']).status).toBe(0);
    expect(texts(home, MAIN)[0]).toBe('the spare key is with Ada');
  });

  it('says with --dry-run what would come, and writes nothing', () => {
    const home = newHome();
    const before = snapshot(home.dir);
    const dry = home.run(['import', path.join(FIXTURES, 'clawdbot'), '--dry-run', '--json']).json();
    expect(snapshot(home.dir)).toEqual(before);
    const real = home.run(['import', path.join(FIXTURES, 'clawdbot'), '--json']).json();
    expect({ ...dry, dryRun: false }).toEqual(real);
  });
});

/** A store with one session, and what lies beside it. */
function oneSession(folder: string, lines: string[], files: Record<string, string> = {}): string {
  const sessions = path.join(folder, 'old/agents/main/sessions');
  fs.mkdirSync(sessions, { recursive: true });
  fs.writeFileSync(
    path.join(sessions, 'sessions.json'),
    JSON.stringify({ 'agent:main:main': { sessionId: 's1' } }),
  );
  fs.writeFileSync(path.join(sessions, 's1.jsonl'), lines.map(line => `${line}\n`).join(''));
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, 'old', name), text);
  return path.join(folder, 'old');
}

const said = (content: string) =>
  JSON.stringify({ type: 'message', timestamp: T, message: { role: 'user', content } });

describe('claw import of a store that means harm', () => {
  it('keeps a reset line that is nested too deeply to be written, and splits there', () => {
    const home = newHome();
    const deep = `{"type":"reset","reason":"daily","x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    const source = oneSession(home.folder, [said('before'), deep, said('after')]);
    const run = home.run(['import', source, '--json']);
    expect(run.status).toBe(65);
    expect(run.json()).toMatchObject({
      entries: { messages: 2, resets: 1, unreadable: 1 },
      problems: [{ file: 'agents/main/sessions/s1.jsonl', reason: expect.stringMatching(/^1 line is/) }],
    });
    expect(texts(home, 'main')).toEqual(['after']);
    const kept = home.transcripts().get('s1.jsonl')!;
    expect(kept.find(entry => entry.type === 'imported_unreadable').text).toBe(deep);
  });

  it('is not written into, by whatever links the home leads there', () => {
    const home = newHome();
    const source = oneSession(home.folder, [said('hi')]);
    fs.symlinkSync(source, path.join(home.folder, 'link'));
    const before = snapshot(source);
    const run = home.run(['import', source], {
      env: { CLAW_HOME: path.join(home.folder, 'link/to/be/made') },
    });
    expect(run).toMatchObject({ status: 64, stdout: '' });
    expect(snapshot(source)).toEqual(before);
  });

  it('is not for an agent: what it brings would be sessions, jobs and a configuration of its choice', () => {
    const home = newHome();
    const source = oneSession(home.folder, [said('hi')]);
    const env = { CLAW_RUN_ID: 'r', CLAW_AGENT_ID: 'main', CLAW_SESSION_KEY: 'agent:main:main' };
    for (const args of [
      ['import', source],
      ['import', source, '--dry-run'],
    ])
      expect(home.run(args, { env }).status).toBe(77);
    expect(list(home.dir)).toEqual([]);
  });
});

/** A store of so many sessions. */
function manySessions(folder: string, count: number): void {
  const sessions = path.join(folder, 'agents/main/sessions');
  fs.mkdirSync(sessions, { recursive: true });
  const index: Record<string, object> = {};
  for (let number = 0; number < count; number++) {
    const hex = createHash('sha256').update(String(number)).digest('hex');
    const sessionId = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
    const at = T + number * 1000;
    const lines = [
      { type: 'session', version: 3, id: sessionId, timestamp: new Date(at).toISOString() },
      { type: 'message', timestamp: at + 1, message: { role: 'user', content: `question ${number}` } },
      { type: 'message', timestamp: at + 2, message: { role: 'assistant', content: `answer ${number}` } },
    ];
    fs.writeFileSync(
      path.join(sessions, `${sessionId}.jsonl`),
      `${lines.map(line => JSON.stringify(line)).join('\n')}\n`,
    );
    // Every fifth has no entry, so that archived ones are among them.
    if (number % 5 > 0) index[`agent:main:telegram:group:-${number}`] = { sessionId, updatedAt: at + 3 };
  }
  fs.writeFileSync(path.join(sessions, 'sessions.json'), JSON.stringify(index));
}

describe('claw import that was killed', () => {
  it('ends, run again, where an uninterrupted run ends', async () => {
    const whole = newHome();
    const source = path.join(whole.folder, 'old');
    manySessions(source, 700);
    expect(whole.run(['import', source]).status).toBe(0);
    const complete = snapshotOfNames(whole);
    // Within the first round's names, and with sessions already in place.
    for (const names of [1, 300]) {
      const home = newHome();
      const { child, done } = home.start(['import', source]);
      await until('transcripts appear', () => list(home.path('agents/main/sessions')).length > names);
      child.kill('SIGKILL');
      const end = await done;
      expect(end.signal, 'it was killed before it ended').toBe('SIGKILL');
      // Every record that stands names a transcript that is whole.
      expect(home.run(['sessions', '--json']).status).toBe(0);
      expect(home.run(['import', source]).status).toBe(0);
      expect(stateOf(home)).toEqual(stateOf(whole));
      expect(snapshotOfNames(home)).toEqual(complete);
    }
  });
});

/** Every name below a home, folders, locks and temporaries too. */
function snapshotOfNames(home: Home): string[] {
  return Object.keys(snapshot(home.dir, ['cache'])).sort();
}
