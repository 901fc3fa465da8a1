"""Every example in a docstring of the package runs and says what stands there."""

import doctest
import importlib
import pkgutil

import pytest

import trusteq

MODULES = [module.name for module in pkgutil.walk_packages(trusteq.__path__, "trusteq.") if not module.ispkg]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, request):
    module, fixtures = importlib.import_module(name), {"getfixture": request.getfixturevalue}
    assert doctest.testmod(module, extraglobs=fixtures, optionflags=FLAGS).failed == 0
