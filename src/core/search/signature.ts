/**
 * Which transcripts can hold a term, without reading them: for each one a Bloom filter (Burton Bloom, CACM 1970) over
 * the character trigrams of its folded text. A filter may say yes wrongly, never no; a yes is verified in the text.
 *
 * Trigrams are of UTF-16 units. In scripts written without blanks, and for emoji, two units already mean something, so
 * there every pair is kept too, and a word of two characters need not be looked for by reading everything.
 */

/** Grams are hashed to this many bits: enough that unlike ones rarely meet, and a set of all of them is half a MiB. */
const SPACE_BITS = 22;
const SPACE = 1 << SPACE_BITS;
const BITS_PER_GRAM = 10;
const PROBES_PER_GRAM = 3;
const FEWEST_BITS = 512;
/** From here on (CJK radicals) a pair of units is kept as a gram. */
const PAIRED_FROM = 0x2e80;
/** Stands for the missing third unit of a pair; no unit is as large. */
const NO_THIRD = 0x10000;

/** The distinct grams of a text, added piece by piece; of fixed size, however long the text. */
export class GramSet {
  private readonly bits = new Uint32Array(SPACE / 32);
  private list = new Uint32Array(4096);
  size = 0;

  /** Adds the grams of one message, folded. */
  add(folded: string): void {
    let a = -1;
    let b = -1;
    for (let index = 0; index < folded.length; index++) {
      const c = folded.charCodeAt(index);
      if (a >= 0) this.put(hash(a, b, c));
      if (b >= PAIRED_FROM && c >= PAIRED_FROM) this.put(hash(b, c, NO_THIRD));
      a = b;
      b = c;
    }
  }

  /** Empties the set. */
  clear(): void {
    for (const gram of this.values()) this.bits[gram >>> 5] = 0;
    this.size = 0;
  }

  values(): Uint32Array {
    return this.list.subarray(0, this.size);
  }

  private put(gram: number): void {
    const word = gram >>> 5;
    const bit = 1 << (gram & 31);
    if ((this.bits[word]! & bit) !== 0) return;
    this.bits[word]! |= bit;
    if (this.size === this.list.length) {
      const longer = new Uint32Array(this.list.length * 2);
      longer.set(this.list);
      this.list = longer;
    }
    this.list[this.size++] = gram;
  }
}

/** The signature of a text: a filter sized by its distinct grams; without any, of no size. */
export function buildSignature(grams: GramSet): Uint32Array {
  if (grams.size === 0) return new Uint32Array(0);
  const bits = Math.min(SPACE, Math.max(FEWEST_BITS, grams.size * BITS_PER_GRAM));
  const signature = new Uint32Array(Math.ceil(bits / 32));
  widenSignature(signature, grams);
  return signature;
}

/**
 * Adds the grams of a text that grew.
 *
 * @returns how many of them were new; past `roomOf` it should be built anew, larger
 */
export function widenSignature(signature: Uint32Array, grams: GramSet): number {
  const bits = signature.length * 32;
  if (bits === 0) return grams.size;
  let added = 0;
  for (const gram of grams.values()) {
    const { first, step } = probe(gram);
    let isNew = false;
    for (let index = 0; index < PROBES_PER_GRAM; index++) {
      const place = ((first + index * step) >>> 0) % bits;
      if ((signature[place >>> 5]! & (1 << (place & 31))) === 0) isNew = true;
      signature[place >>> 5]! |= 1 << (place & 31);
    }
    if (isNew) added++;
  }
  return added;
}

/** How many grams a signature may hold before it says yes too often: twice what it was made for. */
export function roomOf(signature: Uint32Array): number {
  return signature.length * 32 >= SPACE
    ? Number.POSITIVE_INFINITY
    : (2 * signature.length * 32) / BITS_PER_GRAM;
}

/** The grams of folded terms. None where every term is too short to have any: then each text has to be read. */
export function gramsOf(terms: readonly string[]): Uint32Array {
  const grams = new GramSet();
  for (const term of terms) grams.add(term);
  return grams.values().slice();
}

/** False only when the text certainly lacks one of the grams. */
export function mayHold(signature: Uint32Array, grams: Uint32Array): boolean {
  const bits = signature.length * 32;
  if (bits === 0) return grams.length === 0;
  for (const gram of grams) {
    const { first, step } = probe(gram);
    for (let index = 0; index < PROBES_PER_GRAM; index++) {
      const place = ((first + index * step) >>> 0) % bits;
      if ((signature[place >>> 5]! & (1 << (place & 31))) === 0) return false;
    }
  }
  return true;
}

/** A checksum of 32-bit words, or of bytes: FNV-1a with a rotation, so that runs of zeros count. */
export function checksum(words: Uint32Array | Uint8Array, seed = 0x811c9dc5): number {
  let sum = seed | 0;
  for (let index = 0; index < words.length; index++) {
    sum = Math.imul(sum ^ words[index]!, 0x01000193);
    sum = (sum << 13) | (sum >>> 19);
  }
  return sum >>> 0;
}

function hash(a: number, b: number, c: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  h = Math.imul(h, 0x297a2d39);
  return h >>> (32 - SPACE_BITS);
}

/** Double hashing (Kirsch and Mitzenmacher, 2006): two hashes stand for as many as are needed. */
function probe(gram: number): { first: number; step: number } {
  let h = Math.imul(gram + 1, 0x9e3779b1);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  const step = Math.imul(h, 0xc2b2ae35);
  return { first: h >>> 0, step: ((step ^ (step >>> 16)) >>> 0) | 1 };
}
