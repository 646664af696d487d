/** Asks installed programs: for their version, and short questions of other kinds. Nothing of a session is involved. */

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
  // Some say it on stderr.
  const [line = ''] = result.failed ? [] : (result.stdout.trim() || result.stderr.trim()).split('\n');
  return line === '' ? null : line.slice(0, 80);
}

export interface Answer {
  /** exit status; null when it was killed, took too long, or could not be started */
  status: number | null;
  /** one character per byte */
  stdout: string;
  /** UTF-8, without the white space around it */
  stderr: string;
  /** no such program on the PATH */
  missing: boolean;
}

/**
 * One short question to a program of the system (systemctl, launchctl, crontab), with its arguments as they are. Never throws:
 * how it ended is the answer.
 *
 * @param options.input bytes for its stdin, one character each; absent: /dev/null
 * @param options.timeoutMs default 15 s
 */
export async function ask(
  file: string,
  args: readonly string[],
  options: { env: Record<string, string | undefined>; input?: string; timeoutMs?: number },
): Promise<Answer> {
  const { spawn } = await import('node:child_process');
  return new Promise(resolve => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const child = spawn(file, args, {
      env: options.env as NodeJS.ProcessEnv,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    // Not spawn's own: that one keeps the process waiting where the program could not be started.
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 15_000);
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    // A program that does not read its input is judged by its exit status.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(Buffer.from(options.input ?? '', 'latin1'));
    const answer = (status: number | null, missing: boolean) => {
      clearTimeout(timer);
      resolve({
        status,
        stdout: Buffer.concat(out).toString('latin1'),
        stderr: Buffer.concat(err).toString('utf8').trim(),
        missing,
      });
    };
    child.on('error', (error: NodeJS.ErrnoException) => answer(null, error.code === 'ENOENT'));
    child.on('close', status => answer(status, false));
  });
}
