# syntax=docker/dockerfile:1
#
#   docker build --tag ganzoo .                                        for CPUs
#   docker build --tag ganzoo:cuda --build-arg VARIANT=cuda .          for NVIDIA GPUs
#   docker run --rm --volume "$PWD:/work" --volume ganzoo-cache:/cache ganzoo run /recipes/quickstart.yaml
#   docker run --rm --gpus all --shm-size 2g --volume "$PWD:/work" --volume ganzoo-cache:/cache ganzoo:cuda run …
#
# VARIANT       cpu or cuda
# TORCH_INDEX   the package index of torch's wheels; by default pip's own, whose torch runs on CPUs and NVIDIA GPUs
# EXTRAS        the optional parts to install: all, or export,art2real; see docs/environments.md
# UID           the number of the user who runs ganzoo: $(id -u), so that files in /work belong to you
ARG VARIANT=cpu

FROM python:3.12-slim-bookworm AS base-cpu
RUN python3 -m venv /opt/venv

FROM nvidia/cuda:13.0.0-base-ubuntu24.04 AS base-cuda
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3.12 python3.12-dev python3.12-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3.12 -m venv /opt/venv

# hadolint ignore=DL3006
FROM base-${VARIANT}
ARG TORCH_INDEX=
ARG EXTRAS=all
ARG UID=1000
SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# torch.compile needs a compiler. Ubuntu's image has a user 1000 of its own.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ git \
 && rm -rf /var/lib/apt/lists/* \
 && if id ubuntu > /dev/null 2>&1; then userdel --remove ubuntu; fi \
 && useradd --create-home --shell /bin/bash --uid "${UID}" ganzoo \
 && mkdir --parents /cache /work \
 && chown ganzoo /cache /work /opt/venv

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GANZOO_CACHE=/cache/ganzoo \
    HF_HOME=/cache/huggingface \
    TORCHINDUCTOR_CACHE_DIR=/cache/torchinductor

USER ganzoo

# torch alone first: this layer, the largest, stays as it is while ganzoo's code changes.
COPY --chown=ganzoo constraints.txt /tmp/ganzoo/
RUN pip install --no-cache-dir --constraint /tmp/ganzoo/constraints.txt \
    ${TORCH_INDEX:+-i "${TORCH_INDEX}"} torch torchvision

COPY --chown=ganzoo pyproject.toml README.md LICENSE /tmp/ganzoo/
COPY --chown=ganzoo ganzoo /tmp/ganzoo/ganzoo
COPY --chown=ganzoo plugins /tmp/ganzoo/plugins
RUN pip install --no-cache-dir --constraint /tmp/ganzoo/constraints.txt "/tmp/ganzoo[${EXTRAS}]" \
 && rm -r /tmp/ganzoo

COPY recipes /recipes
WORKDIR /work
VOLUME ["/cache"]
ENTRYPOINT ["ganzoo"]
CMD ["--help"]
