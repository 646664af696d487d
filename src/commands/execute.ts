/** Runs one command from its words: loads it, lets its options be read, and turns what does not fit into a usage error. */
import type { Cli, CommandClass } from 'clipanion';
import { nearest } from '../config/nearest.ts';
import { ClawError } from '../core/errors.ts';
import { commandFor } from './registry.ts';

declare const CLAW_VERSION: string;

/** What a command finds in its context beside what the library puts there. */
export interface ExecutingContext {
  /** runs another command in this process; returns its exit status */
  execute(argv: string[]): Promise<number>;
}

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
    // `claw call` runs another command; it gets the way to as its context, since nothing here may know it.
    command = cli.process(argv, { execute } as Partial<ExecutingContext>);
  } catch (error) {
    throw usage(explainSyntax(error as Error, cli, argv, path), path);
  }
  return command.validateAndExecute();
}

/** Clipanion puts every error on stdout; a script must find none there, so usage errors take the way of all others. */
export function usage(message: string, command: string | undefined): ClawError {
  return new ClawError('usage', 'usage', message, command ? `claw ${command} --help` : 'claw --help');
}

/** What is missing is named; of arguments it cannot place Clipanion says that the command was not found. */
function explainSyntax(error: Error, cli: Cli, argv: string[], path: string): string {
  const [first = ''] = error.message.split('\n');
  const unknown = unknownOption(cli, argv, path);
  if (unknown !== null) return unknown;
  const stray = /^Extraneous positional argument \((".*")\)/.exec(first)?.[1];
  if (stray !== undefined && Object.hasOwn(OPTION_MEANT, path))
    return `${stray} belongs to no option; did you mean ${OPTION_MEANT[path]} ${stray}?`;
  if (!/^Command not found|Not enough positional arguments/.test(first)) return first;
  const definition = [...cli.definitions()].find(each => each.path === `claw ${path}`);
  if (definition) {
    const words = definition.usage.replace(/^\$ /, '');
    const options = definition.options.map(({ definition: text, required }) => ({
      names: text.replace(/ #.*$/, '').split(','),
      takesValue: / #\d/.test(text),
      required,
    }));
    const given = argv.slice(path.split(' ').length);
    const positional = [...words.matchAll(/<([^>]+)>/g)].map(match => match[1]!.toUpperCase());
    const needed = [
      ...options
        .filter(({ required, names }) => required && !names.some(name => isGiven(name, given)))
        .map(({ names }) => names[0]!),
      ...positional.slice(countPositional(given, options)),
    ];
    const form = [
      words,
      ...options.filter(({ required }) => required).map(({ names }) => `${names[0]} VALUE`),
    ];
    if (needed.length > 0)
      return `${needed.join(' and ')} ${needed.length === 1 ? 'is' : 'are'} missing: ${form.join(' ')}`;
  }
  return `the arguments do not fit claw ${path}; a text of several words stands in quotes`;
}

/** The option that people give without its name. */
const OPTION_MEANT: Readonly<Record<string, string>> = {
  'cron next': '--cron',
  'system event': '--text',
  'message send': '--message',
};

/** The first option that the command does not have, and the one that may have been meant; null where it has all of them. */
function unknownOption(cli: Cli, argv: string[], path: string): string | null {
  const definition = [...cli.definitions()].find(each => each.path === `claw ${path}`);
  if (!definition) return null;
  const options = definition.options.map(({ definition: text }) => ({
    names: text.replace(/ #.*$/, '').split(','),
    takesValue: / #\d/.test(text),
  }));
  const known = options.flatMap(({ names }) => names);
  const words = argv.slice(path.split(' ').length);
  for (let at = 0; at < words.length && words[at] !== '--'; at++) {
    const [name = ''] = words[at]!.split('=');
    const option = options.find(({ names }) => names.includes(name));
    if (option?.takesValue && name === words[at]) at++;
    if (option || !/^--[a-z]/i.test(name) || known.includes(name.replace(/^--no-/, '--'))) continue;
    const near = nearest(name, known);
    return `there is no option ${name}${near === undefined ? '' : `; did you mean ${near}?`}`;
  }
  return null;
}

function isGiven(name: string, words: string[]): boolean {
  const end = words.indexOf('--');
  const options = end < 0 ? words : words.slice(0, end);
  return options.some(word => word === name || word.startsWith(`${name}=`));
}

function countPositional(words: string[], options: { names: string[]; takesValue: boolean }[]): number {
  let count = 0;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') return count + words.length - at - 1;
    if (!word.startsWith('-') || word === '-') count++;
    else if (options.some(({ names, takesValue }) => takesValue && names.includes(word))) at++;
  }
  return count;
}
