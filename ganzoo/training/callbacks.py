"""Observers of a run: from plugins, and the bridge to Accelerate's trackers. One that raises is switched off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganzoo.interfaces import Callback
from ganzoo.plugins import plugins

if TYPE_CHECKING:
    from ganzoo.training.run import Run


class Callbacks:
    """All observers of a run; an observer's failure is told once, written to the events, and ends its part."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.active: list[Callback] = []

    def gather(self) -> None:
        """Ask the plugins for their observers, and start the recipe's trackers."""
        manager = plugins().manager
        for hook in manager.hook.ganzoo_callbacks.get_hookimpls():
            others = [plugin for plugin in manager.get_plugins() if plugin is not hook.plugin]
            try:
                found = manager.subset_hook_caller("ganzoo_callbacks", others)(run=self.run)
            except Exception as error:
                self._tell(f"of plugin {hook.plugin_name}", "ganzoo_callbacks", error)
            else:
                self.active += [one for one in found if one is not None]
        wanted = self.run.recipe.train.trackers
        there = {str(one) for one in self.run.accelerator.log_with}
        for name in wanted:
            if name not in there:
                self._tell(name, "train.trackers", ImportError(f"{name} is not installed: pip install {name}"))
        if there:
            self.active.append(Trackers())

    def call(self, name: str, *args: Any) -> bool:
        """Call ``on_<name>`` of each observer; return whether any asked to end the training."""
        stop = False
        for one in list(self.active):
            try:
                stop = bool(getattr(one, f"on_{name}")(self.run, *args)) or stop
            except Exception as error:
                self.active.remove(one)
                label = f"{type(one).__module__}.{type(one).__name__}"
                self._tell(label, f"on_{name}", error)
        return stop

    def _tell(self, label: str, where: str, error: Exception) -> None:
        self.run.console.say(f"warning: the callback {label} failed in {where} and is switched off: {error}")
        self.run.write_event("callback-failed", callback=label, where=where, error=str(error))


class Trackers(Callback):
    """Hands figures to Accelerate's trackers."""

    def on_start(self, run: Run) -> None:
        """Open the trackers."""
        run.accelerator.init_trackers(run.recipe.name)

    def on_step(self, run: Run, step: int, losses: Mapping[str, float]) -> None:
        """Log the losses."""
        run.accelerator.log(dict(losses), step=step)

    def on_evaluation(self, run: Run, step: int, values: Mapping[str, float]) -> bool:
        """Log the figures."""
        run.accelerator.log(dict(values), step=step)
        return False

    def on_end(self, run: Run) -> None:
        """Close the trackers."""
        run.accelerator.end_training()
