# SPDX-License-Identifier: GPL-2.0-only
"""Reads files NAME.openmetrics and NAME.prometheus with prometheus_client's parsers. Writes what they have understood to
FILE.samples, one sample a line, and what they complain of to FILE.error.
"""
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics


def samples(text, parse):
    names = set()
    for family in parse(text):
        assert family.name not in names, f"{family.name} comes twice"
        assert family.documentation.endswith("."), f"{family.name} is not explained"
        names.add(family.name)
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            yield f"{family.type} {sample.name} {labels or '-'} {int(sample.value)}\n"


for name in sys.argv[1:]:
    parse = (openmetrics if name.endswith(".openmetrics") else parser).text_string_to_metric_families
    with open(name, encoding="utf-8") as file, open(f"{name}.samples", "w", encoding="utf-8") as out:
        try:
            out.writelines(samples(file.read(), parse))
        except (ValueError, AssertionError) as error:
            with open(f"{name}.error", "w", encoding="utf-8") as complaint:
                complaint.write(f"{error}\n")
