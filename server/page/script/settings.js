// The settings: they show what the server does by itself, and only what differs is sent.

const kControls = [
  { name: "max_tokens", label: "Max tokens", hint: "Where a continuation ends at the latest", min: 1, max: 512, step: 1 },
  { name: "temperature", label: "Temperature", hint: "0 takes the most likely token always; higher is bolder", min: 0, max: 2, step: 0.05 },
  { name: "top_p", label: "Top p", hint: "Among the likeliest tokens that hold this probability; 1: off", min: 0, max: 1, step: 0.01 },
  { name: "top_k", label: "Top k", hint: "Among the k likeliest tokens; 0: off", min: 0, max: 200, step: 1 },
  { name: "min_p", label: "Min p", hint: "Drops tokens less likely than this part of the likeliest; 0: off", min: 0, max: 1, step: 0.01 },
  { name: "seed", label: "Seed", hint: "The same seed, the same text; empty: another one each time", step: 1 },
  { name: "repetition_penalty", label: "Repetition", hint: "Divides the logits of tokens that were there; 1: off", min: 0.5, max: 2, step: 0.01, penalty: true },
  { name: "presence_penalty", label: "Presence", hint: "Lowers the logits of tokens that were generated; 0: off", min: -2, max: 2, step: 0.05, penalty: true },
  { name: "frequency_penalty", label: "Frequency", hint: "The same for each time they were; 0: off", min: -2, max: 2, step: 0.05, penalty: true },
];
const kWantedTokens = 128;  // a server's own 16 are few for reading
const kSwitches = ["ignore-end", "colours", "score-prompt"];

class Control {
  constructor(description, changed) {
    const { name, label, hint, min, max, step } = description;
    this.name = name;
    this.number = make("input", { type: "number", id: `setting-${name}`, min: min ?? "", step, title: hint });
    this.reset = make("button", { type: "button", className: "default", disabled: true });
    this.slider = min === undefined ? null
      : make("input", { type: "range", min, max, step, tabIndex: -1, "aria-hidden": "true" });
    this.row = make("div", { className: "control" },
      make("label", { htmlFor: this.number.id, title: hint }, label), this.reset, this.number);
    if (this.slider) this.row.append(this.slider);
    this.number.oninput = () => this.#show(changed);
    this.slider?.addEventListener("input", () => {
      this.number.value = this.slider.value;
      this.#show(changed);
    });
    this.reset.onclick = () => {
      this.set(this.standard);
      changed();
      this.number.focus();
    };
    this.useDefault(null);
  }

  // The number, or null where there is none.
  get value() {
    return this.number.value === "" ? null : this.number.valueAsNumber;
  }

  // Somebody types into it.
  get isInUse() {
    return document.activeElement === this.number;
  }

  get isChanged() {
    return this.value !== null && this.value !== this.standard;
  }

  set(value) {
    this.number.value = value ?? "";
    this.#show();
  }

  // What the server takes by itself; null: no number.
  useDefault(standard) {
    const follows = !this.isChanged && !this.isInUse;
    this.standard = standard;
    this.number.placeholder = standard ?? (this.slider ? "" : "random");
    this.set(follows ? standard : this.value);
  }

  #show(changed = () => {}) {
    if (this.slider) this.slider.value = this.value ?? this.standard;
    const standard = this.standard ?? "random";
    this.reset.textContent = this.isChanged ? `reset to ${standard}` : `default ${standard}`;
    this.reset.disabled = !this.isChanged;
    this.reset.hidden = this.standard === null && !this.isChanged;
    changed();
  }
}

class Settings {
  onChange = () => {};

  constructor() {
    const kept = memory.get("settings", {});
    const keep = () => this.#keep();
    this.controls = new Map();
    for (const description of kControls) {
      const control = new Control(description, keep);
      this.controls.set(description.name, control);
      byId(description.penalty ? "penalty-controls" : "sampling").append(control.row);
      control.set(kept[description.name]);
    }
    byId("penalties").open = kControls.some(({ name, penalty }) => penalty && name in kept);
    byId("stop-strings").value = kept.stop ?? "";
    byId("stop-strings").oninput = keep;
    for (const name of kSwitches) {
      byId(name).checked = kept[name] ?? byId(name).checked;
      byId(name).onchange = keep;
    }
    byId("typeface").value = kept.typeface ?? "serif";
    byId("typeface").onchange = keep;
    byId("reset-all").onclick = () => this.#resetAll();
    this.isNew = kept.max_tokens == null;
    this.#look();
  }

  // What GET /v1/defaults says.
  useDefaults({ sampling, max_model_len: context }) {
    for (const [name, control] of this.controls) control.useDefault(sampling[name] ?? null);
    const length = this.controls.get("max_tokens");
    length.slider.max = Math.min(context, 1024);
    if (this.isNew && !length.isInUse) length.set(Math.min(kWantedTokens, Math.floor(context / 4)));
    this.isNew = false;
    this.onChange();
  }

  // The fields of a request that are not the server's defaults; of the seed, any that is set.
  fields() {
    const fields = {};
    for (const [name, control] of this.controls) if (control.isChanged) fields[name] = control.value;
    const stop = byId("stop-strings").value.split("\n").filter((line) => line !== "");
    if (stop.length > 0) fields.stop = stop.map((line) => line.replaceAll("\\n", "\n"));
    if (byId("ignore-end").checked) fields.ignore_eos = true;
    return fields;
  }

  // What counts for a field, sent or not.
  valueOf(name) {
    const { value, standard } = this.controls.get(name);
    return value ?? standard;
  }

  get scoresPrompt() {
    return byId("score-prompt").checked;
  }

  #resetAll() {
    for (const control of this.controls.values()) control.set(control.standard);
    byId("stop-strings").value = "";
    byId("ignore-end").checked = false;
    this.#keep();
  }

  #keep() {
    const kept = { stop: byId("stop-strings").value, typeface: byId("typeface").value };
    for (const [name, control] of this.controls) if (control.isChanged) kept[name] = control.value;
    for (const name of kSwitches) kept[name] = byId(name).checked;
    kept.max_tokens = this.controls.get("max_tokens").value;
    memory.set("settings", kept);
    this.#look();
    this.onChange();
  }

  #look() {
    const { dataset } = document.documentElement;
    dataset.face = byId("typeface").value;
    dataset.colours = byId("colours").checked ? "on" : "off";
  }
}
