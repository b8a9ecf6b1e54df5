// A request as code: for curl, and for Python with OpenAI's package.

const kKeyVariable = "LOCKSTEP_API_KEY";
// What that package takes by name; the rest goes as extra_body.
const kOpenAiFields = new Set(["model", "prompt", "max_tokens", "temperature", "top_p", "stop", "seed",
  "presence_penalty", "frequency_penalty"]);

function asCurl(request) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`curl ${server.address("v1/completions")}`, "-H 'Content-Type: application/json'"];
  if (server.key) lines.push(`-H "Authorization: Bearer $${kKeyVariable}"`);
  lines.push(`-d ${quoted(JSON.stringify(request, null, 2))}`);
  return lines.join(" \\\n  ");
}

// JSON is Python but for true and false; null is never sent.
function asPythonValue(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  return JSON.stringify(value);
}

function asPython(request) {
  const key = server.key ? `os.environ["${kKeyVariable}"]` : '"none"';
  const fields = Object.entries(request);
  const named = fields.filter(([name]) => kOpenAiFields.has(name));
  const others = fields.filter(([name]) => !kOpenAiFields.has(name));
  const extra = others.map(([name, value]) => `"${name}": ${asPythonValue(value)}`).join(", ");
  return [
    ...(server.key ? ["import os", ""] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${server.address("v1")}", api_key=${key})`,
    "stream = client.completions.create(",
    ...named.map(([name, value]) => `    ${name}=${asPythonValue(value)},`),
    ...(extra ? [`    extra_body={${extra}},`] : []),
    "    stream=True,",
    ")",
    "for chunk in stream:",
    "    print(chunk.choices[0].text, end=\"\", flush=True)",
  ].join("\n");
}

// Pages that are not served by this machine or by TLS may not use the clipboard's own interface.
async function copyText(text, beside) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = make("textarea", { value: text, className: "hidden" });
  beside.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

class CodeDialog {
  #dialog = byId("code");
  #tabs = { curl: byId("tab-curl"), python: byId("tab-python") };
  #request = null;
  #language = "curl";

  constructor() {
    for (const [language, tab] of Object.entries(this.#tabs)) tab.onclick = () => this.#choose(language);
    byId("tab-curl").parentNode.onkeydown = ({ key }) => {
      if (key !== "ArrowLeft" && key !== "ArrowRight") return;
      this.#choose(this.#language === "curl" ? "python" : "curl");
      this.#tabs[this.#language].focus();
    };
    byId("close-code").onclick = () => this.#dialog.close();
    byId("copy").onclick = async () => {
      await copyText(byId("code-text").textContent, this.#dialog);
      byId("copied").textContent = "copied";
    };
  }

  show(request, note) {
    this.#request = request;
    byId("code-note").textContent = note;
    this.#choose(this.#language);
    this.#dialog.showModal();
    byId("copy").focus();
  }

  #choose(language) {
    this.#language = language;
    for (const [name, tab] of Object.entries(this.#tabs)) {
      tab.ariaSelected = String(name === language);
      tab.tabIndex = name === language ? 0 : -1;
    }
    byId("code-text").setAttribute("aria-labelledby", this.#tabs[language].id);
    byId("code-text").textContent = (language === "curl" ? asCurl : asPython)(this.#request);
    byId("copied").textContent = "";
  }
}
