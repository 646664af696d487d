/** `claw --help`: what it is for, the commands, where to go next. */
import { COMMANDS } from './registry.ts';

/** @param group first word of the commands to show, e.g. `sessions`; null: all */
export function helpText(group: string | null): string {
  if (group !== null) {
    const alone = group === 'sessions' ? ' claw sessions alone lists them.' : '';
    const [first] = commandsOf(group);
    return `${listing(commandsOf(group))}\n\n  claw ${first?.path} --help explains that one, and so on.${alone}\n`;
  }
  return `claw: sessions, resets, memory and delivery around any agent command line. No daemon, plain files.

  echo hello | claw ingest                 a message, and its answer
  claw ingest --channel telegram --from 1 --json < text
  claw sessions                            what is being talked about

Commands
${listing(COMMANDS)}

  claw COMMAND --help explains one. Every command takes --json and --config FILE, behind it or before it.
  State lives under $CLAW_HOME (default ~/.claw).
`;
}

/** The same for programs. */
export function helpDocument(group: string | null): { commands: { path: string; summary: string }[] } {
  return { commands: commandsOf(group).map(({ path, summary }) => ({ path, summary })) };
}

function commandsOf(group: string | null): typeof COMMANDS {
  return COMMANDS.filter(({ path }) => group === null || path.split(' ')[0] === group);
}

function listing(commands: typeof COMMANDS): string {
  const width = Math.max(...commands.map(({ path }) => path.length));
  return commands.map(({ path, summary }) => `  ${path.padEnd(width)}  ${summary}`).join('\n');
}
