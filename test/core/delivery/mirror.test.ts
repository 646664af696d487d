import { expect, test } from 'vitest';
import { mirrorText } from '../../../src/core/delivery/mirror.ts';

test.each<[string, string[], string | null]>([
  ['caption', ['https://example.com/files/report.pdf?sig=1#p'], 'caption\nreport.pdf'],
  ['', ['/tmp/a b.png', 'C:\\docs\\c.txt'], 'a b.png\nc.txt'],
  ['', ['https://example.com/a%20b.png', 'https://example.com/100%.png'], 'a b.png\n100%.png'],
  [' text ', [], 'text'],
  ['   ', [''], null],
])('%j with %j is recorded as %j', (text, urls, recorded) => {
  expect(mirrorText(text, urls)).toBe(recorded);
});
