/** Looks for the programs of agents: where they are, which version, and whether the Node of their first line will do. */
import fs from 'node:fs';
import path from 'node:path';
import { PRESET_NAMES, type PresetName } from '../core/runner/preset.ts';
import { isRecentEnough, neededNode } from '../core/runner/program.ts';
import { findProgram } from './exec.ts';
import { probeVersion } from './probe.ts';
import { presetNamed } from './resolve.ts';

/** What starts a program that is a script. */
export interface Interpreter {
  name: string;
  /** null: it is not there */
  file: string | null;
  version: string | null;
  /** oldest version the program's package asks for; null where it does not say */
  needs: string | null;
  isGood: boolean;
}

export interface Program {
  file: string;
  /** first line of `--version`; null where it does not say within five seconds */
  version: string | null;
  /** null: it needs none, or one that is not Node */
  node: Interpreter | null;
}

/**
 * A program as a run would find it.
 *
 * @param env of claw itself; of it PATH and HOME are used
 * @returns the reason where there is none
 */
export async function lookAtProgram(
  command: string,
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Program | { problem: string }> {
  const found = findProgram(command, cwd, env.PATH);
  if ('message' in found) return { problem: found.message };
  const own = { PATH: env.PATH ?? '', HOME: env.HOME ?? '' };
  const [version, node] = await Promise.all([probeVersion(found.file, own), nodeOf(found.file, cwd, own)]);
  return { file: found.file, version, node };
}

/** Presets whose program is on the PATH. */
export async function detectAgents(
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Promise<({ name: PresetName } & Program)[]> {
  const looks = PRESET_NAMES.map(async name => {
    const { runner } = await presetNamed(name);
    const found = await lookAtProgram(runner.command, cwd, env);
    return 'problem' in found ? [] : [{ name, ...found }];
  });
  return (await Promise.all(looks)).flat();
}

async function nodeOf(file: string, cwd: string, env: Record<string, string>): Promise<Interpreter | null> {
  const [name = '', ...rest] = firstLine(file)
    .replace(/^#!\s*/, '')
    .split(/\s+/);
  const words = path.basename(name) === 'env' ? rest.filter(word => !word.startsWith('-')) : [name];
  const command = words[0] ?? '';
  if (path.basename(command) !== 'node') return null;
  const needs = neededNode(enginesOf(file));
  const found = findProgram(command, cwd, env.PATH);
  if ('message' in found) return { name: command, file: null, version: null, needs, isGood: false };
  const version = await probeVersion(found.file, env);
  return { name: command, file: found.file, version, needs, isGood: isRecentEnough(version, needs) };
}

/** `#!…` of a script, '' for anything else. */
function firstLine(file: string): string {
  try {
    const fd = fs.openSync(file, 'r');
    try {
      const bytes = Buffer.alloc(256);
      const text = bytes.toString('latin1', 0, fs.readSync(fd, bytes, 0, bytes.length, 0));
      return text.startsWith('#!') ? text.split('\n', 1)[0]!.trim() : '';
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    // It may be run though it may not be read.
    return '';
  }
}

/** `engines.node` of the package that a program belongs to. */
function enginesOf(file: string): string | null {
  try {
    for (let folder = path.dirname(fs.realpathSync(file)); ; folder = path.dirname(folder)) {
      const manifest = path.join(folder, 'package.json');
      if (fs.existsSync(manifest)) {
        const { name, engines } = JSON.parse(fs.readFileSync(manifest, 'utf8'));
        // A file in between may only say how modules are written.
        if (typeof name === 'string') return typeof engines?.node === 'string' ? engines.node : null;
      }
      if (folder === path.dirname(folder)) return null;
    }
  } catch {
    return null;
  }
}
