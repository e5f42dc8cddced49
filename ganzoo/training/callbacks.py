"""Call a run's callbacks: those of plugins, and one for Accelerate's trackers. One that raises is switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganzoo.interfaces import Callback, RunInfo
from ganzoo.plugins import plugins


class Callbacks:
    """All callbacks of a run.

    A callback that raises is reported once, on the console and in events.jsonl, and is not called again.
    """

    def __init__(self, run: RunInfo) -> None:
        self.run = run
        self.active: list[Callback] = []

    def gather(self, trackers: Sequence[str]) -> None:
        """Fill ``active`` with the callbacks of plugins and, if a tracker is available, one callback for all trackers.

        A plugin that raises and a tracker that is not installed are reported and left out; the run continues.

        Args:
            trackers: names of Accelerate's trackers in the recipe, such as ``tensorboard``.
        """
        manager = plugins().manager
        for hook in manager.hook.ganzoo_callbacks.get_hookimpls():
            others = [plugin for plugin in manager.get_plugins() if plugin is not hook.plugin]
            try:
                callbacks = manager.subset_hook_caller("ganzoo_callbacks", others)(run=self.run)
            except Exception as error:
                self._report(f"of plugin {hook.plugin_name}", "ganzoo_callbacks", error)
            else:
                self.active += [one for one in callbacks if one is not None]
        available = {str(one) for one in self.run.accelerator.log_with}
        for name in trackers:
            if name not in available:
                self._report(name, "train.trackers", ImportError(f"{name} is not installed: pip install {name}"))
        if available:
            self.active.append(Trackers())

    def call(self, name: str, *args: Any) -> bool:
        """Call ``on_<name>`` of each active callback; return whether any of them returned True, to end the training.

        A callback that raises is reported and removed.

        Args:
            name: the event: ``start``, ``step``, ``evaluation``, ``checkpoint`` or ``end``.
            args: the arguments of ``on_<name>`` after the run.
        """
        stop = False
        for callback in list(self.active):
            try:
                stop = bool(getattr(callback, f"on_{name}")(self.run, *args)) or stop
            except Exception as error:
                self.active.remove(callback)
                self._report(f"{type(callback).__module__}.{type(callback).__name__}", f"on_{name}", error)
        return stop

    def _report(self, label: str, where: str, error: Exception) -> None:
        self.run.say(f"warning: the callback {label} failed in {where} and is switched off: {error}")
        self.run.write_event("callback-failed", callback=label, where=where, error=str(error))


class Trackers(Callback):
    """A callback that sends losses and metric values to Accelerate's trackers."""

    def on_start(self, run: RunInfo) -> None:
        """Open the trackers under the recipe's name."""
        run.accelerator.init_trackers(run.name)

    def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        """Log the mean losses of a logging interval."""
        run.accelerator.log(dict(losses), step=step)

    def on_evaluation(self, run: RunInfo, step: int, values: Mapping[str, float]) -> bool:
        """Log the metric values; return False, as a tracker does not end the training."""
        run.accelerator.log(dict(values), step=step)
        return False

    def on_end(self, run: RunInfo) -> None:
        """Close the trackers."""
        run.accelerator.end_training()
