/** `claw commands`: the menu a chat program is filled with. */
import { afterEach, describe, expect, it } from 'vitest';
import { Home } from './claw.ts';

let home: Home;
afterEach(() => home.cleanUp());

describe('claw commands', () => {
  it('prints native and text-only commands with what they take', () => {
    home = new Home({ models: { opus: 'anthropic/opus' } });
    const run = home.run(['commands', '--json']);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const { native, textOnly } = run.json();
    expect(native).toContainEqual({ name: 'send', summary: expect.any(String), args: 'on|off|inherit' });
    expect(native).toContainEqual({ name: 'opus', summary: 'model anthropic/opus', args: '' });
    expect(textOnly.map((entry: { name: string }) => entry.name)).toEqual([
      'compact',
      'context list',
      'context detail',
    ]);
    expect(home.run(['commands']).stdout).toMatch(/^COMMAND .*\n\/new /);
  });

  it('offers what the configuration offers', () => {
    home = new Home({ commands: { disabled: ['think', '/elev'] } });
    const names = home
      .run(['commands', '--json'])
      .json()
      .native.map((entry: { name: string }) => entry.name);
    expect(names).toContain('verbose');
    expect(names).not.toContain('think');
    expect(names).not.toContain('elevated');
    home.config({ commands: { text: false } });
    expect(home.run(['commands', '--json']).json()).toEqual({ native: [], textOnly: [] });
    expect(home.run(['commands']).stdout).toContain('commands.text');
  });
});
