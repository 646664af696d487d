/**
 * Failures as data: a code a script can match, the place, and the command that helps. `main.ts` is the one place
 * that turns a code into an exit status and a line of text.
 */

/** Exit statuses follow sysexits(3), so mail filters, pipes and systemd read them. */
export const EXIT = {
  ok: 0,
  attention: 1,
  usage: 64,
  data: 65,
  unavailable: 69,
  internal: 70,
  cannotCreate: 73,
  io: 74,
  tempfail: 75,
  noPermission: 77,
  config: 78,
} as const;

export type ExitName = keyof typeof EXIT;

/** An error meant for a person: `message` says what and where, `hint` the command that helps. */
export class ClawError extends Error {
  readonly code: string;
  readonly exit: ExitName;
  readonly hint: string | undefined;

  /**
   * @param exit which exit status (by name) the process ends with
   * @param code stable kebab-case code, e.g. `config-invalid`
   * @param message what went wrong and where
   * @param hint the command or edit that mends it
   */
  constructor(exit: ExitName, code: string, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ClawError';
    this.exit = exit;
    this.code = code;
    this.hint = hint;
  }
}

/** What a disk says that is broken, full, or not to be written or read. */
const TROUBLE = /^(?:EIO|ENOSPC|EDQUOT|EROFS|EFBIG|EMFILE|ENFILE|EACCES|EPERM|ESTALE)$/;

/** A failure as data. Trouble with a file that nobody foresaw where it came is told as that; all else is a bug of claw. */
export function asFailure(error: unknown): ClawError {
  if (error instanceof ClawError) return error;
  const { code, syscall, message, stack } = (error ?? {}) as Partial<Error> & {
    code?: unknown;
    syscall?: unknown;
  };
  if (typeof code === 'string' && typeof syscall === 'string' && TROUBLE.test(code))
    return new ClawError('io', 'io', String(message), 'look at the disk, then: claw doctor', {
      cause: error,
    });
  const told = `internal error: ${stack ?? String(error)}`;
  return new ClawError(
    'internal',
    'internal',
    told,
    'this is a bug in claw; please report it with the text above',
  );
}
