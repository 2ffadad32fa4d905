"""The code of the documentation pages runs, in order, and prints what the pages show."""

import pytest
from doc_blocks import ROOT, blocks, run_page


@pytest.mark.parametrize("page", ["docs/tour.md", "docs/contract.md", "docs/ode.md", "docs/stein.md"])
def test_page(page):
    assert run_page(page) == sum(language == "text" for language, _ in blocks(page))


def test_every_page_with_code_is_run():
    coded = [path.name for path in (ROOT / "docs").glob("*.md") if "```python" in path.read_text()]
    assert sorted(coded) == ["contract.md", "ode.md", "stein.md", "tour.md"]
