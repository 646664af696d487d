/** One thing that `doctor` or `status` looked at. */
export interface Check {
  /** what kind of thing; several checks may share one */
  id: string;
  /** warn and fail need attention; fail: something does not work, or is not safe */
  status: 'ok' | 'warn' | 'fail';
  what: string;
  /** the file, folder, key or session it is about */
  where: string | null;
  /** the command or edit that mends it */
  fix: string | null;
  /** `--fix` mended it just now */
  fixed: boolean;
}

export function fine(id: string, what: string, where: string | null = null): Check {
  return { id, status: 'ok', what, where, fix: null, fixed: false };
}

export function mended(id: string, what: string, where: string): Check {
  return { ...fine(id, what, where), fixed: true };
}

export function warning(id: string, what: string, where: string | null, fix: string): Check {
  return { id, status: 'warn', what, where, fix, fixed: false };
}

export function failure(id: string, what: string, where: string | null, fix: string): Check {
  return { id, status: 'fail', what, where, fix, fixed: false };
}

/** "1 reply", "2 replies". */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
