/** Opens the desk a command works at: config, layout, zone. Reads the config, writes nothing but its cache. */
import { loadConfig } from '../config/load.ts';
import type { Context } from '../context.ts';
import { parseDuration } from '../core/schedule/duration.ts';
import type { Desk } from '../runner/desk.ts';
import { Layout } from '../store/layout.ts';
import { printError } from './output.ts';

declare const CLAW_VERSION: string;

const ID_RETENTION = '90d';

/** @throws ClawError config when the file is unsafe or invalid */
export async function openDesk(context: Context, options: { allNotes?: boolean } = {}): Promise<Desk> {
  const warn = (text: string) => printError(`claw: ${text}\n`);
  const { config, notes, warnings, source } = await loadConfig({
    file: context.configFile,
    explicit: context.configExplicit,
    home: context.home,
    version: CLAW_VERSION,
    uid: context.uid,
  });
  // Said once per change of the file, not with every message.
  for (const note of source === 'file' || options.allNotes ? notes : warnings) warn(note);
  return {
    context,
    layout: new Layout(context.home),
    config,
    zone: zoneOf(config.timezone, context),
    idRetention: parseDuration(config.retention?.messageIds ?? ID_RETENTION)!,
    warn,
  };
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
