"""The face of the contract: what `venuekit_spec` exports."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import venuekit_spec
from venuekit_spec import hooks

INTERNAL = {"fixed"}
"""The converter of the contract's own mapping fields: nobody else makes such fields."""


def submodules() -> list[ModuleType]:
    """Every module of the contract."""
    names = [info.name for info in pkgutil.iter_modules(venuekit_spec.__path__)]
    return [importlib.import_module(f"venuekit_spec.{name}") for name in names]


def test_all_has_no_repetition() -> None:
    """Every name of `__all__` stands there once (ruff keeps the order)."""
    assert len(venuekit_spec.__all__) == len(set(venuekit_spec.__all__))


def test_every_name_of_all_can_be_imported() -> None:
    """A star import gives every exported name."""
    namespace: dict[str, object] = {}
    exec("from venuekit_spec import *", namespace)
    assert set(venuekit_spec.__all__) <= set(namespace)


def test_nothing_is_imported_into_the_face_without_being_exported() -> None:
    """What `__init__` imports and what `__all__` lists are the same names."""
    public = {
        name
        for name, value in vars(venuekit_spec).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(venuekit_spec.__all__)


def test_every_public_class_and_function_of_a_module_is_exported() -> None:
    """Nobody needs a submodule for a class or a function; the hook specifications stay in theirs."""
    defined = {
        name
        for module in submodules()
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert defined - set(hooks.hook_names()) - INTERNAL <= set(venuekit_spec.__all__)


def test_every_exported_class_and_function_says_what_it_is() -> None:
    """Each exported class and function has a docstring of its own."""
    silent = [
        name
        for name in venuekit_spec.__all__
        if (inspect.isclass(value := getattr(venuekit_spec, name)) or inspect.isfunction(value))
        and not (value.__doc__ or "").strip()
    ]
    assert silent == []
