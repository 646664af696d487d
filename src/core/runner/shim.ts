/**
 * The few lines of POSIX shell between claw and an agent. Killed with SIGKILL, claw leaves its agent running; whoever
 * takes the session over must find that agent and end it first. So the agent's own process writes its name into the
 * lock's token folder before it becomes the agent: a file `c-<pid>-<starttime>`. If the folder is gone (the session
 * was taken over meanwhile), it cannot, and no agent starts.
 */

/** `$0` of the shell; its own complaints begin with it. */
export const SHIM_NAME = 'claw-run';

/** Exit status of the shell when it could not register. A program may use the same one: the registration tells. */
export const SHIM_REFUSED = 75;

/**
 * Run as `/bin/sh -c SHIM_SCRIPT claw-run <leaseFolder> <command> <args…>`. No process besides the shell itself, which
 * then becomes the command. The arguments stay in "$@" and are never looked at: the start time (field 22 of the stat
 * line; the name in parentheses may hold blanks, hence the cut at the last one) is taken from the positional
 * parameters of a function. Without /proc it is 0. `true`, not `:`: a failed redirection of a special builtin would
 * end the shell with another status.
 */
export const SHIM_SCRIPT = `set -f
lease=$1; shift
start=0
field() { start=\${20}; }
if { IFS= read -r stat < /proc/$$/stat; } 2>/dev/null; then field \${stat##*) }; fi
{ true > "$lease/c-$$-$start"; } 2>/dev/null || exit ${SHIM_REFUSED}
exec "$@"
`;

/** Prefix of the registration of this process; what follows is the start time. */
export function registrationPrefix(pid: number): string {
  return `c-${pid}-`;
}
