"""Short ways to make functions inside acme's scope."""

from collections.abc import Callable

import pytest

from apps.functions.models import Function, FunctionVersion
from apps.functions.services import create_function, save_version
from apps.workspaces.models import Membership

type Make = Callable[..., Function]
type Save = Callable[..., FunctionVersion]


@pytest.fixture
def make(in_acme: object, developer: Membership) -> Make:
    """Make a function from its source, as acme's developer unless said otherwise."""

    def make_function(source: str, **stated: object) -> Function:
        return create_function(**{"actor": developer, "source": source, **stated})

    return make_function


@pytest.fixture
def save(in_acme: object, developer: Membership) -> Save:
    """Save another version of a function."""

    def save_another(function: Function, source: str, **stated: object) -> FunctionVersion:
        return save_version(**{"actor": developer, "function": function, "source": source, **stated})

    return save_another
