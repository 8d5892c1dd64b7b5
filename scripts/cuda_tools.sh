#!/usr/bin/env bash
# Fetches what a build with CUDA needs and few machines have: compilers, headers and libraries, from Python wheels, 1.2 GB.
# Usage: scripts/cuda_tools.sh FOLDER
set -euo pipefail
folder=$1
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --upgrade --target "$folder" \
  nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-cccl==13.0.85 \
  nvidia-cuda-runtime==13.0.96 nvidia-cuda-nvrtc==13.0.88 nvidia-cublas==13.1.0.3 nvidia-curand==10.4.0.35
toolkit=$folder/nvidia/cu13
chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*

# Linkers look for names without versions, which wheels do not have.
link=$folder/link
mkdir -p "$link"
for name in cublas cublasLt cudart curand nvrtc; do
  library=$(echo "$toolkit/lib/lib$name.so."*)
  ln -sf "../nvidia/cu13/lib/$(basename "$library")" "$link/lib$name.so"
done

# The driver's own library comes with the driver. Where there is none, a stub with its names makes the link possible: what
# is built then starts on a machine with a driver, and stops on this one with "cannot open shared object file".
driver=$(ldconfig -p 2>/dev/null | awk '/libcuda\.so\.1 /{print $NF; exit}')
if [ -n "$driver" ]; then
  ln -sf "$driver" "$link/libcuda.so"
else
  sources=$(cargo metadata --format-version 1 --features cuda-training | "$python" -c \
    'import json, sys; print(*[p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "cudarc"])')
  grep -ohE '\bfn cu[A-Z][A-Za-z0-9_]*' -r "$(dirname "$sources")/src/driver/sys" | awk '{print $2}' | sort -u |
    awk '{print "int " $1 "(void) { return 100; }"}' > "$link/stub.c"
  cc -shared -fPIC -w -Wl,-soname,libcuda.so.1 -o "$link/libcuda.so" "$link/stub.c"
fi
