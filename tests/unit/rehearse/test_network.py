"""Addresses and names of the guests' network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from builder.rehearse.network import common_network, free_address, stale_namespaces


@pytest.mark.parametrize(
    ("addresses", "network"),
    [
        (["10.1.1.100"], "10.1.1.0/24"),
        (["10.1.1.100", "10.1.1.130"], "10.1.1.0/24"),
        (["10.1.2.4", "10.1.1.200"], "10.1.0.0/22"),
        (["10.1.1.1", "192.168.0.1"], "0.0.0.0/0"),
    ],
)
def test_the_network_holds_every_address_and_is_a_24_if_it_can(addresses, network):
    assert common_network([IPv4Address(address) for address in addresses]) == IPv4Network(network)


def test_our_own_address_is_nobody_elses():
    taken = [IPv4Address("10.1.1.254"), IPv4Address("10.1.1.253")]
    assert free_address(IPv4Network("10.1.1.0/24"), taken) == IPv4Address("10.1.1.252")


def test_only_namespaces_of_dead_rehearsals_are_stale():
    names = ["bundler-12-ab", "bundler-13-cd", "bundler-x-1", "bundler-14", "docker", "bundler-"]
    assert stale_namespaces(names, alive=[1, 13]) == ["bundler-12-ab"]
