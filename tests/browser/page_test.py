"""The page of `sqlbk bench` as a browser shows it: light and dark, on a desk, a phone and paper.

Nothing is fetched, the console stays silent, the page is no wider than its window, no text leaves
its chart or lies over another, and text can be read against its background.
"""

import os
import subprocess
import unittest

from devtools import CHROMIUM, Browser

SAMPLE = os.environ["SQLBK_PAGE_SAMPLE"]
PHONE, DESK = 390, 1200

# Texts that leave the viewBox of their SVG, in CSS pixels; half a pixel is rounding.
OUTSIDE = """[...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const rect = text.getBoundingClientRect();
    return rect.left < box.left - 0.5 || rect.right > box.right + 0.5 ||
           rect.top < box.top - 0.5 || rect.bottom > box.bottom + 0.5;
  }).map(text => text.textContent);
})"""

# Boxes of letters are higher than letters: texts of neighbouring lines may touch a little.
OVERLAPPING = """[...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('text')].map(
    text => ({text: text.textContent, rect: text.getBoundingClientRect()}));
  const found = [];
  for (let i = 0; i < texts.length; i++) {
    for (let j = i + 1; j < texts.length; j++) {
      const a = texts[i].rect, b = texts[j].rect;
      const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (width > 0.5 && height > 0.35 * Math.min(a.height, b.height)) {
        found.push(texts[i].text + ' / ' + texts[j].text);
      }
    }
  }
  return found;
})"""

# Elements wider than the page that are in no box that scrolls.
TOO_WIDE = """[...document.querySelectorAll('body *')].filter(element =>
  !element.closest('.scroll, pre, svg') &&
  element.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5
).map(element => element.tagName + ': ' + element.textContent.slice(0, 60))"""

# WCAG's contrast ratio of every kind of text against the page.
FAINT = """(() => {
  const channels = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const luminance = colour => channels(colour).map(value => {
    value /= 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  const found = new Set();
  for (const element of document.querySelectorAll(
      'h1, h2, h3, p, dt, dd, th, td, caption, li, text:not(.in-bar)')) {
    const style = getComputedStyle(element);
    const ink = luminance(element.tagName === 'text' ? style.fill : style.color);
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (!(ratio >= 4.5)) found.add(element.tagName + '.' + element.className + ' ' + ratio);
  }
  return [...found];
})()"""

UNNAMED = """[...document.querySelectorAll('svg[role=img]')].filter(svg =>
  !svg.getAttribute('aria-labelledby').split(' ').every(
    id => document.querySelectorAll('#' + CSS.escape(id)).length === 1 &&
          document.getElementById(id).textContent.trim() !== '')
).length"""


@unittest.skipUnless(CHROMIUM, "chromium is not installed")
class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)
        cls.paths = {}
        for name in subprocess.check_output([SAMPLE], text=True).split():
            cls.paths[name] = os.path.join(cls.browser.directory, name + ".html")
            with open(cls.paths[name], "wb") as file:
                file.write(subprocess.check_output([SAMPLE, name]))

    def every_page(self, check, *looks):
        for name, path in self.paths.items():
            for look in looks:
                with self.subTest(page=name, **look):
                    self.browser.show(path, **look)
                    check(name)

    def test_it_is_silent_and_alone(self):
        def check(name):
            fetched = [url for url in self.browser.fetched if not url.startswith("data:")]
            self.assertEqual(fetched, [f"file://{self.paths[name]}"])
            self.assertEqual(self.browser.errors, [])

        self.every_page(check, {"width": DESK}, {"width": PHONE, "scheme": "dark"})

    def test_it_fits_its_window(self):
        def check(_):
            self.assertEqual(self.browser.run("document.documentElement.scrollWidth"),
                             self.browser.run("document.documentElement.clientWidth"))
            self.assertEqual(self.browser.run(TOO_WIDE), [])

        self.every_page(check, {"width": PHONE}, {"width": PHONE, "scheme": "dark"},
                        {"width": DESK})

    def test_a_phone_does_not_make_it_smaller(self):
        def check(_):
            self.assertEqual(self.browser.run("window.innerWidth"), PHONE)

        self.every_page(check, {"width": PHONE})

    def test_texts_stay_in_their_charts_and_apart(self):
        def check(_):
            self.assertEqual(self.browser.run(OUTSIDE), [])
            self.assertEqual(self.browser.run(OVERLAPPING), [])

        self.every_page(check, {"width": DESK}, {"width": PHONE}, {"width": PHONE, "scheme": "dark"},
                        {"width": 700, "media": "print"})

    def test_texts_can_be_read(self):
        def check(_):
            self.assertEqual(self.browser.run(FAINT), [])

        self.every_page(check, {"width": DESK}, {"width": DESK, "scheme": "dark"},
                        {"width": 700, "scheme": "dark", "media": "print"})

    def test_dark_is_dark_and_paper_is_white(self):
        # The scheme is also the colour of what the browser itself draws behind the page.
        script = """[getComputedStyle(document.body).backgroundColor,
                     getComputedStyle(document.documentElement).colorScheme]"""
        looks = {}
        for scheme in ("light", "dark"):
            for media in ("screen", "print"):
                self.browser.show(self.paths["ordinary"], DESK, scheme, media)
                looks[scheme, media] = self.browser.run(script)
        self.assertNotEqual(looks["dark", "screen"], looks["light", "screen"])
        for scheme in ("light", "dark"):
            self.assertEqual(looks[scheme, "print"], ["rgb(255, 255, 255)", "light"])

    def test_every_chart_has_a_name(self):
        def check(name):
            self.assertEqual(self.browser.run(UNNAMED), 0)
            charts = self.browser.run("document.querySelectorAll('svg[role=img]').length")
            self.assertEqual(charts == 0, name == "none")

        self.every_page(check, {"width": DESK})


if __name__ == "__main__":
    from support import main
    main()
