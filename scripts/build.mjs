// Builds dist/: claw's own code as one CommonJS bundle that initialises only the modules a command touches, each library
// in a file of its own (loaded when first needed), a loader before them, and V8's code cache for this Node beside each
// (a start without compiling; another Node version simply compiles).
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const dist = path.join(root, 'dist');
const { version, dependencies } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));

// Names this build, so that nothing an earlier one kept (a checked config) is taken for its own.
const sources = fs
  .readdirSync(path.join(root, 'src'), { recursive: true })
  .filter(name => name.endsWith('.ts'))
  .sort();
const hash = createHash('sha256');
for (const name of sources) hash.update(name).update(fs.readFileSync(path.join(root, 'src', name)));
const buildId = hash.digest('hex').slice(0, 12);

fs.rmSync(dist, { recursive: true, force: true });
const shared = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  // Names stay readable in stack traces; white space and comments go.
  minifyWhitespace: true,
  minifySyntax: true,
  charset: 'ascii',
  // import() of a library becomes require, which the loader answers.
  supported: { 'dynamic-import': false },
  legalComments: 'none',
  logLevel: 'warning',
};

const libraries = {
  name: 'libraries',
  setup({ onResolve }) {
    const names = new Set(Object.keys(dependencies));
    onResolve({ filter: /^[a-z]/ }, ({ path: id }) =>
      names.has(id) ? { path: `./lib/${id}.js`, external: true } : undefined,
    );
  },
};

// The loader runs a bundle as one function; wrapped here, its text need not be copied at each start.
const wrapped = (first = '') => ({
  banner: { js: `(function(exports,require,module,__filename,__dirname){${first}` },
  footer: { js: '})' },
});

// What single libraries need to be bundled well.
const special = {
  execa: {
    define: { 'import.meta.url': '__moduleUrl' },
    ...wrapped("const __moduleUrl=require('node:url').pathToFileURL(__filename).href;"),
  },
  // claw prints by itself; looking at the three standard streams, as clipanion does when it is loaded, costs 4 ms.
  clipanion: {
    define: { 'process.stdin': 'undefined', 'process.stdout': 'undefined', 'process.stderr': 'undefined' },
    plugins: [
      {
        name: 'no-tty',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^(node:)?tty$/ }, () => ({ path: 'tty', namespace: 'no-tty' }));
          onLoad({ filter: /.*/, namespace: 'no-tty' }, () => ({
            contents: 'exports.WriteStream = class {};',
          }));
        },
      },
    ],
  },
};
await Promise.all([
  build({ ...shared, entryPoints: [path.join(root, 'src/loader.ts')], outfile: path.join(dist, 'main.js') }),
  build({
    ...shared,
    entryPoints: [path.join(root, 'src/main.ts')],
    outfile: path.join(dist, 'claw.js'),
    define: { CLAW_VERSION: JSON.stringify(version), CLAW_BUILD: JSON.stringify(buildId) },
    plugins: [libraries],
    ...wrapped(),
  }),
  ...Object.keys(dependencies).map(name =>
    build({
      ...shared,
      ...wrapped(),
      ...special[name],
      stdin: { contents: `module.exports = require(${JSON.stringify(name)});`, resolveDir: root },
      outfile: path.join(dist, 'lib', `${name}.js`),
    }),
  ),
]);

// The loader reads its files byte by byte, as latin1. esbuild escapes what is not ASCII in strings, but leaves it in
// regular expressions; there an escape of each UTF-16 unit means the same, with the u flag and without.
for (const name of fs.readdirSync(dist, { recursive: true })) {
  const file = path.join(dist, name);
  if (!name.endsWith('.js') || !fs.statSync(file).isFile()) continue;
  const text = fs.readFileSync(file, 'utf8');
  const ascii = text.replace(
    /[^\x00-\x7f]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  if (ascii !== text) fs.writeFileSync(file, ascii);
}

// Real turns in a home of their own, so that the caches hold the functions that a message needs: the first run checks
// the config too, the second is the everyday one.
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-build-'));
try {
  const config = '{agents:{defaults:{runner:"cat"}},runners:{cat:{command:"cat",context:"none"}}}';
  fs.writeFileSync(path.join(home, 'claw.json'), config, { mode: 0o600 });
  const env = { PATH: process.env.PATH, HOME: home, CLAW_HOME: home, CLAW_WRITE_CODE_CACHE: '1' };
  for (const args of [
    ['ingest', '--json', 'hello'],
    ['ingest', '--json', '--id', '1', 'hello'],
  ]) {
    const run = spawnSync(process.execPath, [path.join(root, 'bin/claw.js'), ...args], {
      env,
      encoding: 'utf8',
    });
    if (run.status !== 0)
      throw new Error(`the built claw does not run: ${run.stderr || run.stdout || run.error}`);
  }
} finally {
  fs.rmSync(home, { recursive: true, force: true });
}
