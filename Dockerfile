# The image of the container action and of other CI systems, from a clone:
#
#   docker build .                     the program and the certificates, and nothing else
#   docker build --target shell .      the same on busybox, for CI systems that run a script inside the image
#
# A release and the tests put in programs that were built before: by `--build-context binary=FOLDER`, which
# stands in for the stage of that name, so that no toolchain is pulled (`packaging/image`).
# Nothing here needs BuildKit: buildah and podman build it as well, which is why the images have full names.

ARG SHELL_BASE=docker.io/library/busybox:1.37.0-musl

# The toolchain of rust-toolchain.toml. That file stays outside: for it rustup would fetch lints and formatter.
# Debian's musl-gcc compiles aws-lc; the program is built for the machine that this runs on, never across.
FROM docker.io/library/rust:1.95.0-slim-bookworm AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates musl-tools \
 && rm -rf /var/lib/apt/lists/*
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /build
COPY . .
# What `s3lo version` calls the commit.
ARG REVISION=unknown
ENV S3LO_COMMIT=$REVISION
RUN cargo build --locked --release --target "$(uname -m)-unknown-linux-musl"
# The certificates are those that Debian takes from Mozilla, without any that were added to this machine.
RUN case "$(uname -m)" in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) echo "no image for $(uname -m)" >&2; exit 1 ;; esac \
 && install -D --mode 0755 "target/$(uname -m)-unknown-linux-musl/release/s3lo" "/binary/$arch/s3lo" \
 && cat /usr/share/ca-certificates/mozilla/*.crt >/binary/ca-certificates.crt \
 && chmod 0644 /binary/ca-certificates.crt

# What both images are made of: ARCH/s3lo and ca-certificates.crt. In two steps, since BuildKit asks a registry for
# whatever a stage copies from, even if something else stands in for that stage.
FROM scratch AS built
COPY --from=build /binary/ /
FROM built AS binary

# With `sh` and coreutils, and without an entrypoint: GitLab pipes a job's script into a shell of the image, Jenkins starts
# it as `IMAGE cat` (https://github.com/jenkinsci/docker-workflow-plugin/issues/116), and both find `s3lo` on PATH,
# which not every base sets.
FROM ${SHELL_BASE} AS shell
ARG TARGETARCH
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="s3lo sign" \
      org.opencontainers.image.description="Signs and verifies container images that live in S3; with a shell" \
      org.opencontainers.image.source="https://github.com/s3lo/sign-action" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=binary /$TARGETARCH/s3lo /usr/local/bin/s3lo
COPY --from=binary /ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
CMD ["sh"]

# Last, so that it is what `docker build .` makes. No USER: a container action writes the runner's files, which
# belong to another user, and reads what root of the job left. No WORKDIR: the runner names its own. The entrypoint
# is in the form that needs no shell: there is none, and one would lose inputs whose names have dashes.
FROM scratch
ARG TARGETARCH
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="s3lo sign" \
      org.opencontainers.image.description="Signs and verifies container images that live in S3" \
      org.opencontainers.image.source="https://github.com/s3lo/sign-action" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=binary /$TARGETARCH/s3lo /usr/local/bin/s3lo
COPY --from=binary /ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENTRYPOINT ["/usr/local/bin/s3lo"]
CMD ["ci"]
