"""What a guest is told about itself, and the image of its pods."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from ipaddress import IPv4Interface
from pathlib import Path

import yaml

from builder.rehearse import probe
from builder.rehearse.seed import Identity, cloud_files, seed_tar


def seed(interface=None):
    who = Identity("k8s-node1", IPv4Interface("10.1.1.120/24"), interface, "ssh-ed25519 AAA", "HOSTKEY\n")
    with tarfile.open(fileobj=io.BytesIO(seed_tar(who))) as archive:
        return who, {item.name: (item.mode, archive.extractfile(item).read().decode()) for item in archive}


def test_name_address_and_keys():
    who, files = seed()
    assert files["etc/hostname"][1] == "k8s-node1\n"
    network = files["etc/systemd/network/10-rehearsal.network"][1]
    assert "Address=10.1.1.120/24" in network
    assert f"MACAddress={who.mac}" in network
    assert files["root/.ssh/authorized_keys"] == (0o600, "ssh-ed25519 AAA\n")
    assert files["etc/ssh/ssh_host_ed25519_key"] == (0o600, "HOSTKEY\n")
    assert "etc/systemd/network/10-rehearsal.link" not in files


def test_there_is_no_way_out():
    _, files = seed()
    assert not any(word in text for _, text in files.values() for word in ("Gateway", "DNS=", "DHCP"))


def test_the_card_is_called_as_the_cluster_file_says():
    _, files = seed("ens3")
    assert "Name=ens3" in files["etc/systemd/network/10-rehearsal.link"][1]


def test_the_pods_image_is_whole(tmp_path):
    probe.write_image(b"program", tmp_path / "probe.tar")
    with tarfile.open(tmp_path / "probe.tar") as archive:
        files = {item.name: archive.extractfile(item).read() for item in archive}
    index = json.loads(files["index.json"])
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == probe.IMAGE
    blobs = {name.rpartition("/")[2]: content for name, content in files.items() if name.startswith("blobs/")}
    assert all(hashlib.sha256(content).hexdigest() == digest for digest, content in blobs.items())
    manifest = json.loads(blobs[index["manifests"][0]["digest"].removeprefix("sha256:")])
    for part in (manifest["config"], *manifest["layers"]):
        assert len(blobs[part["digest"].removeprefix("sha256:")]) == part["size"]


def test_only_a_static_program_will_do():
    assert not probe.is_static(Path("/bin/sh").read_bytes())
    assert not probe.is_static(b"#!/bin/sh\n")


def test_cloud_init_is_told_the_same():
    who = Identity("k8s-node1", IPv4Interface("10.1.1.120/24"), "ens3", "ssh-ed25519 AAA", "HOSTKEY\n", "ssh-ed25519 B")
    files = cloud_files(who)
    assert files["user-data"].startswith("#cloud-config\n")
    user = yaml.safe_load(files["user-data"])
    assert user["hostname"] == "k8s-node1"
    assert user["users"] == [{"name": "root", "ssh_authorized_keys": ["ssh-ed25519 AAA"]}]
    assert user["ssh_keys"]["ed25519_private"] == "HOSTKEY\n"
    card = yaml.safe_load(files["network-config"])["ethernets"]["rehearsal"]
    assert card == {
        "match": {"macaddress": who.mac},
        "addresses": ["10.1.1.120/24"],
        "dhcp4": False,
        "set-name": "ens3",
    }
