/**
 * Starts claw from V8's code cache, so that a short-lived command does not compile its program each time. Libraries in
 * `lib/` are loaded the same way when they are first asked for. A cache made by another Node version is refused by V8
 * itself, and the program is compiled as usual.
 */
import fs from 'node:fs';
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

function load(name: string): unknown {
  const known = loaded.get(name);
  if (known) return known.exports;
  const file = path.join(__dirname, name);
  // The bundles are ASCII, which decodes fastest as what it is; each is one function, wrapped by the build.
  const source = fs.readFileSync(file, 'latin1');
  const cachedData = readCache(`${file}.cache`, source.length);
  const script = new vm.Script(source, { filename: file, ...(cachedData ? { cachedData } : {}) });
  if (writeCache) {
    process.on('exit', () => saveCache(`${file}.cache`, script.createCachedData(), source.length));
  }
  const module_ = { exports: {} };
  loaded.set(name, module_);
  (script.runInThisContext() as Wrapper)(module_.exports, answer, module_, file, path.dirname(file));
  return module_.exports;
}

/**
 * What a bundle's `require` gives: a library, a module of one of claw's packs (`claw:PACK/FILE`), the namespace of one of
 * Node's own (`claw:node:NAME`) or, asked for without us, that itself.
 */
function answer(id: string): unknown {
  if (id.startsWith('./lib/')) return load(id);
  if (id.startsWith('claw:node:')) return namespace(id.slice(5));
  if (!id.startsWith('claw:')) return require(id);
  const slash = id.indexOf('/');
  const { modules } = load(`${id.slice(5, slash)}.js`) as { modules: Record<string, () => unknown> };
  return modules[id.slice(slash + 1)]!();
}

const namespaces = new Map<string, object>();

/** One of Node's modules as `import` sees it: its names, and itself as the default. */
function namespace(id: string): object {
  let known = namespaces.get(id);
  if (known === undefined) {
    const itself = require(id) as object;
    known = Object.create(itself, { default: { value: itself } }) as object;
    namespaces.set(id, known);
  }
  return known;
}

const SEAL = 'claw-cache';

/** V8 trusts its cache's bytes: one that was cut, or belongs to another source, must not reach it. */
function readCache(file: string, sourceLength: number): Buffer | undefined {
  try {
    const sealed = fs.readFileSync(file);
    const end = sealed.length - SEAL.length - 8;
    if (end <= 0 || sealed.toString('latin1', end + 8) !== SEAL) return undefined;
    const fits = sealed.readUInt32LE(end) === end && sealed.readUInt32LE(end + 4) === sourceLength;
    return fits ? sealed.subarray(0, end) : undefined;
  } catch {
    return undefined;
  }
}

/** Durable before it has its name, so that a power cut leaves the whole of it or nothing. */
function saveCache(file: string, data: Buffer, sourceLength: number): void {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(data.length, 0);
  numbers.writeUInt32LE(sourceLength, 4);
  const fd = fs.openSync(`${file}.new`, 'w');
  fs.writeSync(fd, Buffer.concat([data, numbers, Buffer.from(SEAL, 'latin1')]));
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  fs.renameSync(`${file}.new`, file);
}

/** Nearly every tick has nothing to do, and ends without claw itself. */
function isIdleTick([command, ...rest]: string[]): boolean {
  if (command !== 'tick') return false;
  const { idleTick } = load('idle.js') as typeof import('./idle.ts');
  return idleTick(rest);
}

if (!isIdleTick(process.argv.slice(2))) answer('claw:claw/main.ts');
