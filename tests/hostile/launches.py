"""Everything that can be launched from the bytes of a file: plans, digests, traces and lint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import igvm
from igvm.launch.loader_table import loaders_named
from igvm.measurement.explain import explain
from igvm.measurement.first_difference import first_difference
from igvm.measurement.search.find import find
from tests.hostile.everything import attempt

LOADERS = [loader.name for loader in loaders_named("all", tools=False)]

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan

REALM = igvm.RealmParameters(s2sz=40, ripas=((0, 0x40201000),))
_HASHES = igvm.KernelHashes.of(b"kernel")
# A file may have an area of 1 GiB in its headers: its trace has a step a page.
_MOST_STEPS = 1 << 12


def launch(data: bytes) -> int:
    """Do everything with `data`; an exception that is not an IgvmError comes out.

    Returns how many launches were measured.
    """
    file = attempt(igvm.parse, data)
    if file is None:
        return 0
    plans: list[LaunchPlan] = []
    for platform in igvm.PlatformType:
        for name, loader in igvm.loaders().items():
            for hashes in (None, _HASHES)[: 1 + loader.takes_hashes]:
                plan = attempt(
                    igvm.plan, file, platform, loader=name, vcpus=2, cpu="EPYC", hashes=hashes
                )
                if plan is not None:
                    plans.append(plan)
    done = [attempt(igvm.measure_plan, plan, realm=REALM) for plan in plans]
    for plan, measurement in zip(plans, done, strict=True):
        if measurement is not None and plan.page_count <= _MOST_STEPS:
            for every_page in (False, True):
                steps = list(explain(plan, realm=REALM, every_page=every_page))
                assert not steps or measurement.digest == steps[-1].digest
        attempt(first_difference, plans[0], plan)
    for judge in LOADERS:
        for finding in igvm.lint(file, judge):
            assert finding.message
            str(finding)
    options = {"vcpus": [2], "cpu": 0, "sev_features": 1, "realm": REALM, "hashes": _HASHES}
    attempt(find, file, bytes(48), **options)
    return sum(measurement is not None for measurement in done)
