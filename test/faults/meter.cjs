/**
 * Preload (`node -r meter.cjs`) that counts what a process does with files below $CLAW_HOME: CLAW_METER names the file that
 * gets `{"calls", "read", "written"}` (the last two in bytes) as a JSON line for each line that the process prints, and one
 * for what comes behind the last.
 */
const fs = require('node:fs');
const path = require('node:path');

const log = process.env.CLAW_METER;
delete process.env.CLAW_METER;
const root = process.env.CLAW_HOME;
const raw = { ...fs };
const logFd = raw.openSync(log, 'a');
/** descriptors below root */
const open = new Set();
const nothing = { calls: 0, read: 0, written: 0 };
let count = { ...nothing };

function note() {
  raw.writeSync(logFd, `${JSON.stringify(count)}\n`);
  count = { ...nothing };
}
process.on('exit', note);

const isBelow = file => typeof file === 'string' && path.resolve(file).startsWith(root);
const isMine = file => (typeof file === 'number' ? open.has(file) : isBelow(file));

for (const name of Object.keys(raw)) {
  const run = raw[name];
  if (!name.endsWith('Sync') || typeof run !== 'function') continue;
  fs[name] = (...args) => {
    const mine = isMine(args[0]);
    const result = run(...args);
    if (mine) {
      count.calls++;
      if (name === 'openSync') open.add(result);
      else if (name === 'closeSync') open.delete(args[0]);
      else if (name === 'readSync') count.read += result;
      else if (name === 'readFileSync') count.read += Buffer.byteLength(result);
      else if (name === 'readdirSync') count.read += result.length;
      else if (name === 'writeSync') count.written += result;
      else if (name === 'writeFileSync' || name === 'appendFileSync')
        count.written += Buffer.byteLength(args[1]);
    }
    if (name === 'writeSync' && args[0] === 1) note();
    return result;
  };
}
for (const name of Object.keys(fs.promises)) {
  const run = fs.promises[name];
  if (typeof run !== 'function') continue;
  fs.promises[name] = (...args) => {
    if (isMine(args[0])) count.calls++;
    return run(...args);
  };
}
