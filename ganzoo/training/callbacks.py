"""Call a run's callbacks: those of plugins, and one for each tracker. One that fails is switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, cast

from ganzoo.contracts.callback import check_callback, check_stop
from ganzoo.contracts.origin import Origin, author_line
from ganzoo.errors import is_strict
from ganzoo.interfaces import Callback, RunInfo
from ganzoo.plugins import plugins
from ganzoo.training.tracker_kinds import make_tracker
from ganzoo.training.trackers import TrackerCallback

HOOK = "ganzoo_callbacks"


class Callbacks:
    """All callbacks of a run.

    A callback that raises is reported once, on the console and in events.jsonl, and is not called again. The same holds
    for one whose ``on_evaluation`` returns neither a bool nor None. In strict mode (GANZOO_STRICT) an error of a
    plugin's callback ends the run.
    """

    def __init__(self, run: RunInfo) -> None:
        self.run = run
        self.active: list[Callback] = []

    def gather(self, trackers: Sequence[str | Mapping[str, Any]]) -> None:
        """Fill ``active`` with the callbacks of plugins and, on the main process, one for each tracker.

        A plugin that raises and a tracker that is not installed are reported and left out; the run continues.

        Args:
            trackers: the entries of the recipe's ``train.trackers``.

        Raises ComponentError if a plugin returns what is no callback, or one with a function that cannot be called.
        """
        manager = plugins().manager
        for hook in manager.hook.ganzoo_callbacks.get_hookimpls():
            module = cast(ModuleType, hook.plugin)
            others = [plugin for plugin in manager.get_plugins() if plugin is not hook.plugin]
            try:
                callbacks = manager.subset_hook_caller(HOOK, others)(run=self.run)
            except Exception as error:
                if is_strict():
                    raise
                self._report(f"of plugin {hook.plugin_name}", HOOK, error, module.__name__)
                continue
            origin = Origin(module, "hook", HOOK, hook.plugin_name)
            for callback in callbacks:  # pluggy leaves None out
                check_callback(callback, Callback, origin, hook.plugin_name)
                self.active.append(callback)
        for setting in trackers if self.run.accelerator.is_main_process else ():
            try:
                tracker = make_tracker(setting, f"{self.run.name}/{self.run.folder.name}", self.run.folder)
            except Exception as error:
                self._report(setting if isinstance(setting, str) else setting["tracker"], "train.trackers", error)
            else:
                self.active.append(TrackerCallback(tracker, self.run.folder))

    def call(self, name: str, *args: Any) -> bool:
        """Call ``on_<name>`` of each active callback; return whether the training shall end.

        Only the answer of ``on_evaluation`` counts. A callback that raises is reported and removed.

        Args:
            name: the event: ``start``, ``step``, ``evaluation``, ``checkpoint`` or ``end``.
            args: the arguments of ``on_<name>`` after the run.
        """
        stop = False
        for callback in list(self.active):
            try:
                answer = getattr(callback, f"on_{name}")(self.run, *args)
                stop = (name == "evaluation" and check_stop(answer, Origin(type(callback)))) or stop
            except Exception as error:
                if is_strict() and not isinstance(callback, TrackerCallback):
                    raise
                self.active.remove(callback)
                label, module = f"{type(callback).__module__}.{type(callback).__name__}", type(callback).__module__
                if isinstance(callback, TrackerCallback):
                    label, module = callback.tracker.name, ""
                self._report(label, f"on_{name}", error, module)
        return stop

    def _report(self, label: str, where: str, error: Exception, module: str = "") -> None:
        """Report a failure, with the line of the author's code if a module of the author is named."""
        text = " ".join(str(error).split()) or type(error).__name__
        place = author_line(error, module) if module else ""
        text += f" ({place})" if place else ""
        self.run.say(f"warning: the callback {label} failed in {where} and is switched off: {text}")
        self.run.write_event("callback-failed", callback=label, where=where, error=text)
