import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoadConfigOptions, loadConfig } from '../../src/config/load.ts';
import { ClawError } from '../../src/core/errors.ts';

const VALID = '// mine\n{ session: { reset: { atHour: 6 } } }\n';
const uid = process.getuid?.() ?? 0;

let home: string;
let file: string;
beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-config-'));
  file = path.join(home, 'claw.json');
});
afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

function write(text: string, mode = 0o600): void {
  fs.writeFileSync(file, text);
  fs.chmodSync(file, mode);
}

function load(options: Partial<LoadConfigOptions> = {}) {
  return loadConfig({ file, explicit: false, home, version: '1.2.3', uid, ...options });
}

async function failure(options: Partial<LoadConfigOptions> = {}): Promise<ClawError> {
  try {
    await load(options);
  } catch (error) {
    if (error instanceof ClawError) return error;
    throw error;
  }
  throw new Error('the config was accepted');
}

const cache = () => path.join(home, 'cache', 'config.json');
const modeOf = (name: string) => fs.statSync(name).mode & 0o777;

describe('which file', () => {
  test('no file is an empty configuration, and leaves nothing behind', async () => {
    expect(await load()).toEqual({ config: {}, file: null, notes: [], warnings: [], source: 'none' });
    expect(fs.readdirSync(home)).toEqual([]);
  });

  test('a file asked for by name must be there', async () => {
    expect(await failure({ explicit: true })).toMatchObject({
      exit: 'config',
      code: 'config-missing',
      hint: 'claw init',
    });
  });

  test('a file that cannot be read is not taken for an absent one', async () => {
    fs.mkdirSync(file);
    expect(await failure()).toMatchObject({ exit: 'config', code: 'config-unreadable' });
  });

  test('an empty file is a mistake, not an empty configuration', async () => {
    write('');
    expect(await failure()).toMatchObject({ code: 'config-invalid' });
    expect(fs.readFileSync(file, 'utf8')).toBe('');
  });
});

// CVE-2026-25593: whoever could write the config could have a command run.
describe('CVE-2026-25593: the file can name commands, so others must not be able to write it', () => {
  test.each([0o666, 0o622, 0o602])('mode %o is refused with the command that helps', async mode => {
    write(VALID, mode);
    const error = await failure();
    expect(error).toMatchObject({ exit: 'config', code: 'config-unsafe' });
    expect(error.message).toContain(mode.toString(8).padStart(4, '0'));
    expect(error.hint).toContain(`chmod go-w ${file}`);
  });

  test('a group that may write is said and accepted, also when the cache is used', async () => {
    write(VALID, 0o664);
    for (const source of ['file', 'cache']) {
      const loaded = await load();
      expect(loaded.source).toBe(source);
      expect(loaded.notes).toEqual([expect.stringMatching(/can be written by its group.*chmod go-w/)]);
    }
  });

  test.each([0o600, 0o400, 0o644])('mode %o is accepted in silence', async mode => {
    write(VALID, mode);
    expect((await load()).notes).toEqual([]);
  });

  test('a loosened mode is noticed though the text is in the cache', async () => {
    write(VALID);
    await load();
    fs.chmodSync(file, 0o666);
    expect(await failure()).toMatchObject({ code: 'config-unsafe' });
  });

  test.runIf(uid === 0)("another user's file is refused, root's is not", async () => {
    write(VALID);
    expect((await load({ uid: 4242 })).config).toEqual({ session: { reset: { atHour: 6 } } });
    fs.chownSync(file, 4242, -1);
    const error = await failure();
    expect(error).toMatchObject({ exit: 'config', code: 'config-unsafe' });
    expect(error.message).toContain('belongs to user 4242');
  });

  test('a link is as safe as what it points to', async () => {
    const target = path.join(home, 'real.json');
    fs.writeFileSync(target, VALID);
    fs.chmodSync(target, 0o666);
    fs.symlinkSync(target, file);
    expect(await failure()).toMatchObject({ code: 'config-unsafe' });
  });

  test('hints can be pasted into a shell', async () => {
    const odd = path.join(home, "it's; here.json");
    fs.writeFileSync(odd, VALID);
    fs.chmodSync(odd, 0o666);
    expect((await failure({ file: odd })).hint).toContain(`'${home}/it'\\''s; here.json'`);
  });
});

