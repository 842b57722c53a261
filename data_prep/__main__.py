"""``python -m data_prep``: the data commands. Exit code 0 done, 2 bad input, 1 internal error,
130 interrupted; for ``data`` also 1 when a file that was asked for did not come.
"""

import argparse
import gc
import importlib
import sys
from collections.abc import Sequence

from data_prep.errors import DataError

# Each module has add_arguments(parser) and run(args) -> exit code; only the one named is imported.
COMMANDS = {
    "cube": ("data_prep.cube_command", "build the cube of published England from official files"),
    "data": ("data_prep.download.command", "download the official files"),
    "profile": ("data_prep.profile", "print and draw the series of one authority"),
    "simulate": ("data_prep.simulated.command", "build the cube of simulated England"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m data_prep", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    module = None
    for name, (module_name, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if words[:1] == [name]:
            module = importlib.import_module(module_name)
            module.add_arguments(command)
    options = parser.parse_args(words)
    assert module is not None, "argparse refuses unknown commands"
    try:
        return int(module.run(options))
    except DataError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    code = main()
    # On its way out Python looks through all that it holds for rubbish, which takes up to a second.
    gc.freeze()
    sys.exit(code)
