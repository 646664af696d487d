/**
 * Preload (`node -r hook.cjs`) that makes a process meet trouble. It counts the file operations below a folder, and the
 * writes to stdout, in the order in which they happen, and does to the one with a given number what CLAW_FAULT says:
 *
 *     {"root": folder, "mode": …, "at": number, "log": file, "part": 0.5}
 *
 *     count       nothing; only log
 *     kill        SIGKILL to itself before it
 *     short       a part of a write, then SIGKILL
 *     split       a part of a write, reported as a short count: the caller has to go on
 *     EIO         it fails, once         EIO-ever     it and every one behind it fail
 *     ENOSPC      it fails, once         ENOSPC-ever  it and every one behind it that needs room fail
 *     read-EIO    counts reading operations instead, and lets this one fail
 *     record      every operation goes to the log with its data (for power-cut states)
 *
 * Only the process that was started with `-r` has it: the agents that claw starts are not Node, or get a clean
 * environment.
 */
const fs = require('node:fs');
const path = require('node:path');
const childProcess = require('node:child_process');

const { root, mode, at = 0, log, part = 0.5 } = JSON.parse(process.env.CLAW_FAULT);
delete process.env.CLAW_FAULT;
const raw = { ...fs };
const promises = { ...fs.promises };
const logFd = raw.openSync(log, 'a');
const reading = mode === 'read-EIO';
/** descriptors below root, and stdout */
const open = new Map([[1, 'stdout']]);
let count = 0;

/** Which kinds of operation a fault can strike. */
const STRIKES = {
  kill: () => true,
  short: kind => kind === 'write',
  split: kind => kind === 'write',
  EIO: kind => kind !== 'process',
  'EIO-ever': kind => kind !== 'process',
  ENOSPC: kind => ['create', 'mkdir', 'write', 'sync'].includes(kind),
  'ENOSPC-ever': kind => ['create', 'mkdir', 'write', 'sync'].includes(kind),
  'read-EIO': () => true,
};

function below(file) {
  if (typeof file !== 'string') return null;
  const resolved = path.resolve(file);
  return resolved === root || resolved.startsWith(`${root}/`) ? resolved.slice(root.length + 1) || '.' : null;
}

