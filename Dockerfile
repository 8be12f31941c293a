# One target per image: ingest, debounce, delivery, settings, operator (`lull`), simulators, demo.
#   docker build --target delivery -t lull/delivery .        (all of them: `make images`)
# No base image but python:…-slim; uv and the build backend come through pip, checked by hash.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/uv.txt requirements/build.txt requirements/
RUN python -m venv /build \
 && /build/bin/pip install --quiet --require-hashes -r requirements/uv.txt \
 && /build/bin/uv pip install --quiet --python /build/bin/python --require-hashes -r requirements/build.txt
COPY deploy/docker/assemble /build/bin/
COPY requirements requirements
COPY libs libs

# What an image holds lies in /app: an environment of its own, without pip, and its bill of materials.
FROM build AS build-ingest
COPY services/ingest services/ingest
RUN /build/bin/assemble ingest libs/common services/ingest

FROM build AS build-debounce
COPY services/debounce services/debounce
RUN /build/bin/assemble debounce libs/common services/debounce

FROM build AS build-delivery
COPY services/delivery services/delivery
RUN /build/bin/assemble delivery libs/common services/delivery

FROM build AS build-settings
COPY services/settings services/settings
RUN /build/bin/assemble settings libs/common services/settings

FROM build AS build-operator
COPY services/delivery services/delivery
COPY services/settings services/settings
COPY tools/cli tools/cli
RUN /build/bin/assemble operator libs/common services/delivery services/settings tools/cli

FROM build AS build-simulators
COPY tools/simulators tools/simulators
RUN /build/bin/assemble simulators libs/common tools/simulators

FROM build AS build-demo
COPY tools/demo tools/demo
RUN /build/bin/assemble demo libs/common tools/demo

# What runs: Python, /app, and a user without rights. It writes nothing: the root may be read-only.
FROM python:${PYTHON}-slim AS runtime
ARG VERSION=0.0.0
ARG REVISION=unknown
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
 && groupadd --gid 10001 lull && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin lull
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /app
LABEL org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.vendor=Lull

FROM runtime AS ingest
LABEL org.opencontainers.image.title="Lull ingest" \
      org.opencontainers.image.description="Intercom webhooks and actions in, ids and times out to Kafka"
COPY --from=build-ingest /app /app
CMD ["python", "-m", "ingest"]

FROM runtime AS debounce
LABEL org.opencontainers.image.title="Lull debounce" \
      org.opencontainers.image.description="Fifteen quiet minutes, by the log's own clock"
COPY --from=build-debounce /app /app
CMD ["python", "-m", "debounce"]

FROM runtime AS delivery
LABEL org.opencontainers.image.title="Lull delivery" \
      org.opencontainers.image.description="From a settled conversation to exactly one note in the CRM"
COPY --from=build-delivery /app /app
CMD ["python", "-m", "delivery"]

FROM runtime AS settings
LABEL org.opencontainers.image.title="Lull settings" \
      org.opencontainers.image.description="Which workspace has sync switched on, for which app, and the tokens"
COPY --from=build-settings /app /app
CMD ["python", "-m", "settings"]

FROM runtime AS operator
LABEL org.opencontainers.image.title="Lull operator" \
      org.opencontainers.image.description="lull: topics and the other commands of those who run it"
COPY --from=build-operator /app /app
ENTRYPOINT ["lull"]
CMD ["--help"]

# The two below are for trying Lull without accounts anywhere; never part of a production stack.
FROM runtime AS simulators
LABEL org.opencontainers.image.title="Lull simulators" \
      org.opencontainers.image.description="Intercom and the CRMs, in their own wire formats; for trials"
COPY --from=build-simulators /app /app
CMD ["lull-simulators"]

FROM runtime AS demo
LABEL org.opencontainers.image.title="Lull demo" \
      org.opencontainers.image.description="Fills the simulators, installs our apps there, plays conversations"
COPY --from=build-demo /app /app
ENTRYPOINT ["lull-trial"]
CMD ["--help"]
