/**
 * Paths that still hold tomorrow: a timer's unit outlives the shell it was installed from, and with it whatever a version
 * manager made for that shell (nanoclaw#731: an fnm path in a plist; openclaw #40659: a bare `node`).
 */

interface Place {
  /** who makes it */
  maker: string;
  pattern: RegExp;
}

/** Places that vanish: with the shell, the session or the next clean-up of a cache. */
const TEMPORARY: Place[] = [
  { maker: 'fnm (one folder per shell)', pattern: /\/fnm_multishells(?:\/|$)/ },
  { maker: 'nvm (a link that moves)', pattern: /\/\.?nvm\/current(?:\/|$)/ },
  { maker: 'npx', pattern: /\/_npx\// },
  { maker: 'npm run', pattern: /\/node_modules\/\.bin\/?$|\/node-gyp-bin\/?$/ },
  { maker: 'pnpm dlx', pattern: /\/pnpm\/dlx[-/]|\/dlx-[^/]+\// },
  { maker: 'bunx', pattern: /\/bunx-[^/]+(?:\/|$)|\/bun-node-[^/]+(?:\/|$)/ },
  { maker: 'yarn', pattern: /\/(?:yarn--|xfs-)[^/]+(?:\/|$)/ },
  { maker: 'the login session', pattern: /^\/run\/user\/\d+(?:\/|$)/ },
];

/** Small programs that look up the real one when they are called, by files and variables a timer may not have. */
const SHIMS: Place[] = [
  { maker: 'volta', pattern: /\/\.volta\/bin(?:\/|$)/ },
  { maker: 'asdf', pattern: /\/\.asdf\/shims(?:\/|$)/ },
  { maker: 'mise', pattern: /\/mise\/shims(?:\/|$)/ },
  { maker: 'nodenv', pattern: /\/\.?nodenv\/shims(?:\/|$)/ },
];

/** Who made a file or folder that will not stay; null when it stays. */
export function temporaryMaker(path: string): string | null {
  return TEMPORARY.find(({ pattern }) => pattern.test(path))?.maker ?? null;
}

/** The same for a program that is to be started by its path: shims count too. */
export function unstableProgram(path: string): string | null {
  return temporaryMaker(path) ?? SHIMS.find(({ pattern }) => pattern.test(path))?.maker ?? null;
}

/**
 * Other names of a program's real file, the most lasting first: Homebrew's `opt` link instead of a version's folder, which the
 * next upgrade removes; for a file in the Nix store, which a clean-up removes, the folders of the PATH.
 *
 * @param real absolute, all links resolved
 * @param folders of the PATH
 * @returns candidates; only those that lead to `real` are of use
 */
export function lastingNames(real: string, folders: string[]): string[] {
  const brewed = /^(.*)\/Cellar\/([^/]+)\/[^/]+\/(.+)$/.exec(real);
  if (brewed) return [`${brewed[1]}/opt/${brewed[2]}/${brewed[3]}`];
  if (!real.startsWith('/nix/store/')) return [];
  const name = real.slice(real.lastIndexOf('/') + 1);
  return folders
    .filter(folder => !folder.startsWith('/nix/store/') && temporaryMaker(folder) === null)
    .map(folder => `${folder.replace(/\/$/, '')}/${name}`);
}

/** What no unit file, plist or crontab can hold, in any quoting. */
export function hasControlCharacter(text: string): boolean {
  return /[\u0000-\u001f\u007f]/.test(text);
}

/** Where programs are that every system has. */
const STANDARD = ['/usr/local/bin', '/usr/bin', '/bin'];

/**
 * The PATH a timer gets: the folders of this one that are absolute and exist. A temporary folder is replaced by the lasting one
 * it leads to (the programs of this Node are there, agents often among them), or left out.
 *
 * @param path `$PATH` of the shell
 * @param nodeFolder in which `node` is: agents that are scripts begin with `env node`
 * @param realOf the folder with all links resolved; null when there is no such folder
 */
export function freezePath(
  path: string | undefined,
  nodeFolder: string,
  realOf: (folder: string) => string | null,
): string {
  const kept: string[] = [];
  const keep = (folder: string) => {
    // A colon cannot stand in a PATH, however it is written.
    if (!folder.startsWith('/') || hasControlCharacter(folder) || folder.includes(':')) return;
    const plain = folder.replace(/(?<=.)\/+$/, '');
    const real = realOf(plain);
    if (real === null) return;
    const lasting = temporaryMaker(`${plain}/`) === null ? plain : real;
    if (temporaryMaker(`${lasting}/`) === null && temporaryMaker(lasting) === null && !kept.includes(lasting))
      kept.push(lasting);
  };
  for (const folder of [...(path ?? '').split(':'), nodeFolder, ...STANDARD]) keep(folder);
  return kept.join(':');
}
