// Lets the model go on in a sheet: the editor, or a column beside another.

const kAlternatives = 8;
const kMostSeed = 2 ** 31;

const wordsOfEnd = { length: "max tokens reached", full: "the context is full", stop: "the text has ended", stopped: "stopped" };

class Writer {
  #abort = null;
  #ended = Promise.resolve();
  #isCut = false;  // the run's max_tokens, by what the context has room for
  #start = null;   // the sheet's state before the last run, as long as nobody has edited
  request = null;  // of that run

  // fields(): of the request; say(words, seed): what there is to tell; page: page.js's.
  constructor(sheet, { fields, say, page }) {
    this.sheet = sheet;
    this.fields = fields;
    this.say = say;
    this.page = page;
  }

  get isRunning() { return this.#abort !== null; }
  get canRegenerate() { return this.#start !== null && !this.isRunning; }

  // The sheet is another one: what was done last can't be done again.
  forget() {
    this.#start = null;
    this.request = null;
  }

  stop() {
    this.#abort?.abort();
    return this.#ended;
  }

  // What would be sent now.
  nextRequest() {
    return { model: this.page.model, prompt: this.sheet.prompt, ...this.fields() };
  }

  async regenerate() {
    const start = this.#start;
    await this.stop();
    this.sheet.restore(start);
    await this.go();
  }

  // Goes on from another token in the place of a piece.
  async pick(piece, [text, logprob]) {
    await this.stop();
    this.sheet.cut(piece.start);
    if (text === this.page.endToken) {
      this.forget();
      return this.say("ended here");
    }
    this.sheet.append([{ text, token: { ...piece.token, text, logprob } }]);
    await this.go();
  }

  go() {
    this.#abort = new AbortController();
    this.#start = this.sheet.state();
    this.#ended = this.#run(this.#abort.signal).catch((error) => this.page.onError(error)).finally(() => {
      this.#abort = null;
      this.page.onRun();
    });
    this.page.onRun();
    return this.#ended;
  }

  async #run(signal) {
    const request = this.request = await this.#makeRequest();
    const echo = this.page.settings.scoresPrompt && this.sheet instanceof Editor;
    const sent = { ...request, logprobs: kAlternatives, ...(echo && { echo }) };
    const joiner = new TokenJoiner();
    const times = new Times();
    let end = "";
    this.say("…");
    try {
      for await (const { choices: [choice] } of server.complete(sent, signal)) {
        if (!choice) continue;
        if (times.count === 0 && echo) this.sheet.cut(0);  // it comes again, with probabilities
        this.sheet.append(joiner.join(choice.text, tokensOf(choice.logprobs)));
        times.add();
        end = choice.finish_reason === "length" && this.#isCut ? "full" : choice.finish_reason ?? end;
        this.say(times.words());
      }
    } catch (error) {
      if (!signal.aborted) {
        this.say(times.count > 0 ? `${times.words()} · broken off` : "");
        throw error;
      }
      end = "stopped";
    }
    this.say([times.words(), wordsOfEnd[end] ?? end].filter(Boolean).join(" · "), request.seed);
  }

  // A seed that the page chooses, so that the text can be had again; no more tokens than fit.
  async #makeRequest() {
    const request = this.nextRequest();
    request.seed ??= Math.floor(Math.random() * kMostSeed);
    const tokens = await server.tokensIn(request.prompt);
    const asked = this.page.settings.valueOf("max_tokens");
    const room = this.page.context - tokens;
    this.#isCut = tokens !== null && room > 0 && asked > room;
    if (this.#isCut) request.max_tokens = room;
    return request;
  }
}

// How fast tokens come.
class Times {
  #begun = performance.now();
  #first = 0;
  #last = 0;
  count = 0;

  add() {
    this.#last = performance.now();
    if (this.count++ === 0) this.#first = this.#last;
  }

  get firstMilliseconds() { return this.#first - this.#begun; }

  words() {
    if (this.count === 0) return "";
    const words = [`${this.count} ${this.count === 1 ? "token" : "tokens"}`];
    const seconds = (this.#last - this.#first) / 1000;
    if (seconds > 0.05) words.push(`${formatRate((this.count - 1) / seconds)}/s`);
    words.push(`first ${formatMilliseconds(this.firstMilliseconds)}`);
    return words.join(" · ");
  }
}

const formatRate = (rate) => (rate < 10 ? rate.toFixed(1) : rate.toFixed(0));
const formatMilliseconds = (time) => (time < 1000 ? `${time.toFixed(0)} ms` : `${(time / 1000).toFixed(1)} s`);
