import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Home, list, type Outcome, withRunner } from './claw.ts';
import { gated, inbox, program, undelivered, until } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

const telegram = ['--channel', 'telegram', '--from', '1'];

/** Starts `claw ingest` for a busy session and waits until its message stands in line. */
async function queue(args: string[], number: number): Promise<{ done: Promise<Outcome>; pid: number }> {
  const { child, done } = home.start(['ingest', '--json', ...args]);
  await until(`message ${number} is in line`, () => waiting() === number);
  return { done, pid: child.pid! };
}

function waiting(): number {
  return list(home.path('pending', 'main')).filter(name => name.endsWith('.json') && !name.startsWith('.'))
    .length;
}

/** Documents of finished calls, each of which must have ended well and said nothing on stderr. */
function documents(runs: Outcome[]) {
  for (const run of runs) expect(run).toMatchObject({ status: 0, signal: null, stderr: '' });
  return runs.map(run => run.json());
}

describe('one session', () => {
  it('takes 30 messages at the same time, each once and with one run at a time (L04 openclaw#87537, #87217)', async () => {
    home = new Home();
    // More than the 20 that wait where nothing else is said.
    const gate = gated(home, { messages: { queue: { cap: 30 } } });
    const texts = Array.from({ length: 30 }, (_, number) => `message-${number}.`);
    const results = documents(
      await Promise.all(texts.map(text => home.start(['ingest', '--json', text]).done)),
    );

    const replied = new Map(
      results.filter(({ status }) => status === 'replied').map(each => [each.messageId, each]),
    );
    for (const result of results) {
      if (result.status === 'replied') continue;
      expect(result).toMatchObject({ status: 'queued', reply: null });
      expect([...replied.keys()]).toContain(result.answeredBy);
    }
    expect(new Set(results.map(({ sessionId }) => sessionId)).size).toBe(1);
    const users = home.users().map(entry => entry.message.content);
    expect(users.toSorted()).toEqual(texts.toSorted());
    expect(gate.overlaps()).toEqual([]);
    expect(gate.prompts().join('\n\n').split('\n\n')).toEqual(users);
    expect(gate.runs()).toHaveLength(replied.size);
    expect(undelivered(home)).toEqual([]);
    expect(inbox(home)).toEqual([]);
    expect(list(home.path('locks', 'main'))).toEqual([]);
  });

  it('answers messages accepted with --no-wait in the order they came', async () => {
    home = new Home();
    const gate = gated(home, { messages: { queue: { mode: 'followup' } } });
    const texts = Array.from({ length: 6 }, (_, number) => `message ${number}`);
    for (const text of texts) {
      expect(home.run(['ingest', '--json', '--no-wait', text]).json()).toMatchObject({ status: 'queued' });
    }
    expect(gate.runs()).toEqual([]);
    expect(inbox(home).map(({ state, text }) => [state, text])).toEqual(texts.map(text => ['waiting', text]));

    expect(home.run(['tick'])).toMatchObject({ status: 0, stderr: '' });
    expect(gate.prompts()).toEqual(texts);
    expect(home.users().map(entry => entry.message.content)).toEqual(texts);
    expect(undelivered(home).map(({ text }) => text)).toEqual(texts);
    expect(inbox(home)).toEqual([]);
  });

  it('returns queued at once from a busy session with --no-wait and with --wait 0 (L03 openclaw#86801)', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const holder = home.start(['ingest', '--json', 'first']);
    await gate.begun();

    // These end while the session is still held: the gate opens only behind them.
    const noWait = home.run(['ingest', '--json', '--no-wait', 'second']);
    const waitZero = home.run(['ingest', '--json', '--wait', '0', 'third']);
    for (const run of [noWait, waitZero]) {
      expect(run).toMatchObject({ status: 0, stderr: '' });
      expect(run.json()).toMatchObject({ status: 'queued', reply: null, sessionKey: 'agent:main:main' });
    }
    const text = home.run(['ingest', '--wait', '0', 'fourth']);
    expect(text.status).toBe(0);
    expect(text.stdout).toMatch(/Kept/);
    expect(gate.runs()).toHaveLength(1);

    gate.open();
    expect((await holder.done).json()).toMatchObject({ status: 'replied', reply: { text: 'first' } });
    // Answered by the holder, or, where it had left already, by a tick.
    home.run(['tick']);
    expect(gate.prompts().join('\n\n')).toBe('first\n\nsecond\n\nthird\n\nfourth');
    expect(gate.overlaps()).toEqual([]);
    expect(inbox(home)).toEqual([]);
  });

  it('is answered by a tick where nobody holds it', () => {
    home = new Home();
    const gate = gated(home);
    home.run(['ingest', '--no-wait', 'nobody is here']);
    expect(gate.runs()).toEqual([]);
    home.run(['tick']);
    expect(gate.prompts()).toEqual(['nobody is here']);
    expect(undelivered(home)).toMatchObject([{ text: 'nobody is here', sessionKey: 'agent:main:main' }]);
    home.run(['tick']);
    expect(gate.runs()).toHaveLength(1);
  });

  it('puts the reply of a caller that gave up into delivery list, and gives that of one that waited to nobody else', async () => {
    home = new Home();
    const gate = gated(home, { messages: { queue: { mode: 'followup' } } });
    gate.close();
    const holder = home.start(['ingest', '--json', 'first']);
    await gate.begun();
    const patient = await queue(['second'], 1);
    const impatient = home.run(['ingest', '--json', '--wait', '0.2', 'third']);
    expect(impatient).toMatchObject({ status: 0, stderr: '' });
    expect(impatient.json()).toMatchObject({ status: 'queued', reply: null });

    gate.open();
    const [first, second] = documents([await holder.done, await patient.done]);
    expect(first).toMatchObject({ status: 'replied', reply: { text: 'first' } });
    expect(second).toMatchObject({ status: 'replied', reply: { text: 'second' } });
    home.run(['tick']);
    expect(undelivered(home)).toMatchObject([{ text: 'third', messageId: impatient.json().messageId }]);
    expect(gate.prompts()).toEqual(['first', 'second', 'third']);
  });

  it('keeps the reply of a waiting caller that was killed', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const holder = home.start(['ingest', '--json', 'first']);
    await gate.begun();
    const waiter = await queue(['second'], 1);
    process.kill(waiter.pid, 'SIGKILL');
    expect(await waiter.done).toMatchObject({ signal: 'SIGKILL', stdout: '' });
    gate.open();
    await holder.done;
    home.run(['tick']);
    expect(undelivered(home)).toMatchObject([{ text: 'second' }]);
    expect(home.users()).toHaveLength(2);
  });

  it('that loses its holder to SIGKILL is taken over by who stands in line (Q06 openclaw#124624)', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const holder = home.start(['ingest', '--json', 'first']);
    await gate.begun();
    const waiter = await queue(['second'], 1);
    holder.child.kill('SIGKILL');
    await holder.done;
    gate.open();
    const [second] = documents([await waiter.done]);
    expect(second).toMatchObject({ status: 'replied', reply: { text: 'second' } });
    expect(gate.prompts()).toEqual(['first', 'first', 'second']);
    expect(gate.overlaps()).toEqual([]);
    expect(undelivered(home)).toMatchObject([{ text: 'first' }]);
    expect(home.users()).toHaveLength(2);
  });

  it('lets who stands in line go at SIGTERM: queued, exit 0, answered later', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const holder = home.start(['ingest', '--json', 'first']);
    await gate.begun();
    const waiter = await queue(['second'], 1);
    process.kill(waiter.pid, 'SIGTERM');
    const run = await waiter.done;
    expect(run).toMatchObject({ status: 0, signal: null });
    expect(run.json()).toMatchObject({ status: 'queued', reply: null });
    gate.open();
    await holder.done;
    home.run(['tick']);
    expect(undelivered(home)).toMatchObject([{ text: 'second' }]);
    expect(gate.prompts()).toEqual(['first', 'second']);
  });

  it('sends the reply of a caller that is gone through the sender of its channel, once', async () => {
    home = new Home();
    const sent = path.join(home.folder, 'sent');
    const gate = gated(home, {
      channels: {
        telegram: { send: { command: 'sh', args: ['-c', `cat >> ${sent}; echo " to $CLAW_TO" >> ${sent}`] } },
      },
    });
    gate.close();
    const holder = home.start(['ingest', '--json', ...telegram, 'first']);
    await gate.begun();
    home.run(['ingest', ...telegram, '--wait', '0', 'second']);
    gate.open();
    expect((await holder.done).json()).toMatchObject({ status: 'replied', reply: { text: 'first' } });
    home.run(['tick']);
    home.run(['tick']);
    expect(fs.readFileSync(sent, 'utf8')).toBe('second to 1\n');
    expect(undelivered(home)).toEqual([]);
  });
});

