import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import { effectiveConfig } from '../../config/effective.ts';
import { withoutSecrets } from '../../config/secrets.ts';
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
      'The configuration in canonical form; with --effective each key with its value and where it comes from. Secrets show as (set).',
    examples: [['Why does it do that?', 'claw config show --effective']],
  });

  effective = Option.Boolean('--effective', false, { description: 'every key with value and source' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'config show');
    const desk = await openDesk(context, { allNotes: true });
    const file = fs.existsSync(context.configFile) ? context.configFile : null;
    if (!this.effective) {
      const config = withoutSecrets(desk.config);
      if (this.json) printJson(config);
      else printOut(`${JSON.stringify(config, null, 2)}\n`);
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
