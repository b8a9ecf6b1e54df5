// The parts put together: buttons, keys, undo, and what the server tells of itself.

const kMostStates = 100;
const kThemes = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };

const page = {
  model: undefined,
  context: Infinity,  // tokens that a text may have
  endToken: undefined,
  settings: new Settings(),
  past: [],    // states of the editor
  future: [],
  isEdited: false,  // since the last of these
  isComparing: false,

  onRun() {
    const running = everyWriter().some((one) => one.isRunning);
    editor.isLocked = running;
    byId("continue").hidden = running;
    byId("stop").hidden = !running;
    byId("regenerate").disabled = !shownWriters().some((one) => one.canRegenerate);
    byId("undo").disabled = running || page.past.length === 0;
    byId("redo").disabled = running || page.future.length === 0;
    // Screen readers are told the end, not each token.
    for (const status of document.querySelectorAll("[role=status]")) status.ariaBusy = String(running);
    if (running) return;
    memory.set("text", editor.text);
    countTokens();
  },

  onError(error) {
    if (error.status === 401) return askForKey();
    notify(error instanceof ServerError ? error.message : `The server does not answer: ${error.message}`);
  },
};

const editor = new Editor(() => {
  page.isEdited = true;
  writer.forget();
  for (const { sheet } of columnWriters) sheet.clear();
  for (const one of columnWriters) one.forget();
  page.onRun();
});

function say(words, seed) {
  byId("status").textContent = words;
  if (seed === undefined || page.settings.fields().seed !== undefined) return;
  const keep = make("button", { type: "button", title: "Use this seed from now on" }, `seed ${seed}`);
  keep.onclick = () => {
    page.settings.controls.get("seed").set(seed);
    byId("setting-seed").dispatchEvent(new Event("input"));
    keep.replaceWith(`seed ${seed}`);
  };
  byId("status").append(" · ", keep);
}

const writer = new Writer(editor, { fields: () => page.settings.fields(), say, page });
const columnWriters = ["A", "B"].map((letter) => {
  const column = new Column(letter, editor);
  byId("columns").append(column.root);
  return new Writer(column, {
    fields: () => ({ ...page.settings.fields(), ...column.fields() }),
    say: (words, seed) => { column.status.textContent = seed === undefined ? words : `${words} · seed ${seed}`; },
    page,
  });
});
const everyWriter = () => [writer, ...columnWriters];
const shownWriters = () => (page.isComparing ? columnWriters : [writer]);

const code = new CodeDialog();
const alternatives = new Alternatives((sheet, piece, choice) => {
  const one = everyWriter().find((each) => each.sheet === sheet);
  notify();
  if (one === writer) remember();
  return one.pick(piece, choice).then(() => page.onRun());
});

// Undo goes back to the text as it is now.
function remember() {
  page.past = [...page.past, editor.state()].slice(-kMostStates);
  page.future = [];
  page.isEdited = false;
}

function travel(from, to) {
  if (from.length === 0 || editor.isLocked) return;
  to.push(editor.state());
  editor.restore(from.pop());
  page.isEdited = false;
  writer.forget();
  say("");
  page.onRun();
}
const undo = () => travel(page.past, page.future);
const redo = () => travel(page.future, page.past);

function goOn() {
  if (editor.isLocked) return;
  notify();
  if (!page.isComparing) remember();
  for (const one of shownWriters()) one.go();
  editor.focusAtEnd();
}

function regenerate() {
  const able = shownWriters().filter((one) => one.canRegenerate);
  if (able.length === 0 || editor.isLocked) return;
  notify();
  if (!page.isComparing) remember();
  for (const one of able) one.regenerate();
}

const stop = () => everyWriter().forEach((one) => one.stop());

function compare() {
  stop();
  page.isComparing = !page.isComparing;
  byId("compare").ariaPressed = String(page.isComparing);
  byId("columns").hidden = !page.isComparing;
  byId("open-code").hidden = page.isComparing;  // each column has its own
  say("");
  page.onRun();
  editor.showEnd();
}

