import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { BIN, Home, list, withRunner } from './claw.ts';
import { ageBy, Gate, gated, HOUR, inbox, program, recordFile, undelivered, until } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

const cat = () => new Home(withRunner({ command: 'cat' }));

describe('a mistake on the command line', () => {
  const mistakes: [string, string[], number][] = [
    ['an unknown command', ['ingset'], 64],
    ['an unknown subcommand', ['sessions', 'lst'], 64],
    ['half a command', ['inbox'], 64],
    ['an unknown flag', ['ingest', '--nope', 'hello'], 64],
    ['an unknown flag of a listing', ['sessions', '--nope'], 64],
    ['a flag without its value', ['ingest', 'hello', '--from'], 64],
    ['a missing argument', ['sessions', 'show'], 64],
    ['an argument too many', ['ingest', 'hello', 'you'], 64],
    ['no format', ['ingest', '--format', 'yaml', 'hello'], 64],
    ['no number of seconds', ['ingest', '--wait', 'soon', 'hello'], 64],
    ['no chat type', ['ingest', '--chat', 'party', 'hello'], 64],
    ['a blank id', ['ingest', '--from', ' ', 'hello'], 64],
    ['an agent that is not there', ['ingest', '--agent', 'nobody', 'hello'], 64],
    ['no session key', ['ingest', '--session', 'agent:../x:main', 'hello'], 64],
    ['a session of another agent', ['ingest', '--agent', 'main', '--session', 'agent:ops:main', 'hello'], 64],
    ['no number', ['sessions', '--limit', 'many'], 64],
    ['a negative number', ['sessions', 'history', 'main', '--last=-1'], 64],
    ['no time', ['sessions', '--at', 'tomorrow'], 64],
    ['a day that does not exist', ['route', '--at', '2026-02-30T04:00', 'hello'], 64],
    ['a session that is not there', ['sessions', 'show', 'telegram:group:-1'], 64],
    ['no maximum', ['tick', '--max', 'x'], 64],
    ['a config file that is not there', ['ingest', '--config', '/nonexistent/claw.json', 'hello'], 78],
    ['a message that is not JSON', ['ingest', '--format', 'json', '{'], 65],
    ['a blank message', ['ingest', '  '], 65],
  ];

  it.each(mistakes)('%s: one JSON error on stderr, nothing on stdout, nothing done', (_, args, status) => {
    home = new Home();
    const run = home.run([...args, '--json']);
    expect(run).toMatchObject({ status, stdout: '' });
    const { error, ...rest } = JSON.parse(run.stderr);
    expect(rest).toEqual({});
    expect(error).toMatchObject({
      code: expect.stringMatching(/^[a-z-]+$/),
      message: expect.stringMatching(/\S/),
    });
    expect(error.message).not.toMatch(/internal error|\n {4}at /);
    expect(list(home.dir)).toEqual([]);
  });

  it('says what, and which command helps', () => {
    home = new Home();
    expect(home.run(['ingset'])).toMatchObject({
      status: 64,
      stdout: '',
      stderr: expect.stringMatching(/"ingset".*\n.*claw ingest/),
    });
    expect(home.run(['ingest', '--nope', 'x']).stderr).toMatch(/--nope.*\n.*claw ingest --help/);
    expect(home.run(['ingest', '--agent', 'mian', 'x']).stderr).toMatch(/"mian".*main/);
    // A trailing colon announces something: it must be there.
    expect.soft(home.run(['ingest', 'two', 'words']).stderr).not.toMatch(/did you mean one of:\n/);
  });

  it('in the config is one report with every problem, its place and the nearest name', () => {
    home = new Home({
      sesion: {},
      session: { dmScope: 'per-person' },
      agents: { defaults: { runner: 'claud' } },
    });
    const run = home.run(['config', 'validate', '--json']);
    expect(run).toMatchObject({ status: 78, stdout: '' });
    const { message } = JSON.parse(run.stderr).error;
    expect(message).toContain(home.path('claw.json'));
    for (const part of [
      'sesion',
      '"session"',
      'session.dmScope',
      'per-peer',
      'agents.defaults.runner',
      'claud',
    ])
      expect(message).toContain(part);
    expect(home.run(['tick'])).toMatchObject({ status: 78, stdout: '' });
  });
});

