"""Print notes to stderr that are no errors: which plugins failed to load, and which names two packages have."""

from __future__ import annotations

from ganzoo.plugins import plugins
from ganzoo.utils.program import program_name
from ganzoo.utils.terminal import print_note


def note_failed_plugins() -> None:
    """Print which plugins failed to load, in one line, if any did."""
    failed = sorted(plugins().registry.failures)
    if failed:
        which = f"{len(failed)} plugin{'s' * (len(failed) > 1)} failed to load: {', '.join(failed)}"
        print_note(f"{which}; '{program_name()} plugins' shows why")


def note_clashes() -> None:
    """Print a line for each component that is left out, as another package has its name."""
    for clash in plugins().registry.clashes:
        print_note(str(clash))
