# The services of compose.yaml: SeaweedFS and MLflow, and PostgreSQL from Debian's packages for
# where its public image can't be had. They run as users without a name, like the stages.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS services
COPY docker/install.sh docker/services.lock /opt/build/
RUN python3.11 -m venv /opt/venv
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.crt \
    --mount=type=cache,target=/var/cache/pip \
    /opt/build/install.sh /opt/venv /opt/build/services.lock
RUN mkdir /data && chown 10001:10001 /data
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001

FROM services AS seaweedfs
VOLUME /data
EXPOSE 8333
# Its telemetry is on unless told otherwise.
CMD ["weed", "mini", "-dir=/data", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-webdav=false", \
    "-master.telemetry=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", \
    "-bucket=mlflow"]

FROM services AS mlflow
EXPOSE 5000
CMD ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "2"]

FROM ${BASE_IMAGE} AS postgres
RUN apt-get update -qq \
    && apt-get install -qq --no-install-recommends -y postgresql \
    && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/*/main
COPY docker/postgres.sh /usr/local/bin/
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data/pgdata
RUN mkdir -p /var/lib/postgresql/data && chown 10001:10001 /var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
EXPOSE 5432
USER 10001:10001
CMD ["postgres.sh"]
