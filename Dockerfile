# The bridge as a container: the bundled command on Node, no package manager's leftovers, no shell needed.
# Stop the old container before starting a new one: both would need the same state (see the README).
FROM node:24-bookworm AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No package needs its install script here: the image's own Node is the right one.
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY .ci .ci
COPY src src
RUN node .ci/build.ts && mkdir /state

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="upstash-workflow-otel" \
      org.opencontainers.image.description="Turns Upstash Workflow runs into OpenTelemetry traces" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /app/
COPY --from=build /build/dist/wfotel.mjs /build/dist/THIRD-PARTY-LICENSES.txt /app/
COPY --from=build /build/dist/wfotel /app/wfotel
# A new named volume takes over the owner of the folder it is mounted on.
COPY --from=build --chown=65532:65532 /state /var/lib/wfotel
USER 65532:65532
# TMPDIR: the one folder that is writable where the root file system is read-only; for SQLite's and the demo's own files.
ENV WFOTEL_STATE=/var/lib/wfotel/wfotel.db \
    TMPDIR=/var/lib/wfotel \
    WFOTEL_LISTEN=0.0.0.0:9477
VOLUME /var/lib/wfotel
EXPOSE 9477
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["node", "/app/wfotel.mjs", "healthcheck"]
ENTRYPOINT ["node", "/app/wfotel.mjs"]
CMD ["run"]
