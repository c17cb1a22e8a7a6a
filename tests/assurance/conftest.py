"""A control plane for the tests of this folder."""

from tests.kubernetes_cluster import cluster, namespace, pytest_collection_modifyitems

__all__ = ["cluster", "namespace", "pytest_collection_modifyitems"]
