// A model on loopback for trying real agent command lines: it speaks as much of the Anthropic Messages, OpenAI Responses,
// OpenAI Chat Completions and Gemini APIs as they need, and says what it is told to say. No model, no network.
import http from 'node:http';

const DEFAULTS = { text: 'pong', fail: 0, overflow: false, only: undefined, reads: undefined, delayMs: 0 };

/**
 * Starts it. `behave` changes what it does from the next request on:
 * text: the reply, {last} in it is the end of the last user text; fail: an HTTP status to answer with; overflow: refuses the
 * prompt as too long, in the words of each service, only: just those that this function says yes to, given the whole text;
 * reads: a file that it once has the program read, with a thought and
 * some words before, and only then replies; delayMs.
 */
export async function startModel() {
  let behaviour = DEFAULTS;
  /** last user text of each model call */
  const asked = [];
  const server = http.createServer((req, res) => {
    let raw = '';
    req.on('data', piece => {
      raw += piece;
    });
    req.on('end', async () => {
      const told = behaviour;
      if (told.delayMs > 0) await new Promise(resolve => setTimeout(resolve, told.delayMs));
      let body = {};
      try {
        body = JSON.parse(raw);
      } catch {
        // a GET, or an empty body
      }
      const url = req.url ?? '';
      if (/count_tokens/.test(url)) return json(res, { input_tokens: 12 });
      if (/countTokens/.test(url)) return json(res, { totalTokens: 20 });
      const api = req.method === 'POST' ? APIS.find(({ path }) => path.test(url)) : undefined;
      if (api === undefined) {
        if (/\/models/.test(url))
          return json(res, { object: 'list', data: [{ id: 'stub-model', object: 'model' }], models: [] });
        return json(res, { error: { message: 'not found' } }, 404);
      }
      asked.push(wholeText(body));
      if (told.fail) {
        const error = { type: 'api_error', message: 'the model says no', code: told.fail };
        return json(res, { type: 'error', error }, told.fail);
      }
      if (told.overflow && (told.only?.(asked.at(-1)) ?? true)) return json(res, api.tooLong, 400);
      const call = told.reads === undefined ? undefined : readingCall(body, told.reads);
      if (call) {
        behaviour = { ...told, reads: undefined };
        return api.answer(res, body, { thought: 'A note may tell.', text: 'Let me look.', call }, url);
      }
      api.answer(res, body, { text: told.text.replace('{last}', lastUserText(body)) }, url);
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    behave: next => {
      behaviour = { ...DEFAULTS, ...next };
    },
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What the services really say where a prompt is too long. */
const CHAT_TOO_LONG =
  "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens. Please reduce the length of the messages.";
const APIS = [
  {
    path: /\/messages/,
    answer: anthropic,
    tooLong: {
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: 'prompt is too long: 210000 tokens > 200000 maximum',
      },
    },
  },
  {
    path: /\/responses/,
    answer: responses,
    tooLong: {
      error: {
        message:
          'Your input exceeds the context window of this model. Please adjust your input and try again.',
        type: 'invalid_request_error',
        param: 'input',
        code: 'context_length_exceeded',
      },
    },
  },
  {
    path: /chat\/completions/,
    answer: chat,
    tooLong: {
      error: {
        message: CHAT_TOO_LONG,
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      },
    },
  },
  {
    path: /enerateContent/,
    answer: gemini,
    tooLong: {
      error: {
        code: 400,
        message: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
        status: 'INVALID_ARGUMENT',
      },
    },
  },
];

/** A call of whichever tool the program offers for reading a file; undefined where it offers none. */
function readingCall({ tools = [] }, file) {
  const offered = tools
    .flatMap(tool => tool.functionDeclarations ?? [tool.function ?? tool])
    .map(({ name }) => name);
  const known = [
    ['Read', { file_path: file }],
    ['read_file', { file_path: file }],
    ['read', { filePath: file, path: file }],
    ['view', { path: file }],
    ['exec_command', { cmd: `cat ${file}` }],
  ];
  const found = known.find(([name]) => offered.includes(name));
  return found && { id: nextId('call'), name: found[0], input: found[1] };
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

let answers = 0;
/** No two answers have the same id: programs take messages of one id for one message. */
const nextId = kind => `${kind}_${++answers}`;

/** Two pieces, so that a stream can be told from a whole. */
function pieces(text) {
  const half = Math.ceil(text.length / 2);
  return [text.slice(0, half), text.slice(half)].filter(Boolean);
}

function anthropic(res, { model, stream }, { thought, text, call }) {
  const usage = {
    input_tokens: 12,
    output_tokens: 5,
    cache_creation_input_tokens: 3,
    cache_read_input_tokens: 4,
  };
  const message = { id: nextId('msg'), type: 'message', role: 'assistant', model, stop_sequence: null };
  const stop_reason = call ? 'tool_use' : 'end_turn';
  if (!stream) return json(res, { ...message, content: [{ type: 'text', text }], stop_reason, usage });
  const event = sse(res, true);
  let index = 0;
  const block = (content_block, deltas) => {
    event('content_block_start', { index, content_block });
    for (const delta of deltas) event('content_block_delta', { index, delta });
    event('content_block_stop', { index });
    index += 1;
  };
  event('message_start', {
    message: { ...message, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } },
  });
  if (thought)
    block({ type: 'thinking', thinking: '', signature: '' }, [
      { type: 'thinking_delta', thinking: thought },
      { type: 'signature_delta', signature: 'c2lnbmVk' },
    ]);
  block(
    { type: 'text', text: '' },
    pieces(text).map(piece => ({ type: 'text_delta', text: piece })),
  );
  if (call)
    block({ type: 'tool_use', id: call.id, name: call.name, input: {} }, [
      { type: 'input_json_delta', partial_json: JSON.stringify(call.input) },
    ]);
  event('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 5 } });
  event('message_stop', {});
  res.end();
}

function responses(res, { model }, { thought, text, call }) {
  let n = 0;
  const send = sse(res, true);
  const event = (type, data) => send(type, { sequence_number: n++, ...data });
  const base = {
    id: nextId('resp'),
    object: 'response',
    created_at: 1,
    model,
    status: 'in_progress',
    output: [],
    usage: null,
  };
  const output = [];
  const put = (added, done, between = () => undefined) => {
    const id = nextId('item');
    const output_index = output.length;
    event('response.output_item.added', { output_index, item: { id, ...added } });
    between({ item_id: id, output_index });
    output.push({ id, ...done });
    event('response.output_item.done', { output_index, item: output.at(-1) });
  };
  event('response.created', { response: base });
  if (thought) {
    const summary = [{ type: 'summary_text', text: thought }];
    put({ type: 'reasoning', summary: [] }, { type: 'reasoning', summary });
  }
  const message = { type: 'message', role: 'assistant' };
  put(
    { ...message, status: 'in_progress', content: [] },
    { ...message, status: 'completed', content: [{ type: 'output_text', text, annotations: [] }] },
    place => {
      const at = { ...place, content_index: 0 };
      event('response.content_part.added', {
        ...at,
        part: { type: 'output_text', text: '', annotations: [] },
      });
      for (const piece of pieces(text)) event('response.output_text.delta', { ...at, delta: piece });
      event('response.output_text.done', { ...at, text });
    },
  );
  if (call) {
    const item = { type: 'function_call', call_id: call.id, name: call.name };
    put(
      { ...item, arguments: '', status: 'in_progress' },
      { ...item, arguments: JSON.stringify(call.input), status: 'completed' },
    );
  }
  const usage = {
    input_tokens: 20,
    input_tokens_details: { cached_tokens: 5 },
    output_tokens: 6,
    output_tokens_details: { reasoning_tokens: 2 },
    total_tokens: 26,
  };
  event('response.completed', { response: { ...base, status: 'completed', output, usage } });
  res.end();
}

function chat(res, { model, stream }, { thought, text, call }) {
  const usage = {
    prompt_tokens: 20,
    completion_tokens: 6,
    total_tokens: 26,
    prompt_tokens_details: { cached_tokens: 5 },
  };
  const base = { id: nextId('c'), created: 1, model };
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
  if (thought) chunk({ reasoning_content: thought });
  for (const piece of pieces(text)) chunk({ content: piece });
  if (call) {
    const written = { name: call.name, arguments: JSON.stringify(call.input) };
    chunk({ tool_calls: [{ index: 0, id: call.id, type: 'function', function: written }] });
  }
  chunk({}, call ? 'tool_calls' : 'stop');
  send(null, { ...base, object: 'chat.completion.chunk', choices: [], usage });
  res.end('data: [DONE]\n\n');
}

function gemini(res, _body, { thought, text, call }, url) {
  const usageMetadata = {
    promptTokenCount: 20,
    candidatesTokenCount: 6,
    totalTokenCount: 26,
    cachedContentTokenCount: 5,
  };
  const parts = [
    ...(thought ? [{ text: thought, thought: true }] : []),
    { text },
    ...(call ? [{ functionCall: { name: call.name, args: call.input } }] : []),
  ];
  const answer = {
    candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0 }],
    usageMetadata,
    modelVersion: 'gemini-stub',
    responseId: nextId('r'),
  };
  if (!url.includes('stream')) return json(res, answer);
  sse(res, false)(null, answer);
  res.end();
}
