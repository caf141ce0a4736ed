"""Tools for lineage: why a version is in production, what came of data, and what was in production when."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any
from uuid import UUID

from mcp.types import ToolAnnotations
from pydantic import AwareDatetime, Field

from handlers.lineage import InProduction, Lineage, WhyQuestion, downstream_of, in_production_at, why_in_production
from mcp_server.answers import Answer
from mcp_server.principals import principal_of
from mcp_server.toolbox import READS, Ctx, Limit, Toolbox
from storage.stores import PRODUCTION, AliasPeriod

Alias = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]


class StoryAnswer(Answer):
    """Everything upstream of a version.

    Attributes:
        period: When the alias has named the version, who made it so; null for an endpoint, and where it names none.
        lineage: Null where the alias names none.
    """

    period: AliasPeriod | None
    lineage: Lineage | None


class DownstreamAnswer(Answer):
    """Everything that came of a dataset version."""

    lineage: Lineage


class InProductionAnswer(Answer):
    """What an alias named, of each model that had it."""

    models: tuple[InProduction, ...]


class LineageTools(Toolbox):
    """Where models come from, and what comes of data."""

    def tools(self) -> Iterable[tuple[Callable[..., Any], ToolAnnotations]]:
        """See `Toolbox.tools`."""
        return ((self.explain_production, READS), (self.list_downstream, READS), (self.get_production_at, READS))

    def explain_production(self, question: WhyQuestion, ctx: Ctx) -> StoryAnswer:
        """Say why a version is in production: its runs, experiment, data, diagrams and the decisions of people.

        Name the model, or an endpoint_id. With at, the version that was there then; with known_at, as known then.
        """
        context = principal_of(ctx)
        story = why_in_production(self._services, question, context=context)
        subject = question.model_name or f"ServingEndpoint/{question.endpoint_id}"
        return StoryAnswer(
            audit_ref=self._audited("explain_production", subject, context),
            period=None if story is None else story.period,
            lineage=None if story is None else story.lineage,
        )

    def list_downstream(self, dataset_version_id: UUID, ctx: Ctx, limit: Limit = 500) -> DownstreamAnswer:
        """List everything that came of a dataset version: experiments, runs, models, endpoints and their answers."""
        context = principal_of(ctx)
        lineage = downstream_of(self._services, dataset_version_id, limit=limit, context=context)
        audit_ref = self._audited("list_downstream", f"DatasetVersion/{dataset_version_id}", context)
        return DownstreamAnswer(audit_ref=audit_ref, lineage=lineage)

    def get_production_at(
        self, at: AwareDatetime, ctx: Ctx, known_at: AwareDatetime | None = None, alias: Alias = PRODUCTION
    ) -> InProductionAnswer:
        """Say which version of each model was in production at a moment, as known now or at known_at."""
        context = principal_of(ctx)
        models = in_production_at(self._services, at, known_at=known_at, alias=alias, context=context)
        audit_ref = self._audited("get_production_at", alias, context)
        return InProductionAnswer(audit_ref=audit_ref, models=models)
