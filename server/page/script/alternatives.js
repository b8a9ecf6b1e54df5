// The tokens that could have come in a piece's place: shown where the pointer rests, or at the
// cursor by Alt and arrow down. Choosing one goes on from there.

const kRestMilliseconds = 140;
const kLeaveMilliseconds = 260;

class Alternatives {
  #box = byId("alternatives");
  #shown = null;  // { sheet, piece }
  #timer = 0;
  #wanted;        // the piece that the timer is for

  // onPick(sheet, piece, [text, logprob]).
  constructor(onPick) {
    this.onPick = onPick;
    this.#box.onpointerenter = () => clearTimeout(this.#timer);
    this.#box.onpointerleave = () => this.#leave();
    this.#box.onkeydown = (event) => this.#takeKey(event);
    addEventListener("scroll", () => this.#hasFocus || this.hide(), { capture: true, passive: true });
    addEventListener("pointerdown", (event) => this.#box.contains(event.target) || this.hide());
  }

  get #hasFocus() { return this.#box.contains(document.activeElement); }

  // Shows a sheet's alternatives to pointer and keyboard.
  watch(sheet) {
    const { element } = sheet;
    let touches = false;
    element.addEventListener("pointermove", ({ clientX, clientY, pointerType, buttons }) => {
      if (pointerType === "mouse" && buttons === 0) this.#rest(sheet, sheet.pieceUnder(clientX, clientY));
    });
    element.addEventListener("pointerleave", () => this.#leave());
    element.addEventListener("pointerdown", ({ pointerType }) => { touches = pointerType !== "mouse"; });
    element.addEventListener("mousedown", (event) => {
      if (!touches || document.activeElement === element) return;
      const piece = sheet.pieceUnder(event.clientX, event.clientY);
      if (!piece?.token) return;
      event.preventDefault();  // no keyboard on the screen, which would hide the list
      this.show(sheet, piece);
    });
    element.addEventListener("input", () => this.hide());
    element.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" || !event.altKey) return;
      const piece = sheet.pieceAtCursor();
      if (!piece?.token) return;
      event.preventDefault();
      this.show(sheet, piece);
      this.#focus();
    });
  }

  show(sheet, piece) {
    clearTimeout(this.#timer);
    this.#shown?.piece.span.classList.remove("open");
    this.#shown = { sheet, piece };
    piece.span.classList.add("open");
    this.#fill(piece.token);
    this.#box.hidden = false;
    this.#place(piece.span);
  }

  hide() {
    clearTimeout(this.#timer);
    this.#wanted = undefined;
    if (!this.#shown) return;
    const { sheet, piece } = this.#shown;
    const hadFocus = this.#hasFocus;
    piece.span.classList.remove("open");
    this.#shown = null;
    this.#box.hidden = true;
    if (hadFocus) sheet.element.focus({ preventScroll: true });
  }

  #rest(sheet, piece) {
    if (piece === this.#wanted || this.#hasFocus) return;
    if (!piece?.token) return this.#leave();
    clearTimeout(this.#timer);
    this.#wanted = piece;
    this.#timer = setTimeout(() => this.show(sheet, piece), kRestMilliseconds);
  }

  #leave() {
    if (this.#hasFocus) return;
    this.#wanted = undefined;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.hide(), kLeaveMilliseconds);
  }

  #fill({ text, logprob, top }) {
    const about = logprob === null ? "The first token follows on nothing."
      : `${percent(logprob)}, log-probability ${logprob.toFixed(2).replace("-", "−")}`;
    const items = top.map((one) => make("li", {}, this.#button(one, one[0] === text)));
    this.#box.replaceChildren(make("p", {}, about), make("ul", { "aria-label": "Go on from" }, ...items));
  }

  #button([text, logprob], isChosen) {
    const isPart = text.includes("\ufffd");
    const bar = make("i", { "aria-hidden": "true" });
    bar.style.width = `${100 * Math.exp(logprob)}%`;
    const button = make("button", {
      type: "button", className: isChosen ? "chosen" : "", disabled: isPart,
      title: isPart ? "A part of a character: no text can go on from it" : "Go on from here",
    }, bar, make("code", {}, ...visible(text)), make("span", {}, percent(logprob)));
    if (isChosen) button.setAttribute("aria-current", "true");
    button.onclick = () => {
      const { sheet, piece } = this.#shown;
      this.hide();
      this.onPick(sheet, piece, [text, logprob]);
    };
    return button;
  }

  #place(span) {
    const token = span.getClientRects()[0] ?? span.getBoundingClientRect();
    const box = this.#box.getBoundingClientRect();
    const below = token.bottom + 6, above = token.top - 6 - box.height;
    const top = below + box.height < innerHeight || above < 0 ? below : above;
    this.#box.style.left = `${Math.max(8, Math.min(token.left - 8, innerWidth - box.width - 8))}px`;
    this.#box.style.top = `${Math.max(8, Math.min(top, innerHeight - box.height - 8))}px`;
  }

  #focus() {
    (this.#box.querySelector(".chosen:enabled") ?? this.#box.querySelector("button:enabled"))?.focus();
  }

  #takeKey(event) {
    const buttons = [...this.#box.querySelectorAll("button:enabled")];
    const at = buttons.indexOf(document.activeElement);
    const { sheet, piece } = this.#shown;
    const beside = (step) => {
      const next = sheet.pieceBeside(piece, step);
      if (!next?.token) return;
      next.span.scrollIntoView({ block: "nearest" });
      this.show(sheet, next);
      this.#focus();
    };
    const actions = {
      ArrowDown: () => buttons[(at + 1) % buttons.length]?.focus(),
      ArrowUp: () => buttons.at(at - 1)?.focus(),
      Home: () => buttons[0]?.focus(),
      End: () => buttons.at(-1)?.focus(),
      ArrowLeft: () => beside(-1),
      ArrowRight: () => beside(1),
      Escape: () => this.hide(),
      Tab: () => this.hide(),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }
}
