from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from builder.errors import BundlerError
from builder.model.cluster import Node
from builder.plan.subnets import allocate
from tests.kit import cluster, network, nodes


def as_text(subnets):
    return {name: str(subnet) for name, subnet in subnets.items()}


def test_the_last_octet_scheme_gives_the_seeds_subnets():
    assert as_text(allocate(cluster(), {})) == {
        "k8s-master1": "172.7.100.0/24",
        "k8s-node1": "172.7.120.0/24",
        "k8s-node2": "172.7.130.0/24",
    }


def test_in_sequence_leaves_the_first_subnet_out_as_flannel_does():
    found = allocate(cluster(network=network(pod_subnets="sequence")), {})
    assert list(as_text(found).values()) == ["172.7.1.0/24", "172.7.2.0/24", "172.7.3.0/24"]


def test_a_given_subnet_wins_over_the_scheme_and_over_what_is_remembered():
    given = replace(nodes()[1], pod_subnet=IPv4Network("172.7.7.0/24"))
    found = allocate(cluster(nodes=(nodes()[0], given)), {"k8s-node1": IPv4Network("172.7.9.0/24")})
    assert str(found["k8s-node1"]) == "172.7.7.0/24"


def test_removing_and_adding_nodes_moves_no_other_node():
    sequence = network(pod_subnets="sequence")
    first = allocate(cluster(network=sequence), {})
    newcomer = Node("a-new-one", IPv4Address("10.1.1.7"))
    second = allocate(cluster(network=sequence, nodes=(newcomer, *nodes()[1:])), first)
    assert second["k8s-node1"] == first["k8s-node1"]
    assert second["k8s-node2"] == first["k8s-node2"]
    assert second["a-new-one"] not in first.values(), "the subnet of a node that left is not handed on"


def test_two_hosts_with_one_last_octet_get_different_subnets():
    twins = (Node("a", IPv4Address("10.1.1.5")), Node("b", IPv4Address("10.1.2.5")))
    found = allocate(cluster(nodes=twins), {})
    assert str(found["a"]) == "172.7.5.0/24"
    assert found["b"] != found["a"]


def test_a_full_pod_network_is_refused_by_name_of_the_node():
    small = network(pod_cidr=IPv4Network("172.7.0.0/23"), pod_subnets="sequence")
    with pytest.raises(BundlerError, match=r"no pod subnet is left in 172\.7\.0\.0/23 for k8s-node1"):
        allocate(cluster(network=small), {})


def test_a_remembered_subnet_outside_a_new_pod_network_is_not_used():
    found = allocate(cluster(), {"k8s-node1": IPv4Network("10.244.1.0/24")})
    assert str(found["k8s-node1"]) == "172.7.120.0/24"