describe('queue.mode', () => {
  async function busyWithThreeWaiting(mode: string) {
    home = new Home();
    const gate = gated(home, { messages: { queue: { mode } } });
    gate.close();
    const holder = home.start(['ingest', '--json', '--id', 'm0', ...telegram, 'zero']);
    await gate.begun();
    const callers: Promise<Outcome>[] = [];
    for (const [index, text] of ['one', 'two', 'three'].entries()) {
      callers.push((await queue(['--id', `m${index + 1}`, ...telegram, text], index + 1)).done);
    }
    gate.open();
    const results = documents(await Promise.all([holder.done, ...callers]));
    expect(gate.overlaps()).toEqual([]);
    expect(home.users().map(entry => entry.message.content)).toEqual(['zero', 'one', 'two', 'three']);
    expect(undelivered(home)).toEqual([]);
    return { gate, results };
  }

  it('followup: a turn and a reply for each', async () => {
    const { gate, results } = await busyWithThreeWaiting('followup');
    expect(gate.prompts()).toEqual(['zero', 'one', 'two', 'three']);
    expect(results.map(({ status, reply }) => [status, reply.text])).toEqual([
      ['replied', 'zero'],
      ['replied', 'one'],
      ['replied', 'two'],
      ['replied', 'three'],
    ]);
  });

  it('collect: one turn for all that wait, its reply belongs to the last, the others name it', async () => {
    const { gate, results } = await busyWithThreeWaiting('collect');
    expect(gate.prompts()).toEqual(['zero', 'one\n\ntwo\n\nthree']);
    expect(results).toMatchObject([
      { status: 'replied', reply: { text: 'zero' } },
      { status: 'queued', reply: null, answeredBy: 'm3' },
      { status: 'queued', reply: null, answeredBy: 'm3' },
      { status: 'replied', reply: { text: 'one\n\ntwo\n\nthree' } },
    ]);
  });

  it('collect joins neither two senders nor what stands on both sides of a command', async () => {
    home = new Home();
    const gate = gated(home);
    const from = (sender: string, text: string) =>
      home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', sender, text]);
    from('1', 'a');
    from('1', 'b');
    from('2', 'c');
    from('2', '/new');
    from('2', 'd');
    const tick = home.run(['tick']);
    expect(tick.status).toBe(0);
    expect(tick.stderr).toContain('telegram:2 shares session agent:main:main with telegram:1');
    expect(gate.prompts()).toEqual(['a\n\nb', 'c', 'd']);
    expect([...home.transcripts().values()]).toHaveLength(2);
  });
});

