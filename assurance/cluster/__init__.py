"""The workloads as the cluster has them: ready, admitted, and every reference resolved."""
