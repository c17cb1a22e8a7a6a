"""Runs Python programs for an engine that was built without its language hosts.

The engine starts this module, reads the port from the first line of output and
then speaks gRPC.  The program runs inside this process: the SDK is imported
once, not once here and once more in a child.
"""

import importlib.metadata
import os
import runpy
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pulumi
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
from typing_extensions import override

from local.process import exit_with_parent

# The engine's own bound; a large stack's configuration must fit.
MESSAGE_BYTES = 400 * 1024 * 1024
GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
]


class LanguageHost(LanguageServer):
    """The SDK's own server for inline programs, completed to serve program folders."""

    def __init__(self, engine_address: str) -> None:
        super().__init__(lambda: None)
        self.engine_address = engine_address

    def Handshake(  # noqa: N802 - gRPC's spelling
        self, _request: language_pb2.LanguageHandshakeRequest, _context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """Accept the engine; its address came with the command line."""
        return language_pb2.LanguageHandshakeResponse()

    @override
    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetProgramDependencies(  # noqa: N802 - gRPC's spelling
        self, _request: language_pb2.GetProgramDependenciesRequest, _context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """List what is installed in the environment that runs the program."""
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=found.name, version=found.version)
                for found in importlib.metadata.distributions()
            ]
        )

    def InstallDependencies(  # noqa: N802 - gRPC's spelling
        self, _request: language_pb2.InstallDependenciesRequest, _context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Install nothing: the Makefile keeps the environment in step with the lock."""
        return iter(())

    def RuntimeOptionsPrompts(  # noqa: N802 - gRPC's spelling
        self, _request: language_pb2.RuntimeOptionsRequest, _context: grpc.ServicerContext
    ) -> language_pb2.RuntimeOptionsResponse:
        """Ask nothing: Pulumi.yaml says it all."""
        return language_pb2.RuntimeOptionsResponse()

    @override
    def Run(
        self, request: language_pb2.RunRequest, context: grpc.ServicerContext
    ) -> language_pb2.RunResponse:
        folder = request.info.program_directory
        self.program = lambda: run_program(folder, request.info.entry_point)
        # The SDK's server expects the engine's address where the program's arguments are.
        del request.args[:]
        request.args.append(self.engine_address)
        os.chdir(request.pwd or folder)
        result: language_pb2.RunResponse = super().Run(request, context)
        # The error was logged already; returned as text, it would be printed a second time.
        return language_pb2.RunResponse(bail=True) if result.error else result

    def RunPlugin(  # noqa: N802 - gRPC's spelling
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a plugin that is itself a Python program, such as a policy pack."""
        with subprocess.Popen(
            plugin_command(request),
            cwd=request.pwd,
            env=os.environ | dict(entry.split("=", 1) for entry in request.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            context.add_callback(lambda: _stop(process))
            yield from _output(process)
            yield language_pb2.RunPluginResponse(exitcode=process.wait())


def plugin_command(request: language_pb2.RunPluginRequest) -> list[str]:
    """Return the command of a plugin in a folder: a policy pack, or any other kind.

    As the official host does, run it in the environment that its ``virtualenv`` names.
    """
    engine_address, *rest = request.args
    folder = request.info.program_directory
    pack = request.kind == "analyzer"
    options = request.info.options.fields
    python = sys.executable
    if "virtualenv" in options:
        named = Path(folder, options["virtualenv"].string_value).resolve()
        python = str(named / "bin" / "python")
    module = "local.toolchain.policy_host" if pack else "pulumi.run.plugin"
    return [python, "-u", "-m", module, engine_address, folder, *rest]


def run_program(folder: str, entry_point: str) -> None:
    """Run the program of a folder as ``python <entry point>`` would.

    Raises ``pulumi.RunError`` for any failure, with the text that a user needs: its own
    text where the program raised it, else the traceback from the program's first line on.
    """
    if folder not in sys.path:
        sys.path.insert(0, folder)
    path = Path(folder, entry_point)
    main = path / "__main__.py" if path.is_dir() else path
    try:
        runpy.run_path(str(main), run_name="__main__")
    except pulumi.RunError:
        raise
    except SystemExit as ending:
        if ending.code not in (None, 0):
            raise pulumi.RunError(f"the program ended with exit code {ending.code}") from ending
    except Exception as error:
        raise pulumi.RunError(_readable(error, main)) from error


def _readable(error: Exception, main: Path) -> str:
    """Return the traceback without the frames that lead to the program."""
    tail = error.__traceback__
    while tail and tail.tb_frame.f_code.co_filename != str(main):
        tail = tail.tb_next
    lines = traceback.format_exception(type(error), error, tail or error.__traceback__)
    return "the program failed with an exception:\n" + "".join(lines).rstrip()


def _output(process: subprocess.Popen[bytes]) -> Iterator[language_pb2.RunPluginResponse]:
    """Yield both streams as they come, until both have ended."""
    chunks: SimpleQueue[language_pb2.RunPluginResponse | None] = SimpleQueue()

    def pump(
        stream: Iterable[bytes], wrap: Callable[[bytes], language_pb2.RunPluginResponse]
    ) -> None:
        for line in stream:
            chunks.put(wrap(line))
        chunks.put(None)

    streams = (
        (process.stdout or (), lambda line: language_pb2.RunPluginResponse(stdout=line)),
        (process.stderr or (), lambda line: language_pb2.RunPluginResponse(stderr=line)),
    )
    for stream in streams:
        threading.Thread(target=pump, args=stream, daemon=True).start()
    ended = 0
    while ended < len(streams):
        chunk = chunks.get()
        if chunk is None:
            ended += 1
        else:
            yield chunk


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a plugin whose call the engine gave up."""
    if process.poll() is None:
        process.terminate()


def serve(engine_address: str) -> None:
    """Serve one engine on a free port, which is printed, until the engine ends."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=GRPC_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(engine_address), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    exit_with_parent()
    with suppress(KeyboardInterrupt):  # how the engine ends its plugins, and how a user ends all
        serve(sys.argv[-1])
    # The engine waits for us, and taking down what a program imported takes most of a second.
    os._exit(0)
