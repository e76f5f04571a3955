"""How the tests run: shapes are checked, compiling is made cheap, and some tests are quick.

Shapes in annotations are checked at run time, in the tests only. Compiling is most of the time of
the tests: unless slow ones are asked for it optimises little (``make test-all`` has what users
have), and what was compiled before is kept in a folder, by the machine.
"""

import functools
import gc
import inspect
import os
import platform
from importlib.machinery import SourceFileLoader
from pathlib import Path
from unittest.mock import patch

import jax
import jaxtyping
import longer
import pytest
from hypothesis import settings
from jaxtyping import _import_hook, install_import_hook

LITTLE_OPTIMISATION = (
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_parallel_codegen_split_count=1",
)
COMPILED = Path(__file__).parents[1] / ".compiled" / platform.node()
jax.config.update("jax_compilation_cache_dir", str(COMPILED))
# So that commands keep nothing in the user's cache.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(COMPILED)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
# Of where an operation was asked for a program need not keep note.
jax.config.update("jax_traceback_in_locations_limit", 0)


def at_first_call(jaxtyped, function):
    """``jaxtyped(function)``, made when it is first called, as most of it is not."""
    made = None

    @functools.wraps(function)
    def call(*args, **options):
        nonlocal made
        __tracebackhide__ = True
        if made is None:
            made = jaxtyped(function)
        return made(*args, **options)

    return call


def but_for_checked_classes(jaxtyped):
    """``jaxtyped``, but for constructors that check their fields: they take more than the types.

    Nor for what checks them, which knows no shapes and is called for every field.
    """

    @functools.wraps(jaxtyped)
    def decorate(found=None, **options):
        if found is None:
            return functools.partial(decorate, **options)
        checked = inspect.isclass(found) and getattr(found, "is_checked", False)
        if checked or getattr(found, "__module__", None) == "galgen.checked":
            return found
        if inspect.isfunction(found):
            return at_first_call(functools.partial(jaxtyped, **options), found)
        return jaxtyped(found, **options)

    return decorate


class Loader(_import_hook._JaxtypingLoader):
    """Looks up its own bytecode under another name, not that of what the module imports."""

    def get_code(self, fullname):
        name = functools.partial(
            _import_hook._optimized_cache_from_source, self._typechecker.get_hash()
        )
        with patch("importlib._bootstrap_external.cache_from_source", name):
            return super().get_code(fullname)

    def exec_module(self, module):
        return SourceFileLoader.exec_module(self, module)


_import_hook._JaxtypingLoader = Loader
jaxtyping.jaxtyped = but_for_checked_classes(jaxtyping.jaxtyped)
install_import_hook(["galgen", "data_prep"], "type_checker.check")

# Compilation makes the first example slow; machines differ.
settings.register_profile("galgen", deadline=None)
settings.load_profile("galgen")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help=longer.record.__doc__)


def pytest_configure(config: pytest.Config) -> None:
    """What XLA reads at its first use, here and in the processes that tests start."""
    if config.option.markexpr in ("not slow", "quick") and "XLA_FLAGS" not in os.environ:
        os.environ["XLA_FLAGS"] = " ".join(LITTLE_OPTIMISATION)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test is quick that is neither slow nor listed as longer."""
    listed = longer.listed()
    for item in items:
        if item.get_closest_marker("slow") is None and longer.name_of(item) not in listed:
            item.add_marker("quick")


def pytest_collection_finish() -> None:
    """What was imported stays: there is no need to look for garbage in it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    before = sum(os.times()[:4])
    done = yield
    if item.config.option.record:
        longer.record(item, sum(os.times()[:4]) - before)
    return done
