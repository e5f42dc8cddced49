"""Call a run's callbacks: those of plugins, and one for each tracker. One that raises is switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganzoo.interfaces import Callback, RunInfo
from ganzoo.plugins import plugins
from ganzoo.training.tracker_kinds import make_tracker
from ganzoo.training.trackers import TrackerCallback


class Callbacks:
    """All callbacks of a run.

    A callback that raises is reported once, on the console and in events.jsonl, and is not called again.
    """

    def __init__(self, run: RunInfo) -> None:
        self.run = run
        self.active: list[Callback] = []

    def gather(self, trackers: Sequence[str | Mapping[str, Any]]) -> None:
        """Fill ``active`` with the callbacks of plugins and, on the main process, one for each tracker.

        A plugin that raises and a tracker that is not installed are reported and left out; the run continues.

        Args:
            trackers: the entries of the recipe's ``train.trackers``.
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
        for setting in trackers if self.run.accelerator.is_main_process else ():
            try:
                tracker = make_tracker(setting, f"{self.run.name}/{self.run.folder.name}", self.run.folder)
            except Exception as error:
                self._report(setting if isinstance(setting, str) else setting["tracker"], "train.trackers", error)
            else:
                self.active.append(TrackerCallback(tracker, self.run.folder))

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
                label = f"{type(callback).__module__}.{type(callback).__name__}"
                if isinstance(callback, TrackerCallback):
                    label = callback.tracker.name
                self._report(label, f"on_{name}", error)
        return stop

    def _report(self, label: str, where: str, error: Exception) -> None:
        text = " ".join(str(error).split()) or type(error).__name__
        self.run.say(f"warning: the callback {label} failed in {where} and is switched off: {text}")
        self.run.write_event("callback-failed", callback=label, where=where, error=text)
