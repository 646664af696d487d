import { Command, Option } from 'clipanion';
import { loadConfig } from '../../config/load.ts';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { PRESET_NAMES, type PresetName } from '../../core/runner/preset.ts';
import { detectAgents, type Interpreter } from '../../runner/detect.ts';
import { presetNamed } from '../../runner/resolve.ts';
import { ClawCommand } from '../base.ts';
import { changeConfig } from '../config/change.ts';
import { configOptions } from '../desk.ts';
import { table } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';

export class AgentsDetectCommand extends ClawCommand {
  static override paths = [['agents', 'detect']];
  static override usage = Command.Usage({
    description:
      'Which agent command lines that claw has a preset for are on the PATH, and in which version.',
    examples: [
      ['What is there', 'claw agents detect'],
      ['Enter what is there into the config', 'claw agents detect --write'],
    ],
  });

  write = Option.Boolean('--write', false, {
    description: 'enter those that are installed, and not there yet, under runners in the config file',
  });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'agents detect');
    const found = await detectAgents(context.env, context.home);
    const agents = await Promise.all(
      PRESET_NAMES.map(async name => {
        const program = found.find(each => each.name === name);
        const { install } = await presetNamed(name);
        return {
          name,
          installed: program !== undefined,
          path: program?.file ?? null,
          version: program?.version ?? null,
          node: program?.node ?? null,
          install,
        };
      }),
    );
    const written = this.write
      ? await this.enter(
          context,
          found.map(({ name }) => name),
        )
      : null;
    if (this.json) printJson({ agents, ...(written ? { written } : {}) });
    else {
      const rows = agents.map(({ name, path: file, version, node, install }) =>
        file === null ? [name, '-', install] : [name, version ?? 'did not say', `${file}${troubleOf(node)}`],
      );
      printOut(table(['PRESET', 'VERSION', 'PROGRAM, OR HOW TO GET IT'], rows));
      if (written?.length === 0) printOut(`Nothing new for ${context.configFile}.\n`);
      for (const name of written ?? [])
        printOut(`runners.${name} entered in ${context.configFile}; try: claw agents test ${name}\n`);
    }
    return EXIT.ok;
  }

  /** Entries for presets that have none; what is there stays as it is. */
  private async enter(context: Context, names: PresetName[]): Promise<PresetName[]> {
    // A file that cannot be used is told as such before anything is written.
    const { config } = await loadConfig(configOptions(context));
    const missing = names.filter(name => config.runners?.[name] === undefined);
    for (const name of missing) {
      const { notes } = await changeConfig(
        context,
        ['runners', name],
        [{ preset: name, permissions: 'safe' }],
      );
      for (const note of notes) this.warn(note);
    }
    return missing;
  }
}

/** What is wrong with the Node that would run it, for the end of a line; '' where nothing is. */
export function troubleOf(node: Interpreter | null): string {
  if (node === null || node.isGood) return '';
  if (node.file === null) return ` (needs ${node.name}, which is not on the PATH)`;
  return ` (needs Node ${node.needs}; ${node.file} is ${node.version})`;
}
