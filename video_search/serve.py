# SPDX-License-Identifier: Apache-2.0
"""Serves a page to search a library with: by word, by image and by time, with clips to watch.

It listens on this machine alone unless ``--host`` names another address: whoever reaches the page
sees all that the library holds. It only reads.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence

from perception_kit.arguments import CommandParser, bounded_int, program_name
from perception_kit.processes import run_command
from video_search.arguments import given

EXIT_BAD_INPUT = 2
LOOPBACK = "127.0.0.1"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(prog=program_name("video_search.serve"), description=__doc__)
    add = parser.add_argument
    add(
        "library",
        type=given,
        help="folder of the library, or its address such as s3://bucket/library",
    )
    add("--host", default=LOOPBACK, help="address to listen at (default: %(default)s)")
    add("--port", type=bounded_int(0), default=8090, help="0: a free one (%(default)s)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = parse_arguments(arguments)

    # A library takes seconds to import, which help and wrong options need not wait for.
    import uvicorn

    from video_search.library import Library
    from video_search.serve_app import make_app
    from video_search.tables import LibraryError
    from video_search.vocabulary import VocabularyError
    from video_search.wordnet import WordNetError

    try:
        listener = _listener(options.host, options.port)
        host, port = listener.getsockname()[:2]
        app = make_app(Library.open(options.library), any_host=host != LOOPBACK)
    except (LibraryError, VocabularyError, WordNetError, OSError) as error:
        print(f"serve: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT

    shown = f"[{host}]" if ":" in host else host
    print(f"serving '{options.library}' at http://{shown}:{port}/ until Ctrl-C", flush=True)
    config = uvicorn.Config(app, log_level="warning", server_header=False)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listener(host: str, port: int) -> socket.socket:
    """An open socket. Raises OSError that names the address."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:  # also of a host that cannot be one
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"cannot listen at port {port} of '{host}' ({reason}): choose others with"
            " --port and --host"
        ) from error


if __name__ == "__main__":
    sys.exit(run_command(main))
