import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import { effectiveConfig, withoutSecrets } from '../../config/effective.ts';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';

export class ConfigShowCommand extends ClawCommand {
  static override paths = [['config', 'show']];
  static override usage = Command.Usage({
    description:
      'The configuration in canonical form, values of environments as (set); with --effective each key with its value and where it comes from.',
    examples: [['Why does it do that?', 'claw config show --effective']],
  });

  effective = Option.Boolean('--effective', false, { description: 'every key with value and source' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'config show');
    const desk = await openDesk(context, { allNotes: true });
    const file = fs.existsSync(context.configFile) ? context.configFile : null;
    if (!this.effective) {
      const shown = withoutSecrets(desk.config, []) as object;
      if (this.json) printJson(shown);
      else printOut(`${JSON.stringify(shown, null, 2)}\n`);
      return EXIT.ok;
    }
    const values = effectiveConfig(desk.config, file);
    if (this.json) printJson(values);
    else {
      const width = Math.max(...Object.keys(values).map(key => key.length));
      for (const [key, { value, source }] of Object.entries(values))
        printOut(`${key.padEnd(width)}  ${JSON.stringify(value)}  (${source})\n`);
    }
    return EXIT.ok;
  }
}
