import { afterEach, describe, expect, it } from 'vitest';
import { Home, withRunner } from './claw.ts';

let home: Home;
afterEach(() => home.cleanUp());

describe('claw ingest', () => {
  it('answers a piped message through recall, with no config and no network', () => {
    home = new Home();
    const first = home.run(['ingest'], { input: 'the spare key is with Ada\n' });
    expect(first).toMatchObject({ status: 0, stderr: '' });
    const second = home.run(['ingest', 'where is the spare key?']);
    expect(second.stdout).toContain('the spare key is with Ada');
    expect(home.users().map(entry => entry.message.content)).toEqual([
      'the spare key is with Ada',
      'where is the spare key?',
    ]);
  });

  it('records and answers a text of 300 KB through recall, of one word or of many', () => {
    home = new Home();
    for (const text of ['x'.repeat(300_000), 'many words '.repeat(30_000)]) {
      const run = home.run(['ingest', '--json'], { input: text });
      expect(run).toMatchObject({ status: 0, stderr: '' });
      expect(run.json().status).toBe('replied');
    }
  });

  it('prints the result document with --json', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const run = home.run(['ingest', '--json', '--channel', 'telegram', '--from', '111', '--id', '7'], {
      input: 'hello',
    });
    expect(run.status).toBe(0);
    expect(run.json()).toMatchObject({
      status: 'replied',
      messageId: '7',
      agentId: 'main',
      sessionKey: 'agent:main:main',
      isNewSession: true,
      reset: null,
      notices: [],
      reply: { text: 'hello' },
    });
  });

  it('returns the first result when the same message id comes again', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const args = ['ingest', '--json', '--channel', 'telegram', '--from', '1', '--id', 'm1', 'hello'];
    const first = home.run(args).json();
    const second = home.run(args).json();
    expect(second).toEqual({ ...first, status: 'duplicate' });
    expect(home.users()).toHaveLength(1);
  });

  it('keeps a failed message, exits 69, and tries it again when it comes again', () => {
    home = new Home(withRunner({ command: 'false' }));
    const args = ['ingest', '--json', '--channel', 'telegram', '--from', '1', '--id', 'm1', 'hello'];
    const failed = home.run(args);
    expect(failed.status).toBe(69);
    expect(failed.json()).toMatchObject({ status: 'failed', error: { code: 'exit' } });
    expect(JSON.parse(failed.stderr)).toHaveProperty('error.message');
    expect(home.run(['inbox', 'list', '--json']).json().messages).toMatchObject([
      { state: 'failed', text: 'hello' },
    ]);

    home.config(withRunner({ command: 'cat' }));
    const again = home.run(args);
    expect(again.json()).toMatchObject({
      status: 'replied',
      reply: { text: 'hello' },
      sessionId: failed.json().sessionId,
    });
    expect(home.users()).toHaveLength(1);
    expect(home.run(['inbox', 'list', '--json']).json().messages).toEqual([]);
  });
});