describe('help', () => {
  it.each(['--help', '-h', 'help', ''])('claw %s lists the commands', word => {
    home = new Home();
    const run = home.run(word ? [word] : []);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    for (const command of ['ingest', 'sessions list', 'tick', 'config show'])
      expect(run.stdout).toContain(command);
  });

  it('every command that is listed explains itself', () => {
    home = new Home();
    const [, listed = ''] = home.run(['--help']).stdout.split(/^Commands$/m);
    const commands = listed
      .split('\n')
      .flatMap(line => /^ {2}([a-z]+(?: [a-z]+)?) {2,}\S/.exec(line)?.slice(1) ?? []);
    expect(commands.length).toBeGreaterThan(10);
    for (const command of commands) {
      const run = home.run([...command.split(' '), '--help']);
      expect(run, command).toMatchObject({ status: 0, stderr: '' });
      expect(run.stdout, command).toMatch(new RegExp(`^claw ${command}`));
      expect(run.stdout, command).toContain('--json');
      // Which kind of value an option takes, in words.
      expect.soft(run.stdout, command).not.toContain('#0');
    }
    expect(list(home.dir)).toEqual([]);
  });

  it('of a group of commands is there too', () => {
    home = new Home();
    for (const group of ['sessions', 'inbox', 'delivery', 'config']) {
      expect.soft(home.run([group, '--help']), group).toMatchObject({ status: 0, stderr: '' });
    }
  });

  it('its examples work as they stand', () => {
    home = cat();
    const help = home.run(['route', '--help']).stdout;
    const [, words] = /^ {2}claw (route .*)$/m.exec(help) ?? [];
    const run = home.run(words!.split(' '));
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.json()).toMatchObject({ sessionKey: 'agent:main:telegram:group:-100123:topic:7' });
  });
});

describe('flags and spellings', () => {
  it('an id that begins with a dash, as those of Telegram groups do, can be the next word', () => {
    home = cat();
    const run = home.run([
      'ingest',
      '--json',
      '--channel',
      'telegram',
      '--group',
      '-100',
      '--from',
      '1',
      '--mentioned',
      'hello',
    ]);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.json()).toMatchObject({ sessionKey: 'agent:main:telegram:group:-100' });
  });

  it('session status KEY is sessions show; session and sessions are the same', () => {
    home = cat();
    home.run(['ingest', 'hello']);
    const at = ['--json', '--at', '2099-01-01T00:00:00Z'];
    const shown = home.run(['sessions', 'show', 'main', ...at]);
    expect(shown.status).toBe(0);
    for (const words of [
      ['session', 'status'],
      ['sessions', 'status'],
      ['session', 'show'],
    ]) {
      expect(home.run([...words, 'main', ...at]).json()).toEqual(shown.json());
    }
    expect(home.run(['sessions', 'show', shown.json().sessionId, ...at]).json()).toEqual(shown.json());
    const listed = home.run(['sessions', 'list', ...at]).json();
    expect(home.run(['session', ...at]).json()).toEqual(listed);
    expect(listed).toMatchObject({
      path: home.path('agents'),
      count: 1,
      activeMinutes: null,
      sessions: [
        {
          key: 'agent:main:main',
          kind: 'main',
          messageCount: 2,
          model: null,
          sessionId: shown.json().sessionId,
        },
      ],
    });
    for (const name of [
      'updatedAt',
      'ageMs',
      'sessionAge',
      'inputTokens',
      'outputTokens',
      'totalTokens',
      'contextTokens',
    ]) {
      expect(listed.sessions[0][name], name).toBeTypeOf('number');
    }
  });

  it('--version', () => {
    home = new Home();
    expect(home.run(['--version'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    });
  });

  it('--config FILE is used instead of the one in the home', () => {
    home = new Home(withRunner({ command: 'false' }));
    const file = path.join(home.folder, 'other.json5');
    fs.writeFileSync(
      file,
      "// a comment\n{agents: {defaults: {runner: 'echo'}}, runners: {echo: {command: 'cat', context: 'none'}}}",
      { mode: 0o600 },
    );
    expect(home.run(['ingest', '--config', file, 'hello'])).toMatchObject({ status: 0, stdout: 'hello\n' });
    expect(home.run(['ingest', `--config=${file}`, 'hello']).status).toBe(0);
    expect(
      home.run(['config', 'show', '--effective', '--json', '--config', file]).json()[
        'agents.defaults.runner'
      ],
    ).toMatchObject({ value: 'echo' });
    expect(home.run(['ingest', 'hello']).status).toBe(69);
    // One config file does not take over the cached other.
    expect(home.run(['ingest', '--config', file, 'hello']).status).toBe(0);
  });
});

