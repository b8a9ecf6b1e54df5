// Short names for what every part does to the document.

const byId = (id) => document.getElementById(id);

// An element with its properties (or attributes, where there is no such property) and children.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// What the browser keeps. It may refuse to: then nothing is kept.
const memoryIn = (storage) => ({
  get(name, otherwise) {
    try {
      return JSON.parse(window[storage].getItem(`lockstep.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      window[storage].setItem(`lockstep.${name}`, JSON.stringify(value));
    } catch { /* private windows, full disks */ }
  },
});
const memory = memoryIn("localStorage");       // for the next visit
const tabMemory = memoryIn("sessionStorage");  // until the tab is closed

// Calls after a pause in which nobody has asked again.
function afterPause(milliseconds, call) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, milliseconds);
  };
}

// The message above the text; empty: none.
function notify(message = "") {
  byId("notice").textContent = message;
  byId("notice").hidden = message === "";
}
