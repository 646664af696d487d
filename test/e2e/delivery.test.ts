import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { HOOK } from '../faults/lab.ts';
import { AGENTS, BIN, Home, withRunner } from './claw.ts';
import { ageBy, HOUR, lives, MINUTE, recordFile, undelivered, until } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

const sentFile = () => path.join(home.folder, 'sent');
const sent = () =>
  fs.existsSync(sentFile()) ? fs.readFileSync(sentFile(), 'utf8').split('\n').filter(Boolean) : [];

/** A home whose channel telegram has a sender: a shell script, run with its text on stdin. */
function withSender(script: string): void {
  home = new Home();
  useSender(script);
}

function useSender(script: string, runner: object = { command: 'cat' }): void {
  const send = { command: 'sh', args: ['-c', script], env: { SENT: sentFile(), STORE: home.dir } };
  home.config(withRunner(runner, { channels: { telegram: { send } } }));
}

const NOTE = 'echo "$CLAW_CHANNEL $CLAW_TO: $(cat)" >> "$SENT"';

const say = (text: string, ...more: string[]) =>
  home.run(['ingest', '--json', '--channel', 'telegram', '--from', '!AbC:x', ...more, text]);

describe('--deliver', () => {
  it('sends the reply to where its message came from, as well as printing it; once, with the id byte for byte (K02 openclaw#75670)', () => {
    withSender(NOTE);
    expect(say('hello', '--id', 'm1', '--deliver').json()).toMatchObject({
      status: 'replied',
      reply: { text: 'hello' },
    });
    expect(sent()).toEqual(['telegram !AbC:x: hello']);
    expect(say('hello', '--id', 'm1', '--deliver').json()).toMatchObject({ status: 'duplicate' });
    home.run(['tick']);
    expect(sent()).toHaveLength(1);
    expect(undelivered(home)).toEqual([]);
  });

  it('to a group goes to the group', () => {
    withSender(NOTE);
    home.run([
      'ingest',
      '--channel',
      'telegram',
      '--group=-100',
      '--from',
      '1',
      '--mentioned',
      '--deliver',
      'hello',
    ]);
    expect(sent()).toEqual(['telegram -100: hello']);
  });

  it('without it, and of a silent reply, nothing is sent', () => {
    withSender(NOTE);
    say('hello');
    useSender(NOTE, { command: 'echo', args: ['NO_REPLY'] });
    expect(say('hello', '--deliver').json()).toMatchObject({ status: 'silent' });
    home.run(['tick']);
    expect(sent()).toEqual([]);
    expect(undelivered(home)).toEqual([]);
  });

  it('where the channel has no sender keeps the reply and says so', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const run = say('hello', '--deliver');
    expect(run.status).toBe(0);
    expect(run.stderr).toContain('channels.telegram.send');
    expect(undelivered(home)).toMatchObject([{ text: 'hello' }]);
  });

  it('a sender that asks for later is tried again, one that fails is not; neither is called sent (D06 openclaw#29106)', () => {
    withSender('exit 75');
    const run = say('hello', '--deliver');
    expect(run).toMatchObject({ status: 0, stderr: expect.stringMatching(/not sent/) });
    expect(undelivered(home)).toMatchObject([{ text: 'hello', state: 'waiting', attempts: [{}] }]);
    home.run(['tick']);
    expect(undelivered(home)).toMatchObject([{ attempts: [{}] }]); // not before its time
    useSender('echo "no such chat" >&2; exit 1');
    say('again', '--deliver');
    const dead = undelivered(home).find(({ text }) => text === 'again');
    expect(dead).toMatchObject({ state: 'dead', reason: expect.stringContaining('no such chat') });
  });

  it('the sender gets no variables but those it should, and an idempotency key', () => {
    withSender('env > "$SENT"');
    home.run(['ingest', '--channel', 'telegram', '--from', '1', '--deliver', 'hello'], {
      env: { SECRET_TOKEN: 'leaked' },
    });
    const env = sent();
    expect(env.some(line => line.startsWith('CLAW_DELIVERY_ID='))).toBe(true);
    expect(env.join('\n')).not.toContain('leaked');
  });
});

