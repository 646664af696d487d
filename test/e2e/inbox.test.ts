import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { BIN, Home, withRunner } from './claw.ts';
import { type Gate, gated, inbox, recordFile, undelivered } from './support.ts';

/** Several starts of claw each, on a machine that may be busy. */
const PATIENT = 120_000;

let home: Home;
afterEach(() => home.cleanUp());

const ANNA = ['--channel', 'telegram', '--from', '1'];
const FAILING = { command: '/bin/sh', args: ['-c', 'exit 3'] };

/** A sender that notes what it sent, and under which id. */
const sending = () => ({
  channels: {
    telegram: {
      send: {
        command: '/bin/sh',
        args: ['-c', `cat >> "$0"; echo "|$CLAW_DELIVERY_ID" >> "$0"`, `${home.folder}/sent`],
      },
    },
  },
});
const sent = () =>
  fs.existsSync(`${home.folder}/sent`) ? fs.readFileSync(`${home.folder}/sent`, 'utf8').match(/.+\|/g) : [];

/** A message whose agent failed; its agent is a gate that is closed from then on. */
function failedOnce(): Gate {
  home = new Home(withRunner(FAILING));
  expect(home.run(['ingest', ...ANNA, '--id', 'm1', 'hello']).status).toBe(69);
  const gate = gated(home);
  gate.close();
  return gate;
}

/** Resolves when another process stands before the session's lock: it looks there again and again. */
async function underWay(started: { child: { pid?: number | undefined } }): Promise<void> {
  const stack = () => fs.readFileSync(`/proc/${started.child.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  // A start works without a rest; who stands before a lock sleeps nearly always.
  for (let asleep = 0; asleep < 8; ) {
    await new Promise(resolve => setTimeout(resolve, 25));
    const [state, ...numbers] = stack();
    asleep = state === 'S' && Number(numbers[10]) > 1 ? asleep + 1 : 0;
  }
}

describe('inbox retry', { timeout: PATIENT }, () => {
  it.each([
    ['twice at once', ['inbox', 'retry', 'm1', '--json']],
    ['while the same message came again', ['ingest', '--json', ...ANNA, '--id', 'm1', 'hello']],
  ])('%s: one run, and one reply told twice', async (_, args) => {
    const gate = failedOnce();
    const first = home.start(args);
    await gate.begun();
    const second = home.start(['inbox', 'retry', 'm1', '--json']);
    await underWay(second);
    gate.open();
    await first.done;
    expect((await second.done).json().results).toMatchObject([
      { status: 'duplicate', messageId: 'm1', reply: { text: 'hello' } },
    ]);
    expect(gate.prompts()).toEqual(['hello']);
    expect(home.replies()).toHaveLength(1);
    expect(inbox(home)).toEqual([]);
  });

  it('killed behind the reply’s line: the reply is sent, and no agent is started again', () => {
    home = new Home();
    home.config(withRunner(FAILING, sending()));
    expect(home.run(['ingest', '--deliver', ...ANNA, '--id', 'm1', 'hello']).status).toBe(69);
    home.config(withRunner({ command: 'cat' }, sending()));
    const record = recordFile(home);
    const before = fs.readFileSync(record);
    expect(home.run(['inbox', 'retry', 'm1']).stdout).toBe('hello\n');
    // As its death behind the append leaves it.
    fs.writeFileSync(record, before);
    fs.rmSync(home.path('outbox'), { recursive: true });
    fs.writeFileSync(home.path('pending', 'main', 'main.turn'), '');
    home.run(['tick']);
    expect(sent()).toEqual(['hello|']);
    expect(home.replies()).toHaveLength(1);
  });

  it('killed while its agent runs: the next tick starts it once more', async () => {
    const gate = failedOnce();
    const { child, done } = home.start(['inbox', 'retry', 'm1']);
    await gate.begun();
    child.kill('SIGKILL');
    await done;
    gate.open();
    home.run(['tick']);
    expect(gate.prompts()).toEqual(['hello', 'hello']);
    expect(gate.overlaps()).toEqual([]);
    expect(home.users()).toHaveLength(1);
    expect(undelivered(home)).toMatchObject([{ text: 'hello', messageId: 'm1' }]);
    expect(inbox(home)).toEqual([]);
  });

  it('told to end while its agent runs: queued, exit 0, and the next tick answers it', async () => {
    const gate = failedOnce();
    const { child, done } = home.start(['inbox', 'retry', 'm1', '--json']);
    await gate.begun();
    child.kill('SIGTERM');
    const ended = await done;
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    expect(ended.json()).toMatchObject({ count: 1, results: [{ status: 'queued', messageId: 'm1' }] });
    gate.open();
    home.run(['tick']);
    expect(undelivered(home)).toMatchObject([{ text: 'hello' }]);
  });

  it('--json into a pipe that was closed: the reply waits in delivery list', () => {
    const gate = failedOnce();
    gate.open();
    const line = '{ sleep 0.1; "$0" "$1" inbox retry m1 --json; } | true';
    spawnSync('/bin/sh', ['-c', line, process.execPath, BIN], { env: home.env() });
    expect(undelivered(home)).toMatchObject([{ text: 'hello', messageId: 'm1' }]);
  });

  it('--json of a message that is to be sent: printed and sent', () => {
    home = new Home();
    home.config(withRunner(FAILING, sending()));
    home.run(['ingest', '--deliver', ...ANNA, '--id', 'm1', 'hello']);
    home.config(withRunner({ command: 'cat' }, sending()));
    expect(home.run(['inbox', 'retry', 'm1', '--json']).json().results).toMatchObject([
      { status: 'replied', reply: { text: 'hello' } },
    ]);
    home.run(['tick']);
    expect(sent()).toEqual(['hello|']);
  });
});

describe('inbox drop', { timeout: PATIENT }, () => {
  it('leaves a message that is being answered, and says so; its reply is not lost', async () => {
    home = new Home();
    const gate = gated(home);
    gate.close();
    home.run(['ingest', '--no-wait', ...ANNA, '--id', 'm1', 'hello']);
    const tick = home.start(['tick']);
    await gate.begun();
    const drop = home.run(['inbox', 'drop', 'm1', '--json']);
    expect(drop.status).toBe(75);
    expect(drop.json()).toEqual({ count: 0, dropped: [], kept: ['m1'] });
    expect(drop.stderr).toContain('message m1 is left: it is being answered');
    gate.open();
    await tick.done;
    expect(undelivered(home)).toMatchObject([{ text: 'hello' }]);
  });
});