describe('standard input', () => {
  it('loses the one newline that echo adds, and nothing else', () => {
    home = cat();
    const reply = (input: string | Buffer) => home.run(['ingest', '--json'], { input }).json().reply.text;
    expect(reply('hello\n')).toBe('hello');
    expect(reply('  two lines\nof text  ')).toBe('  two lines\nof text  ');
    expect(reply('\ufeffwith a mark\r\n')).toBe('with a mark');
  });

  it('that is blank is refused, and nothing is kept', () => {
    home = cat();
    for (const input of ['', '\n', ' \n\t ']) {
      const run = home.run(['ingest'], { input });
      expect(run).toMatchObject({ status: 65, stdout: '' });
      expect(run.stderr).toMatch(/blank/);
    }
    expect(fs.existsSync(home.path('agents'))).toBe(false);
  });

  it('as one envelope is read as one; what looks like one and is none is refused', () => {
    home = new Home(withRunner({ command: 'cat' }, { session: { dmScope: 'per-peer' } }));
    const send = (input: string) => home.run(['ingest', '--json'], { input }).json();
    expect(send('{\n  "text": "hello",\n  "from": "7"\n}\n')).toMatchObject({
      sessionKey: 'agent:main:dm:7',
      reply: { text: 'hello' },
    });
    for (const text of ['"text"', '[12:30] hello', '{see below}'])
      expect(send(text)).toMatchObject({ reply: { text } });
    // A truncated or misspelt envelope must not become a message of the operator's own.
    for (const text of ['{"a":1}', '[{"text":"x"}]', '{"text":']) {
      const refused = home.run(['ingest', '--json'], { input: text });
      expect(refused).toMatchObject({ status: 65, stdout: '' });
      expect(refused.stderr).toContain('--format text');
      expect(home.run(['ingest', '--json', '--format', 'text'], { input: text }).json()).toMatchObject({
        reply: { text },
      });
    }
  });

  it('as NDJSON gives NDJSON, in order; the exit status is the worst of its lines', () => {
    home = new Home({
      session: { dmScope: 'per-peer' },
      agents: { defaults: { runner: 'cat' }, list: [{ id: 'main' }, { id: 'broken', runner: 'broken' }] },
      runners: { cat: { command: 'cat', context: 'none' }, broken: { command: 'false' } },
    });
    const messages = Array.from({ length: 12 }, (_, number) =>
      JSON.stringify({ from: String(number % 5), text: `message ${number}`, id: `m${number}` }),
    );
    const good = home.run(['ingest'], { input: `${messages.join('\n')}\n` });
    expect(good).toMatchObject({ status: 0, stderr: '' });
    expect(good.lines().map(({ messageId }) => messageId)).toEqual(messages.map((_, number) => `m${number}`));
    expect(home.users()).toHaveLength(12);
    for (const line of good.lines()) {
      if (line.status !== 'replied')
        expect(line).toMatchObject({ status: 'queued', answeredBy: expect.any(String) });
    }

    const mixed = [
      '{"from":"8","text":"fine"}',
      '{"agentId":"broken","text":"fails"}',
      'no JSON',
      '{"from":"9","text":"fine"}',
    ];
    const run = home.run(['ingest', '--format', 'ndjson'], { input: mixed.join('\n') });
    expect(run.status).toBe(69);
    expect(run.lines()).toMatchObject([
      { status: 'replied' },
      { status: 'failed' },
      { error: { code: 'not-json' } },
      { status: 'replied' },
    ]);
  });

  it('as NDJSON is answered while it is still open', async () => {
    home = cat();
    const child = spawn(process.execPath, [BIN, 'ingest', '--format', 'ndjson'], {
      env: home.env(),
      stdio: 'pipe',
    });
    let seen = '';
    child.stdout.on('data', chunk => {
      seen += chunk;
    });
    const ended = new Promise(resolve => child.once('close', resolve));
    try {
      for (const [number, text] of ['one', 'two'].entries()) {
        child.stdin.write(`{"text":"${text}"}\n`);
        await until(`an answer to ${text}`, () => seen.split('\n').length === number + 2, 10_000);
      }
    } finally {
      child.stdin.end();
    }
    expect(await ended).toBe(0);
    const results = seen
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(results).toMatchObject([{ reply: { text: 'one' } }, { reply: { text: 'two' } }]);
  });
});

