/** The conformance vectors about keys, DM scopes and bindings, through an adapter from the reference's field names. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { defaultAgentId } from '../../../src/core/routing/binding.ts';
import { readSessionKey } from '../../../src/core/routing/route.ts';
import {
  groupDisplayName,
  isSubagent,
  mainSessionKey,
  parseKey,
  splitKey,
  threadKey,
  threadParent,
} from '../../../src/core/routing/session-key.ts';
import { normaliseAgentId } from '../../../src/core/routing/slug.ts';
import { Layout } from '../../../src/store/layout.ts';
import { routeOf } from './routes.ts';

interface Vector {
  id: string;
  given: { op: string; config?: ConfigInput; message?: Fields; input?: Record<string, string> };
  expect: Record<string, unknown>;
  note: string;
}
type Fields = Record<string, unknown> & { peer?: { kind: string; id: string } };

/** Vectors that do not hold for claw, with the reason. */
const LEFT_OUT: Record<string, string> = {};

const FILES = ['session-keys', 'dm-scope', 'bindings'];
const vectors = FILES.flatMap(file => {
  const url = new URL(`../../fixtures/vectors/${file}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as Vector[];
});

/** The reference's routing input: a channel and a peer, which is a chat of some kind. */
function envelopeOfPeer({ peer, ...fields }: Fields): Record<string, unknown> {
  if (peer === undefined) return fields;
  const id = peer.kind === 'dm' ? { from: peer.id } : { groupId: peer.id };
  return { ...fields, chatType: peer.kind, ...id };
}

/** The reference's message context, whose `From` is an address: `<provider>:<kind>:<id>`, `<provider>:<id>` or an id. */
function envelopeOfContext(fields: Fields): Record<string, unknown> {
  const { From, Provider, ChatType } = fields as { From?: string; Provider?: string; ChatType?: string };
  const address = /^([a-z]+):(?:(group|channel):)?(.+)$/.exec(From ?? '');
  const chatType = ChatType ?? address?.[2];
  const id = address?.[3] ?? From;
  return {
    channel: Provider ?? address?.[1],
    chatType,
    ...(chatType === 'group' || chatType === 'channel' ? { groupId: id } : { from: id }),
  };
}

function run({ op, config = {}, message = {}, input = {} }: Vector['given']): Record<string, unknown> {
  const key = input.sessionKey ?? '';
  switch (op) {
    case 'route':
      return { ...routeOf(envelopeOfPeer(message), config) };
    case 'contextKey':
      return { sessionKey: routeOf(envelopeOfContext(message), config).sessionKey };
    case 'groupKey': {
      const { sessionKey } = routeOf(envelopeOfContext(message), config);
      const chat = parseKey(sessionKey)?.chat;
      if (chat?.kind !== 'group' && chat?.kind !== 'channel') throw new Error(`${sessionKey} is no group`);
      return { key: splitKey(sessionKey)?.rest, channel: chat.channel, id: chat.id, chatType: chat.kind };
    }
    case 'threadKey': {
      const sessionKey = threadKey(input.baseSessionKey ?? '', input.threadId ?? '');
      return { sessionKey, parentSessionKey: threadParent(sessionKey) };
    }
    case 'threadParent':
      return { parent: threadParent(key) };
    case 'parseKey':
      return { agentId: splitKey(key)?.agentId ?? null, rest: splitKey(key)?.rest ?? null };
    case 'storeKey':
      return { sessionKey: readSessionKey(input.requestKey ?? '', config, input.agentId) };
    case 'canonicalKey':
      return { sessionKey: readSessionKey(key, config) };
    case 'mainSessionKey':
      return { sessionKey: mainSessionKey(defaultAgentId(config), config.session) };
    case 'normalizeAgentId':
      return { agentId: normaliseAgentId(input.value ?? '') };
    case 'isSubagent':
      return { value: isSubagent(key) };
    case 'transcriptPath': {
      // The reference's state folder is what claw calls its home.
      const layout = new Layout(input.stateDir ?? '');
      return { path: layout.transcript(input.agentId ?? '', input.sessionId ?? '') };
    }
    case 'groupDisplayName': {
      const { provider = '', id = '', subject, groupChannel, space } = input;
      return {
        displayName: groupDisplayName({ channel: provider, id, name: subject, room: groupChannel, space }),
      };
    }
    default:
      throw new Error(`no adapter for ${op}`);
  }
}

describe('conformance vectors', () => {
  const toRun = vectors.filter(vector => LEFT_OUT[vector.id] === undefined);

  it.each(toRun.map(vector => [vector.id, vector.note, vector] as const))('%s %s', (_id, _note, vector) => {
    expect(run(vector.given)).toMatchObject(vector.expect);
  });

  it('are each run, or left out for a reason under an id that exists', () => {
    const ids = vectors.map(vector => vector.id);
    expect(ids.length).toBeGreaterThan(50);
    expect(new Set(ids).size).toBe(ids.length);
    expect(Object.keys(LEFT_OUT).filter(id => !ids.includes(id))).toEqual([]);
    expect(toRun.length + Object.keys(LEFT_OUT).length).toBe(ids.length);
  });
});
