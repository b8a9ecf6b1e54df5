"""The pages that `--html` writes as people look at them: in a real browser, light and dark.

    report_test.py --program build/release/lockstep --model models/shakespeare-neox

Beside the model given there has to be shakespeare-gptj.
"""

import pathlib
import subprocess
import tempfile
import xml.etree.ElementTree

import served_page
from served_page import options

served_page.skip_without_browser("report")

DOCUMENTS = pathlib.Path(__file__).parents[1] / "golden/evaluation/data"
SVG = "{http://www.w3.org/2000/svg}"


class Report:
    """What holds for every page; who inherits says which command writes it, and what it draws."""
    own_addresses = ("file:",)
    plots: list[str] = []
    hovered: list[str] = []

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        report = pathlib.Path(cls.folder.name) / "report.html"
        subprocess.run([options.program, *cls.command(), "--quiet", "--html", report], check=True,
                       cwd=cls.folder.name, stdout=subprocess.DEVNULL)
        cls.url = report.as_uri()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def open(self, scheme="light", width=1280):
        self.page.resize(width, 800)
        self.page.prefer(scheme)
        self.browser.get(self.url)

    def colour(self, selector, name):
        return self.page.run("return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]",
                             selector, name)

    def test_it_has_the_colours_of_the_readers_screen(self):
        for scheme, is_dark in (("light", False), ("dark", True)):
            self.open(scheme)
            paper = self.colour("body", "backgroundColor")
            shades = [int(shade) for shade in paper[4:-1].split(",")]
            self.assertEqual(max(shades) < 64, is_dark, paper)
            self.assertEqual(self.colour("svg.plot .paper", "fill"), paper)
            self.assertEqual(self.colour("svg.plot .ink", "fill"), self.colour("body", "color"))

    def test_its_plots_are_saved_as_they_are_on_paper(self):
        self.open("dark")
        links = self.page.all("figcaption a[download]")
        self.assertEqual([link.get_attribute("download") for link in links], self.plots)
        for link in links:
            drawing = xml.etree.ElementTree.fromstring(self.saved(link))
            self.assertEqual(drawing.tag, SVG + "svg")
            self.assertEqual(drawing.find(SVG + "rect").get("fill"), "#ffffff")
            self.assertTrue(drawing.findall(f".//{SVG}title"))

    def saved(self, link):
        return self.page.run("""const [, text] = arguments[0].href.split(/,(.*)/s);
            return decodeURIComponent(text);""", link)

    def test_it_fits_a_telephone(self):
        self.open(width=390)
        width = self.page.run("return document.documentElement.scrollWidth")
        self.assertLessEqual(width, 390)

    def test_the_mouse_finds_numbers(self):
        self.open()
        title = self.page.run("""const svg = document.querySelector('svg.plot');
            const mark = svg.querySelector('g circle[pointer-events]');
            mark.scrollIntoView({ block: 'center' });
            const box = mark.getBoundingClientRect();
            const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return hit.closest('g').querySelector('title').textContent;""")
        for part in self.hovered:
            self.assertIn(part, title)


class LoadReport(Report, served_page.BrowserTest):
    plots = ["ttft.svg", "tpot.svg", "itl.svg", "e2el.svg"]
    hovered = ["round", "ms:"]

    @staticmethod
    def command():
        return ["bench", "serve", "--model", options.model, "--threads", "1", "--concurrency", "2",
                "--requests", "6", "--input-len", "5", "--output-len", "4", "--rounds", "2"]


class ScoreReport(Report, served_page.BrowserTest):
    plots = ["sciq-acc-sizes.svg", "sciq-acc_norm-sizes.svg"]
    hovered = ["shakespeare-", "±"]

    @staticmethod
    def command():
        model = pathlib.Path(options.model)
        return ["eval", "--model", f"{model},{model.with_name('shakespeare-gptj')}", "--tasks", "sciq",
                "--limit", "4", "--data", DOCUMENTS, "--output", "scores.json"]


if __name__ == "__main__":
    served_page.main()
