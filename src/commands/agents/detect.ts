import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { PRESET_NAMES } from '../../core/runner/preset.ts';
import { detectAgents, type Interpreter } from '../../runner/detect.ts';
import { presetNamed } from '../../runner/resolve.ts';
import { ClawCommand } from '../base.ts';
import { table } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';

export class AgentsDetectCommand extends ClawCommand {
  static override paths = [['agents', 'detect']];
  static override usage = Command.Usage({
    description:
      'Which agent command lines that claw has a preset for are on the PATH, and in which version.',
    examples: [['What is there', 'claw agents detect']],
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
    if (this.json) printJson({ agents });
    else {
      const rows = agents.map(({ name, path: file, version, node, install }) =>
        file === null ? [name, '-', install] : [name, version ?? 'did not say', `${file}${troubleOf(node)}`],
      );
      printOut(table(['PRESET', 'VERSION', 'PROGRAM, OR HOW TO GET IT'], rows));
    }
    return EXIT.ok;
  }
}

/** What is wrong with the Node that would run it, for the end of a line; '' where nothing is. */
export function troubleOf(node: Interpreter | null): string {
  if (node === null || node.isGood) return '';
  if (node.file === null) return ` (needs ${node.name}, which is not on the PATH)`;
  return ` (needs Node ${node.needs}; ${node.file} is ${node.version})`;
}
