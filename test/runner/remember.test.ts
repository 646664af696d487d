/** Notes that are added, by whomever, and what a turn is given of them. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../src/config/schema.ts';
import type { ClawError } from '../../src/core/errors.ts';
import { beat } from '../../src/runner/beat.ts';
import { addNote, appendFlush, redoFlush } from '../../src/runner/remember.ts';
import { tryLock } from '../../src/store/lock.ts';
import { putSystemEvent } from '../../src/store/system-events.ts';
import { NOON } from '../core/turn-facts.ts';
import { snapshot } from '../store/scratch.ts';
import { type TestDesk, testDesk } from './desk.ts';

const VIENNA = { name: 'Europe/Vienna', isHost: false };
/** Half past midnight in Vienna, while it is still the day before in UTC. */
const NIGHT = Date.UTC(2026, 2, 1, 23, 30);

const workspace = ({ desk }: TestDesk, ...parts: string[]) =>
  path.join(desk.layout.workspace('main'), ...parts);
const read = (at: TestDesk, name: string) => fs.readFileSync(workspace(at, name), 'utf8');
function write(at: TestDesk, name: string, text: string): void {
  fs.mkdirSync(path.dirname(workspace(at, name)), { recursive: true });
  fs.writeFileSync(workspace(at, name), text);
}

describe('a flush before a compaction (M04 #89195, #38574)', () => {
  test('goes into the file of the day in the user’s zone; midnight there begins a new one', async () => {
    const at = testDesk({}, NIGHT, VIENNA);
    const before = await appendFlush(at.desk, 'main', 'late', NIGHT - 3_600_000);
    const after = await appendFlush(at.desk, 'main', 'early', NIGHT);
    expect([before!.name, after!.name]).toEqual(['memory/2026-03-01.md', 'memory/2026-03-02.md']);
    expect(read(at, 'memory/2026-03-01.md')).toBe('late\n');
    expect(read(at, 'memory/2026-03-02.md')).toBe('early\n');
  });

  test('goes behind what stands there, and leaves every other file as it is', async () => {
    const at = testDesk({}, NOON, VIENNA);
    const day = (await appendFlush(at.desk, 'main', '# One\r\n- a', NOON))!.name;
    fs.appendFileSync(workspace(at, day), 'by hand, no newline');
    write(at, 'MEMORY.md', 'lasting');
    write(at, 'memory/other.md', 'other');
    write(at, 'AGENTS.md', 'rules');
    const others = () => ({ ...snapshot(workspace(at)), [day]: '' });
    const before = others();
    expect(await appendFlush(at.desk, 'main', '\n- b\n\n', NOON)).toMatchObject({ name: day, line: 5 });
    expect(read(at, day)).toBe('# One\n- a\nby hand, no newline\n\n- b\n');
    expect(others()).toEqual(before);
  });

  test('twenty at once are all there, each whole', async () => {
    const at = testDesk({}, NOON);
    const texts = Array.from({ length: 20 }, (_, i) => `- note ${i}\n  ${'x'.repeat(5000)}${i}`);
    const added = await Promise.all(texts.map(text => appendFlush(at.desk, 'main', text, NOON)));
    const whole = read(at, added[0]!.name);
    for (const text of texts) expect(whole.split(`${text}\n`)).toHaveLength(2);
    expect(new Set(added.map(each => each!.line)).size).toBe(20);
  });

  test('of nothing writes nothing', async () => {
    const at = testDesk({}, NOON);
    expect(await appendFlush(at.desk, 'main', ' \n', NOON)).toBeNull();
    expect(fs.existsSync(workspace(at))).toBe(false);
  });

  test('into a folder that is a link out of the workspace is refused', async () => {
    const at = testDesk({}, NOON);
    const outside = path.join(at.desk.context.home, 'outside');
    fs.mkdirSync(outside);
    fs.mkdirSync(workspace(at), { recursive: true });
    fs.symlinkSync(outside, workspace(at, 'memory'));
    const error = await appendFlush(at.desk, 'main', 'x', NOON).catch(each => each as ClawError);
    expect(error).toMatchObject({ exit: 'noPermission', code: 'memory-link' });
    expect(fs.readdirSync(outside)).toEqual([]);
  });
});

