/**
 * Power cuts. The operations of a clean run are recorded with their data; then, for a cut behind each of them, homes
 * are built that a file system may leave: what was synced stands, and of the rest none, all, one, or all but one, with
 * the last writes half done or filled with NUL. A file's content is durable once the file was synced, a name once its
 * folder was: the weakest that POSIX promises (after ALICE, OSDI 2014).
 */
import fs from 'node:fs';
import path from 'node:path';
import { check, transcriptTexts } from './check.ts';
import { lines, Place, type Program, parse, pooled } from './lab.ts';
import { judgeRepetition, type Report, recover } from './points.ts';
import { entriesOf, message, type PowerScenario, type Scenario, stage } from './scenarios.ts';

/** An operation as hook.cjs records it. */
type Recorded =
  | { op: 'create' | 'mkdir' | 'remove' | 'sync'; path: string }
  | { op: 'rename'; path: string; to: string }
  | { op: 'truncate'; path: string; size: number }
  | { op: 'write'; path: string; at: number; data: string };

/** A file (`bytes`) or a folder (`names`), known by number however it is called. */
interface Inode {
  bytes?: Buffer;
  names?: Map<string, number>;
}

/** An operation bound to the inodes that it changes. */
type Change =
  | { kind: 'add'; folder: number; name: string; inode: number; isFolder: boolean }
  | { kind: 'drop'; folder: number; name: string }
  | { kind: 'move'; folder: number; name: string; toFolder: number; toName: string; inode: number }
  | { kind: 'write'; inode: number; at: number; bytes: Buffer }
  | { kind: 'cut'; inode: number; size: number }
  | { kind: 'sync'; inode: number }
  | { kind: 'print'; acknowledged: boolean; reply: string };

type Tear = { index: number; fill: 'half' | 'nul' } | null;

interface State {
  /** operations before the cut */
  behind: number;
  describe: string;
  disk: Disk;
  acknowledged: boolean;
  printed: boolean;
}

const ROOT = 0;

class Disk {
  private constructor(readonly inodes: Map<number, Inode>) {}

  static load(home: string): Disk {
    const disk = new Disk(new Map());
    const add = (place: string): number => {
      const number = disk.inodes.size;
      const inode: Inode = {};
      disk.inodes.set(number, inode);
      if (fs.statSync(place).isDirectory())
        inode.names = new Map(fs.readdirSync(place).map(name => [name, add(path.join(place, name))]));
      else inode.bytes = fs.readFileSync(place);
      return number;
    };
    add(home);
    return disk;
  }

  clone(): Disk {
    return new Disk(
      new Map(
        [...this.inodes].map(([number, { bytes, names }]) => [
          number,
          bytes ? { bytes } : { names: new Map(names) },
        ]),
      ),
    );
  }

  find(place: string): number | undefined {
    let at: number | undefined = ROOT;
    for (const part of place.split('/').filter(each => each !== '' && each !== '.'))
      at = at === undefined ? undefined : this.inodes.get(at)?.names?.get(part);
    return at;
  }

  make(number: number, isFolder: boolean): void {
    this.inodes.set(number, isFolder ? { names: new Map() } : { bytes: Buffer.alloc(0) });
  }

  apply(change: Change, fill?: 'half' | 'nul'): void {
    if (change.kind === 'add') this.inodes.get(change.folder)!.names!.set(change.name, change.inode);
    else if (change.kind === 'drop') this.inodes.get(change.folder)!.names!.delete(change.name);
    else if (change.kind === 'move') {
      this.inodes.get(change.folder)!.names!.delete(change.name);
      this.inodes.get(change.toFolder)!.names!.set(change.toName, change.inode);
    } else if (change.kind === 'cut') {
      const inode = this.inodes.get(change.inode)!;
      inode.bytes = inode.bytes!.subarray(0, change.size);
    } else if (change.kind === 'write') {
      const inode = this.inodes.get(change.inode)!;
      const { length } = change.bytes;
      const bytes =
        fill === 'half'
          ? change.bytes.subarray(0, length >> 1)
          : fill === 'nul'
            ? Buffer.alloc(length)
            : change.bytes;
      const grown = Buffer.alloc(Math.max(inode.bytes!.length, change.at + bytes.length));
      inode.bytes!.copy(grown);
      bytes.copy(grown, change.at);
      inode.bytes = grown;
    }
  }

  /** Files and folders by path. */
  *entries(number = ROOT, below = ''): Generator<[string, Buffer | null]> {
    for (const [name, child] of this.inodes.get(number)!.names!) {
      const place = path.join(below, name);
      const { bytes } = this.inodes.get(child)!;
      yield [place, bytes ?? null];
      if (!bytes) yield* this.entries(child, place);
    }
  }

