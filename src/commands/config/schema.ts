import { Command } from 'clipanion';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { ClawCommand } from '../base.ts';
import { printOut } from '../output.ts';

export class ConfigSchemaCommand extends ClawCommand {
  static override paths = [['config', 'schema']];
  static override usage = Command.Usage({
    description: 'Print the JSON Schema of the config file, for editors.',
    examples: [['For an editor', 'claw config schema > claw.schema.json']],
  });

  override async run(_context: Context): Promise<number> {
    const { jsonSchema } = await import('../../config/schema.ts');
    printOut(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
    return EXIT.ok;
  }
}
