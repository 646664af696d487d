import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import type { OutboxItem } from '../core/delivery/delivery.ts';
import { asFailure, ClawError, EXIT } from '../core/errors.ts';
import type { DeliveryResult, IngestResult } from '../core/result.ts';
import { callerHops } from '../core/routing/visibility.ts';
import { type DeliveryReport, deliver } from '../runner/deliver.ts';
import type { Desk } from '../runner/desk.ts';
import { type IngestOptions, ingest } from '../runner/ingest.ts';
import { routeOf } from '../runner/judge.ts';
import { readOutbox, settleOutbox } from '../store/outbox.ts';
import { openDesk } from './desk.ts';
import { decodeText, parseJson, type RawMessage, readLines } from './input.ts';
import { note } from './journal.ts';
import { MessageCommand } from './message-options.ts';
import { printError, printJson, printOut } from './output.ts';
import { waitOption } from './wait-option.ts';

export class IngestCommand extends MessageCommand {
  static override paths = [['ingest']];
  static override usage = Command.Usage({
    description:
      'Take one message (argument, or stdin: text, a JSON envelope, or NDJSON), run its turn, print the reply.',
    examples: [
      ['A message from a pipe', 'echo "What did we decide on Monday?" | claw ingest'],
      ['From a chat adapter', 'claw ingest --channel telegram --from 111 --id 42 --json < text'],
      ['Many at once', 'claw ingest --format ndjson < messages.ndjson'],
    ],
  });

  noWait = Option.Boolean('--no-wait', false, {
    description: 'accept it and return; a holder or the next tick answers',
  });
  wait = Option.String('--wait', { description: 'seconds to stand in line for a busy session' });
  noRun = Option.Boolean('--no-run', false, { description: 'keep it as context, start no agent' });
  deliver = Option.Boolean('--deliver', false, {
    description: "send the reply through the channel's sender too",
  });
  stream = Option.Boolean('--stream', false, {
    description: 'print the reply as it comes; with --json as NDJSON events',
  });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { log: 'ingest' });
    const streaming = this.inputFormat() === 'ndjson' && this.text === undefined;
    // Read before signals are caught: until something is accepted they may simply end the process.
    const raws = streaming ? [] : await this.rawMessages(desk.config);
    const control = new AbortController();
    let bySignal: string | null = null;
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        bySignal ??= name;
        control.abort();
      });
    }
    const waitMs = waitOption(this.wait, 'claw ingest');
    const options: Omit<IngestOptions, 'print'> = {
      wait: !this.noWait,
      ...(waitMs === undefined ? {} : { waitMs }),
      recordOnly: this.noRun,
      deliver: this.deliver,
      fromAgent: Boolean(context.env.CLAW_RUN_ID),
      hops: callerHops(context.env),
      signal: control.signal,
      stopped: () => bySignal === 'SIGINT',
    };
    const status = streaming ? await this.lines(desk, options) : await this.whole(desk, options, raws);
    return bySignal === 'SIGINT' ? 130 : status;
  }

  /** Everything on stdin, then the answers. */
  private async whole(
    desk: Desk,
    options: Omit<IngestOptions, 'print'>,
    raws: (() => RawMessage)[],
  ): Promise<number> {
    if (raws.length > 1)
      return this.inOrder(
        desk,
        options,
        raws.map((raw, index) => ({ number: index + 1, raw })),
      );
    const message = this.messageOf(raws[0]!(), desk.config);
    const printer = this.stream ? new StreamPrinter(this.json) : null;
    const print = (done: IngestResult) =>
      printer ? printer.result(done) : this.json ? printJson(done) : printText(done);
    // The document tells what became of the delivery, so it comes behind it; the reply is the sender's in any case.
    const later = this.json && this.deliver;
    const result = await ingest(desk, routeOf(desk, message), message, {
      ...options,
      ...(printer ? { onStart: turn => printer.start(turn), onDelta: text => printer.delta(text) } : {}),
      print: later ? () => true : print,
    });
    const whole = await this.send(desk, result, options.signal);
    if (later) print(whole);
    return statusOf(result, this.json);
  }

  /** One line, one message, as they arrive; one result per line, in the order of the lines. */
  private async lines(desk: Desk, options: Omit<IngestOptions, 'print'>): Promise<number> {
    const lines = readLines(process.stdin, this.limit(desk.config));
    // Lines that were not read are not accepted: whoever sends them still has them.
    options.signal?.addEventListener('abort', () => process.stdin.destroy());
    const raws = (async function* (): AsyncGenerator<NumberedMessage> {
      let number = 0;
      for await (const line of lines) {
        number++;
        if (line instanceof ClawError) yield { number, raw: () => raise(line) };
        else if (line.toString('utf8').trim() !== '')
          yield { number, raw: () => parseJson(decodeText(line)) };
      }
    })();
    return this.inOrder(desk, options, raws);
  }

  private async inOrder(
    desk: Desk,
    options: Omit<IngestOptions, 'print'>,
    raws: Iterable<NumberedMessage> | AsyncIterable<NumberedMessage>,
  ): Promise<number> {
    let worst: number = EXIT.ok;
    let printed = Promise.resolve();
    const running = new Set<Promise<unknown>>();
    for await (const { number, raw } of raws) {
      // Accepting begins here, in the order of the lines; only the runs overlap, and only between sessions.
      const answer = this.one(desk, options, raw, number);
      running.add(answer);
      void answer.then(() => running.delete(answer));
      printed = printed.then(async () => {
        const { document, status, read } = await answer;
        worst = Math.max(worst, status);
        if (printOut(`${JSON.stringify(document)}\n`)) read?.();
      });
      if (running.size >= AT_ONCE) await Promise.race(running);
    }
    await printed;
    return worst;
  }

  /**
   * One line to its document; every error becomes one. A reply may have to wait for the lines before it: it stands in the
   * outbox from the moment it is there until `read` says that it was printed.
   */
  private async one(
    desk: Desk,
    options: Omit<IngestOptions, 'print'>,
    raw: () => RawMessage,
    line: number,
  ): Promise<{ document: object; status: number; read?: () => void }> {
    try {
      const message = this.messageOf(raw(), desk.config);
      let held: string | null = null;
      const result = await ingest(desk, routeOf(desk, message), message, {
        ...options,
        print: (_result, unread) => {
          held = unread();
          return true;
        },
      });
      const whole = await this.send(desk, result, options.signal);
      const read = () => {
        if (held !== null) settleOutbox(desk.layout, held);
      };
      return { document: whole, status: statusOf(result, true), read };
    } catch (error) {
      const { exit, code, message, hint } = asFailure(error);
      return { document: { error: { code, message, ...(hint ? { hint } : {}) }, line }, status: EXIT[exit] };
    }
  }

  /** Sends the reply where that was asked for. @returns the result with what became of it */
  private async send(
    desk: Desk,
    result: IngestResult,
    signal: AbortSignal | undefined,
  ): Promise<IngestResult> {
    if (!this.deliver || (result.status !== 'replied' && result.status !== 'command')) return result;
    if (result.delivery?.decision === 'deny') return result;
    try {
      const own = (item: OutboxItem) =>
        item.messageId === result.messageId && item.sessionKey === result.sessionKey;
      const report = await deliver(desk, { only: own, ...(signal ? { signal } : {}) });
      for (const { reason } of report.waiting) this.warn(`a reply was not sent: ${reason}`);
      const delivery = deliveryOf(desk, report);
      return delivery ? { ...result, delivery } : result;
    } catch (error) {
      // The message is answered and its reply stands in the outbox; nothing here may look like a failure of it.
      this.warn(`the outbox: ${(error as Error).message}`);
      return result;
    }
  }
}

