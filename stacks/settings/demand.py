"""What is asked of the stack: how much there is to remember, of which shape, and how it grows.

The figures are those of one day; ``sizing`` turns them into bytes, memory and months.
"""

from typing import Annotated

from pydantic import Field

from sizing.bounds import MOST_BYTES, MOST_GROWTH, MOST_ROWS
from sizing.workload import Workload
from stacks.settings.base import Settings
from stacks.settings.types import Day

Number = Annotated[int, Field(ge=1, le=MOST_ROWS)]
Bytes = Annotated[int, Field(ge=1, le=MOST_BYTES)]


class WorkloadSettings(Settings):
    """The load that the stack is built for; a server that cannot hold it is refused.

    Bytes are those of UTF-8, before any compression.
    """

    sessions: Number
    messages_per_session: Number
    """Of 30 days."""
    facts: Number
    """Rows of the memory table, each with an embedding."""
    as_of: Day | None = None
    """The day of these figures; with it, the next size is due on a date, else in months.

    A date of the file, not of the clock, so that a preview is the same today and tomorrow.
    """
    retention_days: Annotated[int, Field(ge=1, le=36_500)] = Workload.retention_days
    """How long Zep keeps messages."""
    message_bytes: Bytes = Workload.message_bytes
    content_bytes: Bytes = Workload.content_bytes
    """Of a fact."""
    metadata_bytes: Annotated[int, Field(ge=0, le=MOST_BYTES)] = Workload.metadata_bytes
    """Of a fact's metadata, as JSON text; 0 for none."""
    embeds_messages: bool = Workload.embeds_messages
    """Whether each message is a row of the memory table, too."""
    growth_factor: Annotated[float, Field(ge=1, le=MOST_GROWTH)] = Workload.growth_factor
    """How many times today's rows the next size is to hold."""
    growth_per_month: Annotated[float, Field(ge=0, le=10)] = Workload.growth_per_month
    """Share of the rows that a month adds, compounded: 0.05 doubles them in 14 months."""
