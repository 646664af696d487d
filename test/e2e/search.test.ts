/** `claw sessions search`, `export` and `history` as people and scripts use them. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BIN, Home, withRunner } from './claw.ts';
import { contents, recordFile, snapshot } from './support.ts';

let home: Home;
afterEach(() => home?.cleanUp());

const KEY = 'agent:main:main';
const line = (entry: object) => `${JSON.stringify(entry)}\n`;
const said = (role: string, content: unknown, timestamp: number, more: object = {}) => ({
  type: 'message',
  timestamp,
  message: { role, content },
  ...more,
});
const T = Date.UTC(2026, 2, 10, 12);

/** A transcript written by hand; archived, unless a record names it. */
function transcript(id: string, entries: (object | string)[], key = KEY, more: object = {}): string {
  const file = home.path('agents', 'main', 'sessions', `${id}.jsonl`);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const header = { type: 'session', version: 1, id, sessionKey: key, agentId: 'main', timestamp: T, ...more };
  const lines = [header, ...entries].map(entry => (typeof entry === 'string' ? `${entry}\n` : line(entry)));
  fs.writeFileSync(file, lines.join(''));
  return file;
}

const ID = '00000000-0000-4000-8000-00000000000';
const search = (...args: string[]) => home.run(['sessions', 'search', ...args, '--json']);
const texts = (...args: string[]) =>
  search(...args)
    .json()
    .results.map((each: any) => each.snippet);

