# The image of `cargo xtask image`, for users with a registry: docker build -t registry.example/flow-observer:0.1.0 .
# For another architecture, build on such a machine, or use `cargo xtask image --arch arm64`, which cross-compiles.
# The program is the same as in the archive. Docker adds build times, so the image's digest differs.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# This installs bpf-linker and the toolchain of the eBPF target.
RUN cargo xtask image && install -D target/oci/*/flow-observer /image/flow-observer \
    && install -D -m 644 -t /image/licenses LICENSE-APACHE LICENSE-MIT \
    && install -D -m 644 -t /image/sbom target/oci/*/flow-observer.cdx.json

FROM scratch
COPY --from=build /image/ /
# `kubectl exec POD -- flow-observer doctor` finds the program by it.
ENV PATH=/
WORKDIR /
ENTRYPOINT ["/flow-observer"]
