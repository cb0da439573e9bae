# The image that `cargo xtask image` makes, for people with a registry: docker build -t registry.example/flow-observer:0.1.0 .
# For another architecture build on a machine of it, or use `cargo xtask image --arch arm64`, which cross-compiles.
# The program is the same as in the archive; Docker adds build times of its own, so that the image's digest is not.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Installs what it needs itself: bpf-linker, the toolchain of the eBPF target.
RUN cargo xtask image && install -D target/oci/*/flow-observer /image/flow-observer \
    && install -D -m 644 -t /image/licenses LICENSE-APACHE LICENSE-MIT

FROM scratch
COPY --from=build /image/ /
# So that `kubectl exec POD -- flow-observer doctor` finds the program.
ENV PATH=/
WORKDIR /
ENTRYPOINT ["/flow-observer"]
