import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import { type ConfigPath, formatPath, isWithin, parsePath, valueAt } from '../../config/config-path.ts';
import { type EffectiveValue, effectiveConfig } from '../../config/effective.ts';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { keyPath } from './key.ts';

export class ConfigGetCommand extends ClawCommand {
  static override paths = [['config', 'get']];
  static override usage = Command.Usage({
    description:
      'The value that holds for one key or block. Nothing is printed where none does; environment values show as (set).',
    examples: [
      ['When are sessions reset?', 'claw config get session.reset.atHour'],
      ['With its source', 'claw config get session --json'],
    ],
  });

  key = Option.String({ name: 'path' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'config get');
    const path = await keyPath(this.key);
    const desk = await openDesk(context);
    const file = fs.existsSync(context.configFile) ? context.configFile : null;
    const { withValue } = await import('../../config/edit.ts');
    const found = lookUp(effectiveConfig(desk.config, file), path, withValue);
    if (this.json) printJson({ path: formatPath(path), ...found });
    else if (found.value === null) this.warn(`${formatPath(path)} is not set`);
    else printOut(`${typeof found.value === 'string' ? found.value : JSON.stringify(found.value)}\n`);
    return EXIT.ok;
  }
}

/** A key, an item inside a list, or a block put together from its keys; `mixed` where these come from several places. */
function lookUp(
  values: Record<string, EffectiveValue>,
  path: ConfigPath,
  withValue: (root: unknown, path: ConfigPath, value: unknown) => unknown,
): EffectiveValue {
  let block: unknown;
  const sources = new Set<string>();
  for (const [name, { value, source }] of Object.entries(values)) {
    const key = parsePath(name) ?? [];
    if (isWithin(key, path)) {
      block = withValue(block, key.slice(path.length), value);
      sources.add(source);
    } else if (isWithin(path, key)) {
      const below = valueAt(value, path.slice(key.length));
      if (below !== undefined) return { value: below, source };
    }
  }
  const [source = 'default'] = sources;
  return { value: block ?? null, source: sources.size > 1 ? 'mixed' : source };
}
