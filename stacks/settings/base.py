"""What every part of a stack file has in common."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen and strict; an unknown key is a spelling mistake, hence an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
