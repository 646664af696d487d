/** What a newcomer reads: the figures, names and ids of listings, of a session and of its history. */
import { afterEach, describe, expect, it } from 'vitest';
import { Home, withRunner } from './claw.ts';
import { editRecord, recordFile } from './support.ts';

let home: Home;
afterEach(() => home?.cleanUp());

const cat = (rest: object = {}) => {
  home = new Home(withRunner({ command: 'cat' }, { session: { reset: { mode: 'off' } }, ...rest }));
};
const ingest = (text: string, ...more: string[]): any => home.run(['ingest', '--json', ...more, text]).json();
const json = (...args: string[]): any => home.run([...args, '--json']).json();
const text = (...args: string[]): string => home.run(args).stdout;

describe('token figures', () => {
  it('are those of the record, the same in every listing and in the chat', () => {
    cat();
    ingest('hello');
    const tokens = { inputTokens: 3000, outputTokens: 305, totalTokens: 3305, contextTokens: 3305 };
    editRecord(recordFile(home), { tokens });
    expect(json('sessions').sessions).toMatchObject([{ usedTokens: 3305, contextTokens: 200_000 }]);
    expect(json('sessions', 'show', 'main')).toMatchObject({ usedTokens: 3305 });
    expect(json('status').recent).toMatchObject([{ usedTokens: 3305 }]);
    const shown = '3.3k/200k (2%)';
    for (const args of [['sessions'], ['sessions', 'show', 'main'], ['status'], ['ingest', '/status']])
      expect(text(...args)).toContain(shown);
    editRecord(recordFile(home), { tokens: { ...tokens, contextTokens: 444 } });
    for (const args of [['sessions'], ['ingest', '/status']])
      expect(text(...args)).toContain('0.4k/200k (0%)');
  });
});

describe('names', () => {
  it('of a group and of a person outlive a message without them, and stand beside the key', () => {
    cat({ messages: { groupChat: { activation: 'always' } } });
    const group = ['--channel', 'telegram', '--group', '-100', '--from', '1'];
    ingest('hello', ...group, '--group-name', 'Family', '--from-name', 'Ada');
    ingest('again', ...group);
    expect(json('sessions').sessions).toMatchObject([{ displayName: 'Family' }]);
    expect(json('sessions', 'show', 'telegram:group:-100').lastRoute).toMatchObject({ fromName: 'Ada' });
    expect(text('sessions')).toMatch(/^KEY +NAME .*\nagent:main:telegram:group:-100 +Family /);
    home.run(['sessions', 'patch', 'telegram:group:-100', '--set', 'label=home']);
    expect(text('sessions')).toMatch(/telegram:group:-100 +home /);
    ingest('who?', '--channel', 'telegram', '--group', '-100', '--from', '2');
    expect(json('sessions', 'show', 'telegram:group:-100').lastRoute).not.toHaveProperty('fromName');
  });
});

describe('ids', () => {
  it('of messages stand whole in the inbox, and lead to them; long texts do not hide what follows', () => {
    home = new Home(withRunner({ command: 'false' }));
    const { messageId } = ingest(`a long one ${'x'.repeat(5000)}`);
    const [head = '', row = ''] = text('inbox', 'list').split('\n');
    expect(head).toMatch(/^ID +TEXT +STATE/);
    expect(row.startsWith(`${messageId}  a long one xx`)).toBe(true);
    expect(row.length).toBeLessThan(400);
    expect(home.run(['inbox', 'drop', row.split(' ')[0]!]).status).toBe(0);
  });

  it('of deliveries stand whole in their list, and are what drop takes', () => {
    cat();
    home.run(['ingest', '--no-wait', '--channel', 'telegram', '--from', '1', 'hello']);
    home.run(['tick']);
    const [head, row = ''] = text('delivery', 'list').split('\n');
    expect(head).toMatch(/^ID +TEXT +STATE/);
    expect(row).toMatch(/^[0-9a-f-]{36} {2}hello/);
    expect(home.run(['delivery', 'drop', row.split(' ')[0]!])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('hello'),
    });
  });
});

describe('/commands', () => {
  it('says something else of each form of a command', () => {
    cat();
    const menu = json('commands');
    const summaries = [...menu.native, ...menu.textOnly]
      .filter(({ name }: any) => name.startsWith('context'))
      .map(({ summary }: any) => summary);
    expect(new Set(summaries).size).toBe(2);
  });
});

describe('sessions history', () => {
  const history = (...args: string[]) => text('sessions', 'history', 'main', ...args);

  it('says from which session a message came, and so do logs and exports', () => {
    cat();
    home.run(['sessions', 'send', 'main', 'from outside']);
    expect(history()).toContain('operator\n  from outside');
    expect(text('logs', '--session', 'main')).toContain('operator: from outside');
    expect(text('sessions', 'export', 'main', '--format', 'md')).toContain('**operator**');
  });

  it('shows attachments, leaves commands out, and marks what failed', () => {
    home = new Home(withRunner({ command: 'false' }));
    const photo = { name: 'photo.jpg', type: 'image/jpeg', path: '/tmp/p' };
    home.run(['ingest', '--format', 'json'], {
      input: JSON.stringify({ text: 'look', attachments: [photo] }),
    });
    ingest('/status');
    expect(history()).toMatch(/look\n {2}\[attached: photo.jpg \(image\/jpeg\): \/tmp\/p\]\n/);
    expect(history()).toMatch(/\[The turn failed: /);
    expect(history('--last', '1')).toMatch(/look[\s\S]*The turn failed/);
    expect(history()).not.toContain('/status');
    expect(history('--commands')).toContain('/status\n  → claw');
  });
});

describe('the model in a listing', () => {
  it('is the one the next turn runs with, not that of an old turn', () => {
    cat({ models: { opus: 'anthropic/opus' } });
    ingest('/model anthropic/opus hello');
    ingest('/model default');
    expect(json('sessions').sessions).toMatchObject([{ model: null }]);
    ingest('/model anthropic/opus');
    expect(json('sessions').sessions).toMatchObject([{ model: 'anthropic/opus' }]);
  });
});

describe('sessions search', () => {
  it('finds what people typed, not what commands were answered', () => {
    cat();
    ingest('/status');
    expect(json('sessions', 'search', 'runner')).toMatchObject({ count: 0 });
    expect(json('sessions', 'search', 'status')).toMatchObject({ count: 1 });
  });
});

describe('archived transcripts', () => {
  it('show what the agent was asked, and when they ended', () => {
    cat();
    ingest('/reset now tell me a joke');
    ingest('/new');
    const shown = text('sessions', '--archived');
    expect(shown).toMatch(/\nnow tell me a joke .* just now/);
  });
});

describe('a session', () => {
  it('is found by the beginning of its id, current and archived, and by a key only another agent has', () => {
    cat({ agents: { defaults: { runner: 'agent' }, list: [{ id: 'main', default: true }, { id: 'work' }] } });
    const { sessionId } = ingest('hello');
    const short = sessionId.slice(0, 8);
    expect(json('sessions', 'show', short)).toMatchObject({ sessionId });
    ingest('/new');
    expect(json('sessions', 'show', short)).toMatchObject({ sessionId, archived: true });
    expect(home.run(['sessions', 'show', 'abcdef01']).status).toBe(64);
    ingest('hello', '--agent', 'work', '--channel', 'telegram', '--group', '-7', '--mentioned');
    expect(json('sessions', 'show', 'telegram:group:-7')).toMatchObject({ agentId: 'work' });
  });
});
