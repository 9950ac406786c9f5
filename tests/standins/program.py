#!/usr/bin/env python3
"""STAND-IN, not the real program: refuses what the real one refuses, reads the files that it reads, then waits.

tests/standins/__init__.py fills in NAME, VERSION and FLAGS (from tests/data/flags-v1.24.json). Needs only
Python's standard library. STANDIN_ONCE=1 makes it exit 0 after its checks.
"""

import base64
import json
import os
import re
import signal
import ssl
import sys
import tempfile

NAME = "@NAME@"
VERSION = "@VERSION@"
FLAGS = json.loads(r"""@FLAGS@""")
GO_STYLE = NAME == "flanneld"  # Go's flag package: one dash or two; pflag: two dashes only


def die(message):
    sys.stderr.write(f"{NAME} (stand-in): {message}\n")
    sys.exit(1)


def parse(arguments):
    found, rest = {}, list(arguments)
    while rest:
        word = rest.pop(0)
        match = re.fullmatch(r"(--?)([A-Za-z0-9_-]+)(?:=(.*))?", word, re.DOTALL)
        if match is None or (match[1] == "-" and not GO_STYLE and len(match[2]) > 1):
            die(f"unknown command or argument {word!r}")
        name, value = match[2], match[3]
        if name not in FLAGS:
            die(f"unknown flag: --{name}")
        if value is None:
            if FLAGS[name] == "bool":
                value = "true"
            elif rest:
                value = rest.pop(0)
            else:
                die(f"flag needs an argument: --{name}")
        check(name, value)
        found[name] = value
    return found


def check(name, value):
    kind = FLAGS[name]
    if kind == "bool" and value not in {"true", "false", "1", "0"}:
        die(f"invalid argument {value!r} for --{name}")
    if kind in {"int", "int32", "int64", "uint"} and not re.fullmatch(r"-?[0-9]+", value):
        die(f"invalid argument {value!r} for --{name}")


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        die(f"open {path}: {error.strerror}")


def yaml_of(text, path):
    try:
        import yaml
    except ImportError:
        return None
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        die(f"{path}: {error}")
    if not isinstance(loaded, dict):
        die(f"{path}: not a mapping")
    return loaded


def check_config(path, kind):
    loaded = yaml_of(read(path), path)
    if loaded is None:
        return
    if loaded.get("kind") != kind:
        die(f"{path}: kind is {loaded.get('kind')!r}, wanted {kind}")
    nested = {"KubeletConfiguration": "authentication", "KubeProxyConfiguration": "clientConnection"}[kind]
    if not isinstance(loaded.get(nested), dict):
        die(f"{path}: Using lenient decoding as strict decoding failed: {nested} is not a mapping")
    for key in ("tlsCertFile", "tlsPrivateKeyFile"):
        if key in loaded:
            read(loaded[key])
    if kind == "KubeProxyConfiguration":
        check_kubeconfig(loaded["clientConnection"]["kubeconfig"])


def check_kubeconfig(path):
    loaded = yaml_of(read(path), path)
    if loaded is None:
        return
    users = {user["name"]: user["user"] for user in loaded["users"]}
    context = {item["name"]: item["context"] for item in loaded["contexts"]}[loaded["current-context"]]
    user = users[context["user"]]
    if "token" not in user:
        pair = [base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")]
        check_pair(path, *pair)


def check_pair(path, certificate, key):
    context = ssl.create_default_context()
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except ssl.SSLError as error:
            die(f"{path}: tls: {error}")


def kubelet(flags):
    if flags.get("container-runtime", "remote") != "remote":
        die(f'unsupported CRI runtime: {flags["container-runtime"]!r}, only "remote" is currently supported')
    if "config" in flags:
        check_config(flags["config"], "KubeletConfiguration")
    if "bootstrap-kubeconfig" in flags:
        check_kubeconfig(flags["bootstrap-kubeconfig"])
    elif "kubeconfig" in flags:
        check_kubeconfig(flags["kubeconfig"])


def kube_proxy(flags):
    if "config" not in flags:
        die("Neither kubeconfig file nor master URL was specified, falling back to in-cluster config")
    check_config(flags["config"], "KubeProxyConfiguration")


def flanneld(flags):
    for name in ("etcd-cafile", "etcd-certfile", "etcd-keyfile"):
        read(flags[name])
    check_pair("etcd", read(flags["etcd-certfile"]).encode(), read(flags["etcd-keyfile"]).encode())
    if os.path.exists(flags["subnet-file"]):
        wanted = r"FLANNEL_NETWORK=[0-9./]+\nFLANNEL_SUBNET=[0-9./]+\nFLANNEL_MTU=[0-9]+\nFLANNEL_IPMASQ=(true|false)\n"
        if not re.fullmatch(wanted, read(flags["subnet-file"])):
            die(f"{flags['subnet-file']}: not a subnet file")


def file_flags(flags):
    """Certificates, keys, kubeconfigs and configuration files that are named must be there."""
    for name, value in flags.items():
        if name.endswith(("kubeconfig", "-file", "cafile", "certfile", "keyfile", "-certificate", "-config")):
            read(value)


def main():
    if any(word in {"--version", "-version"} for word in sys.argv[1:]):
        print(f"{NAME} {VERSION} (STAND-IN, not the real program)")
        return
    flags = parse(sys.argv[1:])
    {"kubelet": kubelet, "kube-proxy": kube_proxy, "flanneld": flanneld}.get(NAME, file_flags)(flags)
    sys.stderr.write(f"{NAME} (stand-in): files and flags are as the real program wants them\n")
    if not os.environ.get("STANDIN_ONCE"):
        signal.pause()


main()
