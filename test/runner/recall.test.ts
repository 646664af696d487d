import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TurnRequest } from '../../src/core/turn-request.ts';
import { runRecall } from '../../src/runner/recall.ts';
import { turnRequest } from '../core/runner/turn-request.ts';
import { newSetting, type Setting } from './exec-setting.ts';

let setting: Setting;
let sessions: string;
beforeEach(() => {
  setting = newSetting();
  sessions = path.join(setting.folder, 'sessions');
  fs.mkdirSync(sessions);
});
afterEach(() => setting.remove());

const KEY = 'agent:main:main';
const at = Date.UTC(2026, 2, 1, 13, 5);
const header = (id: string, previousSessionId?: string, sessionKey: string = KEY) => ({
  type: 'session',
  version: 1,
  id,
  sessionKey,
  agentId: 'main',
  timestamp: at,
  previousSessionId,
});
const said = (content: string) => ({
  type: 'message',
  timestamp: at,
  id: content.slice(0, 20),
  message: { role: 'user', content },
  origin: { channel: 'cli', accountId: 'default', chatType: 'dm', from: 'anna' },
});

function write(id: string, ...lines: unknown[]): void {
  const text = lines.map(line => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');
  fs.writeFileSync(path.join(sessions, `${id}.jsonl`), text);
}

async function ask(body: string, part: Partial<TurnRequest> = {}) {
  const transcript = path.join(sessions, 'session-1.jsonl');
  const outcome = await runRecall(turnRequest({ body, transcript, workspace: setting.workspace, ...part }), {
    zone: 'UTC',
    now: () => 5,
  });
  return { outcome, text: outcome.status === 'replied' ? outcome.text : '' };
}

describe('where it looks', () => {
  test('in the present transcript, past lines that cannot be used', async () => {
    write(
      'session-1',
      header('session-1'),
      said('the cat is called Minka'),
      '{"torn',
      'null',
      '\0\0\0',
      '',
      said('the dog is Rex'),
      '[1]',
    );
    expect((await ask('cat')).text).toContain('2026-03-01 13:05, you: "the cat is called Minka"');
    expect((await ask('dog')).text).toContain('Rex');
  });

  test('in the transcripts it was reset from, one after the other', async () => {
    write('session-1', header('session-1', 'older'));
    write('older', header('older', 'oldest'), said('the cat is called Minka'));
    write('oldest', header('oldest', 'gone'), said('the dog is called Rex'));
    expect((await ask('cat')).text).toContain('Minka');
    expect((await ask('dog')).text).toContain('Rex');
    expect((await ask('dog')).outcome.warnings).toEqual([]);
  });

  test('never in another session, even where a transcript points at one', async () => {
    write('session-1', header('session-1', 'foreign'));
    write('foreign', header('foreign', undefined, 'agent:main:dm:bob'), said('the cat is called Minka'));
    write('unrelated', header('unrelated'), said('the cat is called Morle'));
    expect((await ask('cat')).text).toMatch(/nothing about it/);
  });

  test.each(['../secret', '/etc/passwd', '.hidden', '', 'session-1', 7])(
    'the chain ends at the id %j',
    async previous => {
      fs.writeFileSync(
        path.join(setting.folder, 'secret.jsonl'),
        `${JSON.stringify(said('the cat is Minka'))}\n`,
      );
      write('session-1', header('session-1', previous as string), said('a dog'));
      expect((await ask('cat')).text).toMatch(/nothing about it/);
    },
  );

  test('a circle ends', async () => {
    write('session-1', header('session-1', 'b'), said('dog'));
    write('b', header('b', 'session-1'), said('cat one'));
    expect((await ask('cat')).text).toContain('cat one');
  });

  test('in the notes of the main session, and of no other', async () => {
    fs.writeFileSync(path.join(setting.workspace, 'MEMORY.md'), '# Pets\n- the cat is called Minka\n');
    fs.mkdirSync(path.join(setting.workspace, 'memory'));
    fs.writeFileSync(path.join(setting.workspace, 'memory', '2026-02-03.md'), 'Bought food for the cat.\n');
    fs.writeFileSync(path.join(setting.workspace, 'memory', 'cat.txt'), 'the cat in a text file');
    const { text } = await ask('cat');
    expect(text).toContain('MEMORY.md: "Pets: the cat is called Minka"');
    expect(text).toContain('2026-02-03, memory/2026-02-03.md: "Bought food for the cat."');
    expect(text).not.toContain('text file');
    expect((await ask('cat', { sessionKey: 'agent:main:dm:bob' })).text).toMatch(/nothing about it/);
  });

  test('nothing at all is simply nothing', async () => {
    const { outcome, text } = await ask('anything');
    expect(text).toMatch(/nothing about it[\s\S]*agents\.defaults\.runner\.$/);
    expect(outcome).toEqual({ status: 'replied', text, usage: null, durationMs: 0, warnings: [] });
  });
});

describe('its limits', () => {
  const filler = said('x'.repeat(1000));

  test('16 MiB are read, the newest first, and it says that there is more', async () => {
    const many = Array.from({ length: 16_500 }, () => filler);
    write(
      'session-1',
      header('session-1', 'older'),
      said('the cat is called Minka'),
      ...many,
      said('the dog is Rex'),
    );
    write('older', header('older'), said('a bird'));
    const { text } = await ask('cat or dog or bird');
    expect(text).toContain('Rex');
    expect(text).not.toMatch(/Minka|a bird/);
    expect(text).toContain('older text that was not searched');
  });

  test('unreadable is not empty: the reply and a warning name the file', async () => {
    fs.symlinkSync('session-1.jsonl', path.join(sessions, 'session-1.jsonl'));
    fs.mkdirSync(path.join(setting.workspace, 'MEMORY.md'));
    const { outcome, text } = await ask('cat');
    expect(text).toContain('unreadable: MEMORY.md (not a file), session-1.jsonl (ELOOP)');
    expect(outcome.warnings).toHaveLength(2);
  });

  test('an abort ends it', async () => {
    expect((await ask('x', { signal: AbortSignal.abort() })).outcome).toMatchObject({
      status: 'failed',
      error: { code: 'aborted' },
    });
  });

  test('the reply is shown as it comes: at once', async () => {
    const pieces: string[] = [];
    const { text } = await ask('x', { onDelta: piece => pieces.push(piece) });
    expect(pieces).toEqual([text]);
  });

  test('nothing is written', async () => {
    write('session-1', header('session-1'), said('the cat'));
    const before = fs.readdirSync(setting.folder, { recursive: true });
    await ask('cat');
    expect(fs.readdirSync(setting.folder, { recursive: true })).toEqual(before);
  });
});
