"""Which release this is."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version of the installed package; `unknown` in a checkout that was not installed."""
    try:
        return version("rollback-sentinel")
    except PackageNotFoundError:
        return "unknown"
