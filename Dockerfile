# The image of the container action and of other CI systems, from a clone:
#
#   docker build .                     the program and the certificates, and nothing else
#   docker build --target shell .      the same on busybox, for CI systems that run a script inside the image
#
# A release and the tests put in programs that were built before: by `--build-context binary=FOLDER`, which
# stands in for the stage of that name, so that no toolchain is pulled (`packaging/image`).
#
# Nothing here needs BuildKit: docker's classic builder, buildah and podman build it as well. So the images have full names,
# and no path has an architecture in it: only BuildKit and buildah know TARGETARCH.
# Each base is named by tag and digest, of the index of all architectures, in a FROM of its own: Dependabot raises the two
# together, and does not look at the default of an ARG.

# The toolchain of rust-toolchain.toml. That file stays outside: for it rustup would fetch lints and formatter.
# Debian's musl-gcc compiles aws-lc; the program is built for the machine that this runs on, never across.
FROM docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
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
RUN mkdir /binary \
 && cp "target/$(uname -m)-unknown-linux-musl/release/s3lo" /binary/s3lo \
 && cat /usr/share/ca-certificates/mozilla/*.crt >/binary/ca-certificates.crt \
 && chmod 0755 /binary /binary/s3lo \
 && chmod 0644 /binary/ca-certificates.crt

# What both images are made of: s3lo and ca-certificates.crt. In two steps, since BuildKit asks a registry for
# whatever a stage copies from, even if something else stands in for that stage.
FROM scratch AS built
COPY --from=build /binary/ /
FROM built AS binary

# What the shell is from. `packaging/image` can put another in its place.
FROM docker.io/library/busybox:1.37.0-musl@sha256:1256f55742579badea94e3e2f574fc90021120f6c1aa01c87182566dfb950c39 AS busybox

# With `sh` and coreutils, and without an entrypoint: GitLab pipes a job's script into a shell of the image, Jenkins starts
# it as `IMAGE cat` (https://github.com/jenkinsci/docker-workflow-plugin/issues/116), and both find `s3lo` on PATH,
# which not every base sets.
FROM busybox AS shell
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="s3lo sign" \
      org.opencontainers.image.description="Signs and verifies container images that live in S3; with a shell" \
      org.opencontainers.image.source="https://github.com/s3lo/sign-action" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=binary /s3lo /usr/local/bin/s3lo
COPY --from=binary /ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
CMD ["sh"]

# Last, so that it is what `docker build .` makes. No USER: a container action writes the runner's files, which
# belong to another user, and reads what root of the job left. No WORKDIR: the runner names its own. The entrypoint
# is in the form that needs no shell: there is none, and one would lose inputs whose names have dashes.
FROM scratch
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="s3lo sign" \
      org.opencontainers.image.description="Signs and verifies container images that live in S3" \
      org.opencontainers.image.source="https://github.com/s3lo/sign-action" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=binary /s3lo /usr/local/bin/s3lo
COPY --from=binary /ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENTRYPOINT ["/usr/local/bin/s3lo"]
CMD ["ci"]