describe('the cache of validated text', () => {
  const forge = (change: object, mode = 0o600) => {
    const kept = { version: '1.2.3', text: VALID, config: { timezone: 'UTC' }, notes: [] };
    fs.mkdirSync(path.dirname(cache()), { recursive: true });
    fs.writeFileSync(cache(), JSON.stringify({ ...kept, ...change }));
    fs.chmodSync(cache(), mode);
  };

  test('the second load takes it, and says the same', async () => {
    write('{ session: { resetTime: "05:30" } }');
    const first = await load();
    expect(first).toMatchObject({
      config: { session: { reset: { at: '05:30', mode: 'daily' } } },
      notes: ['session.resetTime is read as session.reset.at'],
      source: 'file',
      file,
    });
    expect(await load()).toEqual({ ...first, source: 'cache' });
    expect([modeOf(cache()), modeOf(path.dirname(cache()))]).toEqual([0o600, 0o700]);
  });

  test('it is believed when text, version and mode are right', async () => {
    write(VALID);
    forge({});
    expect((await load()).config).toEqual({ timezone: 'UTC' });
  });

  test.each([
    ['of another text', { text: `${VALID} ` }, 0o600],
    ['of another version', { version: '1.2.2' }, 0o600],
    ['that others can write', {}, 0o602],
    ['that the group can write', {}, 0o660],
    ['without its configuration', { config: null }, 0o600],
  ])('a cache %s is ignored and replaced', async (_what, change, mode) => {
    write(VALID);
    forge(change, mode);
    expect(await load()).toMatchObject({ config: { session: { reset: { atHour: 6 } } }, source: 'file' });
    expect(await load()).toMatchObject({ config: { session: { reset: { atHour: 6 } } }, source: 'cache' });
    expect(modeOf(cache())).toBe(0o600);
  });

  test.runIf(uid === 0)("another user's cache is ignored, and its owner not taken over", async () => {
    write(VALID);
    forge({});
    fs.chownSync(cache(), 4242, -1);
    expect(await load()).toMatchObject({ config: { session: { reset: { atHour: 6 } } }, source: 'file' });
    expect(fs.statSync(cache()).uid).toBe(0);
  });

  test.each(['', '{', 'null', '[]'])('a cache that holds %j is ignored', async text => {
    write(VALID);
    fs.mkdirSync(path.dirname(cache()));
    fs.writeFileSync(cache(), text, { mode: 0o600 });
    expect((await load()).source).toBe('file');
  });

  test('nothing invalid is kept', async () => {
    write('{ nonsense: 1 }');
    await failure();
    expect(fs.existsSync(path.dirname(cache()))).toBe(false);
  });

  test('a home that is not there is not made, a cache that cannot be written is done without', async () => {
    write(VALID);
    const elsewhere = path.join(home, 'absent');
    expect((await load({ home: elsewhere })).source).toBe('file');
    expect(fs.existsSync(elsewhere)).toBe(false);
    fs.writeFileSync(path.join(home, 'cache'), 'in the way');
    expect((await load()).source).toBe('file');
  });
});

describe('openclaw#57391: an invalid configuration is refused once, with everything that is wrong', () => {
  test('in one report, with lines, and the command that checks it', async () => {
    write(
      '{\n  session: { rest: { mode: "daily" } },\n  agents: { list: [{ id: 7 }] },\n  bindings: [{ agentId: "nobody" }],\n}\n',
    );
    const error = await failure();
    expect(error).toMatchObject({ exit: 'config', code: 'config-invalid', hint: 'claw config validate' });
    expect(error.message.split('\n')).toEqual([
      `${file}: 3 problems`,
      '  line 2: session.rest: unknown key; did you mean "reset"?',
      '  line 3: agents.list[0].id: expected string, received number',
      '  line 4: bindings[0].match: is missing: expected object',
    ]);
  });

  test('a file given by name is named in the hint', async () => {
    write('{');
    const error = await failure({ explicit: true });
    expect(error.message).toBe(`${file}: 1 problem\n  line 1: invalid end of input at column 2`);
    expect(error.hint).toBe(`claw config validate --config ${file}`);
  });
});
