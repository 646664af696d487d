/** Runs one command from its words: loads it, lets its options be read, and turns what does not fit into a usage error. */
import type { Cli, CommandClass } from 'clipanion';
import { ClawError } from '../core/errors.ts';
import { commandFor } from './registry.ts';

declare const CLAW_VERSION: string;

/** The command-line reader with the commands that these words may mean. */
export async function cliFor(load: () => Promise<unknown[]>): Promise<Cli> {
  const { Cli } = await import('clipanion');
  const cli = new Cli({
    binaryName: 'claw',
    binaryLabel: 'claw',
    binaryVersion: CLAW_VERSION,
    enableColors: false,
  });
  for (const command of await load()) cli.register(command as CommandClass);
  return cli;
}

/**
 * Runs a command.
 *
 * @returns its exit status
 * @throws ClawError usage where the words fit no command
 */
export async function execute(argv: string[]): Promise<number> {
  const chosen = commandFor(argv);
  if (chosen.kind !== 'command') {
    const name = chosen.kind === 'unknown' ? chosen.name : argv.join(' ');
    throw usage(
      `there is no command ${JSON.stringify(name)}`,
      chosen.kind === 'unknown' ? chosen.nearest : undefined,
    );
  }
  return runWith(await cliFor(chosen.load), chosen.argv, chosen.path);
}

/** Reads the options of a chosen command and runs it. */
export async function runWith(cli: Cli, argv: string[], path: string): Promise<number> {
  let command: ReturnType<typeof cli.process>;
  try {
    command = cli.process(argv, {});
  } catch (error) {
    throw usage(explainSyntax(error as Error, path), path);
  }
  return command.validateAndExecute();
}

/** Clipanion puts every error on stdout; a script must find none there, so usage errors take the way of all others. */
export function usage(message: string, command: string | undefined): ClawError {
  return new ClawError('usage', 'usage', message, command ? `claw ${command} --help` : 'claw --help');
}

/** Clipanion says of arguments it cannot place that the command was not found. */
function explainSyntax(error: Error, path: string): string {
  const [first = ''] = error.message.split('\n');
  if (!first.startsWith('Command not found')) return first;
  return `the arguments do not fit claw ${path}; a text of several words stands in quotes`;
}
