/** Replaces the text of a config file whole; who owns it and who may read it stays. */
import fs from 'node:fs';
import path from 'node:path';
import { ClawError } from '../core/errors.ts';

/**
 * @param before the text this one was made from; null: there was no file. Where something else stands there by now,
 *   nothing is written
 * @throws ClawError `config-changed` (75), `config-encoding` (78), `cannot-create` (73) or `config-unwritten` (74)
 */
export async function saveConfig(file: string, text: string, before: string | null): Promise<void> {
  checkUnchanged(file, before);
  await write(file, text, before === null ? { mode: 0o600 } : {});
}

/**
 * Keeps a text beside its file, readable by its owner alone.
 *
 * @param now epoch ms
 * @returns the name: `<file>.bak-20261121T150550Z`
 */
export async function backUp(file: string, text: string, now: number): Promise<string> {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  let name = `${file}.bak-${stamp}`;
  for (let count = 2; fs.existsSync(name); count++) name = `${file}.bak-${stamp}-${count}`;
  const { uid, gid } = fs.statSync(file);
  await write(name, text, { mode: 0o600, chown: { uid, gid } });
  return name;
}

function checkUnchanged(file: string, before: string | null): void {
  let bytes: Buffer | null = null;
  try {
    bytes = fs.readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unwritten(file, error);
  }
  if (bytes === null ? before === null : before !== null && bytes.equals(Buffer.from(before, 'utf8'))) return;
  if (bytes !== null && bytes.toString('utf8') === before) {
    // Written back, the bytes that are no UTF-8 would be others than they were.
    throw new ClawError(
      'config',
      'config-encoding',
      `${file} is not UTF-8; nothing was written`,
      'iconv -t UTF-8',
    );
  }
  throw new ClawError(
    'tempfail',
    'config-changed',
    `${file} was changed by somebody else meanwhile; nothing was written`,
    'try again',
  );
}

async function write(
  file: string,
  text: string,
  options: { mode?: number; chown?: { uid: number; gid: number } },
): Promise<void> {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    const { default: writeFileAtomic } = await import('write-file-atomic');
    await writeFileAtomic(file, text, options);
  } catch (error) {
    throw unwritten(file, error);
  }
}

function unwritten(file: string, error: unknown): ClawError {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  const mayNot = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST'].includes(code);
  return new ClawError(
    mayNot ? 'cannotCreate' : 'io',
    mayNot ? 'cannot-create' : 'config-unwritten',
    `${file} cannot be written: ${code}; it is as it was`,
    'check the folder and its free space',
    { cause: error },
  );
}
