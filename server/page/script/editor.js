// The text: a field to type into, and below it, letter on letter, the colours of its tokens.

const kSentinel = "\u200b";  // gives a last line that is empty its height

// As a text field keeps line ends.
const withPlainLines = (text) => text.replace(/\r\n?/g, "\n");

class Editor {
  #area = byId("text");
  #mirror = byId("mirror");
  #paper = byId("paper");
  #pieces = [];  // { start, end, token, span }, in order; text between them was typed
  #text = "";    // of the field, as of the last time that it was looked at, and what has come since
  #frame = 0;    // in which the field will be shown what has come; 0: it has it

  // onEdit: called when the user has changed the text.
  constructor(onEdit) {
    this.#draw();
    this.#area.addEventListener("input", () => {
      this.#takeEdit();
      onEdit();
    });
  }

  get text() { return this.#text; }
  // What the model is to go on from.
  get prompt() { return this.#text; }
  get element() { return this.#area; }
  get isLocked() { return this.#area.readOnly; }
  set isLocked(locked) {
    this.#showText();
    this.#area.readOnly = locked;
  }

  // Both as Undo needs them.
  state() { return { text: this.#text, pieces: [...this.#pieces] }; }
  restore({ text, pieces }) {
    this.#text = text;
    this.#pieces = [...pieces];
    this.#showText();
    this.#draw();
  }

  append(pieces) {
    for (const { text, token } of pieces) this.#appendOne(withPlainLines(text), token);
    this.#frame ||= requestAnimationFrame(() => this.#showText());
  }

  // Takes away what is behind an offset.
  cut(offset) {
    this.restore({ text: this.#text.slice(0, offset), pieces: this.#pieces.filter(({ end }) => end <= offset) });
  }

  // The piece that holds a character, or ends there.
  pieceAt(offset) {
    return this.#pieces.find(({ start, end }) => start <= offset && offset < end)
      ?? this.#pieces.findLast(({ end }) => end === offset);
  }
  pieceAtCursor() { return this.pieceAt(this.#area.selectionStart); }
  pieceBeside(piece, step) { return this.#pieces[this.#pieces.indexOf(piece) + step]; }

  // The piece below a point of the window; the field lies on top of it.
  pieceUnder(x, y) {
    const span = document.elementsFromPoint(x, y).find((one) => one.parentNode === this.#mirror);
    return span && this.#pieces.find((piece) => piece.span === span);
  }

  showEnd() { this.#paper.scrollTop = this.#paper.scrollHeight; }
  focusAtEnd() {
    this.#area.focus({ preventScroll: true });
    this.#area.setSelectionRange(this.#text.length, this.#text.length);
  }

  // A long text takes its time: once for all tokens of a frame.
  #showText() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#area.value === this.#text) return;
    const atEnd = this.#paper.scrollHeight - this.#paper.scrollTop - this.#paper.clientHeight < 150;
    this.#area.value = this.#text;
    if (atEnd) this.showEnd();
  }

  #appendOne(text, token) {
    const start = this.#text.length;
    this.#text += text;
    const span = tokenSpan({ text, token });
    this.#pieces.push({ start, end: this.#text.length, token, span });
    this.#mirror.lastChild.before(span);
  }

  // Behind a change the probabilities are those of another text: those tokens become typed text.
  #takeEdit() {
    const text = this.#area.value;
    let same = 0;
    while (same < text.length && text[same] === this.#text[same]) ++same;
    this.#text = text;
    this.#pieces = this.#pieces.filter(({ end }) => end <= same);
    this.#draw();
  }

  #draw() {
    const parts = [];
    let from = 0;
    for (const { start, end, span } of this.#pieces) {
      if (from < start) parts.push(this.#text.slice(from, start));
      parts.push(span);
      from = end;
    }
    this.#mirror.replaceChildren(...parts, this.#text.slice(from), kSentinel);
  }
}
