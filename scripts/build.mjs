// Builds dist/: claw's own code in a few packs, so that an everyday command reads little more than it runs; each library
// in a file of its own; a loader before them, and V8's code cache for this Node beside each (a start without compiling;
// another Node version simply compiles). A pack initialises only the modules that are touched.
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

/**
 * Claw's modules by pack, each with what it begins at: a module belongs to the first pack that reaches it by static
 * imports, and what none reaches is in `far`. So each exists once in a process, wherever it is asked for from.
 */
const PACKS = {
  claw: [
    ...['main.ts', 'commands/sessions/list.ts', 'commands/route.ts', 'config/load.ts'],
    // Small, and needed by turns as by jobs, neither of which reads the pack of the other.
    ...['store/runs.ts', 'core/schedule/rule.ts', 'core/schedule/unheard.ts', 'core/display/age.ts'],
  ],
  jobs: ['commands/cron/list.ts'],
  turn: ['commands/ingest.ts', 'runner/agent.ts', 'runner/dispatch.ts', 'core/session/command.ts'],
  tick: ['commands/tick.ts', 'runner/rotate.ts'],
  notes: ['runner/retrieve.ts'],
  look: [
    ...['commands/sessions/show.ts', 'commands/status.ts', 'commands/cron/next.ts', 'commands/cron/add.ts'],
    ...['commands/cron/show.ts', 'commands/cron/runs.ts', 'commands/cron/status.ts', 'commands/cron/edit.ts'],
  ],
  preset: ['core/runner/preset/table.ts'],
  far: [],
};

const libraries = {
  name: 'libraries',
  setup({ onResolve }) {
    const names = new Set(Object.keys(dependencies));
    onResolve({ filter: /^[a-z]/ }, ({ path: id, kind }) => {
      if (names.has(id)) return { path: `./lib/${id}.js`, external: true };
      // Of Node's own modules the loader makes one namespace; esbuild would make one for every importer.
      return /^node:/.test(id) && kind !== 'require-call'
        ? { path: `claw:${id}`, external: true }
        : undefined;
    });
  },
};

// The loader runs a bundle as one function; wrapped here, its text need not be copied at each start.
const wrapped = (first = '') => ({
  banner: { js: `(function(exports,require,module,__filename,__dirname){${first}` },
  footer: { js: '})' },
});

// Clipanion joins the transitions of two nodes by looking each up in a list, for every option again: with the 24 options of
// `ingest` that is cubic, and 5 ms of every start. The same join by a table.
const SLOW_UNION = `            for (const [test, transition] of toDef.dynamics)
                if (!nodeDef.dynamics.some(([otherTest, { to }]) => test === otherTest && transition.to === to))
                    nodeDef.dynamics.push([test, transition]);`;
const QUICK_UNION = `            const known = new Map();
            for (const [test, { to }] of nodeDef.dynamics) {
                const ends = known.get(test);
                if (ends) ends.push(to); else known.set(test, [to]);
            }
            for (const [test, transition] of toDef.dynamics) {
                const ends = known.get(test);
                if (ends && ends.includes(transition.to)) continue;
                if (ends) ends.push(transition.to); else known.set(test, [transition.to]);
                nodeDef.dynamics.push([test, transition]);
            }`;

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
      {
        name: 'quick-machine',
        setup({ onLoad }) {
          onLoad({ filter: /clipanion[\\/]lib[\\/]core\.js$/ }, ({ path: file }) => {
            const text = fs.readFileSync(file, 'utf8');
            if (!text.includes(SLOW_UNION))
              throw new Error(`${file}: not the text that QUICK_UNION replaces`);
            return { contents: text.replace(SLOW_UNION, () => QUICK_UNION) };
          });
        },
      },
    ],
  },
};
const src = path.join(root, 'src');
const own = {
  ...shared,
  absWorkingDir: src,
  define: { CLAW_VERSION: JSON.stringify(version), CLAW_BUILD: JSON.stringify(buildId) },
};

