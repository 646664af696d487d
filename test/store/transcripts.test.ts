import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { originOf } from '../../src/core/incoming.ts';
import type {
  AssistantEntry,
  CommandEntry,
  Entry,
  TurnEndEntry,
  TurnEntry,
  UserEntry,
} from '../../src/core/session/transcript.ts';
import { appendLines, readTail } from '../../src/store/jsonl-file.ts';
import { Layout } from '../../src/store/layout.ts';
import {
  messageOutcome,
  newestFirst,
  prepareTranscript,
  removeTranscript,
  transcriptState,
  unansweredUsers,
} from '../../src/store/transcripts.ts';
import { KEY, message, NOON, OLD, record } from '../core/turn-facts.ts';
import { modeOf, names, scratch, snapshot } from './scratch.ts';

const header = (id = OLD, more: object = {}): Entry => ({
  type: 'session',
  version: 1,
  id,
  sessionKey: KEY,
  agentId: 'main',
  timestamp: NOON,
  ...more,
});
const user = (id: string, more: Partial<UserEntry> = {}): UserEntry => ({
  type: 'message',
  timestamp: NOON,
  id,
  message: { role: 'user', content: `text of ${id}` },
  origin: originOf(message()),
  via: 'stdout',
  ...more,
});
const reply = (runId: string, content = `reply of ${runId}`): AssistantEntry => ({
  type: 'message',
  timestamp: NOON,
  runId,
  message: { role: 'assistant', content },
});
const turn = (runId: string, messageIds: string[], attempt = 1): TurnEntry => ({
  type: 'turn',
  timestamp: NOON,
  runId,
  attempt,
  messageIds,
  runner: 'recall',
  isNewSession: false,
  reset: null,
  notices: [],
});
const end = (runId: string, status: TurnEndEntry['status'] = 'replied'): TurnEndEntry => ({
  type: 'turn_end',
  timestamp: NOON,
  runId,
  status,
  usage: null,
  durationMs: 5,
});
const command = (id: string): CommandEntry => ({
  type: 'command',
  timestamp: NOON,
  runId: 'c1',
  id,
  text: '/new',
  origin: originOf(message()),
  via: 'stdout',
  reply: 'New session.',
  isNewSession: true,
  reset: null,
  notices: [],
});

/** A transcript of the session with these lines, and where each of them begins. */
function transcript(...entries: (Entry | string)[]) {
  const layout = new Layout(scratch());
  fs.mkdirSync(layout.sessions('main'), { recursive: true });
  const file = layout.transcript('main', OLD);
  const offsets = entries.map(entry => {
    const offset = fs.existsSync(file) ? fs.statSync(file).size : 0;
    fs.appendFileSync(file, typeof entry === 'string' ? entry : `${JSON.stringify(entry)}\n`);
    return offset;
  });
  return { layout, file, offsets };
}

describe('what stands behind a record', () => {
  test.each<[string, (Entry | string)[], number, string]>([
    ['its own transcript', [header(), user('m1')], 500, 'present'],
    ['its own transcript, of which the record knows nothing yet', [header(), user('m1')], 0, 'present'],
    ["another session's transcript", [header('other')], 500, 'foreign'],
    ["another session's transcript, before its first message", [header('other')], 0, 'foreign'],
    ['a transcript without a header', [user('m1')], 500, 'present'],
    ['a torn header', ['{"type":"session","vers'], 0, 'present'],
    ['a transcript that begins with an empty line', ['\n', header()], 500, 'present'],
    ['an empty file', [''], 0, 'not-started'],
    ['a file emptied by hand', [''], 500, 'not-started'],
  ])('%s', (_, entries, bytes, state) => {
    const { layout } = transcript(...entries);
    expect(transcriptState(layout, record({ bytes }))).toBe(state);
  });

  test('no file: not begun when the record has no bytes, else missing', () => {
    const layout = new Layout(scratch());
    expect(transcriptState(layout, record({ bytes: 0 }))).toBe('not-started');
    expect(transcriptState(layout, record({ bytes: 1 }))).toBe('missing');
  });

  test("another session's transcript is foreign however long its header is", () => {
    // An id may have 1024 characters, and a key several ids: more than one block of a file.
    const sessionKey = `agent:main:telegram:dm:${'漢'.repeat(1024)}:thread:${'字'.repeat(1024)}`;
    const { layout } = transcript(header('other', { sessionKey }), user('m1'));
    expect(transcriptState(layout, record())).toBe('foreign');
  });

  test('what cannot be read is an error, never a missing transcript', () => {
    const layout = new Layout(scratch());
    fs.mkdirSync(layout.transcript('main', OLD), { recursive: true });
    expect(() => transcriptState(layout, record())).toThrow(/EISDIR/);
    fs.rmSync(layout.sessions('main'), { recursive: true });
    fs.writeFileSync(layout.sessions('main'), '');
    expect(() => transcriptState(layout, record())).toThrow(/ENOTDIR/);
  });
});

