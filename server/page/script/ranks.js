// What the ranks do now, from the server's metrics: of all clients, not of this page alone.

const kPollMilliseconds = 1000;
const kTrendPoints = 60;

// The sums of Prometheus' samples over their labels, by name without the prefix.
function readMetrics(text) {
  const sums = {};
  for (const [, name, value] of text.matchAll(/^lockstep:(\w+)(?:\{.*\})? (\S+)/gm))
    sums[name] = (sums[name] ?? 0) + Number(value);
  return sums;
}

class Ranks {
  #last = null;  // { time, metrics }, while the server answers
  #rates = [];

  constructor() {
    this.#follow();
  }

  // One question at a time: a server that stalls is not asked again meanwhile.
  async #follow() {
    if (!document.hidden) await this.#poll();
    setTimeout(() => this.#follow(), kPollMilliseconds);
  }

  async #poll() {
    try {
      const metrics = readMetrics(await (await server.ask("metrics")).text());
      this.#show(metrics);
      await server.ask("health");
      const isBusy = metrics.num_requests_running > 0;
      this.#tell(isBusy ? "busy" : "ready", isBusy ? "answering" : "ready");
    } catch (error) {
      this.#last = null;
      this.#tell("away", error instanceof ServerError ? error.message : "The server does not answer.");
    }
  }

  #tell(state, words) {
    byId("ranks").dataset.state = state;
    byId("health").lastElementChild.textContent = words;
  }

  #show(metrics) {
    const now = { time: performance.now(), metrics };
    byId("running").textContent = metrics.num_requests_running;
    byId("waiting").textContent = metrics.num_requests_waiting;
    byId("cache").textContent = `${(100 * metrics.kv_cache_usage_perc).toFixed(0)} %`;
    byId("cache-meter").value = metrics.kv_cache_usage_perc;
    if (this.#last) this.#showRates(now, this.#last);
    this.#last = now;
  }

  // What has happened since the last time; a server that was started again has begun to count anew.
  #showRates(now, before) {
    const since = (name) => Math.max(0, (now.metrics[name] ?? 0) - (before.metrics[name] ?? 0));
    const rate = since("generation_tokens_total") / ((now.time - before.time) / 1000);
    byId("rate").textContent = formatRate(rate);
    this.#rates = [...this.#rates, rate].slice(-kTrendPoints);
    const most = Math.max(...this.#rates, 1);
    const points = this.#rates.map((one, i) => `${kTrendPoints - this.#rates.length + i} ${15 - (14 * one) / most}`);
    byId("trend").lastElementChild.setAttribute("d", `M${points.join("L")}`);
    const steps = since("step_seconds_total");
    if (steps > 0) byId("reduce").textContent = `${((100 * since("all_reduce_seconds_total")) / steps).toFixed(0)} %`;
    const firsts = since("time_to_first_token_seconds_count");
    if (firsts === 0) return;
    byId("first").textContent = formatMilliseconds((1000 * since("time_to_first_token_seconds_sum")) / firsts);
  }
}
