/** One key of the config file changed, and nothing else of it: planned, then planned again and written under its lock. */
import JSON5 from 'json5';
import { type ConfigPath, formatPath, valueAt } from '../../config/config-path.ts';
import { translateDialects } from '../../config/dialects.ts';
import { isSame, removeFromText, setInText, withValue } from '../../config/edit.ts';
import { quoted, readConfigText, reportProblems } from '../../config/load.ts';
import { printLine } from '../../config/print.ts';
import { saveConfig } from '../../config/save.ts';
import { withoutSecrets } from '../../config/secrets.ts';
import { formatProblems, type Validation, validateConfig } from '../../config/validate.ts';
import type { Context } from '../../context.ts';
import { ClawError } from '../../core/errors.ts';
import { withConfigLock } from '../../store/config-locks.ts';

const NEW_FILE =
  '// Configuration of claw (JSON5). Every key: claw config schema. Check it: claw config validate\n{\n}\n';

/**
 * Changes one key, with the first of the values with which the whole file is valid. Comments and every other byte stay.
 *
 * @param wanted readings of the value; undefined takes the key out
 * @returns as it was written; `changed` is false where the file says so already
 * @throws ClawError usage or config, after which nothing was written
 */
export async function changeConfig(context: Context, path: ConfigPath, wanted: unknown[]): Promise<Plan> {
  const first = planChange(context, path, wanted);
  if (!first.changed) return first;
  return withConfigLock(context, async () => {
    // Another change may have come between: it is kept.
    const plan = planChange(context, path, wanted);
    if (plan.changed) await saveConfig(context.configFile, plan.text, plan.before);
    return plan;
  });
}

/** A change of the config file, or what it would be. */
export interface Plan extends Change {
  warnings: string[];
  /** the text it was made from; null where there is no file */
  before: string | null;
  changed: boolean;
}

/** Reads the file and finds out what is to be written. Writes nothing. */
function planChange(context: Context, path: ConfigPath, wanted: unknown[]): Plan {
  const file = context.configFile;
  const opened = readConfigText({ file, explicit: false, uid: context.uid });
  const before = opened?.text ?? NEW_FILE;
  const old = validateConfig(before);
  const change = chooseChange(file, before, old, path, wanted);
  return {
    ...change,
    notes: change.notes.filter(note => !old.notes.includes(note)),
    warnings: opened?.warnings ?? [],
    before: opened === null ? null : before,
    changed: change.text !== before,
  };
}

interface Change {
  text: string;
  value: unknown;
  notes: string[];
}

/** The first reading of the value with which the whole file is valid. */
function chooseChange(
  file: string,
  before: string,
  old: Validation,
  path: ConfigPath,
  wanted: unknown[],
): Change {
  if (isSyntaxError(before)) throw invalid(file, old, true);
  const raw: unknown = JSON5.parse(before);
  refuseOlderForms(file, raw, path);
  let worst: Validation | undefined;
  for (const value of wanted) {
    if (isSame(valueAt(raw, path), value)) return { text: before, value, notes: [] };
    const edit = value === undefined ? removeFromText(before, path) : setInText(before, path, value);
    if (!edit.ok && edit.usage)
      throw new ClawError('usage', 'config-path', `${edit.reason}; nothing was written`, 'claw config show');
    if (!edit.ok) throw byHand(file, path, value, edit);
    const checked = validateConfig(edit.text);
    if (checked.config !== null) {
      // In the place of an item that is taken out stands the next one.
      const isItem = value === undefined && typeof path.at(-1) === 'number';
      if (!isItem && !isSame(valueAt(checked.config, path), value))
        throw byHand(file, path, value, {
          reason: `${formatPath(path)} would not be taken over`,
          line: null,
        });
      return { text: edit.text, value, notes: checked.notes };
    }
    worst ??= checked;
  }
  throw invalid(file, worst ?? old, old.config === null);
}

function isSyntaxError(text: string): boolean {
  try {
    JSON5.parse(text);
    return false;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return true;
  }
}

/** A value that an older key of the file gives cannot be changed or taken out at its canonical place. */
function refuseOlderForms(file: string, raw: unknown, path: ConfigPath): void {
  const translation = translateDialects(raw);
  if (valueAt(raw, path) !== undefined || valueAt(translation.config, path) === undefined) return;
  throw new ClawError(
    'config',
    'config-older-form',
    `${formatPath(path)} comes from the older ${formatPath(translation.sourceOf(path))} in ${file}`,
    'claw config migrate --write',
  );
}

/** @param already the file was invalid before: that is its own trouble, not that of the value */
function invalid(file: string, { problems }: Validation, already: boolean): ClawError {
  const report = reportProblems(
    already ? file : `with this value ${file} would have`,
    problems.length,
    formatProblems(problems),
  );
  return new ClawError(
    already ? 'config' : 'usage',
    already ? 'config-invalid' : 'config-value',
    `${already ? report : report.replace(' have: ', ' have ')}\nclaw: nothing was written`,
    already ? `claw config validate --config ${quoted(file)}` : 'claw config schema',
  );
}

function byHand(
  file: string,
  path: ConfigPath,
  value: unknown,
  why: { reason: string; line: number | null },
): ClawError {
  const place = `${quoted(file)}${why.line === null ? '' : `, line ${why.line}`}`;
  return new ClawError(
    'config',
    'config-by-hand',
    `${file}: ${why.reason}; nothing was written`,
    value === undefined
      ? `take ${formatPath(path)} out by hand in ${place}`
      : `write by hand into ${place}: ${printLine(withValue({}, path, withoutSecrets(value, path))).replace(/^\{ | \}$/g, '')}`,
  );
}
