/** `claw --help`: what it is for, the commands, where to go next. */
import { COMMANDS } from './registry.ts';

export function helpText(_all: boolean): string {
  const width = Math.max(...COMMANDS.map(({ path }) => path.length));
  return `claw: sessions, resets, memory and delivery around any agent command line. No daemon, plain files.

  echo hello | claw ingest                 a message, and its answer
  claw ingest --channel telegram --from 1 --json < text
  claw sessions                            what is being talked about

Commands
${COMMANDS.map(({ path, summary }) => `  ${path.padEnd(width)}  ${summary}`).join('\n')}

  claw COMMAND --help explains one. Every command takes --json and --config FILE.
  State lives under $CLAW_HOME (default ~/.claw).
`;
}
