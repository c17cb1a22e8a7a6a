"""``ReembeddingWorkflow``: another model's vectors, on all machines, up to the swap."""

from dataclasses import replace

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from memory.workflows.reembedding_activities import ReembeddingActivities as Do
    from memory.workflows.sharing import lasting, wave
    from memory.workflows.terms import Progress, Reembedded, Reembedding, Share


@workflow.defn(name="ReembeddingWorkflow")
class ReembeddingWorkflow:
    """Makes room for the new vectors, fills it, builds the index and checks it.

    The swap is no step of it: it belongs to the roll-out of the new model, and is an operator's
    ``python -m memory reembed --swap``.
    """

    def __init__(self) -> None:
        self._progress = Progress(phase="begun")

    @workflow.query
    def progress(self) -> Progress:
        """How far it is."""
        return self._progress

    @workflow.run
    async def run(self, wanted: Reembedding) -> Reembedded:
        """Carry out all steps."""
        terms, share = lasting(wanted.pace), wanted.share
        if share is None:
            self._progress = Progress(phase="preparation")
            found = await workflow.execute_activity_method(Do.prepare_reembedding, wanted, **terms)
            wanted = replace(wanted, goal=found.goal)
            share = Share(shards=found.shards, total=len(found.shards))
        while share.shards:
            self._progress = Progress.of("backfill", share)
            share = await wave(Do.fill_shard, share, wanted, self._count)
            if share.shards:
                workflow.continue_as_new(replace(wanted, share=share))
        self._progress = Progress.of("index and check", share)
        done = await workflow.execute_activity_method(Do.finish_reembedding, wanted, **terms)
        self._progress = Progress.of("ready for the swap", share)
        return done

    def _count(self, rows: int) -> None:
        self._progress = self._progress.plus(rows)
