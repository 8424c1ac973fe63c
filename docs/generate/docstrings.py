"""The docstrings of a module's Struct fields, which Python itself throws away: for generated pages."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType


def field_docstrings(module: ModuleType) -> dict[str, dict[str, str]]:
    """Class name → field → text of every class of the module, fields of its parents included."""
    said: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            own = {k: v for base in node.bases if isinstance(base, ast.Name) for k, v in said.get(base.id, {}).items()}
            said[node.name] = own | _fields(node)
    return said


def _fields(node: ast.ClassDef) -> dict[str, str]:
    texts = {}
    for field, text in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            texts[field.target.id] = inspect.cleandoc(str(text.value.value)).replace("\n", " ")
    return texts
