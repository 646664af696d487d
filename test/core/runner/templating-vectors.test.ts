/** The conformance vectors about templates, prefixes and what of a reply is said. */
import { expect, test } from 'vitest';
import {
  applyResponsePrefix,
  fillPrefix,
  type PrefixValues,
  shortModel,
} from '../../../src/core/delivery/response-prefix.ts';
import { parseOutput } from '../../../src/core/runner/output.ts';
import { replyOf } from '../../../src/core/runner/silence.ts';
import { fillTemplate } from '../../../src/core/runner/template.ts';
import { RUNNER_DEFAULTS } from '../../../src/core/runner/verdict.ts';
import vectors from '../../fixtures/vectors/templating.json' with { type: 'json' };
import { messageOf } from '../routing/routes.ts';

const NO_HEADER = 'claw sends no header with the time that passed: history carries the time of each message';

/** Vectors that do not hold for claw, with the reason. */
const LEFT_OUT: Record<string, string> = {
  'tp-027':
    'its note calls it surprising: the text before a token is kept (test/core/runner/silence.test.ts)',
  'tp-032': NO_HEADER,
  'tp-034': NO_HEADER,
};

interface Given {
  op: string;
  input: {
    template: string;
    context?: Record<string, unknown>;
    model: string;
    text: string;
    responsePrefix?: string;
  };
}

function run({ op, input }: Given): string | null {
  const values = (input.context ?? {}) as PrefixValues;
  switch (op) {
    case 'template':
      return fillTemplate(input.template, input.context ?? {});
    case 'prefixTemplate':
      return fillPrefix(input.template, values);
    case 'shortModel':
      return shortModel(input.model);
    case 'reply': {
      const { text } = parseOutput('text', input.text);
      const reply = text === null ? null : replyOf(text, RUNNER_DEFAULTS.silentTokens);
      const { responsePrefix } = input;
      return reply === null ? null : applyResponsePrefix(reply, { messages: { responsePrefix } }, values);
    }
    case 'inboundNewlines':
      return messageOf({ text: input.text }).text;
    default:
      throw new Error(`no adapter for ${op}`);
  }
}

const toRun = vectors.filter(({ id }) => LEFT_OUT[id] === undefined);

test.each(toRun.map(vector => [vector.id, vector.note, vector] as const))('%s %s', (_id, _note, vector) => {
  expect({ text: run(vector.given as unknown as Given) }).toMatchObject(vector.expect);
});

test('every vector is run or left out with a reason', () => {
  const ids = vectors.map(({ id }) => id);
  expect(new Set(ids).size).toBe(23);
  expect(Object.keys(LEFT_OUT).filter(id => !ids.includes(id))).toEqual([]);
  expect(toRun.length + Object.keys(LEFT_OUT).length).toBe(ids.length);
});
