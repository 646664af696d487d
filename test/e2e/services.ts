/** Loopback doubles of the services that senders speak to: each refuses what the real one would refuse. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Request {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: http.IncomingHttpHeaders;
  text: string;
  /** the body as JSON, null when it is none */
  json: any;
}

/** An answer; `hang`: none at all; `reset`: the connection ends; `torn`: it ends in the middle of the body. */
export type Reply =
  | { status: number; body?: unknown; headers?: Record<string, string> }
  | 'hang'
  | 'reset'
  | 'torn';

export type Behaviour = (request: Request, index: number) => Reply | Promise<Reply>;

/** What a double does instead of answering well; undefined: it answers well. */
export type Override = (request: Request, index: number) => Reply | Promise<Reply> | undefined;

export class Server {
  readonly requests: Request[] = [];
  #server: http.Server;

  private constructor(behave: Behaviour) {
    this.#server = http.createServer((incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on('data', chunk => chunks.push(chunk));
      incoming.on('end', async () => {
        const url = new URL(incoming.url ?? '/', 'http://localhost');
        const text = Buffer.concat(chunks).toString('utf8');
        const { method = '', headers } = incoming;
        const request = {
          method,
          path: url.pathname,
          query: url.searchParams,
          headers,
          text,
          json: parse(text),
        };
        this.requests.push(request);
        const reply = await behave(request, this.requests.length - 1);
        if (reply === 'hang') return;
        if (reply === 'reset') {
          incoming.socket.destroy();
          return;
        }
        if (reply === 'torn') {
          response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '1000' });
          response.write('{"ok":tr', () => incoming.socket.destroy());
          return;
        }
        response.writeHead(reply.status, { 'Content-Type': 'application/json', ...reply.headers });
        response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {}));
      });
    });
  }

  static async start(behave: Behaviour): Promise<Server> {
    const server = new Server(behave);
    await new Promise<void>(resolve => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }
}

