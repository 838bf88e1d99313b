"""Imports the module of a command when it is run."""

import gc
from importlib import import_module
from typing import Any


def imported(module: str) -> Any:
    """The module, without walks over the heap meanwhile: what is imported stays, and is not walked later either."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        if collects:
            gc.enable()
