/** Opens the desk a command works at: config, layout, zone. Reads the config, writes nothing but its cache. */
import { type LoadConfigOptions, loadConfig } from '../config/load.ts';
import type { Context } from '../context.ts';
import { ClawError } from '../core/errors.ts';
import { parseDuration } from '../core/schedule/duration.ts';
import type { Desk } from '../runner/desk.ts';
import { Layout } from '../store/layout.ts';
import { note, openJournal } from './journal.ts';
import { printError } from './output.ts';

declare const CLAW_VERSION: string;
declare const CLAW_BUILD: string;

const ID_RETENTION = '90d';

/**
 * @param options allNotes: say every note about the config; anyConfig: where the config cannot be used, say so and go on
 *   with the built-in defaults, for commands that only look; quiet: the same for an unsafe one, and nothing is said of it (whoever asks for this reports it in its own way); log: name of a command that writes, whose warnings go to the log
 * @throws ClawError config when the file is unsafe or invalid
 */
export async function openDesk(
  context: Context,
  options: { allNotes?: boolean; anyConfig?: boolean; quiet?: boolean; log?: string } = {},
): Promise<Desk> {
  const { log } = options;
  if (log) openJournal(context, log);
  const warn = (text: string) => {
    printError(`claw: ${text}\n`);
    note('warn', text);
  };
  const loaded = loadConfig(configOptions(context));
  const { config, notes, warnings, source } = await (options.anyConfig
    ? loaded.catch(error => builtIn(error, options.quiet))
    : loaded);
  if (log) openJournal(context, log, config);
  // Said once per change of the file, not with every message.
  const said = source === 'file' || options.allNotes ? notes : warnings;
  if (!options.quiet) for (const text of said) warn(text);
  return {
    context,
    layout: new Layout(context.home),
    config,
    zone: zoneOf(config.timezone, context),
    idRetention: parseDuration(config.retention?.messageIds ?? ID_RETENTION)!,
    warn,
  };
}

/** Which config file this process uses, and what it needs to be believed. */
export function configOptions(context: Context): LoadConfigOptions {
  return {
    file: context.configFile,
    explicit: context.configExplicit,
    home: context.home,
    version: `${CLAW_VERSION}+${CLAW_BUILD}`,
    uid: context.uid,
  };
}

/** What is read with instead of a config that cannot be used; what it would have changed does not show. */
function builtIn(error: unknown, whatever = false): Awaited<ReturnType<typeof loadConfig>> {
  if (!(error instanceof ClawError) || (error.code !== 'config-invalid' && !whatever)) throw error;
  const warnings = [`${error.message}\nclaw: going on with the built-in defaults`];
  return { config: {}, file: null, notes: warnings, warnings, source: 'none' };
}

/** The user's zone. The host's name is asked for only by who shows it: waking Intl costs 10 ms. */
function zoneOf(timezone: string | undefined, context: Context): Desk['zone'] {
  if (timezone !== undefined) return { name: timezone, isHost: timezone === context.hostZone() };
  return {
    get name() {
      return context.hostZone();
    },
    isHost: true,
  };
}
