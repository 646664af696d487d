/**
 * What a command that writes says on stderr also goes to claw's log: under a timer nobody reads stderr. Commands that only
 * read never open the journal, and so write nothing.
 */
import type { ConfigInput } from '../config/schema.ts';
import { secretsInConfig } from '../config/secrets.ts';
import type { Context } from '../context.ts';
import { maskSecrets, secretsOf } from '../core/secret.ts';
import { Layout } from '../store/layout.ts';
import { appendLog, LOG_LEVELS, type LogLevel, logFile } from '../store/log.ts';

interface Journal {
  context: Context;
  command: string;
  config: ConfigInput;
}

let journal: Journal | null = null;

/** From here on `note` writes. Opened before the config is read, so that a broken one is noted too. */
export function openJournal(context: Context, command: string, config: ConfigInput = {}): void {
  journal = { context, command, config };
}

/** Notes a line; nothing happens where no journal is open, or where `logging.level` leaves such lines out. */
export function note(level: LogLevel, message: string, sessionKey?: string): void {
  if (journal === null) return;
  const { context, command, config } = journal;
  if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(config.logging?.level ?? 'info')) return;
  appendLog(logFile(new Layout(context.home), config), {
    at: new Date(context.now()).toISOString(),
    level,
    command,
    message: maskSecrets(message, [...secretsOf(context.env), ...secretsInConfig(config)]),
    ...(sessionKey === undefined ? {} : { sessionKey }),
  });
}
