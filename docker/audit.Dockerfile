# What is in an image: its Python packages as an SBOM, their licences and known vulnerabilities,
# and the base's packages. `make images-audit` builds this and takes the files of the last stage.
ARG IMAGE
FROM ${IMAGE} AS audit
USER 0
COPY docker/install.sh docker/audit.lock /opt/build/
RUN python3 -m venv /opt/audit
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.crt \
    --mount=type=cache,target=/var/cache/pip \
    /opt/build/install.sh /opt/audit /opt/build/audit.lock
COPY docker/audit.sh /opt/build/
# Vulnerabilities become known while the image stays as it is.
ARG TIME
RUN --mount=type=secret,id=ca.crt /opt/build/audit.sh /report

FROM scratch
COPY --from=audit /report /
