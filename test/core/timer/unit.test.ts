import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { readMarker, sign } from '../../../src/core/timer/marker.ts';
import { fillPlist } from '../../../src/core/timer/plist.ts';
import { execStart, fillHardened, fillService, unitWord } from '../../../src/core/timer/unit.ts';
import { FACTS, hash } from './facts.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const template = (name: string) => fs.readFileSync(path.join(root, name), 'utf8');
const service = template('systemd/claw-tick.service');
const timer = template('systemd/claw-tick.timer');
const hardened = template('systemd/hardened.conf');
const plist = template('launchd/claw-tick.plist');

describe('the templates', () => {
  it('hold what a timer of short-lived commands needs', () => {
    for (const line of [
      'Type=oneshot',
      'TimeoutStartSec=infinity',
      'KillMode=mixed',
      'SuccessExitStatus=75',
      'UMask=0077',
    ])
      expect(service).toContain(`\n${line}\n`);
    for (const line of ['OnCalendar=*-*-* *:*:00', 'AccuracySec=1s', 'Persistent=true', 'WakeSystem=no'])
      expect(timer).toContain(`\n${line}\n`);
    // V8 dies of it (nodejs/node#55509); agents' own sandboxes of the other.
    expect(hardened).not.toMatch(/^(MemoryDenyWriteExecute|RestrictNamespaces)=/m);
    expect(plist).not.toContain('<key>KeepAlive</key>');
    expect(plist).toMatch(/<key>StartInterval<\/key>\s*<integer>60<\/integer>/);
  });
});

describe('a service filled in', () => {
  it('differs from its template in the lines that name paths', () => {
    const filled = fillService(service, { ...FACTS, config: '/etc/claw.json', zone: 'Europe/Rome' });
    const lines = service.split('\n');
    expect(filled.split('\n').filter(line => !lines.includes(line))).toEqual([
      'ExecStart=/opt/node/bin/node /opt/claw/bin/claw.js tick --config /etc/claw.json',
      'Environment=PATH=/usr/local/bin:/usr/bin:/bin',
      'Environment=CLAW_HOME=/home/u/.claw',
      'Environment=TZ=Europe/Rome',
    ]);
  });

  it.each([
    ['/a b', '"/a b"'],
    ['/100%h', '"/100%%h"'],
    ['/"q"', '"/\\"q\\""'],
    ['/back\\slash', '"/back\\\\slash"'],
    ["/it's", '"/it\'s"'],
    ['/$HOME', '"/$HOME"'],
    ['', '""'],
  ])('%s is one word to systemd', (word, expected) => expect(unitWord(word)).toBe(expected));

  it('variables begin in arguments, not in the program', () => {
    expect(execStart({ ...FACTS, node: '/$n/node', script: '/$s/claw.js' })).toBe(
      '"/$n/node" "/$$s/claw.js" tick',
    );
  });

  it('a program that systemd takes in no quoting is started by the shell', () => {
    expect(execStart({ ...FACTS, node: "/it's/node" })).toBe(
      '/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" "/it\'s/node" /opt/claw/bin/claw.js tick',
    );
  });

  it('a store outside the home directory is writable to a hardened tick', () => {
    expect(fillHardened(hardened, FACTS, '/home/u')).toBe(hardened);
    expect(fillHardened(hardened, { ...FACTS, home: '/srv/my claw' }, '/home/u')).toContain(
      '\nReadWritePaths=%h -%t "-/srv/my claw"\n',
    );
    expect(fillHardened(hardened, { ...FACTS, home: '/home/user' }, '/home/u')).toContain(' -/home/user\n');
  });
});

const verify = spawnSync('systemd-analyze', ['--version']).status === 0;

describe.skipIf(!verify)('systemd-analyze verify (skipped where it is not installed)', () => {
  let folder: string;
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['plain', 'p'],
    ['spaces, quotes, percent signs, dollars, backslashes', 'a b\'c"d%h $HOME\\e'],
  ])('accepts the units over paths with %s', (_, name) => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-units-'));
    const place = path.join(folder, name);
    fs.mkdirSync(place);
    const node = path.join(place, 'node');
    fs.symlinkSync(process.execPath, node);
    const facts = { ...FACTS, node, script: path.join(place, 'claw.js'), home: place, path: place };
    const units = path.join(folder, 'units');
    fs.mkdirSync(path.join(units, 'claw-tick.service.d'), { recursive: true });
    const write = (file: string, text: string) =>
      fs.writeFileSync(path.join(units, file), sign(text, facts, 'hash', hash));
    write('claw-tick.service', fillService(service, facts));
    write('claw-tick.timer', timer);
    write('claw-tick.service.d/h.conf', fillHardened(hardened, facts, '/home/u'));
    const found = spawnSync(
      'systemd-analyze',
      ['verify', path.join(units, 'claw-tick.service'), path.join(units, 'claw-tick.timer')],
      { encoding: 'utf8' },
    );
    expect({
      status: found.status,
      said: found.stderr.split('\n').filter(line => line.includes('claw')),
    }).toEqual({
      status: 0,
      said: [],
    });
  });
});

/** The five entities are all that XML text can hide. */
function xmlStrings(text: string): string[] {
  return [...text.matchAll(/<string>([^<]*)<\/string>/g)].map(match =>
    match[1]!.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
  );
}

describe('a property list filled in', () => {
  it.each(['/plain', '/a b', '/<tag>&amp;', '/$&', '/"q"', '/100%', '/]]>', '/--'])('holds %s', node => {
    const text = sign(fillPlist(plist, { ...FACTS, node }), { ...FACTS, node }, 'xml', hash);
    expect(xmlStrings(text)).toEqual(
      expect.arrayContaining([node, FACTS.script, 'tick', FACTS.path, FACTS.home]),
    );
    expect(text).not.toContain('HOME/.local');
    // A comment ends at its first pair of hyphens.
    for (const [, comment] of text.matchAll(/<!--([\s\S]*?)-->/g)) expect(comment).not.toContain('--');
  });
});

describe('the marker', () => {
  it('tells what it signed from what was changed since, by any hand', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        fc.constantFrom('hash' as const, 'xml' as const),
        (body, home, style) => {
          const facts = { ...FACTS, home };
          const signed = sign(`${body}\n`, facts, style, hash);
          expect(readMarker(signed, hash)).toEqual({ state: 'ours', facts });
          expect(readMarker(`x${signed}`, hash).state).toBe('edited');
          expect(readMarker(`${signed}x\n`, hash).state).toBe('edited');
          expect(readMarker(signed.slice(0, -1), hash).state).toBe('edited');
        },
      ),
    );
    expect(readMarker(service, hash)).toEqual({ state: 'foreign', facts: null });
  });
});
