import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Entry, TurnEntry, UserEntry } from '../../src/core/session/transcript.ts';
import { mayStop } from '../../src/runner/aside.ts';
import type { Desk } from '../../src/runner/desk.ts';
import { requestStop, runningTurn, type StopRequest, watchForStop } from '../../src/runner/stop.ts';
import { appendLines } from '../../src/store/jsonl-file.ts';
import { Layout } from '../../src/store/layout.ts';
import { tryLock } from '../../src/store/lock.ts';
import { saveRecord } from '../../src/store/sessions.ts';
import { incoming, KEY, message, NOON, OLD, record, UTC } from '../core/turn-facts.ts';
import { useWorkers } from '../store/processes.ts';
import { contextIn, names, scratch, snapshot } from '../store/scratch.ts';

const { start } = useWorkers();

const place = { agentId: 'main', key: KEY };
const STOP: StopRequest = { kind: 'stop', messageId: 'm9' };

function deskIn(home: string): Desk {
  return {
    context: contextIn(home),
    layout: new Layout(home),
    config: {},
    zone: UTC,
    idRetention: 1,
    warn: text => {
      throw new Error(text);
    },
  };
}

const header = { type: 'session', version: 1, id: OLD, sessionKey: KEY, agentId: 'main', timestamp: NOON };
const user = (id: string, from = 'anna'): UserEntry => ({
  type: 'message',
  timestamp: NOON,
  id,
  message: { role: 'user', content: id },
  origin: { channel: 'telegram', accountId: 'default', chatType: 'dm', from },
  via: 'stdout',
});
const turn = (runId: string, messageIds: string[], attempt = 1): TurnEntry => ({
  type: 'turn',
  timestamp: NOON,
  runId,
  attempt,
  messageIds,
  runner: 'agent',
  isNewSession: false,
  reset: null,
  notices: [],
});
const end = (runId: string): Entry => ({
  type: 'turn_end',
  timestamp: NOON,
  runId,
  status: 'replied',
  usage: null,
  durationMs: 1,
});

/** A desk whose main session has this transcript; its record holds the effects of the first `settled` lines. */
function withTranscript(lines: Entry[], settled = 1): Desk {
  const desk = deskIn(scratch());
  const file = desk.layout.transcript('main', OLD);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  appendLines(file, lines.slice(0, settled));
  const bytes = fs.statSync(file).size;
  if (lines.length > settled) appendLines(file, lines.slice(settled));
  saveRecord(desk.layout, record({ bytes }), 'test', { folder: false });
  return desk;
}

describe('the turn that runs', () => {
  const running = (lines: Entry[], settled?: number) =>
    runningTurn(withTranscript(lines, settled), 'main', KEY);

  it('is the one that was begun and has no end, with its messages', () => {
    const found = running([header, user('a'), user('b'), user('c'), turn('r1', ['a', 'b'])]);
    expect(found).toMatchObject({ sessionId: OLD, turn: { runId: 'r1' } });
    expect(found?.users.map(each => each.id)).toEqual(['a', 'b']);
  });

  it('is none where every turn has ended', () => {
    expect(running([header])).toBeNull();
    expect(running([header, user('a'), turn('r1', ['a']), end('r1')])).toBeNull();
  });

  it('is the newest start of a run that was started again', () => {
    const lines = [
      header,
      user('a'),
      turn('r1', ['a']),
      end('r1'),
      user('b'),
      turn('r2', ['b']),
      turn('r2', ['b'], 2),
    ];
    expect(running(lines)?.turn).toMatchObject({ runId: 'r2', attempt: 2 });
  });

  it('is looked for only behind what the record holds: nobody reads a long transcript for it', () => {
    const lines = [header, user('a'), turn('r1', ['a']), user('b'), turn('r2', ['b']), end('r2')];
    expect(running(lines, 3)).toBeNull();
  });

  it('is none where there is no session, no transcript, or none that can be read; nothing is written', () => {
    const missing = deskIn(scratch());
    expect(runningTurn(missing, 'main', KEY)).toBeNull();
    expect(names(missing.layout.home)).toEqual([]);

    const desk = withTranscript([header, user('a'), turn('r1', ['a'])]);
    const before = snapshot(desk.layout.home);
    expect(runningTurn(desk, 'main', KEY)).not.toBeNull();
    expect(snapshot(desk.layout.home)).toEqual(before);
    const transcript = desk.layout.transcript('main', OLD);
    fs.renameSync(transcript, `${transcript}.away`);
    expect(runningTurn(desk, 'main', KEY)).toBeNull();
    fs.renameSync(`${transcript}.away`, transcript);
    fs.writeFileSync(desk.layout.record('main', KEY), '{');
    expect(runningTurn(desk, 'main', KEY)).toBeNull();
  });
});

