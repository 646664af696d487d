import { Command } from 'clipanion';
import type { Context } from '../context.ts';
import { EXIT } from '../core/errors.ts';
import { chatMenu, type MenuEntry } from '../core/session/command.ts';
import { disabledDirectives } from '../core/session/directive.ts';
import { knownModels } from '../core/session/trigger.ts';
import { ClawCommand } from './base.ts';
import { openDesk } from './desk.ts';
import { table } from './format.ts';
import { printJson, printOut } from './output.ts';

export class CommandsCommand extends ClawCommand {
  static override paths = [['commands']];
  static override usage = Command.Usage({
    description:
      'The commands a person can type in a chat: those for the menu of a chat program, and the rest.',
    examples: [['Fill the menu of a bot', 'claw commands --json']],
  });

  override async run(context: Context): Promise<number> {
    const { config } = await openDesk(context);
    const menu = chatMenu(knownModels(config), disabledDirectives(config));
    const native = menu.filter(entry => entry.menu === 'native').map(rowOf);
    const textOnly = menu.filter(entry => entry.menu === 'text').map(rowOf);
    if (this.json) printJson({ native, textOnly });
    else if (menu.length === 0) printOut('no commands are taken from messages (commands.text is false)\n');
    else printOut(table(['COMMAND', 'WHAT IT DOES', 'ARGUMENTS'], [...native, ...textOnly].map(line)));
    return EXIT.ok;
  }
}

function rowOf({ name, summary, args }: MenuEntry) {
  return { name, summary, args };
}

function line({ name, summary, args }: ReturnType<typeof rowOf>): string[] {
  return [`/${name}`, summary, args];
}
