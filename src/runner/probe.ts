/** Asks an installed program for its version. Nothing of a session is involved, so a plain library call does. */

const TIMEOUT = 5000;

/** First line that `<program> --version` prints, clipped; null when it does not say within five seconds. */
export async function probeVersion(file: string, env: Record<string, string>): Promise<string | null> {
  const { execa } = await import('execa');
  const result = await execa(file, ['--version'], {
    env,
    extendEnv: false,
    stdin: 'ignore',
    timeout: TIMEOUT,
    reject: false,
    maxBuffer: 64 * 1024,
  });
  const [line = ''] = result.failed ? [] : result.stdout.trim().split('\n');
  return line === '' ? null : line.slice(0, 80);
}