  /** Writes it all out, as another boot finds it: the owners of locks and temporaries are of the one before. */
  write(home: string): void {
    for (const [place, bytes] of this.entries()) {
      const file = path.join(home, ofEarlierBoot(place));
      if (bytes === null) fs.mkdirSync(file, { mode: 0o700 });
      else
        fs.writeFileSync(file, Buffer.from(ofEarlierBoot(bytes.toString('latin1')), 'latin1'), {
          mode: 0o600,
        });
    }
  }
}

/** Tokens name pid, start, boot, namespace, machine; where the machine has no id the dead pid has to do. */
function ofEarlierBoot(text: string): string {
  return text.replace(
    /\b(\d+-\d+-)([0-9a-f]{8})(-\d+-(?!x-)[0-9a-z]+-[0-9a-f]+)/g,
    (_, owner: string, boot: string, rest: string) => `${owner}${[...boot].reverse().join('')}${rest}`,
  );
}

/** Binds recorded operations to inodes by replaying them. Those on what the record does not know are left out. */
function bind(disk: Disk, recorded: Recorded[], scenario: Scenario): Change[] {
  const replay = disk.clone();
  let next = replay.inodes.size;
  const changes: Change[] = [];
  const note = (change: Change) => {
    replay.apply(change);
    changes.push(change);
  };
  for (const operation of recorded) {
    if (operation.path === 'stdout') {
      const { data } = operation as Recorded & { data: string };
      const result = parse(Buffer.from(data, 'base64').toString('utf8'));
      note({
        kind: 'print',
        acknowledged: result?.messageId === scenario.message.id,
        reply: result?.reply?.text ?? '',
      });
      continue;
    }
    if (operation.path.startsWith('cache')) continue;
    const folder = replay.find(path.dirname(operation.path));
    const name = path.basename(operation.path);
    const inode = replay.find(operation.path);
    if (operation.op === 'create' || operation.op === 'mkdir') {
      const isFolder = operation.op === 'mkdir';
      const made = next++;
      disk.make(made, isFolder);
      replay.make(made, isFolder);
      note({ kind: 'add', folder: folder!, name, inode: made, isFolder });
    } else if (inode === undefined) {
      // A registration that the agent's own process made, or what was gone already.
    } else if (operation.op === 'remove') note({ kind: 'drop', folder: folder!, name });
    else if (operation.op === 'sync') note({ kind: 'sync', inode });
    else if (operation.op === 'truncate') note({ kind: 'cut', inode, size: operation.size });
    else if (operation.op === 'write')
      note({ kind: 'write', inode, at: operation.at, bytes: Buffer.from(operation.data, 'base64') });
    else if (operation.op === 'rename')
      note({
        kind: 'move',
        folder: folder!,
        name,
        toFolder: replay.find(path.dirname(operation.to))!,
        toName: path.basename(operation.to),
        inode,
      });
  }
  return changes;
}

const changesFiles = (change: Change) => change.kind !== 'sync' && change.kind !== 'print';

/** Which of the first `behind` changes a sync has made durable. */
function durable(changes: Change[], behind: number): Set<number> {
  const synced = new Set<number>();
  for (const [at, sync] of changes.slice(0, behind).entries()) {
    if (sync.kind !== 'sync') continue;
    for (const [index, change] of changes.slice(0, at).entries()) {
      const of =
        change.kind === 'write' || change.kind === 'cut'
          ? [change.inode]
          : change.kind === 'add' || change.kind === 'drop'
            ? [change.folder]
            : change.kind === 'move'
              ? [change.folder, change.toFolder]
              : [];
      if (of.includes(sync.inode)) synced.add(index);
    }
  }
  return synced;
}

