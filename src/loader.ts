/**
 * Starts the bundle from V8's code cache, so that a short-lived command does not compile its program each time. A cache
 * made by another Node version is refused by V8 itself, and the program is compiled as usual.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import vm from 'node:vm';

const file = path.join(__dirname, 'claw.js');
const cacheFile = `${file}.cache`;

function readCache(): Buffer | undefined {
  try {
    return fs.readFileSync(cacheFile);
  } catch {
    return undefined;
  }
}

const source = `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(file, 'utf8')}\n})`;
const cachedData = process.env.CLAW_WRITE_CODE_CACHE ? undefined : readCache();
const script = new vm.Script(source, { filename: file, ...(cachedData ? { cachedData } : {}) });
const module_ = { exports: {} };
script.runInThisContext()(module_.exports, createRequire(file), module_, file, __dirname);

// Set by the build alone: at exit the functions this run used are compiled, and go into the cache.
if (process.env.CLAW_WRITE_CODE_CACHE) {
  process.on('exit', () => fs.writeFileSync(cacheFile, script.createCachedData()));
}
