import fs from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'clipanion';
import { quoted, readConfigText, reportProblems } from '../../config/load.ts';
import { type Migration, migrateConfig } from '../../config/migrate.ts';
import { backUp, saveConfig } from '../../config/save.ts';
import { formatProblems } from '../../config/validate.ts';
import { type Context, expandHome } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { withConfigLock } from '../../store/config-locks.ts';
import { ClawCommand } from '../base.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';

export class ConfigMigrateCommand extends ClawCommand {
  static override paths = [['config', 'migrate']];
  static override usage = Command.Usage({
    description:
      'Print the canonical form of a config file in an older dialect, with its comments; what has no place in it becomes a comment.',
    examples: [
      ['What would mine be?', 'claw config migrate'],
      ["Another system's", 'claw config migrate ~/.clawdbot/clawdbot.json > ~/.claw/claw.json'],
      ['In place, with a backup', 'claw config migrate --write'],
    ],
  });

  file = Option.String({ name: 'file', required: false });
  write = Option.Boolean('--write', false, { description: 'rewrite the file, with a backup beside it' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'config migrate');
    const file = this.file === undefined ? context.configFile : path.resolve(expandHome(this.file));
    const text = this.file === undefined ? ownText(context) : otherText(file);
    const migration = migrateConfig(text);
    if (migration.problems.length > 0) {
      const report = reportProblems(file, migration.problems.length, formatProblems(migration.problems));
      throw new ClawError(
        'config',
        'config-invalid',
        report,
        `claw config validate --config ${quoted(file)}`,
      );
    }
    const unknown = migration.dropped.filter(key => key.unknown);
    if (this.write && unknown.length > 0) throw unclear(file, unknown);
    const restricting = migration.dropped.filter(key => key.restricts);
    if (this.write && restricting.length > 0) throw opening(file, restricting);
    const backup =
      this.write && migration.changed
        ? await withConfigLock(context, async () => {
            const name = await backUp(file, text, context.now());
            await saveConfig(file, migration.text, text);
            return name;
          })
        : null;

    for (const note of migration.notes) this.warn(note);
    for (const { path: key, reason } of unknown) this.warn(`${key} stands as a comment now: ${reason}`);
    const { config, notes, dropped } = migration;
    const written = this.write ? { file, written: backup !== null, backup } : {};
    if (this.json)
      printJson({
        config,
        notes,
        dropped: dropped.map(({ unknown: _, restricts: __, ...key }) => key),
        ...written,
      });
    else if (!this.write) printOut(migration.text);
    else
      printOut(
        backup === null ? `${file} is canonical already.\n` : `${file} rewritten; before: ${backup}\n`,
      );
    return EXIT.ok;
  }
}

function ownText(context: Context): string {
  const { configFile: file, uid } = context;
  const opened = readConfigText({ file, explicit: true, uid });
  return opened?.text ?? '';
}

/** A file that is only read and printed may be anybody's. */
function otherText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new ClawError(
      'config',
      code === 'ENOENT' ? 'config-missing' : 'config-unreadable',
      `${file} cannot be read: ${code}`,
      `ls -l ${quoted(file)}`,
      { cause: error },
    );
  }
}

/** A mistyped key may be the one that closed a channel: only a person can say whether it may go. */
function unclear(file: string, unknown: Migration['dropped']): ClawError {
  const list = unknown.map(({ path: key, reason }) => `  ${key}: ${reason}`).join('\n');
  return new ClawError(
    'config',
    'config-invalid',
    `${file} has keys that no known system has; nothing was written\n${list}`,
    `mend or remove them, or look at: claw config migrate ${quoted(file)}`,
  );
}

/** A rule about who may write is never lost in a comment: that would open what its owner had closed. */
function opening(file: string, keys: Migration['dropped']): ClawError {
  const list = keys.map(({ path: key, reason }) => `  ${key}: ${reason}`).join('\n');
  return new ClawError(
    'config',
    'config-invalid',
    `${file} has keys that may keep somebody out and would be lost; nothing was written\n${list}`,
    `say the same in today's keys (channels.<name>.allowFrom, dmPolicy, groupPolicy), then remove them; what would be written: claw config migrate ${quoted(file)}`,
  );
}
