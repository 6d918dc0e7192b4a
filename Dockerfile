# Builds pbxhook and packs the server with its plugins.
#
#   docker build -t pbxhook .
#   docker run -p 127.0.0.1:3000:3000 -v pbxhook:/var/lib/pbxhook \
#       -e PBXHOOK_PBX_URL=http://pbx.example:3001/api/client/actions pbxhook
#
# Inside a container loopback is nobody else's, so it listens on all addresses there. This version has no
# authentication of its own: publish the port on loopback, or behind a proxy that has.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential cmake pkg-config \
    libmicrohttpd-dev libcurl4-openssl-dev libjansson-dev libsqlite3-dev libpq-dev libconfuse-dev libssl-dev \
    nodejs npm
WORKDIR /src
COPY CMakeLists.txt ./
COPY cmake cmake
COPY config config
COPY core core
COPY include include
COPY plugins plugins
COPY web web
RUN cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr \
        -DCMAKE_INSTALL_SYSCONFDIR=/etc -DPBXHOOK_TESTS=OFF \
    && cmake --build build -j "$(nproc)" \
    && DESTDIR=/out cmake --install build --strip

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl \
        libmicrohttpd12 libcurl4 libjansson4 libsqlite3-0 libpq5 libconfuse2 libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/pbxhook --shell /usr/sbin/nologin pbxhook \
    && install -d -o pbxhook -g pbxhook -m 0700 /var/lib/pbxhook
COPY --from=build /out/ /
USER pbxhook
VOLUME /var/lib/pbxhook
EXPOSE 3000
ENV PBXHOOK_LISTEN=0.0.0.0:3000 PBXHOOK_STATE_DIR=/var/lib/pbxhook
HEALTHCHECK CMD curl -fsS http://127.0.0.1:3000/healthz || exit 1
ENTRYPOINT ["pbxhook"]
CMD ["serve"]
