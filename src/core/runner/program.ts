/** Versions of programs, as far as they decide whether an agent can run. */

/** The oldest Node that an `engines.node` range such as `>=20.6.0` or `^22 || >=24` lets in; null where it names none. */
export function neededNode(range: string | null): string | null {
  const versions = [...(range ?? '').matchAll(/(?:>=|\^|~|=|^|\|\|)\s*v?(\d+(?:\.\d+)*)/g)].map(
    found => found[1]!,
  );
  return versions.sort(compare)[0] ?? null;
}

/** Whether a version (`v20.19.1`) is no older than what is needed; unknown counts as good. */
export function isRecentEnough(version: string | null, needs: string | null): boolean {
  const found = /(\d+(?:\.\d+)*)/.exec(version ?? '')?.[1];
  return found === undefined || needs === null || compare(found, needs) >= 0;
}

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map(version => version.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left![i] ?? 0) - (right![i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
