import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const src = path.resolve(import.meta.dirname, '../src');
const files = (fs.readdirSync(src, { recursive: true }) as string[])
  .filter(file => file.endsWith('.ts'))
  .sort();
const text = (file: string) => fs.readFileSync(path.join(src, file), 'utf8');

/** Imports that exist at run time, static and dynamic; types are erased. */
function imports(file: string): string[] {
  const code = text(file);
  const found = [
    ...code.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^'";]*?from\s+)?'([^']+)'/gms),
    ...code.matchAll(/(?<!typeof )\bimport\('([^']+)'\)/g),
  ];
  return found
    .map(match => match[1]!)
    .map(id => (id.startsWith('.') ? path.join(path.dirname(file), id) : id));
}

const layer = (file: string) => (file.includes('/') ? file.split('/')[0]! : file);

/** What a layer may import at run time, besides itself. */
const MAY: Record<string, string[]> = {
  core: [],
  config: ['core'],
  store: ['core', 'context.ts'],
  runner: ['core', 'config', 'store', 'context.ts'],
  commands: ['core', 'config', 'store', 'runner', 'context.ts'],
  'main.ts': ['core', 'commands'],
  'idle.ts': ['store', 'commands', 'context.ts'],
  'context.ts': [],
  'loader.ts': [],
};

describe('the house', () => {
  it('has dependencies in one direction only', () => {
    const wrong = files.flatMap(file =>
      imports(file)
        .filter(
          id =>
            files.includes(id) && layer(id) !== layer(file) && !(MAY[layer(file)] ?? []).includes(layer(id)),
        )
        .map(id => `${file} → ${id}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has no import cycle at run time', () => {
    const cycles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, trail: string[]) => {
      if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
      if (done.has(file) || trail.includes(file)) return;
      for (const id of imports(file)) if (files.includes(id)) visit(id, [...trail, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('keeps core pure: no node modules, clock, randomness or environment', () => {
    const wrong = files
      .filter(file => layer(file) === 'core')
      .filter(
        file =>
          imports(file).some(id => id.startsWith('node:')) ||
          /Date\.now\(|new Date\(\)|Math\.random|process\./.test(text(file)),
      );
    expect(wrong).toEqual([]);
  });

  it('reads clock, ids and environment in context.ts alone', () => {
    const reads = /Date\.now\(|new Date\(\)|Math\.random|randomUUID|process\.env/;
    // The loader runs before there is a context, and asks for one variable that only the build sets.
    expect(files.filter(file => reads.test(text(file)))).toEqual(['context.ts', 'loader.ts']);
  });

  it('starts programs in two places: an agent or sender, and a question for a version', () => {
    const starts = files.filter(file =>
      imports(file).some(id => id === 'execa' || id === 'node:child_process'),
    );
    expect(starts).toEqual(['runner/exec.ts', 'runner/probe.ts']);
  });

  it('has a map whose places exist', () => {
    const map = text('README.md');
    const places = [...map.matchAll(/^\| `([^`]+)`\s+\|/gm)].map(match => match[1]!);
    expect(places.length).toBeGreaterThan(20);
    expect(places.filter(place => !fs.existsSync(path.join(src, place)))).toEqual([]);
  });

  it('has no drawers for what belongs nowhere', () => {
    expect(
      files.filter(file => /(^|\/)(utils?|helpers?|misc|lib|common|shared|types)(\.ts|\/)/.test(file)),
    ).toEqual([]);
  });
});
