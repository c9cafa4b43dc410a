# Remit's image. The digest belongs to the tag in front of it: change both together.
FROM node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# --ignore-scripts: no package needs to run code at installation.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src ./src
RUN npm run build && rm dist/.tsbuildinfo
COPY .ci/sbom.mjs ./.ci/
RUN node .ci/sbom.mjs >sbom.cdx.json && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-trixie-slim@sha256:8ec5d7557396cfe32d21c3f9c13072355ceab22b584578ca4bb28af31120cffe
# Package managers aren't needed to serve.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
      /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-* && \
    install -d -o 1000 -g 1000 -m 0700 /var/lib/remit
# A larger young generation: a decision's objects are garbage once it is answered, so this halves the collector's work.
ENV NODE_ENV=production NODE_OPTIONS=--max-semi-space-size=32 REMIT_HOST=0.0.0.0 REMIT_DATA=/var/lib/remit
WORKDIR /app
COPY --from=build /app/package.json /app/sbom.cdx.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY schema ./schema
COPY policies ./policies
COPY fixtures ./fixtures
# By number, so that Kubernetes can verify that it isn't root.
USER 1000:1000
EXPOSE 7480
# For a plain HTTP listener. A listener with TLS needs a check that accepts its certificate.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.REMIT_PORT || 7480}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["serve", "--json"]
