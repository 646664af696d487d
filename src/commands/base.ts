/** What every command shares: `--json`, `--config`, the desk it works at, and the exit status it returns. */
import { Command, Option } from 'clipanion';
import { type Context, systemContext } from '../context.ts';
import { EXIT } from '../core/errors.ts';
import { note } from './journal.ts';
import { printError } from './output.ts';

export abstract class ClawCommand extends Command {
  json = Option.Boolean('--json', false, { description: 'print one JSON document' });
  configFile = Option.String('--config', { description: 'config file instead of $CLAW_HOME/claw.json' });

  /** Does the work. Returns the exit status; throws ClawError for everything a user should read. */
  abstract run(context: Context): Promise<number>;

  override async execute(): Promise<number> {
    return (await this.run(systemContext(this.configFile))) ?? EXIT.ok;
  }

  /** A line on stderr that is no failure. */
  protected warn(text: string): void {
    printError(`claw: ${text}\n`);
    note('warn', text);
  }
}
