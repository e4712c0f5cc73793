"""Runs stored functions in BabyAGI, by the Python of an environment that has it, in an empty folder that becomes its store.

Arguments: a pack file to load, and a JSON list of calls, each [function, positional, named]. The last line of the output is the
JSON list of what they gave.
"""

import importlib
import json
import sys


def main() -> None:
    functions = importlib.import_module("babyagi").get_func_instance()
    functions.load_functions_from_file(sys.argv[1])
    found = [functions.execute_function(name, *given, **named) for name, given, named in json.loads(sys.argv[2])]
    sys.stdout.write(f"\n{json.dumps(found)}\n")


main()