describe('the same message', () => {
  it('ten times at once is one turn, and the other nine get its result (Q03 openclaw#71306, #30604)', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const args = ['ingest', '--json', ...telegram, '--id', 'm1', 'hello'];
    const callers = Array.from({ length: 10 }, () => home.start(args).done);
    await gate.begun();
    gate.open();
    const results = documents(await Promise.all(callers));
    const first = results.find(({ status }) => status === 'replied');
    expect(first).toMatchObject({ messageId: 'm1', reply: { text: 'hello' } });
    expect(results.filter(result => result !== first)).toEqual(
      Array(9).fill({ ...first, status: 'duplicate' }),
    );
    expect(gate.runs()).toHaveLength(1);
    expect(home.users()).toHaveLength(1);
    expect(undelivered(home)).toEqual([]);
    expect(inbox(home)).toEqual([]);
  });

  it('twice while its session is busy is one line and one turn (Q03 openclaw#71306)', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const holder = home.start(['ingest', '--json', ...telegram, '--id', 'm0', 'busy']);
    await gate.begun();
    const first = await queue([...telegram, '--id', 'm1', 'hello'], 1);
    const again = home.start(['ingest', '--json', ...telegram, '--id', 'm1', 'hello']);
    // The second one stands in line too, or waits for the first: either way it must not end before the gate opens.
    await until('the repetition is in line', () => waiting() === 2, 1500).catch(() => undefined);
    gate.open();
    await holder.done;
    const [one, two] = documents([await first.done, await again.done]);
    expect(home.users().map(entry => entry.message.content)).toEqual(['busy', 'hello']);
    expect(gate.prompts()).toEqual(['busy', 'hello']);
    expect([one.status, two.status].toSorted()).toEqual(['duplicate', 'replied']);
    expect([one.reply, two.reply]).toEqual([{ text: 'hello' }, { text: 'hello' }]);
  });

  it('twice with --no-wait is one line and one turn (Q03 openclaw#71306)', () => {
    home = new Home();
    const gate = gated(home);
    const args = ['ingest', '--json', '--no-wait', ...telegram, '--id', 'm1', 'hello'];
    expect(home.run(args).json()).toMatchObject({ status: 'queued' });
    expect(home.run(args)).toMatchObject({ status: 0 });
    expect(home.run(['tick']).status).toBe(0);
    expect(home.users().map(entry => entry.message.content)).toEqual(['hello']);
    expect(gate.prompts()).toEqual(['hello']);
    expect(undelivered(home)).toHaveLength(1);
  });

  it('after a reset is still known and changes nothing', () => {
    home = new Home();
    const gate = gated(home);
    const args = ['ingest', '--json', ...telegram, '--id', 'm1', 'hello'];
    const first = home.run(args).json();
    home.run(['ingest', ...telegram, '--id', 'm2', '/new']);
    expect(home.run(args).json()).toEqual({ ...first, status: 'duplicate' });
    expect(gate.runs()).toHaveLength(1);
  });

  it('with the same id from two groups is two messages', () => {
    home = new Home();
    const gate = gated(home);
    const from = (group: string) => {
      const envelope = {
        channel: 'telegram',
        groupId: group,
        from: '1',
        id: 'm1',
        mentioned: true,
        text: `to ${group}`,
      };
      return home.run(['ingest', '--json'], { input: JSON.stringify(envelope) }).json();
    };
    expect(from('-100')).toMatchObject({ status: 'replied', sessionKey: 'agent:main:telegram:group:-100' });
    expect(from('-200')).toMatchObject({ status: 'replied', sessionKey: 'agent:main:telegram:group:-200' });
    expect(gate.prompts()).toEqual(['to -100', 'to -200']);
  });
});

