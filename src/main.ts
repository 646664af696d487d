/** argv → command → exit status. Loads only the command that runs, and turns every failure into text in one place. */
import { cliFor, runWith, usage } from './commands/execute.ts';
import { note } from './commands/journal.ts';
import { printError, printOut } from './commands/output.ts';
import { beforeDashes, COMMANDS, commandFor, withCommandApart } from './commands/registry.ts';
import { asFailure, type ClawError, EXIT } from './core/errors.ts';

declare const CLAW_VERSION: string;

async function main(argv: string[]): Promise<number> {
  const { words: typed, globals } = takeGlobals(argv);
  const json = beforeDashes(argv).includes('--json');
  if (['--version', '-v'].includes(typed[0] ?? '') && typed.every(isVersionWord)) {
    printOut(json ? `${JSON.stringify({ version: CLAW_VERSION })}\n` : `${CLAW_VERSION}\n`);
    return EXIT.ok;
  }
  const words = commandFor(joinNegative(typed));
  if (words.kind === 'help') return help(words.group, json);
  if (words.kind === 'unknown')
    throw usage(
      words.name === words.nearest
        ? `claw ${words.name} is a group of commands; say which`
        : `there is no command ${JSON.stringify(words.name)}`,
      words.nearest,
    );

  const cli = await cliFor(words.load);
  const options = beforeDashes(words.argv);
  if (options.includes('--help') || options.includes('-h')) return printHelp(cli, options, json);
  const path = words.path.split(' ').length;
  return runWith(cli, [...words.argv.slice(0, path), ...globals, ...words.argv.slice(path)], words.path);
}

function isVersionWord(word: string): boolean {
  return ['--version', '-v', '--json'].includes(word);
}

/** `--config FILE` and `--json` mean the same before the command as behind it. */
function takeGlobals(argv: string[]): { words: string[]; globals: string[] } {
  let at = 0;
  for (; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === '--config') {
      if (argv[++at] === undefined) throw usage('--config needs a FILE behind it', undefined);
    } else if (word !== '--json' && !word.startsWith('--config=')) break;
  }
  return { words: argv.slice(at), globals: argv.slice(0, at) };
}

/**
 * A value that is a negative number belongs to the option before it: group ids of Telegram are. No option of ours begins
 * with a digit, so `--group -100` can only mean `--group=-100`.
 */
function joinNegative(argv: string[]): string[] {
  const joined: string[] = [];
  for (const [index, word] of argv.entries()) {
    const before = joined.at(-1);
    if (argv.slice(0, index).includes('--')) joined.push(word);
    else if (/^-\d/.test(word) && before && /^--[a-z][a-z-]*$/.test(before))
      joined[joined.length - 1] = `${before}=${word}`;
    else joined.push(word);
  }
  return joined;
}

async function help(group: string | null, json: boolean): Promise<number> {
  const { helpDocument, helpText } = await import('./commands/help.ts');
  printOut(json ? `${JSON.stringify(helpDocument(group))}\n` : helpText(group));
  return EXIT.ok;
}

function printHelp(cli: import('clipanion').Cli, argv: string[], json: boolean): number {
  const path = argv.filter(word => !word.startsWith('-'));
  const registered = [...cli.definitions()];
  const wanted = registered.filter(definition => {
    const parts = definition.path.split(' ').slice(1);
    return parts.every((part, index) => path[index] === part);
  });
  const best = wanted.sort((a, b) => b.path.length - a.path.length)[0] ?? registered[0];
  if (!best) return EXIT.ok;
  if (json) {
    const { path, description, details, options, examples } = best;
    printOut(
      `${JSON.stringify({ command: path, usage: best.usage.replace(/^\$ /, ''), description, details, options, examples })}\n`,
    );
    return EXIT.ok;
  }
  const lines = [best.usage.replace(/^\$ /, ''), '', best.description ?? '', best.details ?? ''];
  for (const option of best.options)
    lines.push(`  ${option.definition.replace(/ #0$/, ' VALUE').padEnd(24)} ${option.description ?? ''}`);
  for (const [what, how] of best.examples ?? []) lines.push('', `${what}`, `  ${how}`);
  printOut(
    `${lines
      .join('\n')
      .replace(/\n{3,}/g, '\n\n')
      .trim()}\n`,
  );
  return EXIT.ok;
}

/** The one switch from failure to text, and from code to exit status. */
export function report(error: unknown, json: boolean): number {
  const failure = asFailure(error);
  const { code, message, hint } = failure;
  if (!isCallersMistake(failure)) note('error', message);
  if (json) printError(`${JSON.stringify({ error: { code, message, ...(hint ? { hint } : {}) } })}\n`);
  else printError(`claw: ${message}\n${hint ? `  try: ${hint}\n` : ''}`);
  return EXIT[failure.exit];
}

/** Whoever gave wrong arguments or a message that is none is told; claw's state is not concerned, nor is its log. */
function isCallersMistake({ exit, code }: ClawError): boolean {
  return exit === 'usage' || code === 'config-missing' || (exit === 'data' && code !== 'state-unreadable');
}

const argv = withCommandApart(process.argv.slice(2));
main(argv).then(
  status => {
    process.exitCode = status;
  },
  error => {
    // A call is answered in JSON, its failure too.
    process.exitCode = report(error, argv[0] === 'call' || beforeDashes(argv).includes('--json'));
  },
);

export { COMMANDS };
