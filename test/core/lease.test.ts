import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatToken, judgeOwner, type Owner, type OwnerState, parseToken } from '../../src/core/lease.ts';

const here: Owner = {
  pid: 100,
  startTime: '5000',
  bootId: 'boot1',
  pidNamespace: '4026',
  machineId: 'mach1',
};

/** Processes that live here: pid → start time. */
const living: Record<number, string> = { 100: '5000', 200: '6000' };
const startTimeOf = (pid: number) => living[pid] ?? null;

describe('a token', () => {
  test('holds everything there is to know of its owner, readably', () => {
    expect(formatToken(here, 'a1b2')).toBe('100-5000-boot1-4026-mach1-a1b2');
    expect(parseToken('100-5000-boot1-4026-mach1-a1b2')).toEqual(here);
  });

  test('is read back to the same owner, whatever makes it unique', () => {
    const part = fc.string({ unit: fc.constantFrom(...'abcXYZ0189'), minLength: 1, maxLength: 8 });
    const owner = fc.record({
      pid: fc.nat({ max: 2 ** 22 }),
      startTime: part,
      bootId: part,
      pidNamespace: part,
      machineId: part,
    });
    fc.assert(
      fc.property(owner, fc.uuid(), (each, unique) => {
        const token = formatToken(each, unique);
        expect(parseToken(token)).toEqual(each);
        expect(token).toMatch(/^[0-9A-Za-z-]+$/);
      }),
    );
  });

  test.each(
    [
      '',
      'x',
      '100',
      '100-5000-boot1-4026-mach1',
      '100-5000-boot1-4026-mach1-a-b',
      'x-5000-boot1-4026-mach1-a',
    ].concat([
      '-1-5000-boot1-4026-mach1-a',
      '1.5-5000-boot1-4026-mach1-a',
      ' 100-5000-boot1-4026-mach1-a',
      'owner.json',
      '.try-100-5000-boot1-4026-mach1-a',
      'c-100-5000',
    ]),
  )('%j is none', name => {
    expect(parseToken(name)).toBeNull();
  });
});

describe('an owner', () => {
  const machineless = { ...here, machineId: 'x' };

  test.each<[string, Partial<Owner>, OwnerState, Owner?]>([
    ['this very process', {}, 'alive'],
    ['another process that lives', { pid: 200, startTime: '6000' }, 'alive'],
    ['a process that is gone', { pid: 300 }, 'dead'],
    ['L02 openclaw#5006: a process whose pid another one has now', { pid: 200, startTime: '1' }, 'dead'],
    ['a process of this machine before it was started anew', { bootId: 'boot0' }, 'dead'],
    ['the same, in another namespace', { bootId: 'boot0', pidNamespace: '1' }, 'dead'],
    ['a process of another machine', { bootId: 'boot9', machineId: 'mach9' }, 'unknown'],
    [
      'a process of another machine with a pid that is gone here',
      { bootId: 'boot9', machineId: 'mach9', pid: 300 },
      'unknown',
    ],
    ['a process in another container', { pidNamespace: '1' }, 'unknown'],
    [
      'a process in another container with a pid that is gone here',
      { pidNamespace: '1', pid: 300 },
      'unknown',
    ],
    [
      'a container of another image on this machine',
      { pidNamespace: '1', machineId: 'mach9', pid: 300 },
      'unknown',
    ],
    [
      'another boot where machines cannot be told apart',
      { bootId: 'boot0', machineId: 'x' },
      'unknown',
      machineless,
    ],
    ['another boot of a machine that cannot be told', { bootId: 'boot0', machineId: 'x' }, 'unknown'],
    ['a process that could not read its own start', { pid: 300, startTime: '0' }, 'unknown'],
    ['this boot where machines cannot be told apart', { pid: 300, machineId: 'x' }, 'dead', machineless],
  ])('that is %s', (_, owner, state, at = here) => {
    expect(judgeOwner({ ...here, ...owner }, at, startTimeOf)).toBe(state);
  });

  test('where boots cannot be told apart (no /proc) is judged by its pid', () => {
    const bare = { ...here, bootId: 'x', pidNamespace: '0', machineId: 'x' };
    expect(judgeOwner(bare, bare, startTimeOf)).toBe('alive');
    expect(judgeOwner({ ...bare, pid: 300 }, bare, startTimeOf)).toBe('dead');
  });

  test('is asked for by pid only where its pid means something', () => {
    const asked: number[] = [];
    const ask = (pid: number) => {
      asked.push(pid);
      return null;
    };
    judgeOwner({ ...here, pidNamespace: '1' }, here, ask);
    judgeOwner({ ...here, bootId: 'boot0' }, here, ask);
    judgeOwner({ ...here, bootId: 'boot9', machineId: 'mach9' }, here, ask);
    expect(asked).toEqual([]);
    judgeOwner({ ...here, pid: 7 }, here, ask);
    expect(asked).toEqual([7]);
  });

  test('is never called dead unless one of the two proofs is there', () => {
    const part = fc.constantFrom('a', 'b', 'x');
    const anyOwner = fc.record({
      pid: fc.constantFrom(100, 200, 300),
      startTime: fc.constantFrom('5000', '6000', '1'),
      bootId: part,
      pidNamespace: part,
      machineId: part,
    });
    fc.assert(
      fc.property(anyOwner, anyOwner, (owner, at) => {
        const sameProcessTable = owner.bootId === at.bootId && owner.pidNamespace === at.pidNamespace;
        const gone = sameProcessTable && startTimeOf(owner.pid) !== owner.startTime;
        const rebooted =
          owner.bootId !== at.bootId && owner.machineId === at.machineId && at.machineId !== 'x';
        expect(judgeOwner(owner, at, startTimeOf) === 'dead').toBe(gone || rebooted);
      }),
      { numRuns: 500 },
    );
  });
});
