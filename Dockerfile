# syntax=docker/dockerfile:1

# --- The web app ------------------------------------------------------------------------------------------------------
FROM node:22-bookworm-slim AS web
WORKDIR /build/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY web ./
# Its types come from the API's document.
COPY tests/api/openapi.json ../tests/api/openapi.json
RUN npm run build

# --- Build ------------------------------------------------------------------------------------------------------------
# aws-lc-sys (TLS, JWT) compiles C and assembly: the image's gcc is enough, no cmake.
FROM rust:1.95-slim-bookworm AS builder
WORKDIR /build
# The queries were checked against .sqlx: no database is needed here.
COPY Cargo.toml Cargo.lock ./
COPY .sqlx .sqlx
COPY migrations migrations
COPY src src
ENV SQLX_OFFLINE=true
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin snack-server \
    && install -D --strip target/release/snack-server /out/snack-server

# --- Run --------------------------------------------------------------------------------------------------------------
FROM debian:bookworm-slim
# ca-certificates: for pictures kept at s3://.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin snack \
    && install -d -o 10001 -g 10001 /var/lib/snack/media
COPY --from=builder /out/snack-server /usr/local/bin/snack-server
# The server looks for web/dist where it is started.
WORKDIR /usr/local/share/snack
COPY --from=web /build/web/dist web/dist

USER 10001
VOLUME /var/lib/snack/media
EXPOSE 8000
# The server drains its requests and flushes the reaction counts on TERM.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["snack-server", "healthcheck"]
ENTRYPOINT ["snack-server"]
CMD ["serve"]
