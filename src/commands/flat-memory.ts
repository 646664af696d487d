/** For commands that go through hundreds of megabytes line by line. */
import v8 from 'node:v8';

/**
 * Keeps the part of the heap where short-lived objects lie as small as it is at the start. V8 lets it grow with the
 * rate at which garbage is made, here by 50 MB, although nearly nothing survives; it takes as much processor time
 * either way. Asked only of the versions (Node 20 to 24) that are known to have the flag: another would complain on stderr.
 */
export function keepMemoryFlat(): void {
  const major = Number.parseInt(process.versions.v8, 10);
  if (major >= 11 && major <= 13) v8.setFlagsFromString('--semi-space-growth-factor=1');
}
