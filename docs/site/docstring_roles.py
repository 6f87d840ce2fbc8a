"""Shows the roles of docstrings (``:func:`load```) as links or code on the documentation site."""

import re
from typing import Any

from griffe import Extension, Object

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod|exc):`(~?)\.?([\w.]+)`")


class DocstringRoles(Extension):
    """Replaces roles by code in the docstrings of all objects."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrites the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(_code, obj.docstring.value)


def _code(role: re.Match[str]) -> str:
    tilde, name = role.groups()
    return f"`{name.rpartition('.')[2] if tilde else name}`"
