import { Command, Option } from 'clipanion';
import JSON5 from 'json5';
import { type ConfigPath, formatPath } from '../../config/config-path.ts';
import { printLine } from '../../config/print.ts';
import { withoutSecrets } from '../../config/secrets.ts';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { ClawCommand } from '../base.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { changeConfig } from './change.ts';
import { keyPath } from './key.ts';

export class ConfigSetCommand extends ClawCommand {
  static override paths = [['config', 'set']];
  static override usage = Command.Usage({
    description:
      'Change one key in the config file. Everything else in it stays as it is written; nothing is written unless the whole result is valid.',
    examples: [
      ['A number', 'claw config set session.reset.atHour 5'],
      ['A list', `claw config set owners '["telegram:111"]'`],
      ['Back to the default', 'claw config set session.reset.atHour --unset'],
    ],
  });

  key = Option.String({ name: 'path' });
  value = Option.String({ name: 'value', required: false });
  unset = Option.Boolean('--unset', false, { description: 'take the key out of the file' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'config set');
    if (this.unset === (this.value !== undefined)) {
      const message = this.unset ? '--unset takes no value' : 'a value is missing; or say --unset';
      throw new ClawError('usage', 'usage', message, 'claw config set --help');
    }
    const wanted = this.unset ? [undefined] : readings(this.value ?? '');
    const path = await keyPath(this.key, wanted[0]);
    const done = await changeConfig(context, path, wanted);
    for (const warning of done.warnings) this.warn(warning);
    for (const note of done.notes) this.warn(note);
    this.say(context.configFile, path, done.value, done.changed);
    return EXIT.ok;
  }

  private say(file: string, path: ConfigPath, given: unknown, changed: boolean): void {
    const name = formatPath(path);
    // Where keys and tokens stand; a log of this command shall not hold them.
    const value = given === undefined ? undefined : withoutSecrets(given, path);
    if (this.json) printJson({ path: name, value: value ?? null, file, changed });
    else if (!changed)
      printOut(
        value === undefined
          ? `${name} is not set in ${file}; nothing was changed\n`
          : `${name} has this value already in ${file}; nothing was changed\n`,
      );
    else
      printOut(
        value === undefined ? `${name} unset in ${file}\n` : `${name} = ${printLine(value)} in ${file}\n`,
      );
  }
}

/** What a word may mean: the JSON5 it is, or, as with ids made of digits, itself as a text. */
function readings(word: string): unknown[] {
  try {
    const value: unknown = JSON5.parse(word);
    return typeof value === 'string' || value === word ? [value] : [value, word];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [word];
  }
}
