// The server's API. Addresses are relative to the page, so that it works behind a proxy's prefix.

class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const server = {
  key: tabMemory.get("key", ""),

  address: (path) => new URL(path, document.baseURI).href,

  useKey(key) {
    this.key = key;
    tabMemory.set("key", key);
  },

  async ask(path, { body, signal } = {}) {
    const headers = {};
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    if (body) headers["Content-Type"] = "application/json";
    const method = body ? "POST" : "GET";
    const reply = await fetch(this.address(path),
      { method, headers, signal, body: body && JSON.stringify(body), cache: "no-store" });
    if (!reply.ok) throw new ServerError(reply.status, await messageOf(reply));
    return reply;
  },

  async json(path, body) {
    return (await this.ask(path, { body })).json();
  },

  // The chunks of a streamed completion.
  async* complete(request, signal) {
    const body = { ...request, stream: true };
    for await (const data of eventsOf(await this.ask("v1/completions", { body, signal }))) {
      signal.throwIfAborted();  // else what has come already would still be shown
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ServerError(chunk.error.code, chunk.error.message);
      yield chunk;
    }
    throw new ServerError(0, "The connection ended before the text did.");
  },

  // How many tokens a text has; null where the server cannot say.
  async tokensIn(text) {
    if (text === "") return 0;
    try {
      return (await this.json("tokenize", { prompt: text })).count;
    } catch {
      return null;
    }
  },
};

async function messageOf(reply) {
  const text = await reply.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return `The server answered ${reply.status} ${reply.statusText}.`;
  }
}

// The data of server-sent events.
async function* eventsOf(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) if (event.startsWith("data: ")) yield event.slice(6);
  }
}
