#!/usr/bin/env bash
# Proves that the device side of Beltline and its wheels work on arm64, on any machine with a net: a Debian arm64 root,
# wheels for it, and Beltline's own verbs on a bundle, run by qemu's user emulation. Function only: nothing is timed.
#   targets/arm64_proof.sh BUNDLE [FOLDER]
# Needs mmdebstrap and qemu-user-static (apt-get install), and the environment in which `beltline` is installed.
set -euo pipefail

bundle="$(realpath "${1:?usage: targets/arm64_proof.sh BUNDLE [FOLDER]}")"
place="${2:-$(mktemp -d)}"
mkdir -p "$place"
place="$(realpath "$place")"
root="$place/root" wheels="$place/wheels" packages="$place/packages" versions="$place/versions"

for tool in mmdebstrap qemu-aarch64-static; do
    command -v "$tool" >/dev/null || { echo "arm64: wanted $tool; run: apt-get install mmdebstrap qemu-user-static" >&2; exit 2; }
done

# The packages are only unpacked: no program of the root runs while it is made, so that no kernel support is needed.
if [[ ! -x "$root/usr/bin/python3" ]]; then
    mode=unshare
    [[ $EUID -ne 0 ]] || mode=root
    mmdebstrap --quiet --mode="$mode" --variant=extract --architectures=arm64 --skip=check/qemu \
        --include=python3,libstdc++6,libgomp1 bookworm "$root" http://deb.debian.org/debian
fi

# ONNX Runtime reads the processor from /proc/cpuinfo and crashes on that of another architecture: give it a Cortex-A72's.
mkdir -p "$root/proc"
for ((number = 0; number < $(nproc); number++)); do
    printf 'processor\t: %d\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n' "$number"
    printf 'CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n'
done >"$root/proc/cpuinfo"
python="$(ls "$root"/usr/bin/python3.[0-9]* | head -n 1)"
version="${python##*python}"

on_arm64() {
    PYTHONPATH="$packages" PYTHONDONTWRITEBYTECODE=1 qemu-aarch64-static -cpu cortex-a72 -L "$root" "$python" "$@"
}

echo "== the device"
on_arm64 -c 'import platform; print(platform.machine(), "Python", platform.python_version(), *platform.libc_ver())'

echo "== its wheels, and Beltline's own, installed by the pip among them"
python3 -m beltline.pipeline wheels "$wheels" --architecture aarch64 --python "$version" --glibc 2.36 --station
python3 - "$wheels" <<'PYTHON'
import sys
from pathlib import Path

from beltline.targets.own_wheel import own_wheel

name, content = own_wheel()
Path(sys.argv[1], name).write_bytes(content)
PYTHON
rm -rf "$packages" "$versions"
pip="$(ls "$wheels"/pip-*.whl)"
others=()
for wheel in "$wheels"/*.whl; do
    [[ "$wheel" == "$pip" ]] || others+=("$wheel")
done
on_arm64 "$pip/pip" install --quiet --root-user-action=ignore --no-index --no-deps --no-compile --target "$packages" "${others[@]}"
du -sm "$packages"

echo "== what it says of itself"
on_arm64 -m beltline.pipeline.deploy.describe

echo "== verify: signature, digests, and the golden frames on its own runtime"
on_arm64 -m beltline.pipeline verify "$bundle" --other-device

echo "== install, status"
on_arm64 -m beltline.pipeline install "$bundle" --other-device --allow-unsigned --root "$versions"
on_arm64 -m beltline.pipeline status --root "$versions"
