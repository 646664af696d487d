/** argv → command → exit status. Loads only the command that runs, and turns every failure into text in one place. */
import { cliFor, runWith, usage } from './commands/execute.ts';
import { printError, printOut } from './commands/output.ts';
import { COMMANDS, commandFor } from './commands/registry.ts';
import { ClawError, EXIT } from './core/errors.ts';

declare const CLAW_VERSION: string;

async function main(argv: string[]): Promise<number> {
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-v')) {
    printOut(`${CLAW_VERSION}\n`);
    return EXIT.ok;
  }
  const words = commandFor(joinNegative(argv));
  if (words.kind === 'help') return help(words.group);
  if (words.kind === 'unknown')
    throw usage(`there is no command ${JSON.stringify(words.name)}`, words.nearest);

  const cli = await cliFor(words.load);
  const options = beforeDashes(words.argv);
  if (options.includes('--help') || options.includes('-h')) return printHelp(cli, options);
  return runWith(cli, words.argv, words.path);
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

async function help(group: string | null): Promise<number> {
  const { helpText } = await import('./commands/help.ts');
  printOut(helpText(group));
  return EXIT.ok;
}

function printHelp(cli: import('clipanion').Cli, argv: string[]): number {
  const path = argv.filter(word => !word.startsWith('-'));
  const registered = [...cli.definitions()];
  const wanted = registered.filter(definition => {
    const parts = definition.path.split(' ').slice(1);
    return parts.every((part, index) => path[index] === part);
  });
  const best = wanted.sort((a, b) => b.path.length - a.path.length)[0] ?? registered[0];
  if (!best) return EXIT.ok;
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
  const known = error instanceof ClawError;
  const code = known ? error.code : 'internal';
  const message = known ? error.message : `internal error: ${(error as Error)?.stack ?? String(error)}`;
  const hint = known ? error.hint : 'this is a bug in claw; please report it with the text above';
  if (json) printError(`${JSON.stringify({ error: { code, message, ...(hint ? { hint } : {}) } })}\n`);
  else printError(`claw: ${message}\n${hint ? `  try: ${hint}\n` : ''}`);
  return known ? EXIT[error.exit] : EXIT.internal;
}

/** What stands behind `--` is text, whatever it looks like. */
function beforeDashes(argv: string[]): string[] {
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
}

const argv = process.argv.slice(2);
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
