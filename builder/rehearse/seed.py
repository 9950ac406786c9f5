"""What makes an image this one node, on a small disk: a tar for our image, files of cloud-init for others."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from ipaddress import IPv4Interface
from typing import Any

_SETUP = """\
# written by the rehearsal; runs once
hostname -F /etc/hostname
"""


@dataclass(frozen=True)
class Identity:
    """Who a guest is. `interface` is the name that cluster.yaml gives its network card, if it gives one."""

    name: str
    address: IPv4Interface
    interface: str | None
    authorized_key: str
    host_key: str
    host_key_public: str = ""

    @property
    def mac(self) -> str:
        """The same in every run, in the range of QEMU."""
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return ":".join(("52:54:00", digest[:2], digest[2:4], digest[4:6]))


def seed_tar(who: Identity) -> bytes:
    """The disk's content: a tar that ends at a whole sector, as tars do."""
    network = f"[Match]\nMACAddress={who.mac}\n\n[Network]\nAddress={who.address}\n"
    files = {
        "etc/hostname": (0o644, f"{who.name}\n"),
        "etc/hosts": (0o644, f"127.0.0.1 localhost\n127.0.1.1 {who.name}\n::1 localhost ip6-localhost\n"),
        "etc/rehearsal": (0o644, _SETUP),
        "etc/ssh/ssh_host_ed25519_key": (0o600, who.host_key),
        "etc/systemd/network/10-rehearsal.network": (
            0o644,
            f"{network}LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        ),
        "root/.ssh/authorized_keys": (0o600, f"{who.authorized_key}\n"),
    }
    if who.interface:
        link = f"[Match]\nMACAddress={who.mac}\n\n[Link]\nName={who.interface}\n"
        files["etc/systemd/network/10-rehearsal.link"] = (0o644, link)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, (mode, text) in files.items():
            content = text.encode()
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def cloud_files(who: Identity) -> dict[str, str]:
    """The files of cloud-init's NoCloud source (a disk with the label `cidata`); JSON is YAML, too."""
    user: dict[str, Any] = {
        "hostname": who.name,
        "preserve_hostname": False,
        "disable_root": False,
        "users": [{"name": "root", "ssh_authorized_keys": [who.authorized_key]}],
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": who.host_key, "ed25519_public": who.host_key_public},
        # a host without network has nothing to fetch from
        "package_update": False,
        "package_upgrade": False,
    }
    card: dict[str, Any] = {"match": {"macaddress": who.mac}, "addresses": [str(who.address)], "dhcp4": False}
    if who.interface:
        card["set-name"] = who.interface
    network = {"version": 2, "ethernets": {"rehearsal": card}}
    meta = {"instance-id": f"rehearsal-{who.name}", "local-hostname": who.name}
    return {
        "user-data": f"#cloud-config\n{json.dumps(user, indent=1)}\n",
        "meta-data": f"{json.dumps(meta)}\n",
        "network-config": f"{json.dumps(network)}\n",
    }