/** Every home that differs, with what its sender had been told. */
function statesOf(disk: Disk, changes: Change[], scenario: Scenario): State[] {
  const states = new Map<string, State>();
  for (let behind = 0; behind <= changes.length; behind++) {
    const kept = durable(changes, behind);
    const open = [...changes.keys()].filter(
      index => index < behind && changesFiles(changes[index]!) && !kept.has(index),
    );
    const prints = changes.slice(0, behind).filter(change => change.kind === 'print');
    const acknowledged = scenario.accepted === true || prints.some(print => print.acknowledged);
    const printed = prints.some(print => scenario.message.reply.test(print.reply));
    const add = (what: string, chosen: number[], tear: Tear = null) => {
      const built = disk.clone();
      for (const index of [...kept, ...chosen].sort((a, b) => a - b))
        built.apply(changes[index]!, tear?.index === index ? tear.fill : undefined);
      const signature = JSON.stringify([
        acknowledged,
        printed,
        [...built.entries()].map(([place, bytes]) => [place, bytes?.toString('latin1') ?? null]).sort(),
      ]);
      if (states.has(signature)) return;
      const describe = `cut behind ${behind} (${nameOf(changes[behind - 1])}), unsynced: ${what}`;
      states.set(signature, { behind, describe, disk: built, acknowledged, printed });
    };
    add('none', []);
    add('all', open);
    for (const index of open) {
      const name = nameOf(changes[index]);
      add(`only ${name}`, [index]);
      add(
        `all but ${name}`,
        open.filter(each => each !== index),
      );
      if (changes[index]!.kind !== 'write') continue;
      for (const fill of ['half', 'nul'] as const) add(`all, ${fill} of ${name}`, open, { index, fill });
    }
  }
  return [...states.values()];
}

function nameOf(change: Change | undefined): string {
  if (!change) return 'the start';
  const short = (name: string) => name.replace(/\d+-\d+-[0-9a-f]{8}-[0-9a-z-]+/, 'TOKEN');
  if (change.kind === 'add' || change.kind === 'drop') return `${change.kind} ${short(change.name)}`;
  if (change.kind === 'move') return `move ${short(change.name)} to ${short(change.toName)}`;
  if (change.kind === 'write') return `write ${change.bytes.toString('utf8').slice(0, 24)}`;
  if (change.kind === 'cut') return `cut to ${change.size}`;
  return change.kind;
}

/** Builds the states of a scenario (every so many of them) and recovers from each. */
export async function cutPower(
  program: Program,
  { scenario, commands }: PowerScenario,
  options: { every?: number } = {},
): Promise<Report> {
  const template = await stage(program, scenario);
  const rehearsal = template.copy();
  try {
    for (const args of commands) {
      const run = await rehearsal.run(args, { mode: 'record', at: 0 });
      if (run.status !== 0) throw new Error(`${scenario.name} fails without a fault: ${run.stderr}`);
    }
    const recorded = lines(rehearsal.operationLog).map(line => JSON.parse(line) as Recorded);
    const disk = Disk.load(template.home);
    const changes = bind(disk, recorded, scenario);
    const only = process.env.CLAW_FAULTS_AT;
    const all = statesOf(disk, changes, scenario);
    const states = all.filter((_, index) =>
      only ? index === Number(only) : index % (options.every ?? 1) === 0,
    );
    const before = transcriptTexts(template.home);
    const reports = await pooled(states, async state => {
      const place = Place.create(program, null);
      try {
        state.disk.write(place.home);
        const problems = await recoverFromCut(place, scenario, state, before);
        const kept = process.env.CLAW_FAULTS_KEEP ? ` (${place.folder})` : '';
        return {
          acknowledged: state.acknowledged,
          finding: problems.length ? `${state.describe}${kept}: ${problems.join('; ')}` : null,
        };
      } finally {
        place.remove();
      }
    });
    return {
      points: states.length,
      of: all.length,
      acknowledged: reports.filter(report => report.acknowledged).length,
      findings: reports.flatMap((report, index) =>
        report.finding === null ? [] : [`state ${only ?? index * (options.every ?? 1)}, ${report.finding}`],
      ),
    };
  } finally {
    rehearsal.remove();
    template.remove();
  }
}

async function recoverFromCut(
  place: Place,
  scenario: Scenario,
  { acknowledged, printed }: State,
  before: Map<string, string>,
): Promise<string[]> {
  const problems = await recover(place, scenario, {
    acknowledged,
    printed,
    refused: false,
    failed: false,
    problems: [],
    order: 'tick-first',
    before,
    recordMayLag: true,
    fault: { mode: 'kill', at: 0 },
  });
  const turns = entriesOf(place).filter(
    entry => entry.type === 'turn' && entry.messageIds.includes(scenario.message.id),
  );
  if (printed && place.lives().some(([, run]) => turns.some(turn => turn.runId === run)))
    problems.push('its reply had been read, and its agent was started again');
  // The next message finds whatever lags behind, and puts it right.
  const next = message('m9', 'next');
  problems.push(
    ...judgeRepetition(await place.run(next.args), { message: next }),
    ...check(place, {
      sent: [scenario.message.id, next.id].map(id => ({ id, due: true })),
      before,
      resets: scenario.resets,
    }).map(problem => `after the next message: ${problem}`),
  );
  return problems;
}
