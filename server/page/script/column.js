// One of two continuations of the editor's text, side by side.

class Column {
  #pieces = [];  // as the editor's
  #text = "";

  constructor(letter, editor) {
    this.editor = editor;
    const input = (name, title, more) =>
      make("input", { type: "number", step: "any", ...more, "aria-label": `${name} of ${letter}`, title });
    this.temperature = input("Temperature", "Empty: as in the settings", { min: 0 });
    this.seed = input("Seed", "Empty: as in the settings, or another one each time", { placeholder: "random" });
    this.code = make("button", { type: "button", ariaLabel: `Code of ${letter}` }, "Code");
    this.keep = make("button", { type: "button", disabled: true, title: "Makes this the text", ariaLabel: `Keep ${letter}` }, "Keep");
    this.element = make("div", { className: "text", tabIndex: 0, role: "group", "aria-label": `Continuation ${letter}` });
    this.status = make("span", { role: "status" });
    this.root = make("article", { className: "column", "aria-label": `Continuation ${letter}` },
      make("header", {}, make("strong", {}, letter),
        make("label", {}, "Temp.", this.temperature), make("label", {}, "Seed", this.seed),
        make("span", { className: "gap" }), this.code, this.keep),
      this.element, make("p", { className: "facts" }, this.status));
  }

  get prompt() { return this.editor.text + this.#text; }

  // What this column asks for in other ways than the settings do.
  fields() {
    const fields = {};
    if (this.temperature.value !== "") fields.temperature = this.temperature.valueAsNumber;
    if (this.seed.value !== "") fields.seed = this.seed.valueAsNumber;
    return fields;
  }

  state() { return { text: this.#text, pieces: [...this.#pieces] }; }
  restore({ text, pieces }) {
    this.#text = text;
    this.#pieces = [...pieces];
    this.element.replaceChildren(...pieces.map(({ span }) => span));
    this.keep.disabled = text === "";
  }
  clear() {
    this.restore({ text: "", pieces: [] });
    this.status.textContent = "";
  }

  append(pieces) {
    const { element } = this;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    for (const { text, token } of pieces) {
      const piece = { text: withPlainLines(text), token };
      const span = tokenSpan(piece);
      this.#pieces.push({ start: this.#text.length, end: this.#text.length + piece.text.length, token, span });
      this.#text += piece.text;
      element.append(span);
    }
    this.keep.disabled = this.#text === "";
    if (atEnd) element.scrollTop = element.scrollHeight;
  }

  cut(offset) {
    this.restore({ text: this.#text.slice(0, offset), pieces: this.#pieces.filter(({ end }) => end <= offset) });
  }

  // As new pieces of another text.
  asPieces() {
    return this.#pieces.map(({ start, end, token }) => ({ text: this.#text.slice(start, end), token }));
  }

  pieceAtCursor() { return this.#pieces[0]; }
  pieceBeside(piece, step) { return this.#pieces[this.#pieces.indexOf(piece) + step]; }
  pieceUnder(x, y) {
    const span = document.elementFromPoint(x, y);
    return this.#pieces.find((piece) => piece.span === span);
  }
}
