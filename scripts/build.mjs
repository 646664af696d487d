// Builds dist/: one CommonJS bundle that initialises only the modules a command touches, a loader before it, and the
// V8 code cache of this Node beside it (a start without compiling; another Node version simply compiles).
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const dist = path.join(root, 'dist');
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));

fs.rmSync(dist, { recursive: true, force: true });
const shared = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  // Names stay readable in stack traces; white space and comments go.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
  define: { 'import.meta.url': '__moduleUrl', CLAW_VERSION: JSON.stringify(version) },
  banner: { js: "const __moduleUrl=require('node:url').pathToFileURL(__filename).href;" },
};
await build({ ...shared, entryPoints: [path.join(root, 'src/main.ts')], outfile: path.join(dist, 'claw.js') });
await build({ ...shared, banner: {}, entryPoints: [path.join(root, 'src/loader.ts')], outfile: path.join(dist, 'main.js') });

// One real turn and one listing, in a home of their own, so that the cache holds the functions that a message needs.
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-build-'));
try {
  fs.writeFileSync(
    path.join(home, 'claw.json'),
    '{agents:{defaults:{runner:"cat"}},runners:{cat:{command:"cat",context:"none"}}}',
    { mode: 0o600 },
  );
  const env = { PATH: process.env.PATH, HOME: home, CLAW_HOME: home };
  const bin = path.join(root, 'bin/claw.js');
  for (const [args, extra] of [
    [['ingest', '--json', 'hello'], {}],
    [['ingest', '--json', '--id', '1', 'hello'], { CLAW_WRITE_CODE_CACHE: '1' }],
  ]) {
    const run = spawnSync(process.execPath, [bin, ...args], { env: { ...env, ...extra }, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`the built claw does not run: ${run.stderr || run.stdout || run.error}`);
  }
} finally {
  fs.rmSync(home, { recursive: true, force: true });
}