describe('a new transcript', () => {
  test('appears whole when it is committed, with its lines where they were said to be', () => {
    const { layout } = transcript();
    const entries = [
      header(),
      user('m1', { message: { role: 'user', content: 'ä\u2028€' } }),
      turn('r1', ['m1']),
    ];
    const { prepared, offsets, end: size } = prepareTranscript(layout, 'main', OLD, entries, 'writer');
    const file = layout.transcript('main', OLD);
    expect(fs.existsSync(file)).toBe(false);
    prepared.commit({ folder: true });
    expect(readTail(file, 0).lines.map(line => line.value)).toEqual(entries);
    expect(readTail(file, 0).lines.map(line => line.offset)).toEqual(offsets);
    expect(fs.statSync(file).size).toBe(size);
    expect(modeOf(file)).toBe('600');
    expect(names(layout.drafts('main'))).toEqual([]);
  });

  test('that is given up leaves nothing, before and after it got its name', () => {
    const { layout } = transcript();
    const { prepared } = prepareTranscript(layout, 'main', OLD, [header()], 'writer');
    prepared.abandon();
    expect(names(layout.drafts('main'))).toEqual([]);
    prepareTranscript(layout, 'main', OLD, [header()], 'writer').prepared.commit({ folder: true });
    removeTranscript(layout, 'main', OLD);
    removeTranscript(layout, 'main', OLD);
    expect(names(layout.sessions('main')).filter(name => name.endsWith('.jsonl'))).toEqual([]);
  });
});

describe('reading back', () => {
  test('gives the newest entry first, keeps types it does not know, tells of bad lines and goes on', () => {
    const later = { type: 'of a later claw', x: 1 };
    const { file, offsets } = transcript(
      header(),
      user('m1'),
      'hello\n',
      later,
      '\n',
      reply('r1'),
      '{"type":"cut',
    );
    const bad: [number, string][] = [];
    const found = [...newestFirst(file, (offset, reason) => bad.push([offset, reason]))];
    expect(found).toEqual([reply('r1'), later, user('m1'), header()]);
    expect(bad.map(([offset]) => offset)).toEqual([offsets[6], offsets[2]]);
  });

  test('is done only as far as it is asked for', () => {
    const bad: number[] = [];
    const { file } = transcript('hello\n', user('m1'), user('m2'));
    for (const entry of newestFirst(file, offset => bad.push(offset)))
      if ((entry as UserEntry).id === 'm2') break;
    expect(bad).toEqual([]);
  });

  test('changes nothing', () => {
    const { layout, file, offsets } = transcript(header(), user('m1'), turn('r1', ['m1']), '{"cut');
    const before = snapshot(layout.home);
    [...newestFirst(file, () => undefined)];
    transcriptState(layout, record());
    messageOutcome(file, offsets[1]!, 'm1');
    unansweredUsers(file, 0);
    expect(snapshot(layout.home)).toEqual(before);
  });
});

