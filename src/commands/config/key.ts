/** The key that `config get` and `config set` are asked for. */
import { type ConfigPath, formatPath, parsePath } from '../../config/config-path.ts';
import { ClawError } from '../../core/errors.ts';

/**
 * The path of a canonical key.
 *
 * @param sample a value that could stand there: which canonical key an older one means may depend on it
 * @throws ClawError usage with the nearest key, or the canonical name of an older one
 */
export async function keyPath(written: string, sample: unknown = ''): Promise<ConfigPath> {
  const typed = parsePath(written);
  if (typed === null) {
    throw new ClawError(
      'usage',
      'config-path',
      `${JSON.stringify(written)} is no path; write it as agents.list[0].id or channels["a.b"].send`,
      'claw config show --effective',
    );
  }
  const { adviceForKey, resolvePath } = await import('../../config/nearest.ts');
  const { jsonSchema } = await import('../../config/schema.ts');
  const schema = jsonSchema();
  const { path, known } = resolvePath(schema, typed);
  if (known) return path;
  const newer = await canonicalName(typed, sample);
  throw new ClawError(
    'usage',
    'config-key',
    newer === null ? `${formatPath(path)}: ${adviceForKey(schema, path)}` : `${newer}; use that key`,
    'claw config schema',
  );
}

/** What the notes say about an older key; null where nothing knows it. */
async function canonicalName(path: ConfigPath, sample: unknown): Promise<string | null> {
  const { withValue } = await import('../../config/edit.ts');
  const { translateDialects } = await import('../../config/dialects.ts');
  for (const value of [sample, '', 1]) {
    const { notes, dropped } = translateDialects(withValue({}, path, value));
    const [note] = notes.filter(each => each.startsWith(`${formatPath(path)} `));
    if (note !== undefined && dropped.length === 0) return note;
  }
  return null;
}