describe('a notice', () => {
  it('that the session was reset goes with the reply, whichever way that takes (R06 openclaw#96751)', () => {
    withSender(NOTE);
    say('yesterday');
    ageBy(recordFile(home), 50 * HOUR);
    expect(say('hello', '--deliver').json().notices).toHaveLength(1);
    expect.soft(sent().join('\n')).toMatch(/New session.*hello/s);
    ageBy(recordFile(home), 50 * HOUR);
    say('nobody waits', '--no-wait');
    home.run(['tick']);
    expect(sent().slice(1).join('\n')).toMatch(/New session.*nobody waits/s);
  });
});

describe('the place of a reply', () => {
  it('is that of its own message, not of the last one (D01 openclaw#14578)', () => {
    withSender(NOTE);
    const from = (sender: string) =>
      home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', sender, `from ${sender}`]);
    from('1');
    from('2');
    home.run(['tick']);
    expect(sent().toSorted()).toEqual(['telegram 1: from 1', 'telegram 2: from 2']);
  });

  it('is in the outbox before its sender is started (promise 4)', () => {
    withSender('cat "$STORE"/outbox/*.json > "$SENT"');
    say('hello', '--deliver');
    expect(JSON.parse(sent()[0]!)).toMatchObject({ text: 'hello', origin: { from: '!AbC:x' } });
  });
});

describe('claw delivery', () => {
  const FAIL = 'echo "no such chat" >&2; exit 1';
  const ids = () => undelivered(home).map(row => (row as unknown as { id: string }).id);

  it('retry sends what had failed for good, and drop takes it away and prints what it said (openclaw#126522)', () => {
    withSender(FAIL);
    say('one', '--deliver');
    say('two', '--deliver');
    const [one, two] = ids();
    expect(home.run(['delivery', 'retry', one!])).toMatchObject({
      status: 69,
      stderr: expect.stringContaining('no such chat'),
    });
    useSender(NOTE);
    home.run(['tick']);
    expect(sent()).toEqual([]); // dead is not tried by itself
    expect(home.run(['delivery', 'retry', one!])).toMatchObject({ status: 0 });
    expect(sent()).toEqual(['telegram !AbC:x: one']);
    expect(home.run(['delivery', 'retry', one!])).toMatchObject({
      status: 64,
      stderr: expect.stringContaining('was sent already'),
    });
    expect(home.run(['delivery', 'drop', two!]).stdout).toContain('two');
    expect(ids()).toEqual([]);
    expect(home.run(['delivery', 'drop', '../sent/x']).status).toBe(64);
    expect(home.run(['delivery', 'drop', 'all', '--json']).json()).toMatchObject({ count: 0 });
  });

  it('show prints the text in full; a reply whose caller was gone can be read and dropped', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const text = `first line\n${'long '.repeat(200)}end`;
    home.run(['ingest', '--no-wait', text]);
    home.run(['tick']);
    const [id] = ids();
    expect(home.run(['delivery', 'show', id!]).stdout).toContain(text);
    expect(home.run(['delivery', 'retry', 'all'])).toMatchObject({
      status: 69,
      stderr: expect.stringContaining('no sender'),
    });
    expect(home.run(['delivery', 'drop', id!]).stdout).toContain(text);
    expect(ids()).toEqual([]);
  });

  it('is for the operator: an agent retries and drops nothing', () => {
    withSender(FAIL);
    say('one', '--deliver');
    const env = { CLAW_RUN_ID: 'r', CLAW_AGENT_ID: 'main', CLAW_SESSION_KEY: 'agent:main:main' };
    for (const verb of ['retry', 'drop'])
      expect(home.run(['delivery', verb, 'all'], { env }).status).toBe(77);
    expect(ids()).toHaveLength(1);
  });

  it('leaves alone what is being sent right now', async () => {
    home = new Home();
    const gate = path.join(home.folder, 'gate');
    useSender(`echo started >> "$SENT"; while [ ! -e ${gate} ]; do sleep 0.02; done`);
    home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', '1', 'hello']);
    const tick = home.start(['tick']);
    await until('the sender runs', () => sent().length === 1);
    const [id] = ids();
    expect(home.run(['delivery', 'drop', id!])).toMatchObject({ status: 75, stdout: '' });
    expect(home.run(['delivery', 'retry', id!])).toMatchObject({ status: 69 });
    fs.writeFileSync(gate, '');
    await tick.done;
    expect(sent()).toHaveLength(1);
    expect(ids()).toEqual([]);
  });
});