describe('standard output', () => {
  it('in text mode: notices, then the reply', () => {
    home = cat();
    home.run(['ingest', 'hello']);
    ageBy(recordFile(home), 50 * HOUR);
    const run = home.run(['ingest', 'hello again']);
    expect(run).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^\(New session: [^\n]*\)\nhello again\n$/),
    });
  });

  it('with --stream: the reply as it comes, notices before it', async () => {
    home = new Home();
    const gate = new Gate(home);
    home.config(withRunner({ command: 'cat' }));
    home.run(['ingest', 'hello']);
    ageBy(recordFile(home), 50 * HOUR);
    home.config(withRunner({ command: program('two-steps.sh'), args: [gate.folder] }));
    gate.close();
    const { child, done } = home.start(['ingest', '--stream', 'hello']);
    let seen = '';
    child.stdout!.on('data', chunk => {
      seen += chunk;
    });
    await until('the first half is there', () => seen.includes('first half,'));
    gate.open();
    const run = await done;
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect.soft(run.stdout).toMatch(/^\(New session: [^\n]*\)\n/);
    expect(run.stdout.endsWith('first half, second half\n')).toBe(true);
    expect(home.replies().map(entry => entry.message.content)).toContain('first half, second half');
  });

  it('with --stream --json: NDJSON events, the last of which is the result', async () => {
    home = new Home();
    const gate = new Gate(home);
    home.config(withRunner({ command: program('two-steps.sh'), args: [gate.folder] }));
    gate.close();
    const { child, done } = home.start(['ingest', '--stream', '--json', 'hello']);
    let seen = '';
    child.stdout!.on('data', chunk => {
      seen += chunk;
    });
    await until('the first half is there', () => seen.includes('first half,'));
    gate.open();
    const run = await done;
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const events = run.lines();
    expect(events.at(-1)).toMatchObject({
      type: 'result',
      status: 'replied',
      reply: { text: 'first half, second half' },
    });
    const deltas = events.filter(event => event.type === 'delta').map(event => event.text);
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.join('')).toBe('first half, second half');
    expect.soft(events[0]).toMatchObject({ type: 'start', runId: expect.any(String) });
  });

  it('with --stream shows nothing of a silent or failed answer', () => {
    home = new Home(withRunner({ command: program('say.sh'), args: ['NO_REPLY'] }));
    expect(home.run(['ingest', '--stream', 'hello'])).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^\n?$/),
    });
    home.config(withRunner({ command: 'false' }));
    expect(home.run(['ingest', '--stream', '--json', 'hello']).lines().at(-1)).toMatchObject({
      type: 'result',
      status: 'failed',
    });
  });

  it.each([[[]], [['--json']], [['--stream']]])(
    'that nobody reads any more is no crash, and the reply is in delivery list (%j)',
    async how => {
      home = new Home();
      const gate = gated(home);
      gate.close();
      const { child, done } = home.start(['ingest', ...how, 'hello']);
      await gate.begun();
      child.stdout!.destroy();
      gate.open();
      const run = await done;
      expect(run).toMatchObject({ status: 0, signal: null });
      expect(run.stderr).not.toMatch(/EPIPE|internal error/);
      expect(undelivered(home)).toMatchObject([{ text: 'hello', sessionKey: 'agent:main:main' }]);
      expect(inbox(home)).toEqual([]);
      home.run(['tick']);
      expect(gate.runs()).toHaveLength(1);
    },
  );

  it('that nobody reads any more, of a message that stood in line: its reply is in delivery list too', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const holder = home.start(['ingest', 'first']);
    await gate.begun();
    const waiter = home.start(['ingest', 'second']);
    await until('the second is in line', () =>
      list(home.path('pending', 'main')).some(name => name.endsWith('.json')),
    );
    waiter.child.stdout!.destroy();
    gate.open();
    expect(await holder.done).toMatchObject({ status: 0, stdout: 'first\n' });
    expect(await waiter.done).toMatchObject({ status: 0, signal: null });
    expect(undelivered(home)).toMatchObject([{ text: 'second' }]);
  });

  it('of NDJSON that nobody reads any more: the replies are in delivery list too', async () => {
    home = new Home();
    const gate = gated(home, { session: { dmScope: 'per-peer' } });
    gate.close();
    const input = '{"from":"1","text":"one"}\n{"from":"2","text":"two"}\n';
    const { child, done } = home.start(['ingest', '--format', 'ndjson'], { input });
    await gate.begun(2);
    child.stdout!.destroy();
    gate.open();
    expect(await done).toMatchObject({ signal: null });
    expect(
      undelivered(home)
        .map(({ text }) => text)
        .toSorted(),
    ).toEqual(['one', 'two']);
  });
});

