/** A secret in a file of its own. */
import fs from 'node:fs';

/** No token is longer, bytes. */
const LARGEST = 64 * 1024;

/**
 * The first line of a file that its owner alone can read.
 *
 * @param uid who must own it (or root); undefined where files have no owners
 * @returns the secret, or why the file is not used; never a word of what stands in it
 */
export function readSecretFile(
  file: string,
  uid: number | undefined,
): { secret: string } | { problem: string } {
  let descriptor: number | undefined;
  try {
    // A pipe would be waited for without this.
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const stat = fs.fstatSync(descriptor);
    if (!stat.isFile()) return { problem: `${file} is not a file` };
    if (uid !== undefined && stat.uid !== uid && stat.uid !== 0)
      return { problem: `${file} belongs to user ${stat.uid}` };
    if (uid !== undefined && (stat.mode & 0o077) !== 0)
      return { problem: `${file} can be read by others (chmod 600 ${file})` };
    if (stat.size > LARGEST) return { problem: `${file} is too large for a secret` };
    const [secret = ''] = fs.readFileSync(descriptor, 'utf8').trim().split(/\r?\n/);
    return secret === '' ? { problem: `${file} is empty` } : { secret };
  } catch (error) {
    return { problem: `${file} cannot be read (${(error as NodeJS.ErrnoException).code})` };
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}
