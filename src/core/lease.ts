/**
 * Who holds a session, and whether that process still lives. A lock's identity is its token: the name of a folder
 * that no two processes share.
 */

/** What tells one process from every other, also after a restart, a pid reuse or in another container. */
export interface Owner {
  pid: number;
  /** opaque; equal only for the same process */
  startTime: string;
  bootId: string;
  pidNamespace: string;
  machineId: string;
}

export type OwnerState = 'alive' | 'dead' | 'unknown';

/** `<pid>-<start>-<boot>-<namespace>-<machine>-<unique>`; every part is free of `-`. */
export function formatToken(owner: Owner, unique: string): string {
  const { pid, startTime, bootId, pidNamespace, machineId } = owner;
  return [pid, startTime, bootId, pidNamespace, machineId, unique.replace(/-/g, '')].join('-');
}

/** The owner a token names; null when the name is not a token. */
export function parseToken(token: string): Owner | null {
  const parts = token.split('-');
  if (parts.length !== 6 || !/^\d+$/.test(parts[0]!)) return null;
  const [pid, startTime, bootId, pidNamespace, machineId] = parts as [string, string, string, string, string];
  return { pid: Number(pid), startTime, bootId, pidNamespace, machineId };
}

/**
 * Is this owner dead? Only two things prove it: same boot and pid namespace with the pid gone or started at another
 * time; or the same machine after another boot. All else is unknown, and an unknown owner is never stolen by pid.
 *
 * @param startTimeOf start time of a pid here, null when it does not exist
 */
export function judgeOwner(
  owner: Owner,
  here: Owner,
  startTimeOf: (pid: number) => string | null,
): OwnerState {
  // An owner that could not read its own start time cannot be recognised again.
  if (owner.startTime === '0') return 'unknown';
  if (owner.bootId === here.bootId) {
    if (owner.pidNamespace !== here.pidNamespace) return 'unknown';
    return startTimeOf(owner.pid) === owner.startTime ? 'alive' : 'dead';
  }
  return owner.machineId === here.machineId && owner.machineId !== 'x' ? 'dead' : 'unknown';
}
