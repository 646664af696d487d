/** A disk that fills while a session is compacted: a small tmpfs with room for so many pages and not one byte more. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fillUp } from '../e2e/support.ts';
import { transcriptTexts } from './check.ts';
import { lengthened } from './compaction.ts';
import { Place, type Program } from './lab.ts';
import { judgeVictim, type Report, recover } from './points.ts';
import { type Scenario, stage } from './scenarios.ts';

/** Pages that are free. */
const ROOM = [0, 1, 2, 3, 5, 8];
/** What ids are longer by, so that each line of the transcript is once the one that has no room in its last page. */
const LENGTHS = Array.from({ length: 11 }, (_, at) => at * 25);

/** Why no file system can be mounted here; null where it can. */
export function whyNoMount(): string | null {
  if (process.platform !== 'linux') return `mounting a tmpfs is not known here (${process.platform})`;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-mount-'));
  const mounted = mount(folder, '64k');
  if (mounted.status === 0) execFileSync('umount', [folder]);
  fs.rmdirSync(folder);
  return mounted.status === 0 ? null : `mount: ${mounted.stderr?.trim() || mounted.error?.message}`;
}

function mount(folder: string, size: string) {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'none', folder], {
    encoding: 'utf8',
  });
}

/** Runs a scenario's victim with hardly any room, in any place of a page; a tick meets the full disk too, then there is room. */
export async function fillDisk(program: Program, scenario: Scenario): Promise<Report> {
  const report: Report = { points: 0, acknowledged: 0, findings: [] };
  for (const more of LENGTHS) {
    const template = await stage(program, lengthened(scenario, more));
    try {
      const before = transcriptTexts(template.home);
      for (const pages of ROOM) {
        const point = `${more},${pages}`;
        if (process.env.CLAW_FAULTS_AT && process.env.CLAW_FAULTS_AT !== point) continue;
        const { acknowledged, problems } = await fillAt(template, scenario, pages, before);
        report.points++;
        if (acknowledged) report.acknowledged++;
        if (problems.length > 0)
          report.findings.push(`at ${point} (room for ${pages} pages): ${problems.join('; ')}`);
      }
    } finally {
      template.remove();
    }
  }
  return report;
}

async function fillAt(
  template: Place,
  scenario: Scenario,
  pages: number,
  before: Map<string, string>,
): Promise<{ acknowledged: boolean; problems: string[] }> {
  const place = mountedCopy(template);
  try {
    fillUp(place.path('ballast'), pages);
    const fault = { mode: 'ENOSPC-ever', at: pages } as const;
    const said = judgeVictim(await place.run(scenario.victim), scenario, fault);
    const met = await place.run(['tick', '--json']);
    const problems = [...said.problems];
    if (met.hung || met.signal) problems.push(`the tick on the full disk: ${met.signal}`);
    fs.rmSync(place.path('ballast'));
    problems.push(...(await recover(place, scenario, { ...said, order: 'tick-first', before, fault })));
    return { acknowledged: said.acknowledged, problems };
  } finally {
    execFileSync('umount', ['-l', place.home]);
    place.remove();
  }
}

function mountedCopy(template: Place): Place {
  const place = new Place(template.program, fs.mkdtempSync(path.join(os.tmpdir(), 'claw-faults-')));
  fs.mkdirSync(place.home, { mode: 0o700 });
  const mounted = mount(place.home, '1m');
  if (mounted.status !== 0) throw new Error(`mount: ${mounted.stderr}`);
  fs.cpSync(template.home, place.home, { recursive: true, preserveTimestamps: true });
  fs.cpSync(template.audit, place.audit, { recursive: true, preserveTimestamps: true });
  return place;
}
