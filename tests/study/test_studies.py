"""Every registered study: its numbers bear its verdict out, its pictures can be drawn, its code works."""

import re
from pathlib import Path

import pytest

from minigrad import studies
from minigrad.report import page
from minigrad.studies import STUDIES, Config, Finding, style

ROOT = Path(__file__).parents[2]


LONG = ("patterns", "zigzag", "pairing", "remedies")  # they train many nets


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in STUDIES]
)
def found(request):
    """(the study, its findings), of a quick run with a seed that is not the usual one."""
    return STUDIES[request.param], STUDIES[request.param].run(Config(quick=True, seed=11))


def test_it_judges_its_claims(found):
    which, findings = found
    assert [finding.id for finding in findings] == list(which.claims)


def test_its_numbers_bear_the_verdict_out(found):
    for finding in found[1]:
        missed = [f"{n.name}: {n}, needs {n.expect}" for n in finding.numbers if not n.as_expected]
        assert not missed, finding.id


def test_each_of_its_numbers_is_expected_or_says_that_it_only_describes(found):
    for finding in found[1]:
        unjudged = [number.name for number in finding.numbers if number.expect is None and not number.descriptive]
        assert not unjudged, finding.id


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 5, 23])
@pytest.mark.parametrize("name", STUDIES)
def test_its_findings_hold_with_other_seeds(name, seed):
    """Beside the seed of the tests above: a verdict must not rest on a lucky one."""
    for finding in STUDIES[name].run(Config(quick=True, seed=seed)):
        assert [f"{n.name}: {n}, needs {n.expect}" for n in finding.numbers if not n.as_expected] == [], finding.id
        assert finding.confirmed


def test_its_words_are_complete(found):
    for finding in found[1]:
        for name in ("verdict", "deciding", "theorem", "caveat"):
            assert len(getattr(finding, name)) > 5, (finding.id, name)
        assert finding.pictures, finding.id
        for number in finding.numbers:  # its formulas stand between two $
            assert not any(re.search(r"\w_\w|\^", outside) for outside in number.name.split("$")[::2]), number.name
            assert page.prose(number.name)
        for name, picture in finding.pictures.items():
            assert name.isidentifier()
            assert len(picture.caption) > 40, name
            assert len(picture.alt) > 60, name
            assert re.search(r"\d", picture.alt), f"the alternative text of {name} says no number that was measured"
            assert picture.alt not in picture.caption
        for path in finding.test.replace(",", " ").split():
            assert (ROOT / path).is_file(), f"{finding.id} names the test {path}, which is not there"


@pytest.mark.slow
def test_its_pictures_can_be_drawn(found, tmp_path):
    pytest.importorskip("matplotlib")
    import matplotlib

    before = dict(matplotlib.rcParams)
    for finding in found[1]:
        for name in finding.pictures:
            figure = found[0].plot(finding, name)
            figure.savefig(tmp_path / f"{name}.png", dpi=50)
            assert figure.get_figwidth() == style.WIDTH
    assert dict(matplotlib.rcParams) == before


def test_its_code_runs_as_it_stands(found, capsys):
    for finding in found[1]:
        exec(compile(finding.code, finding.id, "exec"), {"__name__": "__main__"})
        assert capsys.readouterr().out.strip(), f"{finding.id}: the code prints nothing"


def test_the_first_picture_is_the_default(found):
    pytest.importorskip("matplotlib")
    finding: Finding = found[1][0]
    assert studies.plot(finding).axes
