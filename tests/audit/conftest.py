"""What the tests of the audit share: a family of tiny checkpoints."""

import pytest
from small_families import NAMES
from tiny_models import checkpoint


@pytest.fixture(scope="session")
def family(tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    for seed, name in enumerate(("large", "twin", "small")):
        checkpoint(folder / name, seed=seed, labels=NAMES)
    return folder
