"""Settings of ``decode`` that stand elsewhere than in the configuration: a model's, or a route's."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError

from transcribe.config import DecodeConfig

OF_THE_MACHINE = frozenset({"device", "threads"})
"""No model may set these."""
OF_A_CALL = frozenset({"beam_size", "full_context"})
"""What the same loaded engine can do now so, now otherwise: all that a route may set."""


def _of_a_model(decode: dict[str, Any]) -> dict[str, Any]:
    if found := OF_THE_MACHINE.intersection(decode):
        raise ValueError(f"{', '.join(sorted(found))}: the machine's, not the model's; set decode.* instead")
    try:
        settings = DecodeConfig.model_validate(decode)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return {key: getattr(settings, key) for key in decode}


def _of_a_route(decode: dict[str, Any]) -> dict[str, Any]:
    if found := decode.keys() - OF_A_CALL:
        raise ValueError(
            f"{', '.join(sorted(found))}: a route sets {' and '.join(sorted(OF_A_CALL))}; what else there is"
            " belongs into a model's entry"
        )
    return _of_a_model(decode)


ModelDecode = Annotated[dict[str, Any], AfterValidator(_of_a_model)]
RouteDecode = Annotated[dict[str, Any], AfterValidator(_of_a_route)]