/** Rows of `delivery list`. */
const deliveries = (...args: string[]) =>
  home.run(['delivery', 'list', '--json', ...args]).json().deliveries as any[];

describe('a sender', () => {
  const WITH_KEY = 'echo "$CLAW_DELIVERY_ID $(cat)" >> "$SENT"';

  it('killed together with claw behind its sending sends at most once more, with the same key (D06 openclaw#29106)', () => {
    withSender(`${WITH_KEY}; [ "$(wc -l < "$SENT")" -gt 1 ] || kill -9 $PPID`);
    say('hello', '--no-wait', '--id', 'm1');
    expect(home.run(['tick']).signal).toBe('SIGKILL');
    expect(deliveries()).toMatchObject([{ state: 'waiting', text: 'hello', failures: 0 }]);
    for (let ticks = 0; ticks < 3; ticks++) home.run(['tick']);
    expect(sent()).toHaveLength(2);
    expect(new Set(sent()).size).toBe(1);
    expect(deliveries('--all')).toMatchObject([{ state: 'sent', messageId: 'm1' }]);
  });

  it('killed behind its sending is not believed and not started again by itself', () => {
    withSender(`${WITH_KEY}; kill -9 $$`);
    say('hello', '--deliver');
    home.run(['tick']);
    expect(sent()).toHaveLength(1);
    expect(deliveries()).toMatchObject([{ state: 'dead', reason: expect.stringContaining('SIGKILL') }]);
  });

  it('that is not there keeps the reply until it is', () => {
    home = new Home();
    const command = path.join(home.folder, 'sender');
    home.config(
      withRunner(
        { command: 'cat' },
        { channels: { telegram: { send: { command, env: { SENT: sentFile() } } } } },
      ),
    );
    expect(say('hello', '--deliver')).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('does not exist'),
    });
    expect(deliveries()).toMatchObject([
      { state: 'waiting', failures: 1, reason: expect.stringContaining('does not exist') },
    ]);
    fs.writeFileSync(command, `#!/bin/sh\n${NOTE}\n`, { mode: 0o755 });
    const [{ id }] = deliveries();
    expect(home.run(['delivery', 'retry', id]).status).toBe(0);
    expect(sent()).toEqual(['telegram !AbC:x: hello']);
  });

  it('that fails for a day is asked less and less often, never twice in a tick, and delivers when it works again (D06 openclaw#113700)', () => {
    withSender('echo "$CLAW_DELIVERY_ID" >> "$SENT"; echo "no network" >&2; exit 75');
    say('hello', '--deliver');
    const at = (offset: number) => ({
      env: {
        NODE_OPTIONS: `--require ${path.join(AGENTS, '..', 'clock.cjs')}`,
        CLOCK_OFFSET_MS: String(offset),
      },
    });
    const attempts: number[] = [0];
    const day = [
      ...Array.from({ length: 10 }, (_, n) => n + 1),
      ...Array.from({ length: 72 }, (_, n) => 20 * (n + 1)),
    ];
    for (const minutes of day) {
      const before = sent().length;
      home.run(['tick'], at(minutes * MINUTE));
      const tried = sent().length - before;
      expect(tried).toBeLessThanOrEqual(1);
      if (tried === 1) attempts.push(minutes);
      if (minutes % 240 === 0) {
        const [row] = home.run(['delivery', 'list', '--json'], at(minutes * MINUTE)).json().deliveries;
        expect(row).toMatchObject({
          state: 'waiting',
          failures: sent().length,
          lastError: expect.stringContaining('no network'),
        });
        expect(Date.parse(row.nextAttemptAt) - Date.now() - minutes * MINUTE).toBeLessThanOrEqual(HOUR);
      }
    }
    const gaps = attempts.slice(1).map((minute, index) => minute - attempts[index]!);
    expect(gaps.slice(0, 3).every(gap => gap <= 3)).toBe(true);
    // Once an hour at most, as far as ticks every twenty minutes allow.
    expect(gaps.slice(5).every(gap => gap >= 60 && gap <= 80)).toBe(true);
    expect(attempts.length).toBeLessThan(30);
    expect(new Set(sent()).size).toBe(1);
    useSender(NOTE);
    home.run(['tick'], at(26 * HOUR));
    expect(sent().at(-1)).toBe('telegram !AbC:x: hello');
    expect(deliveries()).toEqual([]);
  }, 60_000);

  it('that says it is temporary waits, any other failure is for a person to look at; both are listed (D06 openclaw#33403)', () => {
    for (const [status, state] of [
      ['75', 'waiting'],
      ['1', 'dead'],
      ['69', 'dead'],
      ['137', 'dead'],
    ] as const) {
      withSender(`exit ${status}`);
      say('hello', '--deliver');
      expect(deliveries(), status).toMatchObject([
        { state, reason: expect.stringContaining(`exit ${status}`) },
      ]);
      home.cleanUp();
    }
    withSender('true');
  });

  it('is ended with the tick that is told to end, and what it did not send waits', async () => {
    withSender('echo $$ >> "$SENT"; trap "" TERM; while :; do sleep 1; done');
    say('one', '--no-wait');
    const tick = home.start(['tick']);
    await until('the sender runs', () => sent().length === 1);
    home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', '2', 'two']);
    tick.child.kill('SIGTERM');
    const begun = Date.now();
    await tick.done;
    expect(Date.now() - begun).toBeLessThan(10_000);
    expect(lives(Number(sent()[0]))).toBe(false);
    expect(deliveries()).toMatchObject([
      { text: 'one', state: 'waiting', reason: expect.stringContaining('told to end') },
    ]);
    useSender(NOTE);
    home.run(['delivery', 'retry', 'all']);
    expect(sent().slice(1)).toEqual(['telegram !AbC:x: one']);
  });
});

