"""matplotlib's SVG made fit to be a part of a page: small, with ink that follows the page, and names of its own.

In dark mode the page's ink is light. So black, and the greys of text and axes, become `var(--ink)`, white fillings
become `var(--paper)`, and coloured words are mixed with ink until they can be read. Colours that mean something stay.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from .._pictures import page_colours
from ..studies import style

INK = {"#000000", "#222222", style.INK.lower()}
MARKS = "■□●━╍┅×"  # with which the words of a key begin
WIDTH = 800  # of a file that is looked at alone, in pixels
LOOK = "stroke-linejoin:round;font-family:system-ui,sans-serif"  # what matplotlib wants of every line, and the letters


def inline(svg: str, name: str, alt: str) -> str:
    """The picture as an element <svg> of an HTML page.

    svg is what matplotlib wrote, name what all ids of it begin with, so that several pictures fit one page, and alt
    what a reader is told who does not see it.
    """
    root = ET.fromstring(svg)
    used = set(re.findall(r"""(?:url\(|href=")#([^")]+)""", svg))
    for element in list(root.iter()):
        _tidy(element, name, used)
    _drop_invisible(root)
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib |= {"id": f"drawing-{name}", "viewBox": box, "role": "img", "aria-label": alt}
    root.attrib["style"] = f"fill:var(--ink);{LOOK}"
    return ET.tostring(root, encoding="unicode")


def alone(drawing: str) -> bytes:
    """What `inline` made, as a file of its own. It brings its paper along: light or dark, as its reader's screen is."""
    _, _, wide, high = map(float, re.findall(r'viewBox="([^"]*)"', drawing)[0].split())
    looks = f"<style>{page_colours('svg')}svg{{background:var(--paper)}}</style>"
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{WIDTH * high / wide:.0f}"'
    tag, rest = drawing.split(">", 1)
    return f"{opening}{tag.removeprefix('<svg')}>{looks}{rest}\n".encode()


def _local(name: str) -> str:
    """The name of an element or attribute without its namespace, which HTML knows by itself."""
    return name.rpartition("}")[2]


def _tidy(element: ET.Element, name: str, used: set[str]) -> None:
    """Shorten an element and let its colours follow the page."""
    element.tag = _local(element.tag)
    element.text, element.tail = (element.text if element.tag in ("text", "tspan") else None), None
    kept = {_local(key): value for key, value in element.attrib.items()}
    if kept.get("id") not in used:
        kept.pop("id", None)
    for key, value in kept.items():
        if key == "id":
            kept[key] = f"{name}-{value}"
        elif key == "href" and value.startswith("#"):
            kept[key] = f"#{name}-{value[1:]}"
        elif key == "clip-path":
            kept[key] = value.replace("url(#", f"url(#{name}-")
        elif key == "style":
            kept[key] = _style(value, element.tag)
        elif key in ("d", "points"):
            kept[key] = re.sub(r"\s*([A-Za-z])\s*", r"\1", _rounded(value, 2).strip())
        elif key in ("x", "y", "width", "height"):
            kept[key] = _rounded(value, 2)
        elif key == "transform":
            kept[key] = _rounded(re.sub(r"\s*rotate\(-?0 [^)]*\)", "", value), 4)
    element.attrib.clear()
    element.attrib |= {key: value for key, value in kept.items() if value}
    if element.tag == "text" and element.text and element.text[0] in MARKS:
        _set_mark_apart(element)


def _set_mark_apart(text: ET.Element) -> None:
    """Give the mark before the words of a key the very colour that it explains; only the words are mixed with ink."""
    colour = re.search(r"color-mix\(in srgb,(#\w+)", text.get("style", ""))
    if colour and text.text:
        mark = ET.SubElement(text, "tspan", {"style": f"fill:{colour[1]}"})
        mark.text, mark.tail, text.text = text.text[0], text.text[1:], None


def _rounded(text: str, digits: int) -> str:
    """Text with its numbers rounded; a hundredth of a point is a fiftieth of a pixel."""
    return re.sub(r"-?\d+\.\d+", lambda match: f"{float(match[0]):.{digits}f}".rstrip("0").rstrip("."), text)


def _style(text: str, tag: str) -> str:
    """The declarations of a style that say something, with the page's ink."""
    kept = []
    for declaration in text.split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "font":  # "700 12px 'DejaVu Sans', ...": the family is the page's
            size = value.split("'")[0].split()
            kept += [f"font-size:{size[-1]}"] + (["font-weight:700"] if "700" in size or "bold" in size else [])
        elif key in ("fill", "stroke") and value in INK:
            kept.append(f"{key}:var(--ink)")
        elif key == "fill" and value == "#ffffff" and tag not in ("text", "tspan"):
            kept.append("fill:var(--paper)")
        elif key == "fill" and value not in ("none", "#ffffff") and tag in ("text", "tspan"):
            kept.append(f"fill:color-mix(in srgb,{value} 60%,var(--ink))")
        elif key and key != "font-family" and (key, value) != ("stroke-linejoin", "miter"):
            kept.append(f"{key}:{value}")
    return ";".join(kept)


def _drop_invisible(root: ET.Element) -> None:
    """Remove what says nothing in a page: matplotlib's name, frames without a line, groups without attributes."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style") or (child.tag == "path" and child.get("style") == "fill:none"):
                parent.remove(child)
    for parent in reversed(list(root.iter())):
        for place, child in reversed(list(enumerate(parent))):
            if child.tag in ("g", "defs") and not child.attrib and not (child.tag == "defs" and len(child)):
                parent[place : place + 1] = list(child)
