/** What somebody stumbled over who had nothing but the README. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home } from './claw.ts';

let home: Home;
beforeEach(() => {
  home = new Home();
});
afterEach(() => home.cleanUp());

/** Writes a file beside the home; returns its path. */
function file(name: string, text: string): string {
  const place = path.join(home.folder, name);
  fs.writeFileSync(place, text, { mode: 0o600 });
  return place;
}

describe('an old configuration', () => {
  const old = '{inbound:{allowFrom:["+15551234567"],reply:{session:{scope:"per-sender"}}}}';
  const stranger = (config: string) =>
    home.run([
      'route',
      '--config',
      config,
      '--json',
      '--channel',
      'whatsapp',
      '--from',
      '+19998887777',
      'hi',
    ]);

  it('stays closed when it is loaded and when it is migrated', () => {
    const config = file('c.json', old);
    expect(stranger(config).json().access).toMatchObject({ allowed: false });
    expect(home.run(['config', 'migrate', config, '--write']).status).toBe(0);
    expect(fs.readFileSync(config, 'utf8')).toMatch(/whatsapp[^/]*allowFrom[^/]*\+15551234567/);
    expect(stranger(config).json().access).toMatchObject({ allowed: false });
  });

  it('is not rewritten where that would lose who may write', () => {
    const text =
      '{inbound:{allowFrom:["+15551234567"]},channels:{whatsapp:{allowFrom:["*"],groupPolicy:"open"}}}';
    const config = file('c.json', text);
    const { status, stderr } = home.run(['config', 'migrate', config, '--write']);
    expect([status, fs.readFileSync(config, 'utf8')]).toEqual([78, text]);
    expect(stderr).toContain('inbound.allowFrom');
  });
});

describe('an agent in its run', () => {
  it.each([
    ['import', '.'],
    ['import', '.', '--dry-run'],
    ['config', 'migrate', '--write'],
    ['config', 'migrate'],
    ['config', 'show'],
    ['config', 'show', '--effective', '--json'],
    ['config', 'get', 'owners'],
    ['config', 'set', 'owners', '[]'],
  ])('may not %s %s %s', (...args) => {
    home.config({ owners: ['telegram:4711'] });
    const { status, stdout, stderr } = home.run(args, { env: { CLAW_RUN_ID: 'r1' } });
    expect(status).toBe(77);
    expect(stdout + stderr).not.toContain('4711');
  });
});
