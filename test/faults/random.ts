/** Chance that can be had again: a generator from a seed (mulberry32, public domain). */
export type Random = () => number;

export function random(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An integer from `from` to `to`, both included. */
export function between(chance: Random, from: number, to: number): number {
  return from + Math.floor(chance() * (to - from + 1));
}

/** The seed of this run: CLAW_FAULTS_SEED, else another one each time. Printed, so that a finding can be had again. */
export function seedOf(what: string): number {
  const seed = Number(process.env.CLAW_FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${what}: CLAW_FAULTS_SEED=${seed}`);
  return seed;
}