describe('a tick that is killed while it delivers', () => {
  it('at whatever step, has the reply sent: once more at most, with the same key, and nothing left (D06 openclaw#126522)', () => {
    withSender('echo "$CLAW_DELIVERY_ID $(cat)" >> "$SENT"');
    useSender('exit 75');
    say('hello', '--deliver');
    useSender('echo "$CLAW_DELIVERY_ID $(cat)" >> "$SENT"');
    const [name] = fs.readdirSync(home.path('outbox')).filter(each => each.endsWith('.json'));
    const item = JSON.parse(fs.readFileSync(home.path('outbox', name!), 'utf8'));
    item.attempts[0].at -= HOUR;
    fs.writeFileSync(home.path('outbox', name!), JSON.stringify(item));
    const template = path.join(home.folder, 'template');
    fs.cpSync(home.dir, template, { recursive: true });
    const log = path.join(home.folder, 'operations');
    const killedAt = (at: number) =>
      spawnSync(process.execPath, ['-r', HOOK, BIN, 'tick'], {
        env: home.env({
          CLAW_FAULT: JSON.stringify({ root: home.dir, mode: at === 0 ? 'count' : 'kill', at, log }),
        }),
      });
    expect(killedAt(0).status).toBe(0);
    expect(sent()).toHaveLength(1);
    const steps = fs.readFileSync(log, 'utf8').split('\n').filter(Boolean).length;
    expect(steps).toBeGreaterThan(10);
    let twice = 0;
    for (let at = 1; at <= steps; at++) {
      fs.rmSync(home.dir, { recursive: true });
      fs.rmSync(sentFile());
      fs.cpSync(template, home.dir, { recursive: true });
      fs.writeFileSync(sentFile(), '');
      expect(killedAt(at).signal, `step ${at}`).toBe('SIGKILL');
      home.run(['tick']);
      home.run(['tick']);
      expect(new Set(sent()), `step ${at}`).toEqual(new Set([`${item.id} hello`]));
      expect(sent().length, `step ${at}`).toBeLessThanOrEqual(2);
      if (sent().length === 2) twice++;
      expect(deliveries('--all'), `step ${at}`).toMatchObject([{ id: item.id, state: 'sent' }]);
    }
    // Between the sending and its record there is more than one step, and no step before it sends.
    expect(twice).toBeGreaterThan(0);
    expect(twice).toBeLessThan(steps / 2);
  }, 120_000);
});

