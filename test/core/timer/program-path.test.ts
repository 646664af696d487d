import { describe, expect, it } from 'vitest';
import {
  freezePath,
  lastingNames,
  temporaryMaker,
  unstableProgram,
} from '../../../src/core/timer/program-path.ts';

describe('a place that will not stay', () => {
  it.each([
    // nanoclaw#731
    ['/run/user/1000/fnm_multishells/4711_1700000000/bin/node', /fnm/],
    ['/home/u/.local/state/fnm_multishells/1_2/bin', /fnm/],
    ['/Users/u/Library/Caches/fnm_multishells/1_2/bin/node', /fnm/],
    ['/home/u/.nvm/current/bin/node', /nvm/],
    ['/home/u/.npm/_npx/0a1b/node_modules/claw/bin/claw.js', /npx/],
    ['/home/u/.cache/pnpm/dlx/abc/node_modules/claw/bin/claw.js', /pnpm/],
    ['/tmp/bunx-1000-claw@latest/node_modules/claw/bin/claw.js', /bunx/],
    ['/tmp/yarn--1700000000-0.5/node', /yarn/],
    ['/run/user/1000/node', /session/],
  ])('%s', (path, maker) => {
    expect(temporaryMaker(path)).toMatch(maker);
    expect(unstableProgram(path)).toMatch(maker);
  });

  it.each(['/home/u/.volta/bin/node', '/home/u/.asdf/shims/node', '/home/u/.local/share/mise/shims/node'])(
    'a shim is no program for a timer, though its folder stays on the PATH: %s',
    path => {
      expect(unstableProgram(path)).not.toBeNull();
      expect(temporaryMaker(path)).toBeNull();
    },
  );

  it.each([
    '/usr/bin/node',
    '/home/u/.nvm/versions/node/v20.19.0/bin/node',
    '/home/u/.local/share/fnm/node-versions/v20.19.0/installation/bin/node',
    '/home/u/.volta/tools/image/node/20.19.0/bin/node',
    '/home/u/.asdf/installs/nodejs/20.19.0/bin/node',
    '/home/u/.local/share/mise/installs/node/20/bin/node',
    '/usr/local/lib/node_modules/claw/bin/claw.js',
  ])('%s stays', path => expect(unstableProgram(path)).toBeNull());
});

describe('other names of a program', () => {
  it('are the link of Homebrew instead of a version that the next upgrade removes', () => {
    expect(lastingNames('/opt/homebrew/Cellar/node@20/20.19.0/bin/node', [])).toEqual([
      '/opt/homebrew/opt/node@20/bin/node',
    ]);
  });
  it('are the profiles of Nix instead of the store', () => {
    expect(
      lastingNames('/nix/store/abc-nodejs/bin/node', [
        '/nix/store/abc-nodejs/bin',
        '/home/u/.nix-profile/bin',
      ]),
    ).toEqual(['/home/u/.nix-profile/bin/node']);
  });
  it('are none elsewhere', () => expect(lastingNames('/usr/bin/node', ['/bin'])).toEqual([]));
});

describe('the frozen PATH', () => {
  const real: Record<string, string> = {
    '/usr/bin': '/usr/bin',
    '/bin': '/usr/bin',
    '/opt/node/bin': '/opt/node/bin',
    '/home/u/my bin': '/home/u/my bin',
    '/run/user/1000/fnm_multishells/1_2/bin': '/home/u/.local/share/fnm/node-versions/v20/installation/bin',
    '/home/u/.nvm/current/bin': '/home/u/.nvm/versions/node/v20/bin',
    '/tmp/yarn--1-2': '/tmp/yarn--1-2',
    '/w/node_modules/.bin': '/w/node_modules/.bin',
  };
  const freeze = (path: string | undefined) => freezePath(path, '/opt/node/bin', each => real[each] ?? null);

  it.each([
    ['what is relative, empty or gone is left out', 'bin:.::/gone:/usr/bin', '/usr/bin:/opt/node/bin:/bin'],
    ['once each, in order', '/bin:/usr/bin:/bin/:/usr/bin', '/bin:/usr/bin:/opt/node/bin'],
    ['spaces are nothing special', '/home/u/my bin', '/home/u/my bin:/opt/node/bin:/usr/bin:/bin'],
    [
      'a temporary folder is what it leads to',
      '/run/user/1000/fnm_multishells/1_2/bin:/home/u/.nvm/current/bin',
      '/home/u/.local/share/fnm/node-versions/v20/installation/bin:/home/u/.nvm/versions/node/v20/bin:/opt/node/bin:/usr/bin:/bin',
    ],
    ['or is left out', '/tmp/yarn--1-2:/w/node_modules/.bin:/usr/bin', '/usr/bin:/opt/node/bin:/bin'],
    ['none at all', undefined, '/opt/node/bin:/usr/bin:/bin'],
  ])('%s', (_, path, expected) => expect(freeze(path)).toBe(expected));
});
