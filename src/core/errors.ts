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
