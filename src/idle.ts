/**
 * A tick that has nothing to do, which is nearly every one: the loader asks here first, so that it ends before claw
 * itself, the command-line reader and the config are loaded. Whatever is not plain is left to the whole tick.
 */
import fs from 'node:fs';
import { printJson } from './commands/output.ts';
import { placeOf } from './context.ts';
import { readIdleNote } from './store/idle-notes.ts';
import { Layout } from './store/layout.ts';

/**
 * Does such a tick: leaves its time stamp, and prints the document if asked to.
 *
 * @param argv the words behind `claw tick`
 * @returns false where nothing was done, and a whole tick has to look
 */
export function idleTick(argv: readonly string[]): boolean {
  const options = optionsOf(argv);
  if (options === null) return false;
  const place = placeOf(options.config);
  // An agent may not tick; the whole tick says so.
  if (place.env.CLAW_RUN_ID) return false;
  const note = readIdleNote(place);
  if (note === null) return false;
  const now = new Date(place.now());
  try {
    fs.utimesSync(new Layout(place.home).tickStamp(), now, now);
  } catch {
    return false;
  }
  if (options.json) printJson(note.report);
  return true;
}

/** `--json` and one `--config FILE`; null for any other words. */
function optionsOf(argv: readonly string[]): { json: boolean; config?: string } | null {
  const options: { json: boolean; config?: string } = { json: false };
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === '--json') options.json = true;
    else if (word === '--config' && options.config === undefined && /^[^-]/.test(argv[at + 1] ?? ''))
      options.config = argv[++at]!;
    else return null;
  }
  return options;
}
