/** What the tests of the store share: a folder that goes away, and this process with a clock and a home of its own. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { type Context, systemContext } from '../../src/context.ts';

/** A new folder, removed when the test ends. */
export function scratch(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-store-'));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** This very process as the store sees it: real pid and start time, whatever else a test says. */
export function contextIn(home: string, part: Partial<Context> = {}): Context {
  return { ...systemContext(), home, configFile: path.join(home, 'claw.json'), ...part };
}

/** Permission bits of a file. */
export function modeOf(file: string): string {
  return (fs.statSync(file).mode & 0o777).toString(8);
}

/** Files below a folder with their bytes, to say that nothing changed. */
export function snapshot(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of (fs.readdirSync(folder, { recursive: true }) as string[]).sort()) {
    const file = path.join(folder, name);
    found[name] = fs.statSync(file).isFile() ? fs.readFileSync(file, 'latin1') : '(folder)';
  }
  return found;
}

/** Names in a folder, sorted. */
export function names(folder: string): string[] {
  return fs.readdirSync(folder).sort();
}
