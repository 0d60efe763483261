# One image for every process of the Procfile; the platform names the command.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
# The packages are found where they lie; nothing of ours is built or installed.
RUN echo /app > "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/holdfast.pth" \
 && printf '#!/bin/sh\nexec /opt/venv/bin/python -m admin.cli "$@"\n' > /opt/venv/bin/holdfast \
 && chmod 755 /opt/venv/bin/holdfast

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --home-dir /app holdfast
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY Procfile ./
COPY admin admin
COPY bridge bridge
COPY tools tools
COPY worker worker
RUN python -m compileall -q admin bridge tools worker
USER holdfast
EXPOSE 8080
STOPSIGNAL SIGTERM
CMD ["holdfast", "bridge"]