describe('asking the holder to end a run', () => {
  it('reaches the holder of the session, once, and leaves nothing behind', async () => {
    const desk = deskIn(scratch());
    const lock = tryLock(desk.context, desk.layout.lock('main', KEY), KEY)!;
    let calls = 0;
    let finish = () => {};
    const found = new Promise<StopRequest>(resolve => {
      finish = watchForStop(lock, 'r1', request => {
        calls++;
        resolve(request);
      });
    });
    expect(requestStop(desk, place, 'r1', STOP)).toBe(true);
    expect(await found).toEqual(STOP);
    expect(calls).toBe(1);
    finish();
    expect(names(lock.folder).filter(name => name.startsWith('stop-'))).toEqual([]);
    expect(lock.held()).toBe(true);
    lock.release();
  });

  it('that came before the holder looks is found too', async () => {
    const desk = deskIn(scratch());
    const lock = tryLock(desk.context, desk.layout.lock('main', KEY), KEY)!;
    requestStop(desk, place, 'r1', { kind: 'interrupt', messageId: 'm2' });
    const found = await new Promise<StopRequest>(resolve => {
      onTestFinished(watchForStop(lock, 'r1', resolve));
    });
    expect(found).toEqual({ kind: 'interrupt', messageId: 'm2' });
  });

  it('that came as a start of its run ended is found by the start that follows, at once', () => {
    const desk = deskIn(scratch());
    const lock = tryLock(desk.context, desk.layout.lock('main', KEY), KEY)!;
    const finish = watchForStop(lock, 'r1', () => expect.unreachable());
    requestStop(desk, place, 'r1', STOP);
    finish();
    const found: StopRequest[] = [];
    watchForStop(lock, 'r1', request => found.push(request))();
    expect(found).toEqual([STOP]);
    expect(names(lock.folder).filter(name => name.startsWith('stop-'))).toEqual([]);
  });

  it('means one run: the next one is not ended by it', async () => {
    const desk = deskIn(scratch());
    const lock = tryLock(desk.context, desk.layout.lock('main', KEY), KEY)!;
    const found: string[] = [];
    requestStop(desk, place, 'r1', STOP);
    onTestFinished(watchForStop(lock, 'r2', () => found.push('r2')));
    // Another watch that is answered shows that the first had time to look.
    await new Promise<void>(resolve => {
      onTestFinished(
        watchForStop(lock, 'r1', () => {
          found.push('r1');
          resolve();
        }),
      );
    });
    expect(found).toEqual(['r1']);
  });

  it.each(['', '{"kind":"stop"', '{"kind":"other","messageId":"m"}', '{"kind":"stop"}', 'null'])(
    'that is only half there (%j) is waited for',
    async half => {
      const desk = deskIn(scratch());
      const lock = tryLock(desk.context, desk.layout.lock('main', KEY), KEY)!;
      const file = path.join(lock.folder, 'stop-r1');
      fs.writeFileSync(file, half);
      const found: StopRequest[] = [];
      const done = new Promise<void>(resolve => {
        onTestFinished(
          watchForStop(lock, 'r1', request => {
            found.push(request);
            resolve();
          }),
        );
      });
      requestStop(desk, place, 'r1', STOP);
      await done;
      expect(found).toEqual([STOP]);
    },
  );

  it('is said to be in vain where nobody holds the session, and makes no lock', () => {
    const desk = deskIn(scratch());
    expect(requestStop(desk, place, 'r1', STOP)).toBe(false);
    expect(names(desk.layout.home)).toEqual([]);
  });

  it('is said to be in vain where the holder is dead', async () => {
    const desk = deskIn(scratch());
    const folder = desk.layout.lock('main', KEY);
    const holder = start('hold', { lock: folder });
    await holder.ready;
    expect(requestStop(desk, place, 'r1', STOP)).toBe(true);
    const ended = new Promise(resolve => holder.child.once('close', resolve));
    // The worker itself, behind the shell that was replaced by it.
    process.kill(holder.child.pid!, 'SIGKILL');
    await ended;
    const before = snapshot(folder);
    expect(requestStop(desk, place, 'r2', STOP)).toBe(false);
    expect(snapshot(folder)).toEqual(before);
  });
});

describe('who may end a turn', () => {
  const origin = (from: string | undefined, channel = 'telegram') => ({
    origin: { channel, ...(from === undefined ? {} : { from }) },
  });
  const stop = (part: Parameters<typeof message>[0], owner = false) =>
    incoming({ owner, message: message({ text: '/stop', ...part }) });

  it.each<[string, ReturnType<typeof incoming>, ReturnType<typeof origin>[], boolean]>([
    ['who asked for it', stop({}), [origin('anna')], true],
    ['who asked for all of it', stop({}), [origin('anna'), origin('anna')], true],
    ['who asked for a part of it', stop({}), [origin('anna'), origin('bob')], false],
    ['somebody else', stop({ from: 'bob' }), [origin('anna')], false],
    ['who has the same id on another channel', stop({ channel: 'discord' }), [origin('anna')], false],
    ['an owner', stop({ from: 'bob' }, true), [origin('anna')], true],
    ['an owner, a turn without messages', stop({}, true), [], true],
    ['anybody, a turn without messages', stop({}), [], false],
    ['who gives no id, a turn of who gave none', stop({ from: undefined }), [origin(undefined)], false],
  ])('%s: %#', (_, who, users, may) => {
    expect(mayStop(who, users)).toBe(may);
  });
});
