/** Where a message comes from, as flags: the envelope of `ingest` and `route`, spelled for a shell. */

import { isUtf8 } from 'node:buffer';
import fs from 'node:fs';
import { Option } from 'clipanion';
import type { ConfigInput } from '../config/schema.ts';
import { ClawError } from '../core/errors.ts';
import { type Envelope, type Message, normaliseMessage, parseEnvelope } from '../core/routing/message.ts';
import { ClawCommand } from './base.ts';
import {
  decodeText,
  detect,
  type InputFormat,
  MAX_BYTES,
  parseJson,
  type RawMessage,
  readInput,
  tooLarge,
} from './input.ts';

export abstract class MessageCommand extends ClawCommand {
  text = Option.String({ required: false, name: 'text' });
  format = Option.String('--format', 'auto', { description: 'auto, text, json or ndjson: what stdin holds' });
  channel = Option.String('--channel', { description: 'channel, e.g. telegram; default cli' });
  account = Option.String('--account', { description: 'account of the channel' });
  chat = Option.String('--chat', { description: 'dm, group, channel or thread' });
  from = Option.String('--from', { description: 'id of the sender' });
  fromName = Option.String('--from-name', { description: 'name of the sender' });
  group = Option.String('--group', { description: 'id of the group or room' });
  groupName = Option.String('--group-name', { description: 'name of the group or room' });
  guild = Option.String('--guild', { description: 'Discord guild' });
  team = Option.String('--team', { description: 'Slack team' });
  parent = Option.String('--parent', { description: 'id of the chat a thread belongs to' });
  thread = Option.String('--thread', { description: 'id of the topic or thread' });
  messageId = Option.String('--id', {
    description: "the sender's id of the message; a repetition is recognised by it",
  });
  to = Option.String('--to', { description: 'where a reply goes, when not back to the sender' });
  surface = Option.String('--surface', { description: 'whatsapp, webchat, voice …' });
  mentioned = Option.Boolean('--mentioned', { description: 'the message names this assistant (groups)' });
  agent = Option.String('--agent', { description: 'agent that answers, past the bindings' });
  session = Option.String('--session', { description: 'session key, past the routing' });

  /** The identity flags that were given, as envelope fields. */
  protected flags(): Partial<Envelope> {
    const given = {
      channel: this.channel,
      accountId: this.account,
      chatType: this.chat,
      from: this.from,
      fromName: this.fromName,
      groupId: this.group,
      groupName: this.groupName,
      guildId: this.guild,
      teamId: this.team,
      parentId: this.parent,
      threadId: this.thread,
      id: this.messageId,
      to: this.to,
      surface: this.surface,
      mentioned: this.mentioned,
      agentId: this.agent,
      sessionKey: this.session,
    };
    return Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ) as Partial<Envelope>;
  }

  protected inputFormat(): InputFormat {
    if (!['auto', 'text', 'json', 'ndjson'].includes(this.format)) {
      throw new ClawError(
        'usage',
        'usage',
        `--format ${this.format}: expected auto, text, json or ndjson`,
        'claw ingest --help',
      );
    }
    // A remote sender's text must not be read as an envelope that says who he is.
    return this.format === 'auto' && Object.keys(this.flags()).length > 0
      ? 'text'
      : (this.format as InputFormat);
  }

  protected limit(config: ConfigInput): number {
    return config.messages?.maxBytes ?? MAX_BYTES;
  }

  /** The messages of the argument or of all of stdin. @throws ClawError usage when there is neither */
  protected async rawMessages(config: ConfigInput): Promise<(() => RawMessage)[]> {
    const format = this.inputFormat();
    if (this.text !== undefined) {
      if (Buffer.byteLength(this.text) > this.limit(config)) throw tooLarge(this.limit(config));
      const { text } = this;
      return [() => (format === 'json' ? parseJson(text) : { kind: 'text', text })];
    }
    if (fs.fstatSync(0).isCharacterDevice() && process.stdin.isTTY) {
      throw new ClawError(
        'usage',
        'no-message',
        'there is no message: give it as an argument or on standard input',
        'echo hello | claw ingest',
      );
    }
    const bytes = await readInput(this.limit(config));
    if (!isUtf8(bytes)) this.warn('the input is not UTF-8; what could not be read became U+FFFD');
    const text = decodeText(bytes);
    if (format === 'text') return [() => ({ kind: 'text', text })];
    if (format === 'json') return [() => parseJson(text)];
    return detect(text);
  }

  /** A raw message with the flags laid over it, checked. @throws ClawError data naming every problem */
  protected messageOf(raw: RawMessage, config: ConfigInput): Message {
    let envelope: Envelope;
    if (raw.kind === 'text') envelope = { ...this.flags(), text: raw.text };
    else {
      const parsed = parseEnvelope(raw.value);
      if (!parsed.ok)
        throw badMessage(parsed.problems, 'claw ingest --format text   (to send it as plain text)');
      envelope = { ...parsed.envelope, ...this.flags() };
    }
    const normalised = normaliseMessage(envelope, config);
    if (!normalised.ok) {
      const usage = raw.kind === 'text' && raw.text.trim() !== '';
      throw badMessage(normalised.problems, 'claw ingest --help', usage);
    }
    return normalised.message;
  }
}

function badMessage(problems: string[], hint: string, usage = false): ClawError {
  return new ClawError(
    usage ? 'usage' : 'data',
    usage ? 'usage' : 'bad-message',
    `the message cannot be taken: ${problems.join('; ')}`,
    hint,
  );
}