describe('sessions search', () => {
  it('finds text of the current and of an archived transcript (R16 openclaw#56131)', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const first = home.run(['ingest', '--json', 'Meet me in Zürich']).json();
    home.run(['ingest', '--json', '/new']);
    const second = home.run(['ingest', '--json', 'zurich again']).json();
    const found = search('ZURICH').json();
    expect(found).toMatchObject({ terms: ['zurich'], count: 4, hasMore: false });
    expect(found.results.map((each: any) => [each.sessionId, each.current, each.role])).toEqual([
      [second.sessionId, true, 'assistant'],
      [second.sessionId, true, 'user'],
      [first.sessionId, false, 'assistant'],
      [first.sessionId, false, 'user'],
    ]);
    expect(found.results[0]).toMatchObject({ sessionKey: KEY, agentId: 'main', snippet: 'zurich again' });
    expect(home.run(['sessions', 'search', 'zurich', 'again']).stdout).toMatch(/zurich again/);
  });

  it('knows letters and quotes beyond ASCII in the built files too, which are read as latin1', () => {
    home = new Home({});
    transcript(`${ID}1`, [said('user', 'Øl in der Straße, pâté', T)]);
    for (const query of ['strasse', 'STRASSE', 'ol', '“der straße”', 'pâté'])
      expect(texts(query), query).toHaveLength(1);
    expect(search('“straße der”').json()).toMatchObject({ terms: ['strasse der'], count: 0 });
    const dist = path.join(path.dirname(BIN), '../dist');
    for (const name of fs.readdirSync(dist, { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.js')) {
        const beyond = fs.readFileSync(path.join(dist, name)).some(byte => byte > 0x7f);
        expect(beyond, name).toBe(false);
      }
  });

  it('holds to its filters', () => {
    home = new Home({});
    transcript(`${ID}1`, [
      said('user', 'pearl one', T, { origin: { channel: 'telegram', fromName: 'Ann' } }),
      said('assistant', 'pearl two', T + 1000),
      said('user', 'pearl three', T + 2000, { origin: { channel: 'cli' }, recorded: true }),
      { type: 'tool_call', timestamp: T, name: 'x', arguments: { q: 'pearl four' } },
      said('user', [{ type: 'text', text: 'pearl five' }], T + 3000, { origin: { channel: 'cli' } }),
    ]);
    transcript(`${ID}2`, [said('user', 'pearl six', T - 1000)], 'agent:main:telegram:group:-1');
    expect(texts('pearl')).toEqual(['pearl five', 'pearl three', 'pearl two', 'pearl one', 'pearl six']);
    expect(texts('pearl', '--role', 'assistant')).toEqual(['pearl two']);
    expect(texts('pearl', '--channel', 'telegram')).toEqual(['pearl two', 'pearl one', 'pearl six']);
    expect(texts('pearl', '--key', 'telegram:group:-1')).toEqual(['pearl six']);
    expect(texts('pearl', '--since', '2026-03-10T12:00:02Z')).toEqual(['pearl five', 'pearl three']);
    expect(texts('pearl', '--since', '1h')).toEqual([]);
    expect(texts('pearl', '--agent', 'other')).toEqual([]);
    expect(search('pearl', '--limit', '2').json()).toMatchObject({ count: 2, hasMore: true });
    expect(texts('pearl six')).toEqual(['pearl six']);
    expect(texts('"six pearl"')).toEqual([]);
  });

  it('finds both halves of a command, by who said them', () => {
    home = new Home({});
    home.run(['ingest', 'hello']);
    home.run(['ingest', '/new']);
    expect(texts('/new', '--role', 'user').length).toBe(1);
    expect(texts('/new', '--role', 'assistant')).toEqual([]);
  });

  it.each([['""'], ['--role', 'x', 'y'], ['--since', 'soon', 'y'], ['--limit', 'x', 'y']])(
    'refuses %s %s',
    (...args) => {
      home = new Home({});
      expect(home.run(['sessions', 'search', ...args])).toMatchObject({ status: 64, stdout: '' });
    },
  );

  it('tells unreadable lines with file and number, and searches the rest (cold and warm)', () => {
    home = new Home({});
    const file = transcript(`${ID}1`, [said('user', 'pearl', T), '{"half', said('user', 'pearls', T + 1)]);
    for (let run = 0; run < 2; run++) {
      const found = search('pearl');
      expect(found).toMatchObject({ status: 65 });
      expect(found.json().count).toBe(2);
      expect(found.stderr).toContain(`${file}:3: not JSON`);
    }
  });

  it('writes nothing but its cache, and marks nothing for a pipe', () => {
    home = new Home({});
    for (let index = 0; index < 70; index++)
      transcript(`s-${index}`, [said('user', `pearl ${index}`, T + index)]);
    home.run(['sessions', 'search', 'x']);
    const before = snapshot(home.dir, ['cache']);
    const run = home.run(['sessions', 'search', 'pearl']);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).not.toContain('\u001b');
    expect(snapshot(home.dir, ['cache'])).toEqual(before);
    expect(fs.readdirSync(home.path('cache', 'search'))).toEqual(['main']);
  });

  it('several at once are all right, and so is the cache they leave', async () => {
    home = new Home({});
    for (let index = 0; index < 200; index++)
      transcript(`s-${index}`, [said('user', `pearl number${index} of it`, T + index)]);
    const runs = [3, 77, 140, 199].map(
      index => home.start(['sessions', 'search', `number${index}`, 'of', '--json']).done,
    );
    const found = (await Promise.all(runs)).map(run => run.json().results.map((each: any) => each.sessionId));
    expect(found.map(ids => ids.at(-1))).toEqual(['s-3', 's-77', 's-140', 's-199']);
    expect(search('number199').json().results[0].sessionId).toBe('s-199');
    expect(fs.readdirSync(home.path('cache', 'search'))).toEqual(['main']);
  });
});

