"""What must be so before the first test module is imported."""

import os

# gRPC's fork handlers crash now and then between fork and exec, when a process with a running
# gRPC server starts another one under another user; no test forks without exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
