"""The host's tree held to the bundle's MANIFEST, without asking the installer."""

from __future__ import annotations

from builder.rehearse.host import Host
from builder.rehearse.site import BUNDLE, FOLDER

# KIND SHA256 MODE OWNER UNITS PATH [TARGET], as docs/bundle-format.md says
_SCRIPT = r"""
sed '/^#/d' {manifest} | while read -r kind sha256 mode owner units path target; do
    case $kind in
    file)
        found="file $(sha256sum <"$path" | cut -c 1-64) $(stat -c '%04a %u:%g' "$path")"
        wanted="file $sha256 $mode $owner"
        ;;
    dir)
        found=$(stat -c '%F %04a %u:%g' "$path")
        wanted="directory $mode $owner"
        ;;
    link)
        found=$(readlink "$path")
        wanted=$target
        ;;
    block) continue ;;
    esac 2>/dev/null
    [ "$found" = "$wanted" ] || echo "$path"
done
"""


def differences(host: Host, stick: str = BUNDLE) -> list[str]:
    """The paths that are not as MANIFEST says; blocks are parts of files that are not ours alone, and left out."""
    script = _SCRIPT.replace("{manifest}", f"{FOLDER}/{stick}/{host.name}/MANIFEST")
    return host.run(script, timeout=300).out.split()