/** How it stands with a delivery; null where another process took it out of the outbox before this one looked. */
function deliveryOf(desk: Desk, { sent, waiting }: DeliveryReport): DeliveryResult | null {
  if (sent[0] !== undefined) return { decision: 'allow', id: sent[0], status: 'sent', reason: null };
  const [left] = waiting;
  const read = left && readOutbox(desk.layout, left.id);
  if (read?.state !== 'ok') return null;
  const status = read.isSent ? 'sent' : read.value.state;
  const reason = read.isSent ? null : left?.reason || read.value.reason;
  return { decision: 'allow', id: read.value.id, status, reason };
}

/** A message and the line (from 1) it stood in; reading it may fail. */
interface NumberedMessage {
  number: number;
  raw: () => RawMessage;
}

const AT_ONCE = 8;

function raise(error: Error): never {
  throw error;
}

/** The exit status of a result; a failure is also told on stderr. */
function statusOf(result: IngestResult, json: boolean): number {
  if (result.status !== 'failed') return EXIT.ok;
  const error = result.error!;
  note('error', `message ${result.messageId}: ${error.message}`, result.sessionKey);
  if (json) printError(`${JSON.stringify({ error })}\n`);
  else {
    const again = `claw inbox retry ${result.messageId}`;
    printError(`claw: ${error.message}\n  try: ${error.hint ? `${error.hint}\n  then: ${again}` : again}\n`);
  }
  return EXIT.unavailable;
}

/** Text mode: notices, then the reply. What has no reply yet says so, so that a pipe is not left with nothing. */
function printText(result: IngestResult): boolean {
  return printOut(textOf(result));
}

function textOf(result: IngestResult): string {
  // Nothing may be sent: the agent has thought, and nobody is told.
  if (result.delivery?.decision === 'deny') return '';
  const lines = result.notices.map(notice => `(${notice})`);
  if (result.reply) lines.push(result.reply.text);
  else if (result.status === 'queued')
    lines.push(`(Kept, not answered yet: ${result.reason ?? 'the session is busy'}.)`);
  else if (result.status === 'recorded' && result.reason) lines.push(`(Not answered: ${result.reason}.)`);
  else if (result.reason === 'stopped') lines.push('(Stopped.)');
  else if (result.status === 'failed') lines.push('(The agent failed. Your message is kept.)');
  return lines.length > 0 ? `${lines.join('\n')}\n` : '';
}

/** `--stream`: pieces of the reply as they come. What was streamed is not printed a second time. */
class StreamPrinter {
  private started = false;
  private streamed = '';

  constructor(private readonly json: boolean) {}

  start(turn: { runId: string; notices: string[] }): void {
    this.started = true;
    if (this.json) {
      printOut(`${JSON.stringify({ type: 'start', runId: turn.runId, notices: turn.notices })}\n`);
    } else for (const notice of turn.notices) printOut(`(${notice})\n`);
  }

  delta(text: string): void {
    this.streamed += text;
    printOut(this.json ? `${JSON.stringify({ type: 'delta', text })}\n` : text);
  }

  result(result: IngestResult): boolean {
    if (this.json) return printOut(`${JSON.stringify({ type: 'result', ...result })}\n`);
    if (this.streamed === '') return printText(this.started ? { ...result, notices: [] } : result);
    const reply = result.reply?.text ?? '';
    // Before it may stand what was said on the way to a tool, or by a start that failed.
    const isShown = this.streamed.endsWith(`\n\n${reply}`);
    const rest = reply.startsWith(this.streamed) ? reply.slice(this.streamed.length) : `\n${reply}`;
    return printOut(`${result.reply && !isShown ? rest : ''}\n`);
  }
}
