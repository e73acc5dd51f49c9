"""The pages of `sqlbk bench` as XML and as HTML: well-formed whatever the results are, texts stay
texts, tables and charts say what they are."""

import html.parser
import os
import re
import subprocess
import unittest
import xml.etree.ElementTree

SAMPLE = os.environ["SQLBK_PAGE_SAMPLE"]
HOSTILE = "<script>alert('1')</script>\"&\ufffd\ufffd]]>--><b>"
VOID = {"meta", "link"}


def page_of(name):
    return subprocess.check_output([SAMPLE, name]).decode("utf-8")


class Tags(html.parser.HTMLParser):
    """What a browser would make of it: which elements there are, and whether they nest."""

    def __init__(self, page):
        super().__init__()
        self.open, self.names, self.bad = [], set(), []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.add(tag)
        # HTML knows no other elements that end themselves, but within SVG.
        if tag not in VOID and "svg" not in self.open:
            self.bad.append(f"<{tag}/>")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(f"</{tag}>")


class PageText(unittest.TestCase):
    def every_page(self, check):
        names = subprocess.check_output([SAMPLE], text=True).split()
        self.assertIn("hostile", names)
        for name in names:
            with self.subTest(name):
                check(page_of(name))

    def test_xml_and_html_agree_that_it_is_well_formed(self):
        def check(page):
            root = xml.etree.ElementTree.fromstring(page)
            tags = Tags(page)
            self.assertEqual((tags.open, tags.bad), ([], []))
            self.assertEqual(tags.names, {element.tag.lower() for element in root.iter()})

        self.every_page(check)

    def test_no_text_becomes_an_element_or_an_attribute(self):
        known = {tag for name in ("ordinary", "nothing-worked") for tag in Tags(page_of(name)).names}
        self.assertEqual(Tags(page_of("hostile")).names - known, set())
        root = xml.etree.ElementTree.fromstring(page_of("hostile"))
        self.assertEqual(root.find(".//code").text, HOSTILE)
        for element in root.iter():
            for name in element.attrib:
                self.assertRegex(name, r"^[a-zA-Z][\w-]*$")
                self.assertFalse(name.startswith("on"), name)

    def test_nothing_is_fetched(self):
        def check(page):
            root = xml.etree.ElementTree.fromstring(page)
            for element in root.iter():
                self.assertNotIn("src", element.attrib)
                self.assertIn(element.get("href", "data:,"), ("data:,",))
            self.assertEqual(set(re.findall(r"url\((.)", page)), {"#"})

        self.every_page(check)

    def test_ids_are_unique_and_what_refers_to_them_finds_them(self):
        def check(page):
            ids = re.findall(r' id="([^"]*)"', page)
            self.assertEqual(len(ids), len(set(ids)))
            referred = re.findall(r"url\(#([\w-]+)\)", page)
            for value in re.findall(r'aria-labelledby="([^"]*)"', page):
                referred += value.split()
            self.assertEqual(set(referred) - set(ids), set())

        self.every_page(check)

    def test_tables_have_captions_and_headers(self):
        def check(page):
            for table in xml.etree.ElementTree.fromstring(page).iter("table"):
                self.assertTrue(table.find("caption").text)
                columns = table.findall("thead/tr/th[@scope='col']")
                for row in table.findall("tbody/tr"):
                    span = sum(int(cell.get("colspan", "1")) for cell in row)
                    self.assertEqual(span, len(columns))
                    self.assertIn(row[0].get("scope"), ("row", "rowgroup"))

        self.every_page(check)


if __name__ == "__main__":
    from support import main
    main()
