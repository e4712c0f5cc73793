"""Times stored functions in BabyAGI: run by the Python of an environment that has it, in an empty folder that becomes its store.

Takes the numbers of stored functions as arguments. The last line of the output is a JSON object: number → how → seconds.
"""

import importlib
import json
import sqlite3
import sys
import time
from typing import Any

CHAIN = 10
CALLS, LEAST_CALLS, SECONDS = 30, 3, 15.0  # of each measure: as many as fit in the time, but never fewer than the least
STORE = "funztionz.db"
FILL_FUNCTIONS = "INSERT INTO functions (name) VALUES (?)"
FILL_VERSIONS = """
INSERT INTO function_versions (function_id, version, code, function_metadata, is_active, created_date,
                               input_parameters, output_parameters, triggers)
SELECT new.id, version, code, function_metadata, is_active, created_date, input_parameters, output_parameters, triggers
FROM functions AS new, function_versions AS one JOIN functions AS pattern ON pattern.id = one.function_id
WHERE pattern.name = 'one' AND new.name LIKE 'filler%'
  AND NOT EXISTS (SELECT 1 FROM function_versions AS there WHERE there.function_id = new.id)
"""


def main() -> None:
    functions = importlib.import_module("babyagi").get_func_instance()
    add_measured(functions)
    found = {}
    for number in map(int, sys.argv[1:]):
        fill(number)
        found[number] = {"one": timed(functions, "one"), "chain": timed(functions, "chain0")}
    sys.stdout.write(f"\n{json.dumps(found)}\n")


def add_measured(functions: Any) -> None:
    """One that stands alone, and one that needs ten others, each of which needs the next."""
    add(functions, "one", "return 1", [])
    add(functions, f"chain{CHAIN}", "return 1", [])
    for place in reversed(range(CHAIN)):
        add(functions, f"chain{place}", f"return chain{place + 1}()", [f"chain{place + 1}"])


def add(functions: Any, name: str, body: str, dependencies: list[str]) -> None:
    """With a description, because BabyAGI asks a model for one that is missing."""
    functions.add_function(name, code=f"def {name}():\n    {body}", metadata={"description": name}, dependencies=dependencies)


def fill(number: int) -> None:
    """Store copies of the first function, as BabyAGI would, until there are this many functions."""
    with sqlite3.connect(STORE) as database:
        there = database.execute("SELECT count(*) FROM functions").fetchone()[0]
        database.executemany(FILL_FUNCTIONS, [(f"filler{place}",) for place in range(there, number)])
        database.execute(FILL_VERSIONS)
        stored = database.execute("SELECT count(*) FROM functions JOIN function_versions v ON functions.id = v.function_id")
        assert stored.fetchone()[0] >= number, "the store could not be filled"


def timed(functions: Any, name: str) -> list[float]:
    seconds: list[float] = []
    deadline = time.monotonic() + SECONDS
    functions.execute_function(name)
    while len(seconds) < LEAST_CALLS or (len(seconds) < CALLS and time.monotonic() < deadline):
        began = time.perf_counter()
        assert functions.execute_function(name) == 1
        seconds.append(time.perf_counter() - began)
    return seconds


main()