describe('sessions export', () => {
  const NASTY = [
    '<script>alert(1)</script>',
    '</style></title>',
    'a\u202eb\u0007c',
    '[x](javascript:alert(1))',
    '**bold** and `code` https://a.example/p',
  ].join('\n\n');

  function nasty(): string {
    home = new Home({});
    return transcript(`${ID}2`, [
      said('user', NASTY, T, { origin: { channel: 'telegram', fromName: '<b>Ann</b>' } }),
      said('assistant', NASTY, T + 60_000, { model: 'm<1>' }),
      { type: 'tool_call', timestamp: T, name: 'ls', arguments: { path: '</details><script>' } },
      { type: 'thinking', timestamp: T, text: '```\n</pre><script>' },
      { type: 'compact', timestamp: T, reason: 'overflow', turns_removed: 5, summary: '<i>short</i>' },
      { type: 'from_the_future', timestamp: T, deep: { number: 12345678901234567890n.toString() } },
      '{"half <script>',
      {
        type: 'turn_end',
        timestamp: T + 86_400_000,
        runId: 'r',
        status: 'failed',
        error: { message: 'no <net>' },
      },
      { type: 'reset', timestamp: T + 86_400_000, reason: 'daily', nextSessionId: 'x' },
    ]);
  }

  it('json: one document with every entry, unreadable and unknown ones too', () => {
    const file = nasty();
    const run = home.run(['sessions', 'export', `${ID}2`]);
    expect(run.status).toBe(65);
    expect(run.stderr).toContain(`${file}:8: not JSON`);
    const document = run.json();
    expect(document).toMatchObject({ sessionKey: KEY, sessionId: `${ID}2`, agentId: 'main', current: false });
    expect(document).toMatchObject({ startedAt: '2026-03-10T12:00:00.000Z', count: 10, unreadable: 1 });
    expect(document.entries.map((entry: any) => entry.type)).toEqual([
      'session',
      'message',
      'message',
      'tool_call',
      'thinking',
      'compact',
      'from_the_future',
      'unreadable',
      'turn_end',
      'reset',
    ]);
    expect(document.entries[7]).toMatchObject({ line: 8, text: '{"half <script>' });
  });

  it('jsonl: the good lines, byte for byte', () => {
    const file = nasty();
    const run = home.run(['sessions', 'export', `${ID}2`, '--format', 'jsonl']);
    expect(run.status).toBe(65);
    expect(run.stdout).toBe(fs.readFileSync(file, 'utf8').replace('{"half <script>\n', ''));
  });

  it('html: one page that loads and runs nothing, whatever was said', () => {
    nasty();
    const { stdout: page } = home.run(['sessions', 'export', `${ID}2`, '--format', 'html']);
    expect(page).toMatch(/^<!DOCTYPE html>[\s\S]*<\/html>\n$/);
    const body = page.slice(page.indexOf('</style>') + 8);
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    expect(page).not.toMatch(/<script|<img|<iframe|<link|<b>Ann|<i>short|no <net>|javascript:[^<]*">/i);
    expect(page).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202e]/);
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/\s(?:src|on[a-z]+)\s*=\s*["']/i);
    expect(page.match(/href="[^"]*"/g)).toEqual(['href="https://a.example/p"']);
    expect(page).toContain('prefers-color-scheme:dark');
    expect(body.match(/dir="auto"/g)!.length).toBeGreaterThanOrEqual(2);
    expect(body).toContain('<strong>bold</strong> and <code>code</code>');
    expect(body).toContain('<h2><span>Tuesday, 2026-03-10</span></h2>');
    expect(body).toContain('<h2><span>Wednesday, 2026-03-11</span></h2>');
    expect(body).toContain('2 messages (1 by people, 1 by the agent), 1 tool call, 1 failed turn, 1 reset');
    for (const tag of ['article', 'details', 'div', 'pre', 'bdi', 'main', 'header'])
      expect(body.split(`<${tag}`).length, tag).toBe(body.split(`</${tag}>`).length);
  });

  it('md: days, speakers, quotes, folded tools, rules; no HTML but its own', () => {
    nasty();
    const { stdout: text } = home.run(['sessions', 'export', `${ID}2`, '--format', 'md']);
    expect(text).toContain('# agent:main:main');
    expect(text).toContain('## Tuesday, 2026-03-10');
    expect(text).toContain('**main** · 12:01 · m\\<1\\>');
    expect(text).toContain('> **bold** and `code`');
    expect(text).toContain('> \\<script>alert(1)\\</script>');
    expect(text).toContain('<details><summary>tool call ls · 12:00</summary>');
    expect(text).toContain('---\n\n*The context was compacted (overflow), 5 turns removed · 12:00*');
    expect(text).toContain('*The session was reset (daily) · 12:00*');
    expect(text).not.toMatch(/[\u202e\u0007]/);
    // What is folded cannot close its own fence.
    expect(text).toContain('````\n```\n</pre><script>\n````');
  });

  it('--with-archived puts the past before, oldest first', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const ids = ['one', 'two', 'three'].map(text => {
      const { sessionId } = home.run(['ingest', '--json', text]).json();
      home.run(['ingest', '/new']);
      return sessionId;
    });
    home.run(['ingest', 'four']);
    const users = (document: any) =>
      document.entries.flatMap((entry: any) =>
        entry.message?.role === 'user' ? [entry.message.content] : [],
      );
    const whole = home.run(['sessions', 'export', 'main', '--with-archived']).json();
    expect(users(whole)).toEqual(['one', 'two', 'three', 'four']);
    expect(whole.transcripts.map((each: any) => each.sessionId).slice(0, 3)).toEqual(ids);
    expect(users(home.run(['sessions', 'export', 'main']).json())).toEqual(['four']);
  });

  it('--output is there whole, 0600, and replaces nothing without --force', () => {
    home = new Home(withRunner({ command: 'cat' }));
    home.run(['ingest', 'hello']);
    const file = path.join(home.folder, 'out.json');
    const args = ['sessions', 'export', 'main', '--output', file];
    expect(home.run(args)).toMatchObject({
      status: 0,
      stdout: '',
      stderr: expect.stringMatching(/: \d+ bytes\n$/),
    });
    expect((fs.statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect(JSON.parse(fs.readFileSync(file, 'utf8')).sessionKey).toBe(KEY);
    fs.writeFileSync(file, 'mine');
    const before = contents(home.folder, ['claw']);
    expect(home.run(args)).toMatchObject({ status: 73, stdout: '' });
    expect(home.run(['sessions', 'export', 'nobody', '--output', `${file}2`]).status).toBe(64);
    expect(contents(home.folder, ['claw'])).toEqual(before);
    expect(home.run([...args, '--force']).status).toBe(0);
    expect(JSON.parse(fs.readFileSync(file, 'utf8')).sessionKey).toBe(KEY);
    expect(fs.readdirSync(home.folder).filter(name => name.startsWith('.tmp'))).toEqual([]);
  });

  it('--output is no part of the store, and takes no pipe or device from others, with --force or without', () => {
    home = new Home(withRunner({ command: 'cat' }));
    home.run(['ingest', 'hello']);
    const pipe = path.join(home.folder, 'pipe');
    spawnSync('mkfifo', [pipe]);
    fs.symlinkSync('pipe', path.join(home.folder, 'link'));
    const before = snapshot(home.dir, ['cache']);
    const output = (file: string) =>
      home.run(['sessions', 'export', 'main', '--output', file, '--force']).status;
    expect(output(recordFile(home))).toBe(64);
    expect(output(home.path('agents', 'main', 'sessions', 'new.jsonl'))).toBe(64);
    expect(output(pipe)).toBe(73);
    expect(output(path.join(home.folder, 'link'))).toBe(73);
    expect(snapshot(home.dir, ['cache'])).toEqual(before);
    expect(fs.statSync(pipe).isFIFO()).toBe(true);
  });

  it('--store is the map other tools know', () => {
    home = new Home(withRunner({ command: 'cat' }));
    const { sessionId } = home.run(['ingest', '--json', 'hello']).json();
    home.run(['ingest', '--channel', 'telegram', '--group=-1', '--from', '1', '--mentioned', 'hi']);
    const run = home.run(['sessions', 'export', '--store']);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const map = run.json();
    expect(Object.keys(map).sort()).toEqual([KEY, 'agent:main:telegram:group:-1']);
    expect(map[KEY]).toMatchObject({ sessionId, chatType: 'dm', channel: 'cli', contextTokens: 200_000 });
    expect(Math.abs(map[KEY].updatedAt - Date.now())).toBeLessThan(600_000);
    expect(fs.existsSync(map[KEY].sessionFile)).toBe(true);
    fs.writeFileSync(recordFile(home, 'main'), '{');
    const rest = home.run(['sessions', 'export', '--store']);
    expect(rest.status).toBe(65);
    expect(Object.keys(rest.json())).toEqual(['agent:main:telegram:group:-1']);
  });

  it.each([[['--format', 'pdf', 'main']], [[]], [['--store', 'main']], [['--store', '--format', 'md']]])(
    'refuses %j',
    args => {
      home = new Home({});
      expect(home.run(['sessions', 'export', ...args])).toMatchObject({ status: 64, stdout: '' });
    },
  );
});

describe('sessions history', () => {
  it('shows speakers and local time; with --tools what the agent did', () => {
    home = new Home({ timezone: 'Asia/Tokyo' });
    transcript(`${ID}3`, [
      said('user', 'list it', T, { origin: { fromName: 'Ann' } }),
      { type: 'thinking', timestamp: T, thinking: 'hm' },
      { type: 'tool_call', timestamp: T, name: 'ls', arguments: { path: '/tmp' } },
      { type: 'tool_result', timestamp: T, name: 'ls', content: [{ type: 'text', text: 'a\nb' }] },
      said('assistant', 'a, b', T + 1000),
    ]);
    const history = (...args: string[]) => home.run(['sessions', 'history', `${ID}3`, ...args]);
    expect(history().stdout).toBe(
      '2026-03-10 21:00  Ann\n  list it\n\n2026-03-10 21:00  assistant\n  a, b\n',
    );
    expect(history('--tools').stdout).toContain('[tool call ls: { "path": "/tmp" }]');
    expect(history('--tools').stdout).toContain('[tool result ls: a b]');
    expect(history('--tools').stdout).toContain('[thinking: hm]');
    const roles = (...args: string[]) =>
      history(...args, '--json')
        .json()
        .messages.map((each: any) => each.role);
    expect(roles('--tools')).toEqual(['user', 'thinking', 'tool', 'tool', 'assistant']);
    expect(roles('--tools', '--last', '2')).toEqual(['tool', 'assistant']);
    expect(history('--last', '0')).toMatchObject({ status: 64, stdout: '' });
    expect(history('--last', '1', '--json').json()).toMatchObject({ sessionId: `${ID}3`, count: 1 });
  });
});

describe.skipIf(process.platform !== 'linux')('a transcript of 60 MB', () => {
  const HOOK = `process.on('exit',()=>require('fs').writeFileSync(process.env.PEAK,/VmHWM:\\s*(\\d+)/.exec(require('fs').readFileSync('/proc/self/status','utf8'))[1]))`;
  let big: Home;
  let hook: string;

  beforeAll(() => {
    big = new Home({});
    home = big;
    const many = Array.from({ length: 2000 }, (_, i) =>
      said(i % 2 ? 'assistant' : 'user', `word${i} ${'and more words '.repeat(20)}`, T + i),
    );
    const file = transcript(`${ID}4`, []);
    const chunk = many.map(line).join('');
    const fd = fs.openSync(file, 'a');
    for (let size = 0; size < 60e6; size += chunk.length) fs.writeSync(fd, chunk);
    fs.closeSync(fd);
    transcript(`${ID}5`, many.slice(0, 3));
    hook = path.join(big.folder, 'hook.cjs');
    fs.writeFileSync(hook, HOOK);
    return () => big.cleanUp();
  });

  function peak(args: string[]): number {
    const file = path.join(big.folder, 'peak');
    const run = spawnSync(process.execPath, ['-r', hook, BIN, 'sessions', ...args], {
      env: big.env({ PEAK: file }),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    expect(`${run.status} ${run.stderr}`).toBe('0 ');
    return Number(fs.readFileSync(file, 'utf8')) / 1024;
  }

  // All in one: each file is removed by afterEach only where a test made it.
  it('costs hardly more memory than a short one', () => {
    home = undefined as unknown as Home;
    const commands = [
      (id: string) => ['export', id],
      (id: string) => ['export', id, '--format', 'jsonl'],
      (id: string) => ['export', id, '--format', 'md'],
      (id: string) => ['export', id, '--format', 'html'],
      (id: string) => ['history', id, '--json'],
      (id: string) => ['history', id, '--last', '100000'],
    ];
    for (const command of commands) {
      const [short, long] = [peak(command(`${ID}5`)), peak(command(`${ID}4`))];
      expect(long / short, command('').join(' ')).toBeLessThan(2);
    }
    const cold = peak(['search', 'word1999']);
    expect(cold / peak(['search', 'absentword'])).toBeLessThan(2);
  }, 120_000);

  it('whose reader goes away is not read to its end', () => {
    home = undefined as unknown as Home;
    const run = spawnSync(
      '/bin/sh',
      ['-c', `"${process.execPath}" "${BIN}" sessions export ${ID}4 | head -c 100 >/dev/null; echo done`],
      { env: big.env() },
    );
    expect(run.stdout.toString()).toBe('done\n');
    expect(run.stderr.toString()).toBe('');
  });
});