describe('what became of a message', () => {
  const other = [user('x'), turn('rx', ['x']), reply('rx'), end('rx')];
  const ended = (status: TurnEndEntry['status'], answer: AssistantEntry | null, run = 'r1', attempt = 1) => ({
    state: 'ended',
    user: user('m1'),
    turn: turn(run, ['m1'], attempt),
    end: end(run, status),
    reply: answer,
  });

  test.each<[string, (Entry | string)[], object]>([
    ['stands alone', [], { state: 'open' }],
    ['its turn has begun', [turn('r1', ['m1'])], { state: 'open' }],
    ['its turn has begun twice', [turn('r1', ['m1']), turn('r1', ['m1'], 2)], { state: 'open' }],
    ['its reply stands there without an end', [turn('r1', ['m1']), reply('r1')], { state: 'open' }],
    ['it was answered', [turn('r1', ['m1']), reply('r1'), end('r1')], ended('replied', reply('r1'))],
    ['it was answered with silence', [turn('r1', ['m1']), end('r1', 'silent')], ended('silent', null)],
    ['its agent failed', [turn('r1', ['m1']), end('r1', 'failed')], ended('failed', null)],
    [
      'its agent failed, then it was tried again and answered',
      [turn('r1', ['m1']), end('r1', 'failed'), turn('r2', ['m1']), reply('r2'), end('r2')],
      ended('replied', reply('r2'), 'r2'),
    ],
    [
      'its agent failed, and it is being tried again',
      [turn('r1', ['m1']), end('r1', 'failed'), turn('r2', ['m1'])],
      { state: 'open' },
    ],
    [
      'its first start was interrupted, the second answered',
      [turn('r1', ['m1']), turn('r1', ['m1'], 2), reply('r1'), end('r1')],
      ended('replied', reply('r1'), 'r1', 2),
    ],
    [
      'its agent was silent while another run answered',
      [turn('r1', ['m1']), reply('rx'), end('r1', 'silent')],
      ended('silent', null),
    ],
    [
      'it was answered; what a later turn did is not its own',
      [turn('r1', ['m1']), reply('r1'), end('r1'), ...other, turn('r9', ['m1', 'x']), end('r9', 'failed')],
      ended('replied', reply('r1')),
    ],
    ['only others were answered', other, { state: 'open' }],
    [
      'others were answered between',
      [...other, turn('r1', ['m1']), ...other, reply('r1'), end('r1')],
      ended('replied', reply('r1')),
    ],
    [
      'bad lines stand between',
      ['hello\n', turn('r1', ['m1']), '\0\0\n', reply('r1'), '\n', end('r1'), '{"cut'],
      ended('replied', reply('r1')),
    ],
    ["only another run's end stands there", [turn('r1', ['m1']), end('r2')], { state: 'open' }],
  ])('%s', (_, behind, outcome) => {
    const { file, offsets } = transcript(header(), ...other, user('m1'), ...behind);
    expect(messageOutcome(file, offsets[5]!, 'm1')).toEqual(outcome);
  });

  test('it was collected with others: the turn holds them all', () => {
    const { file, offsets } = transcript(
      user('m1'),
      user('m2'),
      turn('r1', ['m1', 'm2']),
      reply('r1'),
      end('r1'),
    );
    for (const [index, id] of ['m1', 'm2'].entries()) {
      expect(messageOutcome(file, offsets[index]!, id)).toMatchObject({
        state: 'ended',
        turn: { messageIds: ['m1', 'm2'] },
        reply: reply('r1'),
      });
    }
  });

  test('it was kept and not answered', () => {
    const { file, offsets } = transcript(user('m1', { recorded: true }), turn('r1', ['m1']), end('r1'));
    expect(messageOutcome(file, offsets[0]!, 'm1')).toEqual({
      state: 'recorded',
      user: user('m1', { recorded: true }),
    });
  });

  test('it was a command', () => {
    const { file, offsets } = transcript(header(), command('m1'));
    expect(messageOutcome(file, offsets[1]!, 'm1')).toEqual({ state: 'command', command: command('m1') });
  });

  test('its line or its transcript is gone', () => {
    const { layout, file, offsets } = transcript(header(), user('m1'), user('m2'));
    expect(messageOutcome(file, offsets[1]!, 'm2')).toBeNull();
    expect(messageOutcome(file, fs.statSync(file).size, 'm1')).toBeNull();
    expect(messageOutcome(file, 1_000_000, 'm1')).toBeNull();
    expect(messageOutcome(file, offsets[1]! + 1, 'm1')).toBeNull();
    expect(messageOutcome(layout.transcript('main', 'none'), 0, 'm1')).toBeNull();
  });
});

describe('messages without an answer', () => {
  test('are those whose turn has no end, also one whose turn never began', () => {
    const { file, offsets } = transcript(
      header(),
      ...[user('done'), turn('r1', ['done']), reply('r1'), end('r1')],
      user('kept', { recorded: true }),
      command('c'),
      ...[user('failed'), turn('r2', ['failed']), end('r2', 'failed')],
      ...[user('begun'), turn('r3', ['begun'])],
      user('alone'),
      '{"cut',
    );
    expect(unansweredUsers(file, 0).map(each => each.id)).toEqual(['begun', 'alone']);
    expect(unansweredUsers(file, offsets.at(-2)!).map(each => each.id)).toEqual(['alone']);
    expect(unansweredUsers(`${file}.none`, 0)).toEqual([]);
  });
});

test('what is appended later is found from the offset that appending gave', () => {
  const { file } = transcript(header());
  const { offsets } = appendLines(file, [user('m1'), turn('r1', ['m1'])]);
  expect(messageOutcome(file, offsets[0]!, 'm1')).toEqual({ state: 'open' });
});