describe('many ticks at once', () => {
  it('answer each waiting message once (J09 openclaw#1100)', async () => {
    home = new Home();
    const gate = gated(home, { session: { dmScope: 'per-peer' } });
    for (const from of ['1', '2', '3'])
      home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', from, `from ${from}`]);
    documents(await Promise.all(Array.from({ length: 8 }, () => home.start(['tick', '--json']).done)));
    expect(gate.prompts().toSorted()).toEqual(['from 1', 'from 2', 'from 3']);
    expect(gate.overlaps()).toEqual([]);
    expect(undelivered(home)).toHaveLength(3);
    expect(list(home.path('pending', 'main'))).toEqual([]);
  });
});

describe('a lock that somebody left', () => {
  /** Leaves the lock of a killed claw behind, its owner's name changed. */
  async function leaveLock(change: (token: string[]) => string[]) {
    home = new Home();
    const gate = gated(home);
    gate.close();
    const holder = home.start(['ingest', 'first']);
    await gate.begun();
    holder.child.kill('SIGKILL');
    await holder.done;
    gate.open();
    const folder = home.path('locks', 'main', 'main');
    const [token] = list(folder);
    fs.renameSync(path.join(folder, token!), path.join(folder, change(token!.split('-')).join('-')));
    return gate;
  }

  it('whose process id lives again as another process is taken at once (L02 openclaw#5006)', async () => {
    await leaveLock(([, ...rest]) => [String(process.pid), ...rest]);
    expect(home.run(['ingest', '--json', '--wait', '0', 'second']).json()).toMatchObject({
      status: 'replied',
      reply: { text: 'second' },
    });
  });

  it('before the machine was started anew is taken at once', async () => {
    await leaveLock(([pid, start, , ...rest]) => [pid!, start!, 'ffffffff', ...rest]);
    expect(home.run(['ingest', '--json', '--wait', '0', 'second']).json()).toMatchObject({
      status: 'replied',
    });
  });

  it('in another container or host is nobody to steal from: the message waits', async () => {
    const gate = await leaveLock(([pid, start, , , , unique]) => [
      pid!,
      start!,
      'ffffffff',
      '1',
      'ffffffff',
      unique!,
    ]);
    const began = gate.runs().length;
    expect(home.run(['ingest', '--json', '--wait', '0', 'second']).json()).toMatchObject({
      status: 'queued',
    });
    expect(home.run(['tick', '--json']).json()).toMatchObject({ busy: ['agent:main:main'] });
    expect(gate.runs()).toHaveLength(began);
    expect(inbox(home).map(({ text }) => text)).toEqual(['first', 'second']);
  });
});

describe('two sessions', () => {
  it('run at the same time', async () => {
    home = new Home();
    home.config(
      withRunner({ command: program('meet.sh'), args: [home.folder] }, { session: { dmScope: 'per-peer' } }),
    );
    // Each of the two agents answers only once the other one is there too.
    const callers = ['1', '2'].map(
      from => home.start(['ingest', '--json', '--channel', 'telegram', '--from', from, 'hello']).done,
    );
    const results = documents(await Promise.all(callers));
    expect(results.map(({ reply }) => reply.text)).toEqual(['met', 'met']);
    expect(new Set(results.map(({ sessionKey }) => sessionKey)).size).toBe(2);
  });

  it('are worked at the same time by one tick', () => {
    home = new Home();
    home.config(
      withRunner({ command: program('meet.sh'), args: [home.folder] }, { session: { dmScope: 'per-peer' } }),
    );
    for (const from of ['1', '2'])
      home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', from, 'hello']);
    expect(home.run(['tick'])).toMatchObject({ status: 0, stderr: '' });
    expect(undelivered(home).map(({ text }) => text)).toEqual(['met', 'met']);
  });
});
