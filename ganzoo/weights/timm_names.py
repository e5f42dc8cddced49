"""Names of timm's models, which options of components contain."""

from __future__ import annotations

from difflib import get_close_matches

from ganzoo.errors import GanzooError


def require_timm_model(model: str, component: str) -> None:
    """Raise GanzooError, which begins with the component's name, unless timm has a model of this name.

    A name may have a tag of weights, as in ``resnet18.a1_in1k``.
    """
    import timm  # slow import: takes seconds

    known = [*timm.list_models(), *timm.list_models(include_tags=True)]
    if model not in known:
        near = get_close_matches(model, known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else "; timm.list_models() lists all"
        raise GanzooError(f"{component}: timm has no model {model!r}{hint}")
