"""What is looked at before a configuration is put in force, and what is told of it."""

import asyncio
from dataclasses import replace
from typing import Any, cast

from checks.tcp import Tcp
from healthlb.daemon.fitness import Fitness
from healthlb.daemon.preflight import checks_of
from healthlb.daemon.worker import Worker
from healthlb.model.events import Warned
from tests.daemon.rig import CHECK, WEB1, WEB2, config, shop, web


def test_the_check_of_a_sorry_server_is_looked_at_like_any_other() -> None:
    plain = web(WEB1)
    probe = replace(plain.probes[0], check=replace(CHECK, name="sorry", conversation=Tcp(send="PING")))
    sorry = web(WEB2, probes=(probe,))
    found = checks_of(config(replace(shop(plain), sorry_servers=(sorry,))))
    assert cast("Any", found)[Tcp(send="PING")] == "sorry"


def test_what_to_think_about_in_a_configuration_is_told_without_a_kernel_too() -> None:
    told: list[Any] = []

    async def story() -> Fitness:
        files = Worker("files")
        try:
            nothing = cast("Any", None)
            fitness = Fitness(nothing, nothing, nothing, files, told.append, kernel=False)
            await fitness.look_around(config(shop(web(WEB1, slow_start=60.0))))
        finally:
            files.close()
        return fitness

    fitness = asyncio.run(story())
    assert {type(event) for event in told} == {Warned}
    assert "slow_start has hardly a step to climb" in told[0].warning
    assert fitness.warnings == ()
