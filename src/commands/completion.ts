import { Cli, Command, type CommandClass, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { ClawError, EXIT } from '../core/errors.ts';
import { viewerOf } from '../core/routing/visibility.ts';
import { listNames } from '../store/json-file.ts';
import { decodeKey, Layout } from '../store/layout.ts';
import { listAgents } from '../store/sessions.ts';
import { ClawCommand } from './base.ts';
import { type CompletedCommand, completionScript, SHELLS, type Shell } from './completion-script.ts';
import { printJson, printOut } from './output.ts';
import type { CommandEntry } from './registry.ts';

/** More than a person looks through. */
const MOST_KEYS = 1000;

export class CompletionCommand extends ClawCommand {
  static override paths = [['completion']];
  /** what is completed; given by the registry, which loads this */
  static commands: CommandEntry[] = [];
  static override usage = Command.Usage({
    description: 'Print the completion script of a shell: commands, options, session keys.',
    examples: [
      ['bash', 'claw completion bash > ~/.local/share/bash-completion/completions/claw'],
      ['zsh, into a folder of $fpath', 'claw completion zsh > ~/.zfunc/_claw'],
      ['fish', 'claw completion fish > ~/.config/fish/completions/claw.fish'],
    ],
  });

  shell = Option.String({ name: 'bash|zsh|fish' });

  override async run(context: Context): Promise<number> {
    // Asked by the scripts themselves, at each TAB where a session is named.
    if (this.shell === 'keys') {
      // It opens no record, so it cannot tell which are an agent's own; no agent completes words.
      const keys = viewerOf(context.env) === null ? sessionKeys(new Layout(context.home)) : [];
      if (this.json) printJson({ count: keys.length, keys });
      else printOut(keys.map(key => `${key}\n`).join(''));
      return EXIT.ok;
    }
    if (!SHELLS.includes(this.shell as Shell)) {
      throw new ClawError(
        'usage',
        'usage',
        `there is no completion for ${JSON.stringify(this.shell)}; there is ${SHELLS.join(', ')}`,
        'claw completion bash',
      );
    }
    const script = completionScript(this.shell as Shell, await describeCommands(CompletionCommand.commands));
    if (this.json) printJson({ shell: this.shell, script });
    else printOut(script);
    return EXIT.ok;
  }
}

/** Every command with its options, as its class declares them. */
async function describeCommands(commands: CommandEntry[]): Promise<CompletedCommand[]> {
  return Promise.all(
    commands.map(async ({ path, summary, load }) => {
      const cli = new Cli({ binaryName: 'claw', enableColors: false });
      for (const command of await load()) cli.register(command as CommandClass);
      const [definition] = cli.definitions();
      const usage = definition?.usage ?? '';
      return {
        path,
        summary,
        takesKey: /<key/.test(usage),
        words: /<([a-z]+(?:\|[a-z]+)+)>/.exec(usage)?.[1]?.split('|') ?? [],
        options: (definition?.options ?? []).map(option => {
          // "-f,--follow" or "--limit #0".
          const [names = '', value] = option.definition.split(' ');
          const name = names.split(',').find(each => each.startsWith('--')) ?? names;
          return { name, takesValue: value !== undefined, description: option.description ?? '' };
        }),
      };
    }),
  );
}

/**
 * Keys of all sessions by the names of their records; nothing is opened. A name that was shortened does not hold its key,
 * and a key with control characters cannot be typed: both are left out.
 */
function sessionKeys(layout: Layout): string[] {
  const keys: string[] = [];
  for (const agentId of listAgents(layout)) {
    for (const name of listNames(layout.records(agentId))) {
      if (!name.endsWith('.json') || name.startsWith('.') || name.includes('%%')) continue;
      const key = `agent:${agentId}:${decodeKey(name.slice(0, -5))}`;
      if (!/\p{Cc}/u.test(key)) keys.push(key);
      if (keys.length >= MOST_KEYS) return keys;
    }
  }
  return keys;
}
