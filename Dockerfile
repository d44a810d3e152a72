# syntax=docker/dockerfile:1
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY nest-cli.json tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN ./node_modules/.bin/nest build

FROM node:24.21.0-bookworm-slim AS production-modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json ./
COPY migrations ./migrations
COPY --from=production-modules /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# By number: Kubernetes cannot tell from a name that it is not root. It is the user "node".
USER 1000:1000
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 4000}/health/ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node itself, and not npm, so that it gets the signals; its arguments are those of tools/node-args.mts.
CMD ["node", "--v8-pool-size=2", "--max-semi-space-size=8", "--heap-growing-percent=50", "dist/main.js"]
