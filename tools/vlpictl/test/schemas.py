# SPDX-License-Identifier: GPL-2.0-only
"""schemas.py SCHEMAS FILE: each JSON object in FILE is as the schema of its command says; and with a member more, one less or
one of another type it is not, or the schema says nothing. Prints what is wrong, and how many objects of each command there
were.
"""
import collections
import copy
import json
import os
import sys

from jsonschema import Draft202012Validator


def objects(text):
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        at += 1
        yield value


def mutants(value):
    """Objects that differ in one member of the outermost, or of the first row or part."""
    for name in value:
        if name != "command":
            yield f"without {name}", {k: v for k, v in value.items() if k != name}
            yield f"{name} is a list of lists", {**value, name: [[]]}
        part = value[name][0] if isinstance(value[name], list) and value[name] else value[name]
        if isinstance(part, dict):
            for other, change in (("more", {"surplus": 1}), *((f"{k} is a list", {k: []}) for k in part)):
                mutant = copy.deepcopy(value)
                (mutant[name][0] if isinstance(value[name], list) else mutant[name]).update(change)
                yield f"{name}: {other}", mutant
    yield "one member more", {**value, "surplus": 1}


schemas = {}
for name in os.listdir(sys.argv[1]):
    with open(os.path.join(sys.argv[1], name), encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    schemas[name.removesuffix(".json")] = Draft202012Validator(schema)

bad, seen = 0, collections.Counter()
with open(sys.argv[2], encoding="utf-8") as file:
    for value in objects(file.read()):
        command = value["command"]
        error = next(schemas[command].iter_errors(value), None)
        if error:
            bad += 1
            print(f"{command}: {error.json_path}: {error.message}"[:200])
        seen[command] += 1
        # Those that are there to be told apart from are as many as those that are not needed: a few do.
        if seen[command] <= 3:
            for what, mutant in mutants(value):
                if schemas[command].is_valid(mutant):
                    bad += 1
                    print(f"{command}: {what}: the schema takes it")
for command in schemas:
    if not seen[command]:
        bad += 1
        print(f"{command}: there was no object of it")
print(", ".join(f"{command} {n}" for command, n in sorted(seen.items())))
sys.exit(bool(bad))
