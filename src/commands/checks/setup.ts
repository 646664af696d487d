/** Checks of what claw stands on: its configuration, the programs it starts, this machine. */
import fs from 'node:fs';
import path from 'node:path';
import { loadConfig } from '../../config/load.ts';
import type { RunnerConfig } from '../../config/schema.ts';
import type { Context } from '../../context.ts';
import { agentEntry, runnerName } from '../../core/agent.ts';
import { ClawError } from '../../core/errors.ts';
import { agentIds } from '../../core/routing/binding.ts';
import { presetOf } from '../../core/runner/preset.ts';
import { usesTemplate } from '../../core/runner/template.ts';
import type { Desk } from '../../runner/desk.ts';
import { type Interpreter, lookAtProgram } from '../../runner/detect.ts';
import { runnerOf } from '../../runner/resolve.ts';
import { listAgents, listRecords } from '../../store/sessions.ts';
import { configOptions } from '../desk.ts';
import { type Check, failure, fine, warning } from './check.ts';

const OLDEST_NODE = [20, 19] as const;
const MEGABYTE = 1024 * 1024;

/** The config file: can it be used, who may change it, and what of it has no effect. */
export async function checkConfig(context: Context): Promise<Check[]> {
  const where = context.configFile;
  try {
    const { file, notes, warnings } = await loadConfig(configOptions(context));
    const what = file === null ? 'there is none; the built-in defaults hold' : 'it is valid';
    return [
      ...(warnings.length === 0 ? [fine('config', what, where)] : []),
      ...warnings.map(text => warning('config', text, where, `chmod go-w ${where}`)),
      // A key without effect yet is no fault of anybody's here; an import writes them too.
      ...notes.filter(text => !warnings.includes(text)).map(text => fine('config', text, where)),
      ...(file === null ? [] : checkConfigFolder(path.dirname(where))),
    ];
  } catch (error) {
    if (!(error instanceof ClawError)) throw error;
    return [failure('config', error.message, where, error.hint ?? `edit ${where}`)];
  }
}

/** Who may write to the folder can put another file in its place. */
function checkConfigFolder(folder: string): Check[] {
  const { mode } = fs.statSync(folder);
  const sticky = (mode & 0o1000) !== 0;
  if ((mode & 0o022) === 0 || sticky) return [];
  return [
    failure(
      'config',
      `others may write to the folder of the config (mode ${(mode & 0o777).toString(8)}) and could make claw run any command`,
      folder,
      `chmod go-w ${folder}`,
    ),
  ];
}

/** Runners that agents are set to: is the program there, which version, will the Node of its first line do. */
export async function checkRunners(desk: Desk): Promise<Check[]> {
  const used = new Set(agentIds(desk.config).map(agentId => runnerName(desk.config, agentId)));
  const checks = [...used].map(async name => {
    const runner = await runnerOf(desk.config, name);
    if (!runner) return [];
    const where = `runners.${name}`;
    const found = await lookAtProgram(runner.command, desk.layout.workspace('main'), desk.context.env);
    if ('problem' in found)
      return [
        failure(
          'runner',
          `runner ${name}: ${found.problem}`,
          where,
          'claw agents detect shows what is installed',
        ),
      ];
    const version = found.version === null || !isPreset(desk, name) ? '' : `, ${found.version}`;
    return [
      fine('runner', `runner ${name} is ${found.file}${version}`, where),
      ...checkInterpreter(name, found.node),
      ...checkModel(desk, name, runner),
    ];
  });
  return (await Promise.all(checks)).flat();
}

function isPreset({ config }: Desk, name: string): boolean {
  return presetOf(name, config.runners?.[name]) !== undefined;
}

/** A script that Node runs needs one on the PATH of the timer too, and one that is new enough. */
function checkInterpreter(name: string, node: Interpreter | null): Check[] {
  if (node === null || node.isGood) return [];
  const what =
    node.file === null
      ? `runner ${name} is a script for ${node.name}, which is not on the PATH`
      : `runner ${name} needs Node ${node.needs} or later; ${node.file} is ${node.version}`;
  return [
    failure(
      'runner',
      what,
      `runners.${name}`,
      `put a Node that is new enough first on the PATH, then: claw agents test ${name}`,
    ),
  ];
}

/** A model that is set and that the program is never told of; one of one's own may read it from CLAW_MODEL. */
function checkModel(desk: Desk, name: string, { command, args = [] }: RunnerConfig): Check[] {
  const { config } = desk;
  const isTold = usesTemplate(args, 'Model') || !PROGRAMS.includes(path.basename(command));
  const told = agentIds(config).filter(agentId => runnerName(config, agentId) === name);
  const model = told
    .map(agentId => agentEntry(config, agentId)?.model ?? config.agents?.defaults?.model)
    .find(each => each !== undefined);
  if (isTold || model === undefined) return [];
  return [
    warning(
      'model',
      `the model ${model} is set, but runner ${name} does not tell ${command} of it`,
      `runners.${name}.args`,
      `add ["--model", "{{Model}}"] to runners.${name}.args; the list is left out where no model is set`,
    ),
  ];
}

/** Agents that take their model as an argument. */
const PROGRAMS = ['claude', 'codex', 'gemini', 'opencode', 'llm', 'goose', 'pi'];

/** Sessions of agents that the config does not know: nothing is lost, but no message reaches them. */
export function checkAgents(desk: Desk): Check[] {
  const configured = agentIds(desk.config);
  return listAgents(desk.layout)
    .filter(agentId => !configured.includes(agentId) && listRecords(desk.layout, agentId).records.length > 0)
    .map(agentId =>
      warning(
        'agents',
        `agent ${agentId} has sessions but is not in agents.list`,
        desk.layout.sessions(agentId),
        `add { id: "${agentId}" } to agents.list`,
      ),
    );
}

/** Node's version and the room on the disk. */
export function checkMachine(desk: Desk): Check[] {
  return [checkNode(process.versions.node), ...checkDisk(desk.layout.home)];
}

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [needMajor, needMinor] = OLDEST_NODE;
  const recent = major > needMajor || (major === needMajor && minor >= needMinor);
  const need = OLDEST_NODE.join('.');
  return recent
    ? fine('node', `Node ${version}`, process.execPath)
    : failure('node', `Node ${version} is too old`, process.execPath, `install Node ${need} or later`);
}

function checkDisk(home: string): Check[] {
  if (!fs.existsSync(home)) return [];
  const { bavail, bsize, files, ffree } = fs.statfsSync(home);
  const free = Math.floor((bavail * bsize) / MEGABYTE);
  const fix = 'make room: while the disk is full no message is accepted';
  if (files > 0 && ffree === 0) return [failure('disk', 'no more files can be made', home, fix)];
  if (free < 10) return [failure('disk', `${free} MB are free`, home, fix)];
  if (free < 100) return [warning('disk', `${free} MB are free`, home, fix)];
  return [fine('disk', `${free} MB are free`, home)];
}
