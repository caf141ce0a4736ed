"""The stores beside the documents: graph, aliases, time series, vectors; all in the caller's transaction.

Each is a small class on a connection and a tenant. None decides who may see what: `UnifiedCRUD` and the handlers do.
"""

from storage.stores.alias_periods import PRODUCTION, AliasName, AliasPeriod, Cause
from storage.stores.aliases import AliasStore
from storage.stores.edges import LINEAGE, Bounds, Direction, Edge, EdgeKind, Node, ReachedNode, Traversal
from storage.stores.graph import GraphStore
from storage.stores.metric_points import MetricAnswer, MetricPoint, MetricSeries, Resolution, Rollup
from storage.stores.metric_retention import MetricRetention, Partition
from storage.stores.rollups import MetricMaintenance, RetentionReport
from storage.stores.timeseries import TimeseriesStore
from storage.stores.vectors import Metric, Nearest, Neighbour, VectorPoint, VectorStore, create_vector_indexes

__all__ = [
    "LINEAGE",
    "PRODUCTION",
    "AliasName",
    "AliasPeriod",
    "AliasStore",
    "Bounds",
    "Cause",
    "Direction",
    "Edge",
    "EdgeKind",
    "GraphStore",
    "Metric",
    "MetricAnswer",
    "MetricMaintenance",
    "MetricPoint",
    "MetricRetention",
    "MetricSeries",
    "Nearest",
    "Neighbour",
    "Node",
    "Partition",
    "ReachedNode",
    "Resolution",
    "RetentionReport",
    "Rollup",
    "TimeseriesStore",
    "Traversal",
    "VectorPoint",
    "VectorStore",
    "create_vector_indexes",
]
