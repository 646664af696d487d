/** What is sent to somebody who did not just write: `claw message send --to channel:target`, by a person and by agents. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Layout } from '../../src/store/layout.ts';
import { alreadySentTo } from '../../src/store/outbox.ts';
import { BIN, Home, withRunner } from './claw.ts';
import { readRecord, recordFile, undelivered } from './support.ts';

let home: Home;
afterEach(() => home.cleanUp());

const sentFile = () => path.join(home.folder, 'sent');
const sent = () =>
  fs.existsSync(sentFile()) ? fs.readFileSync(sentFile(), 'utf8').split('\n').filter(Boolean) : [];

function configure(channel: object = {}, rest: object = {}, runner: object = { command: 'cat' }): void {
  const script = 'echo "$CLAW_TO: $(cat)" >> "$SENT"';
  const send = { command: 'sh', args: ['-c', script], env: { SENT: sentFile() } };
  home.config(withRunner(runner, { channels: { telegram: { send, ...channel } }, ...rest }));
}
const open = (...args: Parameters<typeof configure>) => {
  home = new Home();
  configure(...args);
};
const send = (to: string, env: Record<string, string> = {}) =>
  home.run(['message', 'send', '--json', '--to', to, '--message', 'hello'], { env });
const say = (from: string, ...more: string[]) =>
  home.run(['ingest', '--json', '--channel', 'telegram', '--from', from, ...more, 'hello']).json();

const RUN = '00000000-0000-4000-8000-00000000000a';
const inRun = (key = 'agent:main:main') => ({
  CLAW_RUN_ID: RUN,
  CLAW_AGENT_ID: 'main',
  CLAW_SESSION_KEY: key,
});

describe('message send to a channel', () => {
  it('to who is not in the list is kept with the reason, and goes out once the list says so', () => {
    open({ allowFrom: ['1'] });
    expect(send('telegram:1')).toMatchObject({ status: 0 });
    expect(sent()).toEqual(['1: hello']);
    const refused = send('telegram:2');
    expect(refused).toMatchObject({ status: 77, stderr: expect.stringContaining('not listed') });
    const { deliveryId } = refused.json();
    expect(undelivered(home)).toMatchObject([
      { id: deliveryId, state: 'dead', text: 'hello', reason: expect.stringContaining('allowFrom') },
    ]);
    // Asking again changes nothing while the list does not.
    expect(home.run(['delivery', 'retry', deliveryId])).toMatchObject({
      status: 69,
      stderr: expect.stringContaining('allowFrom'),
    });
    home.run(['tick']);
    expect(sent()).toHaveLength(1);
    configure({ allowFrom: ['1', '2'] });
    expect(home.run(['delivery', 'retry', deliveryId]).status).toBe(0);
    expect(sent()).toEqual(['1: hello', '2: hello']);
    expect(undelivered(home)).toEqual([]);
  });

  it('that waits does not go to who was taken off the list meanwhile', () => {
    open({ send: { command: 'sh', args: ['-c', 'exit 75'] } });
    send('telegram:2');
    expect(undelivered(home)).toMatchObject([{ state: 'waiting' }]);
    configure({ allowFrom: ['1'] });
    const file = fs.readdirSync(home.path('outbox')).find(name => name.endsWith('.json'))!;
    const item = JSON.parse(fs.readFileSync(home.path('outbox', file), 'utf8'));
    item.attempts[0].at -= 60_000;
    fs.writeFileSync(home.path('outbox', file), JSON.stringify(item));
    home.run(['tick']);
    expect(sent()).toEqual([]);
    expect(undelivered(home)).toMatchObject([{ state: 'dead', attempts: [{}] }]);
  });

  it('goes to who is paired', () => {
    open({ dmPolicy: 'pairing' });
    const { code } = /Pairing code: (?<code>\w+)/.exec(say('5').reply.text)!.groups!;
    expect(send('telegram:5').status).toBe(77);
    home.run(['pairing', 'approve', code!]);
    expect(send('telegram:5').status).toBe(0);
    expect(sent()).toEqual(['5: hello']);
  });

  it.each(['heartbeat', '@heartbeat', 'cron:job', 'none', 'last'])(
    'never goes to "%s" (openclaw#55271)',
    to => {
      open();
      expect(send(`telegram:${to}`).status).toBe(77);
      expect(sent()).toEqual([]);
    },
  );
});

describe('an agent', () => {
  it('sends back to whom its session talks to, and to who is listed by name; to nobody else', () => {
    open({}, { owners: ['telegram:9'] });
    say('1');
    expect(send('telegram:1', inRun())).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('"sent":true'),
    });
    expect(send('telegram:9', inRun()).status).toBe(0);
    const refused = send('telegram:2', inRun());
    expect(refused).toMatchObject({ status: 77, stdout: '' });
    expect(JSON.parse(refused.stderr).error).toMatchObject({ code: 'recipient-not-permitted' });
    expect(sent()).toEqual(['1: hello', '9: hello']);
    expect(undelivered(home)).toEqual([]);
  });

  it('of one conversation does not send into another one; a job does where its main session is', () => {
    open({}, { session: { dmScope: 'per-peer' } });
    home.run(['ingest', '--session', 'agent:main:main', '--channel', 'telegram', '--from', '1', 'hello']);
    say('2');
    expect(send('telegram:1', inRun('agent:main:dm:2')).status).toBe(77);
    expect(send('telegram:2', inRun('agent:main:dm:2')).status).toBe(0);
    expect(send('telegram:1', inRun('agent:main:cron:backup')).status).toBe(0);
    expect(sent()).toEqual(['2: hello', '1: hello']);
  });

  it('that sends within its run is known to have (D05 openclaw#27018, #27921)', () => {
    // The agent sends to whom it talks, and answers.
    const script = `"$0" "$1" message send --to telegram:1 --message "from inside" >/dev/null && echo answer`;
    open({}, {}, { command: 'sh', args: ['-c', script, process.execPath, BIN] });
    const { sessionId } = say('1', '--id', 'm1');
    const turn = home
      .transcripts()
      .get(`${sessionId}.jsonl`)!
      .find(entry => entry.type === 'turn');
    expect(sent()).toEqual(['1: from inside']);
    const layout = new Layout(home.dir);
    expect(alreadySentTo(layout, turn.runId, { channel: 'telegram', to: '1' })).toMatchObject({
      text: 'from inside',
      sentBy: turn.runId,
      sessionId,
      sessionKey: 'agent:main:main',
    });
    expect(alreadySentTo(layout, turn.runId, { channel: 'telegram', to: '2' })).toBe(null);
    send('telegram:1');
    expect(alreadySentTo(layout, RUN, { channel: 'telegram', to: '1' })).toBe(null);
  });
});

describe('the last route of a session', () => {
  it('stays where somebody really wrote when the operator speaks from his shell (D03 openclaw#55271)', () => {
    open();
    say('1');
    home.run(['ingest', 'from the shell']);
    expect(readRecord(recordFile(home)).lastRoute).toMatchObject({ channel: 'telegram', from: '1' });
    say('2');
    expect(readRecord(recordFile(home)).lastRoute).toMatchObject({ channel: 'telegram', from: '2' });
  });
});