describe('a flush whose writer died', () => {
  const NOTE = '- grüße an Zoë\n- und Tee';

  test('is announced before a byte of it stands', async () => {
    const at = testDesk({}, NOON);
    const heard: object[] = [];
    const added = await appendFlush(at.desk, 'main', ` ${NOTE}\r\n`, NOON, note => {
      heard.push({ ...note, stood: fs.existsSync(note.path) });
    });
    expect(heard).toEqual([{ path: added!.path, text: NOTE, stood: false }]);
  });

  test.each(['', '- by hand, no newline', '# Day\n\n- before\n'])(
    'stands whole and once behind %j, however much of it stood',
    async before => {
      const at = testDesk({}, NOON);
      const flush = { note: NOTE, timestamp: NOON };
      const day = 'memory/2026-03-10.md';
      write(at, day, before);
      await appendFlush(at.desk, 'main', NOTE, NOON);
      const whole = fs.readFileSync(workspace(at, day));
      // From before its first byte to behind its last one, in the middle of letters too.
      const start = Buffer.byteLength(before);
      for (let stood = start; stood <= whole.length; stood++) {
        fs.writeFileSync(workspace(at, day), whole.subarray(0, stood));
        await redoFlush(at.desk, 'main', flush);
        const text = read(at, day);
        expect(text.replace(/\n+/g, '\n')).toBe(whole.toString('utf8').replace(/\n+/g, '\n'));
        await redoFlush(at.desk, 'main', flush);
        expect(read(at, day)).toBe(text);
        // What a power cut can make of the rest.
        const nuls = Buffer.alloc(whole.length - stood);
        fs.writeFileSync(workspace(at, day), Buffer.concat([whole.subarray(0, stood), nuls]));
        await redoFlush(at.desk, 'main', flush);
        expect(read(at, day)).toBe(text);
      }
    },
  );

  test('goes behind what somebody added meanwhile; where it stands whole before that, nothing is written', async () => {
    const at = testDesk({}, NOON);
    const flush = { note: NOTE, timestamp: NOON };
    const { name } = (await appendFlush(at.desk, 'main', 'other', NOON))!;
    await redoFlush(at.desk, 'main', flush);
    await appendFlush(at.desk, 'main', 'last', NOON);
    await redoFlush(at.desk, 'main', flush);
    expect(read(at, name)).toBe(`other\n\n${NOTE}\n\nlast\n`);
  });
});

describe('a note', () => {
  test('of a dead process’s lock waits for nobody', async () => {
    const at = testDesk({}, NOON);
    const { context, layout } = at.desk;
    const dead = { ...context, self: { ...context.self, pid: 2 ** 22 + 1, startTime: 1 } };
    expect(tryLock(dead as never, layout.memoryLock('main'), '')).not.toBeNull();
    const added = await addNote(at.desk, 'main', { text: 'x', to: 'MEMORY.md' }, NOON);
    expect(read(at, added.name)).toMatch(/^- \d{4}-\d\d-\d\d \d\d:\d\d x\n$/);
    expect(fs.existsSync(layout.memoryLock('main'))).toBe(false);
  });
});

describe('a heartbeat', () => {
  const HEARTBEAT: ConfigInput = {
    agents: { defaults: { heartbeat: { every: '30m', prompt: 'How is the plumber?' } } },
  };
  const noted = (config: ConfigInput) => {
    const at = testDesk(config, NOON);
    at.session();
    at.heartbeatFile('- look after things\n');
    write(at, 'MEMORY.md', '- the plumber comes on Friday\n- read nothing, attention needs answer\n');
    at.says('HEARTBEAT_OK');
    return at;
  };

  test('is given notes that fit its own prompt, like a turn', async () => {
    const at = noted(HEARTBEAT);
    await beat(at.desk, 'main', { trigger: 'manual' });
    expect(at.prompts()[0]).toContain('<note from="MEMORY.md:1">the plumber comes on Friday</note>');
  });

  test('is given none for the words that claw itself says each time, but those that fit its events', async () => {
    const at = noted({ agents: { defaults: { heartbeat: { every: '30m' } } } });
    await beat(at.desk, 'main', { trigger: 'manual' });
    expect(at.prompts()[0]).not.toContain('<note');
    const { context, layout } = at.desk;
    putSystemEvent(context, layout, {
      agentId: 'main',
      key: 'agent:main:main',
      text: 'The plumber called.',
      source: 'operator',
    });
    await beat(at.desk, 'main', { trigger: 'manual' });
    expect(at.prompts()[1]!.match(/<note from="[^"]*"/g)).toEqual(['<note from="MEMORY.md:1"']);
  });

  test('is given none where memory is off', async () => {
    const at = noted({ ...HEARTBEAT, memory: { enabled: false } });
    await beat(at.desk, 'main', { trigger: 'manual' });
    expect(at.prompts()[0]).not.toContain('<note');
  });
});