/** Which modules import which, types left out: source file → [{ path, kind }]. */
async function importsOf(entryPoints) {
  const { metafile } = await build({
    ...own,
    entryPoints,
    outdir: dist,
    write: false,
    metafile: true,
    plugins: [libraries],
  });
  return new Map(
    Object.entries(metafile.inputs).map(([file, { imports }]) => [
      file,
      imports.filter(({ external }) => !external),
    ]),
  );
}

function packsOf(imports) {
  const packs = new Map();
  const put = (pack, file) => {
    if (packs.has(file)) return;
    packs.set(file, pack);
    for (const { path: id, kind } of imports.get(file)) if (kind !== 'dynamic-import') put(pack, id);
  };
  for (const [pack, entries] of Object.entries(PACKS)) for (const entry of entries) put(pack, entry);
  for (const file of imports.keys()) if (!packs.has(file)) packs.set(file, 'far');
  return packs;
}

const imports = await importsOf(PACKS.claw);
const packs = packsOf(imports);

/** A module of another pack is asked for by name, of the loader. */
const apart = pack => ({
  name: 'apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\./ }, ({ path: id, resolveDir }) => {
      const file = path.relative(src, path.resolve(resolveDir, id)).replaceAll(path.sep, '/');
      const place = packs.get(file);
      if (place === undefined || place === pack) return undefined;
      return { path: `claw:${place}/${file}`, external: true };
    });
  },
});

/** One pack: a table of those of its modules that are asked for from outside. */
async function buildPack(pack) {
  const asked = new Set(['main.ts']);
  for (const [file, ids] of imports)
    for (const { path: id } of ids) if (packs.get(file) !== packs.get(id)) asked.add(id);
  const names = [...asked].filter(file => packs.get(file) === pack).sort();
  const table = names.map(file => `${JSON.stringify(file)}: () => require(${JSON.stringify(`./${file}`)})`);
  const outfile = path.join(dist, `${pack}.js`);
  await build({
    ...own,
    stdin: { contents: `exports.modules = {${table.join(',')}};`, resolveDir: src },
    outfile,
    plugins: [libraries, apart(pack)],
    ...wrapped(),
  });
  plain(outfile);
}

/** What the loader answers are namespaces as they should be; esbuild, which cannot know that, would copy them. */
function plain(file) {
  const text = fs
    .readFileSync(file, 'utf8')
    .replace(/__toESM\((require\("claw:[^"]+"\))\)/g, '$1')
    .replace(/__toCommonJS\((\w+_exports)\)/g, '$1');
  fs.writeFileSync(file, text);
}

await Promise.all([
  build({ ...shared, entryPoints: [path.join(src, 'loader.ts')], outfile: path.join(dist, 'main.js') }),
  // It stands alone, with its own copy of the few modules it needs: they have no state, and a start that goes on behind it
  // is rare.
  build({
    ...own,
    entryPoints: ['idle.ts'],
    outfile: path.join(dist, 'idle.js'),
    plugins: [libraries],
    ...wrapped(),
  }).then(() => plain(path.join(dist, 'idle.js'))),
  ...Object.keys(PACKS).map(buildPack),
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

// Real commands in a home of their own, so that the caches hold the functions that everyday ones need. Each run adds to
// what the ones before it left; the first also checks the config.
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-build-'));
try {
  const config = '{agents:{defaults:{runner:"cat"}},runners:{cat:{command:"cat",context:"native"}}}';
  fs.writeFileSync(path.join(home, 'claw.json'), config, { mode: 0o600 });
  const env = { PATH: process.env.PATH, HOME: home, CLAW_HOME: home, CLAW_WRITE_CODE_CACHE: '1' };
  for (const args of [
    ['ingest', '--json', 'hello'],
    ['ingest', '--json', '--id', '1', 'hello'],
    ['memory', 'add', 'A note that holds the word hello.'],
    ['ingest', '--json', 'hello note'],
    ['sessions', '--json'],
    ['route', '--json', 'hello'],
    ['tick'],
    ['cron', 'add', '--name', 'news', '--cron', '0 7 * * *', '--message', 'What is new?', '--json'],
    ['cron', 'list', '--json'],
    ['cron', 'list'],
    ['tick'],
    ['sessions', 'show', 'main', '--json'],
    ['cron', 'next', '--cron', '0 9 * * *', '--json'],
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