// A column's text becomes the editor's.
function keep({ sheet }) {
  stop();
  remember();
  editor.append(sheet.asPieces());
  for (const one of columnWriters) {
    one.sheet.clear();
    one.forget();
  }
  writer.forget();
  page.onRun();
  editor.focusAtEnd();
}

function showCode(one) {
  code.show(one.request ?? one.nextRequest(),
    one.request ? "It gives the continuation that you see once more." : "The text as it is now, with these settings.");
}

const countTokens = afterPause(250, async () => {
  const { text } = editor;
  const tokens = await server.tokensIn(text);
  if (text !== editor.text || tokens === null) return;
  const words = [`${tokens} of ${page.context} tokens`];
  const endsInSpace = text.endsWith(" ");
  if (endsInSpace) words.unshift("ends in a space");
  byId("count").textContent = words.join(" · ");
  byId("count").title = endsInSpace ? "Most tokens begin with one: models go on better behind a word" : "";
});

function askForKey() {
  byId("access").hidden = false;
  showSettings(true);
  byId("access-why").textContent = server.key === "" ? "This server asks for an API key. It is kept until this tab is closed."
    : "The server does not take this key.";
  byId("key").focus();
}

async function meetServer() {
  try {
    const defaults = await server.json("v1/defaults");
    page.model = defaults.model;
    page.context = defaults.max_model_len;
    page.settings.useDefaults(defaults);
    const ranks = `${defaults.ranks} ${defaults.ranks === 1 ? "rank" : "ranks"}`;
    byId("model").textContent = `${page.model} · ${ranks}`;
    byId("model").title = `Lockstep ${defaults.version}`;
    page.endToken = (await server.json("tokenizer_info")).eos_token;
    countTokens();
  } catch (error) {
    page.onError(error);
  }
}

function useTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").title = byId("theme").ariaLabel = kThemes[theme];
  memory.set("theme", theme);
}

function nextTheme() {
  const names = Object.keys(kThemes);
  useTheme(names[(names.indexOf(memory.get("theme", "auto")) + 1) % names.length]);
}

function showSettings(shown) {
  byId("settings").classList.toggle("shown", shown);
  byId("open-settings").ariaExpanded = String(shown);
}

function takeKey(event) {
  if (document.querySelector("dialog[open]")) return;
  const withControl = event.ctrlKey || event.metaKey;
  const inText = event.target === editor.element;
  const act = (action) => {
    event.preventDefault();
    action();
  };
  if (event.key === "Enter" && withControl) return act(goOn);
  if (event.key === "Enter" && event.altKey) return act(regenerate);
  if (event.key === "Escape") return act(() => (stop(), alternatives.hide(), showSettings(false)));
  if (!withControl || !inText || page.isEdited) return;  // the browser undoes what was typed
  const key = event.key.toLowerCase();
  if (key === "y" || (key === "z" && event.shiftKey)) return act(redo);
  if (key === "z") act(undo);
}

byId("continue").onclick = goOn;
byId("stop").onclick = () => (stop(), editor.element.focus());
byId("regenerate").onclick = regenerate;
byId("undo").onclick = undo;
byId("redo").onclick = redo;
byId("compare").onclick = compare;
byId("open-code").onclick = () => showCode(writer);
byId("theme").onclick = nextTheme;
byId("open-help").onclick = () => byId("help").showModal();
byId("open-settings").onclick = () => showSettings(!byId("settings").classList.contains("shown"));
byId("access").onsubmit = (event) => {
  event.preventDefault();
  server.useKey(byId("key").value.trim());
  byId("access").hidden = true;
  notify();
  meetServer();
};
for (const one of columnWriters) {
  one.sheet.keep.onclick = () => keep(one);
  one.sheet.code.onclick = () => showCode(one);
}
for (const { sheet } of everyWriter()) alternatives.watch(sheet);
page.settings.onChange = () => {
  for (const { sheet } of columnWriters) sheet.temperature.placeholder = page.settings.valueOf("temperature") ?? "";
};
addEventListener("keydown", takeKey);

useTheme(memory.get("theme", "auto"));
new Ranks();
editor.restore({ text: memory.get("text", ""), pieces: [] });
editor.focusAtEnd();
meetServer();
