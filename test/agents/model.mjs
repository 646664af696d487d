// A model on loopback for trying real agent command lines: it speaks as much of the Anthropic Messages, OpenAI Responses,
// OpenAI Chat Completions and Gemini APIs as they need, and says what it is told to say. No model, no network.
import http from 'node:http';

/**
 * Starts it. `behave` changes what it does from the next request on:
 * text: the reply, {last} in it is the end of the last user text; fail: an HTTP status to answer with; delayMs.
 */
export async function startModel() {
  let behaviour = { text: 'pong', fail: 0, delayMs: 0 };
  /** last user text of each model call */
  const asked = [];
  const server = http.createServer((req, res) => {
    let raw = '';
    req.on('data', piece => {
      raw += piece;
    });
    req.on('end', async () => {
      const { text: said, fail, delayMs } = behaviour;
      if (delayMs > 0) await new Promise(resolve => setTimeout(resolve, delayMs));
      let body = {};
      try {
        body = JSON.parse(raw);
      } catch {
        // a GET, or an empty body
      }
      const url = req.url ?? '';
      const isCall = req.method === 'POST' && /\/(messages|responses|completions)|enerateContent/.test(url);
      if (isCall) asked.push(wholeText(body));
      if (isCall && fail) {
        const error = { type: 'api_error', message: 'the model says no', code: fail };
        return json(res, { type: 'error', error }, fail);
      }
      const text = said.replace('{last}', lastUserText(body));
      if (/count_tokens/.test(url)) return json(res, { input_tokens: 12 });
      if (/countTokens/.test(url)) return json(res, { totalTokens: 20 });
      if (/\/messages/.test(url) && isCall) return anthropic(res, body, text);
      if (/\/responses/.test(url) && isCall) return responses(res, body, text);
      if (/chat\/completions/.test(url)) return chat(res, body, text);
      if (/enerateContent/.test(url)) return gemini(res, url, text);
      if (/\/models/.test(url))
        return json(res, { object: 'list', data: [{ id: 'stub-model', object: 'model' }], models: [] });
      return json(res, { error: { message: 'not found' } }, 404);
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    behave: next => {
      behaviour = { text: 'pong', fail: 0, delayMs: 0, ...next };
    },
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const textOf = content =>
  typeof content === 'string' ? content : (content ?? []).map(part => part.text ?? '').join(' ');
const messagesOf = body => body.messages ?? body.contents ?? (Array.isArray(body.input) ? body.input : []);
const wholeText = body =>
  messagesOf(body)
    .map(m => textOf(m.content ?? m.parts))
    .join('\n');
function lastUserText(body) {
  const last = messagesOf(body).findLast(m => m.role === 'user');
  return textOf(last?.content ?? last?.parts).slice(-200);
}

function json(res, value, status = 200) {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function sse(res, named) {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  return (type, data) =>
    res.write(
      named
        ? `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
        : `data: ${JSON.stringify(data)}\n\n`,
    );
}

/** Two pieces, so that a stream can be told from a whole. */
function pieces(text) {
  const half = Math.ceil(text.length / 2);
  return [text.slice(0, half), text.slice(half)].filter(Boolean);
}

function anthropic(res, { model, stream }, text) {
  const usage = {
    input_tokens: 12,
    output_tokens: 5,
    cache_creation_input_tokens: 3,
    cache_read_input_tokens: 4,
  };
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model, stop_sequence: null };
  if (!stream)
    return json(res, { ...message, content: [{ type: 'text', text }], stop_reason: 'end_turn', usage });
  const event = sse(res, true);
  event('message_start', {
    message: { ...message, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } },
  });
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  for (const piece of pieces(text))
    event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: piece } });
  event('content_block_stop', { index: 0 });
  event('message_delta', {
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 5 },
  });
  event('message_stop', {});
  res.end();
}

function responses(res, { model }, text) {
  let n = 0;
  const send = sse(res, true);
  const event = (type, data) => send(type, { sequence_number: n++, ...data });
  const base = {
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    model,
    status: 'in_progress',
    output: [],
    usage: null,
  };
  const item = { id: 'item_1', type: 'message', role: 'assistant', status: 'in_progress', content: [] };
  const done = { ...item, status: 'completed', content: [{ type: 'output_text', text, annotations: [] }] };
  const at = { item_id: 'item_1', output_index: 0, content_index: 0 };
  event('response.created', { response: base });
  event('response.output_item.added', { output_index: 0, item });
  event('response.content_part.added', { ...at, part: { type: 'output_text', text: '', annotations: [] } });
  for (const piece of pieces(text)) event('response.output_text.delta', { ...at, delta: piece });
  event('response.output_text.done', { ...at, text });
  event('response.output_item.done', { output_index: 0, item: done });
  const usage = {
    input_tokens: 20,
    input_tokens_details: { cached_tokens: 5 },
    output_tokens: 6,
    output_tokens_details: { reasoning_tokens: 2 },
    total_tokens: 26,
  };
  event('response.completed', { response: { ...base, status: 'completed', output: [done], usage } });
  res.end();
}

function chat(res, { model, stream }, text) {
  const usage = {
    prompt_tokens: 20,
    completion_tokens: 6,
    total_tokens: 26,
    prompt_tokens_details: { cached_tokens: 5 },
  };
  const base = { id: 'c1', created: 1, model };
  if (!stream) {
    const message = { role: 'assistant', content: text };
    return json(res, {
      ...base,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage,
    });
  }
  const send = sse(res, false);
  const chunk = (delta, finish_reason = null) =>
    send(null, { ...base, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] });
  chunk({ role: 'assistant', content: '' });
  for (const piece of pieces(text)) chunk({ content: piece });
  chunk({}, 'stop');
  send(null, { ...base, object: 'chat.completion.chunk', choices: [], usage });
  res.end('data: [DONE]\n\n');
}

function gemini(res, url, text) {
  const usageMetadata = {
    promptTokenCount: 20,
    candidatesTokenCount: 6,
    totalTokenCount: 26,
    cachedContentTokenCount: 5,
  };
  const answer = {
    candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP', index: 0 }],
    usageMetadata,
    modelVersion: 'gemini-stub',
    responseId: 'r1',
  };
  if (!url.includes('stream')) return json(res, answer);
  sse(res, false)(null, answer);
  res.end();
}