function die() {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

/** How much of a write gets through: some of it, not all. */
const cut = bytes =>
  bytes.subarray(0, Math.min(bytes.length - 1, Math.max(1, Math.floor(bytes.length * part))));

/** Counts one operation. Returns true when only a part of a write is to get through. */
function gate(name, kind, what) {
  count++;
  if (mode === 'record') return false;
  raw.writeSync(logFd, `${JSON.stringify({ n: count, name, kind, what })}\n`);
  const strikes = STRIKES[mode];
  if (!strikes) return false;
  const ever = mode.endsWith('-ever');
  if (!(ever ? count >= at : count === at) || !strikes(kind)) return false;
  if (mode === 'kill') die();
  if (mode === 'short' || mode === 'split') return true;
  // A full disk or a broken one is not behind stdout; a reader that went away is.
  const code = what === 'stdout' ? 'EPIPE' : mode.replace(/^read-|-ever$/g, '');
  throw Object.assign(new Error(`${code}: injected, ${name} '${what}'`), {
    code,
    errno: { EIO: -5, ENOSPC: -28, EPIPE: -32 }[code],
    syscall: name.replace(/Sync$/, ''),
    path: what,
  });
}

function record(operation) {
  if (mode === 'record') raw.writeSync(logFd, `${JSON.stringify(operation)}\n`);
}

/** A part of a write: then death, or a short count that the caller must notice. */
function partly(write) {
  const written = write();
  if (mode === 'short') die();
  return written;
}

function isWriting(flags) {
  if (typeof flags === 'string') return flags !== 'r';
  return ((flags ?? 0) & (fs.constants.O_WRONLY | fs.constants.O_RDWR)) !== 0;
}

// ---- writing --------------------------------------------------------------------------------------------------

fs.openSync = (file, flags, ...rest) => {
  const name = below(file);
  const writes = name !== null && isWriting(flags);
  const existed = name !== null && raw.existsSync(file);
  if (reading && name !== null && !writes) gate('openSync', 'read', name);
  if (!reading && writes) gate('openSync', existed ? 'open' : 'create', name);
  const fd = raw.openSync(file, flags, ...rest);
  if (name !== null) {
    open.set(fd, name);
    if (writes && !existed) record({ op: 'create', path: name });
    else if (typeof flags === 'string' && flags.startsWith('w'))
      record({ op: 'truncate', path: name, size: 0 });
  }
  return fd;
};

fs.closeSync = fd => {
  open.delete(fd);
  return raw.closeSync(fd);
};

fs.writeSync = (fd, data, offset, length, ...rest) => {
  const name = open.get(fd);
  if (name === undefined) return raw.writeSync(fd, data, offset, length, ...rest);
  const bytes =
    typeof data === 'string'
      ? Buffer.from(data)
      : data.subarray(offset ?? 0, (offset ?? 0) + (length ?? data.length - (offset ?? 0)));
  if (!reading && gate('writeSync', 'write', name) && bytes.length > 1)
    return partly(() => raw.writeSync(fd, cut(bytes)));
  const start = mode === 'record' && fd !== 1 ? raw.fstatSync(fd).size : 0;
  const written = raw.writeSync(fd, bytes);
  record({ op: 'write', path: name, at: start, data: bytes.subarray(0, written).toString('base64') });
  return written;
};

for (const name of ['fsyncSync', 'fdatasyncSync']) {
  fs[name] = fd => {
    const file = open.get(fd);
    if (file !== undefined && !reading) gate(name, 'sync', file);
    raw[name](fd);
    if (file !== undefined) record({ op: 'sync', path: file });
  };
}

fs.ftruncateSync = (fd, size) => {
  const file = open.get(fd);
  if (file !== undefined && !reading) gate('ftruncateSync', 'truncate', file);
  raw.ftruncateSync(fd, size);
  if (file !== undefined) record({ op: 'truncate', path: file, size: size ?? 0 });
};

for (const name of ['writeFileSync', 'appendFileSync']) {
  fs[name] = (file, data, ...rest) => {
    const what = below(file);
    if (what === null || reading) return raw[name](file, data, ...rest);
    const existed = raw.existsSync(file);
    const bytes = Buffer.from(data);
    if (gate(name, 'write', what)) partly(() => raw[name](file, cut(bytes), ...rest));
    const start = existed && name === 'appendFileSync' ? raw.statSync(file).size : 0;
    raw[name](file, data, ...rest);
    record(existed ? { op: 'truncate', path: what, size: start } : { op: 'create', path: what });
    record({ op: 'write', path: what, at: start, data: bytes.toString('base64') });
  };
}

const CHANGES = {
  mkdir: 'mkdir',
  rename: 'rename',
  unlink: 'remove',
  rmdir: 'remove',
  rm: 'remove',
  utimes: 'touch',
};

for (const [name, kind] of Object.entries(CHANGES)) {
  const wrap =
    (run, label) =>
    (file, ...rest) => {
      const from = below(file);
      const to = name === 'rename' ? below(rest[0]) : null;
      const existed = (from !== null || to !== null) && raw.existsSync(file);
      // Removing what is not there changes nothing; a process that waits may try it any number of times.
      if ((from === null && to === null) || reading || (kind === 'remove' && !existed))
        return run(file, ...rest);
      gate(label, kind, to === null ? from : `${from} -> ${to}`);
      const made = name === 'mkdir' && !existed ? missingFolders(file) : [];
      const noted = result => {
        if (name === 'mkdir') for (const folder of made) record({ op: 'mkdir', path: folder });
        else if (name === 'rename') record({ op: 'rename', path: from, to });
        else if (kind === 'remove' && existed) record({ op: 'remove', path: from });
        return result;
      };
      const result = run(file, ...rest);
      return typeof result?.then === 'function' ? result.then(noted) : noted(result);
    };
  const sync = `${name}Sync`;
  fs[sync] = wrap(raw[sync], sync);
  const later = wrap(promises[name], `promises.${name}`);
  fs.promises[name] = async (...args) => later(...args);
}

/** The folders that a (recursive) mkdir will make, outermost first. */
function missingFolders(folder) {
  const missing = [];
  for (let at_ = path.resolve(folder); below(at_) !== null && !raw.existsSync(at_); at_ = path.dirname(at_))
    missing.unshift(below(at_));
  return missing;
}

// write-file-atomic (the config cache, nothing else) goes by callbacks.
for (const [name, kind] of Object.entries({
  open: 'create',
  write: 'write',
  fsync: 'sync',
  rename: 'rename',
  unlink: 'remove',
  mkdir: 'mkdir',
})) {
  const run = raw[name];
  fs[name] = (first, ...rest) => {
    const what = typeof first === 'number' ? open.get(first) : below(first);
    const callback = rest.at(-1);
    if (what === undefined || what === null || reading || (name === 'open' && !isWriting(rest[0])))
      return run(first, ...rest);
    try {
      gate(name, kind, what);
    } catch (error) {
      process.nextTick(callback, error);
      return;
    }
    if (name !== 'open') return run(first, ...rest);
    run(first, ...rest.slice(0, -1), (error, fd) => {
      if (!error) open.set(fd, what);
      callback(error, fd);
    });
  };
}

// ---- starting programs ----------------------------------------------------------------------------------------

if (!reading && mode !== 'record') {
  const { spawn } = childProcess.ChildProcess.prototype;
  childProcess.ChildProcess.prototype.spawn = function (...args) {
    gate('spawn', 'process', 'the agent is about to start');
    const result = spawn.apply(this, args);
    gate('spawned', 'process', 'the agent has been started');
    return result;
  };
}

// ---- reading --------------------------------------------------------------------------------------------------

if (reading) {
  for (const name of ['readFileSync', 'readdirSync', 'statSync']) {
    const run = raw[name];
    fs[name] = (file, ...rest) => {
      const what = typeof file === 'number' ? open.get(file) : below(file);
      if (what !== undefined && what !== null && what !== 'stdout') gate(name, 'read', what);
      return run(file, ...rest);
    };
  }
  fs.readSync = (fd, ...rest) => {
    const what = open.get(fd);
    if (what !== undefined && what !== 'stdout') gate('readSync', 'read', what);
    return raw.readSync(fd, ...rest);
  };
}
