import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS, commandFor } from '../src/commands/registry.ts';
import { validateConfig } from '../src/config/validate.ts';

const root = path.resolve(import.meta.dirname, '..');
const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}[^\\n]*\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    match => match[1]!,
  );

describe('the README', () => {
  it('shows configurations that are valid', () => {
    const configs = blocks('json5');
    expect(configs.length).toBeGreaterThan(0);
    for (const config of configs) expect(validateConfig(config).problems).toEqual([]);
  });

  it('names only commands that exist', () => {
    const named = [...readme.matchAll(/`claw ((?:[a-z]+)(?: [a-z]+)?)/g)].map(match => match[1]!);
    expect(named.length).toBeGreaterThan(50);
    // The registry says what words mean, aliases included; a word behind a command of one word is its argument.
    const isKnown = (words: string) =>
      commandFor(words.split(' ')).kind === 'command' ||
      COMMANDS.some(({ path: known }) => known.startsWith(`${words} `));
    expect(named.filter(words => !isKnown(words))).toEqual([]);
  });

  it('points at files that exist', () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(match => match[1]!);
    expect(links.filter(link => !fs.existsSync(path.join(root, link)))).toEqual([]);
  });
});