describe('the whole of a run', () => {
  it('has no listening socket (Z10 openclaw#9435, CVE-2026-28395)', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    home.run(['ingest', '--no-wait', '--session', 'telegram:group:-1', 'later']);
    const ingest = home.start(['ingest', 'hello']);
    await gate.begun(1);
    const tick = home.start(['tick']);
    await gate.begun(2);
    for (const { child } of [ingest, tick]) expect(listening(child.pid!)).toEqual([]);
    gate.open();
    await Promise.all([ingest.done, tick.done]);
  });

  it('with no other process alive, every command works (O02 openclaw#75794)', () => {
    home = new Home();
    home.run(['ingest', 'hello']);
    for (const args of [
      ['sessions'],
      ['status'],
      ['inbox', 'list'],
      ['delivery', 'list'],
      ['tick'],
      ['config', 'validate'],
    ]) {
      const run = home.run([...args, '--json']);
      expect(run, args.join(' ')).toMatchObject({ status: 0, stderr: '' });
      expect(run.json()).toBeTypeOf('object');
    }
  });

  it('init makes a home that works at once, and never overwrites', () => {
    home = new Home();
    fs.rmdirSync(home.dir);
    const run = home.run(['init']);
    expect(run.status).toBe(0);
    expect(run.stdout).toMatch(/claw ingest/);
    expect(home.run(['config', 'validate'])).toMatchObject({ status: 0, stderr: '' });
    fs.writeFileSync(home.path('claw.json'), '{ timezone: "Europe/Stockholm" } // mine', { mode: 0o600 });
    const again = home.run(['init']);
    expect([0, 73]).toContain(again.status);
    expect(fs.readFileSync(home.path('claw.json'), 'utf8')).toBe('{ timezone: "Europe/Stockholm" } // mine');
    expect(home.run(['ingest', 'hello']).status).toBe(0);
  });
});

/** Sockets of a process on which it listens, from its descriptors and the tables of its network namespace. */
function listening(pid: number): string[] {
  const own = new Set(
    fs.readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
      try {
        return /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const rows = (table: string) => {
    const file = `/proc/${pid}/net/${table}`;
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n').slice(1) : [];
  };
  const tcp = ['tcp', 'tcp6']
    .flatMap(rows)
    .map(row => row.trim().split(/\s+/))
    .filter(row => row[3] === '0A' && own.has(row[9]!));
  // Flag 00010000: it accepts connections.
  const unix = rows('unix')
    .map(row => row.trim().split(/\s+/))
    .filter(row => row[3] === '00010000' && own.has(row[6]!));
  return [...tcp, ...unix].map(row => row.join(' '));
}
