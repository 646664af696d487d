import fs from 'node:fs';
import { Command } from 'clipanion';
import { quoted } from '../../config/load.ts';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printJson, printOut } from '../output.ts';

export class ConfigValidateCommand extends ClawCommand {
  static override paths = [['config', 'validate']];
  static override usage = Command.Usage({
    description:
      'Check the config file: every problem in one report, with its place and the nearest known name.',
    examples: [['Before a restart of nothing', 'claw config validate']],
  });

  override async run(context: Context): Promise<number> {
    await openDesk(context, { allNotes: true }).catch(error => rethrow(error, context.configFile));
    const file = fs.existsSync(context.configFile) ? context.configFile : null;
    if (this.json) printJson({ valid: true, file });
    else
      printOut(
        file
          ? `${file} is valid.\n`
          : `There is no ${context.configFile}; the built-in defaults apply (claw init writes one).\n`,
      );
    return EXIT.ok;
  }
}

/** Its own name is no help here. */
async function rethrow(error: unknown, file: string): Promise<never> {
  if (!(error instanceof ClawError) || error.code !== 'config-invalid') throw error;
  const { migrateConfig } = await import('../../config/migrate.ts');
  const { notes, dropped } = migrateConfig(fs.readFileSync(file, 'utf8'));
  const isOlder = notes.length > 0 || dropped.some(key => !key.unknown);
  throw new ClawError(
    error.exit,
    error.code,
    error.message,
    isOlder ? `claw config migrate ${quoted(file)}` : `mend ${quoted(file)}; every key: claw config schema`,
  );
}
