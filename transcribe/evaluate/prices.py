"""What an hour of audio costs, by the prices in ``conf/prices.yaml``."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transcribe.errors import ConfigError
from transcribe.layers import shipped


class Prices(BaseModel):
    """Of machines, an hour; see ``conf/prices.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: str
    core_h: float = Field(ge=0)
    gpu_h: float = Field(ge=0)

    @classmethod
    def load(cls, path: str | Path) -> Prices:
        """Raises ConfigError naming ``job.prices``."""
        try:
            return cls.model_validate(yaml.safe_load(shipped(path).read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            remedy = f"is no price list: {reason}; it holds currency, core_h and gpu_h"
            raise ConfigError("job.prices", str(path), remedy) from None

    def cost(self, core_s: float, gpu_s: float) -> float:
        """Of so many seconds, in ``currency``. A GPU's price holds the cores beside it."""
        return (gpu_s * self.gpu_h if gpu_s else core_s * self.core_h) / 3600
