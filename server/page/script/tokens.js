// Tokens as a completion's log-probabilities tell of them, and what they look like.

// The tokens of a chunk: { text, logprob, top: [[text, logprob], …] } with the likeliest first. The
// first token of a prompt follows on nothing and has no logprob.
function tokensOf(logprobs) {
  if (!logprobs) return [];
  return logprobs.tokens.map((text, i) => ({
    text,
    logprob: logprobs.token_logprobs[i],
    top: Object.entries(logprobs.top_logprobs?.[i] ?? {}).sort((a, b) => b[1] - a[1]),
  }));
}

// Finds which part of a stream's text each token has written. They come apart: a character may take
// several tokens, and text that could begin a stop string comes later than its tokens.
class TokenJoiner {
  #waiting = [];

  // Pieces { text, token } that make up `text`; a token is null where there are no log-probabilities.
  join(text, tokens) {
    this.#waiting.push(...tokens);
    const pieces = [];
    while (text !== "" && this.#waiting[0]?.text && text.startsWith(this.#waiting[0].text)) {
      const token = this.#waiting.shift();
      pieces.push({ text: token.text, token });
      text = text.slice(token.text.length);
    }
    if (text === "") return pieces;
    pieces.push({ text, token: this.#waiting[0] ?? null });
    this.#waiting = [];
    return pieces;
  }
}

const kLeastProbability = [0.8, 0.5, 0.25, 0.1, 0.03, 0.01];  // of the colours p0, p1, …; then p6

function colourOf(token) {
  if (!token || token.logprob === null) return "";
  const level = kLeastProbability.findIndex((least) => Math.exp(token.logprob) >= least);
  return level < 0 ? "p6" : `p${level}`;
}

function percent(logprob) {
  const value = 100 * Math.exp(logprob);
  if (value > 0 && value < 0.01) return "<0.01 %";
  return `${value.toFixed(value < 1 ? 2 : 1)} %`;
}

// A token's text with its white space visible.
function visible(text) {
  const marks = { " ": "·", "\n": "⏎", "\t": "⇥" };
  const parts = text.split(/([ \n\t])/).filter((part) => part !== "");
  return parts.map((part) => part in marks ? make("span", { className: "blank" }, marks[part]) : part);
}

// The span of a piece in a text.
function tokenSpan(piece) {
  return make("span", { className: `token ${colourOf(piece.token)}` }, piece.text);
}
