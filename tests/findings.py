"""A finding of no study, and a reader of the page, for the tests of the report."""

from html.parser import HTMLParser

from minigrad.studies import Finding, Number


def finding(claim, value=1.0):
    return Finding(
        id=claim,
        kind="true",
        verdict="It <is> so.",
        deciding="1",
        numbers=[Number("one", value, expect=(1, 1))],
        theorem="1 = 1",
        test="-",
        code="print(1)",
        pictures={},
        caveat="-",
        seeds=[0],
    )


class Page(HTMLParser):
    """Collects the tags of a page, and checks that they are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def with_class(self, name, css_class):
        """The attributes of the elements of that name and class."""
        return [attrs for tag, attrs in self.tags if tag == name and css_class in attrs.get("class", "").split()]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
