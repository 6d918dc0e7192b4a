# Builds pbxhook, and packs the server with its plugins; and, as a target of its own, mock-pbx.
#
#   docker build -t pbxhook .
#   docker run -p 127.0.0.1:3000:3000 -v pbxhook:/var/lib/pbxhook -v ./secrets:/etc/pbxhook/secrets:ro \
#       -e PBXHOOK_WEBHOOK_SECRET_FILE=/etc/pbxhook/secrets/webhook \
#       -e PBXHOOK_PBX_URL=http://pbx.example:3001/api/client/actions pbxhook
#
#   docker build -t mock-pbx --target mock-pbx .
#
# Every key of the configuration is a variable: `docker run pbxhook check` prints them. Loopback is nobody
# else's inside a container, so it listens on all addresses there. It does not start like that unless senders
# have to show a secret; the file must be readable by user 10001 alone. Plugins of your own: a Dockerfile with
# `FROM pbxhook` and `COPY my_handler.so /usr/lib/pbxhook/plugins/`.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential cmake pkg-config \
        libmicrohttpd-dev libgnutls28-dev libcurl4-openssl-dev libjansson-dev libpq-dev libsqlite3-dev \
        libconfuse-dev libssl-dev nodejs npm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY CMakeLists.txt ./
COPY cmake cmake
COPY config config
COPY core core
COPY docs/plugins.md docs/
COPY examples examples
COPY include include
COPY packaging packaging
COPY plugins plugins
COPY tests/mock_pbx tests/mock_pbx
COPY web web
RUN cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_LIBDIR=lib \
        -DPBXHOOK_TESTS=OFF -DPBXHOOK_MOCK_PBX=ON \
    && cmake --build build -j "$(nproc)" \
    && DESTDIR=/out cmake --install build --strip

# The user has a number that is the same everywhere, so that Kubernetes sees that it is not root.
FROM debian:12-slim AS runtime
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl \
        libmicrohttpd12 libgnutls30 libcurl4 libjansson4 libpq5 libsqlite3-0 libconfuse2 libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 pbxhook \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/pbxhook --no-create-home \
        --shell /usr/sbin/nologin pbxhook

FROM runtime AS mock-pbx
COPY --from=build /out/usr/bin/mock-pbx /usr/bin/
USER 10001:10001
EXPOSE 3001
ENTRYPOINT ["mock-pbx"]
CMD ["--listen", "0.0.0.0:3001"]

FROM runtime AS pbxhook
RUN install -d -o pbxhook -g pbxhook -m 0700 /var/lib/pbxhook /etc/pbxhook/secrets
COPY --from=build /out/etc/pbxhook/pbxhook.conf /etc/pbxhook/
COPY --from=build /out/usr/bin/pbxhook /usr/bin/
COPY --from=build /out/usr/lib/pbxhook /usr/lib/pbxhook
USER 10001:10001
VOLUME /var/lib/pbxhook
EXPOSE 3000
ENV PBXHOOK_LISTEN=0.0.0.0:3000 PBXHOOK_STATE_DIR=/var/lib/pbxhook
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD curl -fsS "http://127.0.0.1:${PBXHOOK_LISTEN##*:}/healthz" \
        || curl -fsSk "https://127.0.0.1:${PBXHOOK_LISTEN##*:}/healthz" || exit 1
ENTRYPOINT ["pbxhook"]
CMD ["serve"]
