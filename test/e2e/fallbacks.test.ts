/** `modelFallbacks`: another model is asked when the run with the first has failed. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Home } from './claw.ts';
import { program } from './support.ts';

let home: Home;
let note: string;
beforeEach(() => {
  home = new Home();
  note = path.join(home.folder, 'models');
});
afterEach(() => home.cleanUp());

const configure = (defaults: object, runner: object = {}) =>
  home.config({
    agents: { defaults: { runner: 'agent', ...defaults } },
    runners: {
      agent: { command: program('models.sh'), args: [note, '{{Model}}'], killGraceSeconds: 0, ...runner },
    },
  });
const asked = () => fs.readFileSync(note, 'utf8').trim().split('\n');
const say = (text: string) => home.run(['ingest', '--json', text]);
const entries = (type: string) =>
  [...home.transcripts().values()].flat().filter(entry => entry.type === type);

test('the next model of the list answers; every start is recorded with what it follows on', () => {
  configure({ model: 'bad-1', modelFallbacks: ['bad-2', 'good'] });
  const run = say('hello');
  expect(run).toMatchObject({ status: 0, stderr: expect.stringContaining('bad-2 is asked') });
  expect(run.json().reply.text).toBe('this is good');
  expect(asked()).toEqual(['bad-1', 'bad-2', 'good']);
  expect(entries('turn').map(({ model, attempt, after }) => [model, attempt, after?.code])).toEqual([
    ['bad-1', 1, undefined],
    ['bad-2', 2, 'exit'],
    ['good', 3, 'exit'],
  ]);
  expect(entries('turn_end')).toMatchObject([{ status: 'replied' }]);
  expect(entries('message').at(-1)).toMatchObject({ model: 'good' });
  expect(home.run(['sessions', 'show', 'main', '--verbose']).stdout).toContain('start 3');
  // The next message begins with the first model again.
  say('once more');
  expect(asked().slice(3)).toEqual(['bad-1', 'bad-2', 'good']);
});

test('where none answers, the failure is that of the last, once, and the message is kept', () => {
  configure({ model: 'bad-1', modelFallbacks: ['bad-2'] });
  const run = say('hello');
  expect(run.status).toBe(69);
  expect(run.json().error.message).toContain('bad-2 is overloaded');
  expect(asked()).toEqual(['bad-1', 'bad-2']);
  expect(entries('turn_end')).toMatchObject([{ status: 'failed' }]);
  expect(home.run(['inbox', 'list', '--json']).json().count).toBe(1);
});

test('a model that does not answer in time is followed by another', () => {
  configure({ model: 'slow', modelFallbacks: ['good'] }, { timeoutSeconds: 1 });
  expect(say('hello').json().reply.text).toBe('this is good');
  expect(entries('turn').at(-1).after).toEqual({ code: 'timeout', model: 'slow' });
});

test('silence that nobody asked for is a failure too; /model of the person goes first', () => {
  configure({ model: 'bad-1', modelFallbacks: ['good'] });
  home.run(['ingest', '/model silent-1']);
  expect(say('hello').json().reply.text).toBe('this is good');
  expect(asked()).toEqual(['silent-1', 'good']);
});

test('nothing is tried again where the runner is told no model, or the list is empty', () => {
  configure({ model: 'bad-1', modelFallbacks: ['good'] }, { args: [note, 'bad-fixed'] });
  expect(say('hello').status).toBe(69);
  configure({ model: 'bad-1' });
  expect(say('hello').status).toBe(69);
  expect(asked()).toEqual(['bad-fixed', 'bad-1']);
});

test('what the starts that failed have used is in the count of the turn', () => {
  const answer = '{"result":"this is good","usage":{"input_tokens":5,"output_tokens":2},"cost":0.125}';
  const refusal = '{"error":"overloaded","usage":{"input_tokens":100,"output_tokens":1},"cost":0.25}';
  const script = `cat > /dev/null; case $1 in bad*) echo '${refusal}' ;; *) echo '${answer}' ;; esac`;
  configure(
    { model: 'bad-1', modelFallbacks: ['bad-2', 'good'] },
    {
      command: '/bin/sh',
      args: ['-c', script, 'agent', '{{Model}}'],
      output: 'json',
      pick: { costUsd: 'cost' },
    },
  );
  expect(say('hello').json()).toMatchObject({
    status: 'replied',
    usage: { inputTokens: 205, outputTokens: 4, totalTokens: 209, contextTokens: 7, costUsd: 0.625 },
  });
});

test('the reply is streamed once, behind what a start that failed has shown', () => {
  const script = 'cat > /dev/null; case $1 in bad*) echo I begin; exit 1 ;; *) echo "this is $1" ;; esac';
  configure(
    { model: 'bad-1', modelFallbacks: ['good'] },
    { command: '/bin/sh', args: ['-c', script, 'agent', '{{Model}}'] },
  );
  expect(home.run(['ingest', '--stream', 'hello']).stdout).toBe('I begin\n\nthis is good\n');
});