function parse(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A JSON request as the services want it; null when it is fine, else what is wrong with it. */
function jsonFault(request: Request): string | null {
  if (request.method !== 'POST') return `method ${request.method}`;
  if (!request.headers['content-type']?.startsWith('application/json')) return 'content type';
  return request.json === null ? 'no JSON' : null;
}

export const TELEGRAM_TOKEN = '123456789:AAF-abcdefghijklmnopqrstuvwxyz01234';

/** sendMessage of the Bot API: path, chat, length in UTF-16 units, integer thread. */
export function telegramDouble(over?: Override): Behaviour {
  let sent = 0;
  return (request, index) => {
    const bad = (code: number, description: string, parameters?: object) => ({
      status: code,
      body: { ok: false, error_code: code, description, ...(parameters ? { parameters } : {}) },
    });
    if (request.path !== `/bot${TELEGRAM_TOKEN}/sendMessage`) return bad(401, 'Unauthorized');
    const fault = jsonFault(request);
    if (fault !== null) return bad(400, `Bad Request: ${fault}`);
    const { chat_id, text, message_thread_id: thread } = request.json;
    if (typeof chat_id !== 'string' && typeof chat_id !== 'number')
      return bad(400, 'Bad Request: chat_id is empty');
    if (typeof text !== 'string' || text.trim() === '') return bad(400, 'Bad Request: message text is empty');
    if (text.length > 4096) return bad(400, 'Bad Request: message is too long');
    if (!text.isWellFormed()) return bad(400, 'Bad Request: strings must be encoded in UTF-8');
    if (thread !== undefined && !(Number.isInteger(thread) && thread > 1))
      return bad(400, 'Bad Request: message thread not found');
    return over?.(request, index) ?? { status: 200, body: { ok: true, result: { message_id: ++sent } } };
  };
}

export const SLACK_TOKEN = 'xoxb-1234567890-abcdefghijkl';

/** chat.postMessage: errors come with status 200. */
export function slackDouble(over?: Override): Behaviour {
  return (request, index) => {
    const bad = (error: string) => ({ status: 200, body: { ok: false, error } });
    if (request.path !== '/chat.postMessage') return bad('unknown_method');
    if (request.headers.authorization !== `Bearer ${SLACK_TOKEN}`) return bad('invalid_auth');
    if (jsonFault(request) !== null) return bad('invalid_json');
    const { channel, text, thread_ts: thread } = request.json;
    if (typeof channel !== 'string' || channel === '') return bad('channel_not_found');
    if (typeof text !== 'string' || text === '') return bad('no_text');
    if (text.length > 4000) return bad('msg_too_long');
    if (/<[!@#]/.test(text)) return bad('somebody_was_called');
    if (thread !== undefined && !/^\d+\.\d+$/.test(thread)) return bad('invalid_thread_ts');
    return over?.(request, index) ?? { status: 200, body: { ok: true, channel, ts: '1.2' } };
  };
}

export const DISCORD_TOKEN = 'MTIzNDU2Nzg5.abcdef.ghijklmnopqrstuvwxyz';

/** Create message, create DM and execute webhook. A nonce that came before gives the message that came before. */
export function discordDouble(over?: Override): Behaviour {
  const nonces = new Set<string>();
  return (request, index) => {
    const bad = (status: number, code: number, message: string) => ({ status, body: { code, message } });
    const isHook = request.path.startsWith('/webhooks/');
    if (!isHook && request.headers.authorization !== `Bot ${DISCORD_TOKEN}`)
      return bad(401, 0, '401: Unauthorized');
    if (!request.headers['user-agent']?.startsWith('DiscordBot ('))
      return bad(403, 40333, 'internal network error');
    const fault = jsonFault(request);
    if (fault !== null) return bad(400, 50109, fault);
    if (request.path === '/users/@me/channels') {
      if (!/^\d+$/.test(String(request.json.recipient_id))) return bad(400, 50035, 'Invalid Form Body');
      return { status: 200, body: { id: `9${request.json.recipient_id}`, type: 1 } };
    }
    if (isHook ? request.query.get('wait') !== 'true' : !/^\/channels\/\d+\/messages$/.test(request.path))
      return bad(404, 10003, 'Unknown Channel');
    const { content, nonce, allowed_mentions: allowed } = request.json;
    if (typeof content !== 'string' || content.trim() === '')
      return bad(400, 50006, 'Cannot send an empty message');
    if (content.length > 2000) return bad(400, 50035, 'Invalid Form Body');
    if (allowed?.parse?.length !== 0) return bad(400, 50035, 'somebody would be called');
    if (nonce !== undefined && (typeof nonce !== 'string' || nonce.length > 25))
      return bad(400, 50035, 'nonce');
    const other = over?.(request, index);
    if (other) return other;
    if (nonce !== undefined) nonces.add(nonce);
    return { status: 200, body: { id: String(1000 + nonces.size), content } };
  };
}

export const NTFY_TOKEN = 'tk_abcdefghijklmnopqrstuvwxyz012';

/** Publish: the body is the message, at most 4096 bytes. */
export function ntfyDouble(over?: Override): Behaviour {
  return (request, index) => {
    const bad = (http: number, code: number, error: string) => ({
      status: http,
      body: { code, http, error },
    });
    if (request.headers.authorization !== `Bearer ${NTFY_TOKEN}`) return bad(401, 40101, 'unauthorized');
    if (!/^\/[-_A-Za-z0-9]{1,64}$/.test(request.path) || request.method !== 'POST')
      return bad(404, 40401, 'page not found');
    if (Buffer.byteLength(request.text) > 4096) return bad(413, 41301, 'attachment too large');
    return (
      over?.(request, index) ?? {
        status: 200,
        body: { id: `m${index}`, event: 'message', topic: request.path.slice(1), message: request.text },
      }
    );
  };
}