describe('the result document of --deliver', () => {
  it('tells what became of the delivery', () => {
    withSender(NOTE);
    expect(say('hello', '--deliver').json()).toMatchObject({
      status: 'replied',
      reply: { text: 'hello' },
      delivery: { decision: 'allow', status: 'sent', id: expect.any(String), reason: null },
    });
    expect(say('hello').json()).not.toHaveProperty('delivery');
    useSender('echo busy >&2; exit 75');
    const waiting = say('hello', '--deliver').json().delivery;
    expect(waiting).toMatchObject({ status: 'waiting', reason: expect.stringContaining('busy') });
    expect(deliveries()).toMatchObject([{ id: waiting.id }]);
    useSender('exit 1');
    expect(say('hello', '--deliver').json().delivery).toMatchObject({ status: 'dead' });
    home.config(withRunner({ command: 'cat' }));
    expect(say('hello', '--deliver').json().delivery).toMatchObject({ status: 'waiting' });
  });

  it('line by line, and as the last event of a stream', () => {
    withSender(NOTE);
    const input = ['a', 'b']
      .map(text => JSON.stringify({ channel: 'telegram', from: text, id: text, text }))
      .join('\n');
    const run = home.run(['ingest', '--format', 'ndjson', '--deliver'], { input });
    expect(run.lines()).toMatchObject([{ delivery: { status: 'sent' } }, { delivery: { status: 'sent' } }]);
    const events = home
      .run(['ingest', '--json', '--stream', '--deliver', '--channel', 'telegram', '--from', '1', 'c'])
      .lines();
    expect(events.at(-1)).toMatchObject({ type: 'result', delivery: { status: 'sent' } });
    expect(sent()).toHaveLength(3);
  });

  it('where nothing may be sent, names the rule as without it', () => {
    home = new Home();
    home.config(
      withRunner(
        { command: 'cat' },
        { session: { sendPolicy: { default: 'deny' } }, channels: { telegram: {} } },
      ),
    );
    expect(say('hello', '--deliver').json().delivery).toEqual({
      decision: 'deny',
      rule: 'session.sendPolicy.default',
    });
  });
});

describe('records of what was sent', () => {
  it('go after retention.deliveries, and nothing else does', () => {
    withSender(NOTE);
    say('old', '--deliver');
    say('new', '--deliver');
    useSender('exit 1');
    say('failed', '--deliver');
    const folder = home.path('outbox', 'sent');
    for (const name of fs.readdirSync(folder)) {
      const item = JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
      const days = item.text === 'old' ? 31 : 29;
      const then = Date.now() - days * 24 * HOUR;
      fs.writeFileSync(path.join(folder, name), JSON.stringify({ ...item, createdAt: then, sentAt: then }));
      // As after a crash between the two steps of recording it.
      if (item.text === 'old') fs.copyFileSync(path.join(folder, name), home.path('outbox', name));
    }
    fs.writeFileSync(path.join(folder, 'broken.json'), '{');
    home.run(['tick']);
    const left = home.run(['delivery', 'list', '--all', '--json']);
    expect(left.status).toBe(65);
    expect(left.json().deliveries.map((row: { text: string }) => row.text)).toEqual(['new', 'failed']);
    expect(fs.existsSync(path.join(folder, 'broken.json'))).toBe(true);
    expect(sent()).toHaveLength(2);
  });
});

describe('lines of the log', () => {
  it('go after retention.logs, by the first tick of a day', () => {
    home = new Home({ retention: { logs: '7d' } });
    const write = (message: string, days: number) => {
      const at = new Date(Date.now() - days * 24 * HOUR).toISOString();
      fs.mkdirSync(home.path('logs'), { recursive: true });
      fs.appendFileSync(
        home.path('logs', 'claw.jsonl'),
        `${JSON.stringify({ at, level: 'warn', command: 'tick', message })}\n`,
      );
    };
    write('old', 8);
    write('new', 1);
    home.run(['tick']);
    expect(fs.existsSync(home.path('logs', 'claw.jsonl'))).toBe(false);
    expect(home.run(['logs']).stdout).toMatch(/old.*new/s);
    const then = new Date(Date.now() - 8 * 24 * HOUR);
    fs.utimesSync(home.path('logs', 'claw.jsonl.1'), then, then);
    home.run(['tick']);
    expect(fs.existsSync(home.path('logs', 'claw.jsonl.1'))).toBe(true); // once a day
    fs.utimesSync(home.path('logs', 'tick'), then, then);
    home.run(['tick']);
    expect(fs.existsSync(home.path('logs', 'claw.jsonl.1'))).toBe(false);
    expect(home.run(['config', 'validate']).stderr).toBe('');
  });
});
