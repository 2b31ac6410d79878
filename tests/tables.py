"""A table as text, and what load_table makes of one."""

from minigrad.datasets import load_table

FLOWERS = """size,colour,wild,kind
1,red,true,rose
2,white,false,rose
4,red,TRUE,lily
9,blue,True,lily
"""


def loaded(folder, text, target, **options):
    """What load_table makes of a file with this text, without a part to test on."""
    (folder / "mine.csv").write_text(text)
    return load_table(folder / "mine.csv", target, **({"test": 0, "rng": 0} | options))
