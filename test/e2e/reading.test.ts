/** What a newcomer reads: the figures, names and ids of listings, of a session and of its history. */
import { afterEach, describe, expect, it } from 'vitest';
import { Home, withRunner } from './claw.ts';
import { editRecord, recordFile } from './support.ts';

let home: Home;
afterEach(() => home?.cleanUp());

const cat = (rest: object = {}) => {
  home = new Home(withRunner({ command: 'cat' }, { session: { reset: { mode: 'off' } }, ...rest }));
};
const ingest = (text: string, ...more: string[]): any => home.run(['ingest', '--json', ...more, text]).json();
const json = (...args: string[]): any => home.run([...args, '--json']).json();
const text = (...args: string[]): string => home.run(args).stdout;

describe('token figures', () => {
  it('are those of the record, the same in every listing and in the chat', () => {
    cat();
    ingest('hello');
    const tokens = { inputTokens: 3000, outputTokens: 305, totalTokens: 3305, contextTokens: 3305 };
    editRecord(recordFile(home), { tokens });
    expect(json('sessions').sessions).toMatchObject([{ usedTokens: 3305, contextTokens: 200_000 }]);
    expect(json('sessions', 'show', 'main')).toMatchObject({ usedTokens: 3305 });
    expect(json('status').recent).toMatchObject([{ usedTokens: 3305 }]);
    const shown = '3.3k/200k (2%)';
    for (const args of [['sessions'], ['sessions', 'show', 'main'], ['status'], ['ingest', '/status']])
      expect(text(...args)).toContain(shown);
    editRecord(recordFile(home), { tokens: { ...tokens, contextTokens: 444 } });
    for (const args of [['sessions'], ['ingest', '/status']])
      expect(text(...args)).toContain('0.4k/200k (0%)');
  });
});
