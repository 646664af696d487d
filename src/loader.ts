/**
 * Starts claw from V8's code cache, so that a short-lived command does not compile its program each time. Libraries in
 * `lib/` are loaded the same way when they are first asked for. A cache made by another Node version is refused by V8
 * itself, and the program is compiled as usual.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import vm from 'node:vm';

type Wrapper = (
  exports: unknown,
  require: (id: string) => unknown,
  module: unknown,
  file: string,
  folder: string,
) => void;

/** Set by the build alone: at exit the functions this run used are compiled, and go into the caches. */
const writeCache = Boolean(process.env.CLAW_WRITE_CODE_CACHE);
const loaded = new Map<string, { exports: unknown }>();

function load(file: string): unknown {
  const known = loaded.get(file);
  if (known) return known.exports;
  // The bundles are ASCII, which decodes fastest as what it is; each is one function, wrapped by the build.
  const source = fs.readFileSync(file, 'latin1');
  const cachedData = writeCache ? undefined : readCache(`${file}.cache`);
  const script = new vm.Script(source, { filename: file, ...(cachedData ? { cachedData } : {}) });
  if (writeCache) process.on('exit', () => fs.writeFileSync(`${file}.cache`, script.createCachedData()));
  const module_ = { exports: {} };
  loaded.set(file, module_);
  const folder = path.dirname(file);
  const real = createRequire(file);
  const require_ = (id: string) => (id.startsWith('./lib/') ? load(path.join(folder, id)) : real(id));
  (script.runInThisContext() as Wrapper)(module_.exports, require_, module_, file, folder);
  return module_.exports;
}

function readCache(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file);
  } catch {
    return undefined;
  }
}

load(path.join(__dirname, 'claw.js'));
